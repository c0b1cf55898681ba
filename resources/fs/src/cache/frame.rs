//! Memory of the machine that pages of files lie in.

use vortex_storage::Memory;
use vortex_units::{ActivityId, Bytes};

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// The same, where places in files are meant.
pub const PAGE_BYTES: u64 = PAGE as u64;

/// A handle of a page's memory. Another handle of the same memory is its clone; the memory
/// goes back when the last is gone.
pub trait PageFrame: Clone + Send + Sync + 'static {
    /// What a device reads and writes.
    type Memory: Memory;

    /// Copies out from a place on; returns how many bytes there were.
    fn read(&self, at: usize, bytes: &mut [u8]) -> usize;

    /// Copies in from a place on; returns how many bytes had room.
    fn write(&self, at: usize, bytes: &[u8]) -> usize;

    /// Makes zeros of a part, as far as it is within.
    fn clear(&self, at: usize, bytes: usize);

    /// Whether this is the only handle.
    fn is_sole(&self) -> bool;

    /// A part of it for a device; `None` where it is not within, or the heap has no room.
    fn memory(&self, at: usize, bytes: usize) -> Option<Self::Memory>;
}

/// Who pays for the kernel's memory that EXT2R keeps blocks in. Nothing is refused: what it keeps
/// is bounded by its cache, and what an activity may have less by that are pages.
pub trait Bills: Send + Sync {
    /// So many bytes more on this activity's bill.
    fn charge(&self, activity: ActivityId, bytes: Bytes);

    /// So many less.
    fn credit(&self, activity: ActivityId, bytes: Bytes);

    /// The most that an activity can have in all, as far as that is set.
    fn limit(&self, _activity: ActivityId) -> Bytes {
        Bytes::new(u64::MAX)
    }
}

/// Where pages' memory comes from: the memory multiplexor, by way of the kernel.
pub trait Frames<F>: Bills {
    /// A frame of zeros, on the activity's bill and named for FCR's reclamation; `None` where
    /// it gets none now.
    fn allocate(&self, activity: ActivityId, name: PageName) -> Option<F>;

    /// A frame that whoever asks for a page has brought along is that page's from now on.
    fn name(&self, frame: &F, name: PageName);

    /// How many pages the activity may have in all, as far as that is limited.
    fn most(&self, activity: ActivityId) -> Option<u64>;
}

/// A page's name at the memory multiplexor: its file's number, and which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageName {
    /// [`super::CachedFile::number`].
    pub file: u32,
    /// Which page.
    pub page: u32,
}

impl PageName {
    /// As a cookie.
    #[must_use]
    pub const fn to_cookie(self) -> u64 {
        (self.file as u64) << 32 | self.page as u64
    }

    /// Of a cookie.
    #[must_use]
    pub const fn of_cookie(cookie: u64) -> Self {
        Self { file: (cookie >> 32) as u32, page: cookie as u32 }
    }
}
