//! How a client stands among the other clients of one scheduler.

use vortex_units::Share;

/// What a resource or a bus is entitled to where it requests time, as the configuration
/// writes it beside the tag. Which of the two counts is for the policy there to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its share, relative to the other clients.
    pub share: Share,
    /// Its priority, for policies that have priorities: lower runs first.
    pub priority: u32,
}

impl Standing {
    /// This share, and the priority of whoever is given none: zero.
    #[must_use]
    pub const fn new(share: Share) -> Self {
        Self { share, priority: 0 }
    }
}

impl From<Share> for Standing {
    fn from(share: Share) -> Self {
        Self::new(share)
    }
}
