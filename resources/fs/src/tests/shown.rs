//! Pages that programs are shown, and write to by a mapping.

use std::vec;

use vortex_abi::Errno;

use super::cached::{adjacent, empty, on_disk, world};
use super::programs::{Do, File, Got};
use crate::{PAGE, PageFrame, PageName};

const STEP: u64 = PAGE as u64;

fn map_write(file: &File, at: u64, byte: u8, count: usize) -> Do {
    Do::MapWrite { file: file.clone(), at, bytes: vec![byte; count] }
}

fn reclaim(file: &File, page: u32) -> Do {
    Do::Reclaim(PageName { file: file.number(), page })
}

#[test]
fn what_is_written_by_a_mapping_lasts_and_its_page_is_taken_back_before() {
    let (mut world, shared) = world(1024, 4096);
    adjacent(&shared, 4, 300, 16);
    let a = world.activity(50);
    let file = world.file(4, 1024, 4 * STEP);
    assert_eq!(world.run(a, map_write(&file, STEP + 9, 7, 100)), Ok(Got::Count(100)));
    assert_eq!(world.maps.lock().unwrap().len(), 1);
    assert_eq!(world.read(a, &file, STEP + 9, 3), Ok(vec![7; 3]), "a read sees it");
    assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
    assert!(world.maps.lock().unwrap().is_empty(), "who writes to it again asks again");
    assert_eq!(on_disk(&world, &shared, 4)[PAGE + 9..][..100], [7; 100]);
    assert_eq!(world.run(a, reclaim(&file, 1)), Ok(Got::Given(true)), "it is clean");
    assert_eq!(world.run(a, map_write(&file, STEP, 8, 4)), Ok(Got::Count(4)));
    // Without a word: five seconds later it is on the disk.
    world.pass(9);
    assert_eq!(on_disk(&world, &shared, 4)[PAGE..][..4], [8; 4]);
    assert!(world.maps.lock().unwrap().is_empty());
    assert_eq!(world.pool.used(a), file.pages() as u64);
}

#[test]
fn who_touches_a_file_in_order_waits_for_one_block_in_three() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 4, 300, 512);
    let a = world.activity(50);
    let file = world.file(4, 4096, 512 * STEP);
    let mut waits = 0;
    for page in 0..512 {
        if file.frame(page).is_none() {
            waits += 1;
            assert_eq!(world.run(a, Do::Touch(file.clone(), page)), Ok(Got::Nothing));
            // What was asked for beside comes meanwhile.
            world.pass(1);
        }
    }
    assert!((11..=14).contains(&waits), "{waits} waits for 32 blocks");
    assert_eq!(file.pages(), 512);
    // Who jumps about is given what it touches.
    let other = world.file(5, 4096, 0);
    drop(other);
    adjacent(&shared, 6, 1000, 512);
    let file = world.file(6, 4096, 512 * STEP);
    for block in [3, 9, 1, 20, 7, 30] {
        assert_eq!(world.run(a, Do::Touch(file.clone(), block * 16 + 5)), Ok(Got::Nothing));
        world.pass(1);
    }
    assert_eq!(file.pages(), 6 * 16);
}

#[test]
fn a_page_that_a_call_has_stays_dirty_until_it_has_not() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 4, 300, 4);
    let a = world.activity(50);
    let file = world.file(4, 4096, 4 * STEP);
    assert_eq!(world.run(a, map_write(&file, 0, 7, 10)), Ok(Got::Count(10)));
    let pinned = world.maps.lock().unwrap().values().next().unwrap().clone();
    assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
    assert_eq!(on_disk(&world, &shared, 4)[..10], [7; 10], "what there was by then");
    pinned.write(0, &[9; 10]);
    assert_eq!(world.run(a, reclaim(&file, 0)), Ok(Got::Given(false)));
    drop(pinned);
    assert_eq!(world.run(a, reclaim(&file, 0)), Ok(Got::Given(true)), "it is written first");
    assert_eq!(on_disk(&world, &shared, 4)[..10], [9; 10]);
}

#[test]
fn what_is_shown_does_not_leave_and_what_is_cut_off_is_shown_to_nobody() {
    let (mut world, shared) = world(1024, 4096);
    adjacent(&shared, 4, 300, 24);
    let a = world.activity(50);
    let file = world.file(4, 1024, 6 * STEP);
    for page in [1, 2, 4] {
        assert_eq!(world.run(a, map_write(&file, page * STEP, 3, PAGE)), Ok(Got::Count(PAGE)));
    }
    assert_eq!(world.run(a, reclaim(&file, 4)), Ok(Got::Given(false)));
    assert_eq!(world.run(a, Do::Truncate(file.clone(), 2 * STEP + 10)), Ok(Got::Nothing));
    let shown: std::vec::Vec<u32> = world.maps.lock().unwrap().keys().map(|at| at.1).collect();
    assert_eq!(shown, [1, 2]);
    assert_eq!(world.run(a, map_write(&file, 4 * STEP, 3, 1)), Ok(Got::Count(0)), "behind the end");
    assert_eq!(world.run(a, Do::Truncate(file.clone(), 6 * STEP)), Ok(Got::Nothing));
    assert_eq!(world.run(a, map_write(&file, 4 * STEP + 1, 5, 1)), Ok(Got::Count(1)));
    let mut all = vec![0; 6 * PAGE];
    all[PAGE..2 * PAGE + 10].fill(3);
    all[4 * PAGE + 1] = 5;
    let first = world.read(a, &file, 0, PAGE).unwrap();
    all[..PAGE].copy_from_slice(&first);
    assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
    assert!(on_disk(&world, &shared, 4) == all);
}

#[test]
fn bytes_behind_the_end_do_not_reach_the_disk() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 4, 300, 2);
    let a = world.activity(50);
    let file = world.file(4, 4096, STEP + 100);
    assert_eq!(world.run(a, map_write(&file, STEP, 3, 500)), Ok(Got::Count(100)));
    world.maps.lock().unwrap().values().next().unwrap().write(100, &[4; 900]);
    assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
    let disk = world.disk.lock().unwrap();
    let place = shared.0.lock().unwrap().inodes[&4].blocks[&1] as usize;
    let block = &disk.image[place * PAGE..][..PAGE];
    assert!(block[..100].iter().all(|byte| *byte == 3) && block[100..].iter().all(|b| *b == 0));
}

#[test]
fn who_gets_no_place_on_the_disk_gets_no_page_to_write_to() {
    let (mut world, shared) = world(1024, 4096);
    empty(&shared, 5);
    shared.0.lock().unwrap().free.truncate(2);
    let a = world.activity(50);
    let file = world.file(5, 1024, 0);
    assert_eq!(world.run(a, Do::Truncate(file.clone(), 4 * STEP)), Ok(Got::Nothing));
    let written = world.run(a, map_write(&file, STEP, 1, 1));
    assert_eq!(written, Err(Errno::ENOSPC));
    assert!(world.maps.lock().unwrap().is_empty());
    assert_eq!(world.read(a, &file, STEP, 4), Ok(vec![0; 4]), "it can still be read");
}

/// A page of two pieces, of which one has gone, and then who could write to it by a mapping lets
/// it go: what was written meanwhile to the first goes too.
#[test]
fn what_is_written_between_a_pages_two_pieces_goes_to_the_disk() {
    let (mut world, shared) = world(2048, 4096);
    // Its blocks lie apart.
    empty(&shared, 5);
    let a = world.activity(50);
    let file = world.file(5, 2048, 0);
    world.write(a, &file, 0, &[1; PAGE]).unwrap();
    assert_eq!(world.run(a, map_write(&file, 0, 2, 1)), Ok(Got::Count(1)));
    // A call has the page too: it goes to the disk as it is.
    let call = world.maps.lock().unwrap().values().next().unwrap().clone();
    world.held = true;
    let sync = world.ask(a, Do::Sync(file.clone(), true));
    world.steps(3000);
    assert!(file.describe().contains("Writing"), "{}", file.describe());
    let place = |block: u32| shared.0.lock().unwrap().inodes[&5].blocks[&block] as usize * 2048;
    let (first, second) = (place(0), place(1));
    // The disk takes the first, or the second.
    world.held = false;
    let gone = loop {
        world.work();
        world.step();
        let disk = world.disk.lock().unwrap();
        let gone = [first, second].iter().position(|at| disk.image[at + 7] == 1);
        if let Some(gone) = gone {
            break gone;
        }
    };
    let only = [first, second].map(|at| world.disk.lock().unwrap().image[at + 7] == 1);
    call.write(gone * 2048 + 7, &[9]);
    drop(call);
    file.let_go(0);
    world.settle();
    assert_eq!(world.result(sync), Some(Ok(Got::Nothing)));
    assert_ne!(only[0], only[1], "one piece had gone");
    assert_eq!(world.run(a, Do::Sync(file.clone(), true)), Ok(Got::Nothing));
    assert_eq!(on_disk(&world, &shared, 5)[gone * 2048 + 7], 9, "{}", file.describe());
}

/// A page of a file that ends within it is written to by a mapping while a write makes the file
/// longer, far behind: what is between has places then.
#[test]
fn what_a_file_grows_over_can_be_written_to_by_a_mapping() {
    for far in [2 * 1024 + 100, 3 * STEP + 5] {
        let (mut world, shared) = world(1024, 4096);
        empty(&shared, 5);
        let a = world.activity(50);
        let file = world.file(5, 1024, 0);
        world.write(a, &file, 0, &[1; 500]).unwrap();
        assert_eq!(world.run(a, map_write(&file, 0, 2, 1)), Ok(Got::Count(1)));
        world.write(a, &file, far, &[3; 10]).unwrap();
        // The page is shown to it as before.
        assert_eq!(world.maps.lock().unwrap().len(), 1);
        assert_eq!(world.run(a, map_write(&file, 1500, 4, 1)), Ok(Got::Count(1)));
        assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
        let there = on_disk(&world, &shared, 5);
        assert_eq!((there.len() as u64, there[0], there[1500]), (far + 10, 2, 4));
        assert!(there[500..1500].iter().all(|byte| *byte == 0));
    }
}

/// A fault between a write's preparation and the write.
#[test]
fn a_write_does_not_grow_a_file_over_what_a_mapping_has_got_meanwhile() {
    let (mut world, shared) = world(1024, 4096);
    empty(&shared, 5);
    let a = world.activity(50);
    let file = world.file(5, 1024, 0);
    world.write(a, &file, 0, &[1; 500]).unwrap();
    let prepare = Do::Prepare(file.clone(), 2 * 1024 + 100, 2 * 1024 + 110);
    assert_eq!(world.run(a, prepare), Ok(Got::Nothing));
    let held = file.hold(0, a).unwrap();
    let now = vortex_units::Cycles::ZERO;
    let wrote = file.write(a, now, 2 * 1024 + 100, 10, &mut |frame, within, count| {
        frame.write(within, &vec![3; count])
    });
    assert_eq!((wrote, file.size()), (0, 500), "it is to be prepared anew");
    world.write(a, &file, 2 * 1024 + 100, &[3; 10]).unwrap();
    held.write(1500, &[4]);
    drop(held);
    assert_eq!(world.run(a, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
    assert_eq!(on_disk(&world, &shared, 5)[1500], 4);
}

#[test]
fn a_truncate_waits_until_those_who_show_pages_can_be_asked() {
    let (mut world, shared) = world(1024, 4096);
    adjacent(&shared, 4, 300, 24);
    let a = world.activity(50);
    let file = world.file(4, 1024, 6 * STEP);
    assert_eq!(world.run(a, map_write(&file, 4 * STEP, 3, 1)), Ok(Got::Count(1)));
    world.refuses.store(5, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.run(a, Do::Truncate(file.clone(), STEP)), Ok(Got::Nothing));
    assert!(world.maps.lock().unwrap().is_empty(), "nobody is shown what is cut off");
    assert_eq!(world.refuses.load(std::sync::atomic::Ordering::Relaxed), 0);
}
