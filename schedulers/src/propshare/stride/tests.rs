extern crate std;

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::testing::Rig;

fn rig(shares: &[u32]) -> Rig {
    let mut rig = Rig::new("propshare.stride", 1_000_000, shares);
    (0..).zip(shares).for_each(|(id, _)| rig.ready(id));
    rig
}

/// The example of the paper's Figure 3: tickets in the ratio 3 : 2 : 1, strides of 2, 3 and 6,
/// the passes beginning together. Ties go to the smaller identifier, as in the paper.
#[test]
fn the_papers_example() {
    let mut rig = rig(&[300, 200, 100]);
    let chosen = rig.run(12, &[6; 3]);
    assert_eq!(chosen[..6], chosen[6..], "a round is six choices");
    for (id, times) in [(0, 3), (1, 2), (2, 1)] {
        assert_eq!(chosen[..6].iter().filter(|chosen| **chosen == id).count(), times, "{id}");
    }
    assert_eq!(chosen[..3], [0, 1, 2], "all begin together");
}

#[test]
fn who_was_away_begins_at_the_global_pass() {
    let mut rig = rig(&[100, 100]);
    let first = rig.next().unwrap();
    rig.charge(first, 10);
    let other = 1 - first;
    // The one that does not come back is away while the other has a thousand turns.
    rig.run(1_000, &[10, 10]);
    rig.ready(first);
    let chosen = rig.run(20, &[10, 10]);
    let times = chosen.iter().filter(|id| **id == first).count();
    assert!((9..=11).contains(&times), "{other} beside {first}: {chosen:?}");
}

#[test]
fn what_is_billed_back_is_worked_off() {
    let mut rig = rig(&[100, 100]);
    rig.run(20, &[10, 10]);
    rig.bill(0, 100);
    let chosen = rig.run(30, &[10, 10]);
    let times = chosen.iter().filter(|id| **id == 0).count();
    assert!((9..=11).contains(&times), "ten turns are owed: {chosen:?}");
}

proptest! {
    /// Bound 1, whatever the lengths.
    #[test]
    fn two_that_are_ready_are_apart_by_a_charge_of_each(
        shares in prop::collection::vec(1u32..10_000, 2..12),
        lengths in prop::collection::vec(1u64..100_000, 200),
    ) {
        let mut rig = rig(&shares);
        let mut used = vec![0u64; shares.len()];
        let mut longest = vec![0u64; shares.len()];
        for length in lengths {
            let id = rig.next().unwrap();
            rig.charge(id, length);
            rig.ready(id);
            let id = id as usize;
            used[id] += length;
            longest[id] = longest[id].max(length);
            let by_weight: Vec<f64> =
                used.iter().zip(&shares).map(|(used, share)| *used as f64 / f64::from(*share)).collect();
            for (one, first) in by_weight.iter().enumerate() {
                for (other, second) in by_weight.iter().enumerate() {
                    let bound = longest[one] as f64 / f64::from(shares[one])
                        + longest[other] as f64 / f64::from(shares[other]);
                    prop_assert!((first - second).abs() <= bound + 1e-3);
                }
            }
        }
    }
}
