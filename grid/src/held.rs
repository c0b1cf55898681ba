//! The dependency labels whose next request must wait, at one resource on one core.
//!
//! Most resources hold few at a time, and many resources are small: theirs are one table.
//! Behind that are pieces, made when they are first wanted, for whoever has thousands of
//! requests on their way (law 5: no table is moved that is large).
//!
//! # Invariants
//! - A label is in one place, from when it is first held until nothing holds it.

use alloc::boxed::Box;

use vortex_units::{ActivityId, InstanceId};

use crate::labels::Dependency;
use crate::shards::{Key, Map, Shards};

/// Labels in the one table: it is moved at half of them for the last time.
const FEW: usize = 224;

/// A dependency label whose next request must wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HeldLabel {
    pub activity: ActivityId,
    pub sender: InstanceId,
    pub dependency: Dependency,
}

impl Key for HeldLabel {
    #[inline]
    fn bits(&self) -> u64 {
        let sender = (self.sender.index() as u64) << 32;
        self.dependency.bits() ^ sender ^ ((self.activity.index() as u64) << 48)
    }
}

/// Labels with a request pending, or rejected with their own scope, and how many hold each.
#[derive(Default)]
pub(crate) struct HeldLabels {
    few: Map<HeldLabel, u32>,
    many: Option<Box<Shards<HeldLabel, u32>>>,
}

impl HeldLabels {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.few.is_empty() && self.many.as_ref().is_none_or(|many| many.len() == 0)
    }

    #[inline]
    pub fn contains(&self, label: &HeldLabel) -> bool {
        self.few.contains_key(label)
            || self.many.as_ref().is_some_and(|many| many.contains_key(label))
    }

    pub fn hold(&mut self, label: HeldLabel) {
        if let Some(count) = self.count_mut(&label) {
            *count += 1;
        } else if self.few.len() < FEW {
            self.few.insert(label, 1);
        } else {
            self.many.get_or_insert_default().insert(label, 1);
        }
    }

    pub fn unhold(&mut self, label: &HeldLabel) {
        let Some(count) = self.count_mut(label) else { return };
        *count -= 1;
        if *count == 0
            && self.few.remove(label).is_none()
            && let Some(many) = &mut self.many
        {
            many.remove(label);
        }
    }

    #[inline]
    fn count_mut(&mut self, label: &HeldLabel) -> Option<&mut u32> {
        match self.few.get_mut(label) {
            Some(count) => Some(count),
            None => self.many.as_mut()?.get_mut(label),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::labels::Labels;

    fn label(number: u64) -> HeldLabel {
        HeldLabel {
            activity: ActivityId::new(1 + u32::try_from(number % 3).unwrap(), 0),
            sender: InstanceId::new(u16::try_from(number % 5).unwrap()),
            dependency: Labels::flow(number).dependency_label().unwrap(),
        }
    }

    #[test]
    fn as_one_table_that_counts() {
        let mut held = HeldLabels::default();
        let mut model: Map<HeldLabel, u32> = Map::default();
        let mut seed = 7_u64;
        for step in 0..60_000_u32 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let label = label(seed >> 40 & 0x7FF);
            // It fills, and empties again, beyond what the one table has and back.
            let fills = (step / 15_000) % 2 == 0;
            if fills == (seed >> 20 & 7 != 0) {
                held.hold(label);
                *model.entry(label).or_default() += 1;
            } else {
                held.unhold(&label);
                if let Some(count) = model.get_mut(&label) {
                    *count -= 1;
                    if *count == 0 {
                        model.remove(&label);
                    }
                }
            }
            assert_eq!(held.contains(&label), model.contains_key(&label));
            assert_eq!(held.is_empty(), model.is_empty());
        }
        assert!(held.many.is_some());
        let left = model.keys().copied().collect::<Vec<_>>();
        for label in left {
            for _ in 0..model.remove(&label).unwrap() {
                assert!(held.contains(&label));
                held.unhold(&label);
            }
            assert!(!held.contains(&label));
        }
        assert!(held.is_empty());
    }

    #[test]
    fn no_table_is_moved_that_is_large() {
        let mut held = HeldLabels::default();
        for number in 0..8_000 {
            held.hold(label(number));
        }
        assert!(held.few.len() <= FEW);
        assert!(held.many.unwrap().longest() <= FEW);
    }
}
