//! What a core records of its runs: what caused what, where threads were, and what is lost.

use vortex_grid::{Cause, Event, How, Labels, Recorder};
use vortex_units::{ActivityId, CoreId, Cycles, InstanceId};

use super::support::{Act, First, World};

/// A world with a probe on each of two cores, both of which record.
fn world(events: usize) -> World {
    let mut world = World::new(2, 8);
    for core in [0, 1] {
        world.probe(&[core], First::anywhere());
    }
    for core in &mut world.cores {
        core.record(Box::new(Recorder::new(events, Cycles::MAX).unwrap()));
    }
    world
}

fn events(world: &mut World, core: usize) -> Vec<Event> {
    world.cores[core].recorded().unwrap().events(0).copied().collect()
}

fn caused(core: u16, by: &Event) -> Option<Cause> {
    Some(Cause { core: CoreId::new(core), run: by.run })
}

#[test]
fn who_asks_causes_the_answer_and_who_answers_what_goes_on() {
    let mut world = world(1000);
    let who = world.activity(100);
    let (here, there) = (world.ports[0], world.ports[1]);
    let acts = vec![Act::Ask(there, Labels::NONE, vec![Act::Again]), Act::Again];
    world.root(0, who, here, Labels::NONE, acts).unwrap();
    world.settle();
    let (own, other) = (events(&mut world, 0), events(&mut world, 1));
    let all = [&own[..], &other[..]].concat();
    assert!(all.iter().all(|event| event.activity == who));
    assert!(own.iter().all(|event| event.instance == here.instance()));
    assert!(other.iter().all(|event| event.instance == there.instance()));
    let hows = |events: &[Event]| events.iter().map(|event| event.how).collect::<Vec<_>>();
    assert_eq!(hows(&own), [How::Began, How::Resumed, How::WentOn]);
    assert_eq!(hows(&other), [How::Began, How::WentOn]);
    assert_eq!(own[0].cause, None, "it came from outside");
    assert_eq!(other[0].cause, caused(0, &own[0]));
    assert_eq!(other[1].cause, caused(1, &other[0]));
    assert_eq!(own[1].cause, caused(1, &other[1]));
    assert_eq!(own[2].cause, caused(0, &own[1]));
    // An interval begins with the reading before it, and may so begin before its cause ends.
    assert!(other[0].ended > own[0].ended && own[1].ended > other[1].ended);
}

#[test]
fn what_comes_later_or_from_who_keeps_it_has_a_cause() {
    let mut world = world(1000);
    let who = world.activity(100);
    let here = world.ports[0];
    let acts = vec![Act::Later(5_000, here, vec![Act::Keep])];
    world.root(0, who, here, Labels::NONE, acts).unwrap();
    world.settle();
    world.root(0, who, here, Labels::NONE, vec![Act::Wake]).unwrap();
    world.settle();
    let all = events(&mut world, 0);
    let begun: Vec<_> = all.iter().filter(|event| event.how == How::Began).collect();
    let [first, kept, waker] = begun[..] else { panic!("{all:?}") };
    assert_eq!((first.cause, waker.cause), (None, None));
    assert_eq!(kept.cause, caused(0, first));
    let woken = all.iter().find(|event| event.how == How::WentOn).unwrap();
    assert_eq!(woken.cause, caused(0, waker));
}

#[test]
fn user_mode_is_apart_from_the_run_that_ends_it() {
    let mut world = world(1000);
    let who = world.activity(100);
    let here = world.ports[0];
    for interrupted in [false, true] {
        world.root(0, who, here, Labels::NONE, vec![Act::Enter]).unwrap();
        while !world.entered[0] {
            world.step(0);
        }
        let left = world.cores[0].ledger().last() + Cycles::new(500);
        world.clock.0.store(left.get() + 70, std::sync::atomic::Ordering::Relaxed);
        if interrupted {
            world.cores[0].interrupted(left);
        }
        world.entered[0] = false;
        let _ = world.cores[0].leave(left);
        world.settle();
    }
    let all = events(&mut world, 0);
    let user: Vec<_> = all.iter().filter(|event| event.how == How::User).collect();
    assert_eq!(user.len(), 2, "{all:?}");
    for stay in user {
        assert_eq!((stay.ended - stay.began, stay.activity), (Cycles::new(500), who));
        assert_eq!(stay.instance, here.instance());
    }
    let aside: Vec<_> = all.iter().filter(|event| event.how == How::Aside).collect();
    assert!(matches!(aside[..], [one] if one.activity == ActivityId::INFRASTRUCTURE
        && one.instance == InstanceId::OUTSIDE));
    let used: Cycles = all.iter().map(|event| event.ended - event.began).sum();
    let ledger = world.cores[0].ledger();
    assert_eq!(used, ledger.used(who) + ledger.used(ActivityId::INFRASTRUCTURE));
}

#[test]
fn what_was_billed_back_is_told_with_its_run() {
    let mut world = world(1000);
    let who = world.activity(100);
    let here = world.ports[0];
    let acts = vec![Act::Bill(who)];
    world.root(0, ActivityId::INFRASTRUCTURE, here, Labels::NONE, acts).unwrap();
    world.settle();
    let all = events(&mut world, 0);
    let billed = all.iter().find(|event| event.how == How::Billed).unwrap();
    let run = all.iter().find(|event| event.run == billed.run).unwrap();
    assert_eq!((run.how, run.activity), (How::Began, ActivityId::INFRASTRUCTURE));
    assert_eq!((billed.activity, billed.waited), (who, run.ended - run.began));
    assert_eq!(billed.waited, world.cores[0].ledger().used(who));
}

#[test]
fn a_full_recorder_counts_what_it_loses_and_has_no_holes() {
    let mut world = world(1);
    let who = world.activity(100);
    let here = world.ports[0];
    let acts = || vec![Act::Again, Act::Again, Act::Again];
    for _ in 0..400 {
        world.root(0, who, here, Labels::NONE, acts()).unwrap();
        world.settle();
    }
    let recorder = world.cores[0].recorded().unwrap();
    let kept: Vec<_> = recorder.events(0).copied().collect();
    assert_eq!((recorder.len(), kept.len(), recorder.lost()), (1024, 1024, 1600 - 1024));
    assert_eq!(recorder.ended(), kept[1023].ended);
    assert!(kept.windows(2).all(|two| two[1].run == two[0].run + 1));
    assert_eq!(recorder.events(1020).count(), 4);
    assert_eq!(recorder.events(5000).count(), 0);
    assert!(world.cores[0].recorded().is_none());
}

#[test]
fn nothing_begins_when_the_recording_is_over() {
    let mut world = world(1);
    let who = world.activity(100);
    let (core, here) = (&mut world.cores[0], world.ports[0]);
    let until = core.ledger().last() + Cycles::new(200);
    core.record(Box::new(Recorder::new(1, until).unwrap()));
    for _ in 0..20 {
        world.root(0, who, here, Labels::NONE, vec![]).unwrap();
        world.settle();
    }
    let recorder = world.cores[0].recorded().unwrap();
    assert!(!recorder.is_empty() && recorder.len() < 20 && recorder.lost() == 0);
    assert!(recorder.events(0).all(|event| event.began < until));
    assert!(recorder.ended() >= until);
}
