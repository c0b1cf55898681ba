//! Connections: every byte arrives, or the connection ends with an error.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

use vortex_units::{ActivityId, Cycles};

use super::wire::{Held, Weather};
use super::world::{World, at, pattern};
use crate::{NetError, Shut, Socket, What, ready};

/// Sends all of it one way and closes that way; what arrives at the other end.
fn carry(
    world: &mut World,
    (from, sender): (usize, &Arc<Socket>),
    receiver: &Arc<Socket>,
    bytes: &[u8],
) -> Result<Vec<u8>, NetError> {
    let (mut sent, mut received, mut shut) = (0, Vec::new(), false);
    for _ in 0..40_000 {
        let mut moved = false;
        if sent < bytes.len() {
            let piece = Held::of(&bytes[sent..bytes.len().min(sent + 5_000)]);
            match world.call(from, sender, What::Send(piece, None)) {
                Ok(done) => {
                    sent += done.bytes;
                    moved = true;
                }
                Err(NetError::WouldBlock) => {}
                Err(error) => return Err(error),
            }
        } else if !shut {
            world.call(from, sender, What::Shutdown(Shut::Write))?;
            shut = true;
        }
        let into = Held::of(&vec![0; 3_000]);
        match world.call(1 - from, receiver, What::Receive(into.clone(), false)) {
            Ok(done) if done.bytes == 0 => return Ok(received),
            Ok(done) => {
                received.extend_from_slice(&into.0.lock().unwrap()[..done.bytes]);
                moved = true;
            }
            Err(NetError::WouldBlock) => {}
            Err(error) => return Err(error),
        }
        if !moved {
            world.pass(20_000);
        }
    }
    panic!("neither the bytes nor an error");
}

fn both_ways(weather: Weather, seed: u64, bytes: usize) {
    both_ways_of(World::new(weather, seed), seed, bytes);
}

fn both_ways_of(mut world: World, seed: u64, bytes: usize) {
    let (listens, server, client) = world.connected(80);
    let (request, answer) = (pattern(bytes, seed), pattern(bytes, seed + 1));
    assert!(carry(&mut world, (1, &client), &server, &request).unwrap() == request);
    assert!(carry(&mut world, (0, &server), &client, &answer).unwrap() == answer);
    for (host, socket) in [(0, server), (1, client), (0, listens)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

#[test]
fn every_byte_arrives() {
    both_ways(Weather::default(), 1, 200_000);
}

#[test]
fn every_byte_arrives_where_dwr_is_on_another_core_than_dir() {
    both_ways_of(World::with(Weather::default(), 1, 64, 0), 1, 200_000);
    // A ring that is full most of the time: who waits for room is told on its own core.
    both_ways_of(World::with(Weather::default(), 7, 4, 0), 7, 100_000);
    for seed in 0..3 {
        let weather = Weather { lost: 5, doubled: 5, spoiled: 3, late: 20 };
        both_ways_of(World::with(weather, 100 + seed, 64, 0), 100 + seed, 40_000);
    }
}

#[test]
fn every_byte_arrives_whatever_the_wire_does() {
    for seed in 0..6 {
        let weather = Weather { lost: 5, doubled: 5, spoiled: 3, late: 20 };
        both_ways(weather, 100 + seed, 40_000);
    }
}

#[test]
fn a_ring_with_little_room_loses_nothing() {
    let mut world = World::with_ring(Weather::default(), 7, 4);
    let (_listens, server, client) = world.connected(80);
    let bytes = pattern(100_000, 7);
    assert!(carry(&mut world, (0, &server), &client, &bytes).unwrap() == bytes);
}

#[test]
fn who_is_not_there_refuses() {
    let mut world = World::new(Weather::default(), 3);
    let client = world.client(81);
    world.pass(100_000);
    assert_eq!(client.ready() & ready::ERROR, ready::ERROR);
    assert_eq!(client.take_error(), Some(NetError::Refused));
    world.call(1, &client, What::Close).unwrap();
    drop(client);
    world.is_clean();
}

#[test]
fn who_does_not_answer_is_given_up() {
    let mut world = World::new(Weather { lost: 100, ..Weather::default() }, 3);
    let client = world.client(81);
    for _ in 0..300 {
        world.pass(1_000_000);
    }
    assert_eq!(client.take_error(), Some(NetError::TimedOut));
    world.call(1, &client, What::Close).unwrap();
    drop(client);
    world.is_clean();
}

#[test]
fn a_wire_that_is_cut_ends_a_connection_with_an_error() {
    let mut world = World::new(Weather::default(), 5);
    let (listens, server, client) = world.connected(80);
    world.weather.lost = 100;
    let piece = || What::Send(Held::of(&[1; 100]), None);
    world.call(1, &client, piece()).unwrap();
    for _ in 0..300 {
        world.pass(1_000_000);
    }
    assert_eq!(world.call(1, &client, piece()), Err(NetError::TimedOut));
    for (host, socket) in [(0, server), (1, client), (0, listens)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

#[test]
fn who_has_not_read_all_resets() {
    let mut world = World::new(Weather::default(), 9);
    let (listens, server, client) = world.connected(80);
    world.call(1, &client, What::Send(Held::of(&[1; 100]), None)).unwrap();
    world.pass(50_000);
    assert_eq!(server.ready() & ready::READ, ready::READ);
    assert!(world.hosts[0].told.lock().unwrap().contains(&server.id()));
    let closed = world.hosts[0].ask(&server, What::Close);
    world.pass(50_000);
    assert!(world.hosts[0].answer(closed).is_some());
    let into = || What::Receive(Held::of(&[0; 10]), false);
    assert_eq!(world.call(1, &client, into()), Err(NetError::Reset));
    drop(server);
    for (host, socket) in [(1, client), (0, listens)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

/// A connection within a machine: who listens, and both its ends.
fn within(world: &mut World) -> [Arc<Socket>; 3] {
    let wiring = world.hosts[0].wiring.clone();
    let listens = world.hosts[0].socket(true);
    wiring.bind(&listens, "127.0.0.1:7".parse().unwrap(), Cycles::ZERO).unwrap();
    wiring.listen(&listens, 1).unwrap();
    let client = world.hosts[0].socket(true);
    assert!(wiring.plan(&client, "127.0.0.1:7".parse().unwrap()).unwrap());
    assert_eq!(world.call(0, &client, What::Connect), Err(NetError::InProgress));
    world.pass(10_000);
    let server = wiring.accept(&listens).unwrap();
    [listens, client, server]
}

#[test]
fn a_machine_talks_to_itself() {
    let mut world = World::new(Weather::default(), 11);
    let [listens, client, server] = within(&mut world);
    let bytes = pattern(5_000, 1);
    assert_eq!(world.call(0, &client, What::Send(Held::of(&bytes), None)).unwrap().bytes, 5_000);
    world.pass(10_000);
    let into = Held::of(&vec![0; 6_000]);
    let moved = world.wait(0, &server, || What::Receive(into.clone(), false)).unwrap();
    assert_eq!(into.0.lock().unwrap()[..moved.bytes], bytes[..moved.bytes]);
    assert!(world.frames.is_empty(), "nothing of it went over the wire");
    for socket in [client, server, listens] {
        world.call(0, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

#[test]
fn every_byte_arrives_within_a_machine() {
    let mut world = World::new(Weather::default(), 17);
    let wiring = world.hosts[0].wiring.clone();
    let before = wiring.in_flight();
    let [listens, client, server] = within(&mut world);
    client.set(|options| options.no_delay = true);
    let bytes = pattern(100_000, 17);
    let (mut sent, mut received) = (0, Vec::new());
    while received.len() < bytes.len() {
        let piece = Held::of(&bytes[sent..bytes.len().min(sent + 4_096)]);
        if let Ok(done) = world.call(0, &client, What::Send(piece, None)) {
            sent += done.bytes;
        }
        // Who does not read is no reason for what has come not to be acknowledged.
        if sent == 4_096 {
            world.pass(6_000);
            assert_eq!(client.unsent_bytes(), Some(0));
        }
        let into = Held::of(&vec![0; 3_000]);
        match world.call(0, &server, What::Receive(into.clone(), false)) {
            Ok(done) => received.extend_from_slice(&into.0.lock().unwrap()[..done.bytes]),
            Err(_) => world.pass(1_000),
        }
    }
    assert!(received == bytes, "not what was sent");
    assert!(world.frames.is_empty(), "something went over the wire");
    for socket in [client, server, listens] {
        world.call(0, &socket, What::Close).unwrap();
    }
    world.is_clean();
    assert_eq!(wiring.in_flight(), before, "buffers");
}

#[test]
fn first_numbers_are_not_foreseen() {
    let mut world = World::new(Weather::default(), 13);
    let mut numbers = Vec::new();
    for port in 0..20 {
        let (_, _, _) = world.connected(1000 + port);
    }
    for (_, frame) in &world.frames {
        // SYN, with or without ACK.
        if frame.len() > 47 && frame[23] == 6 && frame[47] & 2 != 0 {
            numbers.push(u32::from_be_bytes(frame[38..42].try_into().unwrap()));
        }
    }
    assert_eq!(numbers.len(), 40);
    let mut steps: Vec<_> = numbers.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
    steps.sort_unstable();
    steps.dedup();
    assert_eq!(steps.len(), 39);
}

#[test]
fn addresses_in_use_are_refused() {
    let world = World::new(Weather::default(), 15);
    let host = &world.hosts[0];
    let (a, b) = (host.socket(true), host.socket(true));
    host.wiring.bind(&a, at(0, 80), Cycles::ZERO).unwrap();
    assert_eq!(host.wiring.bind(&b, at(0, 80), Cycles::ZERO), Err(NetError::InUse));
    assert_eq!(host.wiring.bind(&b, at(1, 80), Cycles::ZERO), Err(NetError::NoAddress));
    host.wiring.bind(&b, at(0, 0), Cycles::ZERO).unwrap();
    assert_ne!(b.local().unwrap().port(), 0);
}

/// A port that is another activity's is in use for all others, of streams or of datagrams.
#[test]
fn a_port_that_is_reserved_is_its_activitys_alone() {
    let world = World::new(Weather::default(), 41);
    let wiring = &world.hosts[0].wiring;
    let own = world.hosts[0].socket(true).activity();
    let other = ActivityId::new(own.index() as u32 + 1, 0);
    wiring.reserve(vec![(true, 80, other), (true, 81, own), (false, 82, other)]);
    let any = |port| SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
    let bind = |stream, port| wiring.bind(&world.hosts[0].socket(stream), any(port), Cycles::ZERO);
    assert_eq!(bind(true, 80), Err(NetError::InUse));
    assert_eq!(bind(false, 82), Err(NetError::InUse));
    for (stream, port) in [(false, 80), (true, 81), (true, 82), (true, 83), (true, 0)] {
        assert_eq!(bind(stream, port), Ok(()), "{stream} {port}");
    }
}
