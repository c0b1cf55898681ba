//! A stopped process is not an idle one: its activity's client is suspended, and what it has
//! had too much waits for it.

use std::sync::atomic::Ordering;

use vortex_grid::policy::{Metric, Params};
use vortex_grid::{Labels, Port, Scope, Step};
use vortex_units::{ActivityId, Cycles, Micros};

use super::support::{Act, First, Job, Probe, World};

const LONG: u64 = 100_000;
const SHORT: u64 = 1_000;

/// Two activities with the same share, each with a process, on a core with WFQ.
struct Pair {
    world: World,
    first: ActivityId,
    second: ActivityId,
    process: Port<Probe>,
}

impl Pair {
    fn new() -> Self {
        let params = Params::new(Metric::Cycles, 100_000_000);
        let wfq = vortex_schedulers::make("propshare.wfq", params).unwrap();
        let world = World::with(1, 4, Micros::ZERO, &wfq);
        let (first, second) = (world.activity(64), world.activity(64));
        let family = world.family(&[0], first, First::anywhere());
        let process = world.grid.bear(&family).unwrap();
        let other = world.grid.bear(&world.family(&[0], second, First::anywhere())).unwrap();
        let mut pair = Self { world, first, second, process };
        let without_end = (0..20_000).map(|at| if at % 2 == 0 { Act::Enter } else { Act::Again });
        let without_end = without_end.collect();
        pair.world.root(0, second, other, Labels::NONE, without_end).unwrap();
        pair
    }

    /// The first activity's thread does this.
    fn begin(&mut self, acts: Vec<Act>) -> u64 {
        let (first, process) = (self.first, self.process);
        self.world.root(0, first, process, Labels::NONE, acts).unwrap()
    }

    /// One decision of the multiplexor; a thread runs for so long.
    fn turn(&mut self, span: impl Fn(u64) -> u64) {
        let mut step = self.world.cores[0].step();
        while let Step::Enter(_) = step {
            let id = self.world.cores[0].entered::<Job>().unwrap().id;
            self.world.clock.0.fetch_add(span(id), Ordering::Relaxed);
            step = self.world.cores[0].leave(Cycles::ZERO);
        }
    }

    fn used(&self, activity: ActivityId) -> Cycles {
        self.world.cores[0].ledger().used(activity)
    }

    /// What the second has until the first has had something.
    fn second_goes_before(&mut self) -> Cycles {
        let (first, second) = (self.used(self.first), self.used(self.second));
        while self.used(self.first) < first + Cycles::new(SHORT) {
            self.turn(|_| SHORT);
        }
        self.used(self.second) - second
    }
}

/// The first has had the core for long; then it is away, while the second has it for longer.
fn away(then: Vec<Act>) -> Pair {
    let mut pair = Pair::new();
    let greedy = pair.begin([vec![Act::Enter], then].concat());
    while pair.used(pair.first) < Cycles::new(LONG) {
        pair.turn(|id| if id == greedy { LONG } else { SHORT });
    }
    let until = pair.used(pair.second) + Cycles::new(10 * LONG);
    while pair.used(pair.second) < until {
        pair.turn(|_| SHORT);
    }
    pair
}

#[test]
fn an_idle_process_has_sat_out_what_it_had_too_much() {
    let mut pair = away(vec![]);
    pair.begin(vec![Act::Enter]);
    let before = pair.second_goes_before();
    assert!(before <= Cycles::new(5 * SHORT), "it waited for {before:?}");
}

#[test]
fn a_stopped_process_has_not() {
    let mut pair = away(vec![Act::Reject(Scope::Device), Act::Enter]);
    assert_eq!(pair.world.cores[0].requests(), 2, "the stopped thread is there");
    let (process, first) = (pair.process, pair.first);
    pair.world.resume(process, &[first]);
    let before = pair.second_goes_before();
    assert!(before >= Cycles::new(LONG / 2), "it waited for {before:?} only");
}

#[test]
fn with_another_process_that_goes_on_it_is_not_suspended() {
    let mut pair = away(vec![Act::Reject(Scope::Device), Act::Enter]);
    let family = pair.world.family(&[0], pair.first, First::anywhere());
    let other = pair.world.grid.bear(&family).unwrap();
    let first = pair.first;
    pair.world.root(0, first, other, Labels::NONE, vec![Act::Enter]).unwrap();
    // Suspended until then, it has its debt to wait for; and then it runs.
    let _ = pair.second_goes_before();
    assert!(pair.world.cores[0].requests() >= 2, "the stopped thread is still there");
}

#[test]
fn a_stopped_process_can_be_removed() {
    let mut pair = away(vec![Act::Reject(Scope::Device), Act::Enter]);
    assert!(pair.world.grid.remove(pair.process));
    pair.turn(|_| SHORT);
    assert_eq!(pair.world.cores[0].requests(), 1, "the second's thread alone");
    assert_eq!(pair.world.grid.activities().nodes(pair.first), 0);
    let family = pair.world.family(&[0], pair.first, First::anywhere());
    pair.process = pair.world.grid.bear(&family).unwrap();
    pair.begin(vec![Act::Enter]);
    let _ = pair.second_goes_before();
}
