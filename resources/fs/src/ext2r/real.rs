//! The logic of ext2 (`vortex-ext2`), as EXT2R asks for it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_ext2::{self as ext2, FileBlock, Ino, Payer};
use vortex_units::{ActivityId, Bytes};

use super::logic::{Logic, Next, Owes, Stop, Who, Write};
use crate::cache::Bills;
use crate::names::Time;
use crate::requests::{
    Answer, Changes, Entries, Entry, New, Object, Operation, Replace, Run, Usage,
};

/// Of what an activity can have, the part that blocks may be which it has had fetched: one of so
/// many bytes, but so many bytes at least.
const ONE_OF: u64 = 8;
const LEAST: u64 = 64 << 10;
/// As much may be there that is not written; but no more than one of so many of all blocks that
/// there is room for, so that one does not have them all.
const ONE_OF_ALL: u64 = 4;
/// Entries of a directory in one answer.
const ENTRIES: usize = 64;

/// It.
pub struct Real(ext2::Ext2<Accounts>);

/// What of its blocks' memory is on whose bill. When the file system is gone, nothing is.
struct Accounts {
    bills: Arc<dyn Bills>,
    held: BTreeMap<Payer, u64>,
}

impl ext2::Accounts for Accounts {
    fn charge(&mut self, payer: Payer, bytes: usize) -> Result<(), Errno> {
        let held = self.held.entry(payer).or_default();
        *held = held.saturating_add(bytes as u64);
        self.bills.charge(activity(payer), Bytes::new(bytes as u64));
        Ok(())
    }

    fn credit(&mut self, payer: Payer, bytes: usize) {
        let Some(held) = self.held.get_mut(&payer) else { return };
        let bytes = (bytes as u64).min(*held);
        *held = held.saturating_sub(bytes);
        if *held == 0 {
            self.held.remove(&payer);
        }
        self.bills.credit(activity(payer), Bytes::new(bytes));
    }

    fn has_room(&self, payer: Payer, bytes: usize) -> bool {
        let held = self.held.get(&payer).copied().unwrap_or(0);
        held.saturating_add(bytes as u64) <= self.most(payer)
    }
}

impl Accounts {
    /// The most bytes that blocks may be which somebody has had fetched, or changed.
    fn most(&self, payer: Payer) -> u64 {
        (self.bills.limit(activity(payer)).get() / ONE_OF).max(LEAST)
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        for (payer, bytes) in core::mem::take(&mut self.held) {
            self.bills.credit(activity(payer), Bytes::new(bytes));
        }
    }
}

impl Real {
    /// A file system that is not mounted yet: its superblock, and how large its volume is.
    ///
    /// # Errors
    /// Why it is not served.
    pub fn open(
        superblock: &[u8],
        volume: u64,
        read_only: bool,
        seed: u64,
        bills: Arc<dyn Bills>,
    ) -> Result<Self, ext2::Refusal> {
        let options = ext2::Options { read_only, seed, ..ext2::Options::default() };
        let accounts = Accounts { bills, held: BTreeMap::new() };
        ext2::Ext2::open(superblock, volume, options, accounts).map(Self)
    }

    /// Bytes of a block.
    pub fn block(&self) -> u32 {
        self.0.block_size()
    }

    /// Takes it into service; why nothing is written to it, if so.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn mount(&mut self, who: &Who) -> Result<Option<&'static str>, Stop> {
        let mounted = self.0.mount(&caller(who)).map_err(stop)?;
        Ok(mounted.read_only.map(|why| match why {
            ext2::ReadOnly::Asked => "it was asked for",
            ext2::ReadOnly::Features(_) => "it has features that a writer has to know",
            ext2::ReadOnly::NotClean => "it was not unmounted in order: e2fsck has to look at it",
        }))
    }

    fn object(&mut self, ino: Ino) -> Result<Answer, Stop> {
        let of = self.0.inode(ino).map_err(stop)?;
        let target = if of.kind == ext2::Kind::Symlink {
            self.0.readlink(ino).map_err(stop)?.into_boxed_slice()
        } else {
            Box::default()
        };
        Ok(Answer::Object(Box::new(Object {
            ino: ino.get(),
            mode: of.mode,
            links: of.links,
            user: of.uid,
            group: of.gid,
            device: of.device,
            size: of.size,
            sectors: of.sectors,
            accessed: time(of.accessed),
            modified: time(of.modified),
            changed: time(of.changed),
            target,
        })))
    }

    fn create(
        &mut self,
        who: &Who,
        folder: u32,
        name: &[u8],
        new: &New,
        permissions: u16,
    ) -> Result<Answer, Stop> {
        // What was made before the answer had all that it says is not made again.
        let new = match new {
            New::Nameless => {
                let folder = Ino::new(folder);
                let made = self.0.create_nameless(&caller(who), folder, permissions);
                return self.object(made.map_err(stop)?);
            }
            New::File => ext2::New::File,
            New::Directory => ext2::New::Directory,
            New::Symlink(target) => ext2::New::Symlink(target),
            New::Character(device) => ext2::New::Character(*device),
            New::Block(device) => ext2::New::Block(*device),
            New::Fifo => ext2::New::Fifo,
            New::Socket => ext2::New::Socket,
        };
        let folder = Ino::new(folder);
        let ino = self.0.create(&caller(who), folder, name, new, permissions).map_err(stop)?;
        // Its block is in memory: it has just been changed.
        self.object(ino)
    }

    fn list(&mut self, folder: u32, from: u64) -> Result<Answer, Stop> {
        let listing = self.0.list(Ino::new(folder), from, ENTRIES).map_err(stop)?;
        let entry = |entry: ext2::Listed| Entry {
            ino: entry.ino.get(),
            kind: entry.kind.map(ext2::Kind::bits),
            next: entry.next,
            name: entry.name,
        };
        let entries = listing.entries.into_iter().map(entry).collect();
        let (next, end) = (listing.next, listing.end);
        Ok(Answer::Entries(Box::new(Entries { entries, next, end })))
    }

    fn usage(&self) -> Answer {
        let of = self.0.statistics();
        Answer::Usage(Box::new(Usage {
            block: of.block_size,
            blocks: of.blocks,
            free: of.free,
            available: of.available,
            inodes: of.inodes,
            free_inodes: of.free_inodes,
        }))
    }

    /// Where blocks are. What is there before is told of first, in the same run: what then gets
    /// a place is fresh, and no stop between can make it look otherwise.
    fn map(
        &mut self,
        who: &Who,
        ino: u32,
        (block, count): (u32, u32),
        wanted: Option<(u32, u32)>,
    ) -> Result<Answer, Stop> {
        let ino = Ino::new(ino);
        let end = block.saturating_add(count);
        let mut runs = Vec::new();
        let mut at = block;
        while at < end {
            let more = self.0.map(ino, FileBlock::new(at), end.saturating_sub(at)).map_err(stop)?;
            let told = at;
            for run in more {
                at = at.max(run.first.get().saturating_add(run.count));
                runs.push(of_run(&run));
            }
            if at <= told {
                return Err(Stop::Error(Errno::EUCLEAN));
            }
        }
        let Some((from, to)) = wanted.filter(|(from, to)| from < to) else {
            return Ok(Answer::Runs(runs));
        };
        let count = to.saturating_sub(from);
        let made = self.0.allocate(&caller(who), ino, FileBlock::new(from), count).map_err(stop)?;
        let made: Vec<Run> = made.iter().map(of_run).collect();
        Ok(Answer::Runs(overlay(&runs, &made)))
    }

    fn describe(
        &mut self,
        who: &Who,
        ino: u32,
        (size, cut): (Option<u64>, bool),
        times: &crate::Times,
    ) -> Result<Answer, Stop> {
        let (ino, caller) = (Ino::new(ino), caller(who));
        match size {
            Some(size) if cut => self.0.set_size(&caller, ino, size).map_err(stop)?,
            Some(size) => self.0.wrote(&caller, ino, size).map_err(stop)?,
            None => {}
        }
        let (accessed, modified) = (times.accessed.map(of_time), times.modified.map(of_time));
        if accessed.is_some() || modified.is_some() || times.changed.is_some() {
            let changes = ext2::Changes { accessed, modified, ..ext2::Changes::default() };
            let now = times.changed.or(times.modified).map_or(caller.now, of_time);
            let caller = ext2::Caller { now, ..caller };
            self.0.set_attributes(&caller, ino, &changes).map_err(stop)?;
        }
        Ok(Answer::Done)
    }

    fn set(&mut self, who: &Who, ino: u32, changes: &Changes) -> Result<Answer, Stop> {
        let changes = ext2::Changes {
            mode: changes.permissions,
            uid: changes.user,
            gid: changes.group,
            accessed: changes.accessed.map(of_time),
            modified: changes.modified.map(of_time),
            flags: None,
        };
        self.0.set_attributes(&caller(who), Ino::new(ino), &changes).map_err(stop)?;
        Ok(Answer::Done)
    }
}

impl Logic for Real {
    fn run(&mut self, who: &Who, operation: &Operation) -> Result<Answer, Stop> {
        let by = caller(who);
        let done = |result: Result<(), ext2::Stop>| result.map(|()| Answer::Done).map_err(stop);
        let number = |ino: &u32| Ino::new(*ino);
        match operation {
            Operation::Look { folder, name } => {
                match self.0.lookup(number(folder), name).map_err(stop)? {
                    Some(ino) => self.object(ino),
                    None => Ok(Answer::Nothing),
                }
            }
            Operation::Inode(ino) => self.object(number(ino)),
            Operation::List { folder, from } => self.list(*folder, *from),
            Operation::Create { folder, name, new, permissions } => {
                self.create(who, *folder, name, new, *permissions)
            }
            Operation::Link { ino, folder, name } => {
                done(self.0.link(&by, number(ino), number(folder), name))
            }
            Operation::Unlink { folder, name, directory } => {
                let lost = if *directory {
                    self.0.rmdir(&by, number(folder), name)
                } else {
                    self.0.unlink(&by, number(folder), name)
                };
                Ok(Answer::Lost(Some(lost.map_err(stop)?.get())))
            }
            Operation::Rename { from, to, replace } => {
                let replace = match replace {
                    Replace::Yes => ext2::Replace::Yes,
                    Replace::No => ext2::Replace::No,
                    Replace::Exchange => ext2::Replace::Exchange,
                };
                let (from, to) = ((number(&from.0), &*from.1), (number(&to.0), &*to.1));
                let lost = self.0.rename(&by, from, to, replace).map_err(stop)?;
                Ok(Answer::Lost(lost.map(Ino::get)))
            }
            Operation::Set { ino, changes } => self.set(who, *ino, changes),
            Operation::Usage => Ok(self.usage()),
            Operation::Unmount => done(self.0.unmount(&by)),
            Operation::Map { ino, block, count, wanted } => {
                self.map(who, *ino, (*block, *count), *wanted)
            }
            Operation::Describe { ino, size, cut, times } => {
                self.describe(who, *ino, (*size, *cut), times)
            }
            Operation::Release(ino) => done(self.0.release(&by, number(ino))),
            Operation::Sync(ino) => done(self.0.sync(number(ino))),
            Operation::SyncAll => done(self.0.sync_all(&by)),
            // EXT2R's own.
            Operation::Ease => Ok(Answer::Done),
        }
    }

    fn fetched(&mut self, who: ActivityId, block: u32, bytes: &[u8]) {
        self.0.fetched(payer(who), ext2::Block::new(block), Ok(bytes));
    }

    fn next_write(&mut self, urgent: bool) -> Next {
        match self.0.next_write(urgent) {
            ext2::Next::Write(ext2::Write { block, bytes, payer }) => {
                Next::Write(Write { block: block.get(), bytes, by: activity(payer) })
            }
            ext2::Next::Flush => Next::Flush,
            ext2::Next::Again => Next::Again,
            ext2::Next::Nothing => Next::Nothing,
        }
    }

    fn next_behind(&mut self, block: u32, by: ActivityId) -> Option<Write> {
        let behind = self.0.next_behind(ext2::Block::new(block), payer(by))?;
        let ext2::Write { block, bytes, payer } = behind;
        Some(Write { block: block.get(), bytes, by: activity(payer) })
    }

    fn written(&mut self, block: u32, result: Result<(), Errno>) {
        self.0.written(ext2::Block::new(block), result);
    }

    fn flushed(&mut self, result: Result<(), Errno>) {
        self.0.flushed(result);
    }

    fn owes(&self, who: ActivityId) -> Owes {
        let owes = self.0.unwritten(payer(who));
        if owes <= LEAST / 2 || who == ActivityId::INFRASTRUCTURE || self.0.is_broken() {
            return Owes::Little;
        }
        let room = u64::from(ext2::Options::default().cached);
        let all = room.saturating_mul(u64::from(self.0.block_size())) / ONE_OF_ALL;
        let most = self.0.accounts().most(payer(who)).min(all.max(LEAST));
        match owes {
            owes if owes > most => Owes::TooMuch,
            owes if owes > most / 2 => Owes::Much,
            _ => Owes::Little,
        }
    }

    fn press(&mut self) {
        self.0.press();
    }

    fn close_round(&mut self) -> Option<u64> {
        Some(self.0.close_round())
    }

    fn is_written(&self, round: u64) -> Result<bool, Errno> {
        self.0.is_written(round)
    }

    fn dissolve(&mut self) -> bool {
        self.0.dissolve()
    }
}

fn stop(stop: ext2::Stop) -> Stop {
    match stop {
        ext2::Stop::Error(error) => Stop::Error(error),
        ext2::Stop::Fetch(block) => Stop::Fetch(block.get()),
        ext2::Stop::Again => Stop::Again,
        ext2::Stop::Flush => Stop::Flush,
    }
}

/// An activity's tag, and back.
fn payer(who: ActivityId) -> Payer {
    Payer::new(u64::from(who.generation()) << 32 | (who.index() as u64 & 0xffff_ffff))
}

fn activity(payer: Payer) -> ActivityId {
    ActivityId::new(payer.get() as u32, (payer.get() >> 32) as u32)
}

fn caller(who: &Who) -> ext2::Caller {
    let (uid, gid, now) = (who.user, who.group, of_time(who.now));
    ext2::Caller { payer: payer(who.activity), uid, gid, now }
}

fn of_time(time: Time) -> ext2::Time {
    ext2::Time { seconds: time.seconds, nanoseconds: time.nanos }
}

fn time(time: ext2::Time) -> Time {
    Time { seconds: time.seconds, nanos: time.nanoseconds }
}

fn of_run(run: &ext2::Run) -> Run {
    let place = run.at.map_or(0, ext2::Block::get);
    Run { block: run.first.get(), count: run.count, place, fresh: run.new }
}

/// What was there before, but where something has been made or found since.
fn overlay(before: &[Run], made: &[Run]) -> Vec<Run> {
    let (Some(first), Some(last)) = (made.first(), made.last()) else { return before.to_vec() };
    let (from, to) = (first.block, last.block.saturating_add(last.count));
    let part = |run: &Run, start: u32, end: u32| {
        let (block, end) = (run.block.max(start), run.block.saturating_add(run.count).min(end));
        let within = block.saturating_sub(run.block);
        let place = if run.place == 0 { 0 } else { run.place.saturating_add(within) };
        (block < end).then(|| Run { block, count: end.saturating_sub(block), place, ..*run })
    };
    let mut all: Vec<Run> = before.iter().filter_map(|run| part(run, 0, from)).collect();
    all.extend_from_slice(made);
    all.extend(before.iter().filter_map(|run| part(run, to, u32::MAX)));
    all
}
