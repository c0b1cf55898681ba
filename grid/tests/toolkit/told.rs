//! Law 1 between the ledger and the schedulers, over random work: each cycle is told once to
//! the scheduler where it was used, and to the client of the activity that used it, whatever
//! turns there are.

use std::sync::Arc;

use proptest::prelude::*;
use vortex_grid::policy::{Metric, Params};
use vortex_grid::{Drawer, How, Labels, Port, Recorder, Scope};
use vortex_units::{Cycles, Micros};

use super::support::{Act, First, Probe, What, World, to};

#[derive(Clone, Debug)]
enum Plan {
    Ask(usize, u8, Vec<Plan>),
    Tell(usize, u8, Vec<Plan>),
    Later(u64, usize, Vec<Plan>),
    Again,
    Enter,
    Keep,
    Wake,
    Reject(u8),
    Resume(usize),
    Poke,
}

fn plan() -> impl Strategy<Value = Vec<Plan>> {
    let leaf = prop_oneof![
        3 => Just(Plan::Again),
        3 => Just(Plan::Enter),
        1 => Just(Plan::Keep),
        1 => Just(Plan::Wake),
        1 => (0..3u8).prop_map(Plan::Reject),
        1 => (0..8usize).prop_map(Plan::Resume),
        1 => Just(Plan::Poke),
    ];
    let step = leaf.prop_recursive(4, 16, 3, |inner| {
        let plans = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (0..8usize, 0..4u8, plans()).prop_map(|(to, label, acts)| Plan::Ask(to, label, acts)),
            (0..8usize, 0..4u8, plans()).prop_map(|(to, label, acts)| Plan::Tell(to, label, acts)),
            (1..400u64, 0..8usize, plans()).prop_map(|(at, to, acts)| Plan::Later(at, to, acts)),
        ]
    });
    prop::collection::vec(step, 0..5)
}

#[derive(Clone, Debug)]
enum Event {
    Step(usize),
    Root(usize, usize, usize, u8, Vec<Plan>),
    /// A thread in user mode is interrupted.
    Interrupt(usize),
    /// A process ends, and another begins.
    Anew(usize),
    Resume(usize),
    Kill(usize),
}

#[derive(Clone, Debug)]
struct Case {
    cores: u16,
    quantum: u64,
    weighted: bool,
    ttl: Option<u64>,
    events: Vec<Event>,
}

fn case() -> impl Strategy<Value = Case> {
    let event = prop_oneof![
        10 => (0..3usize).prop_map(Event::Step),
        4 => (0..3usize, 0..3usize, 0..8usize, 0..4u8, plan())
            .prop_map(|(core, who, to, label, acts)| Event::Root(core, who, to, label, acts)),
        1 => (0..3usize).prop_map(Event::Interrupt),
        1 => (0..3usize).prop_map(Event::Anew),
        1 => (0..8usize).prop_map(Event::Resume),
        1 => prop::option::weighted(0.1, 0..3usize)
            .prop_map(|who| who.map_or(Event::Step(0), Event::Kill)),
    ];
    (
        1..4u16,
        prop_oneof![Just(0), Just(20), Just(200), Just(5_000)],
        any::<bool>(),
        prop::option::weighted(0.5, 100..800u64),
        prop::collection::vec(event, 1..80),
    )
        .prop_map(|(cores, quantum, weighted, ttl, events)| Case {
            cores,
            quantum,
            weighted,
            ttl,
            events,
        })
}

/// Where a request may go: resources for all, and one's own threads.
struct Places {
    shared: Vec<Port<Probe>>,
    threads: Vec<Port<Probe>>,
}

impl Places {
    fn of(&self, who: usize, place: usize) -> Port<Probe> {
        match self.shared.get(place % (self.shared.len() + 1)) {
            Some(&shared) => shared,
            None => self.threads[who],
        }
    }

    fn acts(&self, who: usize, plans: &[Plan], depth: u64) -> Vec<Act> {
        let deeper = |acts: &[Plan]| self.acts(who, acts, depth + 1);
        let act = |plan: &Plan| match plan {
            Plan::Ask(to, label, acts) => {
                Act::Ask(self.of(who, *to), labels(*label, depth), deeper(acts))
            }
            Plan::Tell(to, label, acts) => {
                Act::Tell(self.of(who, *to), labels(*label, depth), deeper(acts))
            }
            Plan::Later(span, to, acts) => Act::Later(*span, self.of(who, *to), deeper(acts)),
            Plan::Again => Act::Again,
            Plan::Enter => Act::Enter,
            Plan::Keep => Act::Keep,
            Plan::Wake => Act::Wake,
            Plan::Reject(0) => Act::Reject(Scope::Device),
            Plan::Reject(1) => Act::Reject(Scope::Client),
            Plan::Reject(_) => Act::Reject(Scope::Label),
            Plan::Resume(at) => Act::Resume(self.of(who, *at), Scope::Device),
            Plan::Poke => Act::Poke(vortex_units::CoreId::new(0)),
        };
        plans.iter().map(act).collect()
    }
}

/// Labels differ by depth, as in the other laws.
fn labels(code: u8, depth: u64) -> Labels {
    match code {
        0 => Labels::NONE,
        code if code % 2 == 1 => Labels::flow(u64::from(code) + 10 * depth),
        code => Labels::ordered(u64::from(code) + 10 * depth, 1000 + depth),
    }
}

fn multiplexor(weighted: bool) -> Arc<dyn vortex_grid::policy::Scheduler> {
    if weighted {
        let params = Params::new(Metric::Cycles, 100_000);
        return vortex_schedulers::make("propshare.wfq", params).unwrap();
    }
    First::anywhere()
}

fn run(case: &Case) -> World {
    let quantum = Micros::new(case.quantum);
    let mut world = World::with(case.cores, 8, quantum, &multiplexor(case.weighted));
    for core in &mut world.cores {
        core.record(Box::new(Recorder::new(100_000, Cycles::MAX).unwrap()));
    }
    let all: Vec<u16> = (0..case.cores).collect();
    let activities: Vec<_> = (0..3).map(|_| world.activity(400)).collect();
    for _ in 0..4 {
        let ttl = case.ttl;
        let wandering = Arc::new(First(Arc::new(move |q| {
            let turn = q.now.get() / (2 * ttl.unwrap_or(u64::MAX / 4)) + q.affinity;
            to(q.cores[(turn % q.cores.len() as u64) as usize].get(), ttl)
        })));
        world.probe(&all, wandering);
    }
    let families: Vec<_> =
        activities.iter().map(|&a| world.family(&all, a, First::anywhere())).collect();
    let threads = families.iter().map(|family| world.grid.bear(family).unwrap()).collect();
    let mut places = Places { shared: world.ports.clone(), threads };
    for event in &case.events {
        match event {
            Event::Step(core) => {
                world.step(core % world.cores.len());
            }
            Event::Root(core, who, to, label, plans) => {
                let acts = places.acts(*who, plans, 1);
                let to = places.of(*who, *to);
                let core = core % world.cores.len();
                let _ = world.root(core, activities[*who], to, labels(*label, 0), acts);
            }
            Event::Interrupt(core) => {
                let core = core % world.cores.len();
                if world.entered[core] {
                    let at = world.cores[core].ledger().last();
                    world.cores[core].interrupted(at);
                }
            }
            Event::Anew(who) => {
                world.grid.remove(places.threads[*who]);
                places.threads[*who] = world.grid.bear(&families[*who]).unwrap();
            }
            Event::Resume(at) => {
                world.resume(places.of(0, *at), &activities);
            }
            Event::Kill(who) => {
                let pokes = world.pokes.clone();
                world.grid.kill(activities[*who], Cycles::ZERO, |core| {
                    pokes.lock().unwrap().push(core);
                });
            }
        }
    }
    for _ in 0..100 {
        world.settle();
        for &port in places.shared.iter().chain(&places.threads) {
            world.resume(port, &activities);
        }
    }
    world.settle();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(200), failure_persistence: None, max_shrink_iters: 3000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_used_is_told(case in case()) {
        let mut world = run(&case);
        for core in &mut world.cores {
            prop_assert!(core.audit().is_ok());
            let report = core.report();
            for client in &report.clients {
                let (used, told) = (client.usage.cycles.get(), client.statistics.charged);
                prop_assert_eq!(i128::from(used), told, "{} on {}", client.resource, core.id());
            }
            for drawer in &report.drawers {
                let Drawer::Activity(of) = drawer.drawer else { continue };
                let own = report.clients.iter().filter(|client| client.activity == of);
                let own: Cycles = own.map(|client| client.usage.cycles).sum();
                let told = drawer.statistics.charged;
                // And what others used in turns that it lent, and its pokes.
                prop_assert!(told >= i128::from(own.get()), "{:?} was told {} of {}", of, told, own);
                prop_assert!(own <= core.ledger().used(of), "{:?} used less than {}", of, own);
            }
        }
        for core in &mut world.cores {
            let recorder = core.recorded().unwrap();
            prop_assert_eq!(recorder.lost(), 0);
            let (mut last, mut sums) = (recorder.began(), std::collections::BTreeMap::new());
            for event in recorder.events(0) {
                prop_assert!(last <= event.began && event.began <= event.ended);
                last = event.ended;
                prop_assert!(event.how != How::Billed, "nothing was the infrastructure's");
                *sums.entry(event.activity).or_insert(Cycles::ZERO) += event.ended - event.began;
            }
            for (activity, cycles) in core.report().activities {
                let recorded = sums.remove(&activity).unwrap_or_default();
                prop_assert_eq!(recorded, cycles, "of {:?}", activity);
            }
            let departed: Cycles = sums.into_values().sum();
            prop_assert_eq!(departed, core.ledger().departed());
        }
        let began = world.order(What::Began);
        let mut once = began.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(began.len(), once.len(), "a request began twice");
    }
}

fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}
