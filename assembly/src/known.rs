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
        uses_reservations: policy.reservations,
        uses_limits: policy.limits,
        uses_periods: policy.periods,
        uses_positions: policy.positions,
        uses_groups: policy.groups,
        parameters: policy.parameters.iter().map(|&name| name.into()).collect(),
    });
    Known { policies: policies.collect(), ..Known::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_knows_by_itself_is_what_there_is() {
        assert_eq!(known(), Known::default());
        assert_eq!(vortex_config::PERIOD, vortex_schedulers::CBS_PERIOD);
    }
}
