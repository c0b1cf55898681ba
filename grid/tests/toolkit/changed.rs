//! Schedulers that are changed while requests are queued and served: the new policy holds from
//! then on, what is owed stays owed, and no request is lost or out of its order.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use vortex_grid::policy::{Metric, Params, Scheduler};
use vortex_grid::{
    Class, Entitlement, EntitlementAt, Frequency, Labels, MULTIPLEXOR, Parent, Port, Reach, Site,
    Standing, Terms, Unchanged,
};
use vortex_units::{ActivityId, CoreId, Micros, Rate};

use super::support::{Act, Probe, What, World, share, used, who_changes_pays};

const POLICIES: [&str; 10] = [
    "propshare.wfq",
    "propshare.round-robin",
    "propshare.stride",
    "propshare.lottery",
    "priority.strict",
    "priority.multilevel",
    "fifo",
    "deadline.edf",
    "deadline.cbs",
    "reserve.mclock",
];
const CAP: u64 = 100_000;

fn policy(name: &str) -> Arc<dyn Scheduler> {
    let mut params = Params::new(Metric::Cycles, CAP);
    params.frequency = Some(Frequency::megahertz(1));
    vortex_schedulers::make(name, params).unwrap()
}

/// Two activities with much to do at a probe, which goes on without end.
fn two_busy(world: &mut World, probe: Port<Probe>, shares: [u32; 2]) -> [ActivityId; 2] {
    let all = world.grid.activities();
    let large = |units| Entitlement { nodes: 50_000, ..Entitlement::new(share(units)) };
    let both = shares.map(|units| all.create(large(units)).unwrap());
    for activity in both {
        for _ in 0..4 {
            world.root(0, activity, probe, Labels::NONE, vec![Act::Again; 30_000]).unwrap();
        }
    }
    both
}

/// What the first of these gets of what both get in so many steps.
fn part(world: &mut World, both: [ActivityId; 2], steps: usize) -> f64 {
    let before = used(world, &both);
    for _ in 0..steps {
        world.step(0);
    }
    let after = used(world, &both);
    let got: Vec<_> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
    got[0] as f64 / (got[0] + got[1]) as f64
}

/// Whatever the policy was before, shares are what the new one promises.
#[test]
fn a_new_policy_divides_as_it_promises() {
    for from in POLICIES {
        for to in ["propshare.wfq", "propshare.stride", "propshare.round-robin", "deadline.cbs"] {
            // The multiplexor gives the probe all, which then is what decides.
            let mut world = World::in_the_papers_form(1, 8);
            let probe = world.probe(&[0], policy(from));
            let both = two_busy(&mut world, probe, [75, 25]);
            part(&mut world, both, 500);
            world.grid.renew(Site::Resource(Class(0)), None, policy(to), both[0]);
            let had = part(&mut world, both, 4_000);
            assert!((had - 0.75).abs() < 0.02, "{from} to {to}: {had}");
        }
    }
}

/// The same at a multiplexor, which divides among activities by what is charged through.
#[test]
fn a_new_policy_of_a_multiplexor_divides_as_it_promises() {
    let shares = ["propshare.wfq", "propshare.stride", "propshare.round-robin", "deadline.cbs"];
    for from in shares {
        for to in shares {
            let mut world = World::with(1, 8, Micros::ZERO, &policy(from));
            let probe = world.probe(&[0], policy("propshare.wfq"));
            let all = world.grid.activities();
            let rows = |units| {
                let (priority, reservation, limit, period) = (None, None, None, None);
                let (class, core, share) = (MULTIPLEXOR, None, Some(share(units)));
                vec![EntitlementAt { class, core, share, priority, reservation, limit, period }]
            };
            let large = |units| Entitlement {
                nodes: 50_000,
                at: rows(units),
                ..Entitlement::new(share(50))
            };
            let both = [75, 25].map(|units| all.create(large(units)).unwrap());
            let family = both.map(|owner| world.family(&[0], owner, policy("propshare.wfq")));
            for (activity, family) in both.iter().zip(&family) {
                let port = world.grid.bear(family).unwrap();
                world.root(0, *activity, port, Labels::NONE, vec![Act::Again; 20_000]).unwrap();
                world.root(0, *activity, probe, Labels::NONE, vec![Act::Again; 20_000]).unwrap();
            }
            part(&mut world, both, 500);
            world.grid.renew(Site::Multiplexors, Some(CoreId::new(0)), policy(to), both[0]);
            let had = part(&mut world, both, 6_000);
            assert!((had - 0.75).abs() < 0.03, "{from} to {to}: {had}");
            // Of another core nothing is said here.
            world.grid.renew(Site::Multiplexors, Some(CoreId::new(1)), policy("fifo"), both[0]);
            let had = part(&mut world, both, 4_000);
            assert!((had - 0.75).abs() < 0.03, "{from} to {to}: {had}");
        }
    }
}

/// Who is in debt is so under the new policy, and what was told of it does not go backwards.
#[test]
fn debt_and_what_was_consumed_are_kept() {
    let shares =
        ["propshare.wfq", "propshare.stride", "propshare.round-robin", "propshare.lottery"];
    for from in shares {
        for to in shares {
            let mut world = World::in_the_papers_form(1, 8);
            let probe = world.probe(&[0], policy(from));
            let both = two_busy(&mut world, probe, [50, 50]);
            part(&mut world, both, 200);
            // The infrastructure works for the first.
            let work = vec![Act::Spend(2_000), Act::Bill(both[0])];
            world.root(0, ActivityId::INFRASTRUCTURE, probe, Labels::NONE, work).unwrap();
            let told = |world: &mut World| {
                let report = world.cores[0].report();
                let of = |activity| {
                    let mut all = report.clients.iter();
                    all.find(|client| client.activity == activity).unwrap().statistics
                };
                both.map(of)
            };
            let mut before = told(&mut world);
            for _ in 0..2_000 {
                if before[0].debt >= 600 {
                    break;
                }
                world.step(0);
                before = told(&mut world);
            }
            assert!(before[0].debt >= 600, "{from}: {before:?}");
            world.grid.renew(Site::Resource(Class(0)), None, policy(to), both[1]);
            world.step(0);
            let after = told(&mut world);
            // One decision was made meanwhile.
            assert!(after[0].debt + 100 >= before[0].debt, "{from} to {to}: {before:?} {after:?}");
            assert!(after[0].debt <= before[0].debt + 100, "{from} to {to}: {before:?} {after:?}");
            for (after, before) in after.iter().zip(&before) {
                assert!(after.charged >= before.charged && after.cycles >= before.cycles);
                assert!(after.requests >= before.requests && after.forgiven >= before.forgiven);
            }
            // To and fro, it is worth nothing: the other one is served meanwhile. But who takes
            // turns is owed by whole turns.
            if [from, to].contains(&"propshare.round-robin") {
                continue;
            }
            for name in [from, to, from, to] {
                world.grid.renew(Site::Resource(Class(0)), None, policy(name), both[1]);
                let had = part(&mut world, both, 6);
                assert!(had < 0.5, "{from} to {to}, now {name}: {had}, {:?}", told(&mut world));
            }
        }
    }
}

/// What a resource is entitled to beside an activity's own client.
#[test]
fn a_resource_stands_otherwise_from_then_on() {
    let wfq = || policy("propshare.wfq");
    let spec = Parent::Multiplexor(Standing::new(share(50)));
    let mut world = World::with(1, 8, Micros::ZERO, &wfq());
    let cores = [(); 2].map(|()| world.probe_beneath(&[(0, spec)], wfq()));
    let own = ActivityId::INFRASTRUCTURE;
    // Infrastructure has no client of its own: the resources' shares decide.
    for probe in cores {
        for _ in 0..4 {
            world.root(0, own, probe, Labels::NONE, vec![Act::Again; 2_000]).unwrap();
        }
    }
    let runs = |world: &mut World, steps: usize| {
        let of = |world: &mut World| {
            let report = world.cores[0].report();
            let names = ["probe0", "probe1"];
            names.map(|name| {
                let all = report.clients.iter().filter(|client| client.resource == name);
                all.map(|client| client.usage.cycles.get()).sum::<u64>()
            })
        };
        let before = of(world);
        for _ in 0..steps {
            world.step(0);
        }
        let after = of(world);
        let [a, b] = [after[0] - before[0], after[1] - before[1]];
        a as f64 / (a + b) as f64
    };
    let had = runs(&mut world, 1_000);
    assert!((had - 0.5).abs() < 0.02, "{had}");
    world.grid.stand(Site::Resource(Class(0)), None, Standing::new(share(150)), own);
    let had = runs(&mut world, 2_000);
    assert!((had - 0.75).abs() < 0.02, "{had}");
    // A policy that comes later has what is said now.
    world.grid.renew(Site::Multiplexors, None, policy("propshare.stride"), own);
    let had = runs(&mut world, 2_000);
    assert!((had - 0.75).abs() < 0.02, "{had}");
    world.grid.stand(
        Site::Resource(Class(1)),
        Some(CoreId::new(0)),
        Standing::new(share(150)),
        own,
    );
    let had = runs(&mut world, 1_000);
    assert!((had - 0.5).abs() < 0.02, "{had}");
}

/// A core that makes its part of a scheduler later makes it by what was said before.
#[test]
fn who_comes_later_is_told_too() {
    let mut world = World::in_the_papers_form(1, 8);
    let probe = world.probe(&[0], policy("fifo"));
    world.grid.renew(
        Site::Resource(Class(0)),
        None,
        policy("propshare.wfq"),
        ActivityId::INFRASTRUCTURE,
    );
    world.step(0);
    let both = two_busy(&mut world, probe, [75, 25]);
    let had = part(&mut world, both, 4_000);
    assert!((had - 0.75).abs() < 0.02, "{had}");
}

/// A limit holds from when it is said, and its end too, however long was to be waited.
#[test]
fn a_limit_and_a_reservation_hold_from_then_on() {
    let mut world = World::in_the_papers_form(1, 8);
    let probe = world.probe(&[0], policy("reserve.mclock"));
    let both = two_busy(&mut world, probe, [50, 50]);
    part(&mut world, both, 500);
    let at = Reach::At(Class(0));
    let grant = |world: &World, terms: Terms| world.grid.grant(both[0], at, &terms, both[1]);
    // A clock of 1 MHz: a tenth of it.
    let limit = Terms { limit: Some(Some(Rate::new(100_000))), ..Terms::default() };
    grant(&world, limit).unwrap();
    part(&mut world, both, 300);
    let had = part(&mut world, both, 4_000);
    assert!((had - 0.1).abs() < 0.02, "{had}");
    let mut slow = limit;
    slow.limit = Some(Some(Rate::new(1)));
    grant(&world, slow).unwrap();
    part(&mut world, both, 200);
    // Both ways of ending it: more, which is waited for by the new rate, and none.
    grant(&world, limit).unwrap();
    part(&mut world, both, 300);
    let had = part(&mut world, both, 4_000);
    assert!((had - 0.1).abs() < 0.02, "{had}");
    grant(&world, Terms { limit: Some(None), ..Terms::default() }).unwrap();
    part(&mut world, both, 300);
    let had = part(&mut world, both, 2_000);
    assert!((had - 0.5).abs() < 0.02, "{had}");
    let reservation = Terms { reservation: Some(Some(Rate::new(625_000))), ..Terms::default() };
    grant(&world, reservation).unwrap();
    let had = part(&mut world, both, 4_000);
    assert!(had > 0.62 && had < 0.85, "{had}");
}

/// A client that waits for its limit alone is served as soon as that is raised.
#[test]
fn who_waits_for_a_limit_waits_no_longer_than_by_the_new_one() {
    let mut world = World::in_the_papers_form(1, 8);
    let probe = world.probe(&[0], policy("reserve.mclock"));
    let all = world.grid.activities();
    let one = all.create(Entitlement { nodes: 1_000, ..Entitlement::new(share(50)) }).unwrap();
    let limited = |rate| Terms { limit: Some(Some(Rate::new(rate))), ..Terms::default() };
    world.grid.grant(one, Reach::At(Class(0)), &limited(1), one).unwrap();
    let jobs = |world: &mut World| {
        for _ in 0..10 {
            world.root(0, one, probe, Labels::NONE, vec![Act::Again; 20]).unwrap();
        }
    };
    jobs(&mut world);
    for _ in 0..2_000 {
        world.step(0);
    }
    let served = world.order(What::Finished).len();
    assert!(served < 10, "{served}");
    world.grid.grant(one, Reach::At(Class(0)), &limited(900_000), one).unwrap();
    for _ in 0..20_000 {
        world.step(0);
    }
    assert_eq!(world.order(What::Finished).len(), 10);
}

#[test]
fn terms_are_of_one_place() {
    let world = World::new(3, 8);
    let a = world.grid.activities().create(Entitlement::new(share(10))).unwrap();
    let at = |core| world.grid.activities().params(a, Class(7), CoreId::new(core)).reservation;
    let all = || [0, 1, 2].map(|core| at(core).map(Rate::get));
    let reserve =
        |rate: Option<u64>| Terms { reservation: Some(rate.map(Rate::new)), ..Terms::default() };
    let grant = |reach, terms| world.grid.grant(a, reach, &terms, a);
    assert_eq!(grant(Reach::Everywhere, reserve(Some(5))), Err(Unchanged::Everywhere));
    assert_eq!(all(), [None; 3]);
    grant(Reach::At(Class(7)), reserve(Some(5))).unwrap();
    assert_eq!(all(), [Some(5); 3]);
    grant(Reach::On(Class(7), CoreId::new(1)), reserve(Some(9))).unwrap();
    assert_eq!(all(), [Some(5), Some(9), Some(5)]);
    // Nothing on one of them leaves the others theirs.
    grant(Reach::On(Class(7), CoreId::new(2)), reserve(None)).unwrap();
    assert_eq!(all(), [Some(5), Some(9), None]);
    grant(Reach::At(Class(7)), reserve(None)).unwrap();
    assert_eq!(all(), [None; 3]);
    grant(Reach::At(Class(7)), Terms::from(share(3))).unwrap();
    assert_eq!(world.grid.activities().params(a, Class(7), CoreId::new(1)).share, share(3));
}

/// Law 2.
#[test]
fn who_exchanges_a_policy_pays() {
    who_changes_pays(&policy("propshare.wfq"), |world, round, [_, payer]| {
        let name = POLICIES[round % POLICIES.len()];
        world.grid.renew(Site::Resource(Class(0)), None, policy(name), payer);
    });
}

#[derive(Clone, Debug)]
enum Do {
    /// Of whom, where, with which label (none for 0), and what it does when it is served.
    Send(usize, usize, u64, u8),
    /// At which site, which policy.
    Renew(usize, usize),
    Stand(usize, u32),
    Grant(usize, usize, Option<u64>, bool),
    Resume,
    Steps(usize),
}

fn doing() -> impl Strategy<Value = Do> {
    prop_oneof![
        6 => (0..3_usize, 0..2_usize, 0..3_u64, 0..5_u8).prop_map(|(a, b, c, d)| Do::Send(a, b, c, d)),
        3 => (0..4_usize, 0..POLICIES.len()).prop_map(|(at, to)| Do::Renew(at, to)),
        1 => (0..2_usize, 1..500_u32).prop_map(|(at, to)| Do::Stand(at, to)),
        1 => (0..3_usize, 0..2_usize, prop::option::of(1_000..900_000_u64), any::<bool>())
            .prop_map(|(a, b, c, d)| Do::Grant(a, b, c, d)),
        1 => Just(Do::Resume),
        4 => (1..12_usize).prop_map(Do::Steps),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Two cores, two resources, one on both: whatever is changed in the middle of what, every
    /// request ends once, and those of one label in their order.
    #[test]
    fn no_request_is_lost_or_out_of_order(
        through in any::<bool>(),
        script in prop::collection::vec(doing(), 1..150),
    ) {
        let wfq = policy("propshare.wfq");
        let mut world = match through {
            true => World::with(2, 8, Micros::new(20), &wfq),
            false => World::in_the_papers_form(2, 8),
        };
        let probes = [
            world.probe(&[0, 1], policy("fifo")),
            world.probe(&[1], policy("propshare.stride")),
        ];
        let all: Vec<_> = (0..3).map(|_| world.activity(1_000)).collect();
        let mut sent: BTreeMap<(usize, usize, u64), Vec<u64>> = BTreeMap::new();
        let mut count = 0;
        for what in script {
            match what {
                Do::Send(whose, at, label, act) => {
                    let labels = match label {
                        0 => Labels::NONE,
                        label => Labels::ordered(label, label),
                    };
                    let acts = match act {
                        0 => vec![],
                        1 => vec![Act::Again; 3],
                        2 => vec![Act::Again; 20],
                        3 => vec![Act::Reject(vortex_grid::Scope::Client)],
                        _ => vec![Act::Ask(probes[1 - at], Labels::NONE, vec![Act::Again; 2])],
                    };
                    let id = world.root(1, all[whose], probes[at], labels, acts).unwrap();
                    if label > 0 {
                        sent.entry((whose, at, label)).or_default().push(id);
                    }
                    count += 1;
                }
                Do::Renew(0, to) => world.grid.renew(Site::Resource(Class(0)), None, policy(POLICIES[to]), all[0]),
                Do::Renew(1, to) => world.grid.renew(Site::Resource(Class(1)), None, policy(POLICIES[to]), all[0]),
                Do::Renew(at, to) => {
                    let core = (at == 3).then(|| CoreId::new(1));
                    // Those of shares only, as charges are told through them.
                    let to = if through { to % 4 } else { to };
                    world.grid.renew(Site::Multiplexors, core, policy(POLICIES[to]), all[1]);
                }
                Do::Stand(at, to) => {
                    let site = Site::Resource(Class(at as u16));
                    world.grid.stand(site, None, Standing::new(share(to)), all[2]);
                }
                Do::Grant(whose, at, rate, limits) => {
                    let rate = Some(rate.map(Rate::new));
                    let terms = match limits {
                        true => Terms { limit: rate, ..Terms::default() },
                        false => Terms { reservation: rate, ..Terms::default() },
                    };
                    world.grid.grant(all[whose], Reach::At(Class(at as u16)), &terms, all[0]).unwrap();
                }
                Do::Resume => probes.iter().for_each(|probe| world.resume(*probe, &all)),
                Do::Steps(steps) => {
                    for _ in 0..steps {
                        world.step(0);
                        world.step(1);
                    }
                }
            }
        }
        for _ in 0..200 {
            probes.iter().for_each(|probe| world.resume(*probe, &all));
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
        prop_assert!(finished.len() >= count);
        let mut once = finished.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), finished.len());
        for activity in &all {
            prop_assert_eq!(world.grid.activities().nodes(*activity), 0);
        }
    }
}
