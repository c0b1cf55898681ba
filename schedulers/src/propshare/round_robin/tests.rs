extern crate std;

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use vortex_grid::policy::Metric;

use super::*;
use crate::testing::Rig;

fn rig(shares: &[u32]) -> Rig {
    let mut rig = Rig::new("propshare.round-robin", 1_000_000, shares);
    (0..).zip(shares).for_each(|(id, _)| rig.ready(id));
    rig
}

#[test]
fn equal_shares_by_requests_are_plain_round_robin() {
    let mut rig = Rig::by("propshare round-robin", Metric::Requests, 100, &[100; 4]);
    [2, 0, 1].into_iter().for_each(|id| rig.ready(id));
    let lengths = [5, 900, 20, 1];
    assert_eq!(rig.run(5, &lengths), [2, 0, 1, 2, 0]);
    rig.ready(3);
    assert_eq!(rig.run(6, &lengths), [1, 2, 0, 3, 1, 2]);
    rig.suspend(0);
    assert_eq!(rig.run(4, &lengths), [3, 1, 2, 3]);
    rig.ready(0);
    assert_eq!(rig.run(4, &lengths), [1, 2, 3, 0]);
}

#[test]
fn shares_by_requests_are_turns_in_a_row() {
    let mut rig = Rig::by("propshare.round-robin", Metric::Requests, 100, &[300, 100]);
    rig.ready(0);
    rig.ready(1);
    assert_eq!(rig.run(8, &[7, 7]), [0, 0, 0, 1, 0, 0, 0, 1]);
}

/// By hand, equal shares, requests of 10 and 4: after 0's first, Q is 10. 1 runs while it
/// has used less than it is allowed: 4, 8, 12 of 10 (first turn 0-12: three), then up to
/// 20 (16, 20: two), then up to 30 (24, 28, 32: three).
#[test]
fn what_was_used_too_much_is_missing_next_time() {
    let mut rig = rig(&[100, 100]);
    assert_eq!(rig.run(4, &[10, 4]), [0, 1, 1, 1]);
    // 0 had begun with the least turn, one cycle, and is 9 in debt: a turn of 1 is left.
    assert_eq!(rig.run(7, &[10, 4]), [0, 1, 1, 0, 1, 1, 1]);
}

#[test]
fn shares_come_out_whatever_the_lengths() {
    let mut rig = rig(&[5_000, 3_300, 1_700]);
    rig.run(100_000, &[70, 1_900, 400]);
    let used: Vec<i128> = (0..3).map(|id| rig.told(id).charged).collect();
    let total: i128 = used.iter().sum();
    for (used, share) in used.iter().zip([5_000, 3_300, 1_700]) {
        assert!((used * 10_000 / total - share).abs() <= 10, "{used} of {total}");
    }
}

#[test]
fn debt_is_sat_out_in_rounds() {
    let mut rig = rig(&[100, 100]);
    rig.run(20, &[10, 10]);
    rig.bill(0, 100);
    let chosen = rig.run(30, &[10, 10]);
    let zeros = chosen.iter().filter(|id| **id == 0).count();
    assert!((9..=11).contains(&zeros), "{chosen:?}");
    assert_eq!(&chosen[20..], &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1].map(|id| id ^ chosen[20]));
}

#[test]
fn it_serves_those_in_debt_if_there_is_nobody_else() {
    let mut rig = Rig::new("propshare.round-robin", u64::MAX, &[100, 100]);
    rig.ready(0);
    rig.bill(0, 1 << 50);
    assert_eq!(rig.run(3, &[10, 10]), [0, 0, 0]);
}

#[test]
fn debt_wears_off_while_empty_but_not_while_suspended() {
    for suspended in [false, true] {
        let mut rig = Rig::new("propshare.round-robin", 1_000_000, &[100, 100]);
        rig.ready(1);
        rig.bill(0, 100);
        if suspended {
            rig.suspend(0);
        }
        rig.run(30, &[10, 10]);
        assert_eq!(rig.told(0).debt, if suspended { 100 } else { 0 });
        rig.ready(0);
        let ones = rig.run(12, &[10, 10]).iter().take_while(|id| **id == 1).count();
        assert!(if suspended { ones >= 9 } else { ones <= 2 }, "{ones}");
    }
}

#[test]
fn debt_is_capped_and_credit_allows_no_more() {
    let mut rig = Rig::new("propshare.round-robin", 1_000, &[100, 300]);
    rig.bill(0, 900);
    let told = rig.told(0);
    assert!((250 - 1..=250).contains(&told.debt) && told.refuse, "{told:?}");
    assert!((650..=651).contains(&told.forgiven), "{told:?}");
    rig.credit(0, 100_000);
    rig.credit(1, 100_000);
    assert_eq!((rig.told(0).debt, rig.told(0).refuse), (0, false));
    rig.ready(0);
    rig.ready(1);
    let chosen = rig.run(400, &[10, 10]);
    assert!((98..=102).contains(&chosen.iter().filter(|id| **id == 0).count()));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ready(u32),
    Suspend(u32),
    Serve { length: u64, again: bool, late: bool },
    Bill(u32, u64),
    Credit(u32, u64),
    Remove(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5_u32).prop_map(Step::Ready),
        1 => (0..5_u32).prop_map(Step::Suspend),
        6 => (1..500_u64, any::<bool>(), any::<bool>())
            .prop_map(|(length, again, late)| Step::Serve { length, again, late }),
        1 => (0..5_u32, 1..9_000_u64).prop_map(|(id, n)| Step::Bill(id, n)),
        1 => (0..5_u32, 1..9_000_u64).prop_map(|(id, n)| Step::Credit(id, n)),
        1 => (0..5_u32).prop_map(Step::Remove),
    ]
}

proptest! {
    #[test]
    fn no_ready_client_is_kept_waiting(
        shares in prop::array::uniform5(1..10_000_u32),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut rig = Rig::new("propshare.round-robin", 50_000, &shares);
        let mut ready = [false; 5];
        for step in steps {
            match step {
                Step::Ready(id) => {
                    rig.ready(id);
                    ready[id as usize] = true;
                }
                Step::Suspend(id) => {
                    rig.suspend(id);
                    ready[id as usize] = false;
                }
                Step::Remove(id) => {
                    rig.add(id, shares[id as usize], 0);
                    ready[id as usize] = false;
                }
                Step::Bill(id, amount) => rig.bill(id, amount),
                Step::Credit(id, amount) => rig.credit(id, amount),
                Step::Serve { length, again, late } => {
                    let poll = rig.core.poll_ready(Cycles::ZERO);
                    prop_assert_eq!(poll == Readiness::Now, ready.contains(&true));
                    let chosen = rig.next();
                    prop_assert_eq!(chosen.is_some(), ready.contains(&true));
                    let Some(id) = chosen else { continue };
                    prop_assert!(ready[id as usize]);
                    ready[id as usize] = again;
                    if again && !late {
                        rig.ready(id);
                    }
                    rig.charge(id, length);
                    if again && late {
                        rig.ready(id);
                    }
                }
            }
        }
    }

    /// The bound of the header: Q + l + l', with Q at its final length from the start.
    #[test]
    fn backlogged_clients_stay_within_the_bound(
        shares in prop::array::uniform3(100..1_000_u32),
        lengths in prop::collection::vec(1..500_u64, 300),
    ) {
        let mut rig = Rig::new("propshare.round-robin", 1_000_000, &shares);
        rig.ready(0);
        prop_assert_eq!(rig.next(), Some(0));
        rig.charge(0, 500);
        (0..3).for_each(|id| rig.ready(id));
        let smallest = i128::from(*shares.iter().min().unwrap());
        let mut used = [0_i128; 3];
        let (mut highest, mut lowest) = (vec![0; 9], vec![0; 9]);
        for length in lengths {
            let id = rig.next().unwrap();
            rig.charge(id, length);
            rig.ready(id);
            used[id as usize] += i128::from(length);
            for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
                let (wi, wj) = (i128::from(shares[i]), i128::from(shares[j]));
                let apart = used[i] * wj - used[j] * wi;
                highest[i * 3 + j] = apart.max(highest[i * 3 + j]);
                lowest[i * 3 + j] = apart.min(lowest[i * 3 + j]);
                let bound = 500 * (wi * wj + smallest * (wi + wj)) / smallest + 1;
                prop_assert!(highest[i * 3 + j] - lowest[i * 3 + j] <= bound, "{i} {j}");
            }
        }
    }
}

#[test]
fn a_debt_is_worn_off_to_the_unit() {
    let mut rig = rig(&[100, 100]);
    rig.run(20, &[5, 10]);
    while rig.run(1, &[5, 10]) != [1] {}
    rig.bill(0, 15);
    // A turn is 10, and 0 had used 4 too much before (its first turn was of 1). So it is 19
    // in debt, then 9: a round is sat out. The next turn leaves it 1, a run, and 4 too
    // much again; the one after that 6, two runs.
    assert_eq!(rig.run(6, &[5, 10]), [1, 1, 0, 1, 0, 0]);
}

/// One that divides itself has with its part what it had alone, and has it again at the end;
/// the other does not notice.
#[test]
fn a_part_has_its_part_and_no_more() {
    let mut rig = rig(&[5_000, 5_000]);
    let lengths = [100, 130, 90];
    let used = |rig: &Rig| [0, 1, 2].map(|id| rig.told(id).charged);
    let since = |rig: &Rig, before: [i128; 3]| {
        let now = used(rig);
        [0, 1, 2].map(|id| now[id] - before[id])
    };
    rig.run(1_000, &lengths);
    rig.reweigh(0, 1_250);
    rig.add_beside(2, 3_750, 0);
    rig.ready(2);
    let before = used(&rig);
    rig.run(10_000, &lengths);
    let each = since(&rig, before);
    let sum: i128 = each.iter().sum();
    for (used, wanted) in each.iter().zip([125, 500, 375]) {
        assert!((used * 1_000 / sum - wanted).abs() <= 3, "{each:?}");
    }
    rig.suspend(2);
    let (whole, part) = (rig.told(0).charged, rig.told(2).charged);
    rig.inherit(0, 2);
    assert_eq!((rig.told(0).charged, rig.told(2).charged), (whole + part, 0));
    rig.core.remove_client(ClientId::new(2));
    rig.reweigh(0, 5_000);
    let before = used(&rig);
    rig.run(10_000, &lengths);
    let each = since(&rig, before);
    assert!((each[0] * 1_000 / (each[0] + each[1]) - 500).abs() <= 3, "{each:?}");
}

/// Dividing oneself is no way out of debt, nor is ending a part that has some.
#[test]
fn debt_is_divided_and_comes_back() {
    let mut rig = rig(&[5_000, 5_000]);
    let lengths = [100, 100, 100];
    rig.run(100, &lengths);
    rig.bill(0, 40_000);
    let debt = rig.told(0).debt;
    assert!(debt > 19_000);
    rig.reweigh(0, 2_500);
    rig.add_beside(2, 2_500, 0);
    rig.ready(2);
    assert!(
        rig.told(0).debt.abs_diff(debt / 2) <= 200 && rig.told(2).debt.abs_diff(debt / 2) <= 200
    );
    // Both wait until it is worn off: the other has all meanwhile.
    let chosen = rig.run(300, &lengths);
    assert!(chosen[2..].iter().all(|id| *id == 1), "{chosen:?}");
    rig.bill(2, 30_000);
    rig.bill(0, 30_000);
    let debts = rig.told(0).debt + rig.told(2).debt;
    rig.suspend(2);
    rig.inherit(0, 2);
    rig.core.remove_client(ClientId::new(2));
    rig.reweigh(0, 5_000);
    assert!(rig.told(0).debt.abs_diff(debts) <= 200, "{} of {debts}", rig.told(0).debt);
}
