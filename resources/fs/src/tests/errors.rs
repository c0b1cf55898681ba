//! Disks that fail, disks that are full, and who is told.

use std::vec;

use vortex_abi::Errno;

use super::cached::{adjacent, empty, image, on_disk, world};
use super::programs::{Do, Got};
use crate::PAGE;

#[test]
fn what_cannot_be_read_is_an_error_to_who_reads_it() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 5, 100, 16);
    let (a, b) = (world.activity(50), world.activity(50));
    let file = world.file(5, 4096, 16 * PAGE as u64);
    world.disk.lock().unwrap().unreadable.push(8 * 103);
    assert_eq!(world.read(a, &file, 3 * PAGE as u64, PAGE), Err(Errno::EIO));
    let whole = image(4096, 4096);
    // Others read what is beside it, and it is asked for anew by who wants it.
    let read = world.read(b, &file, 8 * PAGE as u64, 8 * PAGE).unwrap();
    assert!(read == whole[108 * PAGE..][..8 * PAGE]);
    world.disk.lock().unwrap().unreadable.clear();
    assert!(world.read(b, &file, 3 * PAGE as u64, PAGE).unwrap() == whole[103 * PAGE..][..PAGE]);
    world.assert_nothing_left(&[a, b]);
}

#[test]
fn what_cannot_be_written_is_told_once_to_each_who_has_the_file_open() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 5, 100, 4);
    adjacent(&shared, 6, 200, 4);
    let (a, b) = (world.activity(50), world.activity(50));
    let (file, other) =
        (world.file(5, 4096, 4 * PAGE as u64), world.file(6, 4096, 4 * PAGE as u64));
    let (mut first, mut second) = (file.errors(), file.errors());
    let mut beside = other.errors();
    world.disk.lock().unwrap().unwritable.push(8 * 101);
    assert_eq!(world.write(a, &file, 0, &[1; 4 * PAGE]), Ok(4 * PAGE));
    assert_eq!(world.write(b, &other, 0, &[2; 4 * PAGE]), Ok(4 * PAGE));
    world.pass(7);
    for file in [&file, &other] {
        assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
    }
    assert_eq!(file.check(&mut first), Err(Errno::EIO));
    assert_eq!(file.check(&mut first), Ok(()));
    assert_eq!(file.check(&mut second), Err(Errno::EIO));
    assert_eq!(other.check(&mut beside), Ok(()));
    assert!(on_disk(&world, &shared, 6) == vec![2; 4 * PAGE]);
    // As on Linux it is clean then, and written again when it is changed again.
    world.disk.lock().unwrap().unwritable.clear();
    assert_eq!(world.write(a, &file, 0, &[3; 4 * PAGE]), Ok(4 * PAGE));
    assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
    assert_eq!(file.check(&mut first), Ok(()));
    assert!(on_disk(&world, &shared, 5) == vec![3; 4 * PAGE]);
    world.assert_nothing_left(&[a, b]);
}

#[test]
fn a_full_disk_takes_what_there_is_room_for() {
    for block in [1024, 4096] {
        let (mut world, shared) = world(block, 1024);
        empty(&shared, 5);
        let a = world.activity(50);
        let file = world.file(5, block as u32, 0);
        let free = shared.0.lock().unwrap().free.len() * block;
        let bytes = vec![5; free + 100_000];
        assert_eq!(world.write(a, &file, 0, &bytes), Ok(free));
        assert_eq!(world.write(a, &file, free as u64, &[1; 10]), Err(Errno::ENOSPC));
        assert_eq!(world.write(a, &file, 10, &[7; 10]), Ok(10), "what has a place may be written");
        assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
        let there = on_disk(&world, &shared, 5);
        assert_eq!((there.len(), &there[10..20], there[30]), (free, &[7; 10][..], 5));
        assert_eq!(world.run(a, Do::Truncate(file.clone(), 0)), Ok(Got::Nothing));
        assert_eq!(shared.0.lock().unwrap().free.len() * block, free);
        world.assert_nothing_left(&[a]);
    }
}

#[test]
fn who_has_too_much_unwritten_waits_and_nobody_else() {
    let (mut world, shared) = world(4096, 8192);
    empty(&shared, 5);
    empty(&shared, 6);
    let (a, b) = (world.activity(50), world.activity(50));
    world.pool.limit(a, 200);
    let (file, other) = (world.file(5, 4096, 0), world.file(6, 4096, 0));
    // So that metadata is in memory.
    for (who, file) in [(a, &file), (b, &other)] {
        assert_eq!(world.write(who, file, 0, &[0]), Ok(1));
    }
    world.held = true;
    let much = Do::Write { file: file.clone(), at: 0, bytes: vec![1; 150 * PAGE] };
    let waits = world.ask(a, much);
    world.steps(3_000);
    assert_eq!(world.result(waits), None);
    // A quarter of what it may have, and what one request prepares.
    assert!(file.pages() <= 50 + 32, "{}", file.pages());
    // The metadata is in memory by now: nothing of the disk is needed.
    let few = Do::Write { file: other.clone(), at: 0, bytes: vec![2; 10 * PAGE] };
    let goes = world.ask(b, few);
    world.steps(3_000);
    assert_eq!(world.result(goes), Some(Ok(Got::Count(10 * PAGE))));
    world.held = false;
    world.settle();
    assert_eq!(world.result(waits), Some(Ok(Got::Count(150 * PAGE))));
    world.assert_nothing_left(&[a, b]);
}
