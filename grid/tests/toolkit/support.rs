//! A small world for the toolkit's tests: a machine whose clock only moves forward, a
//! first-come policy, and a grid of probes.

pub use super::probe::*;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Params,
    Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_grid::{
    Core, CoreSpec, Entitlement, Family, Frequency, Grid, GridSpec, Labels, Machine, Port, Scope,
    Standing, Step,
};
use vortex_units::{ActivityId, CoreId, Cycles, Micros, Share};

/// A clock shared by all cores: each reading takes ten cycles.
#[derive(Clone, Default)]
pub struct Clock(pub Arc<AtomicU64>);

pub struct TestMachine {
    pub clock: Clock,
    pub pokes: Arc<Mutex<Vec<CoreId>>>,
}

impl Machine for TestMachine {
    fn now(&mut self) -> Cycles {
        Cycles::new(self.clock.0.fetch_add(10, Ordering::Relaxed) + 10)
    }

    fn poke(&mut self, core: CoreId) {
        self.pokes.lock().unwrap().push(core);
    }

    fn frequency(&self) -> Frequency {
        Frequency::megahertz(1)
    }
}

/// How a test's load sharing decides: by a function of the label, the time and where it
/// was last.
pub type Sharing = Arc<dyn Fn(&LoadShare<'_>) -> Binding + Send + Sync>;

/// First come, first served.
pub struct First(pub Sharing);

impl First {
    pub fn anywhere() -> Arc<dyn Scheduler> {
        Arc::new(Self(Arc::new(|q| Binding { core: q.cores[0], ttl: None })))
    }
}

impl Scheduler for First {
    fn init(_: Params) -> Result<Self, InitError> {
        Ok(Self(Arc::new(|q| Binding { core: q.cores[0], ttl: None })))
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(FirstCore::default())
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        (self.0)(question)
    }

    fn allows_run_on(&self) -> bool {
        true
    }
}

#[derive(Default)]
pub struct FirstCore {
    ready: Vec<ClientId>,
    charged: Vec<i128>,
    /// What each of its decisions allows threads.
    allowed: Option<Cycles>,
}

impl FirstCore {
    pub fn allowing(allowed: Option<Cycles>) -> Self {
        Self { allowed, ..Self::default() }
    }
}

impl SchedulerCore for FirstCore {
    fn add_client(&mut self, client: ClientId, _: &ClientParams) {
        if self.charged.len() <= client.index() {
            self.charged.resize(client.index() + 1, 0);
        }
        self.charged[client.index()] = 0;
    }

    fn remove_client(&mut self, client: ClientId) {
        self.ready.retain(|&c| c != client);
    }

    fn client_reweighed(&mut self, _: ClientId, _: &ClientParams, _: Cycles) {}

    fn client_inherits(&mut self, client: ClientId, from: ClientId, _: Cycles) {
        self.charged[client.index()] += std::mem::take(&mut self.charged[from.index()]);
    }

    fn schedule(&mut self, _: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        (!self.ready.is_empty()).then(|| Choice::of(self.ready.remove(0)))
    }

    fn client_ready(&mut self, client: ClientId, _: Cycles) {
        if !self.ready.contains(&client) {
            self.ready.push(client);
        }
    }

    fn client_suspended(&mut self, client: ClientId, _: Cycles) {
        self.ready.retain(|&c| c != client);
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.ready.is_empty() { Readiness::Idle } else { Readiness::Now }
    }

    fn allowance(&self, _: ClientId, _: Cycles) -> Cycles {
        self.allowed.unwrap_or(Cycles::MAX)
    }

    fn resource_record(&mut self, client: ClientId, record: &Record, _: Cycles) {
        let amount = i128::from(record.cycles.get());
        self.charged[client.index()] += match record.direction {
            vortex_grid::policy::Direction::Charge => amount,
            vortex_grid::policy::Direction::Credit => -amount,
        };
    }

    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        ClientStatistics { charged: self.charged[client.index()], ..Default::default() }
    }
}

/// A grid of probes with its cores, driven by the test.
pub struct World {
    pub grid: Arc<Grid<Msg>>,
    pub cores: Vec<Core<Msg, TestMachine>>,
    pub ports: Vec<Port<Probe>>,
    pub log: Log,
    pub next: Arc<AtomicU64>,
    pub clock: Clock,
    pub pokes: Arc<Mutex<Vec<CoreId>>>,
    pub asleep: Vec<bool>,
    pub entered: Vec<bool>,
}

impl World {
    pub fn new(cores: u16, activities: u32) -> Self {
        Self::with_run_on(cores, activities, Micros::new(20))
    }

    pub fn with_run_on(cores: u16, activities: u32, run_on: Micros) -> Self {
        Self::with(cores, activities, run_on, &First::anywhere())
    }

    /// With this policy at the multiplexors.
    pub fn with(
        cores: u16,
        activities: u32,
        run_on: Micros,
        multiplexor: &Arc<dyn Scheduler>,
    ) -> Self {
        Self::made(cores, activities, |core| CoreSpec {
            run_on,
            ..CoreSpec::new(CoreId::new(core), multiplexor.clone())
        })
    }

    /// With the paper's form of shares: what an activity uses in resources is not charged to its
    /// own client.
    pub fn in_the_papers_form(cores: u16, activities: u32) -> Self {
        Self::made(cores, activities, |core| CoreSpec {
            charge_through: false,
            ..CoreSpec::new(CoreId::new(core), First::anywhere())
        })
    }

    fn made(cores: u16, activities: u32, spec: impl Fn(u16) -> CoreSpec) -> Self {
        let grid = Grid::new(GridSpec {
            cores,
            activities,
            infrastructure: Entitlement { nodes: 10_000, ..Entitlement::new(Share::ONE) },
            frequency: Frequency::megahertz(1),
            buses: Vec::new(),
        });
        let clock = Clock::default();
        let pokes = Arc::new(Mutex::new(Vec::new()));
        let made = (0..cores)
            .map(|core| {
                let machine = TestMachine { clock: clock.clone(), pokes: pokes.clone() };
                Core::new(&grid, machine, spec(core)).unwrap()
            })
            .collect();
        Self {
            grid,
            cores: made,
            ports: Vec::new(),
            log: Log::default(),
            next: Arc::new(AtomicU64::new(1)),
            clock,
            pokes,
            asleep: vec![false; cores.into()],
            entered: vec![false; cores.into()],
        }
    }

    /// Adds a probe on these cores.
    pub fn probe(&mut self, cores: &[u16], scheduler: Arc<dyn Scheduler>) -> Port<Probe> {
        self.batching_probe(cores, scheduler, 1)
    }

    /// Adds a probe on these cores that serves so many requests on one decision.
    pub fn batching_probe(
        &mut self,
        cores: &[u16],
        scheduler: Arc<dyn Scheduler>,
        batch: u16,
    ) -> Port<Probe> {
        let parent = vortex_grid::Parent::Multiplexor(Standing::new(Share::ONE));
        let cores = cores.iter().map(|&core| (core, parent)).collect::<Vec<_>>();
        self.make_probe(&cores, scheduler, batch, None)
    }

    /// Adds a probe on these cores that favours requests of the probe that was added as this
    /// one.
    pub fn favouring_probe(
        &mut self,
        cores: &[u16],
        scheduler: Arc<dyn Scheduler>,
        favours: usize,
    ) -> Port<Probe> {
        let parent = vortex_grid::Parent::Multiplexor(Standing::new(Share::ONE));
        let cores = cores.iter().map(|&core| (core, parent)).collect::<Vec<_>>();
        self.make_probe(&cores, scheduler, 1, Some(vortex_grid::Class(favours as u16)))
    }

    /// Adds a probe that requests time so on these cores.
    pub fn probe_beneath(
        &mut self,
        cores: &[(u16, vortex_grid::Parent)],
        scheduler: Arc<dyn Scheduler>,
    ) -> Port<Probe> {
        self.make_probe(cores, scheduler, 1, None)
    }

    fn make_probe(
        &mut self,
        cores: &[(u16, vortex_grid::Parent)],
        scheduler: Arc<dyn Scheduler>,
        batch: u16,
        favours: Option<vortex_grid::Class>,
    ) -> Port<Probe> {
        let me = Arc::new(Mutex::new(None));
        let rejected = Arc::new(Mutex::new(Vec::new()));
        let (log, next, given) = (self.log.clone(), self.next.clone(), me.clone());
        let clock = self.clock.0.clone();
        let spec = vortex_grid::InstanceSpec {
            name: format!("probe{}", self.ports.len()),
            class: vortex_grid::Class(self.ports.len() as u16),
            scheduler,
            cores: cores.iter().map(|&(core, parent)| (CoreId::new(core), parent)).collect(),
            owner: ActivityId::INFRASTRUCTURE,
            batch,
            favours,
        };
        let port = self.grid.add(spec, move |_| Probe {
            me: given.clone(),
            log: log.clone(),
            next: next.clone(),
            kept: Vec::new(),
            rejected: rejected.clone(),
            begun: Vec::new(),
            clock: clock.clone(),
        });
        *me.lock().unwrap() = Some(port);
        self.ports.push(port);
        port
    }

    /// A family of probes on these cores, as TR has: part of an activity's client.
    pub fn family(
        &self,
        cores: &[u16],
        owner: ActivityId,
        scheduler: Arc<dyn Scheduler>,
    ) -> Family<Msg, Probe> {
        let (log, next, clock) = (self.log.clone(), self.next.clone(), self.clock.0.clone());
        let spec = vortex_grid::InstanceSpec {
            name: "process".into(),
            class: vortex_grid::Class(100),
            scheduler,
            cores: cores.iter().map(|&c| (CoreId::new(c), vortex_grid::Parent::Activity)).collect(),
            owner,
            batch: 1,
            favours: None,
        };
        let make = move |_| Probe {
            me: Arc::new(Mutex::new(Some(Port::new(vortex_units::InstanceId::OUTSIDE)))),
            log: log.clone(),
            next: next.clone(),
            kept: Vec::new(),
            rejected: Arc::default(),
            begun: Vec::new(),
            clock: clock.clone(),
        };
        self.grid.family(spec, make).unwrap()
    }

    pub fn activity(&self, nodes: u32) -> ActivityId {
        let entitlement = Entitlement { nodes, ..Entitlement::new(Share::ONE) };
        self.grid.activities().create(entitlement).unwrap()
    }

    /// Sends a root; its acts in the order in which they are to happen. Returns its id.
    pub fn root(
        &mut self,
        core: usize,
        activity: ActivityId,
        to: Port<Probe>,
        labels: Labels,
        acts: Vec<Act>,
    ) -> Result<u64, vortex_grid::Refused> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.cores[core].root(activity, to, labels, Job { id, acts: reversed(acts) })?;
        Ok(id)
    }

    /// Lets one core take a step. True if it did anything.
    pub fn step(&mut self, core: usize) -> bool {
        for poked in self.pokes.lock().unwrap().drain(..) {
            self.asleep[poked.index()] = false;
        }
        if self.entered[core] {
            self.entered[core] = false;
            let step = self.cores[core].leave(Cycles::ZERO);
            self.entered[core] = matches!(step, Step::Enter(_));
            return true;
        }
        let step = self.cores[core].step();
        self.cores[core].audit().expect("the ledger balances");
        match step {
            Step::Ran => true,
            Step::Enter(_) => {
                self.entered[core] = true;
                true
            }
            Step::Idle(due) => {
                self.cores[core].wake();
                due.is_some()
            }
        }
    }

    /// Lets all cores run until none has anything to do.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..20_000 {
            let mut busy = false;
            for core in 0..self.cores.len() {
                busy |= self.step(core);
            }
            quiet = if busy { 0 } else { quiet + 1 };
            if quiet > 3 {
                return;
            }
        }
        panic!("the grid does not come to rest");
    }

    /// Resumes a probe at every scope, for these activities, on every core.
    /// Ends an activity.
    pub fn kill(&mut self, activity: ActivityId) {
        let pokes = self.pokes.clone();
        self.grid.kill(activity, Cycles::ZERO, |core| pokes.lock().unwrap().push(core));
    }

    pub fn resume(&mut self, port: Port<Probe>, activities: &[ActivityId]) {
        if let Some(resumer) = self.grid.resumer(port.instance()) {
            let pokes = self.pokes.clone();
            resumer.resume(Cycles::ZERO, |core| pokes.lock().unwrap().push(core));
        }
        for core in &mut self.cores {
            for &activity in activities {
                core.resume_here(port, Scope::Client, activity);
                core.resume_here(port, Scope::Label, activity);
            }
        }
    }

    pub fn events(&self) -> Vec<Event> {
        self.log.lock().unwrap().clone()
    }

    pub fn order(&self, what: What) -> Vec<u64> {
        self.events().iter().filter(|e| e.what == what).map(|e| e.id).collect()
    }
}

/// Turns acts in the order in which they are to happen into the form of [`Job::acts`].
pub fn reversed(acts: Vec<Act>) -> Vec<Act> {
    let mut acts: Vec<_> = acts
        .into_iter()
        .map(|act| match act {
            Act::Ask(to, labels, acts) => Act::Ask(to, labels, reversed(acts)),
            Act::Tell(to, labels, acts) => Act::Tell(to, labels, reversed(acts)),
            Act::Later(span, to, acts) => Act::Later(span, to, reversed(acts)),
            Act::Within(of, to, taken, acts) => Act::Within(of, to, taken, reversed(acts)),
            other => other,
        })
        .collect();
    acts.reverse();
    acts
}

/// The binding of a label to a core for so long.
pub fn to(core: u16, ttl: Option<u64>) -> Binding {
    Binding { core: CoreId::new(core), ttl: ttl.map(Micros::new) }
}

pub fn share(units: u32) -> Share {
    Share::from_units(units).unwrap()
}

/// Cycles that these have used on the first core.
pub fn used(world: &World, activities: &[ActivityId]) -> Vec<u64> {
    let used = |activity: &ActivityId| world.cores[0].ledger().used(*activity).get();
    activities.iter().map(used).collect()
}

/// Law 2: who has something changed a hundred times pays for what the cores do for it, and who has
/// had something to do here does not. The change is told these two.
pub fn who_changes_pays(
    policy: &Arc<dyn Scheduler>,
    change: impl Fn(&World, usize, [ActivityId; 2]),
) {
    let mut world = World::with(1, 8, Micros::ZERO, policy);
    let probe = world.probe(&[0], policy.clone());
    let both = [world.activity(100), world.activity(100)];
    world.root(0, both[0], probe, Labels::NONE, vec![]).unwrap();
    world.settle();
    let before = used(&world, &both);
    for round in 0..100 {
        change(&world, round, both);
        world.step(0);
    }
    world.settle();
    let after = used(&world, &both);
    assert_eq!(after[0], before[0]);
    assert!(after[1] > before[1]);
}
