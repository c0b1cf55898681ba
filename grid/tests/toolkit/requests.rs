//! Requests from their sending to their end, on one core and between two.

use super::support::{Act, First, What, World};
use vortex_grid::{Drawer, Labels, Refused, ReplyError, Scope};
use vortex_units::{ActivityId, Micros};

#[test]
fn a_root_is_served_and_its_node_returns() {
    let mut world = World::new(1, 8);
    let probe = world.probe(&[0], First::anywhere());
    let a = world.activity(10);
    let id = world.root(0, a, probe, Labels::NONE, vec![]).unwrap();
    assert_eq!(world.grid.activities().nodes(a), 1);
    world.settle();
    assert_eq!(world.order(What::Finished), [id]);
    assert_eq!(world.grid.activities().nodes(a), 0);
    assert!(world.cores[0].ledger().used(a).get() > 0);
}

#[test]
fn a_request_waits_for_its_reply_and_goes_on_where_it_was() {
    for other in [0, 1] {
        let mut world = World::new(2, 8);
        let near = world.probe(&[0], First::anywhere());
        let far = world.probe(&[other], First::anywhere());
        let a = world.activity(10);
        let acts = vec![Act::Ask(far, Labels::NONE, vec![]), Act::Ask(far, Labels::NONE, vec![])];
        let id = world.root(0, a, near, Labels::NONE, acts).unwrap();
        world.settle();
        let answers: Vec<_> = world
            .events()
            .into_iter()
            .filter(|e| e.id == id && matches!(e.what, What::Answered(Ok(_))))
            .collect();
        assert_eq!(answers.len(), 2, "far on core {other}");
        assert_eq!(*world.order(What::Finished).last().unwrap(), id);
        assert!(world.events().iter().all(|e| e.activity == a), "activities are inherited");
        assert_eq!(world.grid.activities().nodes(a), 0);
    }
}

#[test]
fn what_is_kept_is_answered_later_and_what_is_dropped_with_an_error() {
    for (last, expected) in [(Act::Release, None), (Act::Drop, Some(ReplyError::Dropped))] {
        let mut world = World::new(2, 8);
        let asker = world.probe(&[0], First::anywhere());
        let keeper = world.probe(&[1], First::anywhere());
        let a = world.activity(10);
        let id = world
            .root(0, a, asker, Labels::NONE, vec![Act::Ask(keeper, Labels::NONE, vec![Act::Keep])])
            .unwrap();
        world.settle();
        assert!(!world.order(What::Finished).contains(&id));
        world.root(1, a, keeper, Labels::NONE, vec![last]).unwrap();
        world.settle();
        let answer = world
            .events()
            .into_iter()
            .find_map(|e| match e.what {
                What::Answered(answer) if e.id == id => Some(answer),
                _ => None,
            })
            .expect("an answer");
        assert_eq!(answer.err(), expected);
        assert_eq!(world.grid.activities().nodes(a), 0);
    }
}

#[test]
fn only_roots_are_refused_and_with_the_reason() {
    let mut world = World::new(1, 8);
    let probe = world.probe(&[0], First::anywhere());
    let a = world.activity(2);
    let gone = ActivityId::new(7, 3);
    assert_eq!(world.root(0, gone, probe, Labels::NONE, vec![]), Err(Refused::NoSuchActivity));
    world.root(0, a, probe, Labels::NONE, vec![]).unwrap();
    world.root(0, a, probe, Labels::NONE, vec![]).unwrap();
    assert_eq!(world.root(0, a, probe, Labels::NONE, vec![]), Err(Refused::TooManyRequests));
    world.settle();
    world.root(0, a, probe, Labels::NONE, vec![]).unwrap();
    assert!(world.grid.kill(a, vortex_units::Cycles::ZERO, |_| {}));
    assert_eq!(world.root(0, a, probe, Labels::NONE, vec![]), Err(Refused::Dying));
    world.settle();
    assert!(world.grid.activities().is_gone(a));
    assert_eq!(world.cores[0].ledger().used(a).get(), 0, "its account is closed");
    let again = world.activity(2);
    assert_eq!(again.index(), a.index());
    assert_ne!(again, a, "a later life is another activity");
}

#[test]
fn a_dependency_label_with_two_affinity_labels_is_refused_while_in_use() {
    let mut world = World::new(1, 8);
    let probe = world.probe(&[0], First::anywhere());
    let a = world.activity(10);
    let b = world.activity(10);
    world.root(0, a, probe, Labels::ordered(7, 1), vec![]).unwrap();
    assert_eq!(world.root(0, a, probe, Labels::ordered(7, 2), vec![]), Err(Refused::LabelConflict));
    world.root(0, b, probe, Labels::ordered(7, 2), vec![]).expect("another activity's label");
    assert_eq!(world.grid.activities().nodes(a), 1, "the refused root left no bill");
    world.settle();
    world.root(0, a, probe, Labels::ordered(7, 2), vec![]).expect("no longer in use");
}

#[test]
fn a_rejection_suspends_what_its_scope_names_and_nobody_else() {
    for scope in [Scope::Device, Scope::Client, Scope::Label] {
        let mut world = World::new(1, 8);
        let probe = world.probe(&[0], First::anywhere());
        let waker = world.probe(&[0], First::anywhere());
        let a = world.activity(20);
        let b = world.activity(20);
        let first = world.root(0, a, probe, Labels::flow(1), vec![Act::Reject(scope)]).unwrap();
        let same = world.root(0, a, probe, Labels::flow(1), vec![]).unwrap();
        let other_label = world.root(0, a, probe, Labels::flow(2), vec![]).unwrap();
        let other_activity = world.root(0, b, probe, Labels::flow(1), vec![]).unwrap();
        world.settle();
        let done = world.order(What::Finished);
        assert_eq!(done.contains(&other_label), scope == Scope::Label, "{scope:?}");
        assert_eq!(done.contains(&other_activity), scope != Scope::Device, "{scope:?}");
        assert!(!done.contains(&first) && !done.contains(&same));
        world.root(0, a, waker, Labels::NONE, vec![Act::Resume(probe, scope)]).unwrap();
        world.settle();
        let done = world.order(What::Finished);
        let place = |id| done.iter().position(|&d| d == id).expect("served after resumption");
        assert!(place(first) < place(same), "the label's order holds: {scope:?}");
        assert_eq!(world.grid.activities().nodes(a), 0);
        assert_eq!(world.cores[0].requests(), 0);
    }
}

#[test]
fn order_within_a_label_holds_across_waiting() {
    let mut world = World::new(2, 8);
    let probe = world.probe(&[0], First::anywhere());
    let far = world.probe(&[1], First::anywhere());
    let a = world.activity(20);
    let slow = vec![Act::Ask(far, Labels::NONE, vec![Act::Again]), Act::Again];
    let first = world.root(0, a, probe, Labels::flow(1), slow).unwrap();
    let second = world.root(0, a, probe, Labels::flow(1), vec![]).unwrap();
    let free = world.root(0, a, probe, Labels::flow(2), vec![]).unwrap();
    world.settle();
    let began = world.order(What::Began);
    let finished = world.order(What::Finished);
    let place = |list: &[u64], id| list.iter().position(|&d| d == id).unwrap();
    assert!(place(&finished, first) < place(&finished, second));
    assert!(place(&finished, free) < place(&finished, first), "others do not wait");
    assert!(place(&began, second) > place(&began, free));
}

#[test]
fn infrastructure_is_billed_back_to_the_cycle() {
    let mut world = World::new(1, 8);
    let probe = world.probe(&[0], First::anywhere());
    let a = world.activity(10);
    let infrastructure = ActivityId::INFRASTRUCTURE;
    world.root(0, infrastructure, probe, Labels::NONE, vec![Act::Bill(a)]).unwrap();
    world.settle();
    let report = world.cores[0].report();
    assert_eq!(world.cores[0].ledger().used(infrastructure).get(), 0);
    let used = world.cores[0].ledger().used(a);
    assert!(used.get() > 0);
    let of = |activity| report.clients.iter().find(|c| c.activity == activity).unwrap();
    assert_eq!(of(a).statistics.charged, i128::from(used.get()), "charged in the metric");
    assert_eq!(of(infrastructure).statistics.charged, 0, "credited in the metric");
}

#[test]
fn a_thread_is_charged_for_its_stay_in_user_mode() {
    let mut world = World::new(1, 8);
    let probe = world.probe(&[0], First::anywhere());
    let a = world.activity(10);
    let id = world.root(0, a, probe, Labels::NONE, vec![Act::Enter]).unwrap();
    assert!(world.step(0));
    assert!(world.entered[0]);
    world.clock.0.fetch_add(5_000, std::sync::atomic::Ordering::Relaxed);
    assert!(world.cores[0].report().open.is_some_and(|(who, span)| who == a && span.get() > 5_000));
    world.settle();
    assert_eq!(world.order(What::Finished), [id]);
    assert!(world.cores[0].ledger().used(a).get() >= 5_000);
}

#[test]
fn a_timer_sends_when_it_is_due_and_on_its_makers_bill() {
    let mut world = World::new(1, 8);
    let probe = world.probe(&[0], First::anywhere());
    let a = world.activity(10);
    let acts = vec![Act::Later(5_000, probe, vec![]), Act::Later(300, probe, vec![])];
    let id = world.root(0, a, probe, Labels::NONE, acts).unwrap();
    while world.order(What::Finished).is_empty() {
        world.step(0);
    }
    let began = world.clock.0.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.grid.activities().nodes(a), 2, "both wait on its bill");
    assert_eq!(world.cores[0].requests(), 2);
    let mut times = Vec::new();
    while times.len() < 2 {
        let finished = world.order(What::Finished).len();
        world.step(0);
        if world.order(What::Finished).len() > finished {
            times.push(world.clock.0.load(std::sync::atomic::Ordering::Relaxed) - began);
        }
    }
    assert!(times[0] >= 250 && times[0] < 1_000, "{times:?}");
    assert!(times[1] >= 4_900, "{times:?}");
    assert_eq!(world.order(What::Finished), [id, id + 2, id + 1]);
    assert_eq!(world.grid.activities().nodes(a), 0);
}

#[test]
fn a_follow_up_runs_on_within_its_quantum_and_is_measured() {
    for (run_on, first) in [(0, "waiting"), (1_000, "follow-up")] {
        let mut world = World::with_run_on(1, 8, vortex_units::Micros::new(run_on));
        let probe = world.probe(&[0], First::anywhere());
        let next = world.probe(&[0], First::anywhere());
        let (a, b) = (world.activity(10), world.activity(10));
        let acts = vec![Act::Tell(next, Labels::NONE, vec![])];
        world.root(0, a, probe, Labels::NONE, acts).unwrap();
        let waiting = world.root(0, b, probe, Labels::NONE, vec![]).unwrap();
        world.settle();
        let order = world.order(What::Finished);
        assert_eq!(order.len(), 3);
        assert_eq!(order[1] == waiting, first == "waiting", "run-on for {run_on} us");
        let report = world.cores[0].report();
        let row = report.clients.iter().find(|c| c.instance == next.instance()).unwrap();
        assert_eq!(row.usage.runs.get(), 1);
        assert_eq!(i128::from(row.usage.cycles.get()), row.statistics.charged);
    }
}

#[test]
fn a_batch_serves_so_many_of_one_client_before_the_next() {
    for (batch, turns) in [(0, 1), (1, 1), (4, 4), (100, 6)] {
        let mut world = World::with_run_on(1, 8, Micros::ZERO);
        let probe = world.batching_probe(&[0], First::anywhere(), batch);
        let (a, b) = (world.activity(50), world.activity(50));
        let mut sent = [Vec::new(), Vec::new()];
        for _ in 0..6 {
            for (ids, activity) in sent.iter_mut().zip([a, b]) {
                ids.push(world.root(0, activity, probe, Labels::NONE, vec![]).unwrap());
            }
        }
        world.settle();
        // Each in turn: so many of a, as many of b, and at the end what is left of each.
        let [of_a, of_b] = sent;
        let expected: Vec<u64> =
            of_a.chunks(turns).zip(of_b.chunks(turns)).flat_map(|(a, b)| [a, b].concat()).collect();
        assert_eq!(world.order(What::Finished), expected, "a batch of {batch}");
    }
}

#[test]
fn work_for_an_activity_between_two_requests_is_on_its_bill() {
    let mut world = World::new(1, 8);
    let probe = world.probe(&[0], First::anywhere());
    let a = world.activity(10);
    world.root(0, a, probe, Labels::NONE, vec![]).unwrap();
    world.settle();
    let before = world.cores[0].ledger().used(a).get();
    world.clock.0.fetch_add(700, std::sync::atomic::Ordering::Relaxed);
    world.cores[0].worked_for(a);
    assert!(world.cores[0].ledger().used(a).get() >= before + 700);
    assert_eq!(world.cores[0].audit(), Ok(()));
    let report = world.cores[0].report();
    assert_eq!(report.stamp, world.cores[0].ledger().last());
    let has = |wanted: &dyn Fn(&Drawer) -> bool| report.drawers.iter().any(|d| wanted(&d.drawer));
    assert!(has(&|drawer| matches!(drawer, Drawer::Resource(..))), "the probe");
    assert!(has(&|drawer| *drawer == Drawer::Activity(a)), "charge-through");
}

#[test]
fn what_was_kept_goes_on_in_its_order_and_on_its_own_bill() {
    for run_on in [Micros::ZERO, Micros::new(1_000)] {
        let mut world = World::with_run_on(1, 8, run_on);
        let keeper = world.probe(&[0], First::anywhere());
        let (a, b) = (world.activity(10), world.activity(10));
        let keep = || vec![Act::Keep, Act::Again];
        let first = world.root(0, b, keeper, Labels::NONE, keep()).unwrap();
        let second = world.root(0, b, keeper, Labels::NONE, keep()).unwrap();
        world.settle();
        let used = |world: &World| world.cores[0].ledger().used(b).get();
        let before = used(&world);
        let waker = world.root(0, a, keeper, Labels::NONE, vec![Act::Wake]).unwrap();
        world.settle();
        // Both noted that they finished when they were kept, and at their ends.
        assert_eq!(world.order(What::Finished), [first, second, waker, first, second]);
        assert!(world.events().iter().all(|event| (event.activity == a) == (event.id == waker)));
        // Two runs each, at a reading of ten cycles and more.
        assert!(used(&world) >= before + 40);
        assert_eq!(world.grid.activities().nodes(b), 0);
    }
}
