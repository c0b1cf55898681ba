//! NDRR's look at arbitrary frames: what is found is for this machine, from another.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vortex_network::{Addresses, Found, LOOK, look};

fuzz_target!(|frame: &[u8]| {
    let own = Addresses::parse([2, 0, 0, 0, 0, 1], "10.0.0.1/24", Some("10.0.0.254")).unwrap();
    let head = &frame[..frame.len().min(LOOK)];
    for looped in [false, true] {
        if let Found::Tcp { flow, .. } | Found::Udp(flow) = look(head, frame.len(), &own, looped) {
            assert!(looped || !own.is_own(*flow.remote.ip()));
            assert!(own.is_own(*flow.local.ip()) || own.is_broadcast(*flow.local.ip()));
        }
    }
});
