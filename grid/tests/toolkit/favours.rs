//! Who is favoured by where its requests come from (§3.2: demand paging before ordinary I/O).

use vortex_grid::Labels;
use vortex_units::Micros;

use super::probe::{Act, What};
use super::support::{First, World};

/// Two resources send three requests each, for one activity, to a third.
fn order(favours: Option<usize>) -> Vec<u64> {
    let mut world = World::with_run_on(1, 4, Micros::new(0));
    let [first, second] =
        [world.probe(&[0], First::anywhere()), world.probe(&[0], First::anywhere())];
    let to = match favours {
        Some(of) => world.favouring_probe(&[0], First::anywhere(), of),
        None => world.probe(&[0], First::anywhere()),
    };
    let activity = world.activity(64);
    let three = || (0..3).map(|_| Act::Tell(to, Labels::NONE, vec![])).collect();
    world.root(0, activity, first, Labels::NONE, three()).unwrap();
    world.root(0, activity, second, Labels::NONE, three()).unwrap();
    world.settle();
    // The first two are who has sent them.
    world.order(What::Finished)[2..].to_vec()
}

#[test]
fn senders_take_turns_where_nobody_is_favoured() {
    assert_eq!(order(None), [3, 6, 4, 7, 5, 8]);
}

#[test]
fn who_is_favoured_goes_first_in_its_own_order() {
    assert_eq!(order(Some(1)), [6, 7, 8, 3, 4, 5]);
    assert_eq!(order(Some(0)), [3, 4, 5, 6, 7, 8]);
}
