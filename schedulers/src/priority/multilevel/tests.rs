extern crate std;

use alloc::vec::Vec;

use proptest::prelude::*;
use vortex_grid::Frequency;
use vortex_grid::policy::{InitError, Metric, Params};

use super::*;
use crate::testing::Rig;

/// A cycle is a microsecond.
fn params(entries: &[(&str, &str)]) -> Params {
    let mut params = Params::new(Metric::Cycles, 1_000);
    params.frequency = Some(Frequency::megahertz(1));
    entries.iter().for_each(|(name, value)| params.insert(name, value));
    params
}

fn rig(clients: usize, entries: &[(&str, &str)]) -> Rig {
    let policy = Multilevel::init(params(entries)).unwrap();
    let shares: Vec<u32> = (0..clients).map(|_| 100).collect();
    let mut rig = Rig::of(&policy, &shares);
    (0..clients as u32).for_each(|id| rig.ready(id));
    rig
}

#[test]
fn who_uses_much_goes_down_and_who_uses_little_stays_first() {
    let mut rig = rig(2, &[("quantum", "100")]);
    // 0 computes, 1 uses five now and then.
    let mut waited = 0;
    for round in 0..200 {
        let id = rig.next().unwrap();
        if id == 0 {
            rig.charge(0, 50);
            rig.ready(0);
        } else {
            rig.charge(1, 5);
        }
        if round % 10 == 9 {
            rig.ready(1);
            let mut runs = 0;
            while rig.next() != Some(1) {
                rig.charge(0, 50);
                rig.ready(0);
                runs += 1;
            }
            rig.charge(1, 5);
            waited = waited.max(runs);
        }
    }
    assert_eq!(waited, 0, "1 never waits for a choice");
}

#[test]
fn giving_back_before_the_end_gains_nothing() {
    let mut rig = rig(2, &[("quantum", "100"), ("patience", "1000000")]);
    // 0 leaves just before its quantum ends, again and again; 1 is new each time it is looked at.
    for _ in 0..2 {
        assert_eq!(rig.next(), Some(0));
        rig.charge(0, 99);
        rig.ready(0);
        assert_eq!(rig.next(), Some(1));
        rig.charge(1, 1);
        rig.ready(1);
    }
    // 198 are used: the first level is over for 0.
    for _ in 0..10 {
        assert_eq!(rig.next(), Some(1));
        rig.charge(1, 1);
        rig.ready(1);
    }
}

#[test]
fn levels_double_and_the_last_is_the_last() {
    let mut client =
        Client { ready: false, level: 0, used: 0, anew: Cycles::ZERO, tally: Tally::default() };
    let levels: Vec<u32> = (0..10)
        .map(|_| {
            client.use_up(100, 100, 3);
            client.level
        })
        .collect();
    assert_eq!(levels, [1, 1, 2, 2, 2, 2, 2, 2, 2, 2]);
}

#[test]
fn nobody_waits_for_ever() {
    let mut rig = rig(3, &[("quantum", "10"), ("patience", "1000")]);
    // 2 goes down, and then two new ones want all there is.
    rig.charge(2, 10_000);
    let (mut last, mut now, mut longest) = (0u64, 0u64, 0u64);
    for round in 0..10_000 {
        let Some(id) = rig.next() else { break };
        rig.charge(id, 5);
        now += 5;
        if id == 2 {
            longest = longest.max(now - last);
            last = now;
        } else if round % 2 == 0 {
            // They begin anew as new clients do.
            rig.core.remove_client(ClientId::new(id));
            rig.add(id, 100, 0);
        }
        rig.ready(id);
    }
    assert!(longest > 500, "it is below them: {longest}");
    assert!(longest <= 1_000 + 3 * 5 + 5, "bound 2: {longest}");
}

/// Bound 1: for ever, and not only until its first quantum is used up.
#[test]
fn who_always_uses_little_stays_on_the_first_level() {
    let mut rig = rig(2, &[("quantum", "100"), ("patience", "10000")]);
    for round in 0..1_000 {
        rig.ready(1);
        let mut others = 0;
        while rig.next() != Some(1) {
            rig.charge(0, 50);
            rig.ready(0);
            others += 1;
        }
        // 90 in 10,000.
        rig.charge(1, 9);
        // 0 is new now and then, and may have a quantum before 1.
        assert!(others <= 3, "{round}: {others}");
        for _ in 0..20 {
            assert_eq!(rig.next(), Some(0));
            rig.charge(0, 50);
            rig.ready(0);
        }
    }
}

#[test]
fn who_was_away_for_long_begins_anew() {
    let mut rig = rig(2, &[("quantum", "10"), ("patience", "1000")]);
    assert_eq!(rig.next(), Some(0));
    rig.charge(0, 500);
    rig.charge(1, 5);
    rig.ready(0);
    assert_eq!(rig.next(), Some(1), "0 is below");
    rig.charge(1, 3);
    rig.ready(1);
    rig.suspend(0);
    assert_eq!(rig.next(), Some(1));
    rig.charge(1, 1_100);
    rig.ready(1);
    rig.ready(0);
    assert_eq!(rig.next(), Some(0), "it was away, and 1 is below now");
}

#[test]
fn what_cannot_be_used_is_refused() {
    assert!(matches!(Multilevel::init(Params::new(Metric::Cycles, 1)), Err(InitError::NoClock)));
    for wrong in [("levels", "1"), ("levels", "33"), ("quantum", "0"), ("patience", "soon")] {
        assert!(Multilevel::init(params(&[wrong])).is_err(), "{wrong:?}");
    }
}

proptest! {
    /// Bound 2, whatever happens: who becomes ready is served in time.
    #[test]
    fn patience_bounds_every_wait(
        lengths in prop::collection::vec(1u64..200, 50..400),
        away in prop::collection::vec(0usize..4, 50..400),
    ) {
        let mut rig = rig(6, &[("quantum", "50"), ("patience", "2000")]);
        let mut since = [0u64; 6];
        let mut ready = [true; 6];
        let mut now = 0;
        for (length, away) in lengths.into_iter().zip(away) {
            let Some(id) = rig.next() else { break };
            let place = id as usize;
            prop_assert!(now - since[place] <= 2_000 + 6 * 200, "{id} at {now}");
            ready[place] = false;
            rig.charge(id, length);
            now += length;
            if away > 0 || !ready.contains(&true) {
                rig.ready(id);
                (ready[place], since[place]) = (true, now);
            } else if let Some(other) = ready.iter().position(|ready| !ready) {
                rig.ready(other as u32);
                (ready[other], since[other]) = (true, now);
            }
        }
    }
}
