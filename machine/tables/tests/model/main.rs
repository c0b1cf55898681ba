//! Address spaces against an executable model: random sequences of all that is done to them,
//! by the kernel and by programs on several cores, compared after every step.
//!
//! The tables are read as a processor reads them (`walk`), and written as it does: with bits
//! of use, and with translations that it keeps until it is told. What is checked: every walk
//! agrees with the model, every frame has the handles that it should have, tables are there
//! for what needs them and on their owner's bill, no core reaches a frame that is free, and at
//! the end every frame is back.

#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

mod action;
mod arena;
mod mirror;
mod walk;
mod world;

use proptest::prelude::*;
use world::World;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn spaces_do_what_the_model_does(actions in action::sequences()) {
        let mut world = World::new();
        for action in &actions {
            world.act(action);
            world.compare();
        }
        world.end();
    }
}
