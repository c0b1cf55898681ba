//! mremap(2): the same memory, longer, shorter or elsewhere. Where there is no memory for tables at
//! the new place, it waits.

use alloc::boxed::Box;

use vortex_abi::linux::general::{MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE};
use vortex_abi::{Errno, Memory};
use vortex_grid::{At, Context, Continuation, Outcome};
use vortex_machine::{PAGE, USER_END};

use super::asr::{AddressSpaces, MemoryRequest, Rest, Stage};
use super::bounds::Bounds;
use super::calls::range;
use super::regions::{Region, Regions, Room};
use super::room::with_room;
use super::space::AddressSpace;
use crate::Mail;

type Left = Outcome<Mail, AddressSpaces>;

/// Its arguments.
struct Remap {
    address: u64,
    length: u64,
    new: u64,
    flags: u32,
    place: u64,
}

impl Remap {
    fn of(call: &Memory) -> Option<Self> {
        let Memory::Mremap { address, length, new, flags, place } = *call else { return None };
        Some(Self { address, length, new, flags: flags as u32, place })
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// How many bytes of pages are moved.
    fn moved(&self) -> u64 {
        self.length.min(self.new).next_multiple_of(PAGE as u64)
    }

    /// From where on and how far they go.
    fn moving(&self, place: u64) -> Stage {
        let (at, end, distance) = self.way(place);
        Stage::Moving(at, end, distance, place)
    }

    fn way(&self, place: u64) -> (u64, u64, i64) {
        let distance = place.wrapping_sub(self.address) as i64;
        (self.address, self.address.saturating_add(self.moved()), distance)
    }
}

/// Does what it says to the regions.
///
/// # Errors
/// Linux's.
pub(super) fn begin(
    space: &AddressSpace,
    call: &Memory,
    below: Option<u64>,
) -> Result<Stage, Errno> {
    let remap = &Remap::of(call).ok_or(Errno::EINVAL)?;
    let known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    let bound = remap.has(MREMAP_FIXED) || remap.has(MREMAP_DONTUNMAP);
    if remap.flags & !known != 0 || remap.new == 0 || bound && !remap.has(MREMAP_MAYMOVE) {
        return Err(Errno::EINVAL);
    }
    if remap.has(MREMAP_DONTUNMAP) && remap.length != remap.new {
        return Err(Errno::EINVAL);
    }
    let (start, end) = range(remap.address, remap.length)?;
    let (_, new_end) = range(remap.address, remap.new)?;
    let size = new_end - start;
    let mut regions = space.regions.lock();
    let (from, region) = regions.find(start).ok_or(Errno::EFAULT)?;
    if region.is_window() || remap.length == 0 && !region.shared {
        return Err(Errno::EINVAL);
    }
    if bound {
        return elsewhere(&space.bounds, &mut regions, remap, (start, end), (size, below));
    }
    if new_end <= end {
        regions.remove(new_end, end);
        return Ok(Stage::Unmapping(new_end, end, start));
    }
    if end > region.end {
        return Err(Errno::EFAULT);
    }
    // Of the stack nothing is counted: what is moved out of it is, as a whole.
    let more = if region.grows { size } else { new_end - end };
    if !space.bounds.allow(&regions, more, region.is_data()) {
        return Err(Errno::ENOMEM);
    }
    if !region.grows && end == region.end && regions.extend(from, new_end) {
        return Ok(Stage::Settling(start));
    }
    if !remap.has(MREMAP_MAYMOVE) {
        return Err(Errno::ENOMEM);
    }
    let place = match regions.place_some(size, below.unwrap_or(space.bounds.map_top())) {
        Room::At(place) => place,
        Room::Below(end) => return Ok(Stage::Placing(end)),
        Room::Nowhere => return Err(Errno::ENOMEM),
    };
    put(&mut regions, (from, region), start, place, size)?;
    Ok(remap.moving(place))
}

/// To where the program wants it, in place of what is there, or leaving an empty one behind.
fn elsewhere(
    bounds: &Bounds,
    regions: &mut Regions,
    remap: &Remap,
    (start, end): (u64, u64),
    (size, below): (u64, Option<u64>),
) -> Result<Stage, Errno> {
    let place = match remap.has(MREMAP_FIXED) {
        true => {
            let (place, last) = range(remap.place, remap.new)?;
            if last > USER_END || place < end && start < last {
                return Err(Errno::EINVAL);
            }
            place
        }
        false => match regions.place_some(size, below.unwrap_or(bounds.map_top())) {
            Room::At(place) => place,
            Room::Below(end) => return Ok(Stage::Placing(end)),
            Room::Nowhere => return Err(Errno::ENOMEM),
        },
    };
    let (from, region) = regions.find(start).ok_or(Errno::EFAULT)?;
    if start.saturating_add(remap.moved()) > region.end {
        return Err(Errno::EFAULT);
    }
    // What is moved leaves its old place, where of the stack nothing was counted.
    let left = if remap.has(MREMAP_DONTUNMAP) || region.grows { 0 } else { end - start };
    if !bounds.allow(regions, size.saturating_sub(left), region.is_data()) {
        return Err(Errno::ENOMEM);
    }
    put(regions, (from, region), start, place, size)?;
    Ok(Stage::Emptying(place, place + size, place))
}

/// The region that shows, at a place, what one shows from `start` on.
fn put(
    regions: &mut Regions,
    (from, region): (u64, Region),
    start: u64,
    place: u64,
    size: u64,
) -> Result<(), Errno> {
    let backing = region.backing.behind(start - from);
    let moved = Region { end: place + size, backing, grows: false, ..region };
    if regions.insert(place, moved) { Ok(()) } else { Err(Errno::ENOMEM) }
}

/// Nothing is at the new place any more: pages can go there.
pub(super) fn emptied(call: &Memory, place: u64) -> Stage {
    Remap::of(call).map_or(Stage::Settling(place), |remap| remap.moving(place))
}

/// All pages that are in memory are at their new place too: then those with the swap resource.
/// Of the others none leaves meanwhile, since each is at two places.
pub(super) fn shown(call: &Memory, place: u64) -> Stage {
    let Some(remap) = Remap::of(call) else { return Stage::Settling(place) };
    let (at, end, distance) = remap.way(place);
    Stage::Shifting(at, end, distance, place)
}

/// All pages are at their new place: they leave the old one.
pub(super) fn moved(space: &AddressSpace, call: &Memory, place: u64) -> Stage {
    let Some(remap) = Remap::of(call) else { return Stage::Settling(place) };
    let end = remap.address.saturating_add(remap.length).next_multiple_of(PAGE as u64);
    if !remap.has(MREMAP_DONTUNMAP) {
        space.regions.lock().remove(remap.address, end);
    }
    Stage::Unmapping(remap.address, end, place)
}

impl AddressSpaces {
    /// There is no memory for tables at the new place now. `None` where it has waited often
    /// enough.
    pub(super) fn wait_to_move(
        &self,
        space: &AddressSpace,
        rest: &mut Option<Box<Rest>>,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Left> {
        let waited = &mut rest.get_or_insert_default().waited;
        let room = waited.wait(&self.system, space.space.owner(), cx)?;
        Some(Outcome::Pending(room, At::routine::<HasRoom>()))
    }
}

/// What was waited for is there, or there is nothing to be had.
struct HasRoom;

impl Continuation<Mail, AddressSpaces> for HasRoom {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Call { space, call, stage, rest, .. } = request else {
            return Outcome::Done;
        };
        let left = with_room(&spaces.system, cx, |cx| spaces.call(space, call, stage, rest, cx));
        spaces.served(request, left, cx)
    }
}

/// There is no memory for tables at the new place: nothing is there any more.
pub(super) fn not_moved(space: &AddressSpace, call: &Memory, place: u64) -> Stage {
    let Some(remap) = Remap::of(call) else { return Stage::Settling(place) };
    let end = place.saturating_add(remap.new).next_multiple_of(PAGE as u64);
    space.regions.lock().remove(place, end);
    Stage::Unmapping(place, end, Errno::ENOMEM.as_result())
}
