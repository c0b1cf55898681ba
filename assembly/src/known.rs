//! What a file may name: all that is compiled in.

use vortex_config::{Known, KnownPolicy};

/// The policies of the repository, and the paper's resources.
#[must_use]
pub fn known() -> Known {
    let policies = vortex_schedulers::POLICIES.iter().map(|policy| KnownPolicy {
        name: policy.name.into(),
        uses_shares: policy.shares,
        uses_priority: policy.priorities,
        work_conserving: policy.work_conserving,
        uses_rates: policy.rates,
        uses_positions: policy.positions,
        parameters: policy.parameters.iter().map(|&name| name.into()).collect(),
    });
    Known { policies: policies.collect(), ..Known::default() }
}
