extern crate std;

use super::*;
use crate::post::Post;
use vortex_queues::Parcel;

fn parcel(value: u32) -> Sealed<u32> {
    let home = alloc::sync::Arc::new(Post::new(CoreId::new(0)));
    let mut envelope = Envelope::new(home);
    envelope.body = Some(value);
    Parcel::try_new(envelope).ok().expect("memory")
}

fn triggers() -> Triggers<u32> {
    Triggers::new(CoreId::new(1))
}

#[test]
fn those_who_wait_are_woken_in_order_and_the_reply_lasts_until_they_have_run() {
    let mut triggers = triggers();
    let trigger = triggers.arm().expect("memory");
    (0..3).for_each(|n| triggers.wait(trigger, parcel(n)).ok().expect("armed"));
    assert_eq!(triggers.pending(), 3);
    let woken = triggers.fire(trigger, Ok(Some(9)));
    assert_eq!(woken.iter().map(|e| e.body).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    assert!(woken.iter().all(|e| e.answered == Some(trigger)));
    assert_eq!(triggers.pending(), 0);
    assert_eq!(triggers.take_reply(trigger), Ok(Some(9)));
    assert_eq!(triggers.take_reply(trigger), Ok(None), "there is one");
    (0..3).for_each(|_| triggers.ran(trigger));
    let next = triggers.arm().expect("memory");
    assert_eq!(next.place, trigger.place, "the place is used again");
    assert_ne!(next, trigger, "under another generation");
}

#[test]
fn a_reply_that_comes_before_the_wait_is_kept_for_it() {
    let mut triggers = triggers();
    let trigger = triggers.arm().expect("memory");
    assert!(triggers.fire(trigger, Ok(Some(9))).is_empty());
    let back = triggers.wait(trigger, parcel(1)).expect_err("need not wait");
    assert_eq!(back.answered, Some(trigger));
    assert_eq!(triggers.take_reply(trigger), Ok(Some(9)));
    triggers.ran(trigger);
    assert!(triggers.wait(trigger, parcel(1)).expect_err("gone").answered.is_none());
}

#[test]
fn what_nobody_ever_waits_for_is_given_up_and_bounded() {
    let mut triggers = triggers();
    let first = triggers.arm().expect("memory");
    triggers.fire(first, Ok(Some(0)));
    for _ in 0..2 * UNCLAIMED {
        let trigger = triggers.arm().expect("memory");
        triggers.fire(trigger, Ok(Some(1)));
    }
    assert!(triggers.places <= UNCLAIMED + 1);
    assert_eq!(triggers.take_reply(first), Ok(None));
    let armed = triggers.arm().expect("memory");
    triggers.disarm(armed);
    assert!(triggers.wait(armed, parcel(1)).is_err());
}

#[test]
fn a_trigger_of_another_core_names_nothing_here() {
    let mut here = triggers();
    let mut there: Triggers<u32> = Triggers::new(CoreId::new(2));
    let (own, other) = (here.arm().expect("memory"), there.arm().expect("memory"));
    assert_eq!(own.place, other.place);
    assert!(here.wait(other, parcel(1)).is_err());
    assert!(here.fire(other, Ok(None)).is_empty());
    assert!(here.wait(own, parcel(1)).is_ok());
}
