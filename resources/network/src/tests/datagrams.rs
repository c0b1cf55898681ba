//! Datagrams, and who has which address.

use std::vec;

use super::wire::{Held, Weather};
use super::world::{World, at, pattern};
use crate::{NetError, What};

#[test]
fn datagrams_go_there_and_back_whole() {
    let mut world = World::new(Weather::default(), 1);
    let server = world.hosts[0].socket(false);
    world.hosts[0].wiring.bind(&server, at(0, 7)).unwrap();
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
    world.hosts[0].wiring.bind(&server, at(0, 7)).unwrap();
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
