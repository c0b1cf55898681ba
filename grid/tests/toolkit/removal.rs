//! Instances that come and go, as processes do.

use std::sync::Arc;

use proptest::prelude::*;
use vortex_grid::{Labels, Port, Refused};
use vortex_units::Cycles;

use super::support::{Act, First, Probe, What, World, to};

#[test]
fn a_stale_port_does_not_reach_the_next_instance() {
    let mut world = World::new(1, 4);
    let a = world.activity(64);
    let family = world.family(&[0], a, First::anywhere());
    let old = world.grid.bear(&family).unwrap();
    world.root(0, a, old, Labels::NONE, vec![]).unwrap();
    world.settle();
    assert!(world.grid.remove(old));
    assert!(!world.grid.remove(old), "removed twice");
    world.settle();
    let new = world.grid.bear(&family).unwrap();
    assert_eq!(old.instance().index(), new.instance().index(), "the place is used again");
    let before = world.order(What::Finished).len();
    let stale = world.root(0, a, old, Labels::NONE, vec![]);
    assert_eq!(stale, Err(Refused::NoSuchInstance));
    world.root(0, a, new, Labels::NONE, vec![]).unwrap();
    world.settle();
    assert_eq!(world.order(What::Finished).len(), before + 1);
    assert_eq!(world.cores[0].places(), 1);
}

#[test]
fn what_is_still_there_is_refused_and_answered() {
    let mut world = World::new(2, 4);
    let a = world.activity(64);
    let there = world.family(&[1], a, First::anywhere());
    let asker = world.probe(&[0], First::anywhere());
    let port = world.grid.bear(&there).unwrap();
    // One that is pending there, one that is entered there, one that is queued behind them.
    let slow = Act::Ask(asker, Labels::NONE, vec![Act::Again; 8]);
    world.root(0, a, asker, Labels::NONE, vec![Act::Ask(port, Labels::NONE, vec![slow])]).unwrap();
    let enter = vec![Act::Ask(port, Labels::NONE, vec![Act::Enter])];
    world.root(0, a, asker, Labels::NONE, enter).unwrap();
    world.step(0);
    world.step(0);
    world.step(1);
    world.step(1);
    world.root(0, a, asker, Labels::NONE, vec![Act::Ask(port, Labels::NONE, vec![])]).unwrap();
    world.step(0);
    assert!(world.grid.remove(port));
    world.settle();
    assert!(world.cores.iter().all(|core| core.requests() == 0), "a request is left");
    assert_eq!(world.grid.activities().nodes(a), 0);
    assert_eq!(world.grid.activities().held(a), 0);
    assert_eq!(world.grid.instances(), 1, "the asker alone");
}

#[test]
fn the_user_time_of_one_whose_instance_is_removed_is_its_own() {
    let mut world = World::new(1, 4);
    let (a, b) = (world.activity(64), world.activity(64));
    let family = world.family(&[0], a, First::anywhere());
    let port = world.grid.bear(&family).unwrap();
    let other = world.probe(&[0], First::anywhere());
    world.root(0, a, port, Labels::NONE, vec![Act::Enter]).unwrap();
    world.step(0);
    assert!(world.entered[0] && world.grid.remove(port));
    let _ = world.cores[0].step();
    world.clock.0.fetch_add(500, std::sync::atomic::Ordering::Relaxed);
    world.step(0);
    world.root(0, b, other, Labels::NONE, vec![]).unwrap();
    world.settle();
    let used = |activity| world.cores[0].ledger().used(activity);
    assert!(used(a) > Cycles::new(500) && used(b) < Cycles::new(500), "{:?}", used(b));
}

#[test]
fn what_the_gone_have_used_stays_in_the_report() {
    let mut world = World::new(1, 4);
    let a = world.activity(64);
    let family = world.family(&[0], a, First::anywhere());
    let mut before = Cycles::ZERO;
    for _ in 0..3 {
        let port = world.grid.bear(&family).unwrap();
        world.root(0, a, port, Labels::NONE, vec![Act::Again]).unwrap();
        world.settle();
        world.grid.remove(port);
        world.settle();
        let clients = world.cores[0].report().clients;
        let own: Vec<_> = clients.iter().filter(|client| client.activity == a).collect();
        assert_eq!(own.len(), 1, "one line for all processes");
        assert!(own[0].usage.cycles > before, "what a process used was lost with it");
        before = own[0].usage.cycles;
    }
}

#[test]
fn a_label_that_has_ended_counts_nowhere() {
    use std::sync::Mutex;
    let mut world = World::new(2, 4);
    let a = world.activity(64);
    let loads = Arc::new(Mutex::new(Vec::new()));
    let seen = loads.clone();
    let fewest = move |q: &vortex_grid::policy::LoadShare<'_>| {
        let bound: Vec<_> = q.loads.iter().map(|load| (load.bound, load.own)).collect();
        seen.lock().unwrap().push(bound.clone());
        to(if bound[0].0 <= bound[1].0 { 0 } else { 1 }, None)
    };
    let family = world.family(&[0, 1], a, Arc::new(First(Arc::new(fewest))));
    let asker = world.probe(&[0], First::anywhere());
    let (one, other) = (world.grid.bear(&family).unwrap(), world.grid.bear(&family).unwrap());
    let mut ask = |to, label, unbind| {
        let ask = Act::Ask(to, Labels::affinity(label), vec![]);
        let acts = if unbind { vec![ask, Act::Unbind(to, label)] } else { vec![ask] };
        world.root(0, a, asker, Labels::NONE, acts).unwrap();
        world.settle();
    };
    // A thread that has ended is not counted; the next two are spread over the cores, of
    // whatever process they are.
    ask(one, 1, true);
    ask(one, 2, false);
    ask(other, 3, false);
    world.grid.remove(one);
    let mut ask = |to, label| {
        world
            .root(0, a, asker, Labels::NONE, vec![Act::Ask(to, Labels::affinity(label), vec![])])
            .unwrap();
        world.settle();
    };
    // Nor is one whose process has gone.
    ask(other, 4);
    let expected: [[(u32, u32); 2]; 4] =
        [[(0, 0); 2], [(0, 0); 2], [(1, 0), (0, 0)], [(0, 0), (1, 1)]];
    assert_eq!(*loads.lock().unwrap(), expected);
}

#[derive(Clone, Debug)]
enum Do {
    Bear,
    Send(usize, u8, Vec<Act>),
    Remove(usize),
    Step(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![3 => Just(Act::Again), 1 => Just(Act::Enter), 1 => Just(Act::Keep)];
    prop::collection::vec(act, 0..3)
}

fn doings() -> impl Strategy<Value = Vec<Do>> {
    let one = prop_oneof![
        1 => Just(Do::Bear),
        3 => (0..8usize, 0..4u8, acts()).prop_map(|(to, label, acts)| Do::Send(to, label, acts)),
        1 => (0..8usize).prop_map(Do::Remove),
        6 => (0..3usize).prop_map(Do::Step),
    ];
    prop::collection::vec(one, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_places_are_used_again(
        cores in 1..4u16,
        ttl in prop::option::weighted(0.5, 50..600u64),
        doings in doings(),
    ) {
        let mut world = World::new(cores, 4);
        let a = world.activity(400);
        let wandering = move |q: &vortex_grid::policy::LoadShare<'_>| {
            let turn = q.now.get() / (2 * ttl.unwrap_or(u64::MAX / 4)) + q.affinity;
            to(q.cores[(turn % q.cores.len() as u64) as usize].get(), ttl)
        };
        let all: Vec<u16> = (0..cores).collect();
        let family = world.family(&all, a, Arc::new(First(Arc::new(wandering))));
        // The asker answers for whom it asks: so every request has someone who waits.
        let asker = world.probe(&all, First::anywhere());
        let mut ports: Vec<Port<Probe>> = Vec::new();
        let (mut most, mut sent) = (0, 0);
        for doing in doings {
            match doing {
                Do::Bear => ports.push(world.grid.bear(&family).unwrap()),
                Do::Send(to, label, acts) => {
                    let Some(&port) = ports.get(to) else { continue };
                    let labels = match label {
                        0 => Labels::NONE,
                        1 => Labels::affinity(7),
                        label => Labels::flow(u64::from(label)),
                    };
                    let acts = vec![Act::Ask(port, labels, acts)];
                    sent += usize::from(world.root(0, a, asker, Labels::NONE, acts).is_ok());
                }
                Do::Remove(which) if which < ports.len() => {
                    prop_assert!(world.grid.remove(ports.swap_remove(which)));
                }
                Do::Remove(_) => {}
                Do::Step(core) => {
                    world.step(core % usize::from(cores));
                }
            }
            most = most.max(world.grid.instances());
        }
        for port in ports {
            prop_assert!(world.grid.remove(port));
        }
        world.settle();
        for core in &world.cores {
            prop_assert_eq!(core.requests(), 0, "requests are left on {}", core.id());
            prop_assert_eq!(core.labels_moving(), 0);
            // The asker has a place of its own.
            prop_assert!(core.places() <= most + 1, "{} places for {most}", core.places());
        }
        // Whoever asked was answered, or heard that nobody is there.
        let asked = world.events();
        let answered = asked.iter().filter(|event| {
            event.what == What::Finished && event.instance == asker.instance()
        });
        prop_assert_eq!(answered.count(), sent);
        prop_assert_eq!(world.grid.instances(), 1);
        prop_assert_eq!(world.grid.activities().nodes(a), 0);
        prop_assert_eq!(world.grid.activities().held(a), 0);
        world.grid.kill(a, Cycles::ZERO, |_| {});
        world.settle();
        prop_assert!(world.grid.activities().is_gone(a));
    }
}

fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}
