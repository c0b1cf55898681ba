extern crate std;

use alloc::vec::Vec;
use std::format;

use vortex_grid::policy::{Binding, CoreLoad, LoadShare};
use vortex_units::{ActivityId, Cycles, Micros, Share};

use super::*;

const CORES: [CoreId; 3] = [CoreId::new(1), CoreId::new(2), CoreId::new(5)];

fn ask(
    name: &str,
    parameters: &[(&str, &str)],
    loads: [CoreLoad; 3],
    last_ran: Option<u16>,
) -> (u16, Option<u64>) {
    let sharing = make(name, parameters, &CORES).unwrap();
    assert_eq!(sharing.name(), name);
    let Binding { core, ttl } = sharing.choose(&LoadShare {
        affinity: 9,
        activity: ActivityId::new(1, 0),
        now: Cycles::ZERO,
        cores: &CORES,
        loads: &loads,
        last_ran: last_ran.map(CoreId::new),
    });
    (core.get(), ttl.map(Micros::get))
}

#[test]
fn fewest_bound_ties_to_where_it_ran_then_to_the_lowest() {
    let own =
        [(1, 2), (0, 9), (1, 1)].map(|(own, bound)| CoreLoad { own, bound, ..CoreLoad::default() });
    assert_eq!(ask("fewest-bound", &[], own, None), (2, None), "its own threads apart first");
    let loads = [3, 2, 2].map(|bound| CoreLoad { bound, ..CoreLoad::default() });
    assert_eq!(ask("fewest-bound", &[], loads, None), (2, None));
    assert_eq!(ask("fewest-bound", &[], loads, Some(5)), (5, None));
    assert_eq!(ask("fewest-bound", &[], loads, Some(1)), (2, None));
}

fn received(of: [(u64, u32); 3]) -> [CoreLoad; 3] {
    of.map(|(received, share)| CoreLoad {
        received,
        share: Share::from_units(share).ok(),
        ..CoreLoad::default()
    })
}

#[test]
fn least_received_is_by_share() {
    let ask = |of, last| ask("least-received", &[("ttl", "50")], received(of), last);
    assert_eq!(ask([(600, 50), (500, 50), (100, 5)], None), (2, Some(50)));
    assert_eq!(ask([(600, 60), (500, 50), (100, 10)], None), (1, Some(50)));
    // Core 1 has no share for it, core 5 is close to the least.
    assert_eq!(ask([(0, 0), (1_000, 50), (1_015, 50)], Some(5)), (5, Some(50)));
    assert_eq!(ask([(0, 0), (1_000, 50), (1_017, 50)], Some(5)), (2, Some(50)));
    // No share anywhere: by what was received.
    assert_eq!(ask([(3, 0), (1, 0), (2, 0)], Some(1)), (2, Some(50)));
    assert_eq!(ask([(u64::MAX, 1), (u64::MAX, 2), (u64::MAX, 3)], None), (5, Some(50)));
}

#[test]
fn fewest_cores_fills_the_lowest() {
    let ask = |utilization: [u16; 3], last| {
        let loads = utilization.map(|utilization| CoreLoad { utilization, ..CoreLoad::default() });
        ask("fewest-cores", &[("threshold", "70")], loads, last).0
    };
    assert_eq!(ask([6_999, 0, 0], Some(5)), 1);
    assert_eq!(ask([7_000, 10, 0], Some(5)), 2);
    assert_eq!(ask([7_000, 7_000, 9_000], None), 1);
    assert_eq!(ask([7_000, 7_000, 9_000], Some(2)), 2);
}

#[test]
fn fixed_is_one_of_the_cores() {
    assert_eq!(ask("fixed", &[("core", "5")], <[CoreLoad; 3]>::default(), Some(1)), (5, None));
    for core in ["0", "x", "-1", "70000"] {
        assert!(matches!(make("fixed", &[("core", core)], &CORES), Err(MakeError::Init(_))));
    }
    let missing = make("fixed", &[], &CORES).err();
    assert_eq!(missing, Some(MakeError::MissingParameter("core")));
}

#[test]
fn every_policy_listed_takes_what_it_lists_and_nothing_else() {
    for policy in POLICIES {
        let given: Vec<_> = policy.parameters.iter().map(|(name, _)| (*name, "1")).collect();
        assert!(make(policy.name, &given, &CORES).is_ok(), "{}", policy.name);
        let more: Vec<_> = given.iter().copied().chain([("colour", "1")]).collect();
        let error = make(policy.name, &more, &CORES).err();
        let expected = InitError::UnknownParameter("colour".into());
        assert_eq!(error, Some(MakeError::Init(expected)), "{}", policy.name);
    }
    let error = make("random", &[], &CORES).err().unwrap();
    assert!(format!("{error}").contains("there are fewest-bound, least-received, fixed"));
}
