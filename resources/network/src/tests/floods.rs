//! Floods: what they cost, and whom.

use std::vec;

use super::wire::{Held, Weather};
use super::world::{World, pattern};
use crate::{NetError, What};

/// A frame of TCP for the first machine's port, from an address that is nobody's.
fn syn(from: u32, number: u32) -> vec::Vec<u8> {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::*;
    let tcp = TcpRepr {
        src_port: (1024 + number % 60_000) as u16,
        dst_port: 80,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(number as i32),
        ack_number: None,
        window_len: 1000,
        window_scale: None,
        max_seg_size: Some(1460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let ip = Ipv4Repr {
        src_addr: core::net::Ipv4Addr::from_bits(0x0a00_0064 + from % 100),
        dst_addr: super::world::address(0),
        next_header: IpProtocol::Tcp,
        payload_len: tcp.buffer_len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; 14 + 20 + tcp.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_dst_addr(EthernetAddress([2, 0, 0, 0, 0, 1]));
    frame.set_src_addr(EthernetAddress([2, 0, 0, 0, 0, 99]));
    frame.set_ethertype(EthernetProtocol::Ipv4);
    let sums = ChecksumCapabilities::default();
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &sums);
    let (from, to) = (ip.src_addr.into(), ip.dst_addr.into());
    tcp.emit(&mut TcpPacket::new_unchecked(packet.payload_mut()), &from, &to, &sums);
    bytes
}

#[test]
fn a_flood_of_beginnings_takes_bounded_memory_and_harms_no_connection() {
    let mut world = World::new(Weather::default(), 21);
    let (listens, server, client) = world.connected(80);
    let before = world.hosts[0].charged();
    for number in 0..3_000 {
        world.hosts[0].port.lock().unwrap().comes(&syn(number, number));
        if number % 8 == 0 {
            world.settle();
        }
    }
    world.settle();
    // It has room for 64, though the server wishes for 16.
    let half = world.hosts[0].charged() - before;
    assert!(half <= 65 * 17_500, "{half} bytes");
    // Each of the next takes the place of one that has had its time.
    world.pass(100_000);
    for number in 3_000..6_000 {
        world.hosts[0].port.lock().unwrap().comes(&syn(number, number));
        world.pass(1_000);
    }
    let half = world.hosts[0].charged() - before;
    // And leaves little behind, of which somebody may still know for some time.
    assert!(half <= 65 * 17_500 + 200 * 1_024, "{half} bytes");
    let bytes = pattern(3_000, 4);
    world.call(1, &client, What::Send(Held::of(&bytes), None)).unwrap();
    world.pass(50_000);
    let into = Held::of(&vec![0; 4_000]);
    let moved = world.call(0, &server, What::Receive(into.clone(), false)).unwrap();
    assert_eq!(into.0.lock().unwrap()[..moved.bytes], bytes[..moved.bytes]);
    for (host, socket) in [(0, server), (1, client), (0, listens)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

/// Who only begins does not keep out who answers, though there are more of them than places.
#[test]
fn who_answers_is_connected_in_a_flood_of_beginnings() {
    let mut world = World::new(Weather::default(), 22);
    let (listens, server, client) = world.connected(80);
    let mut ended = vec![(0, server), (1, client)];
    let mut number = 0;
    let mut flood = |world: &mut World, count| {
        for _ in 0..count {
            number += 1;
            world.hosts[0].port.lock().unwrap().comes(&syn(number, number));
        }
        world.settle();
    };
    for _ in 0..20 {
        flood(&mut world, 100);
        world.pass(100_000);
        flood(&mut world, 40);
        let client = world.client(80);
        let accepted = (0..20).find_map(|_| {
            flood(&mut world, 1);
            world.pass(1_000);
            world.hosts[0].wiring.accept(&listens).ok()
        });
        ended.extend([(0, accepted.expect("connected at once")), (1, client)]);
    }
    ended.push((0, listens));
    for (host, socket) in ended {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
}

#[test]
fn connections_that_have_ended_leave_nothing_behind() {
    let mut world = World::new(Weather::default(), 29);
    let (listens, server, client) = world.connected(80);
    let mut ended = vec![(0, server), (1, client)];
    for _ in 0..200 {
        for (host, socket) in ended.drain(..) {
            world.call(host, &socket, What::Close).unwrap();
        }
        let client = world.client(80);
        world.pass(1_000);
        ended.push((0, world.hosts[0].wiring.accept(&listens).unwrap()));
        ended.push((1, client));
    }
    ended.push((0, listens));
    for (host, socket) in ended {
        world.call(host, &socket, What::Close).unwrap();
    }
    world.is_clean();
    for host in &world.hosts {
        // Of each part of the table a few stay.
        let labels = host.grid.labels_bound();
        assert!(labels < 300, "{labels} labels of 201 connections at four resources");
    }
}

#[test]
fn who_listens_no_more_leaves_those_that_waited_and_says_so() {
    let mut world = World::new(Weather::default(), 31);
    let (listens, server, client) = world.connected(80);
    let waiting: vec::Vec<_> = (0..14).map(|_| world.client(80)).collect();
    world.pass(50_000);
    world.call(0, &listens, What::Close).unwrap();
    world.pass(50_000);
    for client in &waiting {
        assert_eq!(client.take_error(), Some(NetError::Reset));
    }
    for (host, socket) in [(0, server), (1, client)] {
        world.call(host, &socket, What::Close).unwrap();
    }
    for socket in waiting {
        world.call(1, &socket, What::Close).unwrap();
    }
    drop(listens);
    world.is_clean();
}

#[test]
fn packets_for_nobody_are_on_the_bill_of_their_own_activity() {
    let mut world = World::new(Weather::default(), 23);
    let before = world.hosts[0].cores[0].ledger().used(world.hosts[0].program);
    for number in 0..2_000 {
        world.hosts[0].port.lock().unwrap().comes(&syn(number, number));
        world.settle();
    }
    let host = &world.hosts[0];
    let stray: u64 = host.cores.iter().map(|core| core.ledger().used(host.stray).get()).sum();
    let own: u64 = host
        .cores
        .iter()
        .map(|core| core.ledger().used(vortex_units::ActivityId::INFRASTRUCTURE).get())
        .sum();
    assert_eq!(before, host.cores[0].ledger().used(host.program));
    std::println!("strays {stray}, infrastructure {own}");
    assert!(world.frames.len() < 2_000, "not all are answered");
}
