//! Policies of reclamation: whose frame goes first, and which of its frames.
//!
//! A policy only ranks; it is not trusted with the rest. Frames that a minimum needs, that
//! are pinned or on their way back already are never shown to it. As with schedulers it is
//! chosen by name, and is a small file.

mod fifo;
mod lru;
mod over_budget;

use crate::account::Standing;

/// A frame that could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How recently it was used, by the information records: each halves it, and a use sets
    /// the highest bit.
    pub recency: u8,
    /// Whether its contents must be kept elsewhere first.
    pub modified: bool,
    /// When it was allocated, in an order that is the same for all but frames of the same
    /// magazine.
    pub born: u32,
    /// How many activities have it (§2.3): it is on the bill of each.
    pub sharers: u8,
}

/// A policy.
pub trait Policy: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &'static str;

    /// Whether soft limits mean anything to it.
    fn uses_soft(&self) -> bool {
        false
    }

    /// How much an activity is the one to give: those with the highest rank give first.
    fn rank(&self, standing: &Standing) -> u64;

    /// Which of the frames goes first: that with the smallest key.
    fn key(&self, candidate: &Candidate) -> u64;
}

/// What is done where nothing else is said.
pub const DEFAULT: &dyn Policy = &over_budget::OverBudget;

/// All policies.
pub const POLICIES: &[&dyn Policy] = &[DEFAULT, &lru::Lru, &fifo::Fifo];

/// The policy of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static dyn Policy> {
    POLICIES.iter().find(|policy| policy.name() == name).copied()
}

/// Least recently used by the information records; among equals the one that the fewest share,
/// since all of them would miss it; among these the clean one, which need not be written anywhere.
fn least_recent(candidate: &Candidate) -> u64 {
    let Candidate { recency, modified, sharers, .. } = *candidate;
    u64::from(recency) << 9 | u64::from(sharers) << 1 | u64::from(modified)
}

#[cfg(test)]
mod tests;
