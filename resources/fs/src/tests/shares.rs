//! Who pays, and whose turn it is.

use std::vec::Vec;

use super::cached::{adjacent, world};
use super::programs::Do;
use crate::PAGE;

/// Who waits for a page that another has asked for does not wait for that one's turn.
#[test]
fn who_waits_lends_its_place() {
    let (mut world, shared) = world(4096, 8192);
    adjacent(&shared, 5, 100, 2000);
    adjacent(&shared, 6, 3000, 16);
    let (a, b) = (world.activity(10), world.activity(80));
    let (much, wanted) =
        (world.file(5, 4096, 2000 * PAGE as u64), world.file(6, 4096, 16 * PAGE as u64));
    // So that metadata is there.
    world.read(a, &wanted, 15 * PAGE as u64, 1).unwrap();
    world.read(a, &much, 1999 * PAGE as u64, 1).unwrap();
    let before = world.used("storage", b).1;
    // It has a lot before that page.
    let many: Vec<usize> = (0..60)
        .map(|at| {
            let at = at * 32 * PAGE as u64;
            world.ask(a, Do::Read { file: much.clone(), at, bytes: 8 * PAGE })
        })
        .collect();
    let last = world.ask(a, Do::Read { file: wanted.clone(), at: 0, bytes: PAGE });
    // Until the page is claimed.
    while wanted.pages() < 2 {
        world.steps(1);
    }
    assert!(!wanted.has(0));
    let lender = world.ask(b, Do::Read { file: wanted.clone(), at: 0, bytes: PAGE });
    world.settle();
    assert!(many.iter().chain([&last, &lender]).all(|ask| world.result(*ask).unwrap().is_ok()));
    // It has taken the piece, on its own bill.
    assert!(world.used("storage", b).1 > before);
    let disk = world.disk.lock().unwrap();
    let reads = disk.trace.iter().filter(|(_, at, _)| *at == 3000 * 8).count();
    assert_eq!(reads, 1, "once all the same");
}

/// Three who read as much as they can from a slow disk have their shares of its bytes.
#[test]
fn a_slow_disk_is_divided_by_shares() {
    let (mut world, shared) = world(4096, 16_384);
    let who = [50, 33, 17].map(|share| world.activity(share));
    let mut reads: Vec<Vec<usize>> = Vec::new();
    let mut files = Vec::new();
    for ino in 0..3 {
        adjacent(&shared, 5 + ino, 1000 + ino * 5000, 5000);
        files.push(world.file(5 + ino, 4096, 5000 * PAGE as u64));
        world.read(who[ino as usize], &files[ino as usize], 4999 * PAGE as u64, 1).unwrap();
        reads.push(Vec::new());
    }
    let mut next = [0_u64; 3];
    let before: Vec<u64> = who.iter().map(|who| world.used("drwr", *who).1).collect();
    world.held = true;
    for _ in 0..600 {
        for (index, who) in who.iter().enumerate() {
            reads[index].retain(|number| world.result(*number).is_none());
            while reads[index].len() < 24 {
                // Apart, so that nothing is read ahead.
                let at = (16 + next[index] * 16 % 4900) * PAGE as u64;
                next[index] += 1;
                let file = files[index].clone();
                reads[index].push(world.ask(*who, Do::Read { file, at, bytes: 8 * PAGE }));
            }
        }
        world.steps(60);
        let which = world.random(100) as usize;
        world.disk.lock().unwrap().work(which);
    }
    let bytes: Vec<u64> =
        who.iter().zip(&before).map(|(who, before)| world.used("drwr", *who).1 - before).collect();
    let all: u64 = bytes.iter().sum();
    for (bytes, share) in bytes.iter().zip([50.0, 33.0, 17.0]) {
        let percent = *bytes as f64 * 100.0 / all as f64;
        assert!((percent - share).abs() < 3.0, "{percent} of {share}: {bytes:?}");
    }
}
