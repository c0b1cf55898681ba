//! How much memory a process may have: `RLIMIT_AS`, `RLIMIT_DATA` and `RLIMIT_STACK`, where
//! ASR looks at them.
//!
//! The stack is bounded by its own limit alone: its region is there from the beginning, and
//! pages come into it only so far below its top.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::regions::{Region, Regions};

/// The bounds of an address space: three words that its process sets and ASR reads.
pub struct Bounds {
    space: AtomicU64,
    data: AtomicU64,
    stack: AtomicU64,
    /// Where the stack ends.
    top: AtomicU64,
    /// Below which mappings lie.
    map_top: AtomicU64,
    /// Pages come one at a time (`PR_SET_THP_DISABLE`).
    small: AtomicBool,
}

impl Default for Bounds {
    fn default() -> Self {
        let none = || AtomicU64::new(u64::MAX);
        Self {
            space: none(),
            data: none(),
            stack: none(),
            top: AtomicU64::new(0),
            map_top: AtomicU64::new(0),
            small: AtomicBool::new(false),
        }
    }
}

impl Bounds {
    /// Sets the bounds, in bytes.
    pub fn set(&self, space: u64, data: u64, stack: u64) {
        self.space.store(space, Ordering::Relaxed);
        self.data.store(data, Ordering::Relaxed);
        self.stack.store(stack, Ordering::Relaxed);
    }

    /// Whether pages are to come one at a time.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.small.load(Ordering::Relaxed)
    }

    /// Says whether they are.
    pub fn set_small(&self, small: bool) {
        self.small.store(small, Ordering::Relaxed);
    }

    /// Says where the stack ends, and below which mappings lie.
    pub fn set_top(&self, top: u64, map_top: u64) {
        self.top.store(top, Ordering::Relaxed);
        self.map_top.store(map_top, Ordering::Relaxed);
    }

    /// Below which mappings lie.
    #[must_use]
    pub fn map_top(&self) -> u64 {
        self.map_top.load(Ordering::Relaxed)
    }

    /// Where the stack ends.
    #[must_use]
    pub fn top(&self) -> u64 {
        self.top.load(Ordering::Relaxed)
    }

    /// The same for a child's space.
    pub fn copy_to(&self, other: &Self) {
        let of = |word: &AtomicU64| word.load(Ordering::Relaxed);
        other.set(of(&self.space), of(&self.data), of(&self.stack));
        other.set_top(self.top(), self.map_top());
        other.set_small(self.is_small());
    }

    /// Whether so many bytes more may be mapped, as data or not.
    #[must_use]
    pub fn allow(&self, regions: &Regions, more: u64, data: bool) -> bool {
        let (all, own) = regions.bytes();
        let within = |bytes: u64, limit: &AtomicU64| {
            bytes.saturating_add(more) <= limit.load(Ordering::Relaxed)
        };
        within(all, &self.space) && (!data || within(own, &self.data))
    }

    /// Whether what is between these addresses may be taken away for something as long.
    #[must_use]
    pub fn allow_at(&self, regions: &Regions, start: u64, end: u64, data: bool) -> bool {
        let length = end.saturating_sub(start);
        if self.allow(regions, length, data) {
            return true;
        }
        // A mapping in place of another counts for what it is more.
        let gone = regions.sum(start, end, |region| !region.grows);
        let lost = regions.sum(start, end, |region| !region.grows && region.is_data());
        self.allow(regions, length.saturating_sub(gone), false)
            && (!data || self.allow_own(regions, length.saturating_sub(lost)))
    }

    /// Whether those of these regions that are no data may become it.
    #[must_use]
    pub fn allow_data(
        &self,
        regions: &Regions,
        start: u64,
        end: u64,
        more: impl Fn(&Region) -> bool,
    ) -> bool {
        self.data.load(Ordering::Relaxed) == u64::MAX
            || self.allow_own(regions, regions.sum(start, end, more))
    }

    fn allow_own(&self, regions: &Regions, more: u64) -> bool {
        regions.bytes().1.saturating_add(more) <= self.data.load(Ordering::Relaxed)
    }

    /// Whether a page of the stack is too far below its top.
    #[must_use]
    pub fn is_beyond_stack(&self, page: u64) -> bool {
        self.top().saturating_sub(page) > self.stack.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_exactly_is_allowed() {
        let bounds = Bounds::default();
        let none = Regions::default();
        assert!(bounds.allow(&none, u64::MAX, true));
        bounds.set(8192, 4096, u64::MAX);
        assert!(bounds.allow(&none, 8192, false));
        assert!(!bounds.allow(&none, 8193, false));
        assert!(!bounds.allow(&none, 8192, true));
    }

    #[test]
    fn the_stack_is_bounded_from_its_top() {
        let bounds = Bounds::default();
        bounds.set(u64::MAX, u64::MAX, 8192);
        bounds.set_top(0x10_0000, 0);
        assert!(!bounds.is_beyond_stack(0x10_0000 - 8192));
        assert!(bounds.is_beyond_stack(0x10_0000 - 3 * 4096));
    }
}
