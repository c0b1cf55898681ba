//! What of sockets Linux cannot say: whose they are, what they cost, and that nothing is lost.

use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use super::{OWNER, World};
use crate::{Caller, Collect, Errno, Got, NoProc, OpenId, Outcome, Owner, Receiving, Sending};

const STREAM: u32 = 1 | abi::O_NONBLOCK;
const DATAGRAMS: u32 = 2 | abi::O_NONBLOCK;

/// Calls as another activity's process.
fn as_other<T>(world: &mut World, call: impl FnOnce(&mut crate::Root, &Caller) -> T) -> T {
    world.see(&NoProc, |root, caller, _| {
        let other = Caller { owner: Owner::new(9), pid: 2, ..*caller };
        call(root, &other)
    })
}

fn pair(world: &mut World, kind: u32) -> (OpenId, OpenId) {
    world.see(&NoProc, |root, caller, _| root.unix_pair(caller, kind, 0).unwrap())
}

fn send(world: &mut World, open: OpenId, rights: &[OpenId]) -> Result<Outcome, Errno> {
    world.see(&NoProc, |root, caller, effects| {
        let sending = Sending { rights, ..Sending::default() };
        root.send(caller, open, &sending, &mut &b"x"[..], effects)
    })
}

fn close(world: &mut World, opens: impl IntoIterator<Item = OpenId>) {
    for open in opens {
        world.root.close(open, &mut world.effects);
    }
}

fn bury(world: &mut World) {
    while world.root.bury(3, &mut world.effects) {}
}

#[test]
fn sockets_that_only_hold_each_other_go() {
    let mut world = World::new();
    // Each through itself, through the other, and in a ring of four.
    for _ in 0..30 {
        let (one, other) = pair(&mut world, STREAM);
        let (third, fourth) = pair(&mut world, DATAGRAMS);
        assert!(send(&mut world, one, &[one, other]).is_ok());
        assert!(send(&mut world, other, &[third]).is_ok());
        assert!(send(&mut world, third, &[one, fourth]).is_ok());
        assert!(send(&mut world, fourth, &[other]).is_ok());
        close(&mut world, [one, other, third, fourth]);
        bury(&mut world);
        assert_eq!(world.root.open_files(), 0, "none is open");
        assert_eq!(world.root.held(OWNER).get(), 0, "nothing is held");
    }
}

#[test]
fn what_can_still_be_read_stays() {
    let mut world = World::new();
    let (one, other) = pair(&mut world, STREAM);
    let (inner, end) = pair(&mut world, STREAM);
    assert!(send(&mut world, end, &[end]).is_ok());
    assert!(send(&mut world, one, &[inner]).is_ok());
    close(&mut world, [inner, end]);
    bury(&mut world);
    assert_eq!(world.root.open_files(), 4, "inner is in a message, and has the other end in one");
    let mut sink = Collect::new(9);
    let got = world.root.receive(other, Receiving::default(), &mut sink, &mut world.effects);
    let Ok(Got::Done(received)) = got else { panic!("{got:?}") };
    assert_eq!(received.rights, [inner]);
    close(&mut world, received.rights);
    bury(&mut world);
    assert_eq!(world.root.open_files(), 2, "the inner pair is gone with its last user");
    close(&mut world, [one, other]);
    bury(&mut world);
    assert_eq!(world.root.held(OWNER).get(), 0);
}

#[test]
fn a_listener_in_a_message_keeps_what_waits_at_it() {
    let mut world = World::new();
    let (one, other) = pair(&mut world, STREAM);
    let name = b"\x01\x00\0here";
    let (listener, client) = world.see(&NoProc, |root, caller, effects| {
        let listener = root.unix_socket(caller, STREAM, 0).unwrap();
        root.bind(caller, listener, name).unwrap();
        root.listen(caller, listener, 3, effects).unwrap();
        let client = root.unix_socket(caller, STREAM, 0).unwrap();
        assert_eq!(root.connect(caller, client, name, effects), Ok(Outcome::Done(0)));
        (listener, client)
    });
    assert!(send(&mut world, client, &[client]).is_ok());
    assert!(send(&mut world, one, &[listener]).is_ok());
    close(&mut world, [listener, client]);
    bury(&mut world);
    assert_eq!(world.root.open_files(), 4, "it may still be taken out, and accepted");
    close(&mut world, [one, other]);
    bury(&mut world);
    assert_eq!(world.root.open_files(), 0);
    assert_eq!(world.root.held(OWNER).get(), 0);
}

#[test]
fn descriptors_on_their_way_are_limited() {
    let mut world = World::new();
    let (one, other) = pair(&mut world, DATAGRAMS);
    let mut sent = 0;
    let refused = loop {
        match send(&mut world, one, &[one; 16]) {
            Ok(_) => sent += 16,
            Err(error) => break error,
        }
    };
    assert_eq!((sent, refused), (128, Errno::ETOOMANYREFS), "sockets");
    let (reader, writer) = world.root.pipe(0, OWNER, world.now).unwrap();
    let mut sent = 0;
    let refused = loop {
        match send(&mut world, one, &[reader; 128]) {
            Ok(_) => sent += 128,
            Err(error) => break error,
        }
    };
    assert_eq!((sent, refused), (896, Errno::ETOOMANYREFS), "and all together");
    close(&mut world, [one, other, reader, writer]);
    bury(&mut world);
    assert_eq!(world.root.held(OWNER).get(), 0, "all is back");
    let (one, _other) = pair(&mut world, DATAGRAMS);
    assert!(send(&mut world, one, &[one; 128]).is_ok(), "and can be had again");
}

#[test]
fn descriptors_do_not_cross_activities() {
    let mut world = World::new();
    let path = b"\x01\x00/there\0";
    let receiver = as_other(&mut world, |root, caller| {
        let receiver = root.unix_socket(caller, DATAGRAMS, 0).unwrap();
        root.bind(caller, receiver, path).unwrap();
        receiver
    });
    let sender =
        world.see(&NoProc, |root, caller, _| root.unix_socket(caller, DATAGRAMS, 0).unwrap());
    let send_to = |world: &mut World, rights: &[OpenId]| {
        world.see(&NoProc, |root, caller, effects| {
            let sending = Sending { address: Some(path), rights, ..Sending::default() };
            root.send(caller, sender, &sending, &mut &b"hello"[..], effects)
        })
    };
    let before = world.root.held(OWNER);
    assert_eq!(send_to(&mut world, &[sender]), Err(Errno::EPERM));
    assert_eq!(world.root.held(OWNER), before, "nothing is left of it");
    assert_eq!(send_to(&mut world, &[]), Ok(Outcome::Done(5)), "bytes do");
    assert!(world.root.held(OWNER) > before, "on the bill of who sent them");
    let mut sink = Collect::new(9);
    let _ = world.root.receive(receiver, Receiving::default(), &mut sink, &mut world.effects);
    assert_eq!(sink.into_bytes(), b"hello");
    assert_eq!(world.root.held(OWNER), before);
}

#[test]
fn abstract_names_are_an_activitys_own() {
    let mut world = World::new();
    let name = b"\x01\x00\0mine";
    let make = |root: &mut crate::Root, caller: &Caller| {
        let open = root.unix_socket(caller, DATAGRAMS, 0).unwrap();
        root.bind(caller, open, name).map(|()| open)
    };
    let own = world.see(&NoProc, |root, caller, _| make(root, caller)).unwrap();
    let others = as_other(&mut world, make).expect("the same name is free there");
    let sender =
        world.see(&NoProc, |root, caller, _| root.unix_socket(caller, DATAGRAMS, 0).unwrap());
    let sent = world.see(&NoProc, |root, caller, effects| {
        let sending = Sending { address: Some(name), ..Sending::default() };
        root.send(caller, sender, &sending, &mut &b"x"[..], effects)
    });
    assert_eq!(sent, Ok(Outcome::Done(1)));
    let ready = |open| world.root.poll(open, abi::POLLIN).ready;
    assert_eq!([ready(own), ready(others)], [abi::POLLIN, 0], "it went to its own");
}

#[test]
fn a_crowd_at_a_listener_is_the_listeners() {
    let mut world = World::new();
    let path = b"\x01\x00/there\0";
    as_other(&mut world, |root, caller| {
        let listener = root.unix_socket(caller, STREAM, 0).unwrap();
        root.bind(caller, listener, path).unwrap();
        root.listen(caller, listener, 3, &mut crate::Effects::new()).unwrap();
    });
    let mut clients = Vec::new();
    let refused = loop {
        let connected = world.see(&NoProc, |root, caller, effects| {
            let client = root.unix_socket(caller, STREAM, 0).unwrap();
            root.connect(caller, client, path, effects).map(|_| client)
        });
        match connected {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
    };
    assert_eq!((clients.len(), refused), (4, Errno::EAGAIN), "as on Linux one more than it says");
}
