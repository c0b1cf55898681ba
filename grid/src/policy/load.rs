//! Load sharing (§3.1.1): which core should serve an affinity label.

use vortex_units::{ActivityId, CoreId, Cycles, Micros, Share};

/// What is known of a core when a label is to be bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreLoad {
    /// Labels of this scheduler now bound to the core.
    pub bound: u32,
    /// Those of them that are of the same process, where each has a scheduler of its own.
    pub own: u32,
    /// What the label's activity has received of this scheduler's metric on the core.
    pub received: u64,
    /// The activity's share at this scheduler on the core; `None` where it has none.
    pub share: Option<Share>,
    /// How busy the core was in the last period, in hundredths of a per cent.
    pub utilization: u16,
}

/// The question that `load_share` answers.
#[derive(Clone, Copy)]
pub struct LoadShare<'a> {
    /// The label to be bound.
    pub affinity: u64,
    /// The activity of the request that needs the binding.
    pub activity: ActivityId,
    /// Now, by the asking core's clock.
    pub now: Cycles,
    /// The cores this scheduler is configured for, never empty, ascending.
    pub cores: &'a [CoreId],
    /// What is known of each, in the order of `cores`.
    pub loads: &'a [CoreLoad],
    /// Where a request with this label last ran, at whatever resource, so that chained
    /// resources agree.
    pub last_ran: Option<CoreId>,
}

/// A CPU multiplexor binding: a core, and for how long it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The core; must be one of [`LoadShare::cores`].
    pub core: CoreId,
    /// For how long; `None` is for good.
    pub ttl: Option<Micros>,
}

/// A load-sharing policy, chosen by the configuration for each scheduler.
///
/// Called only when a label has no binding or its binding has expired, from any core:
/// state it keeps is shared and must be atomic.
pub trait LoadSharing: Send + Sync {
    /// The name as the configuration writes it.
    fn name(&self) -> &'static str;

    /// Decides which core should serve the label.
    fn choose(&self, question: &LoadShare<'_>) -> Binding;
}
