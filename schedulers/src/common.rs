//! What every policy's global state has: the metric, the cap on debt, the load sharing.

use alloc::boxed::Box;

use vortex_grid::policy::{Binding, InitError, LoadShare, LoadSharing, Metric, Params};
use vortex_units::Cycles;

/// The `schedstate` of policies that share nothing else between cores.
pub(crate) struct Common {
    pub(crate) metric: Metric,
    pub(crate) debt_cap: u64,
    sharing: Option<Box<dyn LoadSharing>>,
}

impl Common {
    /// For a policy that has taken its own parameters: what is left is refused.
    pub(crate) fn init(params: Params) -> Result<Self, InitError> {
        params.finish()?;
        let Params { metric, debt_cap, load_sharing, .. } = params;
        Ok(Self { metric, debt_cap, sharing: load_sharing })
    }

    /// Asks the configured load sharing. Without one the scheduler has one core only, and
    /// that core is the answer for good.
    pub(crate) fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        match &self.sharing {
            Some(sharing) => sharing.choose(question),
            None => {
                let core = question.cores.first().copied();
                Binding { core: core.unwrap_or(vortex_units::CoreId::new(0)), ttl: None }
            }
        }
    }
}

/// What of the metric an idle time stands for, if all of `cap` stands for `debt_cap`.
pub(crate) fn worn_off(debt_cap: u64, idle: Cycles, cap: Cycles) -> u64 {
    let (idle, cap) = (idle.min(cap).get(), cap.get());
    let amount = u128::from(debt_cap) * u128::from(idle);
    amount.checked_div(u128::from(cap)).map_or(debt_cap, |amount| amount as u64)
}
