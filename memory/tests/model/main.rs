//! The multiplexor against an executable model: random sequences of all that can be asked
//! of it, compared after every step.

#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

mod mirror;
mod world;

use proptest::prelude::*;
use vortex_memory::policy::POLICIES;
use world::{Action, World};

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let n = 0usize..64;
    let action = prop_oneof![
        8 => (0usize..4, 0u16..3).prop_map(|(a, core)| Action::Allocate(a, core)),
        1 => (0usize..4).prop_map(Action::Huge),
        1 => (0usize..4).prop_map(Action::Reserved),
        4 => (n.clone(), 0u16..3).prop_map(|(frame, core)| Action::Leave(frame, core)),
        3 => (n.clone(), 0usize..4).prop_map(|(frame, a)| Action::Join(frame, a)),
        2 => n.clone().prop_map(Action::Pin),
        2 => n.clone().prop_map(Action::Unpin),
        2 => (n.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(frame, accessed, modified)| Action::Inform(frame, accessed, modified)),
        2 => (n.clone(), 0u8..3).prop_map(|(frame, to)| Action::Redirect(frame, to)),
        1 => n.clone().prop_map(Action::Undirect),
        3 => (0usize..4, 1usize..5).prop_map(|(a, frames)| Action::Wait(a, frames)),
        12 => Just(Action::Step),
        6 => (n.clone(), 0u8..11).prop_map(|(order, answer)| Action::Answer(order, answer)),
        2 => Just(Action::TryLent),
        3 => n.clone().prop_map(Action::TakeEarmarked),
        1 => n.prop_map(Action::GiveUp),
        1 => (0usize..4).prop_map(Action::Kill),
        3 => (0usize..4, 0u64..20_000, prop::bool::weighted(0.1))
            .prop_map(|(a, bytes, forced)| Action::Make(a, bytes, forced)),
        3 => (0usize..64).prop_map(Action::Unmake),
    ];
    prop::collection::vec(action, 1..300)
}

/// Memory is full of frames of which activities have some together; then they wait for more.
fn pressed() -> impl Strategy<Value = Vec<Action>> {
    let n = 0usize..64;
    // Of resources by turns: of three frames of an activity two can be taken.
    let full = (0u32..200).prop_map(|seed| {
        let take = (0..90).map(move |n| Action::Allocate((seed + n / 3) as usize % 4, 0));
        let join = (0..24).map(move |n| Action::Join((seed + n) as usize, n as usize % 3 + 1));
        take.take(20).chain(join).chain((0..90).map(|n| Action::Allocate(n % 4, 0))).collect()
    });
    let action = prop_oneof![
        2 => (0usize..4, 0u16..3).prop_map(|(a, core)| Action::Allocate(a, core)),
        1 => (n.clone(), 0u16..3).prop_map(|(frame, core)| Action::Leave(frame, core)),
        4 => (n.clone(), 1usize..4).prop_map(|(frame, a)| Action::Join(frame, a)),
        1 => n.clone().prop_map(Action::Pin),
        1 => n.clone().prop_map(Action::Unpin),
        4 => (1usize..4, 1usize..4).prop_map(|(a, frames)| Action::Wait(a, frames)),
        16 => Just(Action::Step),
        12 => (n.clone(), 0u8..11).prop_map(|(order, answer)| Action::Answer(order, answer)),
        4 => n.clone().prop_map(Action::TakeEarmarked),
        1 => n.prop_map(Action::GiveUp),
    ];
    (full, prop::collection::vec(action, 1..200))
        .prop_map(|(full, then): (Vec<_>, Vec<_>)| full.into_iter().chain(then).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does(
        actions in actions(),
        policy in 0..POLICIES.len(),
        frames in 24u32..90,
        minimums in prop::array::uniform3(0u64..6),
        rooms in prop::array::uniform3((0u64..10, 0u64..30)),
        huge in prop::bool::weighted(0.1),
    ) {
        let mut world = World::new(POLICIES[policy], frames, huge, minimums, rooms);
        for action in actions {
            world.act(action);
            world.compare();
        }
        world.end();
    }

    #[test]
    fn it_does_so_where_memory_is_full(
        actions in pressed(),
        policy in 0..POLICIES.len(),
        frames in 24u32..60,
        minimums in prop::array::uniform3(0u64..3),
        rooms in prop::array::uniform3((0u64..10, 0u64..20)),
    ) {
        let mut world = World::new(POLICIES[policy], frames, false, minimums, rooms);
        for action in actions {
            world.act(action);
            world.compare();
        }
        world.end();
    }
}
