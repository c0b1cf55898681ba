//! `fewest-bound`: the core with the fewest labels bound to it, for good (§4.2, where it
//! puts the threads of a process on different cores).
//!
//! The process's own count first: processes that start at the same time would else have
//! their threads spread together, and one of them may get two threads on one core. Among
//! equals the core with the fewest of all; among those the core where the label last ran, else the lowest. Load that comes later
//! moves nothing: a binding for good costs no rebinding and follows no change.

use vortex_grid::policy::{Binding, LoadShare, LoadSharing};

/// The policy `fewest-bound`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FewestBound;

impl LoadSharing for FewestBound {
    fn name(&self) -> &'static str {
        "fewest-bound"
    }

    fn choose(&self, question: &LoadShare<'_>) -> Binding {
        let cores = question.cores.iter().zip(question.loads);
        let best = cores.min_by_key(|(core, load)| {
            (load.own, load.bound, question.last_ran != Some(**core), **core)
        });
        Binding { core: best.map_or(super::first(question.cores), |(core, _)| *core), ttl: None }
    }
}
