//! How many regions an activity's spaces have together (`<limits mappings/>`): the calls that
//! would make one too many fail with `ENOMEM`, as at Linux's `vm.max_map_count`.

use alloc::sync::Arc;

use vortex_abi::Memory;
use vortex_abi::linux::general::{MAP_FIXED, MREMAP_DONTUNMAP, MREMAP_FIXED};

use super::advice;
use super::regions::Regions;
use super::space::AddressSpace;
use crate::quota::{Held, Quota};

/// How many regions a call may add at most.
fn growth(regions: &Regions, call: &Memory) -> u32 {
    let cuts = |at: u64| regions.find(at).filter(|(start, _)| *start < at);
    // A hole within one region makes two of it.
    let hole = |start: u64, length: u64| {
        let end = start.saturating_add(length);
        u32::from(cuts(start).is_some_and(|(_, region)| end < region.end))
    };
    match *call {
        Memory::Mmap { address, length, flags, .. } if flags as u32 & MAP_FIXED != 0 => {
            1 + hole(address, length)
        }
        Memory::Mmap { .. } | Memory::Brk { .. } => 1,
        Memory::Munmap { address, length } => hole(address, length),
        Memory::Mprotect { address, length, .. } => {
            let end = address.saturating_add(length);
            u32::from(cuts(address).is_some()) + u32::from(cuts(end).is_some())
        }
        Memory::Mremap { new, flags, place, .. } if flags as u32 & MREMAP_FIXED != 0 => {
            1 + hole(place, new)
        }
        Memory::Mremap { length, new, flags, .. } => {
            u32::from(new > length || flags as u32 & MREMAP_DONTUNMAP != 0)
        }
        Memory::Madvise { address, length, advice } if advice::cuts(advice) => {
            let end = address.saturating_add(length);
            u32::from(cuts(address).is_some()) + u32::from(cuts(end).is_some())
        }
        Memory::Msync { .. } | Memory::Madvise { .. } => 0,
    }
}

impl AddressSpace {
    /// From now on its regions are on this bill. False if there is no room for them.
    #[must_use]
    pub fn bill_mappings(&self, quota: Arc<Quota>) -> bool {
        let mut held = Held::of(quota);
        let fits = held.set(self.count());
        *self.mappings.lock() = held;
        fits
    }

    /// On the bill of whom another's are on.
    #[must_use]
    pub fn bill_mappings_as(&self, other: &Self) -> bool {
        let quota = other.mappings.lock().quota().cloned();
        quota.is_none_or(|quota| self.bill_mappings(quota))
    }

    /// Whether the regions may become as many as this call may make them.
    #[must_use]
    pub(super) fn may_map(&self, call: &Memory) -> bool {
        let more = {
            let regions = self.regions.lock();
            let more = growth(&regions, call);
            if more > 0 && !regions.have_room(more) {
                return false;
            }
            more
        };
        let mappings = self.mappings.lock();
        more == 0 || mappings.quota().is_none_or(|quota| quota.has_room(more))
    }

    /// A call has made or taken away regions. Those of calls that are served at the same
    /// time were not counted yet: the activity may be beyond its limit by as many.
    pub(super) fn recount_mappings(&self) {
        let count = self.count();
        self.mappings.lock().put(count);
    }

    fn count(&self) -> u32 {
        u32::try_from(self.regions.lock().count()).unwrap_or(u32::MAX)
    }
}
