//! Descriptor tables: the part of a process that `CLONE_FILES` shares.
//!
//! Invariant: every descriptor is one user of its open file. A table does not close its
//! files when it is dropped; its process's end calls [`Table::close_all`].

use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use crate::accounts::{Charge, Kept};
use crate::description::OpenId;
use crate::node::Fd;
use crate::root::Root;
use crate::{Effects, Errno, Owner};

/// The usual limit of a process's descriptors.
pub const USUAL_LIMIT: u32 = 1024;

/// Linux's flags of `close_range`, which `linux-raw-sys` lacks.
const CLOSE_RANGE_UNSHARE: u32 = 1 << 1;
const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;

/// Places that a table begins with.
const FEWEST: usize = 16;
/// Numbers that are looked at in one call of those that go on.
const LOOKS: usize = 1024;

#[derive(Clone, Copy)]
struct Slot {
    open: OpenId,
    close_on_exec: bool,
}

/// The descriptors of a process.
pub struct Table {
    slots: Vec<Option<Slot>>,
    /// `RLIMIT_NOFILE`.
    limit: u32,
    /// No number below this is free.
    lowest: usize,
    /// Whose it is, for locks.
    owner: u64,
    /// Its memory, on a bill.
    charge: Charge,
}

impl Default for Table {
    fn default() -> Self {
        Self::new(USUAL_LIMIT)
    }
}

impl Table {
    /// An empty table, with the limit that `RLIMIT_NOFILE` sets.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { slots: Vec::new(), limit, lowest: 0, owner: 0, charge: Charge::none() }
    }

    /// An empty one, whose memory is on an owner's bill.
    #[must_use]
    pub fn billed(limit: u32, root: &Root, owner: Owner) -> Self {
        Self { charge: root.accounts.bill_of(owner, Kept::Open), ..Self::new(limit) }
    }

    /// Sees to it that there are so many places.
    fn reserve(&mut self, length: usize) -> Result<(), Errno> {
        let has = self.slots.capacity();
        if length <= has {
            return Ok(());
        }
        let wanted = length.max(has.saturating_mul(2)).max(FEWEST);
        let more = wanted.saturating_sub(has).saturating_mul(size_of::<Option<Slot>>());
        if !self.charge.grow(more as u64) {
            return Err(Errno::ENOMEM);
        }
        let missing = wanted.saturating_sub(self.slots.len());
        self.slots.try_reserve_exact(missing).map_err(|_| Errno::ENOMEM)
    }

    /// `RLIMIT_NOFILE`: numbers from here on are not given out.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// By which number it owns locks.
    pub fn set_owner(&mut self, owner: u64) {
        self.owner = owner;
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// What a descriptor refers to.
    ///
    /// # Errors
    /// `EBADF` where it refers to nothing.
    pub fn get(&self, fd: Fd) -> Result<OpenId, Errno> {
        Ok(self.slot(fd)?.open)
    }

    fn slot(&self, fd: Fd) -> Result<&Slot, Errno> {
        let index = usize::try_from(fd.get()).map_err(|_| Errno::EBADF)?;
        self.slots.get(index).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// The descriptors in use, in order, with what they refer to.
    pub fn iter(&self) -> impl Iterator<Item = (Fd, OpenId)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            Some((Fd::new(i32::try_from(index).ok()?), slot.as_ref()?.open))
        })
    }

    /// The same from a number on.
    pub fn iter_from(&self, from: Fd) -> impl Iterator<Item = (Fd, OpenId)> {
        let from = usize::try_from(from.get()).unwrap_or(0);
        let rest = self.slots.iter().enumerate().skip(from);
        rest.filter_map(|(index, slot)| {
            Some((Fd::new(i32::try_from(index).ok()?), slot.as_ref()?.open))
        })
    }

    /// Sees to it that so many more descriptors can be made, before a file is opened or made for
    /// one.
    ///
    /// # Errors
    /// `EMFILE`; `ENOMEM` where their owner gets no more memory.
    pub fn make_room(&mut self, count: usize) -> Result<(), Errno> {
        let limit = self.limit as usize;
        let within = self.slots.iter().take(limit);
        let free = within.skip(self.lowest).filter(|slot| slot.is_none()).take(count).count();
        let missing = count.saturating_sub(free);
        if limit.saturating_sub(self.slots.len()) < missing {
            return Err(Errno::EMFILE);
        }
        self.reserve(self.slots.len().saturating_add(missing))
    }

    fn free_from(&self, least: usize) -> Result<usize, Errno> {
        let start = least.max(self.lowest);
        let taken = self.slots.iter().skip(start).take_while(|slot| slot.is_some()).count();
        let index = start.saturating_add(taken);
        if index >= self.limit as usize { Err(Errno::EMFILE) } else { Ok(index) }
    }

    fn put(&mut self, index: usize, slot: Slot) -> Result<Fd, Errno> {
        let fd = Fd::new(i32::try_from(index).map_err(|_| Errno::EMFILE)?);
        if index >= self.slots.len() {
            let length = index.saturating_add(1);
            self.reserve(length)?;
            self.slots.resize(length, None);
        }
        if let Some(place) = self.slots.get_mut(index) {
            *place = Some(slot);
        }
        if index == self.lowest {
            self.lowest = index.saturating_add(1);
        }
        Ok(fd)
    }

    /// Gives an open file the lowest free number; the caller's use of it becomes the
    /// descriptor's. If that fails, the caller still has to close it.
    ///
    /// # Errors
    /// `EMFILE` beyond the limit.
    pub fn install(&mut self, open: OpenId, close_on_exec: bool) -> Result<Fd, Errno> {
        let index = self.free_from(0)?;
        self.put(index, Slot { open, close_on_exec })
    }

    /// `dup`, `F_DUPFD` and `F_DUPFD_CLOEXEC`: the lowest free number from `least` on.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL` for a number beyond the limit, `EMFILE`.
    pub fn duplicate(
        &mut self,
        root: &mut Root,
        fd: Fd,
        least: Fd,
        close_on_exec: bool,
    ) -> Result<Fd, Errno> {
        let open = self.get(fd)?;
        let least = usize::try_from(least.get()).map_err(|_| Errno::EINVAL)?;
        if least >= self.limit as usize {
            return Err(if least == 0 { Errno::EMFILE } else { Errno::EINVAL });
        }
        let index = self.free_from(least)?;
        root.share(open)?;
        self.put(index, Slot { open, close_on_exec })
    }

    /// `dup2` (`flags` is `None`) and `dup3`.
    ///
    /// # Errors
    /// `EBADF`; for `dup3` also `EINVAL` for equal numbers or unknown flags.
    pub fn duplicate_to(
        &mut self,
        root: &mut Root,
        from: Fd,
        to: Fd,
        flags: Option<u32>,
        effects: &mut Effects,
    ) -> Result<Fd, Errno> {
        if flags.is_some_and(|flags| from == to || flags & !abi::O_CLOEXEC != 0) {
            return Err(Errno::EINVAL);
        }
        let index = usize::try_from(to.get()).map_err(|_| Errno::EBADF)?;
        if from == to {
            return self.get(from).map(|_| to);
        }
        if index >= self.limit as usize {
            return Err(Errno::EBADF);
        }
        let open = self.get(from)?;
        root.share(open)?;
        let old = self.slots.get_mut(index).and_then(Option::take);
        let close_on_exec = flags.is_some_and(|flags| flags & abi::O_CLOEXEC != 0);
        let put = self.put(index, Slot { open, close_on_exec });
        if put.is_err() {
            root.close(open, effects);
        }
        if let Some(old) = old {
            root.leave(old.open, self.owner, effects);
        }
        put
    }

    /// `close`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, root: &mut Root, fd: Fd, effects: &mut Effects) -> Result<(), Errno> {
        let index = usize::try_from(fd.get()).map_err(|_| Errno::EBADF)?;
        let slot = self.slots.get_mut(index).and_then(Option::take).ok_or(Errno::EBADF)?;
        self.lowest = self.lowest.min(index);
        root.leave(slot.open, self.owner, effects);
        Ok(())
    }

    /// Closes the descriptors for which this holds, from a place on and before another, at most
    /// so many. Where to go on, if not done.
    fn close_where(
        &mut self,
        root: &mut Root,
        (from, end): (usize, usize),
        most: usize,
        effects: &mut Effects,
        mut holds: impl FnMut(bool) -> bool,
    ) -> Option<usize> {
        let end = end.min(self.slots.len());
        let mut closed = 0_usize;
        for index in from..end {
            if closed >= most || index.saturating_sub(from) >= LOOKS {
                return Some(index);
            }
            let Some(place) = self.slots.get_mut(index) else { break };
            if let Some(slot) = *place
                && holds(slot.close_on_exec)
            {
                *place = None;
                closed = closed.saturating_add(1);
                self.lowest = self.lowest.min(index);
                root.leave(slot.open, self.owner, effects);
            }
        }
        None
    }

    /// What `execve` closes, from a place on, at most so many. Where to go on, if not done.
    pub fn sweep_some(
        &mut self,
        root: &mut Root,
        from: usize,
        most: usize,
        effects: &mut Effects,
    ) -> Option<usize> {
        self.close_where(root, (from, usize::MAX), most, effects, |close_on_exec| close_on_exec)
    }

    /// What `execve` closes.
    pub fn sweep(&mut self, root: &mut Root, effects: &mut Effects) {
        let mut at = 0;
        while let Some(next) = self.sweep_some(root, at, usize::MAX, effects) {
            at = next;
        }
    }

    /// What the end of a process closes: all, in slices of at most `most` descriptors;
    /// whether some are left.
    pub fn close_some(&mut self, root: &mut Root, most: usize, effects: &mut Effects) -> bool {
        self.lowest = 0;
        for _ in 0..most {
            match self.slots.pop() {
                Some(Some(slot)) => root.leave(slot.open, self.owner, effects),
                Some(None) => {}
                None => return false,
            }
        }
        !self.slots.is_empty()
    }

    /// Closes all at once.
    pub fn close_all(&mut self, root: &mut Root, effects: &mut Effects) {
        while self.close_some(root, usize::MAX, effects) {}
    }

    /// `close_range`, with `CLOSE_RANGE_CLOEXEC`, from a place on, at most so many;
    /// `CLOSE_RANGE_UNSHARE` is the caller's to do before. Where to go on, if not done.
    ///
    /// # Errors
    /// `EINVAL` for an empty range or unknown flags.
    pub fn close_range(
        &mut self,
        root: &mut Root,
        (first, last): (u32, u32),
        from: usize,
        flags: u32,
        most: usize,
        effects: &mut Effects,
    ) -> Result<Option<usize>, Errno> {
        if first > last || flags & !(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE) != 0 {
            return Err(Errno::EINVAL);
        }
        let end = (last as usize).saturating_add(1);
        if flags & CLOSE_RANGE_CLOEXEC == 0 {
            return Ok(self.close_where(root, (from, end), most, effects, |_| true));
        }
        let stop = end.min(from.saturating_add(LOOKS));
        let slots = self.slots.iter_mut().take(stop).skip(from);
        slots.flatten().for_each(|slot| slot.close_on_exec = true);
        Ok((stop < end.min(self.slots.len())).then_some(stop))
    }

    /// An empty table with the same limit, for [`Table::copy_some`].
    #[must_use]
    pub fn like(&self) -> Self {
        Self { charge: self.charge.empty(), ..Self::new(self.limit) }
    }

    /// Copies some more for a new process: the open files are shared, the numbers are not.
    /// True if there are more; this one is not to be changed meanwhile.
    ///
    /// # Errors
    /// `ENOMEM`, with nothing copied at the first call.
    pub fn copy_some(&self, root: &mut Root, copy: &mut Self, most: usize) -> Result<bool, Errno> {
        let from = copy.slots.len();
        if from == 0 {
            copy.reserve(self.slots.len())?;
        }
        for slot in self.slots.iter().skip(from).take(most) {
            copy.slots.push(slot.filter(|slot| root.share(slot.open).is_ok()));
        }
        copy.lowest = self.lowest;
        Ok(copy.slots.len() < self.slots.len())
    }

    /// A copy for a new process, at once.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn fork(&self, root: &mut Root) -> Result<Self, Errno> {
        let mut copy = self.like();
        while self.copy_some(root, &mut copy, usize::MAX)? {}
        Ok(copy)
    }

    /// `F_GETFD`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close_on_exec(&self, fd: Fd) -> Result<bool, Errno> {
        Ok(self.slot(fd)?.close_on_exec)
    }

    /// `F_SETFD`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_close_on_exec(&mut self, fd: Fd, close: bool) -> Result<(), Errno> {
        let index = usize::try_from(fd.get()).map_err(|_| Errno::EBADF)?;
        let slot = self.slots.get_mut(index).and_then(Option::as_mut).ok_or(Errno::EBADF)?;
        slot.close_on_exec = close;
        Ok(())
    }
}
