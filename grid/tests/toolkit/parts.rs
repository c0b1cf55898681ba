//! Parts of activities: the entitlement is divided and made whole again, to the hundredth;
//! what a part has used is its whole's at the end.

use std::sync::Arc;

use proptest::prelude::*;
use vortex_grid::policy::{Metric, Params, Scheduler};
use vortex_grid::{
    Class, Entitlement, EntitlementAt, Labels, MULTIPLEXOR, Part, Refused, Undivided,
};
use vortex_units::{ActivityId, CoreId, Cycles, Micros, Rate, Share};

use super::support::{Act, First, World};

const CLASSES: [Class; 3] = [Class(0), Class(7), MULTIPLEXOR];

fn part(thousandths: u32) -> Part {
    Part { thousandths, nodes: Some(32) }
}

/// What an activity has at these schedulers.
fn shares(world: &World, activity: ActivityId) -> Vec<u32> {
    let all = world.grid.activities();
    let at = |class, core| all.params(activity, class, CoreId::new(core)).share.hundredths();
    CLASSES.into_iter().flat_map(|class| [at(class, 0), at(class, 1)]).collect()
}

fn end(world: &World, activity: ActivityId) {
    let pokes = world.pokes.clone();
    assert!(world.grid.kill(activity, Cycles::ZERO, |core| pokes.lock().unwrap().push(core)));
}

proptest! {
    /// Law 3: at every scheduler, in whole numbers, at every time.
    #[test]
    fn the_parts_and_what_is_left_are_the_whole(
        (share, at_seven, at_core) in (1_000..100_000_u32, 1_000..100_000_u32, 1_000..100_000_u32),
        steps in prop::collection::vec((any::<bool>(), 0..1100_u32), 1..40),
    ) {
        let mut world = World::new(2, 32);
        let row = |class, core, share| EntitlementAt {
            class, core, share: Some(Share::from_hundredths(share).unwrap()), priority: Some(3),
            reservation: Some(Rate::new(u64::from(share))), limit: Some(Rate::new(1_000_000)),
            period: None,
        };
        let entitlement = Entitlement {
            priority: 5,
            nodes: 1_000,
            at: vec![row(Class(7), None, at_seven), row(MULTIPLEXOR, Some(CoreId::new(1)), at_core)],
            ..Entitlement::new(Share::from_hundredths(share).unwrap())
        };
        let whole = world.grid.activities().create(entitlement).unwrap();
        let before = shares(&world, whole);
        let (mut parts, mut given) = (Vec::new(), 0);
        for (divide, number) in steps {
            if divide || parts.is_empty() {
                match world.grid.divide(whole, part(number)) {
                    Ok(made) => {
                        given += number;
                        prop_assert!(number > 0 && given < 1000);
                        prop_assert_eq!(world.grid.activities().root(made), whole);
                        parts.push((made, number));
                    }
                    Err(Undivided::Share) => prop_assert!(number == 0 || given + number >= 1000),
                    Err(Undivided::TooMany) => prop_assert_eq!(parts.len(), 15),
                    Err(why) => prop_assert!(false, "{:?}", why),
                }
            } else {
                let (gone, number) = parts.swap_remove(number as usize % parts.len());
                end(&world, gone);
                // Its whole has its share already, but for the least.
                let least = shares(&world, gone);
                prop_assert!(least.iter().all(|share| *share == 1));
                world.settle();
                prop_assert!(world.grid.activities().is_gone(gone));
                given -= number;
            }
            let all = parts.iter().map(|(part, _)| *part).chain([whole]);
            let (mut sum, mut rates) = (vec![0; before.len()], (0, 0));
            for activity in all {
                let own = shares(&world, activity);
                prop_assert!(own.iter().all(|share| *share > 0));
                sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
                let params = world.grid.activities().params(activity, Class(7), CoreId::new(0));
                prop_assert_eq!(params.priority, 3);
                rates.0 += params.reservation.unwrap().get();
                rates.1 += params.limit.unwrap().get();
            }
            prop_assert_eq!(&sum, &before);
            prop_assert_eq!(rates, (u64::from(at_seven), 1_000_000));
            let left = world.grid.activities().most_nodes(whole);
            prop_assert_eq!(left as usize + 32 * parts.len(), 1_000);
        }
    }
}

#[test]
fn a_part_is_not_divided_and_too_little_is_refused() {
    let world = World::new(1, 8);
    let a = world.activity(64);
    let made = world.grid.divide(a, part(500)).unwrap();
    assert_eq!(world.grid.divide(made, part(500)), Err(Undivided::NoWhole));
    assert_eq!(world.grid.divide(a, part(1)), Err(Undivided::Share), "of one whole share");
    assert_eq!(world.grid.divide(a, part(100)), Err(Undivided::TooMany), "no requests left");
    let few = Part { thousandths: 100, nodes: Some(1) };
    assert_eq!(world.grid.divide(a, few), Err(Undivided::TooMany));
}

fn run(world: &mut World, steps: usize) {
    for _ in 0..steps {
        world.step(0);
    }
}

fn fair() -> Arc<dyn Scheduler> {
    vortex_schedulers::make("propshare.wfq", Params::new(Metric::Cycles, 100_000)).unwrap()
}

/// Cycles that these have used, one after the other.
fn used(world: &World, activities: &[ActivityId]) -> Vec<u64> {
    let used = |activity: &ActivityId| {
        world.cores.iter().map(|core| core.ledger().used(*activity).get()).sum()
    };
    activities.iter().map(used).collect()
}

#[test]
fn parts_share_what_the_whole_had_and_what_they_used_is_its_own_at_the_end() {
    let mut world = World::with(1, 8, Micros::ZERO, &fair());
    let probe = world.probe(&[0], fair());
    let large = Entitlement { nodes: 20_000, ..Entitlement::new(Share::from_units(100).unwrap()) };
    let (a, b) = (
        world.grid.activities().create(large.clone()).unwrap(),
        world.grid.activities().create(large).unwrap(),
    );
    let busy = |world: &mut World, activity| {
        for _ in 0..4 {
            world.root(0, activity, probe, Labels::NONE, vec![Act::Again; 3_000]).unwrap();
        }
    };
    busy(&mut world, a);
    busy(&mut world, b);
    run(&mut world, 2_000);
    let first = world.grid.divide(a, part(600)).unwrap();
    let second = world.grid.divide(a, part(200)).unwrap();
    busy(&mut world, first);
    busy(&mut world, second);
    let all = [a, first, second, b];
    let before = used(&world, &all);
    run(&mut world, 20_000);
    let after = used(&world, &all);
    let each: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    let sum: u64 = each.iter().sum();
    for (cycles, wanted) in each.iter().zip([100, 300, 100, 500]) {
        let thousandths = cycles * 1000 / sum;
        assert!(thousandths.abs_diff(wanted) <= 3, "{each:?}: {thousandths} for {wanted}");
    }
    // What both used is of the whole's bill when they are gone, at every scheduler.
    let clients = |world: &mut World| {
        let report = world.cores[0].report();
        let of = |activity| {
            let client = report.clients.iter().find(|client| client.activity == activity);
            client.map_or((0, 0), |c| (c.usage.cycles.get(), c.statistics.cycles.get()))
        };
        let drawer = |activity| {
            let wanted = vortex_grid::Drawer::Activity(activity);
            let drawer = report.drawers.iter().find(|drawer| drawer.drawer == wanted);
            drawer.map_or(0, |drawer| drawer.statistics.cycles.get())
        };
        all.map(|activity| (of(activity), drawer(activity)))
    };
    run(&mut world, 40_000);
    let told = clients(&mut world);
    let sum = |of: fn(&((u64, u64), u64)) -> u64| told[..3].iter().map(of).sum::<u64>();
    let (usage_before, drawn_before) = (sum(|told| told.0.0), sum(|told| told.1));
    end(&world, first);
    end(&world, second);
    world.settle();
    assert!(world.grid.activities().is_gone(first) && world.grid.activities().is_gone(second));
    let bill = used(&world, &all);
    assert_eq!(bill[1..3], [0, 0]);
    assert_eq!(world.cores[0].ledger().departed(), Cycles::ZERO);
    let [((usage, statistics), drawn), rest @ ..] = clients(&mut world);
    assert_eq!(rest[..2], [((0, 0), 0); 2]);
    assert_eq!((usage, statistics), (usage_before, usage_before));
    // Ending them was the whole's, too.
    assert!(drawn >= drawn_before && drawn_before > 0);
}

#[test]
fn a_request_moves_within_its_activity_and_nowhere_else() {
    let mut world = World::new(1, 8);
    let (a, b) = (world.activity(200), world.activity(200));
    let made = world.grid.divide(a, part(500)).unwrap();
    let other = world.grid.divide(b, part(500)).unwrap();
    let family = world.family(&[0], a, First::anywhere());
    let branch = world.grid.branch(&family, made);
    let (own, there) = (world.grid.bear(&family).unwrap(), world.grid.bear(&branch).unwrap());
    let back = vec![Act::Within(a, own, true, vec![])];
    let acts = vec![
        Act::Within(made, there, true, back),
        Act::Within(other, there, false, vec![]),
        Act::Within(b, there, false, vec![]),
    ];
    world.root(0, a, own, Labels::NONE, acts).unwrap();
    world.settle();
    let activities: Vec<_> = world.events().iter().map(|event| event.activity).collect();
    assert_eq!(activities, [a, a, made, made, a, a], "each began and ended");
    assert!(world.cores[0].ledger().used(made) > Cycles::ZERO);
    assert_eq!(world.grid.activities().nodes(made), 0);
    // Its end takes its instances along; their use is reported as the whole's.
    world.root(0, a, own, Labels::NONE, vec![Act::End(made)]).unwrap();
    world.settle();
    assert!(world.grid.activities().is_gone(made));
    let stale = world.root(0, a, there, Labels::NONE, vec![]);
    assert_eq!(stale, Err(Refused::NoSuchInstance));
    assert_eq!(world.grid.instances(), 1);
    let runs: u64 = world.cores[0].report().clients.iter().map(|c| c.usage.runs.get()).sum();
    assert_eq!(runs, 4, "three jobs, and the one that ended it");
}

#[test]
fn a_part_that_is_full_admits_nobody_and_one_that_ended_neither() {
    let mut world = World::new(1, 8);
    let a = world.activity(200);
    let made = world.grid.divide(a, part(500)).unwrap();
    let probe = world.probe(&[0], First::anywhere());
    for _ in 0..32 {
        world.root(0, made, probe, Labels::NONE, vec![Act::Keep]).unwrap();
    }
    run(&mut world, 40);
    world.root(0, a, probe, Labels::NONE, vec![Act::Within(made, probe, false, vec![])]).unwrap();
    run(&mut world, 4);
    end(&world, made);
    assert!(!world.grid.activities().is_gone(made), "its requests have not returned");
    world.root(0, a, probe, Labels::NONE, vec![Act::Within(made, probe, false, vec![])]).unwrap();
    world.root(0, a, probe, Labels::NONE, vec![Act::Release]).unwrap();
    world.settle();
    assert!(world.grid.activities().is_gone(made));
    assert_eq!(world.grid.activities().most_nodes(a), 200);
}

#[test]
fn parts_go_with_their_whole() {
    let mut world = World::new(2, 8);
    let a = world.activity(200);
    let made = world.grid.divide(a, part(500)).unwrap();
    let probe = world.probe(&[0], First::anywhere());
    world.root(0, made, probe, Labels::NONE, vec![Act::Keep]).unwrap();
    world.step(0);
    end(&world, a);
    world.settle();
    assert!(world.grid.activities().is_gone(a) && !world.grid.activities().is_gone(made));
    assert!(!world.grid.activities().is_alive(made));
    let b = world.activity(64);
    world.root(0, b, probe, Labels::NONE, vec![Act::Drop]).unwrap();
    world.settle();
    assert!(world.grid.activities().is_gone(made));
}
