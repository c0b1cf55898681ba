//! Which regions show pages of what many spaces may show, and where.

use alloc::sync::Arc;

use super::{Backing, PAGE_U64, Region, Regions};
use crate::cache::CachedFile;
use crate::files::Pages;
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
            (Backing::Shared(of, from), Source::Shared(shared)) => {
                (Arc::ptr_eq(of, shared), i64::try_from(*from).ok()?)
            }
            _ => return None,
        };
        is_of.then_some(from)
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
    /// `left` regions, which are less then: where it begins and ends, and which byte of the
    /// source its first one is. And where to go on, if those were not the last.
    #[must_use]
    pub fn showing_any(
        &self,
        source: &Source,
        from: u64,
        left: &mut usize,
    ) -> (Option<(u64, u64, i64)>, Option<u64>) {
        for (&start, region) in self.by_start.range(from..) {
            let Some(fewer) = left.checked_sub(1) else { return (None, Some(start)) };
            *left = fewer;
            if let Some(first) = region.first_of(source) {
                return (Some((start, region.end, first)), Some(region.end));
            }
        }
        (None, None)
    }
}
