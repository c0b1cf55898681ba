//! The generator of every random choice: small, seeded, integers only, so that a run is the
//! same on every machine.
//!
//! SplitMix64 after Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators"
//! (OOPSLA 2014). Each user (a thread, a resource on a core, a source) has its own, so that
//! one that draws more does not change what another draws.

use vortex_config::Span;
use vortex_units::Cycles;

/// A generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Random(u64);

impl Random {
    /// The generator of one user: `kind` and `number` name it.
    pub fn of(seed: u64, kind: u64, number: u64) -> Self {
        let mut mixed = Self(seed ^ kind.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let first = mixed.next();
        Self(first ^ number.wrapping_mul(0xA076_1D64_78BD_642F))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number of cycles, uniform over the span, both ends included.
    pub fn draw(&mut self, span: Span) -> Cycles {
        let width = span.most.get().saturating_sub(span.least.get());
        if width == 0 {
            return span.least;
        }
        // The high half of a product: no division, and a bias below 2^-32 for spans of use.
        let choices = u128::from(width) + 1;
        let offset = (u128::from(self.next()) * choices) >> 64;
        Cycles::new(span.least.get().saturating_add(u64::try_from(offset).unwrap_or(width)))
    }

    /// An exponentially distributed span with this mean.
    ///
    /// Von Neumann's method (1951): comparisons of uniform numbers only. A logarithm would
    /// differ in its last bits between machines.
    pub fn exponential(&mut self, mean: Cycles) -> Cycles {
        let mut whole = 0_u64;
        loop {
            let first = self.next();
            let (mut last, mut length) = (first, 1_u32);
            loop {
                let next = self.next();
                if next >= last {
                    break;
                }
                last = next;
                length += 1;
            }
            if length % 2 == 1 {
                let part = (u128::from(mean.get()) * u128::from(first)) >> 64;
                let part = u64::try_from(part).unwrap_or(u64::MAX);
                return Cycles::new(mean.get().saturating_mul(whole).saturating_add(part));
            }
            whole += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_span_has_its_mean() {
        let mut random = Random::of(7, 1, 2);
        let sum: u64 = (0..20_000).map(|_| random.exponential(Cycles::new(10_000)).get()).sum();
        let mean = sum / 20_000;
        assert!((9_800..10_200).contains(&mean), "{mean}");
    }

    #[test]
    fn a_draw_reaches_both_ends_and_no_further() {
        let span = Span { least: Cycles::new(5), most: Cycles::new(8) };
        let mut random = Random::of(1, 0, 0);
        let drawn: std::collections::BTreeSet<u64> =
            (0..200).map(|_| random.draw(span).get()).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [5, 6, 7, 8]);
    }
}
