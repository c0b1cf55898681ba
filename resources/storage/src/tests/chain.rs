//! The whole chain: what is asked of a volume reaches the disk, and comes back.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use vortex_units::ActivityId;

use super::disk::Disk;
use super::ram::Ram;
use super::world::World;
use crate::{MOST_BYTES, MOST_PIECES, Memory, Operation, StorageError};

fn image(blocks: usize, block: usize) -> Vec<u8> {
    (0..blocks * block).map(|at| (at / block * 7 + at % block * 13) as u8).collect()
}

fn plain() -> World {
    World::found(8, vec![((0, 0), Disk::new(image(256, 512), 512))])
}

#[test]
fn disks_are_found_at_every_target_and_unit() {
    let disk = |blocks, block| Disk::new(vec![0; blocks * block], block);
    let disks = vec![
        ((0, 0), disk(16, 512)),
        ((3, 0), disk(8, 4096)),
        ((3, 300), disk(4, 1024)),
        ((15, 0), disk(2, 512)),
        ((16, 0), disk(3, 512)),
    ];
    let world = World::found(4, disks);
    let mut volumes = world.wiring.volumes();
    volumes.sort_by_key(|(_, volume)| volume.address);
    let sizes: Vec<_> =
        volumes.iter().map(|(_, v)| (v.address.unit, v.blocks, v.block_size)).collect();
    assert_eq!(sizes, [(0, 16, 512), (0, 8, 4096), (300, 4, 1024), (0, 2, 512), (0, 3, 512)]);
    assert!(volumes.iter().all(|(_, volume)| volume.name == "VORTEX SIMULATED DISK"));
    assert_eq!(world.grid.activities().nodes(ActivityId::INFRASTRUCTURE), 0);
    assert!(world.host.lock().unwrap().disks.values().all(|disk| !disk.attention));
}

#[test]
fn blocks_are_read_and_written_wherever_their_memory_lies() {
    let mut world = plain();
    let a = world.activity(50);
    for piece in [512, 100, 4096] {
        let data = Ram::of(&[0; 1024], piece);
        assert_eq!(world.done(a, "sda", Operation::Read, 3, &data), Ok(()));
        assert_eq!(data.to_vec(), &image(256, 512)[3 * 512..5 * 512]);
    }
    let data = Ram::of(&[9; 512], 200);
    assert_eq!(world.done(a, "sda", Operation::Write, 255, &data), Ok(()));
    let expected = [&image(255, 512)[..], &[9; 512]].concat();
    assert!(world.host.lock().unwrap().disks[&(0, 0)].image == expected);
    assert_eq!(world.done(a, "sda", Operation::Flush, 0, &Ram::none()), Ok(()));
    assert_eq!(world.host.lock().unwrap().disks[&(0, 0)].flushes, 1);
    assert_eq!(world.grid.activities().nodes(a), 0, "nothing is left of it");
}

#[test]
fn what_no_volume_has_is_refused() {
    let mut world = plain();
    let a = world.activity(50);
    let sector = Ram::of(&[0; 512], 512);
    let before = world.host.lock().unwrap().trace.len();
    for (block, data, error) in [
        (256, sector.clone(), StorageError::Range),
        (u64::MAX, sector.clone(), StorageError::Range),
        (255, Ram::of(&[0; 1024], 512), StorageError::Range),
        (0, Ram::of(&[0; 100], 512), StorageError::Range),
        (0, Ram::none(), StorageError::Range),
        (0, Ram::of(&vec![0; MOST_BYTES + 512], 4096), StorageError::TooMuch),
        (0, Ram::of(&[0; 512 * (MOST_PIECES + 1)], 512), StorageError::TooMuch),
    ] {
        assert_eq!(world.done(a, "sda", Operation::Read, block, &data), Err(error));
    }
    let none = crate::VolumeId::of_minor(16).unwrap();
    let number = world.ask(a, none, Operation::Read, 0, &sector);
    world.settle();
    assert_eq!(world.answer(number), Some(Err(StorageError::NoVolume)));
    assert_eq!(world.host.lock().unwrap().trace.len(), before, "the disk has heard of none");
}

#[test]
fn what_a_disk_says_once_is_asked_again() {
    let mut world = plain();
    let a = world.activity(50);
    let data = Ram::of(&[0; 512], 512);
    let say = |world: &World, senses: &[[u8; 3]]| {
        world.host.lock().unwrap().disks.get_mut(&(0, 0)).unwrap().senses.extend(senses);
    };
    say(&world, &[[6, 0x29, 0], [0xb, 0, 6], [2, 4, 1], [1, 0x17, 0]]);
    assert_eq!(world.done(a, "sda", Operation::Read, 1, &data), Ok(()));
    // The last, a recovered error, was as good as none; but the data did not come with it.
    say(&world, &[[6, 0x2a, 9]; 5]);
    let result = world.done(a, "sda", Operation::Write, 1, &data);
    assert!(matches!(result, Err(StorageError::Sense(sense)) if sense.key == 6), "{result:?}");
    // What stays wrong is told, and not asked again.
    for (sense, errno) in [
        ([3, 0x11, 0], vortex_abi::Errno::EIO),
        ([4, 0x44, 0], vortex_abi::Errno::EIO),
        ([7, 0x27, 0], vortex_abi::Errno::EROFS),
        ([2, 0x3a, 0], vortex_abi::Errno::ENOMEDIUM),
        ([5, 0x21, 0], vortex_abi::Errno::ENOSPC),
    ] {
        say(&world, &[sense]);
        let result = world.done(a, "sda", Operation::Read, 1, &data);
        assert_eq!(result.unwrap_err().errno(), errno, "{sense:?}");
        assert!(world.host.lock().unwrap().disks[&(0, 0)].senses.is_empty());
    }
}

#[test]
fn a_full_ring_suspends_and_resumes_and_loses_nothing() {
    let mut world = World::found(2, vec![((0, 0), Disk::new(image(256, 512), 512))]);
    let a = world.activity(50);
    let sda = world.named("sda");
    let all: Vec<_> = (0..40)
        .map(|block| {
            let data = Ram::of(&[0; 512], 512);
            (world.ask(a, sda, Operation::Read, block, &data), block, data)
        })
        .collect();
    // The host does nothing until the ring is full and has been for long.
    for _ in 0..2_000 {
        world.step();
    }
    assert_eq!(world.host.lock().unwrap().works.len(), 2);
    assert!(all.iter().all(|(number, ..)| world.answer(*number).is_none()));
    world.settle();
    assert_eq!(world.host.lock().unwrap().most, 2);
    for (number, block, data) in all {
        assert_eq!(world.answer(number), Some(Ok(())));
        assert_eq!(data.to_vec(), &image(256, 512)[block as usize * 512..][..512]);
    }
    assert_eq!(world.grid.activities().nodes(a), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any requests of any activities, done by the host in any order at any time: each is
    /// answered once, and right; the disk has what was written.
    #[test]
    fn requests_in_any_order(
        size in 1_usize..12,
        seed in any::<u64>(),
        asks in prop::collection::vec((0_u64..64, 1_usize..9, any::<bool>(), 0_usize..3, 0_u32..40), 1..60),
    ) {
        let mut world = World::found(size, vec![((0, 0), Disk::new(image(1024, 512), 512))]);
        let activities = [world.activity(50), world.activity(33), world.activity(17)];
        let sda = world.named("sda");
        let mut expected = image(1024, 512);
        let mut all = Vec::new();
        let mut used = [false; 64];
        let mut random = seed;
        for (place, count, write, who, steps) in asks {
            // No two of them about the same blocks: those would have no order.
            let place = (place as usize..64).find(|place| !used[*place]);
            let Some(place) = place else { continue };
            used[place] = true;
            let block = place * 16;
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let fill = (random >> 33) as u8;
            let bytes = if write { vec![fill; count * 512] } else { vec![0; count * 512] };
            let data = Ram::of(&bytes, 1 + (random >> 40) as usize % 700 + 300);
            if data.pieces() > MOST_PIECES {
                continue;
            }
            let operation = if write { Operation::Write } else { Operation::Read };
            let number = world.ask(activities[who], sda, operation, block as u64, &data);
            let span = block * 512..(block + count) * 512;
            if write {
                expected[span.clone()].copy_from_slice(&bytes);
            }
            all.push((number, data, span));
            for _ in 0..steps {
                if random & 3 == 0 {
                    world.work();
                }
                world.step();
            }
        }
        world.settle();
        prop_assert!(world.host.lock().unwrap().disks[&(0, 0)].image == expected);
        for (number, data, span) in all {
            prop_assert_eq!(world.answer(number), Some(Ok(())));
            prop_assert!(data.to_vec() == expected[span]);
        }
        for activity in activities {
            prop_assert_eq!(world.grid.activities().nodes(activity), 0);
        }
        prop_assert_eq!(world.grid.activities().nodes(ActivityId::INFRASTRUCTURE), 0);
    }
}
