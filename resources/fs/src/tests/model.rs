//! Random reads, writes, truncations and syncs of several activities against files in memory.

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use vortex_units::ActivityId;

use super::cached::{adjacent, empty, image, on_disk, world};
use super::fake::Shared;
use super::programs::{Do, File, Got};
use super::world::World;
use crate::PAGE;

struct Model {
    world: World,
    shared: Shared,
    files: Vec<(u32, File, Vec<u8>)>,
    who: Vec<ActivityId>,
    block: usize,
    blocks: u32,
    /// Some of what is written is written by mappings, of which there are so many pages at most.
    maps: usize,
}

impl Model {
    fn new(block: usize, seed: u64, most: Option<u64>) -> Self {
        let blocks = (8 << 20) / block as u32;
        let (mut world, shared) = world(block, blocks);
        world.seed(seed);
        let who: Vec<_> = [50, 33, 17].map(|share| world.activity(share)).to_vec();
        for who in &who {
            if let Some(most) = most {
                world.pool.limit(*who, most);
            }
        }
        let mut files = Vec::new();
        let each = (40 * PAGE / block) as u32;
        adjacent(&shared, 4, 300, each);
        let bytes = image(blocks as usize, block)[300 * block..][..40 * PAGE].to_vec();
        files.push((4, world.file(4, block as u32, bytes.len() as u64), bytes));
        for ino in 5..8 {
            empty(&shared, ino);
            files.push((ino, world.file(ino, block as u32, 0), Vec::new()));
        }
        shared.0.lock().unwrap().moody = true;
        Self { world, shared, files, who, block, blocks, maps: 0 }
    }

    /// Any of them does something with a file of its own, all at the same time.
    fn round(&mut self) {
        let mut asked: Vec<(usize, usize, Vec<u8>)> = Vec::new();
        for file in 0..self.files.len() {
            let world = &mut self.world;
            let (which, at, bytes) = (
                world.random(if self.maps > 0 { 18 } else { 13 }),
                world.random(45 * 4096),
                world.random(50_000),
            );
            let at = if world.random(3) == 0 { at / 4096 * 4096 } else { at };
            let bytes = if world.random(3) == 0 { bytes / 4096 * 4096 } else { bytes } as usize + 1;
            let who = self.who[world.random(3) as usize];
            let (_, handle, model) = &mut self.files[file];
            let handle = handle.clone();
            let (what, expected) = match which {
                0..4 => {
                    let from = (at as usize).min(model.len());
                    let expected = model[from..(from + bytes).min(model.len())].to_vec();
                    (Do::Read { file: handle, at, bytes }, expected)
                }
                4..8 => {
                    let fill = world.random(255) as u8;
                    let data: Vec<u8> =
                        (0..bytes).map(|at| fill.wrapping_add((at / 7) as u8)).collect();
                    let end = at as usize + bytes;
                    model.resize(model.len().max(end), 0);
                    model[at as usize..end].copy_from_slice(&data);
                    (Do::Write { file: handle, at, bytes: data }, Vec::new())
                }
                8 => {
                    model.resize(at as usize, 0);
                    (Do::Truncate(handle, at), Vec::new())
                }
                9 => (Do::Sync(handle, world.random(2) == 0), Vec::new()),
                10 => (Do::Evict(handle), Vec::new()),
                11 => (Do::EvictActivity(who), Vec::new()),
                13.. => {
                    let at = at.min((model.len() as u64).saturating_sub(1));
                    let within = (at % PAGE as u64) as usize;
                    let count = bytes.min(PAGE - within).min(model.len() - at as usize);
                    let data = vec![world.random(255) as u8; count];
                    model[at as usize..][..count].copy_from_slice(&data);
                    (Do::MapWrite { file: handle, at, bytes: data }, Vec::new())
                }
                _ => {
                    let page = world.random(45) as u32;
                    let name = crate::PageName { file: handle.number(), page };
                    (Do::Reclaim(name), Vec::new())
                }
            };
            let number = self.world.ask(who, what);
            asked.push((number, file, expected));
        }
        // Some mappings end.
        let ends = |at: &mut usize| {
            *at += 1;
            *at > self.maps
        };
        let mut at = 0;
        self.world.maps.lock().unwrap().retain(|_, _| !ends(&mut at));
        // Some of the time passes, so that timers do their part.
        if self.world.random(4) == 0 {
            self.world.clock.fetch_add(3_000_000, std::sync::atomic::Ordering::Relaxed);
        }
        self.world.settle();
        for (number, file, expected) in asked {
            match self.world.result(number).expect("not answered") {
                Ok(Got::Bytes(bytes)) => assert!(bytes == expected, "what is read of file {file}"),
                Ok(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn end(&mut self) {
        let who = self.who[0];
        if self.world.random(2) == 0 {
            self.world.maps.lock().unwrap().clear();
        }
        assert_eq!(self.world.run(who, Do::SyncAll(None)), Ok(Got::Nothing));
        let mut used: BTreeMap<u32, u32> = BTreeMap::new();
        for (ino, file, model) in &self.files {
            assert_eq!(file.size(), model.len() as u64);
            let there = on_disk(&self.world, &self.shared, *ino);
            let differs = there.iter().zip(model).position(|(a, b)| a != b);
            assert_eq!(there.len(), model.len(), "file {ino}\n{}", file.describe());
            assert_eq!(differs, None, "file {ino} on the disk\n{}", file.describe());
            let fake = self.shared.0.lock().unwrap();
            let inode = &fake.inodes[ino];
            assert_eq!(inode.size, model.len() as u64);
            let end = model.len().div_ceil(self.block) as u32;
            assert!(inode.blocks.keys().all(|block| *block < end), "blocks behind the end");
            for place in inode.blocks.values() {
                assert!(used.insert(*place, *ino).is_none(), "a block of two");
            }
        }
        let fake = self.shared.0.lock().unwrap();
        // The first are the metadata's.
        assert_eq!(fake.free.len() + used.len(), self.blocks as usize - 16);
        drop(fake);
        self.world.maps.lock().unwrap().clear();
        // What is clean goes of who says so, and nothing of the others'.
        for (at, who) in self.who.iter().enumerate() {
            let used = |world: &World| {
                self.who[at + 1..].iter().map(|who| world.pool.used(*who)).collect::<Vec<_>>()
            };
            let before = used(&self.world);
            for (_, file, _) in &self.files {
                assert_eq!(self.world.run(*who, Do::Evict(file.clone())), Ok(Got::Nothing));
            }
            assert_eq!(self.world.pool.used(*who), 0, "what is left to who has evicted");
            assert_eq!(used(&self.world), before, "what others have");
        }
        // What is read again is the same.
        for index in 0..self.files.len() {
            let (_, file, model) = self.files[index].clone();
            assert_eq!(file.pages(), 0, "{}", file.describe());
            let read = self.world.read(who, &file, 0, model.len() + 1).unwrap();
            let differs = read.iter().zip(&model).position(|(a, b)| a != b);
            assert_eq!((read.len(), differs), (model.len(), None), "{}", file.describe());
        }
        for index in 0..self.files.len() {
            let (_, file, _) = self.files[index].clone();
            assert_eq!(self.world.run(who, Do::Release(file)), Ok(Got::Nothing));
        }
        assert_eq!(self.shared.0.lock().unwrap().free.len(), self.blocks as usize - 16);
        self.world.assert_nothing_left(&self.who);
        for who in &self.who {
            assert_eq!(self.world.pool.used(*who), 0, "frames");
        }
    }
}

fn check(block: usize, seed: u64, rounds: usize, most: Option<u64>) {
    check_mapped(block, seed, rounds, most, 0);
}

fn check_mapped(block: usize, seed: u64, rounds: usize, most: Option<u64>, maps: usize) {
    let mut model = Model::new(block, seed, most);
    model.maps = maps;
    (0..rounds).for_each(|_| model.round());
    model.end();
    for who in &model.who {
        assert!(most.is_none_or(|most| model.world.pool.peak(*who) <= most));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn files_are_what_was_written(seed in any::<u64>(), size in 0_usize..3) {
        check(1024 << size, seed, 20, None);
    }

    /// Also by programs that have mapped them.
    #[test]
    fn files_are_what_was_written_by_mappings(seed in any::<u64>(), size in 0_usize..3) {
        check_mapped(1024 << size, seed, 24, None, 30);
    }

    #[test]
    fn files_are_what_was_written_by_mappings_with_little_memory(
        seed in any::<u64>(), size in 0_usize..3,
    ) {
        check_mapped(1024 << size, seed, 16, Some(80), 6);
    }

    /// An activity that may have few pages gives up its own for others of its own.
    #[test]
    fn files_are_what_was_written_with_little_memory(seed in any::<u64>(), size in 0_usize..3) {
        check(1024 << size, seed, 16, Some(80));
    }
}

#[test]
fn nobody_needs_more_memory_than_it_may_have() {
    let (mut world, shared) = world(4096, 4096);
    adjacent(&shared, 4, 300, 1000);
    let a = world.activity(50);
    world.pool.limit(a, 20);
    let file = world.file(4, 4096, 1000 * PAGE as u64);
    let whole = image(4096, 4096);
    for at in 0..100 {
        let read = world.read(a, &file, at * 10 * PAGE as u64, 10 * PAGE).unwrap();
        assert_eq!(read.len(), 10 * PAGE, "{}", file.describe());
        assert!(read == whole[(300 + at as usize * 10) * PAGE..][..10 * PAGE]);
    }
    assert_eq!(world.pool.peak(a), 20);
    let bytes = vec![9; 200 * PAGE];
    assert_eq!(world.write(a, &file, 0, &bytes), Ok(200 * PAGE));
    assert!(world.pool.peak(a) <= 20);
    assert!(world.read(a, &file, 0, 200 * PAGE).unwrap() == bytes);
}

/// What one's write waits for is never only that a timer has pages written that nobody will
/// write to: runs that once did.
#[test]
fn nobody_waits_for_a_timer() {
    check(1024, 141 * 7919, 30, Some(40));
}

/// Who has an activity's pages evicted while that is in debt writes them itself.
#[test]
fn an_eviction_does_not_wait_for_who_may_not_write() {
    check(1024, 7_251_193_785_841_257_670, 20, None);
}

/// Seeds from `VORTEX_SEED` on, `VORTEX_SEEDS` of them: to look for what random ones miss.
#[test]
#[ignore = "takes as long as it is told to"]
fn many_seeds() {
    let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    let (first, count) = (number("VORTEX_SEED").unwrap_or(0), number("VORTEX_SEEDS").unwrap_or(50));
    let mut failed = Vec::new();
    for seed in first..first + count {
        let size = (seed % 3) as usize;
        let of = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let all: [(&str, &dyn Fn()); 4] = [
            ("plain", &|| check(1024 << size, of, 20, None)),
            ("mapped", &|| check_mapped(1024 << size, of, 24, None, 30)),
            ("mapped, little", &|| check_mapped(1024 << size, of, 16, Some(80), 6)),
            ("little", &|| check(1024 << size, of, 16, Some(80))),
        ];
        for (name, check) in all {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err() {
                failed.push((name, seed, of, size));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
