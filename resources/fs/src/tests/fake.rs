//! A file system's logic that is as simple as can be, and stops wherever it may: to try what is
//! around it. Its "metadata" are blocks of its own, which it writes when something changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use vortex_abi::Errno;
use vortex_units::ActivityId;

use crate::{Answer, Logic, Next, Operation, Run, Stop, Who, Write};

/// What a file is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inode {
    pub size: u64,
    pub blocks: BTreeMap<u32, u32>,
    pub gone: bool,
}

#[derive(Default)]
pub struct Fake {
    pub inodes: BTreeMap<u32, Inode>,
    /// Blocks that nobody has.
    pub free: Vec<u32>,
    pub block: usize,
    there: BTreeSet<u32>,
    dirty: VecDeque<(u32, ActivityId)>,
    under_way: BTreeSet<u32>,
    unflushed: bool,
    flushing: bool,
    random: u64,
    /// It stops now and then for no reason.
    pub moody: bool,
    pub described: Vec<(u32, Option<u64>)>,
}

#[derive(Clone, Default)]
pub struct Shared(pub Arc<Mutex<Fake>>);

impl Fake {
    /// With blocks of so many bytes, of which these are free, in this order.
    pub fn new(block: usize, free: Vec<u32>) -> Self {
        Self { block, free, random: 7, ..Self::default() }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(11);
        (self.random >> 33) % below
    }

    /// The block that a file's inode is said to be in.
    fn home(ino: u32) -> u32 {
        1 + ino % 4
    }

    fn soil(&mut self, ino: u32, who: ActivityId) {
        let home = Self::home(ino);
        if !self.dirty.iter().any(|(block, _)| *block == home) {
            self.dirty.push_back((home, who));
        }
    }

    fn runs(&self, ino: u32, block: u32, count: u32, fresh: &BTreeSet<u32>) -> Vec<Run> {
        let inode = &self.inodes[&ino];
        let mut runs: Vec<Run> = Vec::new();
        for block in block..block + count {
            let place = inode.blocks.get(&block).copied().unwrap_or(0);
            let fresh = fresh.contains(&block);
            if let Some(last) = runs.last_mut()
                && last.fresh == fresh
                && ((place == 0 && last.place == 0)
                    || (last.place != 0 && place == last.place + last.count))
            {
                last.count += 1;
                continue;
            }
            runs.push(Run { block, count: 1, place, fresh });
        }
        runs
    }
}

impl Logic for Shared {
    fn run(&mut self, who: &Who, operation: &Operation) -> Result<Answer, Stop> {
        let (fake, who) = (&mut *self.0.lock().unwrap(), who.activity);
        let ino = match operation {
            Operation::Map { ino, .. } | Operation::Describe { ino, .. } => *ino,
            Operation::Release(ino) | Operation::Sync(ino) => *ino,
            _ => 0,
        };
        let home = Fake::home(ino);
        if !fake.there.contains(&home) {
            return Err(Stop::Fetch(home));
        }
        if fake.moody && fake.random(4) == 0 {
            fake.there.clear();
            return Err(Stop::Again);
        }
        match operation {
            Operation::Map { block, count, wanted, .. } => {
                let (from, end) = wanted.unwrap_or((0, 0));
                let inode = fake.inodes.get(&ino).ok_or(Stop::Error(Errno::ENOENT))?;
                let fresh: BTreeSet<u32> =
                    (from..end).filter(|block| !inode.blocks.contains_key(block)).collect();
                if fresh.len() > fake.free.len() {
                    return Err(Stop::Error(Errno::ENOSPC));
                }
                for block in &fresh {
                    let place = fake.free.pop().unwrap();
                    fake.inodes.get_mut(&ino).unwrap().blocks.insert(*block, place);
                    fake.soil(ino, who);
                }
                Ok(Answer::Runs(fake.runs(ino, *block, *count, &fresh)))
            }
            Operation::Describe { size, cut, .. } => {
                fake.described.push((ino, *size));
                let block = fake.block as u64;
                let inode = fake.inodes.get_mut(&ino).ok_or(Stop::Error(Errno::ENOENT))?;
                inode.size = size.unwrap_or(inode.size);
                if *cut {
                    let end = inode.size.div_ceil(block) as u32;
                    let freed = inode.blocks.split_off(&end);
                    fake.free.extend(freed.into_values());
                }
                fake.soil(ino, who);
                Ok(Answer::Done)
            }
            Operation::Release(_) => {
                let inode = fake.inodes.get_mut(&ino).ok_or(Stop::Error(Errno::ENOENT))?;
                inode.gone = true;
                let freed = std::mem::take(&mut inode.blocks);
                fake.free.extend(freed.into_values());
                fake.soil(ino, who);
                Ok(Answer::Done)
            }
            Operation::Sync(_) | Operation::SyncAll | Operation::Unmount => {
                let busy = !fake.dirty.is_empty() || !fake.under_way.is_empty();
                if busy || fake.unflushed { Err(Stop::Flush) } else { Ok(Answer::Done) }
            }
            _ => Err(Stop::Error(Errno::ENOSYS)),
        }
    }

    fn fetched(&mut self, _: ActivityId, block: u32, bytes: &[u8]) {
        let fake = &mut *self.0.lock().unwrap();
        assert_eq!(bytes.len(), fake.block);
        fake.there.insert(block);
    }

    fn next_write(&mut self, urgent: bool) -> Next {
        let fake = &mut *self.0.lock().unwrap();
        let _ = urgent;
        if fake.moody && fake.random(5) == 0 {
            return Next::Again;
        }
        let under_way = &fake.under_way;
        let next = fake.dirty.iter().position(|(block, _)| !under_way.contains(block));
        if let Some((block, by)) = next.and_then(|next| fake.dirty.remove(next)) {
            fake.under_way.insert(block);
            let bytes = std::vec![block as u8; fake.block].into_boxed_slice();
            return Next::Write(Write { block, bytes, by });
        }
        if fake.under_way.is_empty() && fake.unflushed && !fake.flushing {
            fake.flushing = true;
            return Next::Flush;
        }
        Next::Nothing
    }

    fn written(&mut self, block: u32, result: Result<(), Errno>) {
        let fake = &mut *self.0.lock().unwrap();
        assert!(fake.under_way.remove(&block), "not under way");
        result.unwrap();
        fake.unflushed = true;
    }

    fn flushed(&mut self, result: Result<(), Errno>) {
        let fake = &mut *self.0.lock().unwrap();
        result.unwrap();
        assert!(std::mem::take(&mut fake.flushing), "no flush is under way");
        fake.unflushed = !fake.dirty.is_empty() || !fake.under_way.is_empty();
    }
}
