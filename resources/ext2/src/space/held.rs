//! A bit for each block, or inode, that waits, in its group as in the group's bitmap: so that a
//! search passes over sixty-four of them at a time, however many wait.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// Bits that lie together.
pub(crate) const CHUNK: u32 = 1024;
const WORDS: usize = (CHUNK / 64) as usize;

/// Some of a group's bits, and how many are set.
struct Chunk {
    words: [u64; WORDS],
    count: u32,
}

/// The bits of all groups, as far as any is set.
#[derive(Default)]
pub(crate) struct HeldBits {
    chunks: BTreeMap<(u32, u32), Box<Chunk>>,
    /// How many are set in a group.
    counts: BTreeMap<u32, u32>,
}

/// Those of one group, which are asked for in order.
pub(crate) struct HeldWords<'a> {
    of: &'a HeldBits,
    group: u32,
    /// The group has any.
    any: bool,
}

impl HeldBits {
    /// Sets so many bits from one on, which are clear, or clears them.
    pub fn put(&mut self, group: u32, first: u32, count: u32, set: bool) {
        let end = first.saturating_add(count);
        let mut at = first;
        while at < end {
            let to = at.saturating_sub(at % CHUNK).saturating_add(CHUNK).min(end);
            if set {
                let new = || Box::new(Chunk { words: [0; WORDS], count: 0 });
                let chunk = self.chunks.entry((group, at / CHUNK)).or_insert_with(new);
                chunk.put(at, to, true);
            } else if let Some(chunk) = self.chunks.get_mut(&(group, at / CHUNK)) {
                chunk.put(at, to, false);
                if chunk.count == 0 {
                    self.chunks.remove(&(group, at / CHUNK));
                }
            }
            at = to;
        }
        let all = self.counts.entry(group).or_default();
        *all = if set { all.saturating_add(count) } else { all.saturating_sub(count) };
        if *all == 0 {
            self.counts.remove(&group);
        }
    }

    /// How many are set in a group.
    pub fn count(&self, group: u32) -> u32 {
        self.counts.get(&group).copied().unwrap_or(0)
    }

    /// The bits of a group.
    pub fn words(&self, group: u32) -> HeldWords<'_> {
        HeldWords { of: self, group, any: self.count(group) > 0 }
    }

    /// Gives up some of its memory; whether there was any.
    pub fn dissolve(&mut self) -> bool {
        self.chunks.pop_first().is_some() || self.counts.pop_first().is_some()
    }
}

impl Chunk {
    fn put(&mut self, from: u32, to: u32, set: bool) {
        let mut at = from;
        while at < to {
            let bits = 64_u32.saturating_sub(at & 63).min(to.saturating_sub(at));
            let mask = (u64::MAX >> (64_u32.saturating_sub(bits) & 63)).wrapping_shl(at & 63);
            if let Some(word) = self.words.get_mut((at % CHUNK / 64) as usize) {
                *word = if set { *word | mask } else { *word & !mask };
            }
            at = at.saturating_add(bits);
        }
        let bits = to.saturating_sub(from);
        self.count =
            if set { self.count.saturating_add(bits) } else { self.count.saturating_sub(bits) };
    }
}

impl HeldWords<'_> {
    /// Those that lie together with this one; None where none is set.
    pub fn beside(&self, bit: u32) -> Option<&[u64; WORDS]> {
        if !self.any {
            return None;
        }
        self.of.chunks.get(&(self.group, bit / CHUNK)).map(|chunk| &chunk.words)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::{CHUNK, HeldBits};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn bits_are_those_that_were_set(
            runs in prop::collection::vec((0_u32..2, 0_u32..3_000, 1_u32..1_500), 0..30),
            out in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let (mut bits, mut model) = (HeldBits::default(), BTreeSet::new());
            let mut held: Vec<(u32, u32, u32)> = Vec::new();
            for (group, first, count) in runs {
                let new = |bit: &u32| !model.contains(&(group, *bit));
                let count = (first..first + count).take_while(new).count() as u32;
                bits.put(group, first, count, true);
                model.extend((first..first + count).map(|bit| (group, bit)));
                held.push((group, first, count));
            }
            for index in out {
                if held.is_empty() { break; }
                let (group, first, count) = held.swap_remove(index.index(held.len()));
                bits.put(group, first, count, false);
                (first..first + count).for_each(|bit| { model.remove(&(group, bit)); });
            }
            for group in 0..3 {
                let words = bits.words(group);
                for bit in 0..4_600 {
                    let word = words.beside(bit).map_or(0, |all| all[(bit % CHUNK / 64) as usize]);
                    prop_assert_eq!(word >> (bit & 63) & 1 == 1, model.contains(&(group, bit)));
                }
                let count = model.iter().filter(|(of, _)| *of == group).count();
                prop_assert_eq!(bits.count(group) as usize, count);
            }
            prop_assert!(!model.is_empty() || !bits.dissolve(), "nothing is kept for none");
        }
    }
}
