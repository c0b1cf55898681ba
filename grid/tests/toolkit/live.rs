//! Shares that are changed while requests are queued and served: they count from then on, and
//! no request is lost or out of its order.

use std::sync::Arc;

use proptest::prelude::*;
use vortex_grid::policy::{Metric, Params, Scheduler};
use vortex_grid::{
    Class, Entitlement, EntitlementAt, Frequency, Labels, MULTIPLEXOR, Part, Reach, Unchanged,
};
use vortex_units::{ActivityId, CoreId, Cycles, Micros, Share};

use super::support::{Act, What, World, share, used, who_changes_pays};

fn at(world: &World, activity: ActivityId, class: Class, core: u16) -> Share {
    world.grid.activities().params(activity, class, CoreId::new(core)).share
}

#[test]
fn a_share_is_changed_where_it_is_said() {
    let world = World::new(2, 8);
    let row = |class, core, units| EntitlementAt {
        class,
        core,
        share: Some(share(units)),
        priority: Some(3),
        reservation: None,
        limit: None,
        period: None,
    };
    let one = Some(CoreId::new(1));
    let rows = vec![row(Class(7), None, 20), row(MULTIPLEXOR, one, 30)];
    let entitlement = Entitlement { at: rows, ..Entitlement::new(share(10)) };
    let a = world.grid.activities().create(entitlement).unwrap();
    let all = |world: &World| {
        let of = |class| [at(world, a, class, 0), at(world, a, class, 1)];
        [of(Class(0)), of(Class(7)), of(MULTIPLEXOR)].map(|both| both.map(|s| s.hundredths() / 100))
    };
    assert_eq!(all(&world), [[10, 10], [20, 20], [10, 30]]);
    world.grid.entitle(a, Reach::On(Class(7), CoreId::new(0)), share(5), a).unwrap();
    assert_eq!(all(&world), [[10, 10], [5, 20], [10, 30]]);
    // More exact ones too: what was said of a core before is past.
    world.grid.entitle(a, Reach::At(MULTIPLEXOR), share(40), a).unwrap();
    assert_eq!(all(&world), [[10, 10], [5, 20], [40, 40]]);
    world.grid.entitle(a, Reach::Everywhere, share(7), a).unwrap();
    assert_eq!(all(&world), [[7, 7], [7, 7], [7, 7]]);
    let params = world.grid.activities().params(a, Class(7), CoreId::new(0));
    assert_eq!(params.priority, 3, "the rest stays");
}

#[test]
fn who_is_divided_stays_as_it_is() {
    let mut world = World::new(1, 8);
    let a = world.grid.activities().create(Entitlement::new(share(100))).unwrap();
    let part = world.grid.divide(a, Part { thousandths: 500, nodes: Some(32) }).unwrap();
    let change = |world: &World, of| world.grid.entitle(of, Reach::Everywhere, share(1), of);
    assert_eq!(change(&world, a), Err(Unchanged::Divided));
    assert_eq!(change(&world, part), Err(Unchanged::Divided));
    assert!(world.grid.kill(part, Cycles::ZERO, |_| ()));
    world.settle();
    assert_eq!(change(&world, part), Err(Unchanged::NoActivity));
    assert_eq!(change(&world, a), Ok(()));
    // Its next part is one of what it has now.
    let part = world.grid.divide(a, Part { thousandths: 500, nodes: Some(32) }).unwrap();
    assert_eq!(at(&world, part, Class(0), 0).hundredths(), 50);
    assert!(world.grid.kill(a, Cycles::ZERO, |_| ()));
    assert_eq!(change(&world, a), Err(Unchanged::NoActivity));
}

fn policy(name: &str) -> Arc<dyn Scheduler> {
    let mut params = Params::new(Metric::Cycles, 100_000);
    params.frequency = Some(Frequency::megahertz(1_000));
    vortex_schedulers::make(name, params).unwrap()
}

/// What one of two busy activities gets of a resource before and after its share is changed.
#[test]
fn a_changed_share_counts_from_then_on() {
    for name in ["propshare.wfq", "propshare.stride"] {
        let mut world = World::with(1, 8, Micros::ZERO, &policy(name));
        let probe = world.probe(&[0], policy(name));
        let all = world.grid.activities();
        let large = |units| Entitlement { nodes: 20_000, ..Entitlement::new(share(units)) };
        let both = [all.create(large(50)).unwrap(), all.create(large(50)).unwrap()];
        for activity in both {
            for _ in 0..4 {
                world.root(0, activity, probe, Labels::NONE, vec![Act::Again; 6_000]).unwrap();
            }
        }
        let part = |world: &mut World, steps: usize| {
            let before = used(world, &both);
            for _ in 0..steps {
                world.step(0);
            }
            let after = used(world, &both);
            let got: Vec<_> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
            got[0] as f64 / (got[0] + got[1]) as f64
        };
        let half = part(&mut world, 2_000);
        assert!((half - 0.5).abs() < 0.01, "{name}: {half}");
        world.grid.entitle(both[0], Reach::Everywhere, share(150), both[0]).unwrap();
        let most = part(&mut world, 4_000);
        assert!((most - 0.75).abs() < 0.01, "{name}: {most}");
        world.grid.entitle(both[0], Reach::Everywhere, share(50), both[0]).unwrap();
        let again = part(&mut world, 2_000);
        assert!((again - 0.5).abs() < 0.01, "{name}: {again}");
    }
}

/// Law 2.
#[test]
fn who_changes_a_share_pays() {
    who_changes_pays(&policy("propshare.wfq"), |world, round, [busy, payer]| {
        let units = share(round as u32 % 99 + 1);
        world.grid.entitle(busy, Reach::Everywhere, units, payer).unwrap();
    });
}

proptest! {
    /// Under every policy, however often shares are changed.
    #[test]
    fn no_request_is_lost_or_out_of_order(
        policy_at in 0..8_usize,
        steps in prop::collection::vec((0..3_u8, 0..3_usize, 1..500_u32), 1..120),
    ) {
        const POLICIES: [&str; 8] = [
            "propshare.wfq", "propshare.round-robin", "propshare.stride", "propshare.lottery",
            "priority.strict", "priority.multilevel", "fifo", "reserve.mclock",
        ];
        let name = POLICIES[policy_at];
        let mut world = World::with(1, 8, Micros::ZERO, &policy("propshare.wfq"));
        let probe = world.probe(&[0], policy(name));
        let all: Vec<_> = (0..3).map(|_| world.activity(1_000)).collect();
        let mut sent = vec![Vec::new(); 3];
        for (what, whose, number) in steps {
            match what {
                0 => {
                    let id = world.root(0, all[whose], probe, Labels::NONE, vec![]).unwrap();
                    sent[whose].push(id);
                }
                1 => world.grid.entitle(all[whose], Reach::Everywhere, share(number), all[whose]).unwrap(),
                _ => { world.step(0); }
            }
        }
        world.settle();
        let seen = world.order(What::Finished);
        for sent in &sent {
            let of: Vec<_> = seen.iter().copied().filter(|id| sent.contains(id)).collect();
            prop_assert_eq!(&of, sent, "{}", name);
        }
    }
}
