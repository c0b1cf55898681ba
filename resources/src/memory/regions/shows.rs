//! Which regions show pages of what many spaces may show, and where.

use alloc::sync::Arc;

use super::{Backing, PAGE_U64, Region, Regions};
use crate::cache::CachedFile;
use crate::files::{Ends, Image, Pages};
use crate::memory::shared::Shared;

/// What regions of many spaces show pages of.
#[derive(Clone)]
pub enum Source {
    /// A file in memory.
    File(Arc<Pages>),
    /// A file on a disk.
    Cached(Arc<CachedFile>),
    /// Memory of several processes.
    Shared(Arc<Shared>),
    /// All versions of a file in memory that are mapped by who has them, or run.
    Versions(Arc<Ends>),
}

/// A region that shows something of a source.
#[derive(Clone)]
pub struct Showing {
    /// Where it begins.
    pub start: u64,
    /// Where what it shows ends.
    pub end: u64,
    /// Which byte of the source its first one is.
    pub first: i64,
    /// Which version of a file in memory that is.
    pub version: Option<Arc<Pages>>,
}

impl Region {
    /// Which byte of a source its first one is; `None` where it shows nothing of that.
    #[must_use]
    pub fn first_of(&self, source: &Source) -> Option<i64> {
        let (is_of, from) = match (&self.backing, source) {
            (Backing::File(image, _, from), Source::File(pages)) => (image.is_of(pages), *from),
            (Backing::File(image, _, from), Source::Cached(file)) => {
                (image.is_of_cached(file), *from)
            }
            (Backing::Mapped(image, from), Source::File(pages)) => {
                (image.is_of(pages), i64::try_from(*from).ok()?)
            }
            (Backing::Mapped(image, from), Source::Cached(file)) => {
                (image.is_of_cached(file), i64::try_from(*from).ok()?)
            }
            (Backing::File(image, _, from), Source::Versions(ends)) => {
                (image.version_of(ends).is_some(), *from)
            }
            (Backing::Mapped(image, from), Source::Versions(ends)) => {
                (image.version_of(ends).is_some(), i64::try_from(*from).ok()?)
            }
            (Backing::Shared(of, from), Source::Shared(shared)) => {
                (Arc::ptr_eq(of, shared), i64::try_from(*from).ok()?)
            }
            _ => return None,
        };
        is_of.then_some(from)
    }

    /// Its file and, if there is one, the place from which on zeros follow on that.
    fn file(&self) -> Option<(&Arc<Image>, Option<u64>)> {
        match &self.backing {
            Backing::File(image, end, _) => Some((image, Some(*end))),
            Backing::Mapped(image, _) => Some((image, None)),
            Backing::Anonymous | Backing::Shared(..) | Backing::Window => None,
        }
    }

    /// What it shows of a source, if it begins there.
    fn showing(&self, start: u64, source: &Source) -> Option<Showing> {
        let first = self.first_of(source)?;
        let file = self.file();
        // The zeros behind what a program has of its file are its own.
        let last = file.and_then(|(_, end)| i64::try_from(end?).ok()).map(|last| {
            let length = u64::try_from(last.saturating_sub(first)).unwrap_or(0);
            start.saturating_add(length).checked_next_multiple_of(PAGE_U64).unwrap_or(u64::MAX)
        });
        let version = match source {
            Source::Versions(ends) => file.and_then(|(image, _)| image.version_of(ends).cloned()),
            _ => None,
        };
        Some(Showing {
            start,
            end: last.map_or(self.end, |last| last.min(self.end)),
            first,
            version,
        })
    }

    /// Which page of a region that begins there shows this page of a source.
    fn shows(&self, start: u64, source: &Source, index: u64) -> Option<u64> {
        let from = self.first_of(source)?;
        let at = i64::try_from(index.checked_mul(PAGE_U64)?).ok()?;
        let within = u64::try_from(at.checked_sub(from)?).ok()?;
        let page = start.checked_add(within)?;
        (within.is_multiple_of(PAGE_U64) && page < self.end).then_some(page)
    }
}

impl Regions {
    /// The first page from an address on that shows a page of a source, of no more than `left`
    /// regions, which are less then; and where to go on, if those or the page were not the last.
    #[must_use]
    pub fn showing(
        &self,
        source: &Source,
        index: u64,
        from: u64,
        left: &mut usize,
    ) -> (Option<u64>, Option<u64>) {
        let before = self.by_start.range(..=from).next_back();
        let first = before.filter(|(_, region)| region.end > from).map_or(from, |(&at, _)| at);
        for (&start, region) in self.by_start.range(first..) {
            let Some(fewer) = left.checked_sub(1) else { return (None, Some(start)) };
            *left = fewer;
            let page = region.shows(start, source, index);
            if let Some(page) = page.filter(|&page| page >= from) {
                return (Some(page), Some(page.saturating_add(PAGE_U64)));
            }
        }
        (None, None)
    }

    /// The first region from an address on that shows anything of a source, of no more than
    /// `left` regions, which are less then. And where to go on, if those were not the last.
    #[must_use]
    pub fn showing_any(
        &self,
        source: &Source,
        from: u64,
        left: &mut usize,
    ) -> (Option<Showing>, Option<u64>) {
        for (&start, region) in self.by_start.range(from..) {
            let Some(fewer) = left.checked_sub(1) else { return (None, Some(start)) };
            *left = fewer;
            if let Some(showing) = region.showing(start, source) {
                return (Some(showing), Some(region.end));
            }
        }
        (None, None)
    }
}
