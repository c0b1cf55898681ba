//! The drawing: who holds which tickets, and the numbers that are drawn.

use alloc::vec::Vec;

/// What the tickets count, by place: a tree of sums, so that a change and a draw look at one
/// place on each level.
///
/// # Invariants
/// There are twice as many sums as places, a power of two. The sums of place i and its
/// neighbour are that of their parent, i / 2; the root is 1, the places themselves are the upper
/// half.
pub(super) struct Tickets(Vec<u128>);

impl Tickets {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.0.len() / 2
    }

    /// Makes room for a place.
    pub(super) fn admit(&mut self, place: usize) {
        if place < self.places() {
            return;
        }
        let places = (place + 1).next_power_of_two();
        let before = core::mem::take(&mut self.0);
        let (_, held) = before.split_at(before.len() / 2);
        self.0.resize(places * 2, 0);
        for (place, &count) in held.iter().enumerate() {
            self.set(place, count);
        }
    }

    /// Says what a place's count.
    pub(super) fn set(&mut self, place: usize, count: u128) {
        let mut at = self.places() + place;
        let Some(old) = self.0.get_mut(at) else { return };
        let before = core::mem::replace(old, count);
        while at > 1 {
            at /= 2;
            if let Some(sum) = self.0.get_mut(at) {
                *sum = *sum - before + count;
            }
        }
    }

    /// What all count together.
    pub(super) fn all(&self) -> u128 {
        self.0.get(1).copied().unwrap_or(0)
    }

    /// Whether nobody else has any.
    pub(super) fn is_only(&self, place: usize) -> bool {
        self.0.get(self.places() + place).copied() == Some(self.all())
    }

    /// Who holds the ticket with this number, below [`Self::all`].
    pub(super) fn holder(&self, mut number: u128) -> Option<usize> {
        let mut at = 1;
        while at < self.places() {
            at *= 2;
            let left = *self.0.get(at)?;
            if number >= left {
                number -= left;
                at += 1;
            }
        }
        Some(at - self.places())
    }
}

/// Numbers that look random: SplitMix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom
/// Number Generators", OOPSLA 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// One below `end`, which is below 2^127: each as often as others to within 2^-64 of all.
    pub(super) fn below(&mut self, end: u128) -> u128 {
        let number = u128::from(self.next());
        let (upper, lower) = (end >> 64, end & u128::from(u64::MAX));
        number * upper + ((number * lower) >> 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_the_holder_that_counting_finds() {
        let mut tickets = Tickets::new();
        let mut counts = [0u128; 11];
        let mut random = Random::new(1);
        for round in 0..2_000 {
            let place = random.below(11) as usize;
            let count = random.below(5);
            tickets.admit(place);
            tickets.set(place, count);
            counts[place] = count;
            let all: u128 = counts.iter().sum();
            assert_eq!(tickets.all(), all, "{round}");
            for number in 0..all {
                let mut rest = number;
                let wanted = counts.iter().position(|&count| {
                    let here = rest < count;
                    rest = rest.wrapping_sub(if here { 0 } else { count });
                    here
                });
                assert_eq!(tickets.holder(number), wanted);
            }
        }
        let only = counts.iter().filter(|&&count| count > 0).count() == 1;
        assert_eq!((0..11).any(|place| counts[place] > 0 && tickets.is_only(place)), only);
    }

    #[test]
    fn numbers_are_spread_evenly() {
        for end in [6u128, 6 << 90] {
            let mut random = Random::new(2011);
            let mut counts = [0u32; 6];
            for _ in 0..60_000 {
                counts[(random.below(end) / (end / 6)) as usize] += 1;
            }
            // Chi-square with five degrees of freedom: 20.5 is exceeded once in a thousand.
            let chi: f64 = counts.map(|count| (f64::from(count) - 1e4).powi(2) / 1e4).iter().sum();
            assert!(chi < 20.5, "{chi}: {counts:?}");
        }
    }
}
