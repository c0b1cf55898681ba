//! `fewest-cores`: as few cores as the observed utilization allows (§5.3): the lowest core
//! that was busy for less than a threshold of the last period.
//!
//! If all are above it, the least busy one; among equals there the one where the label last
//! ran, else the lowest. Below the threshold where it last ran does not matter: a label
//! that stayed on a high core would keep that core awake. Utilization lags by a period, so
//! labels that are bound in the same period may fill a core beyond the threshold; they
//! move when their bindings expire.

use vortex_grid::policy::{Binding, LoadShare, LoadSharing};
use vortex_units::Micros;

/// The policy `fewest-cores`.
#[derive(Clone, Copy, Debug)]
pub struct FewestCores {
    threshold: u16,
    ttl: Micros,
}

impl FewestCores {
    /// Cores are busy from this many hundredths of a per cent on.
    #[must_use]
    pub const fn new(threshold: u16, ttl: Micros) -> Self {
        Self { threshold, ttl }
    }
}

impl LoadSharing for FewestCores {
    fn name(&self) -> &'static str {
        "fewest-cores"
    }

    fn choose(&self, question: &LoadShare<'_>) -> Binding {
        let best = question.cores.iter().zip(question.loads).min_by_key(|(core, load)| {
            if load.utilization < self.threshold {
                (0, false, **core)
            } else {
                (load.utilization, question.last_ran != Some(**core), **core)
            }
        });
        let core = best.map_or(super::first(question.cores), |(core, _)| *core);
        Binding { core, ttl: Some(self.ttl) }
    }
}
