//! Cores at once: threads allocate, give back and share without a common lock; at the end
//! everything is there.
#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

use std::sync::Mutex;
use std::thread;

use vortex_memory::policy::POLICIES;
use vortex_memory::{
    Account, Budget, Cookie, FrameId, Multiplexor, ObjectKind, ResourceId, Spec, Why,
};
use vortex_units::{ActivityId, Bytes, CoreId, Frames};

const CORES: u16 = 4;
const ROUNDS: u32 = 20_000;
const KIND: ObjectKind = ObjectKind::Open;

fn multiplexor(frames: u32) -> Multiplexor {
    Multiplexor::new(&Spec {
        ranges: &[(0, frames)],
        reserve: Frames::new(8),
        kernel: Frames::ZERO,
        activities: 5,
        cores: CORES,
        reclaimable: 1,
        policy: POLICIES[0],
        links: 64,
    })
    .unwrap()
}

fn activity(core: u16) -> ActivityId {
    ActivityId::new(u32::from(core) + 1, 0)
}

/// Less memory than all want: some are rejected all the time, none within its minimum.
#[test]
fn frames_are_given_to_one_at_a_time_and_all_come_back() {
    let memory = multiplexor(600);
    for core in 0..CORES {
        let (minimum, hard) = (Frames::new(50), Some(Frames::new(250)));
        let budget = Budget { minimum, hard, ..Budget::default() };
        memory.open(activity(core), budget).unwrap();
    }
    let held: Vec<Mutex<bool>> = (0..600).map(|_| Mutex::new(false)).collect();
    let take = |frame: FrameId| {
        let before = std::mem::replace(&mut *held[frame.get() as usize].lock().unwrap(), true);
        assert!(!before, "{frame:?} was given to two");
    };
    thread::scope(|scope| {
        for core in 0..CORES {
            let (memory, held, take) = (&memory, &held, &take);
            scope.spawn(move || {
                let (who, at) = (activity(core), CoreId::new(core));
                let resource = ResourceId::new(0).unwrap();
                let account = Account { activity: who, resource };
                let mut mine: Vec<FrameId> = Vec::new();
                let mut state = u64::from(core) + 1;
                for round in 0..ROUNDS {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let want = state >> 33 & 0xff;
                    if (mine.len() as u64) < want {
                        match memory.allocate(at, account, Cookie(u64::from(round))) {
                            Ok(frame) => {
                                take(frame);
                                mine.push(frame);
                            }
                            Err(rejected) => {
                                assert!(mine.len() >= 50, "{rejected} within the minimum");
                                assert!(matches!(rejected.why, Why::Low | Why::Hard));
                            }
                        }
                    } else if let Some(frame) = mine.pop() {
                        *held[frame.get() as usize].lock().unwrap() = false;
                        memory.leave(at, frame, who).unwrap();
                    }
                }
                for frame in mine {
                    *held[frame.get() as usize].lock().unwrap() = false;
                    memory.leave(at, frame, who).unwrap();
                }
            });
        }
    });
    let ledger = memory.ledger().unwrap();
    assert_eq!(ledger.free, ledger.total);
    for core in 0..CORES {
        memory.close(activity(core));
        assert!(memory.retire(activity(core)));
    }
}

/// Several cores hold and leave the same frames, and pin them.
#[test]
fn sharers_come_and_go_on_all_cores() {
    let memory = multiplexor(100);
    let resource = ResourceId::new(0).unwrap();
    let owner = Account { activity: ActivityId::INFRASTRUCTURE, resource };
    for core in 0..CORES {
        memory.open(activity(core), Budget::default()).unwrap();
    }
    let frames: Vec<FrameId> =
        (0..8).map(|n| memory.allocate(CoreId::new(0), owner, Cookie(n)).unwrap()).collect();
    thread::scope(|scope| {
        for core in 0..CORES {
            let (memory, frames) = (&memory, &frames);
            scope.spawn(move || {
                for round in 0..ROUNDS as usize {
                    let frame = frames[(round * 7 + usize::from(core)) % frames.len()];
                    memory.join(frame, activity(core)).unwrap();
                    assert!(memory.pin(frame));
                    memory.unpin(frame);
                    memory.leave(CoreId::new(core), frame, activity(core)).unwrap();
                }
            });
        }
    });
    for frame in frames {
        memory.leave(CoreId::new(0), frame, ActivityId::INFRASTRUCTURE).unwrap();
    }
    let ledger = memory.ledger().unwrap();
    assert_eq!(ledger.free, ledger.total);
}

/// The kernel's heap takes memory side by side, out of what is set aside for it.
#[test]
fn ranges_for_the_kernel_are_whole_and_on_its_bill() {
    let memory = multiplexor(600);
    let resource = ResourceId::new(1).unwrap();
    let account = Account { activity: ActivityId::INFRASTRUCTURE, resource };
    let first = memory.take_range(account, Frames::new(200)).unwrap();
    assert!(first.get() + 200 <= 600);
    assert_eq!(memory.used(account), Ok(Frames::new(200)));
    assert_eq!(memory.counters(), (Frames::new(600), Frames::new(400)));
    assert!(memory.leave(CoreId::new(0), first, ActivityId::INFRASTRUCTURE).is_err(), "for good");
    let too_many = memory.take_range(account, Frames::new(400)).map_err(|error| error.why);
    assert_eq!(too_many, Err(Why::Low), "the reserve is not touched");
    memory.ledger().unwrap();
}

/// Who had a minimum refused is told by how much.
#[test]
fn minimums_and_reserve_fit_into_memory_or_are_refused() {
    let memory = multiplexor(100);
    let budget = |frames| Budget { minimum: Frames::new(frames), ..Budget::default() };
    memory.open(activity(0), budget(60)).unwrap();
    let error = memory.open(activity(1), budget(33)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a minimum of 33 frames does not fit: minimums and reserve leave 32 frames of memory"
    );
    memory.open(activity(1), budget(32)).unwrap();
    assert_eq!(
        memory
            .allocate(
                CoreId::new(0),
                Account { activity: activity(2), resource: ResourceId::new(0).unwrap() },
                Cookie(0)
            )
            .map_err(|error| error.why),
        Err(Why::Closed)
    );
}

/// Frames whose handles the machine counts: each sharer is charged once, and all are
/// refunded when the last handle is gone.
#[test]
fn counted_frames_are_shared_and_left_as_a_whole() {
    let memory = multiplexor(100);
    let resource = ResourceId::new(0).unwrap();
    let hard = |frames| Budget { hard: Some(Frames::new(frames)), ..Budget::default() };
    memory.open(activity(0), hard(10)).unwrap();
    memory.open(activity(1), hard(1)).unwrap();
    let account = Account { activity: activity(0), resource };
    let frames: Vec<FrameId> =
        (0..2).map(|n| memory.allocate(CoreId::new(0), account, Cookie(n)).unwrap()).collect();
    for _ in 0..2 {
        memory.share_counted(frames[0], activity(0), None).unwrap();
        memory.share_counted(frames[0], activity(1), None).unwrap();
    }
    let refused = memory.share_counted(frames[1], activity(1), None).map_err(|error| error.why);
    assert_eq!(refused, Err(Why::Hard), "a sharer has a budget too");
    let charged = |core| memory.standing(activity(core)).unwrap().charged.get();
    assert_eq!((charged(0), charged(1)), (2, 1));
    let ledger = memory.ledger().unwrap();
    let bill = |core| ledger.bills[activity(core).index()].1.get();
    assert_eq!((bill(0), bill(1)), (4096 + 2048, 2048), "in the ledger its cost is split");
    for frame in frames {
        memory.leave_counted(CoreId::new(0), frame).unwrap();
        assert!(memory.leave_counted(CoreId::new(0), frame).is_err(), "twice");
    }
    assert_eq!((charged(0), charged(1)), (0, 0));
    let ledger = memory.ledger().unwrap();
    assert_eq!(ledger.free, ledger.total);
}

/// Kernel objects: whoever fills a table pays, and has a limit.
#[test]
fn kernel_objects_have_a_limit_of_their_own() {
    let memory = multiplexor(100);
    let budget = Budget { objects: Some(Bytes::new(160)), ..Budget::default() };
    memory.open(activity(0), budget).unwrap();
    memory.open(activity(1), Budget::default()).unwrap();
    for _ in 0..5 {
        memory.charge_object(activity(0), KIND, Bytes::new(32)).unwrap();
    }
    let more = memory.charge_object(activity(0), KIND, Bytes::new(1)).map_err(|error| error.why);
    assert_eq!(more, Err(Why::Objects), "five of 32 bytes are 160");
    memory.charge_object(activity(1), KIND, Bytes::new(1 << 20)).unwrap();
    memory.close(activity(0));
    assert!(!memory.retire(activity(0)), "objects are left");
    for _ in 0..5 {
        memory.refund_object(activity(0), KIND, Bytes::new(32));
    }
    assert!(memory.retire(activity(0)));
}

/// Objects count against the hard limit beside frames, which leave them a little room.
#[test]
fn objects_and_frames_share_the_hard_limit() {
    let memory = multiplexor(400);
    let budget = Budget { hard: Some(Frames::new(128)), ..Budget::default() };
    memory.open(activity(0), budget).unwrap();
    let account = Account { activity: activity(0), resource: ResourceId::new(0).unwrap() };
    let page = || memory.allocate(CoreId::new(0), account, Cookie(0));
    let frames: Vec<FrameId> = (0..126).map(|_| page().unwrap()).collect();
    assert_eq!(page().map_err(|error| error.why), Err(Why::Hard), "two are the objects'");
    let object = |bytes| memory.charge_object(activity(0), KIND, Bytes::new(bytes));
    assert_eq!(object(4096).unwrap().get(), 1);
    assert_eq!(object(4000).unwrap().get(), 1);
    assert_eq!(object(96).unwrap().get(), 0, "in the frame that is begun");
    assert_eq!(object(16).map_err(|error| error.why), Err(Why::Hard));
    let standing = memory.standing(activity(0)).unwrap();
    assert_eq!((standing.charged.get(), standing.filled().get()), (126, 128));
    for frame in &frames[..3] {
        memory.leave(CoreId::new(0), *frame, activity(0)).unwrap();
    }
    page().unwrap();
    assert_eq!(page().map_err(|error| error.why), Err(Why::Hard), "what leaves is theirs again");
    assert_eq!(memory.objects_of(activity(0), KIND).unwrap().get(), 8192);
    memory.ledger().unwrap();
}

/// Who is refused because of its own pages is told so, and who waits for memory makes room.
#[test]
fn objects_that_pages_keep_out_are_counted() {
    let memory = multiplexor(400);
    let budget = Budget { hard: Some(Frames::new(128)), ..Budget::default() };
    memory.open(activity(0), budget).unwrap();
    let account = Account { activity: activity(0), resource: ResourceId::new(0).unwrap() };
    let page = || memory.allocate(CoreId::new(0), account, Cookie(0));
    let object = |pages| memory.charge_object(activity(0), KIND, Bytes::new(4096_u64 * pages));
    let frames: Vec<FrameId> = (0..100).map(|_| page().unwrap()).collect();
    assert!(object(29).is_err());
    assert_eq!(memory.crowded(activity(0)), 1, "28 are left");
    object(28).unwrap();
    assert_eq!(memory.crowded(activity(0)), 1);
    for frame in frames {
        memory.leave(CoreId::new(0), frame, activity(0)).unwrap();
    }
    object(36).unwrap();
    assert!(object(1).is_err());
    assert_eq!(memory.crowded(activity(0)), 1, "half of the limit is pages' alone");
    assert_eq!(memory.crowded(activity(1)), 0);
}

/// What pages take that leave is there however full the limit is, up to what is left to pages.
#[test]
fn what_leaves_takes_no_more_than_objects_may() {
    let memory = multiplexor(4000);
    let budget = Budget { hard: Some(Frames::new(512)), ..Budget::default() };
    memory.open(activity(0), budget).unwrap();
    let account = Account { activity: activity(0), resource: ResourceId::new(0).unwrap() };
    let page = || memory.allocate(CoreId::new(0), account, Cookie(0));
    let mut frames: Vec<FrameId> = (0..).map_while(|_| page().ok()).collect();
    assert_eq!(frames.len(), 504);
    let (place, entry) = (Bytes::new(88), Bytes::new(40));
    let mut places = 0_u64;
    while memory.charge_leaving(activity(0), KIND, place).is_ok() {
        memory.force_object(activity(0), KIND, entry);
        places += 1;
        let standing = memory.standing(activity(0)).unwrap();
        assert!(standing.filled().get() <= 512 && standing.objects.get() <= 449, "{standing:?}");
        if standing.filled().get() > 504 {
            memory.leave(CoreId::new(0), frames.pop().unwrap(), activity(0)).unwrap();
        }
    }
    assert!((14_300..=14_336).contains(&places), "{places}: a frame is begun, and not filled");
    (0..places).for_each(|_| {
        memory.refund_object(activity(0), KIND, place);
        memory.refund_object(activity(0), KIND, entry);
    });
    assert_eq!(memory.standing(activity(0)).unwrap().objects.get(), 0);
}

/// Objects leave pages room enough for a program to go on, whoever comes first.
#[test]
fn objects_leave_an_eighth_of_the_hard_limit_to_pages() {
    let memory = multiplexor(4000);
    for (place, hard, objects) in [(0, 2048, 1792), (1, 256, 192), (2, 100, 50), (3, 1, 1)] {
        let budget = Budget { hard: Some(Frames::new(hard)), ..Budget::default() };
        memory.open(activity(place), budget).unwrap();
        let page = || memory.charge_object(activity(place), KIND, Bytes::new(4096));
        assert_eq!((0..hard).map_while(|_| page().ok()).count(), objects, "of {hard}");
        assert_eq!(page().map_err(|error| error.why), Err(Why::Hard));
        memory.force_object(activity(place), KIND, Bytes::new(4096));
        assert_eq!(memory.standing(activity(place)).unwrap().objects.get(), objects as u64 + 1);
    }
}

/// On several cores at once no charge of bytes is lost, and no frame of them.
#[test]
fn objects_of_several_cores_come_out_even() {
    let memory = multiplexor(100);
    let budget = Budget { hard: Some(Frames::new(20)), ..Budget::default() };
    memory.open(activity(0), budget).unwrap();
    thread::scope(|scope| {
        for core in 0..CORES {
            let memory = &memory;
            scope.spawn(move || {
                let mut mine = Vec::new();
                let mut state = u64::from(core) + 1;
                for round in 0..ROUNDS {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let bytes = Bytes::new(state >> 33 & 0x1fff);
                    if round % 64 == 0 {
                        memory.force_object(activity(0), KIND, bytes);
                        mine.push(bytes);
                    } else if state >> 50 & 1 == 0 {
                        if memory.charge_object(activity(0), KIND, bytes).is_ok() {
                            mine.push(bytes);
                        }
                    } else if let Some(bytes) = mine.pop() {
                        memory.refund_object(activity(0), KIND, bytes);
                    }
                }
                for bytes in mine {
                    memory.refund_object(activity(0), KIND, bytes);
                }
            });
        }
    });
    let standing = memory.standing(activity(0)).unwrap();
    assert_eq!((standing.objects.get(), memory.all_objects().get()), (0, 0));
}
