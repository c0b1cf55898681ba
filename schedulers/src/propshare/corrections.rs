//! What is charged by a prediction and corrected later is shared as if it had been known.

use alloc::collections::VecDeque;
use alloc::vec;

use proptest::prelude::*;

use crate::testing::Rig;

const SHARES: [u32; 3] = [5_000, 3_300, 1_700];
const LONGEST: u64 = 1_000;

proptest! {
    /// Each is predicted wrong in its own way, always too much, always too little or anyhow,
    /// and corrected when up to 16 others have been chosen: the shares are of what was used.
    #[test]
    fn shares_are_of_what_was_used(
        bias in prop::array::uniform3(0_u64..300),
        lengths in prop::collection::vec((1..LONGEST, 0_u64..200), 1_500),
        late in 0_usize..16,
    ) {
        for policy in ["propshare.wfq", "propshare.round-robin"] {
            let mut rig = Rig::new(policy, 1_000_000, &SHARES);
            (0..3).for_each(|id| rig.ready(id));
            let mut open = VecDeque::new();
            let mut used = vec![0_u64; 3];
            for (length, noise) in &lengths {
                let id = rig.next().unwrap();
                let predicted = length * (bias[id as usize] + noise) / 200;
                rig.charge(id, predicted);
                rig.ready(id);
                used[id as usize] += length;
                open.push_back((id, length.wrapping_sub(predicted) as i64));
                while open.len() > late {
                    let (id, by) = open.pop_front().unwrap();
                    rig.correct(id, by);
                }
            }
            // What is not corrected yet, and the bounds of both policies.
            let slack = (late as u64 + 8) * LONGEST;
            let all: u64 = used.iter().sum();
            for (share, used) in SHARES.iter().zip(&used) {
                let fair = all * u64::from(*share) / 10_000;
                prop_assert!(used.abs_diff(fair) <= slack, "{policy}: {used} of {all}, {fair}");
            }
        }
    }
}
