//! How much of the core a decision allows with threads in user mode.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use vortex_grid::policy::{
    Binding, InitError, LoadShare, Metric, Params, Scheduler, SchedulerCore,
};
use vortex_grid::{Labels, Step};
use vortex_units::{CoreId, Cycles, Micros};

use super::support::{Act, First, FirstCore, World};

/// Long enough for all that a test does.
const LONG: Micros = Micros::new(100_000);
/// What a test's threads ask for.
const ASKED: Cycles = Cycles::new(1_000);

/// First come, first served, and so much of the core on each decision.
struct Allowing(First, Option<Cycles>);

impl Allowing {
    fn with(allowed: Option<u64>) -> Arc<dyn Scheduler> {
        let first = First::init(Params::new(Metric::default(), 0)).unwrap();
        Arc::new(Self(first, allowed.map(Cycles::new)))
    }
}

impl Scheduler for Allowing {
    fn init(params: Params) -> Result<Self, InitError> {
        First::init(params).map(|first| Self(first, None))
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(FirstCore::allowing(self.1))
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.0.load_share(question)
    }

    fn allows_run_on(&self) -> bool {
        true
    }
}

/// A thread that does this, beneath a multiplexor and a thread resource that allow so much.
fn world(run_on: Micros, multiplexor: Option<u64>, resource: Option<u64>, acts: Vec<Act>) -> World {
    let mut world = World::with(1, 8, run_on, &Allowing::with(multiplexor));
    let activity = world.activity(20);
    let threads = world.family(&[0], activity, Allowing::with(resource));
    let thread = world.grid.bear(&threads).unwrap();
    world.root(0, activity, thread, Labels::NONE, acts).unwrap();
    world
}

fn entered(step: Step) -> Cycles {
    match step {
        Step::Enter(limit) => limit,
        other => panic!("not entered: {other:?}"),
    }
}

/// The thread has been in user mode for so long. What the core wants then.
fn leave_after(world: &mut World, cycles: u64) -> Step {
    world.clock.0.fetch_add(cycles, Ordering::Relaxed);
    let now = Cycles::new(world.clock.0.load(Ordering::Relaxed));
    world.cores[0].leave(now)
}

#[test]
fn a_thread_is_entered_for_what_every_scheduler_above_it_allows() {
    let both = [(None, None), (Some(600), None), (None, Some(600)), (Some(900), Some(600))];
    for run_on in [LONG, Micros::ZERO] {
        for (multiplexor, resource) in both {
            let mut world = world(run_on, multiplexor, resource, vec![Act::Enter]);
            let limit = entered(world.cores[0].step());
            if multiplexor.or(resource).is_none() {
                assert_eq!(limit, ASKED, "no limit where none is set");
            } else {
                assert!(
                    (500..=600).contains(&limit.get()),
                    "{multiplexor:?} {resource:?} {limit:?}"
                );
            }
        }
    }
}

#[test]
fn who_comes_back_within_the_turn_has_the_rest() {
    for run_on in [LONG, Micros::ZERO] {
        let mut world = world(run_on, Some(600), None, vec![Act::Enter, Act::Enter, Act::Enter]);
        let first = entered(world.cores[0].step());
        let second = entered(leave_after(&mut world, 200));
        assert!(second.get() <= first.get() - 200, "{second:?} after {first:?}");
        assert!(second.get() > first.get() - 300, "{second:?} after {first:?}");
        let third = entered(leave_after(&mut world, 600));
        assert_eq!(third, Cycles::new(1), "only to come out again");
    }
}

#[test]
fn a_used_up_allowance_ends_the_turn_and_the_next_has_its_own() {
    let mut world = world(LONG, Some(600), None, vec![Act::Enter, Act::Again, Act::Enter]);
    let first = entered(world.cores[0].step());
    let after = leave_after(&mut world, first.get());
    assert_eq!(after, Step::Ran, "nothing follows, long as the quantum is");
    let again = entered(world.cores[0].step());
    assert!((500..=600).contains(&again.get()), "{again:?}");
}

#[test]
fn the_turn_goes_on_while_the_allowance_lasts() {
    for (allowed, goes_on) in [(None, true), (Some(600), true), (Some(150), false)] {
        let mut world = world(LONG, allowed, None, vec![Act::Enter, Act::Again, Act::Enter]);
        let _ = entered(world.cores[0].step());
        let after = leave_after(&mut world, 200);
        assert_eq!(matches!(after, Step::Enter(_)), goes_on, "{allowed:?}: {after:?}");
    }
}

/// What is allowed may be less than the kernel has used before: the thread gets on all the same.
#[test]
fn half_of_it_is_left_for_the_thread() {
    let mut world = world(LONG, Some(8), None, vec![Act::Again, Act::Again, Act::Enter]);
    assert_eq!(entered(world.cores[0].step()), Cycles::new(4));
}
