//! The cache above a file system's logic of the tests' own.

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use vortex_grid::Entitlement;
use vortex_units::Share;

use super::fake::{Fake, Inode, Shared};
use super::programs::{Do, Got};
use super::world::World;
use crate::PAGE;

/// A disk of so many blocks, each byte of which says where it is, and a file system on it.
pub fn image(blocks: usize, block: usize) -> Vec<u8> {
    (0..blocks * block).map(|at| (at / 512 * 7 + at % 512) as u8).collect()
}

pub fn world(block: usize, blocks: u32) -> (World, Shared) {
    let shared = Shared::default();
    // The last is given out first; neighbours are never given out one after the other.
    let (even, odd): (Vec<u32>, Vec<u32>) = (16..blocks).partition(|block| block % 2 == 0);
    *shared.0.lock().unwrap() = Fake::new(block, [even, odd].concat());
    let given = shared.clone();
    let make = move || {
        let logic: Box<dyn crate::Logic> = Box::new(given.clone());
        Some((block as u32, logic))
    };
    (World::new(image(blocks as usize, block), 32, Box::new(make)), shared)
}

/// A file of so many adjacent blocks from a place on.
pub fn adjacent(shared: &Shared, ino: u32, place: u32, blocks: u32) {
    let mut fake = shared.0.lock().unwrap();
    fake.free.retain(|block| !(place..place + blocks).contains(block));
    let size = u64::from(blocks) * fake.block as u64;
    let blocks = (0..blocks).map(|block| (block, place + block)).collect();
    fake.inodes.insert(ino, Inode { size, blocks, gone: false });
}

pub fn empty(shared: &Shared, ino: u32) {
    shared.0.lock().unwrap().inodes.insert(ino, Inode::default());
}

/// What the disk says is in a file.
pub fn on_disk(world: &World, shared: &Shared, ino: u32) -> Vec<u8> {
    let fake = shared.0.lock().unwrap();
    let (inode, block) = (&fake.inodes[&ino], fake.block);
    let disk = world.disk.lock().unwrap();
    let mut bytes = vec![0; inode.size.div_ceil(block as u64) as usize * block];
    for (at, place) in &inode.blocks {
        let at = *at as usize * block;
        if at < bytes.len() {
            let from = *place as usize * block;
            bytes[at..at + block].copy_from_slice(&disk.image[from..from + block]);
        }
    }
    bytes.truncate(inode.size as usize);
    bytes
}

#[test]
fn what_is_read_is_what_is_on_the_disk_in_pieces_of_32_kb() {
    for block in [1024, 4096] {
        let (mut world, shared) = world(block, 4096);
        let blocks = (64 * PAGE / block) as u32;
        adjacent(&shared, 5, 100, blocks);
        let a = world.activity(50);
        let file = world.file(5, block as u32, 64 * PAGE as u64);
        world.disk.lock().unwrap().trace.clear();
        let read = world.read(a, &file, 0, 64 * PAGE).unwrap();
        let whole = image(4096, block);
        assert!(read == whole[100 * block..][..64 * PAGE]);
        let disk = world.disk.lock().unwrap();
        let reads: Vec<usize> = disk
            .trace
            .iter()
            .filter(|(_, at, _)| *at >= 100 * block as u64 / 512)
            .map(|it| it.2)
            .collect();
        assert_eq!(reads.iter().sum::<usize>(), 64 * PAGE, "each once");
        assert!(reads.len() <= 10, "joined: {reads:?}");
    }
}

#[test]
fn what_is_written_is_read_again_and_reaches_the_disk() {
    for block in [1024, 2048, 4096] {
        let (mut world, shared) = world(block, 4096);
        empty(&shared, 5);
        let a = world.activity(50);
        let file = world.file(5, block as u32, 0);
        let bytes: Vec<u8> = (0..50_000_u32).map(|at| (at % 251) as u8).collect();
        assert_eq!(world.write(a, &file, 1_000, &bytes), Ok(50_000));
        assert_eq!(file.size(), 51_000);
        let read = world.read(a, &file, 0, 60_000).unwrap();
        assert!(read[..1_000].iter().all(|byte| *byte == 0));
        assert!(read[1_000..] == bytes);
        assert_eq!(shared.0.lock().unwrap().inodes[&5].size, 0, "not told before it is there");
        assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
        assert!(on_disk(&world, &shared, 5)[1_000..] == bytes);
        assert!(world.disk.lock().unwrap().flushes > 0);
        world.assert_nothing_left(&[a]);
    }
}

#[test]
fn a_timer_writes_what_nobody_syncs_on_the_bill_of_who_wrote_it() {
    let (mut world, shared) = world(4096, 4096);
    empty(&shared, 5);
    let (a, b) = (world.activity(50), world.activity(50));
    let file = world.file(5, 4096, 0);
    world.write(a, &file, 0, &[1; 8 * PAGE]).unwrap();
    world.write(b, &file, 8 * PAGE as u64, &[2; 4 * PAGE]).unwrap();
    world.pass(3);
    assert_eq!(shared.0.lock().unwrap().inodes[&5].size, 0);
    world.pass(5);
    let bytes = on_disk(&world, &shared, 5);
    assert_eq!(bytes.len(), 12 * PAGE);
    assert!(bytes[..8 * PAGE].iter().all(|byte| *byte == 1));
    assert!(bytes[8 * PAGE..].iter().all(|byte| *byte == 2));
    let (of_a, of_b) = (world.used("drwr", a).1, world.used("drwr", b).1);
    assert!(of_a >= 8 * PAGE as u64 && of_a < 11 * PAGE as u64, "{of_a}");
    assert!(of_b >= 4 * PAGE as u64 && of_b < 7 * PAGE as u64, "{of_b}");
    world.assert_nothing_left(&[a, b]);
}

#[test]
fn two_who_read_the_same_make_one_fetch() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 5, 100, 16);
    let (a, b) = (world.activity(50), world.activity(50));
    let file = world.file(5, 4096, 16 * PAGE as u64);
    world.held = true;
    let read =
        |file: &super::programs::File| Do::Read { file: file.clone(), at: 0, bytes: 8 * PAGE };
    let first = world.ask(a, read(&file));
    world.steps(500);
    let second = world.ask(b, read(&file));
    world.steps(500);
    assert_eq!((world.result(first), world.result(second)), (None, None));
    world.held = false;
    world.settle();
    let whole = image(4096, 4096)[100 * PAGE..][..8 * PAGE].to_vec();
    for number in [first, second] {
        assert!(world.result(number) == Some(Ok(Got::Bytes(whole.clone()))));
    }
    let disk = world.disk.lock().unwrap();
    let of_first = disk.trace.iter().filter(|(_, at, _)| (800..864).contains(at));
    let bytes: usize = of_first.map(|(_, _, bytes)| bytes).sum();
    assert_eq!(bytes, 8 * PAGE, "once");
    drop(disk);
    let fetched = file.fetched(3).unwrap();
    assert_eq!((fetched.by, fetched.bytes.get()), (a, PAGE as u64));
}

#[test]
fn however_many_wait_all_look_again() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 5, 100, 64);
    let all: Vec<_> = (0..8).map(|_| world.activity(50)).collect();
    let file = world.file(5, 4096, 64 * PAGE as u64);
    world.held = true;
    // More than look again in a few runs: most for one page, others for some around, and one for
    // the file.
    let mut asked = Vec::new();
    for number in 0..240 {
        let (who, at) = (all[number % 8], if number < 200 { 0 } else { number % 60 * PAGE });
        let read = Do::Read { file: file.clone(), at: at as u64, bytes: 2 * PAGE };
        asked.push((world.ask(who, read), at));
        world.steps(40);
    }
    let sync = world.ask(all[0], Do::Sync(file.clone(), false));
    world.steps(500);
    assert!(asked.iter().all(|(number, _)| world.result(*number).is_none()));
    world.held = false;
    world.settle();
    let whole = image(4096, 4096);
    for (number, at) in asked {
        let wanted = whole[100 * PAGE + at..][..2 * PAGE].to_vec();
        assert!(world.result(number) == Some(Ok(Got::Bytes(wanted))), "{number}");
    }
    assert_eq!(world.result(sync), Some(Ok(Got::Nothing)));
    world.assert_nothing_left(&all);
}

#[test]
fn who_unmounts_waits_for_what_is_on_its_way() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 5, 100, 16);
    let a = world.activity(50);
    let file = world.file(5, 4096, 16 * PAGE as u64);
    world.held = true;
    let read = world.ask(a, Do::Read { file: file.clone(), at: 0, bytes: 8 * PAGE });
    world.steps(500);
    let unmount = world.ask(a, Do::Unmount(super::world::MOUNT));
    world.steps(2_000);
    assert_eq!((world.result(read), world.result(unmount)), (None, None));
    world.held = false;
    world.settle();
    // Who has a file open keeps it from being unmounted elsewhere: here its pages may be gone
    // before it has copied them.
    assert!(world.result(read).is_some());
    assert_eq!(world.result(unmount), Some(Ok(Got::Nothing)));
    assert_eq!(file.pages(), 0);
    world.assert_nothing_left(&[a]);
}

#[test]
fn requests_fit_a_message() {
    assert!(size_of::<crate::CacheRequest<super::ram::Frame>>() <= 96);
    assert!(size_of::<crate::Ext2Request>() <= 96);
    assert!(size_of::<crate::Ext2Reply>() <= 96);
}

/// What waits at FCR, since storage has enough of its activity's, and is adjacent becomes one
/// request, of 32 KB at most (footnote 12).
#[test]
fn what_waits_and_is_adjacent_is_one_request() {
    const PAGES: u64 = 400;
    for block in [1024] {
        let (mut world, shared) = world(block, 8192);
        adjacent(&shared, 5, 100, (PAGES as usize * PAGE / block) as u32);
        let share = Entitlement::new(Share::from_hundredths(50).unwrap());
        let entitled = Entitlement { nodes: 16_384, ..share };
        let a = world.grid.activities().create(entitled).unwrap();
        let file = world.file(5, block as u32, PAGES * PAGE as u64);
        // The block of its inode is there.
        world.read(a, &file, 0, 1).unwrap();
        world.disk.lock().unwrap().trace.clear();
        world.held = true;
        let asks = (16..PAGES).rev().map(|page| {
            let (at, bytes) = (page * PAGE as u64, PAGE);
            let asked = (world.ask(a, Do::Read { file: file.clone(), at, bytes }), page);
            world.steps(60);
            asked
        });
        let asks: Vec<(usize, u64)> = asks.collect();
        world.steps(80_000);
        world.held = false;
        world.settle();
        let whole = image(8192, block);
        for (number, page) in asks {
            let there = whole[100 * block + page as usize * PAGE..][..PAGE].to_vec();
            assert!(world.result(number) == Some(Ok(Got::Bytes(there))), "page {page}");
        }
        let disk = world.disk.lock().unwrap();
        let first = ((100 * block + 16 * PAGE) / 512) as u64;
        let reads: Vec<_> = disk.trace.iter().filter(|(_, at, _)| *at >= first).collect();
        let bytes: usize = reads.iter().map(|it| it.2).sum();
        assert_eq!(bytes, (PAGES as usize - 16) * PAGE, "each once: {reads:?}");
        assert!(reads.len() <= 290, "joined: {}", reads.len());
        assert!(reads.iter().all(|it| it.2 <= 32 * 1024), "{reads:?}");
        drop(disk);
        world.assert_nothing_left(&[a]);
    }
}

/// Of some pages what the caller has leaves, and nothing else does.
#[test]
fn who_evicts_evicts_its_own() {
    let (mut world, shared) = world(4096, 200);
    adjacent(&shared, 7, 40, 32);
    let file = world.file(7, 4096, 32 * PAGE as u64);
    let (one, other) = (world.activity(50), world.activity(50));
    // Each reads a half, at random: nothing is read ahead.
    for page in [3_u64, 1, 6, 4, 0, 7, 2, 5] {
        world.read(one, &file, page * PAGE as u64, PAGE).unwrap();
        world.read(other, &file, (page + 16) * PAGE as u64, PAGE).unwrap();
    }
    let (of_one, of_other) = (world.pool.used(one), world.pool.used(other));
    assert!(of_one >= 8 && of_other >= 8);
    assert_eq!(world.run(other, Do::EvictPages(file.clone(), 0, 16)), Ok(Got::Nothing));
    assert_eq!((world.pool.used(one), world.pool.used(other)), (of_one, of_other));
    assert_eq!(world.run(one, Do::EvictPages(file.clone(), 2, 5)), Ok(Got::Nothing));
    assert_eq!((world.pool.used(one), world.pool.used(other)), (of_one - 3, of_other));
    assert_eq!(world.run(one, Do::Evict(file)), Ok(Got::Nothing));
    assert_eq!((world.pool.used(one), world.pool.used(other)), (0, of_other));
}
