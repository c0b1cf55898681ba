//! The laws, at the disk: who pays, and who gets how much.

use std::vec;
use std::vec::Vec;

use vortex_units::ActivityId;

use super::disk::Disk;
use super::ram::Ram;
use super::world::World;
use crate::{Operation, StorageError};

/// Three activities always have as much to read as there is: the disk's bytes go to them by
/// their shares, whatever order the disk works in, and however many ask for each.
#[test]
fn a_disk_is_divided_by_bytes_as_the_shares_say() {
    let disk = Disk::new(vec![0; 4096 * 512], 512);
    let mut world = World::found(4, vec![((0, 0), disk)]);
    let shares = [50, 33, 17];
    let activities = shares.map(|share| world.activity(share));
    // The sizes differ, so that counting requests would be wrong; so do the numbers asked.
    let (sizes, depth) = ([8192, 4096, 16384], [24, 40, 24]);
    let sda = world.named("sda");
    let mut open: [Vec<usize>; 3] = Default::default();
    let (mut served, mut warm) = ([0_u64; 3], 0);
    while served.iter().sum::<u64>() < 24 << 20 {
        for who in 0..3 {
            open[who].retain(|number| match world.answers.lock().unwrap().remove(number) {
                None => true,
                Some(result) => {
                    assert_eq!(result, Ok(()));
                    if warm > 200 {
                        served[who] += sizes[who] as u64;
                    }
                    warm += 1;
                    false
                }
            });
            while open[who].len() < depth[who] {
                let block = world.random((4096 - 64) as u64);
                let data = Ram::of(&vec![0; sizes[who]], 4096);
                open[who].push(world.ask(activities[who], sda, Operation::Read, block, &data));
            }
        }
        world.work();
        for _ in 0..40 {
            world.step();
        }
    }
    let all: u64 = served.iter().sum();
    for (share, bytes) in shares.iter().zip(served) {
        let part = bytes as f64 * 100.0 / all as f64;
        assert!((part - f64::from(*share)).abs() < 1.0, "{served:?}: {part} for {share}");
    }
}

/// What the interrupt's service costs is on the bill of whose requests were done.
#[test]
fn what_takes_requests_from_the_ring_is_paid_by_those_who_made_them() {
    let mut world = World::found(8, vec![((0, 0), Disk::new(vec![0; 64 * 512], 512))]);
    let activities = [world.activity(50), world.activity(50)];
    let sda = world.named("sda");
    let own = ActivityId::INFRASTRUCTURE;
    let (before, _) = world.used("dir", own);
    for turn in 0..60 {
        let data = Ram::of(&[0; 512], 512);
        // The first asks for twice as much.
        let who = activities[usize::from(turn % 3 == 2)];
        world.ask(who, sda, Operation::Read, turn, &data);
        for _ in 0..6 {
            world.step();
        }
    }
    world.settle();
    let paid = activities.map(|activity| world.used("dir", activity).0);
    let (after, _) = world.used("dir", own);
    assert!(paid[0] > 0 && paid[1] > 0, "{paid:?}");
    let ratio = paid[0] as f64 / paid[1] as f64;
    assert!((1.6..2.4).contains(&ratio), "twice the requests, twice the bill: {paid:?}");
    // What is left to nobody: looks at the ring that found nothing.
    let nobodys = after - before;
    assert!(nobodys * 2 < paid.iter().sum::<u64>(), "{nobodys} of {paid:?}");
    for activity in activities {
        let (_, bytes) = world.used("drwr", activity);
        let asked = if activity == activities[0] { 40 } else { 20 };
        assert_eq!(bytes, asked * 512);
    }
}

/// A bad block reaches who asked for it, and nobody else.
#[test]
fn an_error_is_told_to_who_asked_alone() {
    let mut disk = Disk::new(vec![1; 64 * 512], 512);
    disk.broken.push(9);
    let mut world = World::found(8, vec![((0, 0), disk)]);
    let (a, b) = (world.activity(50), world.activity(50));
    let sda = world.named("sda");
    let all: Vec<_> = (0..32_u64)
        .map(|block| {
            let who = if block == 9 { a } else { b };
            world.ask(who, sda, Operation::Read, block, &Ram::of(&[0; 512], 512))
        })
        .collect();
    world.settle();
    for (block, number) in all.into_iter().enumerate() {
        let answer = world.answer(number).unwrap();
        match block {
            9 => assert!(matches!(answer, Err(StorageError::Sense(sense)) if sense.key == 3)),
            _ => assert_eq!(answer, Ok(())),
        }
    }
}
