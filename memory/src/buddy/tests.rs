use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

extern crate std;

proptest! {
    /// Blocks never overlap, lie at multiples of their size and within what was added, and
    /// when all are back the pool is as large and as whole as at first.
    #[test]
    fn blocks_are_apart_and_come_back(
        ranges in prop::collection::vec((1u32..2000, 1u32..1500), 1..4),
        steps in prop::collection::vec((any::<bool>(), 0usize..=12, any::<prop::sample::Index>()), 1..400),
    ) {
        let mut pool = Buddy::new(8192).unwrap();
        let (mut at, mut whole) = (0, Vec::new());
        for (gap, length) in ranges {
            at += gap;
            pool.add(at, (at + length).min(8192));
            whole.push(at..(at + length).min(8192));
            at = (at + length).min(8192);
        }
        let total = pool.free();
        let before = shape(&pool);
        let mut held: BTreeMap<u32, usize> = BTreeMap::new();
        let mut out = 0;
        for (take, order, which) in steps {
            if take {
                let Some(frame) = pool.take(order) else {
                    prop_assert!(pool.heads[order..].iter().all(|head| *head == NONE));
                    continue;
                };
                let (first, end) = (frame.get(), frame.get() + (1 << order));
                prop_assert!(first.is_multiple_of(1 << order));
                prop_assert!(whole.iter().any(|range| range.start <= first && end <= range.end));
                if let Some((&below, &of)) = held.range(..end).next_back() {
                    prop_assert!(below + (1 << of) <= first, "two blocks overlap");
                }
                held.insert(first, order);
                out += 1u64 << order;
            } else if !held.is_empty() {
                let first = *held.keys().nth(which.index(held.len())).unwrap();
                let order = held.remove(&first).unwrap();
                pool.give(FrameId::new(first), order);
                out -= 1 << order;
            }
            prop_assert_eq!(pool.free() + out, total);
        }
        for (first, order) in held {
            pool.give(FrameId::new(first), order);
        }
        prop_assert_eq!(pool.free(), total);
        prop_assert_eq!(shape(&pool), before, "blocks did not join again");
    }
}

/// Which blocks are free.
fn shape(pool: &Buddy) -> Vec<(u32, u8)> {
    (0..)
        .zip(&pool.order)
        .filter(|(_, order)| **order > 0)
        .map(|(at, order)| (at, *order))
        .collect()
}
