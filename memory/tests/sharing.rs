//! Frames whose handles the machine counts, and that several activities have: who may have one
//! more, and what pays for it.
#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

use vortex_memory::policy::named;
use vortex_memory::{
    Account, Answer, Budget, Cookie, FrameId, Multiplexor, Order, ResourceId, Spec, Step, WaiterId,
    Why,
};
use vortex_units::{ActivityId, CoreId, Frames};

const CORE: CoreId = CoreId::new(0);

fn activity(number: u32) -> ActivityId {
    ActivityId::new(number, 0)
}

fn account(number: u32) -> Account {
    Account { activity: activity(number), resource: ResourceId::nth(0) }
}

/// Eight frames, nobody's, under this policy.
fn eight(policy: &str) -> Multiplexor {
    Multiplexor::new(&Spec {
        ranges: &[(0, 8)],
        reserve: Frames::ZERO,
        kernel: Frames::ZERO,
        activities: 4,
        cores: 1,
        reclaimable: 1,
        policy: named(policy).unwrap(),
        links: 8,
    })
    .unwrap()
}

/// Eight frames, all of the first activity, which may be asked for some.
fn full() -> (Multiplexor, Vec<FrameId>) {
    let memory = eight("reclaim.over-budget");
    let soft = Budget { soft: Some(Frames::new(2)), ..Budget::default() };
    memory.open(activity(1), soft).unwrap();
    memory.open(activity(2), Budget::default()).unwrap();
    let take = |n| memory.allocate(CORE, account(1), Cookie(n)).unwrap();
    let frames = (0..8).map(take).collect();
    (memory, frames)
}

fn order(memory: &Multiplexor) -> Order {
    let step = (0..100).map(|_| memory.step()).find(|step| *step != Step::Again).unwrap();
    let Step::Order(order) = step else { panic!("no order: {step:?}") };
    order
}

/// The second activity waits for so many frames, and has them.
fn served(memory: &Multiplexor, wanted: usize) -> WaiterId {
    let waiter = memory.wait(account(2), Cookie(0), wanted).unwrap();
    for _ in 0..wanted {
        memory.answer(order(memory).id, Answer::GivenBack).unwrap();
    }
    let ready = (0..100).map(|_| memory.step()).find(|step| *step != Step::Again);
    assert!(matches!(ready, Some(Step::Ready(who, ..)) if who == waiter));
    waiter
}

#[test]
fn who_has_waited_may_have_what_another_has() {
    let (memory, frames) = full();
    let waiter = served(&memory, 2);
    let held = frames.iter().find(|&&frame| memory.holder(frame).unwrap().0 == account(1));
    let held = *held.unwrap();
    let without = memory.share_counted(held, activity(2), None);
    assert_eq!(without.map_err(|error| error.why), Err(Why::Low), "nothing is free");
    let others = memory.share_counted(held, activity(2), Some(WaiterId::new(waiter.get() + 1)));
    assert_eq!(others.map_err(|error| error.why), Err(Why::Low), "not with another's");
    memory.share_counted(held, activity(2), Some(waiter)).unwrap();
    memory.share_counted(held, activity(2), Some(waiter)).unwrap();
    memory.ledger().unwrap();
    let charged = || memory.standing(activity(2)).unwrap().charged;
    assert_eq!(charged(), Frames::new(2), "one has it for the other, which is free");
    assert!(memory.allocate_earmarked(waiter, Cookie(1)).is_some(), "one is left");
    assert!(memory.allocate_earmarked(waiter, Cookie(1)).is_none());
    memory.give_up(waiter);
    let mut sharers = Vec::new();
    memory.sharers(held, |who, _| sharers.push(who));
    assert_eq!(sharers, [activity(1), activity(2)]);
    memory.leave_counted(CORE, held).unwrap();
    assert_eq!(charged(), Frames::new(1));
    memory.ledger().unwrap();
}

#[test]
fn who_gets_a_frame_that_is_on_its_way_back_is_charged_for_it() {
    let (memory, _) = full();
    let waiter = memory.wait(account(2), Cookie(0), 1).unwrap();
    let first = order(&memory);
    memory.answer(first.id, Answer::GivenBack).unwrap();
    assert!(matches!(memory.step(), Step::Ready(..)));
    memory.wait(account(2), Cookie(0), 1).unwrap();
    let on_its_way = order(&memory);
    memory.share_counted(on_its_way.frame, activity(2), Some(waiter)).unwrap();
    assert_eq!(memory.standing(activity(2)).unwrap().charged, Frames::new(1));
    // Its new holder keeps it.
    memory.answer(on_its_way.id, Answer::Refused).unwrap();
    memory.ledger().unwrap();
    memory.give_up(waiter);
    let next = order(&memory);
    assert_ne!(next.frame, on_its_way.frame);
    memory.answer(next.id, Answer::GivenBack).unwrap();
    memory.ledger().unwrap();
}

#[test]
fn what_several_have_is_asked_for_after_what_one_has() {
    let (memory, frames) = full();
    // All but the last are the second's too, which has room for none: they are lent from what
    // it has waited for.
    let waiter = served(&memory, 2);
    let own: Vec<_> = frames
        .iter()
        .copied()
        .filter(|&frame| memory.holder(frame).unwrap().0 == account(1))
        .collect();
    for &frame in own.iter().take(2) {
        memory.share_counted(frame, activity(2), Some(waiter)).unwrap();
    }
    memory.give_up(waiter);
    let waits = memory.wait(account(1), Cookie(0), 6);
    assert!(waits.is_ok());
    let first = order(&memory);
    assert!(!own[..2].contains(&first.frame), "one that nobody else has");
}

/// Two activities with a frame in common, the first at a hard limit of three, and two frames of its
/// own; of eight frames `more` are the infrastructure's.
fn at_its_limit(more: u64) -> (Multiplexor, FrameId) {
    let memory = eight("reclaim.lru");
    let hard = Budget { hard: Some(Frames::new(3)), ..Budget::default() };
    memory.open(activity(1), hard).unwrap();
    memory.open(activity(2), Budget::default()).unwrap();
    let take = |number, n| memory.allocate(CORE, account(number), Cookie(n)).unwrap();
    let shared = take(1, 7);
    // Its own cannot be taken.
    for n in 0..2 {
        let own = Account { resource: ResourceId::nth(1), ..account(1) };
        memory.allocate(CORE, own, Cookie(n)).unwrap();
    }
    for n in 0..more {
        take(0, n);
    }
    (memory, shared)
}

#[test]
fn who_is_at_its_limit_leaves_to_others_what_they_have_too() {
    for more in [0, 4] {
        let (memory, shared) = at_its_limit(more);
        memory.share_counted(shared, activity(2), None).unwrap();
        let waiter = memory.wait(account(1), Cookie(9), 1).unwrap();
        let order = order(&memory);
        assert_eq!((order.frame, order.bill), (shared, activity(1)));
        assert_eq!(memory.leave_to_others(order.id, activity(1)), Ok(true));
        // With all memory in use, too: what both were charged was one frame.
        assert!(matches!(memory.step(), Step::Ready(who, ..) if who == waiter), "{more}");
        assert_ne!(memory.allocate_earmarked(waiter, Cookie(1)), Some(shared));
        memory.give_up(waiter);
        let charged = |number| memory.standing(activity(number)).unwrap().charged.get();
        assert_eq!((charged(1), charged(2)), (3, 1));
        assert_eq!(memory.used(account(1)), Ok(Frames::new(1)), "the one that it got");
        assert_eq!(memory.holder(shared), Some((account(2), Cookie(7))));
        assert_eq!((memory.orders().left, memory.orders().given), (1, 0));
        memory.ledger().unwrap();
        // Who has it alone gives it back.
        memory.leave_counted(CORE, shared).unwrap();
        assert_eq!(charged(2), 0);
        memory.ledger().unwrap();
    }
}

#[test]
fn what_nobody_else_pays_for_is_not_left() {
    let (memory, shared) = at_its_limit(1);
    memory.wait(account(1), Cookie(9), 1).unwrap();
    let alone = order(&memory);
    assert_eq!(memory.leave_to_others(alone.id, activity(1)), Ok(false));
    // Nor is it where others are the infrastructure, or somebody who does not have it is asked.
    memory.share_counted(shared, ActivityId::INFRASTRUCTURE, None).unwrap();
    assert_eq!(memory.leave_to_others(alone.id, activity(1)), Ok(false));
    assert_eq!(memory.leave_to_others(alone.id, activity(2)), Ok(false));
    memory.answer(alone.id, Answer::GivenBack).unwrap();
    assert!(memory.leave_to_others(alone.id, activity(1)).is_err());
    memory.ledger().unwrap();
}
