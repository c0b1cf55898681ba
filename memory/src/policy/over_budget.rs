//! `reclaim.over-budget`: the activity that is furthest beyond its soft limit gives first;
//! of its frames, the least recently used.
//!
//! Source: §3.2 of the paper ("the reclamation policy of the memory multiplexor
//! differentiates among processes"), with the aging of use as in Tanenbaum's not-frequently-
//! used approximation of LRU.
//!
//! # Bound
//! As long as an activity beyond its soft limit has a frame that can be taken, no other
//! loses one for lack of memory.
//!
//! # Deviations
//! The least recently used is sought among the next 32 candidates under the hand, not among
//! all: a decision then takes bounded time.

use super::{Candidate, Policy, least_recent};
use crate::account::Standing;

/// The policy `reclaim.over-budget`.
pub(super) struct OverBudget;

impl Policy for OverBudget {
    fn name(&self) -> &'static str {
        "reclaim.over-budget"
    }

    fn uses_soft(&self) -> bool {
        true
    }

    fn rank(&self, standing: &Standing) -> u64 {
        standing.over().get()
    }

    fn key(&self, candidate: &Candidate) -> u64 {
        least_recent(candidate)
    }
}
