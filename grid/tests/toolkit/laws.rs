//! The laws, over random grids, loads and interleavings of cores.
//!
//! Each case builds a grid of probes on random sets of cores, whose load sharing moves
//! every label about as time passes, sends random trees of requests into it, and lets the
//! cores take steps in a random order. Whatever happens, the laws hold.

use std::sync::Arc;

use super::orders;
use super::support::{Act, First, What, World, to};
use proptest::prelude::*;
use vortex_grid::{Labels, Port, Scope};

#[derive(Clone, Debug)]
enum Plan {
    Ask(usize, u8, Vec<Plan>),
    Tell(usize, u8, Vec<Plan>),
    Again,
    Reject(u8),
    Enter,
}

fn plan() -> impl Strategy<Value = Vec<Plan>> {
    let leaf = prop_oneof![
        3 => Just(Plan::Again),
        1 => (0..3u8).prop_map(Plan::Reject),
        1 => Just(Plan::Enter),
    ];
    let step = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (0..4usize, 0..4u8, prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(to, label, plans)| Plan::Ask(to, label, plans)),
            (0..4usize, 0..4u8, prop::collection::vec(inner, 0..3))
                .prop_map(|(to, label, plans)| Plan::Tell(to, label, plans)),
        ]
    });
    prop::collection::vec(step, 0..4)
}

/// Labels differ by depth: a request that waited for one of its own label, sent by its own
/// resource, would wait for itself.
fn labels(code: u8, depth: u64) -> Labels {
    match code {
        0 => Labels::NONE,
        code => {
            let label = u64::from(code) + 10 * depth;
            if code % 2 == 1 { Labels::flow(label) } else { Labels::ordered(label, label + 1000) }
        }
    }
}

fn acts(plans: &[Plan], ports: &[Port<super::support::Probe>], depth: u64) -> Vec<Act> {
    plans
        .iter()
        .map(|plan| match plan {
            Plan::Ask(to, label, inner) => Act::Ask(
                ports[to % ports.len()],
                labels(*label, depth),
                acts(inner, ports, depth + 1),
            ),
            Plan::Tell(to, label, inner) => Act::Tell(
                ports[to % ports.len()],
                labels(*label, depth),
                acts(inner, ports, depth + 1),
            ),
            Plan::Again => Act::Again,
            Plan::Reject(0) => Act::Reject(Scope::Device),
            Plan::Reject(1) => Act::Reject(Scope::Client),
            Plan::Reject(_) => Act::Reject(Scope::Label),
            Plan::Enter => Act::Enter,
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Case {
    cores: u16,
    /// For each probe: its cores as bits, and the time to live of its bindings.
    probes: Vec<(u8, Option<u64>)>,
    /// For each root: core, activity, probe, label, plan.
    roots: Vec<(usize, usize, usize, u8, Vec<Plan>)>,
    /// Which core steps next, and whether a root is sent before.
    schedule: Vec<(u8, bool)>,
    kill: Option<(usize, usize)>,
}

fn case() -> impl Strategy<Value = Case> {
    (
        1..4u16,
        prop::collection::vec((1..16u8, prop::option::weighted(0.8, 50..600u64)), 1..4),
        prop::collection::vec((0..4usize, 0..3usize, 0..4usize, 0..4u8, plan()), 1..14),
        prop::collection::vec((0..4u8, any::<bool>()), 0..160),
        prop::option::weighted(0.3, (0..3usize, 0..100usize)),
    )
        .prop_map(|(cores, probes, roots, schedule, kill)| Case {
            cores,
            probes,
            roots,
            schedule,
            kill,
        })
}

fn run(case: &Case) -> World {
    let mut world = World::new(case.cores, 4);
    for &(bits, ttl) in &case.probes {
        let mut cores: Vec<u16> = (0..case.cores).filter(|c| bits >> c & 1 == 1).collect();
        if cores.is_empty() {
            cores.push(0);
        }
        let scheduler = Arc::new(First(Arc::new(move |q| {
            // Labels wander: another core every two lives of a binding.
            let turn = q.now.get() / (2 * ttl.unwrap_or(u64::MAX / 4)) + q.affinity;
            let index = (turn % q.cores.len() as u64) as usize;
            to(q.cores[index].get(), ttl)
        })));
        world.probe(&cores, scheduler);
    }
    let activities: Vec<_> = (0..3).map(|_| world.activity(200)).collect();
    let ports = world.ports.clone();
    let mut roots = case.roots.iter();
    for (turn, &(core, send)) in case.schedule.iter().enumerate() {
        if send && let Some((at, who, to, label, plan)) = roots.next() {
            let core = at % usize::from(case.cores);
            let to = ports[to % ports.len()];
            let acts = acts(plan, &ports, 1);
            let _ = world.root(core, activities[*who], to, labels(*label, 0), acts);
        }
        if let Some((who, when)) = case.kill
            && when == turn
        {
            let pokes = world.pokes.clone();
            world.grid.kill(activities[who], vortex_units::Cycles::ZERO, |core| {
                pokes.lock().unwrap().push(core);
            });
        }
        world.step(usize::from(core) % usize::from(case.cores));
    }
    for (at, who, to, label, plan) in roots {
        let core = at % usize::from(case.cores);
        let to = ports[to % ports.len()];
        let _ = world.root(core, activities[*who], to, labels(*label, 0), acts(plan, &ports, 1));
    }
    // Whatever was rejected is resumed until nothing is left.
    for _ in 0..200 {
        world.settle();
        let left: usize = world.cores.iter().map(vortex_grid::Core::requests).sum();
        if left == 0 {
            break;
        }
        for &port in &ports {
            world.resume(port, &activities);
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold(case in case()) {
        let world = run(&case);
        let events = world.events();

        // Law 7: nothing is lost. Everything that began finished, once.
        for core in &world.cores {
            prop_assert_eq!(core.requests(), 0, "requests are left on {}", core.id());
            prop_assert!(core.audit().is_ok());
        }
        let mut finished: Vec<u64> = world.order(What::Finished);
        let mut began: Vec<u64> = world.order(What::Began);
        finished.sort_unstable();
        began.sort_unstable();
        prop_assert_eq!(&finished, &began);
        finished.dedup();
        prop_assert_eq!(finished.len(), began.len(), "a request ran twice");

        // Every node is back: the ledger of nodes shows zero.
        for index in 0..world.grid.activities().capacity() {
            if let Some(activity) = world.grid.activities().at(index) {
                prop_assert_eq!(world.grid.activities().nodes(activity), 0);
            }
        }

        orders::hold(&events)?;
    }
}

fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}
