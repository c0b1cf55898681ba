//! NDRR's look at arbitrary bytes.

use std::vec::Vec;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::wire::Weather;
use super::world::World;
use crate::{Addresses, Found, LOOK, look};

fn own() -> Addresses {
    Addresses::parse([2, 0, 0, 0, 0, 1], "10.0.0.1/24", Some("10.0.0.254")).unwrap()
}

/// Bytes, often with the beginning of something that makes sense.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    let near = (bytes.clone(), any::<bool>(), 0_u8..20, any::<bool>()).prop_map(
        |(mut bytes, ip, protocol, whole)| {
            let head = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, if ip { 0 } else { 6 }];
            let length = bytes.len().min(14);
            bytes[..length].copy_from_slice(&head[..length]);
            if ip && whole && bytes.len() > 34 {
                let total = (bytes.len() - 14) as u16;
                bytes[14] = 0x45;
                bytes[16..18].copy_from_slice(&total.to_be_bytes());
                bytes[20..22].copy_from_slice(&[0, 0]);
                bytes[23] = protocol;
                bytes[26..30].copy_from_slice(&[10, 0, 0, 9]);
                bytes[30..34].copy_from_slice(&[10, 0, 0, 1]);
            }
            bytes
        },
    );
    prop_oneof![bytes, near]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_frame_is_looked_at(frame in frames(), looped in any::<bool>()) {
        let head = &frame[..frame.len().min(LOOK)];
        let found = look(head, frame.len(), &own(), looped);
        if let Found::Tcp { flow, .. } | Found::Udp(flow) = found {
            prop_assert!(looped || !own().is_own(*flow.remote.ip()));
        }
    }
}

#[test]
fn any_frames_leave_the_machine_whole() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut world = World::new(Weather::default(), 31);
    let (_listens, _server, _client) = world.connected(80);
    for _ in 0..1_000 {
        let frame = frames().new_tree(&mut runner).unwrap().current();
        world.hosts[0].port.lock().unwrap().comes(&frame);
        world.settle();
    }
    world.pass(1_000_000);
    // The ring has its buffers, and nobody else any.
    assert_eq!(world.hosts[0].wiring.in_flight(), 64);
}
