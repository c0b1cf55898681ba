//! What is to be written, and when it may be.
//!
//! A dirty block stands in a line until it is looked at. If something must be on the disk
//! first it is parked at that, and comes back into the line when that is there: so looking for
//! the next write costs the same however much waits.
//!
//! A device may keep what it has written in a volatile cache: a write counts as being on the
//! disk when a flush that began after its end is done.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::needs::{Need, Target};
use super::wants::{Turn, Wants};
use crate::Ext2;
use crate::cache::{Role, copy_of};
use crate::caller::{Accounts, Payer};
use crate::disk::{get16, put};
use crate::numbers::{Block, Ino};
use vortex_abi::Errno;

/// What is done in one run.
const LOOKED_AT: usize = 4;
/// Needs of a block that are found to be there, in one run.
const FOUND: usize = 8;

/// A block to be written.
#[derive(Debug)]
pub struct Write {
    /// Where to.
    pub block: Block,
    /// What; it does not change any more.
    pub bytes: Box<[u8]>,
    /// On whose bill.
    pub payer: Payer,
}

/// What is to be done for the disk next.
#[derive(Debug)]
pub enum Next {
    /// Write this, and answer by [`Ext2::written`]. Any number may be under way; the device may
    /// do them in any order.
    Write(Write),
    /// Have the device put what it has written where it stays (SYNCHRONIZE CACHE), and answer
    /// by [`Ext2::flushed`].
    Flush,
    /// As much has been looked at as fits a run.
    Again,
    /// Nothing, until something changes or what is under way ends.
    Nothing,
}

/// A write that is under way or done.
pub(super) struct Issued {
    pub block: Block,
    pub version: u64,
    /// The round in which it was given out: what has changed since is of that or a later one.
    pub round: u64,
    pub slots: Vec<IssuedSlot>,
}

/// An inode in it.
pub(super) struct IssuedSlot {
    pub ino: Ino,
    pub version: u64,
    /// It is as it was in memory, not as it was before.
    pub whole: bool,
}

/// What waits to be written.
pub(crate) struct Writer {
    ready: VecDeque<Block>,
    urgent: VecDeque<Block>,
    pub(super) parked: BTreeSet<(Target, Block)>,
    /// What is there now, and from which block on those that are parked at it leave.
    pub(super) reached: VecDeque<(Target, Block)>,
    under_way: BTreeMap<Block, Issued>,
    /// Written, and not known to stay.
    pub(super) done: VecDeque<Issued>,
    /// How many of these a flush under way will cover.
    flushing: Option<usize>,
    /// How many of these a flush has covered.
    pub(super) covered: usize,
    /// What somebody waits for.
    wants: Wants,
    /// The device has a cache that forgets.
    volatile: bool,
    /// Changed blocks that belong to one inode.
    pub private: BTreeSet<(Ino, Block)>,
    /// Before this nothing else is written.
    pub gate: Option<Need>,
}

impl Writer {
    /// For a cache of so many blocks.
    pub fn new(capacity: u32, volatile: bool) -> Result<Self, Errno> {
        let line = || {
            let mut line = VecDeque::new();
            line.try_reserve_exact(capacity as usize).map_err(|_| Errno::ENOMEM)?;
            Ok(line)
        };
        Ok(Self {
            ready: line()?,
            urgent: line()?,
            parked: BTreeSet::new(),
            reached: VecDeque::new(),
            under_way: BTreeMap::new(),
            done: VecDeque::new(),
            flushing: None,
            covered: 0,
            wants: Wants::default(),
            volatile,
            private: BTreeSet::new(),
            gate: None,
        })
    }

    /// Somebody waits for what is urgent to be written and to stay.
    pub fn want_urgent(&mut self) {
        self.wants.hurry(self.urgent.len());
    }

    /// Somebody waits for all that can be written, and for it to stay.
    pub fn want_flush(&mut self) {
        self.wants.press(self.ready.len());
    }

    fn turn(&self, urgent: bool) -> Turn {
        self.wants.turn(self.urgent.len(), self.ready.len(), urgent)
    }

    /// Nothing waits in a line, or for something else.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.parked.is_empty() && self.reached.is_empty()
    }

    /// Nothing is under way, and nothing is written that may not stay.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.done.is_empty()
    }
}

impl<A: Accounts> Ext2<A> {
    /// Whether it is on the disk, and stays.
    pub(crate) fn satisfied(&self, need: Need) -> bool {
        let mut need = need;
        for _ in 0..8 {
            match need.on {
                Target::Slot(ino) => {
                    let slot = self.slots.map.get(&ino);
                    return slot.is_none_or(|slot| slot.stable >= need.version);
                }
                Target::Block(block) => {
                    let Some(buffer) = self.cache.get(block) else { return true };
                    match buffer.gone {
                        None => return buffer.stable >= need.version,
                        Some(_) if buffer.in_flight => return false,
                        Some(next) => need = next,
                    }
                }
            }
        }
        false
    }

    /// The last of these that is not on the disk: what came last is there last.
    fn unsatisfied(&self, needs: &[Need]) -> Option<Need> {
        needs.iter().rev().copied().find(|need| !self.satisfied(*need))
    }

    /// Puts a block into the line.
    pub(crate) fn queue(&mut self, block: Block) {
        if let Some(buffer) = self.cache.get_mut(block)
            && !buffer.queued
        {
            buffer.queued = true;
            self.writer.ready.push_back(block);
        }
    }

    /// Puts a block ahead of all that are not urgent.
    pub(crate) fn hurry(&mut self, block: Block) {
        if let Some(buffer) = self.cache.get_mut(block)
            && !buffer.urgent
            && !buffer.in_flight
        {
            buffer.urgent = true;
            self.writer.urgent.push_back(block);
        }
    }

    pub(crate) fn park(&mut self, block: Block, at: Need) {
        // What is gone never comes to be there: it hangs on something else.
        let mut at = at;
        for _ in 0..8 {
            let Target::Block(target) = at.on else { break };
            match self.cache.get(target).and_then(|buffer| buffer.gone) {
                Some(next) => at = next,
                None => break,
            }
        }
        self.writer.parked.insert((at.on, block));
    }

    /// What to do for the disk next. `urgent` asks only for what somebody waits for.
    pub fn next_write(&mut self, urgent: bool) -> Next {
        if self.broken {
            return Next::Nothing;
        }
        if self.settle() {
            return Next::Again;
        }
        if self.writer.is_idle() && self.writer.turn(urgent) == Turn::Flush {
            // There is nothing that a flush would be for.
            self.writer.wants.renew(self.writer.ready.len());
        }
        let urgent = urgent && !self.writer.wants.is_pressed();
        if !urgent && !self.ghosts.is_empty() && self.lay_ready() {
            return Next::Again;
        }
        // What waits may go on when blocks have left the line, though nothing is written.
        let mut looked = false;
        for _ in 0..LOOKED_AT {
            let Some(block) = self.pop(urgent) else { break };
            looked = true;
            match self.issue(block) {
                Ok(Some(write)) => return Next::Write(write),
                Ok(None) => {}
                Err(_) => {
                    self.queue(block);
                    return Next::Nothing;
                }
            }
        }
        let writer = &mut self.writer;
        let turn = writer.turn(urgent);
        if looked || matches!(turn, Turn::Urgent | Turn::Ready) {
            return Next::Again;
        }
        let ghosts = !urgent && !self.ghosts.is_empty();
        let waits = turn == Turn::Flush || !writer.parked.is_empty() || ghosts;
        let can = writer.under_way.is_empty() && writer.flushing.is_none();
        if waits && can && !writer.done.is_empty() {
            writer.flushing = Some(writer.done.len());
            writer.wants.flushes(writer.ready.len());
            return Next::Flush;
        }
        Next::Nothing
    }

    /// The block behind one that was given out, if it stands in a line on the same bill and may
    /// be written now: so that both go together. It has its place in the line still, and is
    /// found written there.
    pub fn next_behind(&mut self, block: Block, payer: Payer) -> Option<Write> {
        let behind = Block(block.0.checked_add(1)?);
        let buffer = self.cache.get(behind)?;
        let stands = (buffer.queued || buffer.urgent) && buffer.payer == payer;
        if !stands || buffer.gone.is_some() || buffer.in_flight {
            return None;
        }
        self.issue(behind).ok().flatten()
    }

    /// The next block in the lines.
    fn pop(&mut self, urgent: bool) -> Option<Block> {
        let (turn, writer) = (self.writer.turn(urgent), &mut self.writer);
        let block = match turn {
            Turn::Urgent => writer.urgent.pop_front()?,
            Turn::Ready => writer.ready.pop_front()?,
            Turn::Flush | Turn::None => return None,
        };
        writer.wants.takes(turn);
        if let Some(buffer) = self.cache.get_mut(block) {
            let stands = match turn {
                Turn::Urgent => &mut buffer.urgent,
                _ => &mut buffer.queued,
            };
            *stands = false;
        }
        Some(block)
    }

    /// Forgets a block that has been freed, when nothing hangs on it any more.
    fn bury(&mut self, block: Block) {
        let Some(buffer) = self.cache.get(block) else { return };
        let Some(need) = buffer.gone.filter(|_| !buffer.in_flight) else { return };
        if self.satisfied(need) {
            self.cache.remove(block);
            self.unpark(Target::Block(block));
        } else {
            self.park(block, need);
        }
    }

    /// Lets go of where the pointer to a block is, when that is on the disk.
    fn weigh(&mut self, block: Block, anchor: Need) {
        if !self.satisfied(anchor) {
            self.park(block, anchor);
            return;
        }
        if let Some(buffer) = self.cache.get_mut(block) {
            buffer.anchor = None;
        }
        self.cache.settle(block);
    }

    /// Whether a block is not written now, for what it needs is not there: it is parked at that.
    /// What is there it does not need any more.
    fn has_to_wait(&mut self, block: Block) -> bool {
        for _ in 0..FOUND {
            let need = self.cache.get(block).and_then(|buffer| buffer.needs.last().copied());
            let Some(need) = need else { return false };
            if !self.satisfied(need) {
                self.park(block, need);
                return true;
            }
            if let Some(buffer) = self.cache.get_mut(block) {
                buffer.needs.pop();
            }
        }
        self.queue(block);
        true
    }

    /// Gives a block out to be written, or parks it at what has to be there first.
    fn issue(&mut self, block: Block) -> Result<Option<Write>, Errno> {
        let Some(buffer) = self.cache.get(block) else { return Ok(None) };
        if buffer.gone.is_some() {
            self.bury(block);
            return Ok(None);
        }
        if let Some(anchor) = buffer.anchor {
            self.weigh(block, anchor);
        }
        let Some(buffer) = self.cache.get(block) else { return Ok(None) };
        let changed = buffer.version > buffer.issued || buffer.pending;
        if buffer.in_flight || !changed {
            return Ok(None);
        }
        let gate = self.writer.gate.filter(|gate| gate.on != Target::Block(block));
        if let Some(gate) = gate {
            if !self.satisfied(gate) {
                self.park(block, gate);
                return Ok(None);
            }
            self.writer.gate = None;
        }
        if self.has_to_wait(block) {
            return Ok(None);
        }
        let Some(buffer) = self.cache.get(block) else { return Ok(None) };
        let Some(bytes) = &buffer.bytes else { return Ok(None) };
        let mut bytes = copy_of(bytes)?;
        let mut slots = Vec::new();
        if buffer.role == Role::Inodes && !self.issue_inodes(block, &mut bytes, &mut slots)? {
            self.issue_nothing(block);
            return Ok(None);
        }
        let Some(buffer) = self.cache.get_mut(block) else { return Ok(None) };
        buffer.needs.clear();
        buffer.issued = buffer.version;
        buffer.in_flight = true;
        let (version, payer) = (buffer.version, buffer.payer);
        self.cache.settle(block);
        let round = self.cache.rounds.now();
        self.writer.under_way.insert(block, Issued { block, version, round, slots });
        Ok(Some(Write { block, bytes, payer }))
    }

    /// All inodes of a block that have changed have to wait: what may be written is written.
    fn issue_nothing(&mut self, block: Block) {
        let Some(buffer) = self.cache.get_mut(block) else { return };
        if buffer.version > buffer.issued {
            buffer.issued = buffer.version;
            let version = buffer.version;
            let (round, slots) = (self.cache.rounds.now(), Vec::new());
            self.writer.done.push_back(Issued { block, version, round, slots });
        }
    }

    /// Puts back into `bytes` what inodes were that have to wait; `false` if nothing in them
    /// may be written now.
    fn issue_inodes(
        &mut self,
        block: Block,
        bytes: &mut [u8],
        issued: &mut Vec<IssuedSlot>,
    ) -> Result<bool, Errno> {
        let Some((first, count)) = self.inodes_of(block) else { return Ok(false) };
        issued.try_reserve(count as usize).map_err(|_| Errno::ENOMEM)?;
        let size = self.layout.inode_size as usize;
        let mut waiting = Vec::new();
        for (ino, slot) in self.slots.among(first, count) {
            let held = self.unsatisfied(&slot.needs);
            let version = if let (Some(need), Some(old)) = (held, &slot.old) {
                let index = ino.0.saturating_sub(first.0) as usize;
                put(bytes, index.saturating_mul(size), &old.bytes);
                waiting.push(need);
                old.version
            } else {
                slot.version
            };
            if version > slot.issued {
                issued.push(IssuedSlot { ino, version, whole: version == slot.version });
            }
        }
        for need in waiting {
            self.park(block, need);
        }
        for IssuedSlot { ino, version, .. } in issued.iter() {
            let Some(slot) = self.slots.map.get_mut(ino) else { continue };
            slot.issued = *version;
            let index = ino.0.saturating_sub(first.0) as usize;
            let links = index.saturating_mul(size).saturating_add(26);
            slot.unused = slot.unused && get16(bytes, links) == 0;
            if slot.version == *version {
                slot.needs.clear();
                if let Some(old) = slot.old.take() {
                    self.accounts.credit(old.payer, old.bytes.len());
                }
            }
        }
        Ok(!issued.is_empty())
    }

    /// A write has ended. After one that failed nothing more is written, and nothing changed.
    pub fn written(&mut self, block: Block, result: Result<(), Errno>) {
        let Some(issued) = self.writer.under_way.remove(&block) else { return };
        if let Some(buffer) = self.cache.get_mut(block) {
            buffer.in_flight = false;
            if buffer.version > buffer.issued || buffer.pending || buffer.gone.is_some() {
                self.queue(block);
            }
        }
        if result.is_err() {
            self.broken = true;
            return;
        }
        self.writer.done.push_back(issued);
        if !self.writer.volatile {
            self.writer.covered = self.writer.done.len();
        }
    }

    /// The flush has ended that [`Next::Flush`] asked for.
    pub fn flushed(&mut self, result: Result<(), Errno>) {
        let Some(covered) = self.writer.flushing.take() else { return };
        if result.is_err() {
            self.broken = true;
            return;
        }
        self.writer.covered = covered;
    }
}

#[cfg(test)]
impl<A: Accounts> Ext2<A> {
    /// What waits, and for what.
    pub(crate) fn waiting(&self) -> alloc::string::String {
        let writer = &self.writer;
        let slots: Vec<_> = self
            .slots
            .map
            .iter()
            .map(|(ino, slot)| (ino, slot.version, slot.issued, slot.stable, &slot.needs))
            .collect();
        let urgent: Vec<_> = writer
            .urgent
            .iter()
            .filter_map(|block| self.cache.get(*block))
            .map(|b| {
                (b.block, b.role, b.version, b.issued, b.stable, b.in_flight, b.pending, &b.needs)
            })
            .collect();
        alloc::format!(
            "urgent {urgent:?} ready {:?}, urgent {:?}, parked {:?}, done {}, flushing {:?}, covered {}, slots {slots:?}",
            writer.ready,
            writer.urgent,
            writer.parked,
            writer.done.len(),
            writer.flushing,
            writer.covered,
        )
    }
}
