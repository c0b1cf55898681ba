//! Datagrams, and who has which address.

use std::vec;

use vortex_units::Cycles;

use super::wire::{Held, Weather};
use super::world::{World, at, pattern};
use crate::{NetError, What, ready};

#[test]
fn datagrams_go_there_and_back_whole() {
    let mut world = World::new(Weather::default(), 1);
    let server = world.hosts[0].socket(false);
    world.hosts[0].wiring.bind(&server, at(0, 7), Cycles::ZERO).unwrap();
    let client = world.hosts[1].socket(false);
    for length in [0, 1, 1000, 1472] {
        let bytes = pattern(length, 3);
        world.hosts[1].wiring.before_send(&client, Some(at(0, 7))).unwrap();
        world.call(1, &client, What::Send(Held::of(&bytes), Some(at(0, 7)))).unwrap();
        world.pass(10_000);
        let into = Held::of(&vec![0; 2_000]);
        let moved = world.call(0, &server, What::Receive(into.clone(), false)).unwrap();
        assert_eq!((moved.bytes, moved.from.unwrap().ip()), (length, at(1, 0).ip()));
        assert!(into.0.lock().unwrap()[..length] == bytes);
        world.call(0, &server, What::Send(Held::of(&bytes), moved.from)).unwrap();
        world.pass(10_000);
        let back = world.call(1, &client, What::Receive(into, false)).unwrap();
        assert_eq!((back.bytes, back.from), (length, Some(at(0, 7))));
    }
    let long = What::Send(Held::of(&[0; 1473]), Some(at(0, 7)));
    assert_eq!(world.call(1, &client, long), Err(NetError::TooLong));
    for (host, socket) in [(0, server), (1, client)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

#[test]
fn what_has_no_room_where_it_is_read_is_cut() {
    let mut world = World::new(Weather::default(), 2);
    let server = world.hosts[0].socket(false);
    world.hosts[0].wiring.bind(&server, at(0, 7), Cycles::ZERO).unwrap();
    let client = world.hosts[1].socket(false);
    world.hosts[1].wiring.plan(&client, at(0, 7)).unwrap();
    world.call(1, &client, What::Send(Held::of(&[5; 100]), None)).unwrap();
    world.pass(10_000);
    let peeked = world.call(0, &server, What::Receive(Held::of(&[0; 10]), true)).unwrap();
    let moved = world.call(0, &server, What::Receive(Held::of(&[0; 10]), false)).unwrap();
    assert_eq!((peeked, moved.bytes, moved.whole), (moved, 10, 100));
    let none = world.call(0, &server, What::Receive(Held::of(&[0; 10]), false));
    assert_eq!(none, Err(NetError::WouldBlock));
}

#[test]
fn whoever_sends_to_nobody_is_told_so() {
    let mut world = World::new(Weather::default(), 3);
    let client = world.hosts[1].socket(false);
    world.hosts[1].wiring.plan(&client, at(0, 7)).unwrap();
    let send = || What::Send(Held::of(&[5; 100]), None);
    world.call(1, &client, send()).unwrap();
    world.pass(10_000);
    assert_eq!(client.ready() & ready::ERROR, ready::ERROR);
    assert_eq!(world.call(1, &client, send()), Err(NetError::Refused));
    assert_eq!(client.ready() & ready::ERROR, 0);
    // One that is connected to nobody in particular hears nothing of it.
    let other = world.hosts[1].socket(false);
    world.hosts[1].wiring.before_send(&other, Some(at(0, 7))).unwrap();
    for _ in 0..2 {
        world.call(1, &other, What::Send(Held::of(&[5; 100]), Some(at(0, 7)))).unwrap();
        world.pass(10_000);
    }
    for socket in [client, other] {
        world.call(1, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

#[test]
fn to_all_at_once_it_is_sent_where_that_was_said() {
    let world = World::new(Weather::default(), 4);
    let (wiring, all) = (&world.hosts[1].wiring, "255.255.255.255:7".parse().unwrap());
    let client = world.hosts[1].socket(false);
    assert_eq!(wiring.before_send(&client, Some(all)), Err(NetError::NotAllowed));
    assert_eq!(wiring.plan(&client, all), Err(NetError::NotAllowed));
    client.set(|options| options.broadcast = true);
    assert_eq!(wiring.before_send(&client, Some(all)), Ok(()));
    assert_eq!(wiring.plan(&client, all), Ok(false));
}
