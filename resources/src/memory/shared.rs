//! Memory that several processes share: a page is made when one of them touches it first.
//! It may be a file's, which reads and writes its pages then (`Overlay`).
//!
//! # Invariants
//! A page that was made stays the same frame until the file is cut before it, so that all
//! who map it see one memory.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;

use spin::Mutex;
use vortex_files::Overlay;
use vortex_machine::{Frame, PAGE, Use};
use vortex_units::ActivityId;

use super::mend::from_file;
use crate::files::Image;
use crate::graves::give_up;

const PAGE_U64: u64 = PAGE as u64;

/// It. Its regions hold it; their backing says from which page on they show it.
#[derive(Default)]
pub struct Shared {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    frames: BTreeMap<u64, Frame>,
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
    pub fn zeros(size: u64) -> Self {
        Self { inner: Mutex::new(Inner { size, ..Inner::default() }) }
    }

    /// A file's pages.
    #[must_use]
    pub fn of(image: Image) -> Self {
        let size = image.size;
        let file = File { image: Arc::new(image), valid: size, size };
        Self { inner: Mutex::new(Inner { frames: BTreeMap::new(), file: Some(file), size }) }
    }

    /// The frame of this page, for an activity that maps it; `None` where memory has run
    /// out.
    #[must_use]
    pub fn frame(&self, page: u64, owner: ActivityId) -> Option<Frame> {
        self.inner.lock().frame(page, owner)
    }

    /// Whether there is nothing at this place: it is behind the last page.
    #[must_use]
    pub fn is_beyond(&self, at: u64) -> bool {
        let inner = self.inner.lock();
        at >= inner.file.as_ref().map_or(inner.size, |file| file.size)
    }
}

impl Inner {
    fn frame(&mut self, page: u64, owner: ActivityId) -> Option<Frame> {
        if let Some(frame) = self.frames.get(&page) {
            return frame.share_with(owner).then(|| frame.clone());
        }
        let at = i64::try_from(page.checked_mul(PAGE_U64)?).ok()?;
        let frame = match &self.file {
            Some(file) => from_file(&file.image, file.valid, at, owner, Use::Shared)?,
            None => Frame::zeroed_for(owner, Use::Shared)?,
        };
        self.frames.insert(page, frame.clone());
        Some(frame)
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
        if let Some(frame) = self.inner.lock().frame(page, ActivityId::INFRASTRUCTURE) {
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
        give_up(BTreeMap::new(), core::mem::take(&mut self.inner.get_mut().frames));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} pages)", self.inner.lock().frames.len())
    }
}
