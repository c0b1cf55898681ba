extern crate std;

use alloc::vec::Vec;

use crate::testing::Rig;

fn rig(shares: &[u32]) -> Rig {
    let mut rig = Rig::new("propshare.lottery", 1_000_000, shares);
    (0..).zip(shares).for_each(|(id, _)| rig.ready(id));
    rig
}

/// What each used, in per cent of all.
fn parts(rig: &Rig, clients: u32) -> Vec<f64> {
    let used: Vec<f64> = (0..clients).map(|id| rig.told(id).charged as f64).collect();
    let all: f64 = used.iter().sum();
    used.iter().map(|used| used * 100.0 / all).collect()
}

/// Four deviations of the binomial: exceeded once in 16,000 runs, and these do not vary.
fn bound(part: f64, draws: usize) -> f64 {
    4.0 * 100.0 * (part * (1.0 - part) / draws as f64).sqrt()
}

#[test]
fn wins_are_in_proportion_to_tickets() {
    let mut rig = rig(&[5_000, 3_300, 1_700]);
    rig.run(100_000, &[10; 3]);
    for (part, wanted) in parts(&rig, 3).iter().zip([50.0, 33.0, 17.0]) {
        assert!((part - wanted).abs() < bound(wanted / 100.0, 100_000), "{part} of {wanted}");
    }
}

/// The paper's compensation: who uses a fifth of what others use wins five times as often.
#[test]
fn consumption_is_in_proportion_whatever_the_lengths() {
    let mut rig = rig(&[100, 100]);
    let chosen = rig.run(60_000, &[20, 100]);
    let wins = chosen.iter().filter(|id| **id == 0).count() as f64 / 60_000.0;
    assert!((wins - 5.0 / 6.0).abs() < 0.01, "{wins}");
    for part in parts(&rig, 2) {
        assert!((part - 50.0).abs() < 2.0, "{part}");
    }
}

/// What is reported of a win in two records is one length: a thread's slice, and what leaving it
/// cost.
#[test]
fn a_win_in_two_records_is_one_win() {
    let mut rig = rig(&[100, 100]);
    for _ in 0..60_000 {
        let id = rig.next().unwrap();
        rig.charge(id, 100);
        if id == 0 {
            rig.charge(id, 1);
        }
        rig.ready(id);
    }
    for part in parts(&rig, 2) {
        assert!((part - 50.0).abs() < 2.0, "{:?}", parts(&rig, 2));
    }
}

#[test]
fn who_is_alone_always_wins() {
    let mut rig = rig(&[1, 10_000]);
    rig.suspend(1);
    rig.bill(0, 1_000);
    assert_eq!(rig.run(10, &[5, 5]), [0; 10]);
    rig.suspend(0);
    assert_eq!(rig.next(), None);
}

#[test]
fn what_is_billed_back_is_paid_with_wins() {
    let mut rig = rig(&[100, 100]);
    rig.run(1_000, &[10, 10]);
    rig.bill(0, 20_000);
    assert!(rig.told(0).debt >= 20_000);
    rig.run(50_000, &[10, 10]);
    assert_eq!(rig.told(0).debt / 10, 0, "all is paid, to less than a charge");
    // Half of 20,000 + 51,000 charges is each one's.
    for part in parts(&rig, 2) {
        assert!((part - 50.0).abs() < 2.0, "{part}");
    }
}

#[test]
fn debt_is_capped_refused_and_worn_off_when_idle() {
    let mut rig = Rig::new("propshare.lottery", 1_000, &[100, 300]);
    rig.bill(0, 900);
    let told = rig.told(0);
    assert_eq!((told.debt, told.forgiven, told.refuse), (250, 650, true));
    rig.idle(400_000);
    assert_eq!((rig.told(0).debt, rig.told(0).refuse), (150, true));
    rig.idle(600_000);
    assert_eq!((rig.told(0).debt, rig.told(0).refuse), (0, false));
}

#[test]
fn dividing_oneself_is_no_way_out_of_debt() {
    let mut rig = rig(&[100, 100]);
    rig.bill(0, 20_000);
    rig.add_beside(2, 50, 0);
    rig.reweigh(0, 50);
    assert_eq!((rig.told(0).debt, rig.told(2).debt), (10_000, 10_000));
    rig.reweigh(0, 100);
    rig.inherit(0, 2);
    assert_eq!((rig.told(0).debt, rig.told(2).debt), (20_000, 0));
}

#[test]
fn the_seed_decides() {
    let run = |seed: &str| {
        let mut params =
            vortex_grid::policy::Params::new(vortex_grid::policy::Metric::Cycles, 1_000);
        params.insert("seed", seed);
        let scheduler = crate::make("propshare.lottery", params).unwrap();
        let mut rig = Rig::of(&*scheduler, &[100, 100, 100]);
        (0..3).for_each(|id| rig.ready(id));
        rig.run(50, &[1; 3])
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}
