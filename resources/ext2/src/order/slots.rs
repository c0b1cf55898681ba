//! Inodes that are not on the disk as they are in memory.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::needs::Need;
use super::rounds::Rounds;
use crate::caller::Payer;
use crate::numbers::Ino;

/// An inode as it was.
pub(crate) struct Old {
    pub bytes: Box<[u8]>,
    /// Who pays for this copy.
    pub payer: Payer,
    /// The operation after which it was so.
    pub version: u64,
}

/// What is kept of an inode that has changed is counted as so many bytes: the place below, what
/// it needs, where its entry is, and in which directory it was made.
pub(crate) const PRICE: usize = 320;

/// An inode's place in the inode table that has changed.
#[derive(Default)]
pub(crate) struct Slot {
    /// The operation that changed it last.
    pub version: u64,
    /// The version that has been given out to be written.
    pub issued: u64,
    /// The version that will be there after a power cut.
    pub stable: u64,
    /// What must be on the disk before it is.
    pub needs: Vec<Need>,
    /// What is written in its place until then.
    pub old: Option<Old>,
    /// On the disk it is unused, and has not been given out as anything else.
    pub unused: bool,
    /// It is not known to be on the disk at all.
    pub newborn: bool,
    /// In which directory it was made.
    pub parent: Ino,
    /// Who pays for this: whoever changed it first since it was on the disk.
    pub payer: Payer,
    /// Since which round it has waited to be written, at the longest.
    round: u64,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Slots {
    pub map: BTreeMap<Ino, Slot>,
    /// New inodes that are not on the disk yet, by their directory.
    pub born: BTreeSet<(Ino, Ino)>,
    /// Where entries have been added that may not be on the disk yet.
    pub entries: BTreeMap<Ino, Vec<Need>>,
    /// Where entries have been removed that may still be on the disk.
    pub removals: BTreeMap<Ino, Vec<Need>>,
    /// Those of both, in the order in which they came.
    pub recent: VecDeque<Ino>,
    /// How many each pays for.
    counts: BTreeMap<Payer, u32>,
    /// Since when they wait.
    pub rounds: Rounds,
}

impl Slots {
    /// The place of an inode that this operation changes, on the bill of `payer` if it is new.
    pub fn changed(&mut self, ino: Ino, version: u64, payer: Payer) -> &mut Slot {
        let (counts, rounds) = (&mut self.counts, &mut self.rounds);
        self.map.entry(ino).or_insert_with(|| {
            let count = counts.entry(payer).or_default();
            *count = count.saturating_add(1);
            let (before, round) = (version.saturating_sub(1), rounds.now());
            rounds.change(None, Some(round));
            Slot { issued: before, stable: before, payer, round, ..Slot::default() }
        })
    }

    /// Forgets one, which is on the disk as it is here.
    pub fn forget(&mut self, ino: Ino) -> Option<Slot> {
        let slot = self.map.remove(&ino)?;
        self.rounds.change(Some(slot.round), None);
        if let Some(count) = self.counts.get_mut(&slot.payer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&slot.payer);
            }
        }
        Some(slot)
    }

    /// All of one is on the disk that was in memory in this round.
    pub fn wrote(&mut self, ino: Ino, round: u64) {
        if let Some(slot) = self.map.get_mut(&ino).filter(|slot| slot.round < round) {
            self.rounds.change(Some(slot.round), Some(round));
            slot.round = round;
        }
    }

    /// How many this one pays for.
    pub fn of(&self, payer: Payer) -> u32 {
        self.counts.get(&payer).copied().unwrap_or(0)
    }

    /// The changed inodes among these.
    pub fn among(&self, first: Ino, count: u32) -> impl Iterator<Item = (Ino, &Slot)> {
        self.map.range(first..first.after(count)).map(|(ino, slot)| (*ino, slot))
    }

    /// An inode that on the disk is unused, whatever it is in memory.
    pub fn is_unused_on_disk(&self, ino: Ino) -> bool {
        self.map.get(&ino).is_some_and(|slot| slot.unused)
    }

    /// An inode that may not be on the disk at all.
    pub fn is_newborn(&self, ino: Ino) -> bool {
        self.map.get(&ino).is_some_and(|slot| slot.newborn)
    }
}
