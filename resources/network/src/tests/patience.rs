//! How long connections last, and what is set of them.

use std::vec;

use super::wire::{Held, Weather};
use super::world::{World, at, pattern};
use crate::{NetError, What, ready};

const SECOND: u64 = 1_000_000;

fn some(bytes: usize) -> What<Held> {
    What::Send(Held::of(&vec![1; bytes]), None)
}

fn into() -> What<Held> {
    What::Receive(Held::of(&vec![0; 8_000]), false)
}

#[test]
fn a_connection_may_be_silent_for_as_long_as_it_likes() {
    let mut world = World::new(Weather::default(), 21);
    let (listens, server, client) = world.connected(80);
    for _ in 0..600 {
        world.pass(SECOND);
    }
    assert_eq!(world.call(1, &client, some(100)).unwrap().bytes, 100);
    assert_eq!(world.wait(0, &server, into).unwrap().bytes, 100);
    for _ in 0..600 {
        world.pass(SECOND);
    }
    // Its end is heard too, as an end.
    world.call(1, &client, What::Close).unwrap();
    world.pass(SECOND);
    assert_eq!(world.call(0, &server, into()).unwrap().bytes, 0);
    for socket in [server, listens] {
        world.call(0, &socket, What::Close).unwrap();
    }
    drop(client);
    world.is_clean();
}

#[test]
fn who_wants_to_know_learns_that_nobody_is_there_any_more() {
    let mut world = World::new(Weather::default(), 23);
    let (listens, server, client) = world.connected(80);
    server.set(|options| {
        options.keep_alive = true;
        (options.idle, options.interval, options.probes) = (20, 5, 3);
    });
    // While somebody answers it lasts.
    for _ in 0..200 {
        world.pass(SECOND);
    }
    assert_eq!(world.call(0, &server, some(1)).unwrap().bytes, 1);
    world.pass(SECOND);
    world.weather.lost = 100;
    let (mut seconds, sent) = (0, world.frames.len());
    while server.ready() & ready::ERROR == 0 && seconds < 100 {
        world.pass(SECOND);
        seconds += 1;
    }
    assert!((33..=37).contains(&seconds), "{seconds} s");
    // The questions, and the reset.
    let asked = world.frames[sent..].iter().filter(|(from, _)| *from == 0).count();
    assert_eq!(asked, 4);
    assert_eq!(world.call(0, &server, into()), Err(NetError::TimedOut));
    for (host, socket) in [(0, server), (1, client), (0, listens)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

#[test]
fn what_is_unanswered_for_as_long_as_was_said_ends_it() {
    let mut world = World::new(Weather::default(), 25);
    let (_listens, _server, client) = world.connected(80);
    client.set(|options| options.patience = 9_000);
    world.weather.lost = 100;
    world.call(1, &client, some(100)).unwrap();
    let mut seconds = 0;
    while client.ready() & ready::ERROR == 0 && seconds < 100 {
        world.pass(SECOND);
        seconds += 1;
    }
    assert!((8..=11).contains(&seconds), "{seconds} s");
    assert_eq!(client.take_error(), Some(NetError::TimedOut));
}

#[test]
fn what_is_corked_goes_as_whole_segments_or_after_a_while() {
    let mut world = World::new(Weather::default(), 27);
    let (listens, server, client) = world.connected(80);
    client.set(|options| options.cork = true);
    world.pass(SECOND);
    let before = world.frames.len();
    for bytes in [1, 2, 100] {
        assert_eq!(world.call(1, &client, some(bytes)).unwrap().bytes, bytes);
        world.pass(10_000);
    }
    assert_eq!(world.frames.len(), before);
    assert_eq!(client.unsent_bytes(), Some(103));
    for _ in 0..30 {
        world.pass(10_000);
    }
    assert_eq!(world.call(0, &server, into()).unwrap().bytes, 103);
    // What fills segments goes at once, the rest when it is uncorked.
    let bytes = pattern(4_000, 3);
    assert_eq!(world.call(1, &client, What::Send(Held::of(&bytes), None)).unwrap().bytes, 4_000);
    world.pass(10_000);
    let to = Held::of(&vec![0; 8_000]);
    let got = world.call(0, &server, What::Receive(to.clone(), false)).unwrap().bytes;
    assert_eq!(got, 2 * 1_460);
    assert!(to.0.lock().unwrap()[..got] == bytes[..got]);
    assert!(client.set(|options| options.cork = false));
    assert_eq!(world.call(1, &client, some(1)).unwrap().bytes, 1);
    let rest = world.wait(0, &server, || What::Receive(to.clone(), false)).unwrap().bytes;
    assert!(to.0.lock().unwrap()[..4_000 - got] == bytes[got..], "{rest}");
    // What is held back goes before the end.
    client.set(|options| options.cork = true);
    world.call(1, &client, some(7)).unwrap();
    world.call(1, &client, What::Close).unwrap();
    world.pass(SECOND);
    assert!(world.call(0, &server, into()).unwrap().bytes >= 7);
    for socket in [server, listens] {
        world.call(0, &socket, What::Close).unwrap();
    }
    drop(client);
    world.is_clean();
}

#[test]
fn packets_say_what_was_set_of_them() {
    let mut world = World::new(Weather::default(), 29);
    let (_listens, server, client) = world.connected(80);
    let said = |world: &World| {
        let mine = world.frames.iter().rev().find(|(from, _)| *from == 1);
        let frame = &mine.unwrap().1;
        // The kind of service, and the hops, of IP's header.
        (frame[15], frame[22])
    };
    assert_eq!(said(&world), (0, 64));
    client.set(|options| (options.service, options.hops) = (0x10, 7));
    world.call(1, &client, some(1)).unwrap();
    assert_eq!(world.wait(0, &server, into).unwrap().bytes, 1);
    assert_eq!(said(&world), (0x10, 7));
    let datagrams = world.hosts[1].socket(false);
    datagrams.set(|options| (options.service, options.hops) = (0x08, 3));
    world.hosts[1].wiring.before_send(&datagrams, Some(at(0, 7))).unwrap();
    world.call(1, &datagrams, What::Send(Held::of(&[1; 9]), Some(at(0, 7)))).unwrap();
    world.settle();
    assert_eq!(said(&world), (0x08, 3));
}

#[test]
fn who_sends_to_one_that_has_left_is_told_so() {
    let mut world = World::new(Weather::default(), 31);
    let (listens, server, client) = world.connected(80);
    world.call(0, &server, What::Close).unwrap();
    world.pass(10_000);
    assert_eq!(client.ready() & ready::READ_HANG_UP, ready::READ_HANG_UP);
    assert_eq!(world.call(1, &client, some(100)).unwrap().bytes, 100);
    world.pass(10_000);
    assert_eq!(world.call(1, &client, some(100)), Err(NetError::Pipe));
    assert_eq!(world.call(1, &client, into()).unwrap().bytes, 0);
    drop(server);
    for (host, socket) in [(1, client), (0, listens)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

#[test]
fn who_lingers_is_told_when_all_has_arrived_and_who_does_not_resets() {
    let mut world = World::new(Weather::default(), 33);
    let (listens, server, client) = world.connected(80);
    client.set(|options| options.linger = (true, 5));
    world.weather.lost = 100;
    world.call(1, &client, some(100)).unwrap();
    world.call(1, &client, What::Close).unwrap();
    world.pass(SECOND);
    assert_eq!(client.ready() & ready::ARRIVED, 0);
    world.weather.lost = 0;
    world.hosts[1].told.lock().unwrap().clear();
    for _ in 0..5 {
        world.pass(SECOND);
    }
    assert_eq!(client.ready() & ready::ARRIVED, ready::ARRIVED);
    assert!(world.hosts[1].told.lock().unwrap().contains(&client.id()));
    server.set(|options| options.linger = (true, 0));
    assert_eq!(world.call(0, &server, into()).unwrap().bytes, 100);
    world.call(0, &server, What::Close).unwrap();
    world.pass(10_000);
    // The last frame of the server's resets.
    let last = world.frames.iter().rev().find(|(from, _)| *from == 0).unwrap();
    assert_eq!(last.1[47] & 4, 4);
    world.call(0, &listens, What::Close).unwrap();
    drop((server, client, listens));
    world.is_clean();
}

#[test]
fn who_was_refused_may_try_again() {
    let mut world = World::new(Weather::default(), 35);
    let client = world.client(80);
    world.pass(10_000);
    assert_eq!(client.take_error(), Some(NetError::Refused));
    assert!(client.has_failed() && client.peer().is_none());
    let listens = world.hosts[0].socket(true);
    let wiring = world.hosts[0].wiring.clone();
    wiring.bind(&listens, at(0, 80), vortex_units::Cycles::ZERO).unwrap();
    // Who is bound and does not listen refuses too.
    assert!(world.hosts[1].wiring.plan(&client, at(0, 80)).unwrap());
    assert_eq!(world.call(1, &client, What::Connect), Err(NetError::InProgress));
    world.pass(10_000);
    assert_eq!(client.take_error(), Some(NetError::Refused));
    wiring.listen(&listens, 1).unwrap();
    // However long ago that was.
    for _ in 0..200 {
        world.pass(SECOND);
    }
    world.weather.lost = 100;
    assert!(world.hosts[1].wiring.plan(&client, at(0, 80)).unwrap());
    assert_eq!(world.call(1, &client, What::Connect), Err(NetError::InProgress));
    for _ in 0..20 {
        world.pass(SECOND);
    }
    world.weather.lost = 0;
    for _ in 0..70 {
        world.pass(SECOND);
    }
    let server = wiring.accept(&listens).unwrap();
    assert!(client.peer().is_some());
    for (host, socket) in [(0, server), (1, client), (0, listens)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}
