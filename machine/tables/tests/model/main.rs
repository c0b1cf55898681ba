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

/// A program writes to a page that was given up, after it was looked whether anybody has, and
/// before it is taken: then it stays.
#[test]
fn a_write_to_a_page_that_is_being_taken_keeps_it() {
    use action::Action;
    use vortex_tables::Access;

    for writes in [true, false] {
        let mut world = World::new();
        let (space, at, holds) = (0, (0, 0), true);
        let (access, new, old) = (Access::Write, u16::MAX, u16::MAX);
        for action in [
            Action::Put { space, at, count: 2, access, holds, new, old },
            Action::GiveUp { space, at, pages: 2, up: true },
            Action::TakeGivenUp { space, at, right: true, holds, writes },
        ] {
            world.act(&action);
            world.compare();
        }
        assert_eq!(world.given_back(), usize::from(!writes));
        world.end();
    }
}
