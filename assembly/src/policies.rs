//! Policies, metrics and load sharing by their names in the configuration.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use vortex_config::{
    Config, LoadSharing, Multiplexor, Parameter, ResourceScheduler, StackedScheduler,
};
use vortex_grid::Frequency;
use vortex_grid::policy::{self, Binding, LoadShare, Metric, Params, Scheduler};
use vortex_schedulers::load::{FewestBound, FewestCores, Fixed, LeastReceived};
use vortex_schedulers::{Limit, MakeError};
use vortex_units::Micros;

/// A binding for good, where a policy wants a span: ten hours.
const FOR_GOOD: Micros = Micros::new(36_000_000_000);

/// Law 2: debt billed back is capped at 100 ms of share.
const DEBT: Micros = Micros::new(100_000);

/// What a scheduler's amounts come to in 100 ms of a whole core.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes moved.
    pub bytes: u64,
    /// Requests served.
    pub requests: u64,
}

/// Why a scheduler could not be made.
#[derive(Clone, Debug)]
pub enum PolicyError {
    /// Its metric is a field that no resource adds to its records.
    Field(String),
    /// The policy refuses.
    Make(MakeError),
}

/// How long a label of a connection is bound after it was last bound anew.
const OF_A_CONNECTION: Micros = Micros::new(10_000_000);

/// `fewest-bound` with bindings that expire.
struct FewestBoundFor(Micros);

impl policy::LoadSharing for FewestBoundFor {
    fn name(&self) -> &'static str {
        "fewest-bound"
    }

    fn choose(&self, question: &LoadShare<'_>) -> Binding {
        Binding { ttl: Some(self.0), ..FewestBound.choose(question) }
    }
}

/// Another with bindings that hold no longer than this.
struct AtMost(Box<dyn policy::LoadSharing>, Micros);

impl policy::LoadSharing for AtMost {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn choose(&self, question: &LoadShare<'_>) -> Binding {
        let binding = self.0.choose(question);
        let ttl = binding.ttl.map_or(self.1, |ttl| ttl.min(self.1));
        Binding { ttl: Some(ttl), ..binding }
    }
}

/// How the labels of a resource are bound to cores where nothing is said, or where this is. The
/// network's are of connections, which end, and nobody says so to the grid: what is bound for good
/// would be kept for good. Such a binding is forgotten a while after its last packet (decision
/// 0130).
#[must_use]
pub fn sharing_of(
    resource: &str,
    said: Option<Box<dyn policy::LoadSharing>>,
) -> Box<dyn policy::LoadSharing> {
    let said = said.unwrap_or_else(|| Box::new(FewestBound));
    match crate::OF_NETWORK.contains(&resource) {
        true => Box::new(AtMost(said, OF_A_CONNECTION)),
        false => said,
    }
}

fn load_sharing(wanted: LoadSharing) -> Box<dyn policy::LoadSharing> {
    match wanted {
        LoadSharing::FewestBound { ttl: None } => Box::new(FewestBound),
        LoadSharing::FewestBound { ttl: Some(ttl) } => Box::new(FewestBoundFor(ttl)),
        LoadSharing::LeastReceived { ttl } => Box::new(LeastReceived::new(ttl.unwrap_or(FOR_GOOD))),
        LoadSharing::Fixed { core } => Box::new(Fixed::new(core)),
        LoadSharing::FewestCores { ttl, utilization } => {
            Box::new(FewestCores::new(utilization, ttl.unwrap_or(FOR_GOOD)))
        }
    }
}

/// What the configuration says of any scheduler.
struct Written<'a> {
    groups: &'a [vortex_config::Group],
    algorithm: &'a str,
    metric: &'a vortex_config::Metric,
    params: &'a [Parameter],
}

fn make(
    written: &Written<'_>,
    frequency: Frequency,
    sharing: Option<Box<dyn policy::LoadSharing>>,
    pace: Option<Pace>,
) -> Result<Arc<dyn Scheduler>, PolicyError> {
    let Written { groups, algorithm, metric, params } = *written;
    let cycles = frequency.cycles(DEBT).get();
    let bytes = pace.map_or(cycles, |pace| pace.bytes);
    let (metric, cap) = match metric {
        vortex_config::Metric::Cycles => (Metric::Cycles, cycles),
        vortex_config::Metric::Bytes => (Metric::Bytes, bytes),
        vortex_config::Metric::Memory => (Metric::Memory, (bytes >> 12).max(1)),
        vortex_config::Metric::Requests => {
            (Metric::Requests, pace.map_or(cycles, |pace| pace.requests).max(1))
        }
        // A simulated device has no records of its own.
        vortex_config::Metric::ServiceTime if pace.is_some() => {
            return Err(PolicyError::Field("service-time".into()));
        }
        vortex_config::Metric::ServiceTime => (Metric::Field(vortex_storage::SERVICE_TIME), cycles),
        vortex_config::Metric::Field(field) => return Err(PolicyError::Field(field.clone())),
    };
    let mut wanted = Params::new(metric, cap);
    for param in params {
        wanted.insert(&param.name, &param.value);
    }
    wanted.frequency = Some(frequency);
    wanted.groups = groups
        .iter()
        .map(|group| policy::Group {
            within: group.within.map(|within| within.0),
            policy: group.algorithm.name.clone(),
            share: group.share,
            priority: group.priority,
        })
        .collect();
    wanted.load_sharing = sharing;
    vortex_schedulers::make(algorithm, wanted).map_err(PolicyError::Make)
}

/// A multiplexor's scheduler.
///
/// # Errors
/// [`PolicyError`].
pub fn multiplexor(
    config: &Config,
    mux: &Multiplexor,
    frequency: Frequency,
) -> Result<Arc<dyn Scheduler>, PolicyError> {
    let written = Written {
        groups: &config.groups,
        algorithm: &mux.algorithm.name,
        metric: &mux.metric,
        params: &mux.params,
    };
    make(&written, frequency, None, None)
}

/// A stacked scheduler, with what limits it around it ([`limit_of`]).
///
/// # Errors
/// [`PolicyError`].
pub fn stacked(
    bus: &StackedScheduler,
    limit: Option<&Limit>,
    frequency: Frequency,
) -> Result<Arc<dyn Scheduler>, PolicyError> {
    let written = Written {
        groups: &[],
        algorithm: &bus.algorithm.name,
        metric: &bus.metric,
        params: &bus.params,
    };
    let made = make(&written, frequency, None, None)?;
    Ok(match limit {
        Some(limit) => vortex_schedulers::limited(made, limit),
        None => made,
    })
}

/// What is around a stacked scheduler, if that is limited.
#[must_use]
pub fn limit_of(bus: &StackedScheduler, frequency: Frequency) -> Option<Limit> {
    let metric = match bus.metric {
        vortex_config::Metric::Requests => Metric::Requests,
        _ => Metric::Bytes,
    };
    bus.limit.map(|rate| Limit::new(metric, rate, frequency))
}

/// A resource's scheduler, with its load sharing.
///
/// # Errors
/// [`PolicyError`].
pub fn resource(
    config: &Config,
    scheduler: &ResourceScheduler,
    frequency: Frequency,
    pace: Option<Pace>,
) -> Result<Arc<dyn Scheduler>, PolicyError> {
    let written = Written {
        groups: &config.groups,
        algorithm: &scheduler.algorithm.name,
        metric: &scheduler.metric,
        params: &scheduler.params,
    };
    let sharing = sharing_of(&scheduler.resource, Some(load_sharing(scheduler.load_sharing)));
    make(&written, frequency, Some(sharing), pace)
}
