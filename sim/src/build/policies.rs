//! Policies, metrics and load sharing by their names in the configuration.

use std::sync::Arc;

use vortex_config::{
    LoadSharing, Multiplexor, Parameter, Place, ResourceScheduler, StackedScheduler,
};
use vortex_grid::policy::{self, Binding, LoadShare, Metric, Params, Scheduler};
use vortex_schedulers::load::{FewestBound, FewestCores, Fixed, LeastReceived};
use vortex_units::Micros;

use super::Site;
use crate::errors::Problem;

/// Longer than the longest simulation.
const FOR_GOOD: Micros = Micros::new(36_000_000_000);

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

/// What a scheduler's amounts come to in 100 ms of a whole core.
struct Pace {
    bytes: u64,
    requests: u64,
}

/// What the configuration says of any scheduler.
struct Written<'a> {
    name: &'a str,
    algorithm: &'a str,
    metric: &'a vortex_config::Metric,
    params: &'a [Parameter],
    place: Place,
}

fn make(
    site: &mut Site<'_>,
    written: &Written<'_>,
    sharing: Option<LoadSharing>,
    pace: Option<&Pace>,
) -> Option<Arc<dyn Scheduler>> {
    let Written { name, algorithm, metric, params, place } = *written;
    // Law 2: debt billed back is capped at 100 ms of share.
    let cycles = site.frequency.as_megahertz() * 100_000;
    let bytes = pace.map_or(cycles, |pace| pace.bytes);
    let (metric, cap) = match metric {
        vortex_config::Metric::Cycles => (Metric::Cycles, cycles),
        vortex_config::Metric::Bytes => (Metric::Bytes, bytes),
        vortex_config::Metric::Memory => (Metric::Memory, (bytes >> 12).max(1)),
        vortex_config::Metric::Requests => {
            (Metric::Requests, pace.map_or(cycles, |pace| pace.requests).max(1))
        }
        vortex_config::Metric::Field(field) => {
            let problem = Problem::Field { scheduler: name.into(), field: field.clone() };
            site.problems.push((place, problem));
            return None;
        }
    };
    let mut wanted = Params::new(metric, cap);
    for param in params {
        wanted.insert(&param.name, &param.value);
    }
    wanted.load_sharing = sharing.map(load_sharing);
    match vortex_schedulers::make(algorithm, wanted) {
        Ok(scheduler) => Some(scheduler),
        Err(error) => {
            let problem = Problem::Policy { scheduler: name.into(), why: error.to_string() };
            site.problems.push((place, problem));
            None
        }
    }
}

/// A multiplexor's scheduler.
pub(super) fn multiplexor(site: &mut Site<'_>, mux: &Multiplexor) -> Option<Arc<dyn Scheduler>> {
    let Multiplexor { tag: name, algorithm, metric, params, place, .. } = mux;
    let algorithm = &algorithm.name;
    make(site, &Written { name, algorithm, metric, params, place: *place }, None, None)
}

/// A stacked scheduler.
pub(super) fn stacked(site: &mut Site<'_>, bus: &StackedScheduler) -> Option<Arc<dyn Scheduler>> {
    let StackedScheduler { tag: name, algorithm, metric, params, place, .. } = bus;
    let algorithm = &algorithm.name;
    make(site, &Written { name, algorithm, metric, params, place: *place }, None, None)
}

/// A resource's scheduler, with its load sharing.
pub(super) fn resource(
    site: &mut Site<'_>,
    scheduler: &ResourceScheduler,
    index: usize,
) -> Option<Arc<dyn Scheduler>> {
    let ResourceScheduler { resource, algorithm, metric, load_sharing, params, place, .. } =
        scheduler;
    let simulated = site.simulation.resources.iter().find(|r| r.resource.index() == index);
    let cycles = site.frequency.as_megahertz() * 100_000;
    let pace = simulated.map(|simulated| {
        let each = simulated.cost.least + site.config.machine.overhead;
        let bytes = simulated.device.map_or(cycles, |device| device.rate.get() / 10);
        Pace { bytes: bytes.max(1), requests: cycles / each.get().max(1) }
    });
    let sharing = Some(*load_sharing);
    let algorithm = &algorithm.name;
    let written = Written { name: resource, algorithm, metric, params, place: *place };
    make(site, &written, sharing, pace.as_ref())
}
