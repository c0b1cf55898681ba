//! The address space resource (ASR, §3.2), first version: regions of zeros or of bytes of
//! the initial root; faults, copy on write, shootdown.
//!
//! Requests of one space have its number as their label: so they are served in order, on
//! one core.

use alloc::sync::Arc;

use vortex_abi::linux::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_PRIVATE, MAP_SHARED, MAP_TYPE, PROT_EXEC,
    PROT_READ, PROT_WRITE,
};
use vortex_abi::{self as abi, Errno};
use vortex_grid::{At, Context, Outcome, Resource};
use vortex_machine::{Access, Frame, MapError, PAGE, Poker};
use vortex_units::Frames;

use super::regions::{Backing, Region, Regions};
use super::space::AddressSpace;
use crate::{Answer, Mail};

const PAGE_U64: u64 = PAGE as u64;
/// Where `mmap` looks for room, downwards.
const MAP_TOP: u64 = 0x7fff_f000_0000;
/// Pages worked on in one run.
const SLICE: usize = 64;

/// To ASR.
pub enum MemoryRequest {
    /// A thread has touched a page that it may not, or not yet.
    Fault {
        /// Where.
        space: Arc<AddressSpace>,
        /// The address.
        address: u64,
        /// For what.
        access: Access,
    },
    /// A system call.
    Call {
        /// Of whom.
        space: Arc<AddressSpace>,
        /// Which.
        call: abi::Memory,
        /// How far it has come.
        stage: Stage,
    },
    /// A copy for a child; pages are shared until one of both writes them.
    Copy {
        /// Of what.
        from: Arc<AddressSpace>,
        /// What is made so far.
        to: Option<Arc<AddressSpace>>,
        /// From where on.
        at: u64,
    },
    /// The space has no user any more: its frames are given back.
    Release {
        /// Which.
        space: Arc<AddressSpace>,
        /// From where on.
        at: u64,
    },
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, Default)]
pub enum Stage {
    /// Nothing is done.
    #[default]
    New,
    /// Pages from the first address to the second are still to be taken away; what is
    /// answered then.
    Unmapping(u64, u64, u64),
    /// Pages are still to get these rights.
    Protecting(u64, u64, Access),
    /// Other cores must have seen the change; what is answered then.
    Settling(u64),
}

/// Why a fault is the thread's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// There is nothing (`SEGV_MAPERR`).
    Unmapped,
    /// Not for that (`SEGV_ACCERR`).
    Forbidden,
    /// Memory has run out.
    NoMemory,
}

/// The resource, as one core has it.
pub struct AddressSpaces {
    /// To reach cores that must see a change.
    pub poker: Poker,
}

type Left = Outcome<Mail, AddressSpaces>;

impl Resource<Mail> for AddressSpaces {
    type Request = MemoryRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 0;

    fn handle(&mut self, request: &mut MemoryRequest, cx: &mut Context<'_, Mail>) -> Left {
        match request {
            MemoryRequest::Fault { space, address, access } => {
                let mended = fault(space, *address, *access, cx);
                if mended.is_ok() && !space.space.is_current() {
                    // A copy took the place of a shared frame: other threads of the process
                    // must not see the old one.
                    self.poke(space);
                }
                Outcome::Reply(Answer::Fault(mended))
            }
            MemoryRequest::Call { space, call, stage } => self.call(space, *call, stage),
            MemoryRequest::Copy { from, to, at } => self.copy(from, to, at),
            MemoryRequest::Release { space, at } => release(space, at),
        }
    }
}

impl AddressSpaces {
    fn poke(&self, space: &AddressSpace) {
        for core in space.space.behind() {
            self.poker.poke(core);
        }
    }

    /// Copies a slice of a space (fork).
    fn copy(
        &self,
        from: &Arc<AddressSpace>,
        to: &mut Option<Arc<AddressSpace>>,
        at: &mut u64,
    ) -> Left {
        let failed = || Outcome::Reply(Answer::Space(Err(Errno::ENOMEM)));
        let space = match to {
            Some(space) => space.clone(),
            None => {
                let Some(space) = AddressSpace::new() else { return failed() };
                *space.regions.lock() = from.regions.lock().clone();
                *space.heap.lock() = *from.heap.lock();
                *to = Some(space.clone());
                space
            }
        };
        match share(from, &space, *at) {
            Ok(Some(next)) => *at = next,
            Ok(None) => {
                // Until no thread of the parent writes to what is shared now, the child
                // does not begin.
                *at = vortex_machine::USER_END;
                if from.space.is_current() {
                    return Outcome::Reply(Answer::Space(Ok(space)));
                }
                self.poke(from);
            }
            Err(_) => return failed(),
        }
        Outcome::Continue(At::beginning())
    }

    fn call(&self, space: &AddressSpace, call: abi::Memory, stage: &mut Stage) -> Left {
        match *stage {
            Stage::New => match begin(space, call) {
                Ok(next) => *stage = next,
                Err(error) => return Outcome::Reply(Answer::Call(Err(error))),
            },
            Stage::Unmapping(at, end, answer) => match sweep(space, at, end, None) {
                Some(at) => *stage = Stage::Unmapping(at, end, answer),
                None => *stage = Stage::Settling(answer),
            },
            Stage::Protecting(at, end, access) => match sweep(space, at, end, Some(access)) {
                Some(at) => *stage = Stage::Protecting(at, end, access),
                None => *stage = Stage::Settling(0),
            },
            Stage::Settling(answer) => {
                if space.space.is_current() {
                    return Outcome::Reply(Answer::Call(Ok(answer)));
                }
                self.poke(space);
            }
        }
        if let Stage::Settling(answer) = *stage
            && space.space.is_current()
        {
            return Outcome::Reply(Answer::Call(Ok(answer)));
        }
        Outcome::Continue(At::beginning())
    }
}

/// Takes pages away, or changes their rights, a slice at a time. Where to go on, if not done.
fn sweep(space: &AddressSpace, mut at: u64, end: u64, access: Option<Access>) -> Option<u64> {
    for _ in 0..SLICE {
        match space.space.next(at, end) {
            Ok(Some(page)) => {
                match access {
                    None => drop(space.space.unmap(page)),
                    // A page that is shared until it is written stays so.
                    Some(Access::Write) if !space.space.is_sole(page) => {
                        space.space.protect(page, Access::Read);
                    }
                    Some(access) => space.space.protect(page, access),
                }
                at = page + PAGE_U64;
            }
            Ok(None) => return None,
            Err(next) => at = next,
        }
        if at >= end {
            return None;
        }
    }
    Some(at)
}

/// Shares a slice of pages; where to go on, if not done.
fn share(from: &AddressSpace, to: &AddressSpace, mut at: u64) -> Result<Option<u64>, MapError> {
    for _ in 0..SLICE {
        if at >= vortex_machine::USER_END {
            return Ok(None);
        }
        let page = match from.space.next(at, vortex_machine::USER_END) {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(None),
            Err(next) => {
                at = next;
                continue;
            }
        };
        at = page + PAGE_U64;
        let shared = from.region(page).is_some_and(|(_, region)| region.shared);
        let sole = from.space.is_sole(page);
        let Some((frame, access)) = from.space.get(page) else { continue };
        if shared || access != Access::Write {
            to.space.map(page, frame, access)?;
        } else if sole {
            from.space.protect(page, Access::Read);
            to.space.map(page, frame, Access::Read)?;
        } else {
            // It is pinned: a call is writing to it, and writes to the parent's.
            let copy = Frame::copy_of(&frame).ok_or(MapError::NoMemory)?;
            to.space.map(page, copy, access)?;
        }
    }
    Ok(Some(at))
}

fn release(space: &AddressSpace, at: &mut u64) -> Left {
    match sweep(space, *at, vortex_machine::USER_END, None) {
        Some(next) => {
            *at = next;
            // In user mode nobody is with this space any more: what waits can go.
            let _ = space.space.is_current();
            Outcome::Continue(At::beginning())
        }
        None => {
            let _ = space.space.is_current();
            Outcome::Done
        }
    }
}

/// Rights from `PROT_*`. Writable and executable is refused: no page is both.
fn access_of(protection: i32) -> Result<Access, Errno> {
    let protection = protection as u32;
    let has = |bit| protection & bit != 0;
    if protection & !(PROT_READ | PROT_WRITE | PROT_EXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    match (has(PROT_WRITE), has(PROT_EXEC)) {
        (true, true) => Err(Errno::EACCES),
        (true, false) => Ok(Access::Write),
        (false, true) => Ok(Access::Execute),
        (false, false) => Ok(if has(PROT_READ) { Access::Read } else { Access::None }),
    }
}

fn range(address: u64, length: u64) -> Result<(u64, u64), Errno> {
    if !address.is_multiple_of(PAGE_U64) {
        return Err(Errno::EINVAL);
    }
    let length = length.checked_next_multiple_of(PAGE_U64).ok_or(Errno::ENOMEM)?;
    Ok((address, address.checked_add(length).ok_or(Errno::ENOMEM)?))
}

/// Does what a call says to the regions; what is to be done to pages comes after.
fn begin(space: &AddressSpace, call: abi::Memory) -> Result<Stage, Errno> {
    match call {
        abi::Memory::Mmap { address, length, protection, flags, fd: _, offset: _ } => {
            map(space, address, length, access_of(protection)?, flags as u32)
        }
        abi::Memory::Mprotect { address, length, protection } => {
            let (start, end) = range(address, length)?;
            let access = access_of(protection)?;
            if start != end && !space.regions.lock().protect(start, end, access) {
                return Err(Errno::ENOMEM);
            }
            Ok(Stage::Protecting(start, end, access))
        }
        abi::Memory::Munmap { address, length } => {
            let (start, end) = range(address, length)?;
            if length == 0 || end > vortex_machine::USER_END {
                return Err(Errno::EINVAL);
            }
            space.regions.lock().remove(start, end);
            Ok(Stage::Unmapping(start, end, 0))
        }
        abi::Memory::Brk { end } => Ok(break_at(space, end)),
        abi::Memory::Madvise { address, length, advice } => {
            const MADV_DONTNEED: i32 = 4;
            let (start, end) = range(address, length)?;
            let private = advice == MADV_DONTNEED;
            Ok(if private && start < end {
                Stage::Unmapping(start, end, 0)
            } else {
                Stage::Settling(0)
            })
        }
    }
}

fn map(
    space: &AddressSpace,
    address: u64,
    length: u64,
    access: Access,
    flags: u32,
) -> Result<Stage, Errno> {
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let shared = match flags & MAP_TYPE {
        MAP_SHARED => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL),
    };
    if flags & MAP_ANONYMOUS == 0 {
        return Err(Errno::EBADF);
    }
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    let hint = if fixed { address } else { address & !(PAGE_U64 - 1) };
    let (start, end) = range(hint, length)?;
    let mut regions = space.regions.lock();
    let start = if fixed {
        if flags & MAP_FIXED_NOREPLACE != 0 && !regions.is_free(start, end) {
            return Err(Errno::EEXIST);
        }
        start
    } else if Regions::fits(start, end) && regions.is_free(start, end) {
        start
    } else {
        regions.place(end - start, MAP_TOP).ok_or(Errno::ENOMEM)?
    };
    let end = start + length.next_multiple_of(PAGE_U64);
    let region = Region { end, access, backing: Backing::Anonymous, shared };
    if !regions.insert(start, region) {
        return Err(Errno::ENOMEM);
    }
    Ok(if fixed { Stage::Unmapping(start, end, start) } else { Stage::Settling(start) })
}

/// `brk` answers with the end as it is then, changed or not.
fn break_at(space: &AddressSpace, wanted: u64) -> Stage {
    let mut heap = space.heap.lock();
    let (start, end) = *heap;
    let round = |address: u64| address.next_multiple_of(PAGE_U64);
    if wanted < start || wanted >= vortex_machine::USER_END - PAGE_U64 {
        return Stage::Settling(end);
    }
    let (old, new) = (round(end), round(wanted));
    let mut regions = space.regions.lock();
    if new > old {
        let region =
            Region { end: new, access: Access::Write, backing: Backing::Anonymous, shared: false };
        if !regions.is_free(old, new) || !regions.insert(old, region) {
            return Stage::Settling(end);
        }
    } else if new < old {
        regions.remove(new, old);
        heap.1 = wanted;
        return Stage::Unmapping(new, old, wanted);
    }
    heap.1 = wanted;
    Stage::Settling(wanted)
}

/// Mends a fault: a page that is not there yet, or is shared until it is written.
fn fault(
    space: &AddressSpace,
    address: u64,
    access: Access,
    cx: &mut Context<'_, Mail>,
) -> Result<(), FaultError> {
    let page = address & !(PAGE_U64 - 1);
    let (start, region) = space.region(page).ok_or(FaultError::Unmapped)?;
    let readable = access == Access::Read && region.access != Access::None;
    if !readable && !region.access.allows(access) {
        return Err(FaultError::Forbidden);
    }
    let frame = match space.space.get(page) {
        Some((_, has)) if has.allows(access) => return Ok(()),
        Some(_) if access != Access::Write || region.shared || space.space.is_sole(page) => {
            space.space.protect(page, region.access);
            return Ok(());
        }
        Some((shared, _)) => Frame::copy_of(&shared).ok_or(FaultError::NoMemory)?,
        None => AddressSpace::first_contents(start, &region, page).ok_or(FaultError::NoMemory)?,
    };
    cx.allocated(Frames::new(1));
    space.space.map(page, frame, region.access).map_err(|_| FaultError::NoMemory)
}
