//! The concurrent parts under loom: every interleaving and every memory order that is
//! allowed, for two or three threads.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p vortex-grid --lib --release`.

extern crate std;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use vortex_queues::Parcel;
use vortex_units::{ActivityId, CoreId, Cycles, Share};

use crate::activity::{Activities, Denied};
use crate::entitlement::Entitlement;
use crate::instance::Gate;
use crate::life::Life;
use crate::post::{CoreState, Post};
use crate::request::{Envelope, Kind, Sealed};
use crate::triggers::Triggers;

fn post(core: u16) -> Arc<Post<u32>> {
    Arc::new(Post::new(CoreId::new(core)))
}

fn parcel(value: u32) -> Sealed<u32> {
    let home = std::sync::Arc::new(Post::new(CoreId::new(0)));
    let mut envelope = Envelope::new(home);
    envelope.body = Some(value);
    Parcel::try_new(envelope).ok().expect("memory")
}

/// Two senders and a core that goes to sleep: if something is in the inbox of a sleeping
/// core, it has been poked.
#[test]
fn no_wake_up_is_lost() {
    // Three threads: as many as two preemptions explore; one sender has no such bound.
    for senders in 1..=2u32 {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = (senders > 1).then_some(2);
        model.check(move || wake_up(senders));
    }
}

fn wake_up(count: u32) {
    {
        let post = post(0);
        let poked = Arc::new(AtomicU32::new(0));
        let senders: std::vec::Vec<_> = (0..count)
            .map(|value| {
                let (post, poked) = (post.clone(), poked.clone());
                thread::spawn(move || {
                    if post.deliver(parcel(value), Cycles::ZERO) {
                        poked.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let mut got = post.take_arrivals().len();
        let slept = post.rest(CoreState::Idle, Cycles::ZERO);
        for sender in senders {
            sender.join().expect("the sender ends");
        }
        if slept {
            let waiting = post.arrived();
            assert!(!waiting || poked.load(Ordering::SeqCst) > 0, "asleep with a full inbox");
            assert!(poked.load(Ordering::SeqCst) <= 1, "one poke is outstanding at most");
            post.wake();
        }
        got += post.take_arrivals().len();
        assert_eq!(got, count as usize, "nothing is lost");
    }
}

/// The same in user mode: a thread that has had its patience is poked; before that the core
/// limits its stay by itself if it saw the request, and else the sender did not poke only
/// because the core's own limit is the patience.
#[test]
fn a_thread_is_interrupted_or_limited() {
    loom::model(|| {
        let post = post(0);
        let poked = Arc::new(AtomicBool::new(false));
        let sender = {
            let (post, poked) = (post.clone(), poked.clone());
            thread::spawn(move || {
                if post.deliver(parcel(1), Cycles::new(500)) {
                    poked.store(true, Ordering::SeqCst);
                }
            })
        };
        let unlimited = post.rest(CoreState::User, Cycles::new(200));
        sender.join().expect("the sender ends");
        if unlimited {
            assert!(poked.load(Ordering::SeqCst), "nobody tells the thread's core");
        }
    });
}

/// A device becomes free between the check that found it full and the suspension.
#[test]
fn a_resumption_during_a_rejection_is_not_lost() {
    loom::model(|| {
        let post = post(0);
        let gate = Arc::new(Gate::default());
        let full = Arc::new(AtomicBool::new(true));
        let device = {
            let (post, gate, full) = (post.clone(), gate.clone(), full.clone());
            thread::spawn(move || {
                full.store(false, Ordering::Release);
                gate.advance();
                let _ = post.call_attention(Cycles::ZERO, ActivityId::INFRASTRUCTURE);
            })
        };
        // The core: reads the epoch, runs the handler, which finds the device full.
        let epoch = gate.epoch();
        let rejected = full.load(Ordering::Acquire);
        let suspended = rejected && gate.epoch() == epoch;
        let slept = post.rest(CoreState::Idle, Cycles::ZERO);
        device.join().expect("the device ends");
        if suspended {
            // Whether it slept or not, attention is called, and the epoch tells it.
            assert!(post.attention.load(Ordering::Acquire));
            assert_ne!(gate.epoch(), epoch, "suspended for ever");
        }
        let _ = slept;
    });
}

/// The grace period of a rebinding: once the old core has seen every other core pass a
/// dispatch boundary, nothing more arrives that was sent by the old binding.
#[test]
fn after_the_boundary_nothing_is_late() {
    loom::model(|| {
        let old = post(0);
        let sender = post(1);
        let table = Arc::new(AtomicU32::new(0));
        let sending = {
            let (old, sender, table) = (old.clone(), sender.clone(), table.clone());
            thread::spawn(move || {
                sender.enter_boundary();
                let late = table.load(Ordering::Acquire) == 0;
                if late {
                    let _ = old.deliver(parcel(1), Cycles::ZERO);
                }
                sender.leave_boundary();
                usize::from(late)
            })
        };
        table.store(1, Ordering::Release);
        let count = sender.boundary();
        let passed = sender.passed(count);
        let taken = old.take_arrivals().len();
        let sent = sending.join().expect("the sender ends");
        if passed {
            assert_eq!(taken, sent, "it arrived after the flush");
        }
    });
}

/// A page is taken away while a core goes to user mode: unless the core has seen that, it
/// is poked, by whoever came first, after it began to rest.
#[test]
fn a_core_that_has_not_seen_a_change_is_poked() {
    // As above: three threads with two preemptions, two without a bound.
    for changers in 1..=2u32 {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = (changers > 1).then_some(2);
        model.check(move || change(changers));
    }
}

fn change(count: u32) {
    let post = post(0);
    let changed = Arc::new(AtomicBool::new(false));
    let pokes = Arc::new(AtomicU32::new(0));
    let changers: std::vec::Vec<_> = (1..=count)
        .map(|changer| {
            let (post, changed, pokes) = (post.clone(), changed.clone(), pokes.clone());
            thread::spawn(move || {
                changed.store(true, Ordering::SeqCst);
                if post.claim_poke(ActivityId::new(changer, 0)) {
                    pokes.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let _ = post.rest(CoreState::User, Cycles::ZERO);
    let before = pokes.load(Ordering::SeqCst);
    let seen = changed.load(Ordering::SeqCst);
    for changer in changers {
        changer.join().expect("the changer ends");
    }
    let poked = pokes.load(Ordering::SeqCst);
    assert!(seen || poked > before, "in user mode with what was taken away");
    assert!(post.take_poker().is_some(), "nobody pays for a poke");
    assert!(poked <= 2 && post.take_poker().is_none());
}

/// A core that makes its part of an instance against whoever removes that: a part that the
/// remover does not see is not made, and one that is made is told of.
#[test]
fn no_part_of_a_removed_instance_stays() {
    loom::model(|| {
        let life = Arc::new(Life::new(1));
        let core = {
            let life = life.clone();
            thread::spawn(move || life.enter(0))
        };
        let told = life.close().expect("closed once");
        assert!(life.close().is_none(), "closed twice");
        let made = core.join().expect("the core ends");
        assert!(!made || told == [0], "a part is left that nobody is told of");
        assert!(!life.enter(0), "made after the end");
    });
}

/// A reply from another core against the core that waits for it.
#[test]
fn a_trigger_fires_for_whoever_waits() {
    loom::model(|| {
        let asker = post(0);
        let server = post(1);
        let poked = Arc::new(AtomicBool::new(false));
        let mut triggers: Triggers<u32> = Triggers::new(CoreId::new(0));
        let trigger = triggers.arm().expect("memory");
        let mut question = parcel(7);
        question.trigger = Some(trigger);
        triggers.wait(trigger, parcel(0)).ok().expect("armed");
        let _ = server.deliver(question, Cycles::ZERO);
        let serving = {
            let (asker, server, poked) = (asker.clone(), server.clone(), poked.clone());
            thread::spawn(move || {
                while let Some(mut parcel) = server.take_arrivals().pop_front() {
                    parcel.kind = Kind::Reply;
                    if asker.deliver(parcel, Cycles::ZERO) {
                        poked.store(true, Ordering::SeqCst);
                    }
                }
            })
        };
        let slept = asker.rest(CoreState::Idle, Cycles::ZERO);
        serving.join().expect("the server ends");
        assert!(!slept || poked.load(Ordering::SeqCst), "asleep with a reply");
        let mut reply = asker.take_arrivals().pop_front().expect("a reply");
        let fired = reply.trigger.expect("it carries the trigger");
        let woken = triggers.fire(fired, Ok(reply.body.take()));
        assert_eq!(woken.len(), 1);
        assert_eq!(triggers.take_reply(fired), Ok(Some(7)));
    });
}

/// A root against the death of its activity: the activity ends exactly once, and never
/// while a root that was let in has its node.
#[test]
fn an_activity_dies_once() {
    loom::model(|| {
        let table = Activities::new(2, 1, Entitlement::new(Share::ONE));
        let table = Arc::new(table);
        let activity = table.create(Entitlement::new(Share::ONE)).expect("room");
        let ended = Arc::new(AtomicU32::new(0));
        let root = {
            let (table, ended) = (table.clone(), ended.clone());
            thread::spawn(move || {
                let taken = match table.charge_root(activity) {
                    Ok(()) => {
                        assert_eq!(ended.load(Ordering::SeqCst), 0, "let in after its end");
                        true
                    }
                    Err(Denied::Taken(_)) => true,
                    Err(Denied::Untouched(_)) => false,
                };
                if taken && table.discharge(activity) && table.reap(activity) {
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        assert!(table.kill(activity));
        if table.nodes(activity) == 0 && table.reap(activity) {
            ended.fetch_add(1, Ordering::SeqCst);
        }
        root.join().expect("the root ends");
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    });
}
