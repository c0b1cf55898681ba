//! Reclamation on the grid: the paper's chain of §3.2 (ASR, ER, FCR, and SR beneath) as
//! small resources, with random holders, budgets, refusals, pins and failures of the swap
//! device. No deadlock, no starvation, nothing lost.
#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

mod asr;
mod files;
mod mail;
mod memory;
mod swap;
mod world;

use proptest::prelude::*;
use vortex_memory::policy::POLICIES;
use world::{Case, World};

fn cases() -> impl Strategy<Value = Case> {
    (
        any::<u64>(),
        prop::collection::vec((0u64..8, 2u64..12, 1u64..20), 2..5),
        40u32..90,
        0..POLICIES.len(),
        prop::option::weighted(0.5, (0u32..30, 0u32..30, 0u32..30)),
    )
        .prop_map(|(seed, budgets, frames, policy, rates)| Case {
            seed,
            budgets,
            frames,
            policy: POLICIES[policy],
            rates: rates.unwrap_or_default(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default()
    })]

    #[test]
    fn every_touch_ends_and_finds_what_was_written(case in cases()) {
        let mut world = World::new(&case);
        world.run(150);
        world.end();
    }
}
