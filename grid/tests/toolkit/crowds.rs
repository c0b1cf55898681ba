//! Policies that are exchanged with more clients than one run moves: some come by and by, and
//! nothing is lost, out of its order, or told backwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use vortex_grid::policy::{Metric, Params, Scheduler};
use vortex_grid::{Class, Entitlement, Frequency, Labels, Part, Reach, Site, Terms};
use vortex_units::{ActivityId, CoreId, Micros};

use super::support::{Act, What, World, share, used};

const POLICIES: [&str; 9] = [
    "propshare.wfq",
    "propshare.round-robin",
    "propshare.stride",
    "propshare.lottery",
    "priority.strict",
    "fifo",
    "deadline.cbs",
    "hierarchy",
    "reserve.mclock",
];
/// As many of them as a run moves, and more.
const CROWD: usize = 60;

fn policy(name: &str) -> Arc<dyn Scheduler> {
    let mut params = Params::new(Metric::Cycles, 100_000);
    params.frequency = Some(Frequency::megahertz(1));
    vortex_schedulers::make(name, params).unwrap()
}

/// Shares are what the new policy promises, once all have come.
#[test]
fn a_crowd_has_what_the_new_policy_promises() {
    for to in ["propshare.wfq", "propshare.stride", "propshare.round-robin", "deadline.cbs"] {
        let mut world = World::in_the_papers_form(1, 100);
        let probe = world.probe(&[0], policy("fifo"));
        let all: Vec<ActivityId> = (0..CROWD)
            .map(|place| {
                let units = if place % 2 == 0 { 30 } else { 10 };
                let own = Entitlement { nodes: 50_000, ..Entitlement::new(share(units)) };
                world.grid.activities().create(own).unwrap()
            })
            .collect();
        for activity in &all {
            for _ in 0..2 {
                let acts = vec![Act::Again; 20_000];
                world.root(0, *activity, probe, Labels::NONE, acts).unwrap();
            }
        }
        for _ in 0..500 {
            world.step(0);
        }
        world.grid.renew(Site::Resource(Class(0)), None, policy(to), all[0]);
        for _ in 0..20 {
            world.step(0);
        }
        let before = used(&world, &all);
        for _ in 0..12_000 {
            world.step(0);
        }
        let had: Vec<u64> =
            used(&world, &all).iter().zip(&before).map(|(after, before)| after - before).collect();
        let whole: u64 = had.iter().sum();
        for (place, had) in had.iter().enumerate() {
            let wanted = if place % 2 == 0 { 0.025 } else { 0.025 / 3.0 };
            let part = *had as f64 / whole as f64;
            assert!((part - wanted).abs() < 0.002, "{to}: {place} has {part:.4}, not {wanted:.4}");
        }
    }
}

#[derive(Clone, Debug)]
enum Do {
    Send(usize, usize, u64),
    Renew(usize, usize),
    Grant(usize, u32),
    Kill(usize),
    Part(usize),
    Steps(usize),
}

fn doing() -> impl Strategy<Value = Do> {
    prop_oneof![
        8 => (0..CROWD, 0..2_usize, 0..2_u64).prop_map(|(a, b, c)| Do::Send(a, b, c)),
        3 => (0..3_usize, 0..POLICIES.len()).prop_map(|(at, to)| Do::Renew(at, to)),
        1 => (0..CROWD, 1..500_u32).prop_map(|(of, to)| Do::Grant(of, to)),
        1 => (0..CROWD).prop_map(Do::Kill),
        1 => (0..CROWD).prop_map(Do::Part),
        5 => (1..6_usize).prop_map(Do::Steps),
    ]
}

/// What schedulers tell of each client: it never falls while the client is there.
fn charged(world: &mut World, before: &mut BTreeMap<(usize, String, ActivityId), i128>) {
    for core in 0..2 {
        let report = world.cores[core].report();
        for client in &report.clients {
            let key = (core, client.resource.clone(), client.activity);
            let now = client.statistics.charged;
            let had = before.insert(key, now).unwrap_or(0);
            assert!(now >= had, "{} of {:?}: {now} after {had}", client.resource, client.activity);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_a_crowd_is_lost(
        through in any::<bool>(),
        script in prop::collection::vec(doing(), 1..150),
    ) {
        let wfq = policy("propshare.wfq");
        let mut world = match through {
            true => World::with(2, 300, Micros::new(20), &wfq),
            false => World::in_the_papers_form(2, 300),
        };
        let probes = [
            world.probe(&[0, 1], policy("fifo")),
            world.probe(&[1], policy("propshare.stride")),
        ];
        let mut all: Vec<_> = (0..CROWD).map(|_| world.activity(1_000)).collect();
        let mut sent: BTreeMap<(ActivityId, usize), Vec<u64>> = BTreeMap::new();
        let (mut count, mut told) = (0, BTreeMap::new());
        // All are clients of both, and are to do something more.
        for activity in &all {
            for probe in probes {
                world.root(1, *activity, probe, Labels::NONE, vec![Act::Again; 4]).unwrap();
                count += 1;
            }
        }
        for what in script {
            match what {
                Do::Send(whose, at, label) => {
                    let labels = if label == 0 { Labels::NONE } else { Labels::ordered(1, 1) };
                    let acts = vec![Act::Again; 2];
                    let id = world.root(1, all[whose], probes[at], labels, acts).unwrap();
                    if label > 0 {
                        sent.entry((all[whose], at)).or_default().push(id);
                    }
                    count += 1;
                }
                Do::Renew(2, to) => {
                    // Those of shares only, as charges are told through them.
                    let to = if through { to % 4 } else { to };
                    world.grid.renew(Site::Multiplexors, None, policy(POLICIES[to]), all[1]);
                }
                Do::Renew(at, to) => {
                    let site = Site::Resource(Class(at as u16));
                    world.grid.renew(site, None, policy(POLICIES[to]), all[0]);
                }
                Do::Grant(whose, to) => {
                    let terms = Terms { priority: Some(to), ..Terms::from(share(to)) };
                    // One that is divided stays as it is.
                    let _ = world.grid.grant(all[whose], Reach::At(Class(0)), &terms, all[0]);
                }
                Do::Kill(whose) => {
                    world.kill(all[whose]);
                    all[whose] = world.activity(1_000);
                }
                Do::Part(whose) => {
                    let tenth = Part { thousandths: 100, nodes: None };
                    if let Ok(part) = world.grid.divide(all[whose], tenth) {
                        all.push(part);
                        world.root(1, part, probes[0], Labels::NONE, vec![Act::Again]).unwrap();
                        count += 1;
                    }
                }
                Do::Steps(steps) => {
                    for _ in 0..steps {
                        world.step(0);
                        world.step(1);
                    }
                    charged(&mut world, &mut told);
                }
            }
        }
        for _ in 0..200 {
            world.settle();
            if world.cores.iter().all(|core| core.requests() == 0) {
                break;
            }
        }
        let finished = world.order(What::Finished);
        let left: usize = world.cores.iter().map(|core| core.requests()).sum();
        prop_assert_eq!(left, 0);
        for of in sent.values() {
            let seen: Vec<_> = finished.iter().copied().filter(|id| of.contains(id)).collect();
            prop_assert_eq!(&seen, of);
        }
        prop_assert_eq!(finished.len(), count);
        for activity in &all {
            prop_assert_eq!(world.grid.activities().nodes(*activity), 0);
        }
        world.cores.iter().for_each(|core| core.audit().unwrap());
    }
}

/// The longest stretch has no more clients than a run may, however many there are; who wants an
/// exchange pays for those who come later, too.
#[test]
fn who_comes_later_is_moved_on_the_bill_of_who_wanted_it() {
    let mut world = World::in_the_papers_form(1, 100);
    let probe = world.probe(&[0], policy("fifo"));
    let all: Vec<ActivityId> = (0..CROWD).map(|_| world.activity(100)).collect();
    for activity in &all {
        world.root(0, *activity, probe, Labels::NONE, vec![]).unwrap();
    }
    world.settle();
    let before = used(&world, &all);
    world.grid.renew(Site::Resource(Class(0)), None, policy("propshare.stride"), all[7]);
    world.settle();
    let after = used(&world, &all);
    for (place, (after, before)) in after.iter().zip(&before).enumerate() {
        assert_eq!(after > before, place == 7, "{place}");
    }
    // All of them are there.
    for activity in &all {
        world.root(0, *activity, probe, Labels::NONE, vec![]).unwrap();
    }
    world.settle();
    assert_eq!(world.order(What::Finished).len(), 2 * CROWD);
    assert_eq!(world.cores[0].id(), CoreId::new(0));
}
