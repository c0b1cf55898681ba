//! Those for whom the memory multiplexor has no place yet: a line for each activity.
//!
//! # Invariants
//! - The lines take turns: however many of one activity wait, another's first is asked for after
//!   at most as many others as there are activities.
//! - No line is empty.

use alloc::collections::{BTreeMap, VecDeque};
use core::ops::Bound::{Excluded, Unbounded};

use vortex_units::ActivityId;

/// How many are asked for in one run, at most: each costs a look at all who wait (law 5).
const SLICE: usize = 16;

/// Lines of those who come later.
#[derive(Debug)]
pub(super) struct Late<T> {
    lines: BTreeMap<ActivityId, VecDeque<T>>,
    /// Whose turn was last.
    last: ActivityId,
    /// So many lines, one after the other, have had no place.
    without: usize,
}

/// What became of the first of a line.
pub(super) enum Entry<T> {
    /// It has entered, or left for good.
    Gone,
    /// There is no place for its activity.
    NoPlace(T),
}

impl<T> Late<T> {
    pub const fn new() -> Self {
        Self { lines: BTreeMap::new(), last: ActivityId::INFRASTRUCTURE, without: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// One more at the end of its activity's line. Given back where the heap has no room.
    pub fn push(&mut self, activity: ActivityId, one: T) -> Result<(), T> {
        let line = self.lines.entry(activity).or_default();
        if line.try_reserve(1).is_err() {
            self.drop_empty(activity);
            return Err(one);
        }
        line.push_back(one);
        Ok(())
    }

    /// Something has changed: those who had no place may have one now.
    pub fn look_again(&mut self) {
        self.without = 0;
    }

    /// Lets the first of each line enter, and the next, as long as there is a place: a bounded
    /// number. Whether all that could enter have.
    pub fn enter(&mut self, mut into: impl FnMut(ActivityId, T) -> Entry<T>) -> bool {
        for _ in 0..SLICE {
            if self.without >= self.lines.len() {
                return true;
            }
            let Some(activity) = self.next() else { return true };
            let Some(line) = self.lines.get_mut(&activity) else { return true };
            self.last = activity;
            let left = line.pop_front().map(|one| into(activity, one));
            match left {
                Some(Entry::NoPlace(one)) => {
                    line.push_front(one);
                    self.without += 1;
                }
                _ => self.without = 0,
            }
            self.drop_empty(activity);
        }
        self.without >= self.lines.len()
    }

    /// The activity after the last one.
    fn next(&self) -> Option<ActivityId> {
        let mut after = self.lines.range((Excluded(self.last), Unbounded));
        let next = after.next().or_else(|| self.lines.first_key_value());
        next.map(|(&activity, _)| activity)
    }

    fn drop_empty(&mut self, activity: ActivityId) {
        if self.lines.get(&activity).is_some_and(VecDeque::is_empty) {
            self.lines.remove(&activity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_take_turns_and_who_has_no_place_keeps_it() {
        let activity = |number| ActivityId::new(number, 0);
        let mut late = Late::new();
        for number in 0..5 {
            late.push(activity(1), (1, number)).unwrap();
        }
        late.push(activity(2), (2, 0)).unwrap();
        late.push(activity(3), (3, 0)).unwrap();
        let (mut entered, mut places) = (alloc::vec::Vec::new(), 4);
        let mut into = |late: &mut Late<_>| {
            late.enter(|_, one| match places > 0 && one != (3, 0) {
                true => {
                    places -= 1;
                    entered.push(one);
                    Entry::Gone
                }
                false => Entry::NoPlace(one),
            });
        };
        into(&mut late);
        assert_eq!(entered, [(1, 0), (2, 0), (1, 1), (1, 2)]);
        late.look_again();
        late.enter(|_, one| {
            entered.push(one);
            Entry::Gone
        });
        assert_eq!(entered[4..], [(3, 0), (1, 3), (1, 4)]);
        assert!(late.is_empty());
    }

    #[test]
    fn a_run_asks_for_a_bounded_number_and_the_next_goes_on_behind_them() {
        let mut late = Late::new();
        for number in 0..100 {
            late.push(ActivityId::new(number + 1, 0), number).unwrap();
        }
        // Only the last has a place.
        let (mut runs, mut asked, mut entered) = (0, 0, 0);
        loop {
            runs += 1;
            let before = asked;
            let all = late.enter(|_, one| {
                asked += 1;
                if one == 99 {
                    entered += 1;
                    return Entry::Gone;
                }
                Entry::NoPlace(one)
            });
            assert!(asked - before <= SLICE);
            if all {
                break;
            }
        }
        // All others once more, after one has entered.
        assert_eq!((entered, asked), (1, 199));
        assert!(runs > 12);
        // Nothing has changed: nobody is asked for again.
        assert!(late.enter(|_, _| unreachable!()));
        late.look_again();
        assert!(!late.enter(|_, one| Entry::NoPlace(one)));
    }
}
