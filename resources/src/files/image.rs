//! A file as it was when it was asked for, by pages: what programs are loaded from and map.
//!
//! # Invariants
//! A page's frame is made once, from the file's page, and never changes: whoever maps it
//! does so without the right to write. All who have the file have the same frames.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_files::Page;
use vortex_machine::{Frame, PAGE, Use};
use vortex_memory::{Cookie, FrameId};
use vortex_units::ActivityId;

use crate::graves::give_up;

const PAGE_U64: u64 = PAGE as u64;

/// The pages of a file; those that it has none for are zeros. Pages that the file changes
/// later stay here as they were.
#[derive(Default)]
pub struct Pages {
    size: u64,
    /// Names it at the memory multiplexor: zero until a page of it is mapped.
    number: AtomicU64,
    pages: BTreeMap<u64, Page>,
    mapped: Mutex<Mapped>,
}

/// Bits of the number of a page within a file's name at the multiplexor.
const BITS: u32 = 36;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// All whose pages were mapped, by their numbers: a frame that is asked back is named by its
/// file.
static FILES: Mutex<BTreeMap<u64, Weak<Pages>>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
struct Mapped {
    frames: BTreeMap<u64, Frame>,
    sharers: BTreeSet<ActivityId>,
}

/// A file's pages, and what it was called.
#[derive(Clone, Default)]
pub struct Image {
    /// The path by which it was asked for.
    pub path: Vec<u8>,
    /// Where it is.
    pub found: Vec<u8>,
    /// Its bytes.
    pub size: u64,
    pages: Arc<Pages>,
    /// Of one that is run: nobody may write its file as long as there is this.
    pub running: Option<Arc<()>>,
}

impl Pages {
    /// The pages of a file of this size.
    #[must_use]
    pub fn new(size: u64, pages: BTreeMap<u64, Page>) -> Self {
        Self { size, number: AtomicU64::new(0), pages, mapped: Mutex::default() }
    }

    /// Of which file, and which page of it, a name at the multiplexor speaks.
    #[must_use]
    pub fn of(name: u64) -> Option<(Arc<Self>, u64)> {
        let pages = FILES.lock().get(&(name >> BITS))?.upgrade()?;
        Some((pages, name & ((1 << BITS) - 1)))
    }

    /// The name of a page at the multiplexor.
    fn name(self: &Arc<Self>, page: u64) -> u64 {
        let mut number = self.number.load(Ordering::Acquire);
        if number == 0 {
            let files = &mut *FILES.lock();
            number = self.number.load(Ordering::Acquire);
            if number == 0 {
                number = NEXT.fetch_add(1, Ordering::Relaxed);
                files.insert(number, Arc::downgrade(self));
                self.number.store(number, Ordering::Release);
            }
        }
        number << BITS | page & ((1 << BITS) - 1)
    }

    /// A frame is asked back. True if nobody else had it: it is given back.
    pub(super) fn give_up(&self, page: u64, frame: FrameId) -> bool {
        let mapped = &mut *self.mapped.lock();
        let is_free = mapped.frames.get(&page).is_some_and(|of| of.id() == frame && of.is_sole());
        is_free && mapped.frames.remove(&page).is_some()
    }

    /// The activities that have mapped some of it: they own its frames together.
    #[must_use]
    pub fn sharers(&self) -> Vec<ActivityId> {
        self.mapped.lock().sharers.iter().copied().collect()
    }

    fn page(&self, index: u64) -> Option<&Page> {
        self.pages.get(&index)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let number = *self.number.get_mut();
        if number != 0 {
            FILES.lock().remove(&number);
        }
        let frames = core::mem::take(&mut self.mapped.get_mut().frames);
        give_up(core::mem::take(&mut self.pages), frames);
    }
}

impl Image {
    /// An image with these pages.
    #[must_use]
    pub fn new(path: Vec<u8>, found: Vec<u8>, pages: Arc<Pages>) -> Self {
        Self { path, found, size: pages.size, pages, running: None }
    }

    /// The same, to be run: nobody may write its file as long as anybody has this token.
    #[must_use]
    pub fn run_as(self, running: Arc<()>) -> Self {
        Self { running: Some(running), ..self }
    }

    /// The frame of a page, for an activity that maps it, and whether it was given out for
    /// that; `None` where memory has run out.
    #[must_use]
    pub fn frame(&self, page: u64, owner: ActivityId) -> Option<(Frame, bool)> {
        if let Some(frame) = self.known(page, owner) {
            return frame.share_with(owner).then_some((frame, false));
        }
        let made = Frame::zeroed_for(owner, Use::File)?;
        if let Some(page) = self.pages.page(page) {
            made.write(0, page.bytes());
        }
        // Another core may have been faster.
        let (frame, new) = match self.pages.mapped.lock().frames.entry(page) {
            Entry::Vacant(place) => (place.insert(made).clone(), true),
            Entry::Occupied(place) => (place.get().clone(), false),
        };
        if new {
            self.direct(&frame, page);
        }
        frame.share_with(owner).then_some((frame, true))
    }

    /// From now on ASR is asked first when the frame is wanted back. Where the multiplexor has
    /// no room to note that, it is asked back only when nobody shows it.
    fn direct(&self, frame: &Frame, page: u64) {
        let Some(memory) = vortex_machine::multiplexor() else { return };
        let name = Cookie(self.pages.name(page));
        memory.rename(frame.id(), Use::File.resource(), name);
        let _no_room = memory.redirect(frame.id(), Use::Mapping.resource(), name);
    }

    /// Whether these are its pages.
    #[must_use]
    pub fn is_of(&self, pages: &Arc<Pages>) -> bool {
        Arc::ptr_eq(&self.pages, pages)
    }

    fn known(&self, page: u64, owner: ActivityId) -> Option<Frame> {
        let mapped = &mut *self.pages.mapped.lock();
        if !mapped.sharers.contains(&owner) {
            mapped.sharers.insert(owner);
        }
        mapped.frames.get(&page).cloned()
    }

    /// The frames that there are of some pages, from the first up to the second, each in its
    /// place, as far as the activity may have them without waiting.
    pub fn frames(&self, first: u64, end: u64, owner: ActivityId, frames: &mut [Option<Frame>]) {
        for (&page, frame) in self.pages.mapped.lock().frames.range(first..end.max(first)) {
            if let Some(place) = frames.get_mut((page - first) as usize) {
                *place = frame.share_beside(owner).then(|| frame.clone());
            }
        }
    }

    /// How many of `most` bytes from there lie in one page of the file.
    #[must_use]
    pub fn piece(&self, at: u64, most: usize) -> usize {
        let within = PAGE_U64 - at % PAGE_U64;
        let left = self.size.saturating_sub(at).min(within);
        usize::try_from(left).unwrap_or(0).min(most)
    }

    /// Hands over bytes that lie in one page; zeros are not handed over.
    pub fn with(&self, at: u64, length: usize, take: impl FnOnce(&[u8]) -> usize) {
        let from = (at % PAGE_U64) as usize;
        if let Some(page) = self.pages.page(at / PAGE_U64)
            && let Some(bytes) = page.bytes().get(from..from + length)
        {
            let _ = take(bytes);
        }
    }

    /// Copies bytes out; what is beyond the end is left as it is. Returns how many.
    pub fn read(&self, mut at: u64, bytes: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..)
            && !rest.is_empty()
        {
            let length = self.piece(at, rest.len());
            if length == 0 {
                break;
            }
            let Some(part) = rest.get_mut(..length) else { break };
            part.fill(0);
            self.with(at, length, |piece| {
                part.copy_from_slice(piece);
                length
            });
            done += length;
            at += length as u64;
        }
        done
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.size)
    }
}
