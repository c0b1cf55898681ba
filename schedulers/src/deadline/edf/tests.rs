extern crate std;

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use vortex_grid::policy::{Metric, NoQueues, Params};

use super::*;

/// A core of this policy; a cycle is a microsecond.
fn core(periods: &[u64]) -> Box<dyn SchedulerCore> {
    let mut params = Params::new(Metric::Cycles, 1_000);
    params.frequency = Some(Frequency::megahertz(1));
    let mut core = Edf::init(params).unwrap().init_core(CoreId::new(0));
    for (id, &period) in (0..).zip(periods) {
        let period = Some(Micros::new(period));
        core.add_client(ClientId::new(id), &ClientParams { period, ..ClientParams::default() });
    }
    core
}

fn next(core: &mut dyn SchedulerCore, now: u64) -> Option<usize> {
    let choice = core.schedule(Cycles::new(now), &mut NoQueues)?;
    Some(choice.client.index())
}

fn ready(core: &mut dyn SchedulerCore, id: usize, now: u64) {
    core.client_ready(ClientId::new(id as u32), Cycles::new(now));
}

#[test]
fn the_earliest_deadline_goes_first() {
    let mut core = core(&[300, 100, 200]);
    (0..3).for_each(|id| ready(&mut *core, id, 0));
    assert_eq!(
        (0..4).map(|_| next(&mut *core, 0)).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(0), None]
    );
}

#[test]
fn who_asks_more_often_waits_for_its_next_period() {
    let mut core = core(&[10, 1_000]);
    ready(&mut *core, 1, 0);
    let mut served = 0;
    for now in 0.. {
        ready(&mut *core, 0, now);
        if next(&mut *core, now) == Some(1) {
            break;
        }
        served += 1;
    }
    // 0 has one in each of its periods that end before 1's does.
    assert_eq!(served, 100);
}

#[test]
fn a_suspension_keeps_the_deadline() {
    let mut core = core(&[100, 150]);
    ready(&mut *core, 0, 0);
    ready(&mut *core, 1, 0);
    core.client_suspended(ClientId::new(0), Cycles::new(10));
    ready(&mut *core, 0, 20);
    assert_eq!(next(&mut *core, 20), Some(0), "120 and not 220");
}

proptest! {
    /// Bound 1: sporadic clients that use no more than they say, and together what there is.
    #[test]
    fn every_deadline_is_met_where_that_can_be(
        wanted in prop::collection::vec((1u64..40, 2u64..20), 2..7),
        gaps in prop::collection::vec(0u64..200, 400),
    ) {
        // C and T such that the sum of C/T is 1 − l/(shortest T) at most.
        let n = wanted.len() as u64;
        let longest = wanted.iter().map(|(cost, _)| *cost).max().unwrap();
        let clients: Vec<(u64, u64)> = wanted
            .iter()
            .map(|(cost, slack)| (*cost, (cost * n * slack).max(longest * n * 2)))
            .collect();
        let shortest = clients.iter().map(|(_, period)| *period).min().unwrap();
        let used: f64 = clients.iter().map(|(cost, period)| *cost as f64 / *period as f64).sum();
        prop_assume!(used <= 1.0 - longest as f64 / shortest as f64);
        let periods: Vec<u64> = clients.iter().map(|(_, period)| *period).collect();
        let mut core = core(&periods);
        let (mut now, mut gaps) = (0, gaps.into_iter());
        let mut due: Vec<Option<u64>> = vec![None; clients.len()];
        let mut comes: Vec<u64> = vec![0; clients.len()];
        loop {
            for id in 0..clients.len() {
                if due[id].is_none() && comes[id] <= now {
                    // It came when it came, not when it was looked at.
                    ready(&mut *core, id, comes[id]);
                    due[id] = Some(comes[id] + periods[id]);
                }
            }
            let Some(id) = next(&mut *core, now) else {
                now = comes.iter().zip(&due).filter(|(_, due)| due.is_none()).map(|(at, _)| *at)
                    .min().unwrap().max(now + 1);
                continue;
            };
            now += clients[id].0;
            let due = due[id].take().unwrap();
            prop_assert!(now <= due, "{id} of {clients:?} is done at {now}, due at {due}");
            let Some(gap) = gaps.next() else { break };
            comes[id] = due + gap;
        }
    }
}
