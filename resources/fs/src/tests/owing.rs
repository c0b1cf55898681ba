//! Who changes much that is not written yet waits, and nobody else.

use std::format;
use std::vec::Vec;

use vortex_abi::Errno;
use vortex_units::ActivityId;

use super::disk::SECTOR;
use super::ext2::{Image, Served};
use super::programs::{Do, Got};
use crate::{Answer, New, Operation};

/// What one with this many pages may have unwritten: an eighth.
const PAGES: u64 = 512;
const MOST: u64 = 512 * 4096 / 8;

/// The newest 64 blocks stay in any case, and it is told when it has changed more than it may.
fn most_of(block: u32) -> u64 {
    MOST + 64 * u64::from(block) + 64 * 1024
}

fn create(served: &Served, number: usize) -> Do {
    let name = format!("file{number}").into_bytes().into();
    let new = Operation::Create { folder: 2, name, new: New::File, permissions: 0o644 };
    Do::Ext2(served.mount, new)
}

/// Makes files, of which the disk writes nothing, until it is told to wait.
fn until_it_owes(served: &mut Served, who: ActivityId) {
    served.world.disk.lock().unwrap().stalls = true;
    for number in 0..4_000 {
        let create = create(served, number);
        assert!(served.world.run(who, create).is_ok(), "{number}");
        if served.world.wiring.owing.owes(served.mount, who) {
            return;
        }
    }
    panic!("it may change as much as it likes");
}

fn ease(served: &mut Served, who: ActivityId) -> usize {
    served.world.ask(who, Do::Ext2(served.mount, Operation::Ease))
}

#[test]
fn what_is_unwritten_is_bounded_by_what_its_activity_may_have() {
    for block in [1024, 4096] {
        let image = Image::new();
        let mut served = Served::new(image.make(16_384, block), 1);
        let who = served.who[0];
        served.world.pool.limit(who, PAGES);
        let mut most = 0;
        for number in 0..3_000 {
            let create = create(&served, number);
            assert!(served.world.run(who, create).is_ok(), "{number}");
            most = most.max(served.world.pool.metadata(who));
            if served.world.wiring.owing.owes(served.mount, who) {
                assert_eq!(served.operate(who, Operation::Ease), Ok(Answer::Done));
                assert!(!served.world.wiring.owing.owes(served.mount, who));
            }
        }
        assert!(most <= most_of(block), "{most} with blocks of {block}");
        image.put(&served.unmount());
        image.assert_clean("at the end");
    }
}

#[test]
fn a_neighbour_in_the_same_directory_does_not_wait() {
    let image = Image::new();
    let mut served = Served::new(image.make(16_384, 4096), 2);
    let (who, other) = (served.who[0], served.who[1]);
    served.world.pool.limit(who, PAGES);
    // What it reads is in memory then.
    served.create(other, "first");
    until_it_owes(&mut served, who);
    let waits: Vec<_> = (0..40).map(|_| ease(&mut served, who)).collect();
    served.world.steps(2_000);
    let name = (*b"second").into();
    let new = Operation::Create { folder: 2, name, new: New::File, permissions: 0o644 };
    let goes = served.world.ask(other, Do::Ext2(served.mount, new));
    let eases = ease(&mut served, other);
    served.world.steps(2_000);
    assert!(matches!(served.world.result(goes), Some(Ok(Got::Answer(Answer::Object(_))))));
    assert_eq!(served.world.result(eases), Some(Ok(Got::Answer(Answer::Done))));
    for number in &waits {
        assert_eq!(served.world.result(*number), None, "it waits until the disk has written");
    }
    served.world.disk.lock().unwrap().stalls = false;
    served.world.settle();
    for number in &waits {
        assert_eq!(served.world.result(*number), Some(Ok(Got::Answer(Answer::Done))));
    }
    image.put(&served.unmount());
    image.assert_clean("at the end");
}

#[test]
fn nobody_waits_for_a_disk_that_fails() {
    let image = Image::new();
    let mut served = Served::new(image.make(16_384, 4096), 3);
    let who = served.who[0];
    served.world.pool.limit(who, PAGES);
    until_it_owes(&mut served, who);
    let waits: Vec<_> = (0..4).map(|_| ease(&mut served, who)).collect();
    served.world.steps(2_000);
    assert!(waits.iter().all(|number| served.world.result(*number).is_none()));
    let sectors = 16_384 * 1024 / SECTOR as u64;
    served.world.disk.lock().unwrap().unwritable.extend(0..sectors);
    served.world.disk.lock().unwrap().stalls = false;
    served.world.settle();
    assert!(waits.iter().all(|number| served.world.result(*number).is_some()), "for ever");
    let create = create(&served, 4_000);
    assert_eq!(served.world.run(who, create), Err(Errno::EIO));
    assert!(!served.world.wiring.owing.owes(served.mount, who), "it fails at once");
}

#[test]
fn who_writes_far_apart_waits_for_what_says_where() {
    let image = Image::new();
    let mut served = Served::new(image.make(16_384, 1024), 4);
    let who = served.who[0];
    served.world.pool.limit(who, PAGES);
    let file = served.create(who, "sparse");
    let mut most = 0;
    // Each has blocks of pointers of its own.
    for number in 0..600 {
        assert_eq!(served.world.write(who, &file, number * 270_000, b"far"), Ok(3));
        most = most.max(served.world.pool.metadata(who));
    }
    assert!(most <= most_of(1024), "{most}");
    image.put(&served.unmount());
    image.assert_clean("at the end");
}
