//! Who gives, in what order, and who waits for whom: exact expected decisions.
#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

use vortex_memory::policy::named;
use vortex_memory::{
    Account, Answer, Budget, Cookie, FrameId, Information, Multiplexor, Order, ResourceId, Spec,
    Stale, Step, TRIES, WaiterId, Why,
};
use vortex_units::{ActivityId, CoreId, Frames};

const CORE: CoreId = CoreId::new(0);

struct World(Multiplexor);

fn activity(number: u32) -> ActivityId {
    ActivityId::new(number, 0)
}

fn account(number: u32) -> Account {
    Account { activity: activity(number), resource: ResourceId::nth(0) }
}

impl World {
    /// So many frames and a policy; budgets of activities 1, 2…: minimum, soft, hard.
    fn new(frames: u32, policy: &str, budgets: &[(u64, Option<u64>, Option<u64>)]) -> Self {
        let memory = Multiplexor::new(&Spec {
            ranges: &[(0, frames)],
            reserve: Frames::ZERO,
            kernel: Frames::ZERO,
            activities: 8,
            cores: 1,
            reclaimable: 1,
            policy: named(policy).unwrap(),
            links: 16,
        })
        .unwrap();
        for (number, &(minimum, soft, hard)) in (1..).zip(budgets) {
            let (soft, hard) = (soft.map(Frames::new), hard.map(Frames::new));
            let minimum = Frames::new(minimum);
            memory.open(activity(number), Budget { minimum, soft, hard, objects: None }).unwrap();
        }
        Self(memory)
    }

    fn take(&self, number: u32, count: u64) -> Vec<FrameId> {
        (0..count).map(|n| self.0.allocate(CORE, account(number), Cookie(n)).unwrap()).collect()
    }

    fn wait(&self, number: u32, frames: usize) -> WaiterId {
        self.0.wait(account(number), Cookie(u64::from(number)), frames).unwrap()
    }

    /// The next that is not only to be asked again.
    fn step(&self) -> Step {
        (0..100).map(|_| self.0.step()).find(|step| *step != Step::Again).unwrap()
    }

    fn order(&self) -> Order {
        match self.step() {
            Step::Order(order) => order,
            other => panic!("no order: {other:?}"),
        }
    }
}

#[test]
fn who_is_over_its_soft_limit_gives_first_and_pays() {
    let world = World::new(
        12,
        "reclaim.over-budget",
        &[(0, Some(2), None), (0, None, None), (0, Some(5), None)],
    );
    world.take(1, 3);
    world.take(2, 4);
    world.take(3, 5);
    assert_eq!(world.0.allocate(CORE, account(2), Cookie(0)).map_err(|e| e.why), Err(Why::Low));
    world.wait(2, 1);
    let order = world.order();
    assert_eq!((order.bill, order.place), (activity(1), activity(2)));
    world.0.answer(order.id, Answer::GivenBack).unwrap();
    assert!(matches!(world.step(), Step::Ready(..)));
}

#[test]
fn the_least_recently_used_goes_first() {
    let world = World::new(4, "reclaim.lru", &[(0, None, None)]);
    let frames = world.take(1, 4);
    for (nth, &frame) in frames.iter().enumerate() {
        // All age; the third is used all the time.
        for _ in 0..3 {
            world.0.inform(frame, Information { accessed: nth == 2, modified: nth > 0 });
        }
    }
    world.wait(1, 3);
    let first = world.order();
    assert_eq!(first.frame, frames[0], "clean before modified");
    assert!(!first.modified);
    let others = [world.order().frame, world.order().frame];
    assert!(!others.contains(&frames[2]), "not the one in use");
}

#[test]
fn a_minimum_is_never_asked_for() {
    let world = World::new(10, "reclaim.lru", &[(6, None, None), (0, None, None)]);
    world.take(1, 6);
    world.take(2, 4);
    let waiter = world.wait(2, 4);
    for _ in 0..4 {
        let order = world.order();
        assert_eq!(order.bill, activity(2));
        world.0.answer(order.id, Answer::Refused).unwrap();
    }
    assert_eq!(world.step(), Step::Nothing(waiter, activity(2), Cookie(2)), "not of the other");
}

#[test]
fn first_come_first_served_and_nobody_overtakes() {
    let world = World::new(
        4,
        "reclaim.lru",
        &[(0, None, None), (0, None, None), (0, None, None), (1, None, None)],
    );
    world.take(1, 3);
    let early = world.wait(2, 2);
    let late = world.wait(3, 1);
    let orders = [world.order(), world.order(), world.order()];
    assert_eq!(orders.map(|order| order.place), [activity(2), activity(2), activity(3)]);
    // What is freed meanwhile is the waiters', but for a minimum.
    assert_eq!(world.0.allocate(CORE, account(1), Cookie(0)).map_err(|e| e.why), Err(Why::Low));
    world.take(4, 1);
    world.0.answer(orders[2].id, Answer::GivenBack).unwrap();
    assert_eq!(world.step(), Step::Ready(late, activity(3), Cookie(3)));
    // One that is freed before it is given back is the waiter's all the same.
    world.0.leave(CORE, orders[0].frame, activity(1)).unwrap();
    assert!(world.0.answer(orders[0].id, Answer::GivenBack).is_err());
    world.0.answer(orders[1].id, Answer::GivenBack).unwrap();
    assert_eq!(world.step(), Step::Ready(early, activity(2), Cookie(2)));
    assert!(world.0.allocate_earmarked(early, Cookie(7)).is_some());
    assert!(world.0.allocate_earmarked(early, Cookie(8)).is_some());
    assert!(world.0.allocate_earmarked(early, Cookie(9)).is_none());
    world.0.give_up(early);
    world.0.give_up(late);
    world.0.ledger().unwrap();
}

#[test]
fn who_has_too_much_holds_up_nobody() {
    let world = World::new(9, "reclaim.over-budget", &[(0, Some(2), None), (0, Some(9), None)]);
    world.take(1, 8);
    world.take(2, 1);
    let greedy = world.wait(1, 1);
    let modest = world.wait(2, 1);
    let first = world.order();
    assert_eq!((first.bill, first.place), (activity(1), activity(2)), "though it came later");
    let second = world.order();
    assert_eq!((second.bill, second.place), (activity(1), activity(1)));
    world.0.answer(second.id, Answer::Refused).unwrap();
    world.0.leave(CORE, second.frame, activity(1)).unwrap();
    assert_eq!(world.step(), Step::Ready(modest, activity(2), Cookie(2)), "of what is freed");
    world.0.give_up(modest);
    world.0.give_up(greedy);
    world.0.answer(first.id, Answer::GivenBack).unwrap();
    world.0.ledger().unwrap();
}

#[test]
fn who_has_no_room_for_what_is_in_its_frames_is_not_asked() {
    let world = World::new(4, "reclaim.lru", &[(0, None, None), (0, None, None)]);
    world.take(1, 2);
    world.take(2, 2);
    world.0.set_stuck(account(1), true);
    world.wait(1, 1);
    assert_eq!(world.order().bill, activity(2));
    world.wait(1, 2);
    assert_eq!(world.order().bill, activity(2));
    world.0.set_stuck(account(1), false);
    assert_eq!(world.order().bill, activity(1));
}

#[test]
fn one_at_its_own_limit_stands_in_nobodys_way() {
    let world = World::new(10, "reclaim.over-budget", &[(0, None, Some(3)), (0, None, None)]);
    world.take(1, 3);
    assert_eq!(world.0.allocate(CORE, account(1), Cookie(0)).map_err(|e| e.why), Err(Why::Hard));
    world.wait(1, 1);
    let order = world.order();
    assert_eq!(order.bill, activity(1), "only its own helps");
    world.take(2, 7);
    world.0.answer(order.id, Answer::GivenBack).unwrap();
    assert!(matches!(world.step(), Step::Ready(..)));
    world.0.ledger().unwrap();
}

#[test]
fn a_pinned_frame_is_asked_for_when_its_pins_are_gone() {
    let world = World::new(2, "reclaim.fifo", &[(0, None, None)]);
    let frames = world.take(1, 2);
    assert!(frames.iter().all(|&frame| world.0.pin(frame)));
    world.wait(1, 1);
    assert_eq!(world.step(), Step::Idle, "it waits for a pin");
    world.0.unpin(frames[0]);
    world.0.unpin(frames[1]);
    let order = world.order();
    assert!(world.0.pin(order.frame), "pinned again while it is asked for");
    world.0.answer(order.id, Answer::GivenBack).unwrap();
    assert_eq!(world.step(), Step::Idle);
    world.0.unpin(order.frame);
    assert!(matches!(world.step(), Step::Ready(..)));
}

/// The machine counts no pins here: whoever finds that a call has a frame says so each time.
#[test]
fn an_order_waits_for_a_calls_end_and_not_for_ever() {
    let world = World::new(3, "reclaim.fifo", &[(0, None, None)]);
    let frames = world.take(1, 3);
    let waiter = world.wait(1, 1);
    let lent = world.order();
    assert!(!world.0.has_lent());
    world.0.answer(lent.id, Answer::Pinned { handles: 2 }).unwrap();
    assert!(world.0.has_lent());
    // Another is asked for meanwhile.
    let other = world.order();
    assert_ne!(lent.frame, other.frame);
    world.0.answer(other.id, Answer::Refused).unwrap();
    let third = world.order();
    assert!(frames.contains(&third.frame) && ![lent.frame, other.frame].contains(&third.frame));
    world.0.answer(third.id, Answer::Refused).unwrap();
    assert_eq!(world.step(), Step::Idle, "it waits: that one can still leave");
    for while_ in 1..TRIES {
        assert!(world.0.has_lent());
        // Nobody looks who has it as long as nothing changes.
        let changes = while_ % 2 == 0;
        world.0.try_lent(|_| if changes { 3 } else { 2 });
        if changes {
            assert_eq!(world.order(), lent);
            world.0.answer(lent.id, Answer::Pinned { handles: 2 }).unwrap();
        }
        assert_eq!(world.step(), Step::Idle);
    }
    world.0.try_lent(|_| 2);
    assert_eq!(world.order(), lent, "a last look");
    world.0.answer(lent.id, Answer::Pinned { handles: 2 }).unwrap();
    assert!(!world.0.has_lent());
    assert_eq!(world.step(), Step::Nothing(waiter, activity(1), Cookie(1)), "a call keeps it");
    // The next that waits may have more luck.
    world.wait(1, 1);
    let again = world.order();
    world.0.answer(again.id, Answer::Pinned { handles: 2 }).unwrap();
    world.0.try_lent(|_| 1);
    assert_eq!(world.order(), again);
    world.0.answer(again.id, Answer::GivenBack).unwrap();
    assert!(matches!(world.step(), Step::Ready(..)));
    world.0.ledger().unwrap();
}

/// Who has got what it wants from elsewhere does not wait for a call.
#[test]
fn what_a_call_has_is_not_asked_for_without_need() {
    let world = World::new(3, "reclaim.fifo", &[(0, None, None)]);
    world.take(1, 3);
    world.wait(1, 1);
    let lent = world.order();
    world.0.answer(lent.id, Answer::Pinned { handles: 2 }).unwrap();
    let other = world.order();
    world.0.answer(other.id, Answer::GivenBack).unwrap();
    assert!(matches!(world.step(), Step::Ready(..)));
    world.0.try_lent(|_| 1);
    assert_eq!(world.step(), Step::Idle);
    assert_eq!(world.0.answer(lent.id, Answer::GivenBack), Err(Stale));
    world.0.ledger().unwrap();
}

/// What is given up needs no place: it is asked for once, and nothing else of who has none.
#[test]
fn what_is_given_up_is_asked_for_without_a_place() {
    let world = World::new(8, "reclaim.lru", &[(0, None, None)]);
    let frames = world.take(1, 8);
    world.0.set_stuck(account(1), true);
    world.0.unneed(frames[3]);
    world.0.unneed(frames[5]);
    world.0.inform(frames[5], Information { accessed: true, modified: true });
    let first = world.wait(1, 1);
    let order = world.order();
    assert_eq!(order.frame, frames[3], "the other was written again");
    world.0.answer(order.id, Answer::Refused).unwrap();
    assert_eq!(world.step(), Step::Nothing(first, activity(1), Cookie(1)));
    let second = world.wait(1, 1);
    assert_eq!(world.step(), Step::Nothing(second, activity(1), Cookie(1)), "not once more");
    world.0.ledger().unwrap();
}

/// An activity has no place for more pages, but one is on its way: whatever becomes of it, there
/// is a frame then, or a place.
#[test]
fn what_is_on_its_way_is_waited_for() {
    let world = World::new(4, "reclaim.fifo", &[(0, None, None)]);
    world.take(1, 4);
    world.wait(1, 1);
    let order = world.order();
    world.0.set_stuck(account(1), true);
    let second = world.wait(1, 1);
    assert_eq!(world.step(), Step::Idle, "not nothing");
    world.0.answer(order.id, Answer::Refused).unwrap();
    world.0.set_stuck(account(1), false);
    let next = world.order();
    world.0.answer(next.id, Answer::GivenBack).unwrap();
    assert!(matches!(world.step(), Step::Ready(..)));
    let last = world.order();
    assert_eq!(world.0.waiter_of(last.id), Ok(second));
    world.0.ledger().unwrap();
}

/// A search takes several steps, and has seen a frame on its way that has arrived meanwhile: it
/// does not wait for an order's end that does not come.
#[test]
fn who_has_seen_an_order_end_looks_again() {
    let world = World::new(600, "reclaim.fifo", &[(0, None, None)]);
    world.take(1, 1);
    let kept = Account { activity: activity(1), resource: ResourceId::nth(1) };
    for n in 1..600 {
        world.0.allocate(CORE, kept, Cookie(n)).unwrap();
    }
    world.wait(1, 1);
    let order = world.order();
    let second = world.wait(1, 1);
    assert_eq!(world.0.step(), Step::Again, "it has seen a part");
    world.0.answer(order.id, Answer::GivenBack).unwrap();
    assert!(matches!(world.step(), Step::Ready(..)));
    assert_eq!(world.step(), Step::Nothing(second, activity(1), Cookie(1)));
}

/// Two stand at their hard limits and share frames: an order for one is on its own bill, though
/// the other came first, and its end is something to the one who waits.
#[test]
fn each_that_has_something_to_do_is_reminded_once() {
    let world = World::new(16, "reclaim.over-budget", &[(0, None, Some(2)), (0, None, Some(2))]);
    for frame in world.take(1, 2) {
        world.0.join(frame, activity(2)).unwrap();
    }
    let waiters = [world.wait(1, 1), world.wait(2, 1)];
    let reminded = || [world.0.remind(), world.0.remind(), world.0.remind()];
    assert!(world.0.due().alone && !world.0.due().others);
    assert_eq!(reminded(), [Some(activity(1)), Some(activity(2)), None]);
    assert!(!world.0.due().alone, "they know");
    world.0.forget_reminders();
    assert!(world.0.due().alone, "or not");
    let step_of_second = || match world.0.step_alone(activity(2)) {
        Step::Again => None,
        step => Some(step),
    };
    let Some(Step::Order(order)) = (0..100).find_map(|_| step_of_second()) else { panic!() };
    assert_eq!(world.0.waiter_of(order.id), Ok(waiters[1]));
    assert_eq!((order.bill, order.place), (activity(2), activity(2)));
    assert_eq!(reminded(), [Some(activity(1)), None, None], "the second has what it wants");
    world.0.answer(order.id, Answer::GivenBack).unwrap();
    assert_eq!(reminded(), [Some(activity(2)), None, None], "it can go on");
}

/// Three have a frame, one of them too much: the order for it is on that one's bill, whoever came
/// first, and whoever waits.
#[test]
fn an_order_for_what_is_shared_is_on_the_bill_of_who_has_too_much() {
    let budgets = [(0, Some(8), None), (0, Some(1), None), (0, None, None), (0, Some(8), None)];
    let world = World::new(8, "reclaim.over-budget", &budgets);
    let frames = world.take(1, 2);
    frames.iter().for_each(|&frame| world.0.join(frame, activity(2)).unwrap());
    world.0.join(frames[0], activity(3)).unwrap();
    world.take(4, 3);
    world.wait(4, 1);
    let order = world.order();
    assert!(frames.contains(&order.frame), "the second's");
    assert_eq!((order.bill, order.place), (activity(2), activity(4)));
}

/// What comes with a touch and is never touched itself cannot leave: as much again is to be left
/// below the hard limit. What a soft limit has is asked back, and it is enough that it fits.
#[test]
fn two_mebibytes_come_where_there_is_room_for_twice_as_many() {
    let world = World::new(
        4_096,
        "reclaim.over-budget",
        &[(0, None, Some(1_024)), (0, None, Some(1_040)), (0, Some(512), None), (0, None, None)],
    );
    // A part of a hard limit is left to objects.
    let has = |number: u32| world.0.has_huge(activity(number));
    assert_eq!([1, 2, 3, 4].map(has), [false, true, true, true]);
    world.take(2, 1);
    world.take(3, 1);
    world.take(4, 1);
    assert_eq!([2, 3, 4].map(has), [false, false, true]);
}
