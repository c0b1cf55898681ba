//! `fixed`: one core, for good (§4.4, where one core serves a device's interrupts).
//!
//! That the core is one of the scheduler's is checked when it is made. Should it be asked
//! about others nevertheless, it answers with the lowest of those, since a request must be
//! served somewhere. Where the label last ran does not matter: nothing is left to choose.

use vortex_grid::policy::{Binding, LoadShare, LoadSharing};
use vortex_units::CoreId;

/// The policy `fixed`.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    core: CoreId,
}

impl Fixed {
    /// This core.
    #[must_use]
    pub const fn new(core: CoreId) -> Self {
        Self { core }
    }
}

impl LoadSharing for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn choose(&self, question: &LoadShare<'_>) -> Binding {
        let known = question.cores.contains(&self.core);
        Binding { core: if known { self.core } else { super::first(question.cores) }, ttl: None }
    }
}
