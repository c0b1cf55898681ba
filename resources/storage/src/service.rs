//! How long a device takes for a request, by what it took for others like it (§2.2: "a
//! scheduler can use heuristics based on history").
//!
//! A unit serves one request after the other as far as anybody can tell from outside: what it
//! takes for one is the time from when it was given it, or was done with the one before, until
//! it is done. So the sum over all requests is the time in which the unit was busy, however many
//! it has at once. Several that are found done together have that time between them in
//! proportion to what was predicted for each.

use alloc::collections::BTreeMap;

use vortex_grid::Frequency;
use vortex_units::{Bytes, Cycles, Micros};

/// Requests of a unit that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Like {
    unit: u32,
    place: usize,
}

/// Sizes that are told apart: powers of two from 512 bytes to 32 KB, and none.
const SIZES: usize = 8;
/// Written or not, behind the one before or not.
const WAYS: usize = 4;
/// What a unit is believed to take until it was seen: a short seek. What is wrong of it is
/// corrected.
const FIRST: Micros = Micros::new(1_000);

/// What is known of a unit.
struct Unit {
    /// When it was last done with something.
    done: Cycles,
    /// The position behind the request that it was given last.
    end: u64,
    /// Averages over the last requests, each counting for an eighth; zero where there was none.
    means: [Cycles; SIZES * WAYS],
    /// The same over all requests.
    mean: Cycles,
}

/// What is known of the units behind a device's queue.
pub struct Service {
    units: BTreeMap<u32, Unit>,
    first: Cycles,
}

/// One that is done: what it is like, when the device was given it, and what was predicted.
pub struct Done {
    /// What it is like.
    pub like: Like,
    /// When the device was given it.
    pub since: Cycles,
    /// What was predicted.
    pub predicted: Cycles,
    /// What it took: set by [`Service::finished`].
    pub took: Cycles,
}

fn blend(mean: &mut Cycles, took: Cycles) {
    let (old, new) = (mean.get(), took.get());
    // Never zero again, which means that there was none.
    let next = if old == 0 { new } else { old.saturating_sub(old / 8).saturating_add(new / 8) };
    *mean = Cycles::new(next.max(1));
}

impl Service {
    /// Nothing is known yet. The clock has this rate.
    #[must_use]
    pub const fn new(frequency: Frequency) -> Self {
        Self { units: BTreeMap::new(), first: frequency.cycles(FIRST) }
    }

    /// What the unit is given now is like, and how long it will take. `span` is the position and
    /// how many of them it moves.
    pub fn given(
        &mut self,
        unit: u32,
        writes: bool,
        (position, count): (u64, u64),
        bytes: Bytes,
    ) -> (Like, Cycles) {
        let first = self.first;
        let unit_of = self.units.entry(unit).or_insert_with(|| Unit {
            done: Cycles::ZERO,
            end: u64::MAX,
            means: [Cycles::ZERO; SIZES * WAYS],
            mean: Cycles::ZERO,
        });
        let way = usize::from(writes).saturating_mul(2)
            | usize::from(
                core::mem::replace(&mut unit_of.end, position.saturating_add(count)) == position,
            );
        let blocks = bytes.get().div_ceil(512);
        // Rounded up to a power of two: 1 block is the first size, 64 the seventh.
        let size = match blocks {
            0 => SIZES.saturating_sub(1),
            _ => {
                (blocks.next_power_of_two().trailing_zeros() as usize).min(SIZES.saturating_sub(2))
            }
        };
        let place = way.saturating_mul(SIZES).saturating_add(size);
        let known = [unit_of.means.get(place).copied().unwrap_or_default(), unit_of.mean];
        let predicted = known.into_iter().find(|mean| !mean.is_zero()).unwrap_or(first);
        (Like { unit, place }, predicted)
    }

    /// These were found done together, now.
    pub fn finished(&mut self, all: &mut [Option<Done>], now: Cycles) {
        for index in 0..all.len() {
            let Some(Some(one)) = all.get(index) else { return };
            let number = one.like.unit;
            // Once for each unit: with the first of its requests.
            if all.iter().flatten().take(index).any(|before| before.like.unit == number) {
                continue;
            }
            let Some(unit) = self.units.get_mut(&number) else { continue };
            let of = |done: &&mut Done| done.like.unit == number;
            let (mut began, mut sum) = (now, 0_u128);
            for one in all.iter_mut().flatten().filter(of) {
                began = began.min(one.since);
                sum = sum.saturating_add(u128::from(one.predicted.get().max(1)));
            }
            let busy = now.saturating_sub(began.max(unit.done));
            unit.done = now;
            for one in all.iter_mut().flatten().filter(of) {
                let part = u128::from(busy.get()).saturating_mul(one.predicted.get().max(1).into());
                let part = part.checked_div(sum).unwrap_or(0);
                one.took = Cycles::new(u64::try_from(part).unwrap_or(u64::MAX));
                if let Some(mean) = unit.means.get_mut(one.like.place) {
                    blend(mean, one.took);
                }
                blend(&mut unit.mean, one.took);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    const CLOCK: Frequency = Frequency::megahertz(1);

    fn done(service: &mut Service, unit: u32, position: u64, bytes: u64, since: u64) -> Done {
        let (like, predicted) =
            service.given(unit, false, (position, bytes / 512), Bytes::new(bytes));
        Done { like, since: Cycles::new(since), predicted, took: Cycles::ZERO }
    }

    #[test]
    fn what_is_like_another_takes_as_long() {
        let mut service = Service::new(CLOCK);
        let mut now = 0;
        for round in 0..200_u64 {
            // Scattered small ones take 8,000, large ones behind each other 400.
            let (position, bytes, took) = if round % 2 == 0 {
                (round * 7_919, 512, 8_000)
            } else {
                ((round - 1) * 7_919 + 1, 32_768, 400)
            };
            let one = done(&mut service, 0, position, bytes, now);
            now += took;
            let mut all = vec![Some(one)];
            service.finished(&mut all, Cycles::new(now));
            let one = all.remove(0).unwrap();
            assert_eq!(one.took, Cycles::new(took));
            if round > 100 {
                let wrong = one.predicted.get().abs_diff(took);
                assert!(wrong * 50 <= took, "{wrong} of {took}");
            }
        }
    }

    #[test]
    fn times_together_are_the_time_in_which_the_unit_was_busy() {
        let mut service = Service::new(CLOCK);
        // Ten at once, done two by two, and a pause before the last.
        let mut open: Vec<_> =
            (0..10).map(|at| Some(done(&mut service, 3, at * 100, 4_096, 50))).collect();
        let mut sum = 0;
        for turn in 0..5_u64 {
            let mut two: Vec<_> = open.drain(..2).collect();
            service.finished(&mut two, Cycles::new(150 + turn * 1_000));
            sum += two.iter().flatten().map(|one| one.took.get()).sum::<u64>();
        }
        assert!(sum.abs_diff(100 + 4 * 1_000) <= 10, "{sum}");
        let mut late = [Some(done(&mut service, 3, 9, 4_096, 99_000))];
        service.finished(&mut late, Cycles::new(99_700));
        assert_eq!(late[0].as_ref().unwrap().took.get(), 700, "what it did nothing in is nobody's");
    }

    #[test]
    fn a_slow_unit_is_not_on_the_bill_of_a_fast_one() {
        let mut service = Service::new(CLOCK);
        let slow = done(&mut service, 0, 0, 512, 0);
        for turn in 0..50_u64 {
            let mut fast = [Some(done(&mut service, 1, turn * 9, 512, turn * 100))];
            service.finished(&mut fast, Cycles::new(turn * 100 + 100));
            assert_eq!(fast[0].as_ref().unwrap().took.get(), 100);
        }
        let mut slow = [Some(slow)];
        service.finished(&mut slow, Cycles::new(90_000));
        assert_eq!(slow[0].as_ref().unwrap().took.get(), 90_000);
    }
}
