//! The calls that lock files: `flock` and three pairs of `fcntl`'s requests.

use linux_raw_sys::general as abi;

use crate::accounts::Accounts;
use crate::description::OpenId;
use crate::lock::{Held, LockOwner, Range};
use crate::node::Node;
use crate::root::Root;
use crate::wait::Side;
use crate::{Effects, Errno, Owner, WaitKey};

const READ: i16 = 0;
const WRITE: i16 = 1;
const UNLOCK: i16 = 2;
const LOCK_UN: u32 = 8;
/// The offset of the last byte that a file may have.
const LAST: u64 = i64::MAX as u64;

/// Bytes of a `struct flock`.
pub const FLOCK: usize = 32;

/// What came of a call that locks.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// It is locked, or let go.
    Done,
    /// Somebody's lock stands in the way: wait for the key, then call again.
    Waits {
        /// What to wait for.
        key: WaitKey,
        /// Whose lock it is, if it is one on a range.
        on: Option<LockOwner>,
    },
}

/// A `struct flock`, as far as it says what to lock.
struct Wanted {
    kind: i16,
    range: (u64, u64),
}

impl Root {
    /// `fcntl` with `F_SETLK`, `F_SETLKW` or their forms for open files. `process` is whose
    /// descriptors and which process call.
    ///
    /// # Errors
    /// Linux's; `EAGAIN` for a conflict where the request does not wait. Deadlocks are for
    /// the caller to find, who knows who waits.
    pub fn lock_range(
        &mut self,
        id: OpenId,
        request: u32,
        flock: &[u8; FLOCK],
        (process, payer): ((u64, i32), Owner),
        effects: &mut Effects,
    ) -> Result<Locked, Errno> {
        let wanted = self.wanted(id, request, flock)?;
        let (owner, pid) = owner_of(id, request, process);
        let (description, number) = self.lockable(id)?;
        let exclusive = match wanted.kind {
            READ if !description.reads() => return Err(Errno::EBADF),
            WRITE if !description.writes() => return Err(Errno::EBADF),
            UNLOCK => None,
            kind => Some(kind == WRITE),
        };
        let (first, last) = wanted.range;
        if let Some(exclusive) = exclusive
            && let Some(held) = self.range_conflict(number, owner, (first, last), exclusive)
        {
            if matches!(request, abi::F_SETLK | abi::F_OFD_SETLK) {
                return Err(Errno::EAGAIN);
            }
            let key = WaitKey { object: number, side: Side::Unlocked };
            return Ok(Locked::Waits { key, on: Some(held.owner) });
        }
        let locks = self.locks.entry(number).or_default();
        let bill = (payer, &mut self.accounts);
        let freed = locks.set(owner, pid, (first, last), exclusive, bill);
        if locks.is_empty() {
            self.locks.remove(&number);
        }
        if freed? {
            effects.wake(number, Side::Unlocked);
        }
        Ok(Locked::Done)
    }

    /// `fcntl` with `F_GETLK` or its form for open files: the lock that stands in the way.
    ///
    /// # Errors
    /// Linux's.
    pub fn find_lock(
        &self,
        id: OpenId,
        request: u32,
        flock: &[u8; FLOCK],
        process: (u64, i32),
    ) -> Result<[u8; FLOCK], Errno> {
        let wanted = self.wanted(id, request, flock)?;
        if wanted.kind == UNLOCK {
            return Err(Errno::EINVAL);
        }
        let (owner, _) = owner_of(id, request, process);
        let (_, number) = self.lockable(id)?;
        let held = self.range_conflict(number, owner, wanted.range, wanted.kind == WRITE);
        Ok(told(flock, held))
    }

    /// `flock`.
    ///
    /// # Errors
    /// Linux's; `EAGAIN` for a conflict with `LOCK_NB`.
    pub fn lock_whole(
        &mut self,
        id: OpenId,
        operation: u32,
        payer: Owner,
        effects: &mut Effects,
    ) -> Result<Locked, Errno> {
        let (_, number) = self.lockable(id)?;
        let exclusive = match operation & !abi::LOCK_NB {
            abi::LOCK_SH => false,
            abi::LOCK_EX => true,
            LOCK_UN => {
                self.release(number, effects, |locks, accounts| locks.unlock_whole(id, accounts));
                return Ok(Locked::Done);
            }
            _ => return Err(Errno::EINVAL),
        };
        let locks = self.locks.entry(number).or_default();
        let locked = locks.lock_whole(id, exclusive, (payer, &mut self.accounts));
        if locks.is_empty() {
            self.locks.remove(&number);
        }
        let locked = locked?;
        // A lock of another kind may have been let go first.
        effects.wake(number, Side::Unlocked);
        if locked {
            return Ok(Locked::Done);
        }
        if operation & abi::LOCK_NB != 0 {
            return Err(Errno::EAGAIN);
        }
        Ok(Locked::Waits { key: WaitKey { object: number, side: Side::Unlocked }, on: None })
    }

    /// A process closes a descriptor: its ranges of that file are let go.
    pub(crate) fn release_process(&mut self, id: OpenId, owner: u64, effects: &mut Effects) {
        if self.locks.is_empty() {
            return;
        }
        if let Ok((_, number)) = self.lockable(id) {
            self.release(number, effects, |locks, accounts| {
                locks.release(LockOwner::Process(owner), accounts)
            });
        }
    }

    /// An open file, of this object, is closed for good: its locks are let go.
    pub(crate) fn release_open(&mut self, id: OpenId, number: u64, effects: &mut Effects) {
        self.release(number, effects, |locks, accounts| {
            let whole = locks.unlock_whole(id, accounts);
            locks.release(LockOwner::Open(id), accounts) || whole
        });
    }

    fn release(
        &mut self,
        number: u64,
        effects: &mut Effects,
        release: impl FnOnce(&mut crate::lock::Locks, &mut Accounts) -> bool,
    ) {
        let Some(locks) = self.locks.get_mut(&number) else { return };
        if release(locks, &mut self.accounts) {
            effects.wake(number, Side::Unlocked);
        }
        if locks.is_empty() {
            self.locks.remove(&number);
        }
    }

    /// An open file that may be locked, and its object's number.
    fn lockable(&self, id: OpenId) -> Result<(&crate::Description, u64), Errno> {
        let (description, node) = self.usable(id)?;
        match node {
            Node::Inode(inode) => Ok((description, self.inode(*inode)?.number)),
            Node::Proc(_) => Err(Errno::EINVAL),
        }
    }

    fn range_conflict(
        &self,
        number: u64,
        owner: LockOwner,
        (first, last): (u64, u64),
        exclusive: bool,
    ) -> Option<Held> {
        self.locks.get(&number)?.conflict(owner, Range { first, last, exclusive })
    }

    fn wanted(&self, id: OpenId, request: u32, flock: &[u8; FLOCK]) -> Result<Wanted, Errno> {
        let [k0, k1, w0, w1, _, _, _, _, start @ .., p0, p1, p2, p3, _, _, _, _] = flock;
        let (start, length) = start.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_le_bytes);
        let (start, length) = (word(start), word(length));
        if is_open(request) && [p0, p1, p2, p3] != [&0; 4] {
            return Err(Errno::EINVAL);
        }
        let kind = i16::from_le_bytes([*k0, *k1]);
        let (description, node) = self.usable(id)?;
        let base = match u32::from(u16::from_le_bytes([*w0, *w1])) {
            abi::SEEK_SET => 0,
            abi::SEEK_CUR => description.offset,
            abi::SEEK_END => match node {
                Node::Inode(inode) => self.inode(*inode)?.size(),
                Node::Proc(_) => 0,
            },
            _ => return Err(Errno::EINVAL),
        };
        let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
        let from = base.checked_add(start).ok_or(Errno::EOVERFLOW)?;
        let end = match length {
            0 => i64::MAX,
            1.. => from.checked_add(length.saturating_sub(1)).ok_or(Errno::EOVERFLOW)?,
            _ => from.saturating_sub(1),
        };
        let from = if length < 0 { from.saturating_add(length) } else { from };
        let range = match (u64::try_from(from), u64::try_from(end)) {
            (Ok(from), Ok(end)) => (from, end),
            _ => return Err(Errno::EINVAL),
        };
        if !matches!(kind, READ | WRITE | UNLOCK) {
            return Err(Errno::EINVAL);
        }
        Ok(Wanted { kind, range })
    }
}

fn is_open(request: u32) -> bool {
    matches!(request, abi::F_OFD_GETLK | abi::F_OFD_SETLK | abi::F_OFD_SETLKW)
}

/// Whose the lock will be, and whose `F_GETLK` says it is.
fn owner_of(id: OpenId, request: u32, (files, pid): (u64, i32)) -> (LockOwner, i32) {
    if is_open(request) { (LockOwner::Open(id), -1) } else { (LockOwner::Process(files), pid) }
}

/// The structure that was given, with the lock that was found in it.
fn told(flock: &[u8; FLOCK], held: Option<Held>) -> [u8; FLOCK] {
    let mut bytes = *flock;
    let mut put = |at: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at.saturating_add(value.len())) {
            place.copy_from_slice(value);
        }
    };
    let Some(held) = held else {
        put(0, &UNLOCK.to_le_bytes());
        return bytes;
    };
    let Range { first, last, exclusive } = held.range;
    let length = if last >= LAST { 0 } else { last.saturating_sub(first).saturating_add(1) };
    put(0, &(if exclusive { WRITE } else { READ }).to_le_bytes());
    put(2, &[0; 2]);
    put(8, &first.to_le_bytes());
    put(16, &length.to_le_bytes());
    put(24, &held.pid.to_le_bytes());
    bytes
}
