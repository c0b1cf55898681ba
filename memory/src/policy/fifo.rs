//! `reclaim.fifo`: the frame that was allocated first, whoever holds it and uses it.
//!
//! Source: the textbooks' FIFO; for resources that report no use.
//!
//! # Bound
//! As `reclaim.lru`'s: none between activities but minimums.
//!
//! # Deviations
//! The earliest is sought among the next 32 candidates under the hand, and frames of one
//! magazine have the same age.

use super::{Candidate, Policy};
use crate::account::Standing;

/// The policy `reclaim.fifo`.
pub(super) struct Fifo;

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "reclaim.fifo"
    }

    fn rank(&self, _: &Standing) -> u64 {
        0
    }

    fn key(&self, candidate: &Candidate) -> u64 {
        u64::from(candidate.born)
    }
}
