//! Windows (§4.3): frames of a file's pages that a program may read for a time, so that its
//! thread copies what was read, on its own bill. AIOR says which, and when no more; this is the
//! sink of its reads.
//!
//! They lie in one region of a space, made for the first. A program may take that away, and then
//! has no windows; it can do nothing else with it, so that nobody keeps a frame by another way.
//! A fork's child has none.
//!
//! # Invariants
//! - A place in the region is AIOR's to give, to one operation at a time.
//! - A frame is on the bill of whoever sees it, as one that is mapped (§2.3), and does not leave
//!   memory while it is seen.
//! - When a window's end is answered no core sees it any more.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use vortex_abi::Errno;
use vortex_grid::{At, Context, Outcome};
use vortex_machine::{Access, Frame, PAGE, Work};
use vortex_units::ActivityId;

use super::asr::AddressSpaces;
use super::faults::poke;
use super::regions::{Backing, Forked, Region, Room};
use super::space::AddressSpace;
use crate::{Answer, Mail};

/// Pages that the windows of a space have together, 32 MiB: 32 KB for each of 1,024 reads.
pub const WINDOW_PAGES: usize = 8192;

const PAGE_U64: u64 = PAGE as u64;
const BYTES: u64 = WINDOW_PAGES as u64 * PAGE_U64;
/// Pages that one table maps: what is put together does not go beyond it.
const TABLE: u64 = 512;

/// A request about windows of a space.
pub struct Windowing {
    pub(super) space: Arc<AddressSpace>,
    /// The first page, of those that there are for windows.
    first: u32,
    what: What,
}

enum What {
    /// WRITE: these are to be seen. Answered by the first's address.
    Show(Vec<Frame>, Option<u64>),
    /// So many are not to be seen any more, from this address on when it is known.
    Hide(u32, Option<u64>),
}

impl Windowing {
    /// Frames are to be seen, from a place on: at most 32. Answered by where the place is, when
    /// they are.
    #[must_use]
    pub fn show(space: Arc<AddressSpace>, first: u32, frames: Vec<Frame>) -> Box<Self> {
        Box::new(Self { space, first, what: What::Show(frames, None) })
    }

    /// So many pages from a place on are not to be seen any more.
    #[must_use]
    pub fn hide(space: Arc<AddressSpace>, first: u32, pages: u32) -> Box<Self> {
        Box::new(Self { space, first, what: What::Hide(pages, None) })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.what {
            What::Show(..) => "write",
            What::Hide(..) => "end of a window",
        }
    }
}

type Left = Outcome<Mail, AddressSpaces>;

/// Places of activities at the memory multiplexor.
const PLACES: usize = 256;
/// Which of them have had windows.
static HAVE: [AtomicBool; PLACES] = [const { AtomicBool::new(false) }; PLACES];

/// Whether an activity may see pages of files on disks by windows, which no region tells of.
pub(super) fn has_windows(activity: ActivityId) -> bool {
    HAVE.get(activity.index()).is_none_or(|has| has.load(Ordering::Acquire))
}

fn answer(result: Result<u64, Errno>) -> Left {
    Outcome::Reply(Answer::Call(result))
}

impl AddressSpaces {
    /// Serves one.
    pub(super) fn window(windowing: &mut Windowing, cx: &mut Context<'_, Mail>) -> Left {
        let Windowing { space, first, what } = windowing;
        let within = u64::from(*first) * PAGE_U64;
        match what {
            What::Show(frames, below) => {
                let base = match area(space, below) {
                    Ok(Some(base)) => base,
                    Ok(None) => return Outcome::Continue(At::beginning()),
                    Err(error) => return answer(Err(error)),
                };
                answer(show(space, base + within, core::mem::take(frames)))
            }
            What::Hide(pages, from) => {
                let base = space.windows.load(Ordering::Relaxed);
                let end = base + within + u64::from(*pages) * PAGE_U64;
                let at = from.unwrap_or(base + within);
                if base != 0 && at < end && is_area(space, at, end) {
                    let next = space.space.unmap(at, end, &mut Work::default());
                    *from = Some(next.unwrap_or(end));
                    if next.is_some() {
                        return Outcome::Continue(At::beginning());
                    }
                }
                if !space.space.is_current() {
                    poke(space, cx);
                    return Outcome::Continue(At::beginning());
                }
                answer(Ok(0))
            }
        }
    }
}

/// Whether all between these addresses is there for windows.
fn is_area(space: &AddressSpace, start: u64, end: u64) -> bool {
    space.regions.lock().all(start, end, Region::is_window)
}

/// Where the windows of a space are: the region is made, if there is none yet. `None` where more
/// regions are to be looked at for a place, below the one that is noted.
fn area(space: &AddressSpace, below: &mut Option<u64>) -> Result<Option<u64>, Errno> {
    let known = space.windows.load(Ordering::Relaxed);
    if known != 0 {
        return Ok(Some(known));
    }
    let mut regions = space.regions.lock();
    let top = below.unwrap_or(space.bounds.map_top());
    let start = match regions.place_some(BYTES, top) {
        Room::At(start) => start,
        Room::Below(end) => {
            *below = Some(end);
            return Ok(None);
        }
        Room::Nowhere => return Err(Errno::ENOMEM),
    };
    let billed = space.mappings.lock().quota().is_none_or(|quota| quota.has_room(1));
    let allowed = billed && regions.have_room(1) && space.bounds.allow(&regions, BYTES, false);
    if !allowed || !regions.insert(start, region(start + BYTES)) {
        return Err(Errno::ENOMEM);
    }
    drop(regions);
    space.changed();
    space.recount_mappings();
    space.windows.store(start, Ordering::Relaxed);
    if let Some(has) = HAVE.get(space.space.owner().index()) {
        has.store(true, Ordering::Release);
    }
    Ok(Some(start))
}

/// What programs may do with it is nothing: what is in it they see all the same.
fn region(end: u64) -> Region {
    Region {
        access: Access::None,
        backing: Backing::Window,
        shared: true,
        may_write: false,
        forked: Forked::Left,
        small: true,
        ..Region::zeros(end)
    }
}

/// Puts frames there; all, or none is left.
fn show(space: &AddressSpace, at: u64, frames: Vec<Frame>) -> Result<u64, Errno> {
    let count = frames.len() as u64;
    let end = at + count * PAGE_U64;
    if !is_area(space, at, end) {
        return Err(Errno::EFAULT);
    }
    let owner = space.space.owner();
    if !frames.iter().all(|frame| frame.share_with(owner)) {
        return Err(Errno::ENOMEM);
    }
    let mut frames: Vec<Option<Frame>> = frames.into_iter().map(Some).collect();
    let mut rest = &mut frames[..];
    let mut page = at;
    while !rest.is_empty() {
        let room = (TABLE - page / PAGE_U64 % TABLE) as usize;
        let length = rest.len().min(room);
        let (now, then) = core::mem::take(&mut rest).split_at_mut(length);
        let put = space.space.put(page, now, Access::Read, || true);
        page += now.len() as u64 * PAGE_U64;
        // What is left over had no place: something else is there.
        if put != Ok(true) || now.iter().any(Option::is_some) {
            let _ = space.space.unmap(at, page, &mut Work::default());
            return Err(Errno::ENOMEM);
        }
        rest = then;
    }
    Ok(at)
}
