//! What is kept of files is on a bill, and leaves when room is wanted.

use std::vec::Vec;

use vortex_units::ActivityId;

use super::cached::{adjacent, world};
use super::programs::{Do, Got};
use super::ram::Frame;
use super::world::World;
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

/// What one has of files is what its bill says.
fn assert_balanced(world: &World, who: ActivityId) {
    let mut sum = 0;
    let mut at = 0;
    while let Some(file) = world.wiring.files.next(at, None) {
        at = file.number() + 1;
        sum += file.on_bill(who);
    }
    assert_eq!(world.pool.metadata(who), sum, "{who}");
}

/// What one looks up, and another reads, or holds open and never gives back.
#[test]
fn what_others_use_of_files_is_not_on_the_bill_of_who_looked_them_up() {
    const FILES: u32 = 60;
    let (mut world, shared) = world(4096, 4096);
    let (victim, attacker) = (world.activity(50), world.activity(50));
    let before = world.wiring.files.len();
    let open =
        |world: &World, ino: u32, who| world.wiring.files.open(id(ino), 4096, PAGE as u64, who);
    let all = u64::from(FILES) * PRICE;
    for ino in 10..10 + FILES {
        adjacent(&shared, ino, 100 + 4 * ino, 2);
        drop(open(&world, ino, victim));
    }
    assert_eq!(world.pool.metadata(victim), all);
    // The other reads a byte of each, and closes it.
    for ino in 10..10 + FILES {
        let file = open(&world, ino, attacker);
        file.opened(attacker);
        assert!(world.read(attacker, &file, 0, 1).is_ok());
        file.closed(attacker);
    }
    assert_eq!(world.pool.metadata(victim), 0, "it keeps nothing");
    assert_balanced(&world, attacker);
    // It holds open what the first looks up then.
    let mut held = Vec::new();
    for ino in 1_000..1_000 + FILES {
        let looked = open(&world, ino, victim);
        looked.opened(attacker);
        held.push(looked);
    }
    assert_eq!(world.pool.metadata(victim), all);
    // One of them the first has open too: all others are the other's when it wants room.
    let both = held[0].clone();
    both.opened(victim);
    while world.wiring.files.give_up(victim) {}
    assert_eq!(world.pool.metadata(victim), both.on_bill(victim));
    assert!(both.on_bill(victim) >= PRICE);
    // And that as well, if nothing else helps; the other does not give it back as it likes.
    assert!(world.wiring.files.leave(victim));
    assert!(!world.wiring.files.leave(victim));
    while world.wiring.files.give_up(attacker) {}
    assert!(both.on_bill(victim) < PRICE);
    (0..100).for_each(|_| {
        let _ = world.wiring.files.leave(attacker);
    });
    assert!(both.on_bill(victim) >= PRICE, "who has it open");
    assert_balanced(&world, victim);
    assert_balanced(&world, attacker);
    // At the end all is back.
    both.closed(victim);
    held.iter().for_each(|file| file.closed(attacker));
    drop((held, both));
    while world.wiring.files.give_up(attacker) || world.wiring.files.give_up(victim) {}
    while let Some(file) = world.wiring.files.idle(attacker) {
        assert_eq!(world.run(attacker, Do::Evict(file)), Ok(Got::Nothing));
        while world.wiring.files.give_up(attacker) {}
    }
    assert_eq!((world.pool.metadata(victim), world.pool.metadata(attacker)), (0, 0));
    assert_eq!(world.wiring.files.len(), before);
}

/// The table of a file's pages is on the bill of whose page is the first.
#[test]
fn the_first_page_of_a_file_pays_for_the_table() {
    let (mut world, shared) = world(4096, 4096);
    let (a, b) = (world.activity(50), world.activity(50));
    adjacent(&shared, 10, 100, 80);
    let file = world.wiring.files.open(id(10), 4096, 80 * PAGE as u64, a);
    file.opened(a);
    let first = |who, world: &World| {
        assert_balanced(world, a);
        assert_balanced(world, b);
        file.pays_first() == Some(who)
    };
    assert!(world.read(b, &file, 70 * PAGE as u64, 1).is_ok());
    // Who has it open goes on to pay for it.
    assert!(file.on_bill(a) >= PRICE && first(b, &world));
    // Another's before that one: it is the first now.
    assert!(world.read(a, &file, 10 * PAGE as u64, 1).is_ok());
    assert!(first(a, &world));
    assert_eq!(world.run(a, Do::Evict(file.clone())), Ok(Got::Nothing));
    assert!(first(b, &world));
    assert_eq!(world.run(b, Do::Evict(file.clone())), Ok(Got::Nothing));
    assert_eq!((file.pages(), file.pays_first()), (0, None));
    assert!(!first(a, &world));
}
