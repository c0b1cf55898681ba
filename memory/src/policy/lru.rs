//! `reclaim.lru`: the least recently used frame of all, whoever holds it.
//!
//! Source: the textbooks' LRU, approximated by aging; the baseline that does not know
//! budgets.
//!
//! # Bound
//! None between activities but what every policy has: a minimum is never touched. Who uses
//! memory faster takes it from who uses it slower.
//!
//! # Deviations
//! The least recently used is sought among the next 32 candidates under the hand.

use super::{Candidate, Policy, least_recent};
use crate::account::Standing;

/// The policy `reclaim.lru`.
pub(super) struct Lru;

impl Policy for Lru {
    fn name(&self) -> &'static str {
        "reclaim.lru"
    }

    fn rank(&self, _: &Standing) -> u64 {
        0
    }

    fn key(&self, candidate: &Candidate) -> u64 {
        least_recent(candidate)
    }
}
