//! Turns: what follows within the quantum, and what does not.

use std::sync::Arc;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Params,
    Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_grid::{Drawer, Labels, Port, Scope, Step};
use vortex_units::{ActivityId, CoreId, Cycles, Micros};

use super::support::{Act, First, FirstCore, Job, Probe, What, World, reversed};

/// Long enough for all that a test does.
const LONG: Micros = Micros::new(100_000);

/// First come, first served, but never passed over.
struct Asked(First);

impl Scheduler for Asked {
    fn init(params: Params) -> Result<Self, InitError> {
        First::init(params).map(Self)
    }

    fn init_core(&self, core: CoreId) -> Box<dyn SchedulerCore> {
        self.0.init_core(core)
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.0.load_share(question)
    }
}

/// A multiplexor's policy under which resources go before activities, or the other way round.
struct Ranked {
    first: First,
    resources_first: bool,
}

impl Ranked {
    fn with(resources_first: bool) -> Arc<dyn Scheduler> {
        let first = First::init(Params::new(Default::default(), 0)).unwrap();
        Arc::new(Self { first, resources_first })
    }
}

#[derive(Default)]
struct RankedCore {
    resources_first: bool,
    resources: Vec<ClientId>,
    theirs: FirstCore,
    others: FirstCore,
}

impl Scheduler for Ranked {
    fn init(params: Params) -> Result<Self, InitError> {
        First::init(params).map(|first| Self { first, resources_first: true })
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(RankedCore { resources_first: self.resources_first, ..Default::default() })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.first.load_share(question)
    }
}

impl RankedCore {
    fn part(&mut self, client: ClientId) -> &mut FirstCore {
        if self.resources.contains(&client) { &mut self.theirs } else { &mut self.others }
    }
}

impl SchedulerCore for RankedCore {
    fn add_client(&mut self, client: ClientId, params: &ClientParams) {
        if params.activity == ActivityId::INFRASTRUCTURE {
            self.resources.push(client);
        }
        self.theirs.add_client(client, params);
        self.others.add_client(client, params);
    }

    fn remove_client(&mut self, client: ClientId) {
        self.part(client).remove_client(client);
    }

    fn client_reweighed(&mut self, _: ClientId, _: &ClientParams, _: Cycles) {}

    fn client_inherits(&mut self, _: ClientId, _: ClientId, _: Cycles) {}

    fn schedule(&mut self, now: Cycles, queues: &mut dyn Queues) -> Option<Choice> {
        let (first, second) = match self.resources_first {
            true => (&mut self.theirs, &mut self.others),
            false => (&mut self.others, &mut self.theirs),
        };
        first.schedule(now, queues).or_else(|| second.schedule(now, queues))
    }

    fn client_ready(&mut self, client: ClientId, now: Cycles) {
        self.part(client).client_ready(client, now);
    }

    fn client_suspended(&mut self, client: ClientId, now: Cycles) {
        self.part(client).client_suspended(client, now);
    }

    fn poll_ready(&mut self, now: Cycles) -> Readiness {
        match self.theirs.poll_ready(now) {
            Readiness::Idle => self.others.poll_ready(now),
            ready => ready,
        }
    }

    fn resource_record(&mut self, client: ClientId, record: &Record, now: Cycles) {
        self.part(client).resource_record(client, record, now);
    }

    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        let of = if self.resources.contains(&client) { &self.theirs } else { &self.others };
        of.client_statistics(client)
    }
}

/// A thread of `a`, a resource for all, and what waits there for `b` when the thread begins.
struct Set {
    world: World,
    thread: Port<Probe>,
    server: Port<Probe>,
    a: ActivityId,
    b: ActivityId,
}

fn set(run_on: Micros, server: Arc<dyn Scheduler>) -> Set {
    let mut world = World::with_run_on(1, 8, run_on);
    let (a, b) = (world.activity(20), world.activity(20));
    let threads = world.family(&[0], a, First::anywhere());
    let thread = world.grid.bear(&threads).unwrap();
    let server = world.probe(&[0], server);
    Set { world, thread, server, a, b }
}

impl Set {
    /// A thread that makes two calls, and another activity's request that waits beside it.
    /// True if both calls were served before that.
    fn calls_come_first(&mut self) -> bool {
        let ask = || Act::Ask(self.server, Labels::NONE, vec![]);
        let acts = vec![Act::Enter, ask(), Act::Enter, ask(), Act::Enter];
        self.world.root(0, self.a, self.thread, Labels::NONE, acts).unwrap();
        let other = self.world.root(0, self.b, self.server, Labels::NONE, vec![]).unwrap();
        self.world.settle();
        let served = |event: &&super::support::Event| {
            event.what == What::Finished && event.instance == self.server.instance()
        };
        let order: Vec<u64> = self.world.events().iter().filter(served).map(|e| e.id).collect();
        assert_eq!(order.len(), 3);
        order[2] == other
    }

    /// Lets the core run until it enters a thread; for how long.
    fn enter(&mut self) -> Cycles {
        loop {
            match self.world.cores[0].step() {
                Step::Enter(limit) => return limit,
                Step::Ran => {}
                Step::Idle(_) => panic!("the thread is not entered"),
            }
        }
    }

    /// All that schedulers were told is what the ledger has.
    fn all_is_told(&mut self) {
        let core = &mut self.world.cores[0];
        core.audit().expect("every cycle is booked");
        for client in core.report().clients {
            assert_eq!(i128::from(client.usage.cycles.get()), client.statistics.charged);
        }
    }
}

#[test]
fn calls_are_served_in_the_turn_of_who_makes_them() {
    for (run_on, first) in [(LONG, true), (Micros::ZERO, false)] {
        let mut set = set(run_on, First::anywhere());
        assert_eq!(set.calls_come_first(), first, "run-on for {run_on:?}");
        set.all_is_told();
    }
}

#[test]
fn a_scheduler_that_must_be_asked_is() {
    let mut set =
        set(LONG, Arc::new(Asked(First::init(Params::new(Default::default(), 0)).unwrap())));
    assert!(!set.calls_come_first());
    set.all_is_told();
}

#[test]
fn in_a_resources_turn_nothing_follows_but_there() {
    let mut world = World::with(1, 8, LONG, &Ranked::with(true));
    let (a, b) = (world.activity(20), world.activity(20));
    let threads = world.family(&[0], a, First::anywhere());
    let thread = world.grid.bear(&threads).unwrap();
    let (server, next) =
        (world.probe(&[0], First::anywhere()), world.probe(&[0], First::anywhere()));
    let acts = vec![
        Act::Again,
        Act::Tell(thread, Labels::NONE, vec![]),
        Act::Tell(next, Labels::NONE, vec![]),
    ];
    let first = world.root(0, a, server, Labels::NONE, acts).unwrap();
    let second = world.root(0, b, server, Labels::NONE, vec![]).unwrap();
    let other = world.root(0, b, next, Labels::NONE, vec![]).unwrap();
    world.settle();
    // Who goes on at the server is served at once. What is for another resource waits for that
    // one's own choice, and the thread until its activity is chosen.
    let ids = world.order(What::Finished);
    assert_eq!(ids, [first, other, second, first + 4, first + 3]);
}

#[test]
fn nobody_goes_on_in_a_turn_that_another_has_lent() {
    let mut world = World::with(1, 8, LONG, &Ranked::with(false));
    let (a, b) = (world.activity(20), world.activity(20));
    let [server, other, next] = [0; 3].map(|_| world.probe(&[0], First::anywhere()));
    for port in [server, other, next] {
        world.root(0, b, port, Labels::NONE, vec![]).unwrap();
        world.settle();
    }
    let charged = |world: &mut World| {
        let drawers = world.cores[0].report().drawers;
        let own = drawers.iter().find(|d| d.drawer == Drawer::Activity(a));
        own.map_or(0, |drawer| drawer.statistics.charged)
    };
    // a's client is chosen first; where it lends its turn, b stands before it.
    world.root(0, a, other, Labels::NONE, vec![]).unwrap();
    let acts = vec![Act::Tell(next, Labels::NONE, vec![])];
    let first = world.root(0, b, server, Labels::NONE, acts).unwrap();
    world.root(0, a, server, Labels::NONE, vec![]).unwrap();
    let (before, finished) = (charged(&mut world), world.order(What::Finished).len());
    let used = world.cores[0].ledger().used(b);
    world.step(0);
    assert_eq!(world.order(What::Finished)[finished..], [first], "b's next request waits");
    let used = world.cores[0].ledger().used(b) - used;
    assert_eq!(charged(&mut world) - before, i128::from(used.get()), "a pays for what it lent");
    world.settle();
}

#[test]
fn in_an_activitys_turn_a_resources_share_is_not_used_up() {
    let mut set = set(LONG, First::anywhere());
    let ask = Act::Ask(set.server, Labels::NONE, vec![]);
    set.world.root(0, set.a, set.thread, Labels::NONE, vec![ask, Act::Enter]).unwrap();
    set.world.settle();
    let report = set.world.cores[0].report();
    for drawer in report.drawers {
        let used = match drawer.drawer {
            Drawer::Activity(of) => set.world.cores[0].ledger().used(of).get(),
            // It was never chosen.
            Drawer::Resource(..) => 0,
        };
        assert_eq!(drawer.statistics.charged, i128::from(used), "{:?}", drawer.drawer);
    }
    set.all_is_told();
}

#[test]
fn a_thread_is_not_entered_beyond_a_contested_turn() {
    for contested in [false, true] {
        let mut set = set(Micros::new(700), First::anywhere());
        // b waits at the server; a's thread ends that wait, and goes on.
        let kept = set.world.root(0, set.b, set.server, Labels::NONE, vec![]).unwrap();
        set.world.settle();
        assert_eq!(set.world.order(What::Finished), [kept]);
        let waits = vec![Act::Ask(set.server, Labels::NONE, vec![Act::Keep])];
        let own = set.world.probe(&[0], First::anywhere());
        if contested {
            set.world.root(0, set.b, own, Labels::NONE, waits).unwrap();
            set.world.settle();
        }
        let release = Act::Ask(set.server, Labels::NONE, vec![Act::Release]);
        set.world.root(0, set.a, set.thread, Labels::NONE, vec![release, Act::Enter]).unwrap();
        let entered = set.enter();
        assert_eq!(entered < Cycles::new(700), contested, "entered for {entered:?}");
        let _ = set.world.cores[0].leave(Cycles::ZERO);
        set.world.settle();
        set.all_is_told();
    }
}

#[test]
fn a_resource_that_is_resumed_contests_the_turn() {
    let mut set = set(Micros::new(700), First::anywhere());
    let rejected = vec![Act::Reject(Scope::Device)];
    set.world.root(0, set.b, set.server, Labels::NONE, rejected).unwrap();
    set.world.settle();
    assert_eq!(set.world.order(What::Finished), []);
    let acts = vec![Act::Resume(set.server, Scope::Device), Act::Enter];
    set.world.root(0, set.a, set.thread, Labels::NONE, acts).unwrap();
    let entered = set.enter();
    assert!(entered < Cycles::new(700), "entered for {entered:?} while b waits");
    let _ = set.world.cores[0].leave(Cycles::ZERO);
    set.world.settle();
    set.all_is_told();
}

#[test]
fn a_thread_does_not_go_back_to_user_mode_when_a_contested_turn_is_over() {
    for over in [false, true] {
        let mut set = set(Micros::new(700), First::anywhere());
        let own = set.world.probe(&[0], First::anywhere());
        let waits = vec![Act::Ask(set.server, Labels::NONE, vec![Act::Keep])];
        set.world.root(0, set.b, own, Labels::NONE, waits).unwrap();
        set.world.settle();
        let release = Act::Ask(set.server, Labels::NONE, vec![Act::Release]);
        let acts = vec![release, Act::Enter, Act::Enter];
        set.world.root(0, set.a, set.thread, Labels::NONE, acts).unwrap();
        let _ = set.enter();
        if over {
            set.world.clock.0.fetch_add(800, std::sync::atomic::Ordering::Relaxed);
        }
        let Step::Enter(limit) = set.world.cores[0].leave(Cycles::ZERO) else {
            panic!("not entered again")
        };
        assert_eq!(limit == Cycles::new(1), over, "entered again for {limit:?}");
        let _ = set.world.cores[0].leave(Cycles::ZERO);
        set.world.settle();
        set.all_is_told();
    }
}

#[test]
fn an_interrupt_ends_the_turn() {
    for interrupted in [false, true] {
        let mut set = set(LONG, First::anywhere());
        let ask = Act::Ask(set.server, Labels::NONE, vec![]);
        set.world.root(0, set.a, set.thread, Labels::NONE, vec![Act::Enter, ask]).unwrap();
        let other = set.world.root(0, set.b, set.server, Labels::NONE, vec![]).unwrap();
        let core = &mut set.world.cores[0];
        assert!(matches!(core.step(), Step::Enter(_)));
        if interrupted {
            let now = core.ledger().last();
            core.interrupted(now);
        }
        let _ = core.leave(Cycles::ZERO);
        set.world.settle();
        let first = set.world.order(What::Finished)[0];
        assert_eq!(first == other, interrupted);
        set.all_is_told();
    }
}

#[test]
fn what_is_owed_is_told_before_a_sample() {
    let mut set = set(LONG, First::anywhere());
    let job = Job { id: 1, acts: reversed(vec![Act::Again, Act::Enter, Act::Enter]) };
    set.world.cores[0].root(set.a, set.thread, Labels::NONE, job).unwrap();
    assert!(matches!(set.world.cores[0].step(), Step::Enter(_)));
    set.all_is_told();
    assert!(matches!(set.world.cores[0].leave(Cycles::ZERO), Step::Enter(_)));
    set.all_is_told();
    let _ = set.world.cores[0].leave(Cycles::ZERO);
    set.world.settle();
}
