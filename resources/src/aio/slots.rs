//! Places for windows in a space: which pages of those set aside for them are in use.
//!
//! # Invariants
//! What was given out is given out to one only, until it is given back.

use alloc::vec::Vec;
use core::ops::Range;

use crate::memory::WINDOW_PAGES;

const WORDS: usize = WINDOW_PAGES / 64;

/// The places, a bit each: in memory once the first is given out.
#[derive(Debug, Default)]
pub struct Slots {
    used: Vec<u64>,
    /// Where the search begins: behind what was given out last.
    next: usize,
}

/// The bits of a range within one word.
const fn bits(from: usize, count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { ((1 << count) - 1) << from }
}

impl Slots {
    /// So many places in a row; `None` where there are none.
    pub fn take(&mut self, count: usize) -> Option<Range<usize>> {
        if count == 0 || count > WINDOW_PAGES {
            return None;
        }
        if self.used.is_empty() {
            self.used.try_reserve_exact(WORDS).ok()?;
            self.used.resize(WORDS, 0);
        }
        let place = self.find(self.next, WINDOW_PAGES, count);
        let from = place.or_else(|| self.find(0, WINDOW_PAGES, count))?;
        let range = from..from + count;
        self.set(&range, true);
        self.next = range.end % WINDOW_PAGES;
        Some(range)
    }

    /// They are free again.
    pub fn give(&mut self, range: &Range<usize>) {
        self.set(range, false);
        if range.end == self.next {
            // The same again: what was used last is warm.
            self.next = range.start;
        }
    }

    /// The first row of so many free places between two.
    fn find(&self, from: usize, end: usize, count: usize) -> Option<usize> {
        let (mut start, mut at) = (from, from);
        while at < end {
            let word = self.used.get(at / 64)? >> (at % 64);
            let left = 64 - at % 64;
            let free = (word.trailing_zeros() as usize).min(left);
            at += free;
            if at - start >= count {
                return (start + count <= end).then_some(start);
            }
            if free < left {
                // Over those that are used.
                at += (!(word >> free)).trailing_zeros().min((left - free) as u32) as usize;
                start = at;
            }
        }
        None
    }

    fn set(&mut self, range: &Range<usize>, used: bool) {
        let mut at = range.start;
        while at < range.end {
            let count = (range.end - at).min(64 - at % 64);
            let Some(word) = self.used.get_mut(at / 64) else { return };
            match used {
                true => *word |= bits(at % 64, count),
                false => *word &= !bits(at % 64, count),
            }
            at += count;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn no_place_is_given_out_twice_and_all_can_be() {
        let mut slots = Slots::default();
        let mut mine: Vec<Range<usize>> = Vec::new();
        let mut used = [false; WINDOW_PAGES];
        let mut seed = 1u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for _ in 0..20_000 {
            if random() % 3 > 0 || mine.is_empty() {
                let count = random() % 70 + 1;
                let free = used.chunk_by(|one, next| one == next);
                let most = free.filter(|run| !run[0]).map(<[bool]>::len).max().unwrap_or(0);
                match slots.take(count) {
                    Some(range) => {
                        assert_eq!(range.len(), count);
                        for at in range.clone() {
                            assert!(!core::mem::replace(&mut used[at], true), "{at}");
                        }
                        mine.push(range);
                    }
                    None => assert!(most < count, "{count} of {most}"),
                }
            } else {
                let range = mine.swap_remove(random() % mine.len());
                range.clone().for_each(|at| used[at] = false);
                slots.give(&range);
            }
        }
        mine.iter().for_each(|range| slots.give(range));
        assert_eq!(slots.take(WINDOW_PAGES), Some(0..WINDOW_PAGES));
        assert_eq!((slots.take(1), slots.take(0)), (None, None));
    }

    #[test]
    fn who_takes_one_after_the_other_has_the_same() {
        let mut slots = Slots::default();
        let first = slots.take(8).unwrap();
        slots.give(&first);
        assert_eq!(slots.take(8), Some(first));
    }
}
