//! The regions of an address space: what may be where.
//!
//! # Invariants
//! Regions do not overlap, are not empty, begin and end at pages, and lie in the programs'
//! half.

mod shows;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_machine::{Access, PAGE, USER_END};

pub use shows::{Showing, Source};

use super::shared::Shared;
use crate::cache::CachedFile;
use crate::files::Image;

const PAGE_U64: u64 = PAGE as u64;
/// Nothing is mapped below: a null pointer faults.
const LOWEST: u64 = 0x1_0000;
/// The most regions that a process has, as Linux's `vm.max_map_count`.
const MOST: usize = 65_530;
/// Regions that are looked at in one run.
const LOOKS: usize = 64;
/// Regions that are looked at in one for a free place.
const PLACED: usize = 256;
/// Regions that are changed in one.
const CHANGED: usize = 24;
/// Regions that a fork copies in one run.
const COPIED: usize = 32;

/// What a region takes of the kernel's memory: its part of the tree, whose nodes are full by
/// two thirds.
pub const REGION: usize = (size_of::<Region>() + size_of::<u64>()) * 3 / 2;

/// Where a region's contents come from.
#[derive(Clone, Debug)]
pub enum Backing {
    /// Zeros.
    Anonymous,
    /// The pages of a file up to so many bytes, then zeros; the place of the region's first
    /// byte in it.
    File(Arc<Image>, u64, i64),
    /// A file that a program has mapped, and the place of the region's first byte in it:
    /// behind its last page there is nothing.
    Mapped(Arc<Image>, u64),
    /// Memory of several processes, and the place of the region's first byte in it.
    Shared(Arc<Shared>, u64),
    /// What was read of files, as long as AIOR lets it be seen (`windows.rs`).
    Window,
}

/// Where there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Here.
    At(u64),
    /// If anywhere, below this address.
    Below(u64),
    /// Nowhere.
    Nowhere,
}

/// What a fork's child gets of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forked {
    /// It, with what is in it.
    #[default]
    Whole,
    /// It, with zeros (`MADV_WIPEONFORK`).
    Empty,
    /// Nothing (`MADV_DONTFORK`).
    Left,
}

/// A region: pages with the same rights and source.
#[derive(Clone, Debug)]
pub struct Region {
    /// The first address behind it.
    pub end: u64,
    /// What the program may do.
    pub access: Access,
    /// Where contents come from.
    pub backing: Backing,
    /// Whether forks share it.
    pub shared: bool,
    /// Whether it may be made writable.
    pub may_write: bool,
    /// Whether it is a stack, of which only the upper part is used.
    pub grows: bool,
    /// Whether pages may be there that its source does not have, because they were written:
    /// forks need not copy others.
    pub written: bool,
    /// What a fork's child gets of it.
    pub forked: Forked,
    /// Whether its pages come one at a time (`MADV_NOHUGEPAGE`).
    pub small: bool,
}

/// The regions, by their first address, and how many bytes they are.
#[derive(Clone, Debug, Default)]
pub struct Regions {
    by_start: BTreeMap<u64, Region>,
    bytes: Bytes,
}

/// Bytes of regions: of all, and of those that are data (`RLIMIT_DATA`); the stack is in
/// neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bytes {
    all: u64,
    data: u64,
}

impl Bytes {
    fn add(&mut self, start: u64, region: &Region) {
        let (all, data) = region.counted(start);
        self.all = self.all.saturating_add(all);
        self.data = self.data.saturating_add(data);
    }

    fn take(&mut self, start: u64, region: &Region) {
        let (all, data) = region.counted(start);
        self.all = self.all.saturating_sub(all);
        self.data = self.data.saturating_sub(data);
    }
}

impl Region {
    /// Whether it counts as data: private memory that may be written.
    #[must_use]
    pub fn is_data(&self) -> bool {
        !self.shared && self.access == Access::Write
    }

    fn counted(&self, start: u64) -> (u64, u64) {
        if self.grows {
            return (0, 0);
        }
        let length = self.end.saturating_sub(start);
        (length, if self.is_data() { length } else { 0 })
    }
}

impl Backing {
    /// The source of what lies so far behind the region's beginning.
    #[must_use]
    pub fn behind(&self, distance: u64) -> Self {
        match self {
            Self::Anonymous => Self::Anonymous,
            Self::Window => Self::Window,
            Self::File(image, end, at) => {
                Self::File(image.clone(), *end, at.saturating_add(distance as i64))
            }
            Self::Mapped(image, at) => Self::Mapped(image.clone(), at.saturating_add(distance)),
            Self::Shared(shared, at) => Self::Shared(shared.clone(), at.saturating_add(distance)),
        }
    }
}

impl Region {
    /// Zeros that a program may write to.
    #[must_use]
    pub fn zeros(end: u64) -> Self {
        Self {
            grows: false,
            end,
            access: Access::Write,
            backing: Backing::Anonymous,
            shared: false,
            may_write: true,
            written: false,
            forked: Forked::Whole,
            small: false,
        }
    }

    /// Whether it is one memory with a file on a disk.
    pub(super) fn is_of_disk(&self) -> bool {
        let mapped = |image: &Arc<Image>| image.on_disk().is_some();
        self.shared && matches!(&self.backing, Backing::Mapped(image, _) if mapped(image))
    }

    /// The file on a disk that it shows, and which byte of that is its first.
    pub(super) fn on_disk(&self) -> Option<(&Arc<CachedFile>, i64)> {
        match &self.backing {
            Backing::File(image, _, from) => Some((image.on_disk()?, *from)),
            Backing::Mapped(image, from) => Some((image.on_disk()?, i64::try_from(*from).ok()?)),
            Backing::Anonymous | Backing::Shared(..) | Backing::Window => None,
        }
    }

    /// Whether windows lie in it, with which a program can do nothing but take it away.
    #[must_use]
    pub const fn is_window(&self) -> bool {
        matches!(self.backing, Backing::Window)
    }

    /// Whether a fork has to copy its pages: all others come again from where they came.
    #[must_use]
    pub fn is_own(&self) -> bool {
        let own = self.written || matches!(self.backing, Backing::Anonymous);
        own && !self.shared && self.forked == Forked::Whole
    }
}

impl Regions {
    /// The region of an address, and where it begins.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<(u64, Region)> {
        let (&start, region) = self.by_start.range(..=address).next_back()?;
        (address < region.end).then(|| (start, region.clone()))
    }

    /// How many bytes there are, and how many of them are data; the stack is in neither.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes.all, self.bytes.data)
    }

    /// The ranges of those of which this is true, from an address on, as many as there is
    /// room for: each from that address, or its beginning, to its end. A bounded number is
    /// looked at; how many are meant, and where to go on, if those were not all.
    pub fn ranges(
        &self,
        address: u64,
        mut is_meant: impl FnMut(&Region) -> bool,
        room: &mut [(u64, u64)],
    ) -> (usize, Option<u64>) {
        let first = self.by_start.range(..=address).next_back();
        let first = first.filter(|(_, region)| region.end > address).map(|(&start, _)| start);
        let mut count = 0;
        let looked = self.by_start.range(first.unwrap_or(address)..);
        for (looks, (&start, region)) in looked.enumerate() {
            let Some(place) = room.get_mut(count).filter(|_| looks < LOOKS) else {
                return (count, Some(start.max(address)));
            };
            if is_meant(region) {
                *place = (start.max(address), region.end);
                count += 1;
            }
        }
        (count, None)
    }

    /// The range of the first private region of an address or behind it that a program may
    /// write.
    #[must_use]
    pub fn private_from(&self, address: u64) -> Option<(u64, u64)> {
        let before = self.by_start.range(..=address).next_back();
        let all = before.into_iter().chain(self.by_start.range(address.saturating_add(1)..));
        let mut all = all.filter(|(_, region)| region.end > address && !region.shared);
        all.next().map(|(&start, region)| (start, region.end))
    }

    /// The first region between two addresses that is one memory with a file on a disk: that,
    /// and where it ends.
    #[must_use]
    pub fn of_disk(&self, start: u64, end: u64) -> Option<(Arc<CachedFile>, u64)> {
        let first = self.by_start.range(..=start).next_back();
        let first = first.filter(|(_, region)| region.end > start).map_or(start, |(&at, _)| at);
        let mut regions = self.by_start.range(first..end.max(first)).map(|(_, region)| region);
        let region = regions.find(|region| region.is_of_disk())?;
        let Backing::Mapped(image, _) = &region.backing else { return None };
        Some((image.on_disk()?.clone(), region.end))
    }

    /// A page of the region that begins there was written.
    pub fn write(&mut self, start: u64) {
        if let Some(region) = self.by_start.get_mut(&start) {
            region.written = true;
        }
    }

    /// Where the next one begins from an address on.
    #[must_use]
    pub fn next(&self, at: u64) -> Option<u64> {
        self.by_start.range(at..).next().map(|(&start, _)| start)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_start.len()
    }

    /// Whether there may be so many more.
    #[must_use]
    pub fn have_room(&self, more: u32) -> bool {
        self.count().saturating_add(more as usize) <= MOST
    }

    /// So many, in order, from an address on, and where the next begins.
    #[must_use]
    pub fn some_from(&self, from: u64, most: usize) -> (Vec<(u64, Region)>, Option<u64>) {
        let mut rest = self.by_start.range(from..);
        let some = rest.by_ref().take(most).map(|(&start, region)| (start, region.clone()));
        let some = some.collect();
        (some, rest.next().map(|(&start, _)| start))
    }

    /// Whether there can be regions in this range.
    #[must_use]
    pub fn fits(start: u64, end: u64) -> bool {
        start.is_multiple_of(PAGE_U64)
            && end.is_multiple_of(PAGE_U64)
            && start >= LOWEST
            && start < end
            && end <= USER_END
    }

    /// Puts a region there in place of what there was. False if it does not fit.
    pub fn insert(&mut self, start: u64, region: Region) -> bool {
        if !Self::fits(start, region.end) || self.by_start.len() >= MOST {
            return false;
        }
        self.remove(start, region.end);
        self.bytes.add(start, &region);
        self.by_start.insert(start, region);
        true
    }

    /// Takes away what lies between these addresses.
    pub fn remove(&mut self, start: u64, end: u64) {
        self.split(start);
        self.split(end);
        while let Some((&at, _)) = self.by_start.range(start..end).next() {
            if let Some(region) = self.by_start.remove(&at) {
                self.bytes.take(at, &region);
            }
        }
    }

    /// Cuts the region that goes across this address.
    fn split(&mut self, at: u64) {
        let Some((start, region)) = self.find(at) else { return };
        if start == at {
            return;
        }
        let backing = region.backing.behind(at - start);
        self.by_start.insert(start, Region { end: at, ..region.clone() });
        self.by_start.insert(at, Region { backing, ..region });
    }

    /// Changes the rights of all that lies between; false, and nothing changed, if there
    /// are holes.
    pub fn protect(&mut self, start: u64, end: u64, access: Access) -> bool {
        if !self.all(start, end, |_| true) {
            return false;
        }
        self.split(start);
        self.split(end);
        for (&at, region) in self.by_start.range_mut(start..end) {
            self.bytes.take(at, region);
            region.access = access;
            self.bytes.add(at, region);
        }
        true
    }

    /// Whether this is true of some region between these addresses.
    #[must_use]
    pub fn any(&self, start: u64, end: u64, mut is_so: impl FnMut(&Region) -> bool) -> bool {
        let first =
            self.by_start.range(..=start).next_back().filter(|(_, region)| region.end > start);
        let rest = self.by_start.range(start.saturating_add(1)..end.max(start.saturating_add(1)));
        start < end && first.into_iter().chain(rest).any(|(_, region)| is_so(region))
    }

    /// Advises what lies between these addresses.
    pub fn advise(&mut self, start: u64, end: u64, advise: impl Fn(&mut Region)) {
        if start >= end {
            return;
        }
        self.split(start);
        self.split(end);
        self.by_start.range_mut(start..end).for_each(|(_, region)| advise(region));
    }

    /// Copies some of those that a fork's child has, from an address on. Where to go on, if
    /// those were not all.
    pub fn fork_some(&self, from: u64, copy: &mut Self) -> Option<u64> {
        let mut rest = self.by_start.range(from..);
        for (&start, region) in rest.by_ref().take(COPIED) {
            if region.forked != Forked::Left {
                copy.bytes.add(start, region);
                copy.by_start.insert(start, region.clone());
            }
        }
        rest.next().map(|(&start, _)| start)
    }

    /// Takes some away, of a space that nobody uses any more.
    pub fn take_some(&mut self, most: usize) -> Vec<Region> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((start, region)) = self.by_start.pop_last()
        {
            self.bytes.take(start, &region);
            taken.push(region);
        }
        taken
    }

    /// Whether all between these addresses belongs to regions of which this is true.
    #[must_use]
    pub fn all(&self, start: u64, end: u64, mut is_so: impl FnMut(&Region) -> bool) -> bool {
        let mut at = start;
        while at < end {
            match self.find(at) {
                Some((_, region)) if is_so(&region) => at = region.end,
                _ => return false,
            }
        }
        true
    }

    /// Bytes between these addresses that belong to regions of which this is true.
    #[must_use]
    pub fn sum(&self, start: u64, end: u64, is_so: impl Fn(&Region) -> bool) -> u64 {
        let first = self.find(start).map_or(start, |(at, _)| at);
        let among = self.by_start.range(first..end.max(first));
        among.fold(0, |sum: u64, (&at, region)| {
            let length = region.end.min(end).saturating_sub(at.max(start));
            sum.saturating_add(if is_so(region) { length } else { 0 })
        })
    }

    /// Moves the end of the region that begins there up to an address before which nothing
    /// lies. False if it does not fit.
    pub fn extend(&mut self, start: u64, end: u64) -> bool {
        let Some(region) = self.by_start.get(&start) else { return false };
        if !Self::fits(start, end) || end < region.end || !self.is_free(region.end, end) {
            return false;
        }
        if let Some(region) = self.by_start.get_mut(&start) {
            self.bytes.take(start, region);
            region.end = end;
            self.bytes.add(start, region);
        }
        true
    }

    /// The highest free place of this length that ends at or below `top`.
    #[must_use]
    pub fn place(&self, length: u64, top: u64) -> Option<u64> {
        let mut end = top;
        loop {
            match self.place_some(length, end) {
                Room::At(start) => return Some(start),
                Room::Below(next) => end = next,
                Room::Nowhere => return None,
            }
        }
    }

    /// The same, looking at a bounded number of regions.
    #[must_use]
    pub fn place_some(&self, length: u64, top: u64) -> Room {
        let mut end = top;
        for (looks, (&start, region)) in self.by_start.range(..top).rev().enumerate() {
            if region.end <= end && end - region.end >= length {
                break;
            }
            if looks == PLACED {
                return Room::Below(end);
            }
            end = end.min(start);
        }
        match end.checked_sub(length) {
            Some(start) if start >= LOWEST => Room::At(start),
            _ => Room::Nowhere,
        }
    }

    /// Up to where a call on this range may go in one run: over a bounded number of regions.
    #[must_use]
    pub fn slice(&self, start: u64, end: u64) -> u64 {
        let after = self.by_start.range(start..end.max(start)).nth(CHANGED);
        after.map_or(end, |(&start, _)| start)
    }

    /// Whether nothing lies between these addresses.
    #[must_use]
    pub fn is_free(&self, start: u64, end: u64) -> bool {
        start >= end
            || self.find(start).is_none() && self.by_start.range(start..end).next().is_none()
    }
}

#[cfg(test)]
mod tests;
