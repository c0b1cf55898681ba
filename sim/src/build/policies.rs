//! Policies, metrics and load sharing by their names in the configuration, with what is
//! wrong of them in its place.

use std::sync::Arc;

use vortex_assembly::{Pace, PolicyError};
use vortex_config::{Multiplexor, Place, ResourceScheduler, StackedScheduler};
use vortex_grid::policy::Scheduler;

use super::Site;
use crate::errors::Problem;

type Made = Result<Arc<dyn Scheduler>, PolicyError>;

fn note(site: &mut Site<'_>, name: &str, place: Place, made: Made) -> Option<Arc<dyn Scheduler>> {
    let scheduler = || name.to_string();
    let problem = match made {
        Ok(scheduler) => return Some(scheduler),
        Err(PolicyError::Field(field)) => Problem::Field { scheduler: scheduler(), field },
        Err(PolicyError::Make(error)) => {
            Problem::Policy { scheduler: scheduler(), why: error.to_string() }
        }
    };
    site.problems.push((place, problem));
    None
}

/// A multiplexor's scheduler.
pub(super) fn multiplexor(site: &mut Site<'_>, mux: &Multiplexor) -> Option<Arc<dyn Scheduler>> {
    let made = vortex_assembly::multiplexor(site.config, mux, site.frequency);
    note(site, &mux.tag, mux.place, made)
}

/// A stacked scheduler.
pub(super) fn stacked(site: &mut Site<'_>, bus: &StackedScheduler) -> Option<Arc<dyn Scheduler>> {
    let made = {
        let limit = vortex_assembly::limit_of(bus, site.frequency);
        vortex_assembly::stacked(bus, limit.as_ref(), site.frequency)
    };
    note(site, &bus.tag, bus.place, made)
}

/// A resource's scheduler, with its load sharing.
pub(super) fn resource(
    site: &mut Site<'_>,
    scheduler: &ResourceScheduler,
    index: usize,
) -> Option<Arc<dyn Scheduler>> {
    let simulated = site.simulation.resources.iter().find(|r| r.resource.index() == index);
    let cycles = site.frequency.as_megahertz() * 100_000;
    let pace = simulated.map(|simulated| {
        let each = simulated.cost.least + site.config.machine.overhead;
        let bytes = simulated.device.map_or(cycles, |device| device.rate.get() / 10);
        Pace { bytes: bytes.max(1), requests: cycles / each.get().max(1) }
    });
    let made = vortex_assembly::resource(site.config, scheduler, site.frequency, pace);
    note(site, &scheduler.resource, scheduler.place, made)
}
