//! Virtual time: consumption divided by weight, exactly enough and without wrapping.
//!
//! A unit of virtual time is one unit of the metric at a weight of one hundredth of a
//! share, with 63 bits of fraction: those of an [`Inverse`], so that a charge is one
//! multiplication and no shift. Division happens where an inverse is made.
//!
//! What is ordered leaves the last 32 bits to the client's identifier ([`Heap`]): points
//! that differ only in them are one *instant*, 2^-31 units long. Sums keep all bits, so
//! that nothing is lost however small the charges are.
//!
//! # Guarantees
//! - An inverse is short by less than `weight / 2^63` of itself: under 2^-36 for a client,
//!   under 2^-20 for the sum of 100,000 of the largest shares.
//! - An instant is shorter than one unit of the metric by a factor of at least 21, also at
//!   the largest share; of a cycle at a share of 1 by one of 2 * 10^7.
//! - Time does not wrap: it has room for consumption of 2^65 units since boot by the
//!   smallest share alone (at 10^9 a second: 1,169 years), and by w times as much at
//!   weight w. Beyond that it stops, and the order of choices with it; nothing panics.
//!
//! [`Heap`]: crate::heap::Heap

use crate::heap::Key;

const FRACTION: u32 = 63;
/// The bits within an instant.
const INSTANT: u128 = (1 << 32) - 1;

/// A point in virtual time, or a span of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Virtual(u128);

impl Virtual {
    pub(crate) const ZERO: Self = Self(0);

    /// Where time stops: after all tags.
    pub(crate) const END: Self = Self(u128::MAX);

    /// For a heap.
    #[inline]
    pub(crate) const fn key(self) -> Key {
        Key::of_upper(self.0)
    }

    /// The beginning of the instant that has this key.
    #[inline]
    pub(crate) const fn of_key(key: Key) -> Self {
        Self(key.upper())
    }

    /// The end of the instant: the tags that are not after it are those of its keys.
    #[inline]
    pub(crate) const fn end_of_instant(self) -> Self {
        Self(self.0 | INSTANT)
    }

    /// For comparison with entries of heaps.
    #[inline]
    pub(crate) const fn bits(self) -> u128 {
        self.0
    }

    #[inline]
    pub(crate) const fn plus(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span since `earlier`, or nothing where that is later.
    #[inline]
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The point so much earlier, or the beginning of time.
    #[inline]
    pub(crate) const fn minus(self, span: Self) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The span so many times over.
    pub(crate) fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(u128::from(count)))
    }

    /// How many whole spans of `length` fit into this one.
    pub(crate) fn spans_of(self, length: Self) -> u64 {
        self.0.checked_div(length.0).map_or(u64::MAX, |n| u64::try_from(n).unwrap_or(u64::MAX))
    }

    /// What a client of this weight consumes in this span, in the metric, rounded down.
    pub(crate) fn at_weight(self, weight: u64) -> u64 {
        let amount = self.0.saturating_mul(u128::from(weight)) >> FRACTION;
        u64::try_from(amount).unwrap_or(u64::MAX)
    }
}

/// Parts of a unit of the metric that were counted too much, in fractions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carry(u128);

impl Carry {
    /// What a client of this weight consumes in this span, rounded up; the excess is kept.
    /// The span is part of one that an amount of at most 2^63 took at this weight, so that
    /// the product fits.
    #[inline]
    pub(crate) fn at_weight_up(&mut self, span: Virtual, weight: u64) -> u64 {
        let exact = span.0.wrapping_mul(u128::from(weight));
        let excess = exact.wrapping_neg() & ((1 << FRACTION) - 1);
        self.0 = self.0.wrapping_add(excess);
        (exact.wrapping_add(excess) >> FRACTION) as u64
    }

    /// Whether there are no whole units to take.
    #[inline]
    pub(crate) const fn is_small(self) -> bool {
        self.0 >> FRACTION == 0
    }

    /// The whole units of what was kept.
    #[inline]
    pub(crate) fn take_whole(&mut self) -> u64 {
        let whole = self.0 >> FRACTION;
        self.0 &= (1 << FRACTION) - 1;
        u64::try_from(whole).unwrap_or(u64::MAX)
    }
}

/// One over a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inverse(u64);

impl Inverse {
    /// Divides. A weight of nothing counts as the smallest, so that time goes on.
    #[inline]
    pub(crate) const fn of(weight: u64) -> Self {
        Self((1 << FRACTION) / if weight == 0 { 1 } else { weight })
    }

    /// The same as [`Self::of_amount`], but too much by what that is too little: for the
    /// one of two sums of equal parts that must not fall short of the other.
    #[inline]
    pub(crate) fn of_amount_up(self, amount: u64) -> Virtual {
        Virtual(u128::from(amount) * u128::from(self.0 + 1))
    }

    /// The virtual time that this much consumption takes at the weight, rounded down.
    #[inline]
    pub(crate) fn of_amount(self, amount: u64) -> Virtual {
        Virtual(u128::from(amount) * u128::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_survives_the_way_there_and_back_within_its_precision() {
        for weight in [1, 3, 17_00, 33_00, 100_000_000] {
            for amount in [1_u64, 999, 1 << 40] {
                let back = Inverse::of(weight).of_amount(amount).at_weight(weight);
                assert!(back <= amount && amount - back <= 1 + (amount >> 36), "{weight} {amount}");
            }
        }
    }

    #[test]
    fn the_largest_charges_neither_wrap_nor_panic() {
        let most = Inverse::of(1).of_amount(u64::MAX);
        assert!(most < Virtual(1 << 127));
        assert_eq!(Virtual(u128::MAX).plus(most), Virtual(u128::MAX));
        assert_eq!(Virtual(u128::MAX).at_weight(2), u64::MAX);
        assert_eq!(Virtual(5).spans_of(Virtual::ZERO), u64::MAX);
        assert_eq!(Virtual(5).spans_of(Virtual(2)), 2);
    }
}
