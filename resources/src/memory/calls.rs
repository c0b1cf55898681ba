//! The system calls on memory: what each does to the regions at once, and what is left to
//! be done to pages.

use alloc::boxed::Box;

use vortex_abi::linux::general::{
    MAP_32BIT, MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_HUGETLB, MAP_POPULATE,
    MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_TYPE, MS_ASYNC, MS_INVALIDATE, MS_SYNC,
    PROT_EXEC, PROT_READ, PROT_WRITE,
};
use vortex_abi::{Errno, Fd, Memory};
use vortex_machine::{Access, PAGE, USER_END};

use super::advice;
use super::asr::{Mapping, Stage};
use super::regions::{Backing, Region, Regions, Room};
use super::remap;
use super::shared::Shared;
use super::space::AddressSpace;

const PAGE_U64: u64 = PAGE as u64;
/// The same for addresses of 31 bits (`MAP_32BIT`).
const LOW_TOP: u64 = 1 << 31;
/// The file that a call maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    pub fd: Fd,
    pub shared: bool,
    /// Whether writes are to reach the file.
    pub write: bool,
}

/// What a call that has not begun has to ask the file resource for.
pub(super) fn file_of(call: &Memory, stage: &Stage) -> Option<File> {
    let Memory::Mmap { length, protection, flags, fd, offset, .. } = *call else { return None };
    let flags = flags as u32;
    // What is wrong otherwise is told without the file.
    let right = length != 0 && offset.is_multiple_of(PAGE_U64);
    if !matches!(stage, Stage::New) || flags & MAP_ANONYMOUS != 0 || !right {
        return None;
    }
    let shared = is_shared(flags).ok()?;
    Some(File { fd, shared, write: shared && protection as u32 & PROT_WRITE != 0 })
}

/// The part of a call on a range that is done first, where it goes over more regions than one run
/// may change: then the rest is a call of its own. Of a mapping that takes the place of many,
/// that what is there is taken away.
pub(super) fn parts(space: &AddressSpace, call: &Memory) -> Option<(Memory, Memory)> {
    let (address, length) = match *call {
        Memory::Mprotect { address, length, .. }
        | Memory::Munmap { address, length }
        | Memory::Msync { address, length, .. }
        | Memory::Madvise { address, length, .. } => (address, length),
        Memory::Mmap { address, length, flags, .. } if flags as u32 & MAP_FIXED != 0 => {
            (address, length)
        }
        _ => return None,
    };
    let (start, end) = range(address, length).ok()?;
    let stop = space.regions.lock().slice(start, end);
    if stop >= end {
        return None;
    }
    let (first, rest) = (stop - start, end - stop);
    Some(match *call {
        Memory::Mprotect { protection, .. } => (
            Memory::Mprotect { address, length: first, protection },
            Memory::Mprotect { address: stop, length: rest, protection },
        ),
        Memory::Munmap { .. } => (
            Memory::Munmap { address, length: first },
            Memory::Munmap { address: stop, length: rest },
        ),
        Memory::Msync { flags, .. } => (
            Memory::Msync { address, length: first, flags },
            Memory::Msync { address: stop, length: rest, flags },
        ),
        Memory::Madvise { advice, .. } => (
            Memory::Madvise { address, length: first, advice },
            Memory::Madvise { address: stop, length: rest, advice },
        ),
        mapping => (Memory::Munmap { address, length: first }, mapping),
    })
}

/// Does what a call says to the regions; what is to be done to pages comes after.
pub(super) fn begin(
    space: &AddressSpace,
    call: Memory,
    file: &mut Option<Box<Mapping>>,
    below: Option<u64>,
) -> Result<Stage, Errno> {
    match call {
        Memory::Mmap { address, length, protection, flags, fd: _, offset } => {
            if length == 0 || !offset.is_multiple_of(PAGE_U64) {
                return Err(Errno::EINVAL);
            }
            let access = access_of(protection)?;
            if length > USER_END {
                return Err(Errno::ENOMEM);
            }
            let flags = flags as u32;
            let start = match place(space, address, length, flags, below)? {
                Room::At(start) => start,
                Room::Below(end) => return Ok(Stage::Placing(end)),
                Room::Nowhere => return Err(Errno::ENOMEM),
            };
            let file = file.take().map(|file| *file);
            let region = region(access, flags, length, offset, file)?;
            map(space, start, length, flags, region)
        }
        Memory::Mprotect { address, length, protection } => {
            let (start, end) = range(address, length)?;
            let access = access_of(protection)?;
            let mut regions = space.regions.lock();
            if !regions.all(start, end, |_| true) {
                return Err(Errno::ENOMEM);
            }
            let allowed = |region: &Region| {
                !region.is_window() && (access != Access::Write || region.may_write)
            };
            if !regions.all(start, end, allowed) {
                return Err(Errno::EACCES);
            }
            let data = access == Access::Write;
            let more = |region: &Region| !region.shared && !region.grows && !region.is_data();
            if data && !space.bounds.allow_data(&regions, start, end, more) {
                return Err(Errno::ENOMEM);
            }
            if start != end && !regions.protect(start, end, access) {
                return Err(Errno::ENOMEM);
            }
            Ok(Stage::Protecting(start, end, access))
        }
        Memory::Munmap { address, length } => {
            let (start, end) = range(address, length)?;
            if length == 0 || end > USER_END {
                return Err(Errno::EINVAL);
            }
            space.regions.lock().remove(start, end);
            Ok(Stage::Unmapping(start, end, 0))
        }
        Memory::Brk { end } => Ok(break_at(space, end)),
        Memory::Mremap { .. } => remap::begin(space, &call, below),
        Memory::Msync { address, length, flags } => {
            let flags = flags as u32;
            let both = MS_ASYNC | MS_SYNC;
            let wrong = flags & !(both | MS_INVALIDATE) != 0 || flags & both == both;
            let (start, end) = range(address, length)?;
            if wrong {
                return Err(Errno::EINVAL);
            }
            // A mapping and its file are one memory: only where that is on a disk there is
            // something to write back.
            let there = space.regions.lock().all(start, end, |_| true);
            match there {
                true if flags & MS_SYNC != 0 => Ok(Stage::Syncing(start, end)),
                true => Ok(Stage::Settling(0)),
                false => Err(Errno::ENOMEM),
            }
        }
        Memory::Madvise { address, length, advice } => {
            let (start, end) = range(address, length)?;
            advice::begin(space, start, end, advice)
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

fn is_shared(flags: u32) -> Result<bool, Errno> {
    match flags & MAP_TYPE {
        MAP_SHARED | MAP_SHARED_VALIDATE => Ok(true),
        MAP_PRIVATE => Ok(false),
        _ => Err(Errno::EINVAL),
    }
}

/// The pages of a range.
pub(super) fn range(address: u64, length: u64) -> Result<(u64, u64), Errno> {
    if !address.is_multiple_of(PAGE_U64) {
        return Err(Errno::EINVAL);
    }
    let length = length.checked_next_multiple_of(PAGE_U64).ok_or(Errno::ENOMEM)?;
    Ok((address, address.checked_add(length).ok_or(Errno::ENOMEM)?))
}

/// What is to be mapped, its end not known yet.
fn region(
    access: Access,
    flags: u32,
    length: u64,
    offset: u64,
    file: Option<Mapping>,
) -> Result<Region, Errno> {
    let shared = is_shared(flags)?;
    let new = Region { access, shared, ..Region::zeros(0) };
    if flags & MAP_ANONYMOUS != 0 {
        if flags & MAP_HUGETLB != 0 {
            // None are set aside.
            return Err(Errno::ENOMEM);
        }
        let backing = match shared {
            true => Backing::Shared(Shared::zeros(length.next_multiple_of(PAGE_U64)), 0),
            false => Backing::Anonymous,
        };
        return Ok(Region { backing, ..new });
    }
    let Mapping { backing, may_write } = file.ok_or(Errno::EBADF)?;
    if offset.checked_add(length).is_none_or(|end| end > i64::MAX as u64) {
        return Err(Errno::EOVERFLOW);
    }
    Ok(Region { backing: backing.behind(offset), may_write, ..new })
}

/// Where a mapping goes: where it is wanted, or below an address if given.
fn place(
    space: &AddressSpace,
    address: u64,
    length: u64,
    flags: u32,
    below: Option<u64>,
) -> Result<Room, Errno> {
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    let hint = if fixed { address } else { address & !(PAGE_U64 - 1) };
    let (start, end) = range(hint, length)?;
    let regions = space.regions.lock();
    if fixed {
        if flags & MAP_FIXED_NOREPLACE != 0 && !regions.is_free(start, end) {
            return Err(Errno::EEXIST);
        }
        return Ok(Room::At(start));
    }
    if below.is_none() && Regions::fits(start, end) && regions.is_free(start, end) {
        return Ok(Room::At(start));
    }
    let top = space.bounds.map_top();
    let top = if flags & MAP_32BIT != 0 { top.min(LOW_TOP) } else { top };
    Ok(regions.place_some(end - start, below.unwrap_or(top)))
}

fn map(
    space: &AddressSpace,
    start: u64,
    length: u64,
    flags: u32,
    region: Region,
) -> Result<Stage, Errno> {
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    let mut regions = space.regions.lock();
    let end = start + length.next_multiple_of(PAGE_U64);
    if !space.bounds.allow_at(&regions, start, end, region.is_data()) {
        return Err(Errno::ENOMEM);
    }
    if !regions.insert(start, Region { end, ..region }) {
        return Err(Errno::ENOMEM);
    }
    Ok(if fixed { Stage::Unmapping(start, end, start) } else { Stage::Settling(start) })
}

/// `brk` answers with the end as it is then, changed or not.
fn break_at(space: &AddressSpace, wanted: u64) -> Stage {
    let mut heap = space.heap.lock();
    let (start, end) = *heap;
    let round = |address: u64| address.next_multiple_of(PAGE_U64);
    if wanted < start || wanted >= USER_END - PAGE_U64 {
        return Stage::Settling(end);
    }
    let (old, new) = (round(end), round(wanted));
    let mut regions = space.regions.lock();
    if new > old {
        let region = Region::zeros(new);
        let allowed = space.bounds.allow(&regions, new - old, true);
        if !allowed || !regions.is_free(old, new) || !regions.insert(old, region) {
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

/// Whether the pages of a mapping that was made here are wanted at once: up to where, and for
/// what.
pub(super) fn wanted(call: &Memory, start: u64) -> Option<(u64, Access)> {
    let Memory::Mmap { length, protection, flags, .. } = *call else { return None };
    let access = access_of(protection).ok().filter(|access| *access != Access::None)?;
    let (_, end) = range(start, length).ok()?;
    (flags as u32 & MAP_POPULATE != 0).then_some((end, access))
}
