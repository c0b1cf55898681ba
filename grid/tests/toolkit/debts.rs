//! Who owes all that can be charged waits in the resources that serve everybody, and nowhere
//! else; and not longer than others want the core.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Params,
    Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_grid::{Labels, Parent, Port, Scope, Standing};
use vortex_units::{ActivityId, CoreId, Cycles, Micros, Share};

use super::probe::{Act, Probe, What};
use super::support::{First, FirstCore, World};

/// Chooses whoever is in debt last: activity 1, if it is, once it was charged.
struct Owing(Arc<AtomicBool>);

struct OwingCore {
    first: FirstCore,
    owes: Arc<AtomicBool>,
    own: Option<ClientId>,
}

impl Scheduler for Owing {
    fn init(_: Params) -> Result<Self, InitError> {
        Ok(Self(Arc::default()))
    }
    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        let owes = self.0.clone();
        Box::new(OwingCore { first: FirstCore::default(), owes, own: None })
    }
    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        Binding { core: question.cores[0], ttl: None }
    }
    fn allows_run_on(&self) -> bool {
        true
    }
}

impl SchedulerCore for OwingCore {
    fn add_client(&mut self, client: ClientId, params: &ClientParams) {
        if params.activity.index() == 1 {
            self.own = Some(client);
        }
        self.first.add_client(client, params);
    }
    fn remove_client(&mut self, client: ClientId) {
        self.first.remove_client(client);
    }
    fn client_reweighed(&mut self, _: ClientId, _: &ClientParams, _: Cycles) {}
    fn client_inherits(&mut self, _: ClientId, _: ClientId, _: Cycles) {}
    fn schedule(&mut self, now: Cycles, queues: &mut dyn Queues) -> Option<Choice> {
        let first = self.first.schedule(now, queues)?;
        if !self.is_in_debt(first.client) {
            return Some(first);
        }
        let second = self.first.schedule(now, queues);
        if second.is_some() {
            self.first.client_ready(first.client, now);
        }
        second.or(Some(first))
    }
    fn client_ready(&mut self, client: ClientId, now: Cycles) {
        self.first.client_ready(client, now);
    }
    fn client_suspended(&mut self, client: ClientId, now: Cycles) {
        self.first.client_suspended(client, now);
    }
    fn poll_ready(&mut self, now: Cycles) -> Readiness {
        self.first.poll_ready(now)
    }
    fn resource_record(&mut self, client: ClientId, record: &Record, now: Cycles) {
        self.first.resource_record(client, record, now);
    }
    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        let statistics = self.first.client_statistics(client);
        let owes = self.owes.load(Ordering::Relaxed) && Some(client) == self.own;
        ClientStatistics { refuse: owes && statistics.charged > 0, ..statistics }
    }
}

/// A world in which the first activity owes, and its neighbour does not; a resource for both.
fn world(parent: fn(Standing) -> Parent) -> (World, Arc<AtomicBool>, Port<Probe>, [ActivityId; 2]) {
    let owes = Arc::new(AtomicBool::new(true));
    let multiplexor: Arc<dyn Scheduler> = Arc::new(Owing(owes.clone()));
    let mut world = World::with(1, 4, Micros::new(0), &multiplexor);
    let standing = parent(Standing::new(Share::ONE));
    let resource = world.probe_beneath(&[(0, standing)], First::anywhere());
    let all = [world.activity(64), world.activity(64)];
    assert_eq!(all[0].index(), 1);
    (world, owes, resource, all)
}

/// Sends so many requests for each, in turns; whose they were, in the order of their ends.
fn ends(
    world: &mut World,
    to: Port<Probe>,
    all: [ActivityId; 2],
    count: usize,
    mut after: impl FnMut(usize),
) -> Vec<usize> {
    let mut owners = std::collections::BTreeMap::new();
    for _ in 0..count {
        for (place, &activity) in all.iter().enumerate() {
            owners.insert(world.root(0, activity, to, Labels::NONE, vec![]).unwrap(), place);
        }
    }
    let mut seen = 0;
    for _ in 0..10_000 {
        world.step(0);
        let done = world.order(What::Finished).len();
        if done > seen {
            seen = done;
            after(done);
        }
    }
    world.order(What::Finished).iter().map(|id| owners[id]).collect()
}

#[test]
fn who_owes_waits_for_all_others_and_no_longer() {
    let (mut world, _, resource, all) = world(Parent::Service);
    let ends = ends(&mut world, resource, all, 4, |_| {});
    // Its first is what it owes for.
    assert_eq!(ends, [0, 1, 1, 1, 1, 0, 0, 0]);
}

#[test]
fn a_share_that_is_an_entitlement_is_had_in_debt_too() {
    let (mut world, _, resource, all) = world(Parent::Multiplexor);
    let ends = ends(&mut world, resource, all, 4, |_| {});
    assert_eq!(ends, [0, 1, 0, 1, 0, 1, 0, 1]);
}

#[test]
fn who_owes_no_more_goes_on() {
    let (mut world, owes, resource, all) = world(Parent::Service);
    let ends = ends(&mut world, resource, all, 4, |done| {
        if done == 3 {
            owes.store(false, Ordering::Relaxed);
        }
    });
    assert_eq!(ends[..3], [0, 1, 1]);
    assert!(ends[3..].contains(&0) && ends[7] == 0 && ends[3..5].contains(&0), "{ends:?}");
}

#[test]
fn nobody_waits_where_nobody_else_wants_the_core() {
    let (mut world, _, resource, [debtor, _]) = world(Parent::Service);
    let ids: Vec<_> =
        (0..5).map(|_| world.root(0, debtor, resource, Labels::NONE, vec![]).unwrap()).collect();
    world.settle();
    assert_eq!(world.order(What::Finished), ids);
}

/// Its own client has been chosen in vain, for what it waits in is suspended, and is ready no
/// more; then it gets something to do elsewhere, and owes for that.
#[test]
fn who_owes_goes_on_though_it_waits_in_what_is_suspended() {
    let (mut world, _, resource, [debtor, _]) = world(Parent::Service);
    let standing = Standing::new(Share::ONE);
    let suspended = world.probe_beneath(&[(0, Parent::Service(standing))], First::anywhere());
    let rejected = vec![Act::Reject(Scope::Device)];
    world.root(0, debtor, suspended, Labels::NONE, rejected).unwrap();
    world.settle();
    assert_eq!(world.order(What::Finished), []);
    let ids: Vec<_> =
        (0..5).map(|_| world.root(0, debtor, resource, Labels::NONE, vec![]).unwrap()).collect();
    world.settle();
    assert_eq!(world.order(What::Finished), ids);
    world.cores[0].resume_here(suspended, Scope::Device, debtor);
    world.settle();
    assert_eq!(world.order(What::Finished).len(), 6);
}
