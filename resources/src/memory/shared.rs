//! Memory that several processes share: a page is made when one of them touches it first.
//! It may be a file's, which reads and writes its pages then (`Overlay`). Where it is none's its
//! pages can be with the swap resource (SR).
//!
//! # Invariants
//! - All who map a page see one memory: it stays the same frame until the file is cut before
//!   it, or until no space shows it and nobody has it: then it can leave.
//! - A page is in a frame, or with the swap resource, or was never touched. One that is being
//!   read from a disk is with the swap resource still, and nobody else reads it meanwhile.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_files::Overlay;
use vortex_machine::{Frame, PAGE, Use};
use vortex_memory::{Cookie, FrameId};
use vortex_units::ActivityId;

use super::mend::from_file;
use super::swap::{Place, Read, ReadError, Write};
use crate::files::Image;
use crate::graves::{give_up, give_up_shared};
use crate::storage::VolumeRequest;

const PAGE_U64: u64 = PAGE as u64;

/// Bits of the number of a page within the name that its frame has at the multiplexor.
const BITS: u32 = 36;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// All that are no file's, by their numbers: a frame that is asked back is named by its memory.
static ALL: Mutex<BTreeMap<u64, Weak<Shared>>> = Mutex::new(BTreeMap::new());

/// It. Its regions hold it; their backing says from which page on they show it.
#[derive(Default)]
pub struct Shared {
    /// Names it at the memory multiplexor; zero where it is a file's.
    number: u64,
    inner: Mutex<Inner>,
}

/// The frame of a page.
pub(super) enum Had {
    /// This.
    Frame(Frame),
    /// By this request, which reads it from a disk.
    Asks(VolumeRequest, Coming),
}

/// A page that is being read from a disk. When this is gone, another may read it.
pub(super) struct Coming {
    shared: Arc<Shared>,
    page: u64,
    place: Arc<Place>,
    frame: Frame,
}

/// What became of a page that was to leave.
pub(super) enum Leaving {
    /// It is to be written, by this request, from this frame to this place.
    Asks(VolumeRequest, Frame, Arc<Place>),
    /// Its frame is free.
    Left,
    /// Somebody has it, or there is no place for it.
    Stays,
    /// The device has not taken it.
    Failed,
}

#[derive(Default)]
struct Inner {
    frames: BTreeMap<u64, Frame>,
    away: BTreeMap<u64, Arc<Place>>,
    /// Those of them that are being read.
    coming: BTreeSet<u64>,
    file: Option<File>,
    /// Bytes, where it is no file's.
    size: u64,
}

struct File {
    /// As it was when it was mapped first.
    image: Arc<Image>,
    /// Up to where that still is what the file has.
    valid: u64,
    size: u64,
}

impl Shared {
    /// So many bytes of zeros.
    #[must_use]
    pub fn zeros(size: u64) -> Arc<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let inner = Mutex::new(Inner { size, ..Inner::default() });
        let made = Arc::new(Self { number, inner });
        ALL.lock().insert(number, Arc::downgrade(&made));
        made
    }

    /// A file's pages.
    #[must_use]
    pub fn of(image: Image) -> Arc<Self> {
        let size = image.size();
        let file = Some(File { image: Arc::new(image), valid: size, size });
        let inner = Mutex::new(Inner { file, size, ..Inner::default() });
        Arc::new(Self { number: 0, inner })
    }

    /// Of which memory, and which page of it, a name at the multiplexor speaks.
    pub(super) fn named(name: u64) -> Option<(Arc<Self>, u64)> {
        let shared = ALL.lock().get(&(name >> BITS))?.upgrade()?;
        Some((shared, name & ((1 << BITS) - 1)))
    }

    /// The frame of this page, for an activity that maps it and, if it may, waits for a disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn frame(
        self: &Arc<Self>,
        page: u64,
        owner: ActivityId,
        waits: bool,
    ) -> Result<Had, ReadError> {
        let inner = &mut *self.inner.lock();
        let known = inner.frames.contains_key(&page);
        match inner.frame(page, owner, waits)? {
            Got::Frame(frame) => {
                if !known {
                    self.name(page, &frame);
                }
                Ok(Had::Frame(frame))
            }
            Got::Asks(request, place, frame) => {
                inner.coming.insert(page);
                Ok(Had::Asks(request, Coming { shared: self.clone(), page, place, frame }))
            }
        }
    }

    /// Names a new frame at the multiplexor, so that it can be asked back.
    fn name(&self, page: u64, frame: &Frame) {
        if self.number != 0
            && let Some(memory) = vortex_machine::multiplexor()
        {
            let name = Cookie(self.number << BITS | page & ((1 << BITS) - 1));
            memory.rename(frame.id(), Use::Shared.resource(), name);
        }
    }

    /// A page that no space shows any more leaves memory, if nobody has its frame.
    pub(super) fn leave(
        &self,
        page: u64,
        frame: FrameId,
        place: impl FnOnce() -> Option<Place>,
    ) -> Leaving {
        let inner = &mut *self.inner.lock();
        let is_it = |of: &&Frame| of.id() == frame && of.is_sole();
        let Some(place) = inner.frames.get(&page).filter(is_it).and_then(|_| place()) else {
            return Leaving::Stays;
        };
        let Some(frame) = inner.frames.remove(&page) else { return Leaving::Stays };
        let place = Arc::new(place);
        inner.away.insert(page, place.clone());
        match place.write(frame) {
            Write::Done(true) => Leaving::Left,
            Write::Done(false) => Leaving::Failed,
            Write::Ask(request, frame) => Leaving::Asks(request, frame, place),
        }
    }

    /// Whether there is nothing at this place: it is behind the last page.
    #[must_use]
    pub fn is_beyond(&self, at: u64) -> bool {
        let inner = self.inner.lock();
        at >= inner.file.as_ref().map_or(inner.size, |file| file.size)
    }
}

impl Coming {
    /// It was read: all who map it see it from now on.
    pub fn arrive(self) {
        let Self { shared, page, place, frame } = &self;
        let inner = &mut *shared.inner.lock();
        if inner.away.get(page).is_some_and(|now| Arc::ptr_eq(now, place)) {
            inner.away.remove(page);
            inner.frames.insert(*page, frame.clone());
            shared.name(*page, frame);
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.shared.inner.lock().coming.remove(&self.page);
    }
}

/// As [`Had`], with what is to be read and where from.
enum Got {
    Frame(Frame),
    Asks(VolumeRequest, Arc<Place>, Frame),
}

impl Inner {
    fn frame(&mut self, page: u64, owner: ActivityId, waits: bool) -> Result<Got, ReadError> {
        if let Some(frame) = self.frames.get(&page) {
            return match frame.share_with(owner) {
                true => Ok(Got::Frame(frame.clone())),
                false => Err(ReadError::NoMemory),
            };
        }
        let frame = match (&self.file, self.away.get(&page)) {
            (Some(file), _) => {
                let at = page.checked_mul(PAGE_U64).and_then(|at| i64::try_from(at).ok());
                let at = at.ok_or(ReadError::NoMemory)?;
                from_file(&file.image, file.valid, at, owner, Use::Overlay).ok()
            }
            (None, Some(place)) => {
                let here = waits && !self.coming.contains(&page) || place.is_in_memory();
                match here.then(|| place.read(owner, Use::Shared)).ok_or(ReadError::NotYet)?? {
                    Read::Here(frame) => Some(frame),
                    Read::Ask(request, frame) => {
                        return Ok(Got::Asks(request, place.clone(), frame));
                    }
                }
            }
            (None, None) => Frame::zeroed_for(owner, Use::Shared),
        };
        let frame = frame.ok_or(ReadError::NoMemory)?;
        self.frames.insert(page, frame.clone());
        self.away.remove(&page);
        Ok(Got::Frame(frame))
    }
}

impl Overlay for Shared {
    fn read(&self, page: u64, within: usize, bytes: &mut [u8]) -> bool {
        let frame = self.inner.lock().frames.get(&page).cloned();
        frame.map(|frame| frame.read(within, bytes)).is_some()
    }

    fn next(&self, page: u64) -> Option<u64> {
        self.inner.lock().frames.range(page..).next().map(|(&page, _)| page)
    }

    fn write(&self, page: u64, within: usize, bytes: &[u8]) {
        // Without memory the file has the bytes, and who maps the page later does not.
        let got = self.inner.lock().frame(page, ActivityId::INFRASTRUCTURE, false);
        if let Ok(Got::Frame(frame)) = got {
            frame.write(within, bytes);
        }
    }

    fn resize(&self, size: u64) {
        let inner = &mut *self.inner.lock();
        let Some(file) = &mut inner.file else { return };
        file.valid = file.valid.min(size);
        file.size = size;
        let cut = inner.frames.split_off(&size.div_ceil(PAGE_U64));
        if let Some(last) = inner.frames.get(&(size / PAGE_U64)) {
            let within = (size % PAGE_U64) as usize;
            last.clear(within, PAGE - within);
        }
        give_up(BTreeMap::new(), cut);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.number != 0 {
            ALL.lock().remove(&self.number);
        }
        let inner = core::mem::take(self.inner.get_mut());
        give_up_shared(inner.frames, inner.away);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} pages)", self.inner.lock().frames.len())
    }
}
