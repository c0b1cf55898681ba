//! Memory that several processes share: a page is made when one of them touches it first.
//! It may be a file's, which reads and writes its pages then (`Overlay`). Its pages can be with
//! the swap resource (SR); a file's are brought back for a call too (`bring.rs`).
//!
//! # Invariants
//! - All who map a page see one memory: it stays the same frame until the file is cut before
//!   it, and those who show it lose it (`shown_files.rs`); or until no space shows it and
//!   nobody has it: then it can leave.
//! - A page is in a frame, or with the swap resource, or was never touched. One that is being
//!   read from a disk is with the swap resource still. Each who touches it meanwhile reads it
//!   too, so that nobody waits for what another may have of the disk; what is read first is it.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_files::{Over, Overlay};
use vortex_machine::{Frame, PAGE, Use};
use vortex_memory::{Cookie, FrameId};
use vortex_units::ActivityId;

use super::mend::from_file;
use super::swap::{Place, Read, ReadError, Write};
use crate::files::{Behind, Image};
use crate::graves::give_up_shared;
use crate::storage::VolumeRequest;

const PAGE_U64: u64 = PAGE as u64;
/// Pages that are cut off of which each is looked at.
const LOOKS: usize = 64;

/// Bits of the number of a page within the name that its frame has at the multiplexor.
const BITS: u32 = 36;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// All by their numbers: a frame that is asked back is named by its memory.
static ALL: Mutex<BTreeMap<u64, Weak<Shared>>> = Mutex::new(BTreeMap::new());

/// It. Its regions hold it; their backing says from which page on they show it.
#[derive(Default)]
pub struct Shared {
    /// Names it at the memory multiplexor.
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

/// A page that is being read from a disk.
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
    /// From where on pages of a file were cleared while they were away.
    cleared: BTreeMap<u64, usize>,
    file: Option<File>,
    /// Nobody runs its file as long as there is this.
    written: Option<Arc<()>>,
    /// Bytes, where it is no file's.
    size: u64,
    /// What programs may show of what was cut off.
    behind: Behind,
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
        Self::new(Inner { size, ..Inner::default() })
    }

    fn new(inner: Inner) -> Arc<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let made = Arc::new(Self { number, inner: Mutex::new(inner) });
        ALL.lock().insert(number, Arc::downgrade(&made));
        made
    }

    /// A file's pages.
    #[must_use]
    pub fn of(image: Image) -> Arc<Self> {
        let size = image.size();
        let file = Some(File { image: Arc::new(image.unshown()), valid: size, size });
        Self::new(Inner { file, size, ..Inner::default() })
    }

    /// The machine ends: files in memory that nobody has mapped any more, and that are in the
    /// tree still, give up the frames that programs have written to. How many those were.
    pub fn end_files() -> u64 {
        let all = core::mem::take(&mut *ALL.lock());
        // One that a region still has is found by the frames that are missing.
        let given =
            all.values().filter_map(Weak::upgrade).filter(|one| Arc::strong_count(one) == 2);
        given.fold(0, |sum, one| {
            let inner = &mut *one.inner.lock();
            if inner.file.is_none() {
                return sum;
            }
            let pages = inner.frames.len().saturating_add(inner.away.len());
            let gone = (core::mem::take(&mut inner.frames), core::mem::take(&mut inner.away));
            drop(gone);
            sum.saturating_add(pages as u64)
        })
    }

    /// The one with this number.
    pub(super) fn numbered(number: u64) -> Option<Arc<Self>> {
        ALL.lock().get(&number)?.upgrade()
    }

    /// It is mapped by an open file that may be written to.
    pub fn is_written(&self, token: Arc<()>) {
        self.inner.lock().written = Some(token);
    }

    /// Of which memory, and which page of it, a name at the multiplexor speaks.
    pub(super) fn named(name: u64) -> Option<(Arc<Self>, u64)> {
        Some((Self::numbered(name >> BITS)?, name & ((1 << BITS) - 1)))
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
        let of = inner.kind();
        match inner.frame(page, owner, waits)? {
            Got::Frame(frame) => {
                if !known {
                    self.name(page, &frame, of);
                }
                Ok(Had::Frame(frame))
            }
            Got::Asks(request, place, frame) => {
                Ok(Had::Asks(request, Coming { shared: self.clone(), page, place, frame }))
            }
        }
    }

    /// The first page from one to before another that is with the swap resource.
    pub(super) fn next_away(&self, from: u64, end: u64) -> Option<u64> {
        self.inner.lock().away.range(from..end.max(from)).next().map(|(&page, _)| page)
    }

    /// Whether a page is in memory.
    #[must_use]
    pub fn has(&self, at: u64) -> bool {
        self.inner.lock().frames.contains_key(&(at / PAGE_U64))
    }

    /// Names a new frame at the multiplexor, so that it can be asked back.
    fn name(&self, page: u64, frame: &Frame, of: Use) {
        if let Some(memory) = vortex_machine::multiplexor() {
            let name = Cookie(self.number << BITS | page & ((1 << BITS) - 1));
            memory.rename(frame.id(), of.resource(), name);
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

    /// From which page on programs may show what was cut off, and a number for
    /// [`Shared::is_concealed`].
    pub(super) fn behind(&self) -> Option<(u64, u64)> {
        self.inner.lock().behind.get()
    }

    /// What was to be taken from programs by that number is: unless there was another cut.
    pub(super) fn is_concealed(&self, number: u64) {
        self.inner.lock().behind.is_taken(number);
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
            let of = inner.kind();
            inner.put_back(*page, frame.clone());
            shared.name(*page, frame, of);
        }
    }
}

/// As [`Had`], with what is to be read and where from.
enum Got {
    Frame(Frame),
    Asks(VolumeRequest, Arc<Place>, Frame),
}

impl Inner {
    /// What its frames are used for.
    const fn kind(&self) -> Use {
        if self.file.is_some() { Use::Overlay } else { Use::Shared }
    }

    /// A page is in this frame from now on; what was cleared of it meanwhile is zeros.
    fn put_back(&mut self, page: u64, frame: Frame) {
        self.away.remove(&page);
        if let Some(from) = self.cleared.remove(&page) {
            frame.clear(from, PAGE.saturating_sub(from));
        }
        self.frames.insert(page, frame);
    }

    /// A page that is away has nothing any more from there on. True.
    fn clear_away(&mut self, page: u64, from: usize) -> bool {
        let first = self.cleared.entry(page).or_insert(from);
        *first = from.min(*first);
        true
    }

    fn frame(&mut self, page: u64, owner: ActivityId, waits: bool) -> Result<Got, ReadError> {
        if let Some(frame) = self.frames.get(&page) {
            return match frame.share_with(owner) {
                true => Ok(Got::Frame(frame.clone())),
                false => Err(ReadError::NoMemory),
            };
        }
        let frame = match (&self.file, self.away.get(&page)) {
            (Some(file), None) => {
                let at = page.checked_mul(PAGE_U64).and_then(|at| i64::try_from(at).ok());
                let at = at.ok_or(ReadError::NoMemory)?;
                from_file(&file.image, file.valid, at, owner, Use::Overlay).ok()
            }
            (_, Some(place)) => match place.read(owner, self.kind())? {
                Read::Here(frame) | Read::Ahead(frame) => Some(frame),
                Read::Ask(request, frame) if waits => {
                    return Ok(Got::Asks(request, place.clone(), frame));
                }
                Read::Ask(..) => return Err(ReadError::NotYet),
            },
            (None, None) => Frame::zeroed_for(owner, Use::Shared),
        };
        let frame = frame.ok_or(ReadError::NoMemory)?;
        self.put_back(page, frame.clone());
        Ok(Got::Frame(frame))
    }
}

impl Overlay for Shared {
    fn number(&self) -> u64 {
        self.number
    }

    fn unmapped(&self) {
        let token = self.inner.lock().written.take();
        drop(token);
    }

    fn read(&self, page: u64, within: usize, bytes: &mut [u8]) -> Over {
        let frame = {
            let inner = &*self.inner.lock();
            match inner.frames.get(&page) {
                // Who has it keeps it from leaving.
                Some(frame) => frame.clone(),
                None if inner.away.contains_key(&page) => return Over::Left,
                None => return Over::Nothing,
            }
        };
        frame.read(within, bytes);
        Over::Here
    }

    fn next(&self, page: u64) -> Option<u64> {
        let inner = &*self.inner.lock();
        let here = inner.frames.range(page..).next().map(|(&page, _)| page);
        let away = inner.away.range(page..).next().map(|(&page, _)| page);
        here.into_iter().chain(away).min()
    }

    fn write(&self, page: u64, within: usize, bytes: &[u8]) -> bool {
        let frame = {
            let inner = &mut *self.inner.lock();
            match inner.frames.get(&page) {
                // Whose call it is has the frame for the moment only: it is on nobody's bill more.
                Some(frame) => Some(frame.clone()),
                None if inner.away.contains_key(&page) => return false,
                None => match inner.frame(page, ActivityId::INFRASTRUCTURE, false) {
                    Ok(Got::Frame(frame)) => {
                        self.name(page, &frame, inner.kind());
                        Some(frame)
                    }
                    _ => None,
                },
            }
        };
        // Without memory the file has the bytes, and who maps the page later does not.
        if let Some(frame) = frame {
            frame.write(within, bytes);
        }
        true
    }

    fn clear(&self, page: u64, from: usize, to: usize) -> bool {
        let inner = &mut *self.inner.lock();
        if let Some(frame) = inner.frames.get(&page) {
            frame.clear(from, to.saturating_sub(from));
        } else if inner.away.contains_key(&page) {
            return to == PAGE && inner.clear_away(page, from);
        }
        true
    }

    fn resize(&self, size: u64) -> Option<u64> {
        let inner = &mut *self.inner.lock();
        let file = inner.file.as_mut()?;
        file.valid = file.valid.min(size);
        file.size = size;
        let end = size.div_ceil(PAGE_U64);
        let (cut, gone) = (inner.frames.split_off(&end), inner.away.split_off(&end));
        inner.cleared.split_off(&end);
        let (last, within) = (size / PAGE_U64, (size % PAGE_U64) as usize);
        if let Some(last) = inner.frames.get(&last) {
            last.clear(within, PAGE - within);
        } else if within > 0 && inner.away.contains_key(&last) {
            inner.clear_away(last, within);
        }
        // Who shows a page has its frame too. Of many not all are looked at.
        if cut.len() > LOOKS || cut.values().any(|frame| !frame.is_sole()) {
            inner.behind.cut(end);
        }
        give_up_shared(cut, gone);
        inner.behind.get().map(|(from, _)| from)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        ALL.lock().remove(&self.number);
        let inner = core::mem::take(self.inner.get_mut());
        give_up_shared(inner.frames, inner.away);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} pages)", self.inner.lock().frames.len())
    }
}
