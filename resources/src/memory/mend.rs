//! Mending a fault: a page that is not there yet, or is shared until it is written.
//!
//! ASR does it on request; a thread's own run does it where that disturbs nobody (decision
//! 0070). Both go the same way, so that it is safe from any core: what is looked up is
//! looked at again under the tables' lock.

use alloc::boxed::Box;
use alloc::sync::Arc;

use vortex_machine::{Access, Frame, Look, PAGE, Use};
use vortex_units::ActivityId;

use super::asr::FaultError;
use super::huge;
use super::regions::{Backing, Region};
use super::shared::{Coming, Had};
use super::space::{AddressSpace, Layout};
use super::swap::{Place, Read, ReadError};
use crate::cache::{CacheFrame, CachedFile};
use crate::files::{Image, NoFrame};
use crate::storage::VolumeRequest;

const PAGE_U64: u64 = PAGE as u64;
/// Pages that one fault brings at most, those before and behind of what was touched: as
/// Linux (`fault_around_bytes`).
const AROUND: u64 = 16;

/// What became of a fault.
pub enum Mend {
    /// The page is there. So many frames were given out for it.
    Done(u64),
    /// Not here, or not now: again, in order with what ASR does.
    Late,
    /// Its contents must be read first, by a request to storage.
    Read(VolumeRequest, Box<Reading>),
    /// It is a page of a file on a disk, which FCR has to fetch first.
    Fetch(Wanted),
}

/// A page of a file on a disk that is not in the cache.
pub struct Wanted {
    /// The file.
    pub file: Arc<CachedFile>,
    /// Which page.
    pub page: u32,
    /// It is to be written to, together with all who map the file so.
    pub write: bool,
}

/// A page that is read from a disk.
pub struct Reading(To);

/// Whose it is.
enum To {
    /// One space's: its place, and its frame.
    Own(Arc<Place>, Frame),
    /// Of memory that processes share.
    Shared(Coming),
}

/// Who mends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// ASR, in order with all else that it does to the space.
    Asr,
    /// A thread's own run. What is there already is changed only if no core is in the space:
    /// else others may have to be told.
    Thread {
        /// Whether that is so.
        alone: bool,
    },
}

/// Mends one.
///
/// # Errors
/// [`FaultError`]: it is the thread's own.
pub fn mend(
    space: &AddressSpace,
    address: u64,
    access: Access,
    by: By,
) -> Result<Mend, FaultError> {
    let page = address & !(PAGE_U64 - 1);
    let layout = space.layout();
    let (start, region) = space.region(page).ok_or(FaultError::Unmapped)?;
    let readable = access == Access::Read && region.access != Access::None;
    if !readable && !region.access.allows(access) {
        return Err(FaultError::Forbidden);
    }
    if region.grows && space.bounds.is_beyond_stack(page) {
        return Err(FaultError::Unmapped);
    }
    let fault = Fault { space, layout, start, region: &region, page };
    let may_change = by != By::Thread { alone: false };
    let (mended, major) = match space.space.look(page) {
        Some(look) if look.access.allows(access) => return Ok(Mend::Done(0)),
        Some(look) if may_change => (fault.present(&look, access), false),
        Some(_) => return Ok(Mend::Late),
        None if space.away.has(page) => fault.away(by),
        None => (fault.absent(access, by), false),
    };
    if matches!(mended, Ok(Mend::Done(_))) {
        space.faults.count(major);
    }
    mended
}

/// A page was read that is to be where this address is. The frames given out for it; none where
/// it is not away there any more, or not in that place.
///
/// # Errors
/// [`FaultError`]: it is the thread's own.
pub(super) fn bring_back(
    space: &AddressSpace,
    address: u64,
    reading: Reading,
) -> Result<u64, FaultError> {
    let (place, frame) = match reading.0 {
        To::Own(place, frame) => (place, frame),
        To::Shared(coming) => {
            coming.arrive();
            // The thread touches it again.
            return Ok(1);
        }
    };
    let page = address & !(PAGE_U64 - 1);
    let layout = space.layout();
    let (start, region) = space.region(page).ok_or(FaultError::Unmapped)?;
    if !space.away.place(page).is_some_and(|now| Arc::ptr_eq(&now, &place)) {
        return Ok(0);
    }
    let fault = Fault { space, layout, start, region: &region, page };
    match fault.back(&place, frame)? {
        Mend::Done(given) => {
            space.faults.count(true);
            Ok(given)
        }
        // It is touched again.
        Mend::Late | Mend::Read(..) | Mend::Fetch(_) => Ok(0),
    }
}

/// Mends a fault in the run of the thread that has it, if that disturbs nobody: what is put
/// where nothing was concerns no other core, and where something was, no core may be in the
/// space. The frames given out for it; `None`, with nothing done, where ASR has to look.
#[must_use]
pub fn mend_here(space: &AddressSpace, address: u64, access: Access) -> Option<u64> {
    let left = space.space.is_left();
    match mend(space, address, access, By::Thread { alone: left }) {
        // Else a core has come into the space meanwhile, and ASR tells it.
        Ok(Mend::Done(given)) if !left || space.space.is_current() => Some(given),
        _ => None,
    }
}

/// The page of a file on a disk that has to be fetched before a fault can be mended, if that is
/// what it needs.
#[must_use]
pub fn wanted(space: &AddressSpace, address: u64, access: Access) -> Option<Wanted> {
    let page = address & !(PAGE_U64 - 1);
    let (start, region) = space.region(page)?;
    let (image, from) = match &region.backing {
        Backing::File(image, _, from) => (image, *from),
        Backing::Mapped(image, from) => (image, i64::try_from(*from).ok()?),
        Backing::Anonymous | Backing::Shared(..) | Backing::Window => return None,
    };
    let file = image.on_disk()?;
    let allowed =
        region.access.allows(access) || access == Access::Read && region.access != Access::None;
    let write = access == Access::Write && region.shared;
    if !allowed || !write && space.space.look(page).is_some() || space.away.has(page) {
        return None;
    }
    let at = from.saturating_add((page - start) as i64);
    // A page of the region may show parts of two of the file.
    let (first, last) = (u64::try_from(at).unwrap_or(0), at.saturating_add(PAGE as i64 - 1));
    let end = image.size().min(u64::try_from(last).ok()?.saturating_add(1));
    let mut pages = first / PAGE_U64..end.div_ceil(PAGE_U64);
    let is_there = |page| if write { file.is_ready(page) } else { file.has(page) };
    let page = pages.find_map(|page| u32::try_from(page).ok().filter(|&page| !is_there(page)))?;
    Some(Wanted { file: file.clone(), page, write })
}

struct Fault<'a> {
    space: &'a AddressSpace,
    layout: Layout<'a>,
    /// Where the region begins.
    start: u64,
    region: &'a Region,
    page: u64,
}

impl Fault<'_> {
    /// There is a frame, with fewer rights.
    fn present(&self, look: &Look, access: Access) -> Result<Mend, FaultError> {
        if access == Access::Write && self.region.is_of_disk() {
            return self.hold(Some(&look.frame));
        }
        let (frame, holds) = (&look.frame, || self.layout.holds());
        let own = self.region.shared && !self.region.is_of_disk() || look.sole;
        if access == Access::Write {
            self.written();
        }
        if own {
            // A fork may have shown it to a child since: then it is not widened.
            let alone = || self.region.shared || frame.is_paired();
            return self.widen(frame, self.region.access, || holds() && alone());
        }
        if access != Access::Write {
            return self.widen(frame, until_written(self.region), holds);
        }
        let copy = Frame::copy_of(frame, self.owner()).ok_or(FaultError::NoMemory)?;
        let space = &self.space.space;
        let replaced = space.replace(self.page, frame, copy, Access::Write, holds);
        match replaced.map_err(|_| FaultError::NoMemory)? {
            true => Ok(Mend::Done(1)),
            false => Ok(Mend::Late),
        }
    }

    /// It is with the swap resource. Whether it had to be read, too.
    fn away(&self, by: By) -> (Result<Mend, FaultError>, bool) {
        let place = self.space.away.place(self.page).filter(|_| by == By::Asr);
        let Some(place) = place else { return (Ok(Mend::Late), true) };
        let (read, major) = match place.read(self.owner(), Use::Page) {
            Ok(Read::Ask(request, frame)) => {
                let reading = Box::new(Reading(To::Own(place, frame)));
                return (Ok(Mend::Read(request, reading)), true);
            }
            Ok(Read::Here(frame)) => (Ok(frame), true),
            Ok(Read::Ahead(frame)) => (Ok(frame), false),
            Err(error) => (Err(error), true),
        };
        let mended = match brought(read) {
            Ok(Some(frame)) => self.back(&place, frame),
            Ok(None) => Ok(Mend::Late),
            Err(error) => Err(error),
        };
        (mended, major)
    }

    /// What was away is here again, in this frame.
    fn back(&self, place: &Arc<Place>, frame: Frame) -> Result<Mend, FaultError> {
        let back = self.put(self.page, &mut [Some(frame)], self.region.access, 1)?;
        if let Mend::Done(_) = back {
            self.space.away.forget(self.page, place);
        }
        Ok(back)
    }

    fn widen(
        &self,
        frame: &Frame,
        access: Access,
        holds: impl FnOnce() -> bool,
    ) -> Result<Mend, FaultError> {
        match self.space.space.widen(self.page, frame, access, holds) {
            true => Ok(Mend::Done(0)),
            false => Ok(Mend::Late),
        }
    }

    /// There is none yet.
    fn absent(&self, access: Access, by: By) -> Result<Mend, FaultError> {
        let at = self.page - self.start;
        let (frame, rights) = match &self.region.backing {
            // More at once is ASR's to clear.
            Backing::Anonymous if by != By::Asr && self.is_huge() => return Ok(Mend::Late),
            Backing::Anonymous => (Frame::zeroed(self.owner()), self.region.access),
            Backing::Shared(shared, from) => {
                if shared.is_beyond(from + at) {
                    return Err(FaultError::Beyond);
                }
                let waits = by == By::Asr;
                match brought(shared.frame((from + at) / PAGE_U64, self.owner(), waits))? {
                    Some(Had::Frame(frame)) => (Some(frame), self.region.access),
                    Some(Had::Asks(request, coming)) => {
                        return Ok(Mend::Read(request, Box::new(Reading(To::Shared(coming)))));
                    }
                    None => return Ok(Mend::Late),
                }
            }
            Backing::Mapped(image, from) => {
                let size = image.size();
                if from + at >= size {
                    return Err(FaultError::Beyond);
                }
                if access == Access::Write && self.region.is_of_disk() {
                    return self.hold(None);
                }
                return self.file(image, size, *from as i64, access);
            }
            Backing::File(image, end, from) => return self.file(image, *end, *from, access),
            // What is in it ASR puts there.
            Backing::Window => return Err(FaultError::Forbidden),
        };
        let frame = frame.ok_or(FaultError::NoMemory)?;
        self.put(self.page, &mut [Some(frame)], rights, 1)
    }

    /// A page of a file on a disk is to be written to by this mapping, together with all who map
    /// it so: in place of what is `found` there, if anything is.
    fn hold(&self, found: Option<&Frame>) -> Result<Mend, FaultError> {
        let Backing::Mapped(image, from) = &self.region.backing else { return Ok(Mend::Late) };
        let Some(file) = image.on_disk() else { return Ok(Mend::Late) };
        let at = from + (self.page - self.start);
        if at >= file.size() {
            return Err(FaultError::Beyond);
        }
        let page = u32::try_from(at / PAGE_U64).map_err(|_| FaultError::Beyond)?;
        let owner = self.owner();
        let Some(CacheFrame(frame)) = file.hold(page, owner) else {
            return Ok(Mend::Fetch(Wanted { file: file.clone(), page, write: true }));
        };
        if !frame.share_with(owner) {
            return Err(FaultError::NoMemory);
        }
        match found {
            Some(found) if *found == frame => {
                self.widen(found, Access::Write, || self.layout.holds())
            }
            Some(found) => {
                let (page, holds) = (self.page, || self.layout.holds());
                let put = self.space.space.replace(page, found, frame, Access::Write, holds);
                match put.map_err(|_| FaultError::NoMemory)? {
                    true => Ok(Mend::Done(0)),
                    false => Ok(Mend::Late),
                }
            }
            None => self.put(self.page, &mut [Some(frame)], Access::Write, 0),
        }
    }

    /// Whether 2 MiB could come at once.
    fn is_huge(&self) -> bool {
        huge::place(self.space, self.start, self.region, self.page).is_some()
    }

    /// A page of a file, of which the region shows what lies before `end`, and its first
    /// byte is `from`. Until it is written it is the one that all have.
    fn file(&self, image: &Image, end: u64, from: i64, access: Access) -> Result<Mend, FaultError> {
        let at = from.saturating_add((self.page - self.start) as i64);
        let place = u64::try_from(at).ok().filter(|at| at.is_multiple_of(PAGE_U64));
        let size = image.size();
        // What a program has of its file, and that was cut off.
        if place.is_some_and(|at| (size..end).contains(&at)) {
            return Err(FaultError::Beyond);
        }
        let whole = |at: u64| at < size && (end >= size || at + PAGE_U64 <= end);
        let shown = place.filter(|&at| whole(at));
        let Some(first) = shown else {
            let frame = match from_file(image, end, at, self.owner(), Use::Page) {
                Ok(frame) => frame,
                Err(why) => return is_none(image, why),
            };
            self.written();
            return self.put(self.page, &mut [Some(frame)], self.region.access, 1);
        };
        let index = first / PAGE_U64;
        let (frame, made) = match image.frame(index, self.owner()) {
            Ok(found) => found,
            Err(why) => return is_none(image, why),
        };
        let given = u64::from(made);
        if access == Access::Write {
            let copy = Frame::copy_of(&frame, self.owner()).ok_or(FaultError::NoMemory)?;
            self.written();
            return self.put(self.page, &mut [Some(copy)], Access::Write, given + 1);
        }
        let mut frames = [const { None }; AROUND as usize];
        // Up to where the region shows whole pages.
        let pages = if end >= size { size.div_ceil(PAGE_U64) } else { end / PAGE_U64 };
        let (back, on) = self.around();
        let (begin, stop) = (index.saturating_sub(back), (index + on).min(pages));
        image.frames(begin, stop, self.owner(), &mut frames);
        if let Some(place) = frames.get_mut((index - begin) as usize) {
            *place = Some(frame);
        }
        let first = self.page - (index - begin) * PAGE_U64;
        let count = stop.saturating_sub(begin) as usize;
        let frames = frames.get_mut(..count).unwrap_or_default();
        self.put(first, frames, until_written(self.region), given)
    }

    /// How many pages before this one, and from this one on, lie in the region and in the
    /// same block.
    fn around(&self) -> (u64, u64) {
        let block = AROUND * PAGE_U64;
        let begin = self.page / block * block;
        let (first, end) = (begin.max(self.start), (begin + block).min(self.region.end));
        ((self.page - first) / PAGE_U64, (end - self.page) / PAGE_U64)
    }

    fn put(
        &self,
        page: u64,
        frames: &mut [Option<Frame>],
        access: Access,
        given: u64,
    ) -> Result<Mend, FaultError> {
        let put = self.space.space.put(page, frames, access, || self.layout.holds());
        match put.map_err(|_| FaultError::NoMemory)? {
            true => Ok(Mend::Done(given)),
            false => Ok(Mend::Late),
        }
    }

    fn owner(&self) -> ActivityId {
        self.space.space.owner()
    }

    /// The region will have a page of its own.
    fn written(&self) {
        let source = !matches!(self.region.backing, Backing::Anonymous) && !self.region.shared;
        if source && !self.region.written {
            self.space.regions.lock().write(self.start);
        }
    }
}

/// A page of a file has no frame yet.
#[cold]
fn is_none(image: &Image, why: NoFrame) -> Result<Mend, FaultError> {
    match (why, image.on_disk()) {
        (NoFrame::Absent(page), Some(file)) => {
            Ok(Mend::Fetch(Wanted { file: file.clone(), page, write: false }))
        }
        (NoFrame::Beyond, _) => Err(FaultError::Beyond),
        _ => Err(FaultError::NoMemory),
    }
}

/// The frame with what was kept; `None` while it is still being written.
fn brought<T>(read: Result<T, ReadError>) -> Result<Option<T>, FaultError> {
    match read {
        Ok(brought) => Ok(Some(brought)),
        Err(ReadError::NotYet) => Ok(None),
        Err(ReadError::NoMemory) => Err(FaultError::NoMemory),
        Err(ReadError::Device) => Err(FaultError::Device),
    }
}

/// What a program may do with a page that others have too.
fn until_written(region: &Region) -> Access {
    if region.access == Access::Write { Access::Read } else { region.access }
}

/// A frame with what a file has from there on, up to `end`; zeros elsewhere. It may begin
/// before the file does, within its first page.
///
/// # Errors
/// [`NoFrame`].
pub(super) fn from_file(
    image: &Image,
    end: u64,
    from: i64,
    owner: ActivityId,
    of: Use,
) -> Result<Frame, NoFrame> {
    let frame = Frame::zeroed_for(owner, of).ok_or(NoFrame::Memory)?;
    let mut offset = usize::try_from(from.saturating_neg()).unwrap_or(0).min(PAGE);
    let mut at = u64::try_from(from).unwrap_or(0);
    while offset < PAGE && at < end {
        let most = (end - at).min((PAGE - offset) as u64) as usize;
        let bytes = image.piece(at, most);
        if bytes == 0 {
            break;
        }
        image.with(at, bytes, |within, piece| {
            frame.write(offset + within, piece);
        })?;
        offset += bytes;
        at += bytes as u64;
    }
    Ok(frame)
}
