//! Copies of what is on disks: found by their numbers, and forgotten when there are many.
//!
//! # Invariants
//! - Each name of a disk that is in the tree stands once in a line, that of who pays for it, or
//!   aside, at the object that it names: as long as that is held, or names in it are known.
//! - A name that is aside, and its object, are on the bill of somebody who has that open, if that
//!   is a file and anybody has; in line they are whoever's.
//! - So who needs room finds names that can go, however many cannot.
//! - The last that came stay: who asked for them is about to use them.

use alloc::collections::BTreeMap;
use core::ops::Bound;

use super::ask::{Ask, Change, OnDisk};
use super::line::Line;
use super::mount::FsId;
use crate::inode::{Body, Inode, InodeId};
use crate::root::{ENTRY_COST, NODE_COST, Root, cost};
use crate::walks::Walks;
use crate::{Errno, Owner};

/// Names that are remembered, for all together.
const MOST: usize = 8_192;
/// For one at least, and of what it can have in all one of so many bytes; what a name with its
/// object is counted as for that.
const LEAST: u64 = 64;
const ONE_OF: u64 = 8;
const PRICE: u64 = NODE_COST + ENTRY_COST + 128;
/// Those that are looked at for one more.
const LOOKS: usize = 3;
/// Those that stay in any case.
const STAY: usize = 4;
/// Those that go at once where a charge was refused; those that are looked at for that, and as
/// many of them, the first, stay if they were used lately.
const GO: usize = 4;
const PRESSED: usize = 24;
const SPARED: usize = 8;
/// Those that are forgotten in one run at an unmount.
const SLICE: usize = 4;
/// Other names of an object that may be forgotten at once when it may.
const BACK: usize = 8;

/// A name of a directory, by its place there.
#[derive(Clone, Copy)]
pub(crate) struct Named {
    pub dir: InodeId,
    pub place: u64,
    /// Who pays for it.
    pub owner: Owner,
}

/// The names that one pays for.
#[derive(Default)]
struct Lot {
    /// Those that may go, in the order in which they were looked up. Some are gone.
    line: Line<Named>,
    /// Those that are in the tree.
    known: usize,
}

impl Lot {
    fn len(&self) -> usize {
        self.line.len().max(self.known)
    }
}

/// How far it has come that all are forgotten.
#[derive(Default)]
struct Round {
    /// Whose are looked at.
    of: Option<Owner>,
    /// How many of those stayed, one after the other.
    stayed: usize,
    /// Some have gone since the first's.
    went: bool,
}

/// It.
#[derive(Default)]
pub(crate) struct Copies {
    by_number: BTreeMap<OnDisk, InodeId>,
    lots: BTreeMap<Owner, Lot>,
    /// Of all together.
    known: usize,
    waiting: usize,
    round: Round,
}

/// What became of a name that was looked at.
#[derive(PartialEq, Eq)]
enum Fate {
    /// It is forgotten.
    Gone,
    /// It was no more, or is aside.
    Out,
    /// It is in the line again.
    Stays,
}

impl Copies {
    pub fn get(&self, at: OnDisk) -> Option<InodeId> {
        self.by_number.get(&at).copied()
    }

    pub fn add(&mut self, at: OnDisk, id: InodeId) {
        self.by_number.insert(at, id);
    }

    pub fn remove(&mut self, at: OnDisk) {
        self.by_number.remove(&at);
    }

    /// A name is in the tree.
    pub fn named(&mut self, named: Named) {
        let lot = self.lots.entry(named.owner).or_default();
        lot.known = lot.known.saturating_add(1);
        self.known = self.known.saturating_add(1);
        self.stand(named);
    }

    /// One that this owner has paid for is there no more.
    pub fn unnamed(&mut self, owner: Owner) {
        if let Some(lot) = self.lots.get_mut(&owner) {
            lot.known = lot.known.saturating_sub(1);
            self.known = self.known.saturating_sub(1);
            if lot.len() == 0 {
                self.lots.remove(&owner);
            }
        }
    }

    /// A name is on another's bill.
    fn passed(&mut self, from: Owner, to: Owner) {
        self.unnamed(from);
        let lot = self.lots.entry(to).or_default();
        lot.known = lot.known.saturating_add(1);
        self.known = self.known.saturating_add(1);
    }

    fn stand(&mut self, named: Named) {
        self.lots.entry(named.owner).or_default().line.push_back(named);
        self.waiting = self.waiting.saturating_add(1);
    }

    /// The first in a line, which is in it no more.
    fn first(&mut self, owner: Owner) -> Option<Named> {
        let lot = self.lots.get_mut(&owner)?;
        let first = lot.line.pop_front()?;
        if lot.len() == 0 {
            self.lots.remove(&owner);
        }
        self.waiting = self.waiting.saturating_sub(1);
        Some(first)
    }

    /// How many in a line may go.
    fn left(&self, owner: Owner) -> usize {
        self.lots.get(&owner).map_or(0, |lot| lot.line.len().saturating_sub(STAY))
    }

    /// Who has too many, so that this one may have one more: itself, if it has as many as it may,
    /// or its part of all; else who has most.
    fn too_many(&self, owner: Owner, most: usize) -> Option<Owner> {
        let own = self.lots.get(&owner).map_or(0, Lot::len);
        if own >= most {
            return Some(owner);
        }
        let all = self.known.max(self.waiting);
        if all < MOST {
            return None;
        }
        if own.saturating_mul(self.lots.len()) >= all {
            return Some(owner);
        }
        self.lots.iter().max_by_key(|(_, lot)| lot.line.len()).map(|(owner, _)| *owner)
    }

    /// Whose names are looked at next, as all are to be forgotten; `None` behind the last.
    fn turn(&mut self) -> Option<Owner> {
        let round = &mut self.round;
        let mut from = round.of.map_or(Bound::Unbounded, Bound::Included);
        loop {
            let (&owner, lot) = self.lots.range((from, Bound::Unbounded)).next()?;
            if round.of != Some(owner) {
                (round.of, round.stayed) = (Some(owner), 0);
            }
            if lot.line.len() > round.stayed {
                return Some(owner);
            }
            from = Bound::Excluded(owner);
        }
    }

    /// Whether there are copies of a file system's objects beside its topmost directory.
    pub fn has_others(&self, fs: FsId) -> bool {
        let all = OnDisk { fs, number: 0 }..=OnDisk { fs, number: u64::MAX };
        self.by_number.range(all).nth(1).is_some()
    }
}

impl Root {
    /// A name is to be known for this owner: where too many are, some are forgotten, if it
    /// may be those that were not used lately.
    pub(super) fn forget_some(&mut self, owner: Owner) {
        let most = (self.accounts.limit_of(owner) / ONE_OF / PRICE).clamp(LEAST, MOST as u64);
        for look in 1..=LOOKS {
            let Some(of) = self.copies.too_many(owner, most as usize) else { break };
            if self.copies.left(of) == 0 {
                break;
            }
            let Some(named) = self.copies.first(of) else { break };
            // Of some that all were used, one goes, or there would be more and more.
            self.forget(named, look == LOOKS);
        }
    }

    /// A charge of this owner's was refused: some names go that it pays for and nobody has. Whether
    /// it is worth another try.
    pub fn forget_for(&mut self, owner: Owner) -> bool {
        let (mut gone, mut out) = (0, false);
        for look in 0..PRESSED {
            if gone >= GO || self.copies.left(owner) == 0 {
                break;
            }
            let Some(named) = self.copies.first(owner) else { break };
            let fate = self.forget(named, look >= SPARED);
            gone = gone.saturating_add(usize::from(fate == Fate::Gone));
            out |= fate != Fate::Stays;
        }
        out
    }

    /// Whether something was refused for want of room since this was asked last.
    pub fn take_refused(&mut self) -> bool {
        self.accounts.take_refused()
    }

    /// A call has failed for which something was refused: whether it is to be made again, if there
    /// is more room then. One that fails for want of room has changed nothing, or nothing that it
    /// does not do again the same.
    #[must_use]
    pub fn wants_room(walks: &Walks, error: Errno) -> bool {
        let for_room = matches!(
            error,
            Errno::ENOMEM
                | Errno::ENOSPC
                | Errno::EDQUOT
                | Errno::ENFILE
                | Errno::ENOBUFS
                | Errno::ENOLCK
        );
        for_room && !walks.has_made
    }

    /// Forgets all of a file system that nobody holds, a slice of it. True if that were all.
    pub(super) fn forget_all(&mut self, fs: FsId) -> bool {
        for _ in 0..SLICE {
            let Some(owner) = self.copies.turn() else {
                // Once around, and nothing went any more.
                let round = core::mem::take(&mut self.copies.round);
                if round.went {
                    continue;
                }
                return true;
            };
            let Some(named) = self.copies.first(owner) else { continue };
            let of = self.inodes.get(named.dir).and_then(|inode| inode.disk.as_ref());
            let fate = if of.is_some_and(|state| state.at.fs != fs) {
                self.copies.stand(named);
                Fate::Stays
            } else {
                self.forget(named, true)
            };
            let round = &mut self.copies.round;
            match fate {
                Fate::Gone => (round.stayed, round.went) = (0, true),
                Fate::Out => {}
                Fate::Stays => round.stayed = round.stayed.saturating_add(1),
            }
        }
        false
    }

    /// Forgets a name, unless its object is held or, where that counts, was used since it was
    /// looked at last.
    fn forget(&mut self, named: Named, used_too: bool) -> Fate {
        let directory = self.inodes.get(named.dir).and_then(Inode::directory);
        let Some((name, id)) = directory.and_then(|directory| directory.at(named.place)) else {
            return Fate::Out;
        };
        let name = name.clone();
        let Some(inode) = self.inodes.get_mut(id) else { return Fate::Out };
        let held = is_needed(inode);
        let Some(state) = &mut inode.disk else { return Fate::Out };
        if held {
            let named = self.goes_to_opener(named, &name, id);
            let state = self.inodes.get_mut(id).and_then(|inode| inode.disk.as_mut());
            state.into_iter().for_each(|state| state.aside.push(named));
            return Fate::Out;
        }
        if !used_too && state.used.replace(false) {
            self.copies.stand(named);
            return Fate::Stays;
        }
        self.link_out(named.dir, &name);
        self.name_forgotten(id);
        Fate::Gone
    }

    /// A file that its payer does not have open stays because of another: so that one pays for it,
    /// and for the name.
    fn goes_to_opener(&mut self, named: Named, name: &[u8], id: InodeId) -> Named {
        let Some(inode) = self.inodes.get_mut(id) else { return named };
        let Body::Cached(file) = &inode.body else { return named };
        let file = file.clone();
        if let Some(to) = file.opener_beside(inode.owner) {
            let (from, price) = (core::mem::replace(&mut inode.owner, to), cost(&inode.body));
            self.accounts.pass(from, to, price);
        }
        let Some(to) = file.opener_beside(named.owner) else { return named };
        if let Some(directory) = self.inodes.get_mut(named.dir).and_then(Inode::directory_mut) {
            directory.goes_to(name, to);
        }
        let price = ENTRY_COST.saturating_add(name.len() as u64);
        self.accounts.pass(named.owner, to, price);
        self.copies.passed(named.owner, to);
        Named { owner: to, ..named }
    }

    /// Somebody has closed a file. Where others have it open still, its names that this one pays
    /// for are looked at again: some of them.
    pub(crate) fn payer_closes(&mut self, id: InodeId, who: Owner) {
        let state = self.inodes.get_mut(id).and_then(|inode| inode.disk.as_mut());
        let Some(state) = state else { return };
        let first = state.aside.len().saturating_sub(BACK);
        for at in (first..state.aside.len()).rev() {
            if state.aside.get(at).is_some_and(|named| named.owner == who) {
                self.copies.stand(state.aside.swap_remove(at));
            }
        }
    }

    /// Who held an object does no more, or no name in it is known any more: where nobody else
    /// does, its names stand in line again.
    pub(crate) fn can_be_forgotten(&mut self, id: InodeId) {
        let Some(inode) = self.inodes.get_mut(id).filter(|inode| !is_needed(inode)) else { return };
        let Some(state) = &mut inode.disk else { return };
        for _ in 0..BACK {
            // The others come when these go.
            let Some(named) = state.aside.pop() else { break };
            self.copies.stand(named);
        }
    }

    /// A copy goes: what it knows better than the disk is told, and that it is gone.
    pub(crate) fn copy_goes(&mut self, inode: &Inode) {
        let Some(state) = &inode.disk else { return };
        self.copies.remove(state.at);
        let nameless = inode.links == 0;
        let writable = self.mounts.get(state.at.fs).is_some_and(|mount| !mount.read_only);
        if state.read && !nameless && writable {
            let change = Change { accessed: Some(inode.accessed), ..Change::default() };
            self.later.push(Ask::Set { at: state.at, change, of: None });
        }
        if nameless {
            let file = match &inode.body {
                Body::Cached(file) => Some(file.clone()),
                _ => None,
            };
            self.later.push(Ask::Release { at: state.at, file });
        }
    }

    /// Questions that no call waits for: they are to be asked, and their answers to be told.
    pub fn take_later(&mut self) -> Option<Ask> {
        self.later.pop()
    }

    /// One could not be asked now.
    pub fn ask_later(&mut self, ask: Ask) {
        self.later.push(ask);
    }

    /// Whether there are any.
    #[must_use]
    pub fn has_later(&self) -> bool {
        !self.later.is_empty()
    }
}

/// Whether somebody holds an object of a disk, as also who changes it does, or names in it are
/// known: those go first.
fn is_needed(inode: &Inode) -> bool {
    inode.holds > 0 || inode.directory().is_some_and(|directory| !directory.is_empty())
}
