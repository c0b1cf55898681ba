//! What is kept of files is on a bill, and leaves when room is wanted.

use std::vec::Vec;

use super::cached::{adjacent, world};
use super::programs::{Do, Got};
use super::ram::Frame;
use crate::{CachedFile, FileId, PAGE};

const PRICE: u64 = CachedFile::<Frame>::PRICE;

fn id(ino: u32) -> FileId {
    FileId { mount: super::world::MOUNT, ino }
}

#[test]
fn what_is_kept_of_files_is_on_the_bill_of_who_opens_them_and_bounded() {
    let (world, _) = world(4096, 4096);
    let (a, b) = (world.activity(50), world.activity(50));
    // An eighth of two mebibytes.
    world.pool.limit(a, 512);
    let files = &world.wiring.files;
    let before = files.len();
    let others: Vec<_> = (0..200).map(|ino| files.open(id(100_000 + ino), 4096, 0, b)).collect();
    let held: Vec<_> = (0..50).map(|ino| files.open(id(200_000 + ino), 4096, 0, a)).collect();
    for ino in 0..5_000 {
        let file = files.open(id(1_000 + ino), 4096, 0, a);
        assert!(files.find(id(1_000 + ino)).is_some());
        drop(file);
        // Where those that are looked at are all held, none goes.
        let most = (256 << 10) + 16 * PRICE;
        assert!(world.pool.metadata(a) <= most, "{}", world.pool.metadata(a));
    }
    assert_eq!(world.pool.metadata(b), 200 * PRICE);
    // Those that somebody has are there.
    for file in held.iter().chain(&others) {
        assert!(files.find(file.id()).is_some());
    }
    // All others go when room is wanted.
    (0..2_000).for_each(|_| {
        let _ = files.give_up(a);
    });
    assert_eq!(world.pool.metadata(a), 50 * PRICE);
    assert_eq!(files.len(), before + 250);
    drop((held, others));
    (0..100).for_each(|_| {
        let _ = (files.give_up(a), files.give_up(b));
    });
    assert_eq!((world.pool.metadata(a), world.pool.metadata(b)), (0, 0));
}

#[test]
fn a_file_leaves_with_its_last_page() {
    let (mut world, shared) = world(4096, 4096);
    let a = world.activity(50);
    let mut most = 0;
    for ino in 0..40 {
        adjacent(&shared, 10 + ino, 100 + 4 * ino, 2);
        let file = world.wiring.files.open(id(10 + ino), 4096, 2 * PAGE as u64, a);
        assert!(world.read(a, &file, 0, PAGE).is_ok());
        most = world.pool.metadata(a);
    }
    assert!(most > 40 * (PRICE + 100), "what pages need is counted too: {most}");
    // What is cached stays as long as nobody wants room.
    while world.wiring.files.give_up(a) {}
    assert_eq!(world.pool.metadata(a), most);
    // Then one is to be evicted, and goes.
    let mut evicted = 0;
    while let Some(file) = world.wiring.files.idle(a) {
        assert_eq!(world.run(a, Do::Evict(file)), Ok(Got::Nothing));
        assert!((0..40).any(|_| world.wiring.files.give_up(a)));
        evicted += 1;
    }
    assert_eq!((evicted, world.pool.metadata(a)), (40, 0));
}

#[test]
fn files_that_nobody_has_leave_with_time() {
    let (mut world, _) = world(4096, 4096);
    let a = world.activity(50);
    let before = world.wiring.files.len();
    for ino in 0..300 {
        drop(world.wiring.files.open(id(1_000 + ino), 4096, 0, a));
    }
    assert_eq!(world.wiring.files.len(), before + 300);
    world.pass(20);
    assert_eq!((world.wiring.files.len(), world.pool.metadata(a)), (before, 0));
}
