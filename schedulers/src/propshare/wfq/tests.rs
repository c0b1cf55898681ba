extern crate std;

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use vortex_grid::policy::{Metric, NoQueues};
use vortex_units::Share;

use super::client::State;
use super::*;
use crate::testing::Rig;

mod laws;

fn rig(shares: &[u32]) -> Rig {
    let mut rig = Rig::new("propshare.wfq", 1_000_000, shares);
    (0..).zip(shares).for_each(|(id, _)| rig.ready(id));
    rig
}

/// By hand, shares 2 and 1 and requests of 6, so that 0 moves by 3 a request, 1 by 6 and V
/// by 2 (all times 1/100 of a share, which cancels):
///
/// | V  | S0 D0 | S1 D1 | eligible | chosen |
/// |----|-------|-------|----------|--------|
/// | 0  | 0  0  | 0  0  | both     | 0 (equal; L unknown) |
/// | 2  | 3  6  | 0  0  | 1        | 1 |
/// | 4  | 3  6  | 6  12 | 0        | 0 |
/// | 6  | 6  9  | 6  12 | both     | 0 |
/// | 8  | 9  12 | 6  12 | 1        | 1 |
/// | 10 | 9  12 | 12 18 | 0        | 0 |
/// | 12 | 12 15 | 12 18 | both     | 0 |
#[test]
fn chooses_as_derived_by_hand() {
    assert_eq!(rig(&[200, 100]).run(9, &[6, 6]), [0, 1, 0, 0, 1, 0, 0, 1, 0]);
}

#[test]
fn equal_shares_and_lengths_take_turns() {
    assert_eq!(rig(&[100; 3]).run(6, &[5; 3]), [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_heavy_client_is_spread_out_by_eligibility() {
    // Without eligibility the half would run five times in a row (the example of WF²Q).
    let mut rig = rig(&[500, 100, 100, 100, 100, 100]);
    let chosen = rig.run(50, &[60; 6]);
    let most = chosen[10..].windows(3).map(|w| w.iter().filter(|id| **id == 0).count()).max();
    assert_eq!(most, Some(2), "{chosen:?}");
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
fn one_that_was_absent_has_no_credit() {
    let mut rig = rig(&[100, 100]);
    rig.run(2, &[10, 10]);
    assert_eq!(rig.next(), Some(0));
    rig.charge(0, 10);
    rig.ready(0);
    assert_eq!(rig.next(), Some(1)); // and 1 does not come back: its queue is empty
    rig.charge(1, 10);
    for _ in 0..50 {
        assert_eq!(rig.run(1, &[10, 10]), [0]);
    }
    rig.ready(1);
    let zeros = rig.run(10, &[10, 10]).iter().filter(|id| **id == 0).count();
    assert!((4..=6).contains(&zeros), "{zeros}");
}

#[test]
fn an_empty_queue_does_not_shed_debt_at_once() {
    let mut rig = rig(&[100, 100]);
    rig.bill(0, 50);
    // 0 has had 50 more: 1 runs five times before it is 0's turn again.
    assert_eq!(rig.run(6, &[10, 10]), [1, 1, 1, 1, 1, 0]);
}

#[test]
fn debt_wears_off_while_empty_but_not_while_suspended() {
    for (suspended, runs) in [(false, 0), (true, 10)] {
        let mut rig = Rig::new("propshare.wfq", 1_000_000, &[100, 100]);
        rig.ready(1);
        rig.bill(0, 100);
        let debt = rig.told(0).debt;
        assert!((49..=50).contains(&debt), "the fluid server has half of it done");
        if suspended {
            rig.suspend(0);
        }
        rig.run(30, &[10, 10]);
        assert_eq!(rig.told(0).debt, if suspended { debt } else { 0 });
        rig.ready(0);
        let chosen = rig.run(20, &[10, 10]);
        let before = chosen.iter().take_while(|id| **id == 1).count();
        assert!((runs..=runs + 1).contains(&before), "{suspended}: {chosen:?}");
    }
}

#[test]
fn a_suspended_client_banks_nothing() {
    let mut rig = rig(&[100, 100]);
    rig.suspend(0);
    assert_eq!(rig.run(5, &[10, 10]), [1; 5]);
    rig.ready(0);
    let zeros = rig.run(10, &[10, 10]).iter().filter(|id| **id == 0).count();
    assert!((4..=6).contains(&zeros), "{zeros}");
}

#[test]
fn a_causer_billed_back_loses_what_its_victim_gains() {
    let mut rig = rig(&[100, 100]);
    rig.run(20, &[10, 10]);
    rig.bill(0, 200);
    rig.credit(1, 200);
    let chosen = rig.run(40, &[10, 10]);
    let zeros = chosen.iter().filter(|id| **id == 0).count();
    // The victim's credit ends at the present; the causer's debt of 200 is 20 requests.
    assert!((9..=11).contains(&zeros), "{chosen:?}");
}

#[test]
fn debt_from_elsewhere_is_capped_and_the_rest_forgiven() {
    let mut rig = Rig::new("propshare.wfq", 1_000, &[100, 300]);
    rig.ready(1);
    rig.bill(0, 200);
    assert!(!rig.told(0).refuse && rig.told(0).forgiven == 0);
    rig.run(1, &[0, 10_000]);
    rig.bill(0, 900);
    let told = rig.told(0);
    assert!(told.refuse, "{told:?}");
    // A quarter of 1,000 is taken, of which the fluid server does a quarter at once.
    assert!((648..=652).contains(&told.forgiven), "{told:?}");
    assert!(told.debt <= 250, "{told:?}");
    rig.bill(0, 900);
    rig.suspend(0);
    for _ in 0..100 {
        rig.bill(0, 900);
        assert!(rig.told(0).debt <= 250);
    }
    assert_eq!(rig.told(0).charged, 200 + 900 * 102);
}

#[test]
fn at_the_cap_it_says_refuse_until_there_is_room() {
    let mut rig = Rig::new("propshare.wfq", 1_000, &[100, 100]);
    rig.ready(0);
    rig.ready(1);
    for _ in 0..40 {
        rig.bill(0, 1_000);
    }
    rig.suspend(0);
    rig.bill(0, 10_000_000);
    let told = rig.told(0);
    assert!(told.debt <= 500);
    rig.ready(0);
    rig.run(200, &[10, 10]);
    assert!(!rig.told(0).refuse);
}

#[test]
fn what_was_chosen_is_charged_in_full() {
    let mut rig = Rig::new("propshare.wfq", 10, &[100, 100]);
    rig.ready(0);
    rig.ready(1);
    rig.run(1, &[1_000, 10]);
    assert_eq!((rig.told(0).forgiven, rig.told(0).refuse), (0, false));
    assert_eq!(rig.run(100, &[1_000, 10]), [1; 100]);
}

#[test]
fn unknown_clients_are_passed_over() {
    let mut rig = rig(&[100]);
    rig.ready(7);
    rig.suspend(7);
    rig.charge(7, 5);
    rig.credit(7, 5);
    rig.core.remove_client(ClientId::new(7));
    assert_eq!(rig.next(), Some(0));
    rig.core.remove_client(ClientId::new(0));
    assert_eq!(rig.next(), None);
}

#[test]
fn a_client_is_small() {
    // A place in each of three heaps, and an entry in one.
    let in_heaps = 3 * 4 + 16;
    assert!(size_of::<Option<client::Client>>() <= 128);
    assert!(size_of::<Option<client::Client>>() + in_heaps <= 176);
}

#[test]
fn a_suspension_forfeits_what_was_not_served() {
    let mut rig = rig(&[100, 100]);
    rig.bill(1, 1_000); // V is at 500 now, and 0 is that far behind
    rig.suspend(0);
    rig.ready(0);
    let zeros = rig.run(200, &[10, 10]).iter().take_while(|id| **id == 0).count();
    assert!((49..=51).contains(&zeros), "{zeros}");
}

#[test]
fn service_moved_between_clients_moves_virtual_time_once() {
    let mut core = WfqCore::new(Metric::Cycles, 1_000_000);
    for id in [0, 1].map(ClientId::new) {
        core.add_client(id, &ClientParams::default());
        core.client_ready(id, Cycles::ZERO);
    }
    core.charge(ClientId::new(1), 200, Charge::Chosen);
    let now = core.clock.now();
    core.credit(ClientId::new(1), 80, false);
    core.charge(ClientId::new(0), 80, Charge::Elsewhere);
    assert_eq!(core.clock.now(), now);
    core.charge(ClientId::new(0), 2, Charge::Elsewhere);
    assert!(core.clock.now() > now);
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

/// Shares 2 and 1, timeslices of 12,000, so that 3,000 is the most that one may be ahead:
///
/// | ran   | ahead, of 0 and 1 | chosen | allowed                |
/// |-------|-------------------|--------|------------------------|
/// |       | 0, 0              | 0      | 3,000 · 3 = 9,000      |
/// | 9,000 | 3,000, -3,000     | 1      | 6,000 · 3 / 2 = 9,000  |
/// | 1,500 | 2,000, -2,000     | 1      | 5,000 · 3 / 2 = 7,500  |
/// | 6,000 | -2,000, 2,000     | 0      | 5,000 · 3 = 15,000     |
#[test]
fn allowances_are_as_derived_by_hand() {
    let mut rig = rig(&[200, 100]);
    for (id, allowed, runs) in
        [(0, 9_000, 9_000), (1, 9_000, 1_500), (1, 7_500, 6_000), (0, 15_000, 1)]
    {
        assert_eq!(rig.next(), Some(id));
        let told = rig.core.allowance(ClientId::new(id), Cycles::new(12_000)).get();
        // A unit is rounded off what one is behind by.
        assert!((allowed - 3..=allowed).contains(&told), "{id}: {told}");
        rig.charge(id, runs);
        rig.ready(id);
    }
}

#[test]
fn who_is_alone_is_allowed_all() {
    let mut rig = Rig::new("propshare.wfq", 1_000_000, &[100, 100]);
    let allowance = |rig: &Rig| rig.core.allowance(ClientId::new(0), Cycles::new(1_000));
    rig.ready(0);
    rig.bill(1, 10); // it has debt, but nothing to do
    assert_eq!(rig.next(), Some(0));
    assert_eq!(allowance(&rig), Cycles::MAX);
    rig.ready(0); // it has more to do itself
    assert_eq!(allowance(&rig), Cycles::MAX);
    rig.ready(1);
    assert!(allowance(&rig) < Cycles::new(1_000));
    rig.suspend(1);
    assert_eq!(allowance(&rig), Cycles::MAX);
}

#[test]
fn what_is_not_counted_in_cycles_is_not_limited_in_cycles() {
    let mut rig = Rig::by("propshare.wfq", Metric::Bytes, 1_000_000, &[100, 100]);
    (0..2).for_each(|id| rig.ready(id));
    assert_eq!(rig.next(), Some(0));
    assert_eq!(rig.core.allowance(ClientId::new(0), Cycles::new(1_000)), Cycles::MAX);
}
