//! A file by pages: what programs are loaded from and map. One in memory as it was when it was
//! asked for; one on a disk by the pages that FCR keeps of it, as they are there.
//!
//! # Invariants
//! Whoever maps a page does so without the right to write. All who have the file have the same
//! frames. A frame of a file in memory is made once, from the file's page, and changes only where
//! the file is cut within it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use spin::Mutex;
use vortex_files::MappedFile;
use vortex_machine::{Frame, PAGE};
use vortex_units::ActivityId;

use super::ends::Ends;
use super::image_pages::Pages;
use crate::cache::{CacheFrame, CachedFile};

const PAGE_U64: u64 = PAGE as u64;
/// Bytes that are copied at once of a page in the cache, by way of the stack.
const PIECE: usize = 512;

/// A file's pages, and what it was called.
#[derive(Clone, Default)]
pub struct Image {
    /// The path by which it was asked for.
    pub path: Vec<u8>,
    /// Where it is.
    pub found: Vec<u8>,
    contents: Contents,
    /// Of one that is run: nobody may write its file as long as there is this.
    pub running: Option<Arc<()>>,
    /// Of one that is mapped by an open file that may be written to: nobody runs its file as long
    /// as there is this.
    pub written: Option<Arc<()>>,
    /// Of one in memory that programs may show: who cuts its file looks for those as long as there
    /// is this.
    _shown: Option<Arc<()>>,
}

/// Where its pages are.
#[derive(Clone)]
enum Contents {
    /// In memory.
    Memory(Arc<Pages>),
    /// On a disk, and as far as they are there in the cache.
    Cached(Arc<Kept>),
}

impl Default for Contents {
    fn default() -> Self {
        Self::Memory(Arc::new(Pages::empty()))
    }
}

/// A file on a disk that is mapped.
struct Kept {
    /// Its pages.
    file: Arc<CachedFile>,
    /// The tree holds the file as long as there is this.
    _held: Arc<MappedFile>,
    /// Pages that stay while a program is loaded.
    kept: Mutex<Vec<CacheFrame>>,
}

/// Why there is no frame of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFrame {
    /// Memory has run out.
    Memory,
    /// This page is on the disk, and not in the cache.
    Absent(u32),
    /// The file has ended before.
    Beyond,
}

impl Image {
    /// An image with these pages.
    #[must_use]
    pub fn new(path: Vec<u8>, found: Vec<u8>, pages: Arc<Pages>) -> Self {
        let _shown = Some(pages.ends().shown());
        let contents = Contents::Memory(pages);
        Self { path, found, contents, running: None, written: None, _shown }
    }

    /// The same, which no program shows itself.
    #[must_use]
    pub fn unshown(self) -> Self {
        Self { _shown: None, ..self }
    }

    /// The file on a disk with these pages in the cache, which the tree holds.
    #[must_use]
    pub fn cached(
        path: Vec<u8>,
        found: Vec<u8>,
        file: Arc<CachedFile>,
        held: Arc<MappedFile>,
    ) -> Self {
        let kept = Mutex::default();
        let contents = Contents::Cached(Arc::new(Kept { file, _held: held, kept }));
        Self { path, found, contents, running: None, written: None, _shown: None }
    }

    /// Its bytes, as far as they can be shown: it may become shorter or longer.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.contents {
            Contents::Memory(pages) => pages.size(),
            Contents::Cached(mapped) => mapped.file.size(),
        }
    }

    /// Its pages in the cache, if it is on a disk.
    #[must_use]
    pub fn on_disk(&self) -> Option<&Arc<CachedFile>> {
        match &self.contents {
            Contents::Memory(_) => None,
            Contents::Cached(mapped) => Some(&mapped.file),
        }
    }

    /// Bytes of it are to stay until [`Self::let_go`]. The first page that is not there.
    ///
    /// # Errors
    /// [`NoFrame`].
    pub fn keep(&self, at: u64, bytes: u64) -> Result<(), NoFrame> {
        let Contents::Cached(mapped) = &self.contents else { return Ok(()) };
        let end = at.saturating_add(bytes).min(self.size());
        for page in at / PAGE_U64..end.div_ceil(PAGE_U64) {
            let page = u32::try_from(page).map_err(|_| NoFrame::Beyond)?;
            let frame = mapped.file.frame(page).ok_or(NoFrame::Absent(page))?;
            let kept = &mut *mapped.kept.lock();
            kept.try_reserve(1).map_err(|_| NoFrame::Memory)?;
            kept.push(frame);
        }
        Ok(())
    }

    /// What was to stay need not any more: the program is loaded.
    pub fn let_go(&self) {
        if let Contents::Cached(mapped) = &self.contents {
            let kept = core::mem::take(&mut *mapped.kept.lock());
            drop(kept);
        }
    }

    /// The same, to be run: nobody may write its file as long as anybody has this token.
    #[must_use]
    pub fn run_as(self, running: Arc<()>) -> Self {
        Self { running: Some(running), ..self }
    }

    /// The frame of a page, for an activity that maps it, and whether it was given out for
    /// that.
    ///
    /// # Errors
    /// [`NoFrame`].
    pub fn frame(&self, page: u64, owner: ActivityId) -> Result<(Frame, bool), NoFrame> {
        match &self.contents {
            Contents::Memory(pages) => pages.frame(page, owner).ok_or(NoFrame::Memory),
            Contents::Cached(mapped) => {
                let page = u32::try_from(page).map_err(|_| NoFrame::Beyond)?;
                let CacheFrame(frame) = mapped.file.frame(page).ok_or(NoFrame::Absent(page))?;
                frame.share_with(owner).then_some((frame, false)).ok_or(NoFrame::Memory)
            }
        }
    }

    /// Whether these are its pages.
    #[must_use]
    pub fn is_of(&self, of: &Arc<Pages>) -> bool {
        matches!(&self.contents, Contents::Memory(pages) if Arc::ptr_eq(pages, of))
    }

    /// Its pages, if it is one in memory of whose versions these are the ends.
    #[must_use]
    pub fn version_of(&self, ends: &Arc<Ends>) -> Option<&Arc<Pages>> {
        match &self.contents {
            Contents::Memory(pages) => Some(pages).filter(|pages| Arc::ptr_eq(pages.ends(), ends)),
            Contents::Cached(_) => None,
        }
    }

    /// Whether these are its pages in the cache.
    #[must_use]
    pub fn is_of_cached(&self, file: &Arc<CachedFile>) -> bool {
        self.on_disk().is_some_and(|own| Arc::ptr_eq(own, file))
    }

    /// The frames that there are of some pages, from the first up to the second, each in its
    /// place, as far as the activity may have them without waiting.
    pub fn frames(&self, first: u64, end: u64, owner: ActivityId, frames: &mut [Option<Frame>]) {
        let mut put = |page: u64, frame: &Frame| {
            if let Some(place) = frames.get_mut((page - first) as usize) {
                *place = frame.share_beside(owner).then(|| frame.clone());
            }
        };
        match &self.contents {
            Contents::Memory(pages) => {
                pages.frames(first, end, put);
            }
            Contents::Cached(mapped) => {
                let (Ok(from), Ok(end)) = (u32::try_from(first), u32::try_from(end)) else {
                    return;
                };
                mapped.file.frames(from, end, |page, frame| put(u64::from(page), &frame.0));
            }
        }
    }

    /// How many of `most` bytes from there lie in one page of the file.
    #[must_use]
    pub fn piece(&self, at: u64, most: usize) -> usize {
        let within = PAGE_U64 - at % PAGE_U64;
        let left = self.size().saturating_sub(at).min(within);
        usize::try_from(left).unwrap_or(0).min(most)
    }

    /// Hands over bytes that lie in one page, with how far each piece is behind the first;
    /// zeros of a file in memory are not handed over.
    ///
    /// # Errors
    /// [`NoFrame::Absent`].
    pub fn with(
        &self,
        at: u64,
        length: usize,
        mut take: impl FnMut(usize, &[u8]),
    ) -> Result<(), NoFrame> {
        let from = (at % PAGE_U64) as usize;
        let pages = match &self.contents {
            Contents::Memory(pages) => pages,
            Contents::Cached(mapped) => {
                let page = u32::try_from(at / PAGE_U64).map_err(|_| NoFrame::Beyond)?;
                let CacheFrame(frame) = mapped.file.frame(page).ok_or(NoFrame::Absent(page))?;
                let (mut part, mut done) = ([0; PIECE], 0);
                while done < length {
                    let part = part.get_mut(..(length - done).min(PIECE)).unwrap_or_default();
                    frame.read(from + done, part);
                    take(done, part);
                    done += part.len();
                }
                return Ok(());
            }
        };
        take(0, pages.bytes(at, length));
        Ok(())
    }

    /// Copies bytes out; what is beyond the end, or not in memory, is left as it is. Returns how
    /// many.
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
            let there = self.with(at, length, |within, piece| {
                if let Some(part) = part.get_mut(within..within + piece.len()) {
                    part.copy_from_slice(piece);
                }
            });
            if there.is_err() {
                break;
            }
            done += length;
            at += length as u64;
        }
        done
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.size())
    }
}
