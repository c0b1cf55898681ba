//! What stands between the monitor and the cores: who is asked for a part of a sample, and
//! the parts that were given.
//!
//! # Invariants
//! - A place is written by the monitor (the asking) and by its own core (the part), and its
//!   lock is held for a few instructions only.
//! - Numbers of askings grow: a part that is given for one is good for all earlier ones.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_abi::performance::Core;
use vortex_units::{ActivityId, CoreId};

/// Pairs of who waited and who ran that a core tells.
const BLAMED: usize = 128;

struct Place {
    core: CoreId,
    /// The last asking.
    asked: AtomicU64,
    /// The asking for which a part was given last.
    answered: AtomicU64,
    part: Mutex<(ActivityId, Option<Arc<Core>>)>,
}

/// A place for each core.
pub struct Samples {
    places: Vec<Place>,
    last: AtomicU64,
}

impl Samples {
    /// For these cores.
    #[must_use]
    pub fn new(cores: impl Iterator<Item = CoreId>) -> Self {
        let place = |core| Place {
            core,
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            part: Mutex::new((ActivityId::INFRASTRUCTURE, None)),
        };
        Self { places: cores.map(place).collect(), last: AtomicU64::new(0) }
    }

    /// The cores that give parts.
    pub fn cores(&self) -> impl Iterator<Item = CoreId> + Clone {
        self.places.iter().map(|place| place.core)
    }

    /// Asks all cores, for an activity. Returns the asking's number; whoever asks pokes the
    /// cores then, so that each looks.
    pub fn ask(&self, activity: ActivityId) -> u64 {
        let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        for place in &self.places {
            place.part.lock().0 = activity;
            place.asked.fetch_max(number, Ordering::AcqRel);
        }
        number
    }

    /// Whether a core is asked: for which asking, and on whose bill.
    #[must_use]
    pub fn wanted(&self, core: CoreId) -> Option<(u64, ActivityId)> {
        let place = self.places.iter().find(|place| place.core == core)?;
        let asked = place.asked.load(Ordering::Acquire);
        (asked > place.answered.load(Ordering::Relaxed)).then(|| (asked, place.part.lock().0))
    }

    /// A core gives its part. Of who made whom wait the longest are told, so that a sample's
    /// size does not grow with the square of the activities; the others are in one sum.
    pub fn give(&self, core: CoreId, number: u64, mut part: Core) {
        if part.blame.len() > BLAMED {
            part.blame.sort_by_key(|row| core::cmp::Reverse(row.cycles));
            let rest: u64 = part.blame.drain(BLAMED..).map(|row| row.cycles).sum();
            part.unnamed = part.unnamed.saturating_add(rest);
        }
        if let Some(place) = self.places.iter().find(|place| place.core == core) {
            place.part.lock().1 = Some(Arc::new(part));
            place.answered.store(number, Ordering::Release);
        }
    }

    /// The parts for this asking or a later one; `None` until all are there.
    #[must_use]
    pub fn all(&self, number: u64) -> Option<Vec<Arc<Core>>> {
        let part = |place: &Place| {
            let there = place.answered.load(Ordering::Acquire) >= number;
            there.then(|| place.part.lock().1.clone()).flatten()
        };
        self.places.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use vortex_abi::performance::Blame;

    use super::*;

    fn part(number: u16, stamp: u64) -> Core {
        Core { number, stamp, ..Core::default() }
    }

    #[test]
    fn a_sample_is_there_when_every_core_has_given() {
        let cores = [CoreId::new(0), CoreId::new(3)];
        let samples = Samples::new(cores.into_iter());
        assert_eq!(samples.wanted(cores[0]), None);
        let first = samples.ask(ActivityId::INFRASTRUCTURE);
        let (number, _) = samples.wanted(cores[1]).unwrap();
        assert_eq!(number, first);
        samples.give(cores[1], number, part(3, 10));
        assert_eq!(samples.wanted(cores[1]), None);
        assert!(samples.all(first).is_none());
        samples.give(cores[0], number, part(0, 11));
        let stamps: Vec<_> = samples.all(first).unwrap().iter().map(|core| core.stamp).collect();
        assert_eq!(stamps, [11, 10]);
    }

    #[test]
    fn the_longest_waits_are_told_and_the_others_summed_up() {
        let core = CoreId::new(0);
        let samples = Samples::new([core].into_iter());
        let number = samples.ask(ActivityId::INFRASTRUCTURE);
        let most = BLAMED as u64 + 2;
        let blame = (1..=most).map(|cycles| Blame { victim: 1, causer: cycles as u32, cycles });
        samples.give(core, number, Core { blame: blame.collect(), unnamed: 4, ..Core::default() });
        let part = samples.all(number).unwrap()[0].clone();
        assert_eq!((part.blame.len(), part.unnamed), (BLAMED, 4 + 1 + 2));
        assert!(part.blame.iter().all(|row| row.cycles > 2));
    }

    #[test]
    fn a_later_part_is_good_for_earlier_askings_and_not_the_other_way_round() {
        let core = CoreId::new(0);
        let samples = Samples::new([core].into_iter());
        let (first, second) =
            (samples.ask(ActivityId::INFRASTRUCTURE), samples.ask(ActivityId::INFRASTRUCTURE));
        samples.give(core, first, part(0, 1));
        assert!(samples.all(first).is_some());
        assert!(samples.all(second).is_none());
        assert_eq!(samples.wanted(core).map(|(number, _)| number), Some(second));
        samples.give(core, second, part(0, 2));
        assert_eq!(samples.all(first).unwrap()[0].stamp, 2);
        assert_eq!(samples.wanted(CoreId::new(9)), None);
    }
}
