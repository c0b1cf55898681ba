//! The simulated resources, added to the grid.

use std::sync::Arc;

use vortex_assembly::{class, places};
use vortex_config::SimulatedResource;
use vortex_grid::{Grid, InstanceSpec, Resumer};
use vortex_units::{ActivityId, CoreId};

use super::{Site, policies};
use crate::device::SimDevice;
use crate::door::Door;
use crate::message::SimMessage;
use crate::random::Random;
use crate::work::{Plan, Work};

/// Adds them all, and tells each where the others are.
pub(super) fn add(
    site: &mut Site<'_>,
    grid: &Arc<Grid<SimMessage>>,
) -> Vec<Option<Resumer<SimMessage>>> {
    let mut ports = vec![None; site.config.resources.len()];
    let mut resumers: Vec<_> = site.config.resources.iter().map(|_| None).collect();
    let simulation = site.simulation;
    for simulated in &simulation.resources {
        let index = simulated.resource.index();
        let Some(scheduler) = site.config.resources.get(index) else { continue };
        let Some(policy) = policies::resource(site, scheduler, index) else { continue };
        let spec = InstanceSpec {
            name: scheduler.resource.clone(),
            class: class(index),
            scheduler: policy,
            cores: places(scheduler),
            owner: ActivityId::INFRASTRUCTURE,
            batch: scheduler.batch,
            favours: vortex_assembly::favours(site.config, scheduler),
        };
        let plan = Arc::new(plan(site, simulated));
        let door = match (simulated.sends.is_empty(), simulated.bills_causer) {
            (true, false) => Door::Leaf(grid.add(spec, make(site, plan))),
            _ => Door::Inner(grid.add(spec, make(site, plan))),
        };
        resumers[index] = grid.resumer(door.instance());
        ports[index] = Some(door);
    }
    // Set once, here: no request runs before the building is done.
    let _ = site.ports.set(ports);
    resumers
}

/// What makes the part of a resource that serves one core.
fn make<const FAN: u32>(
    site: &Site<'_>,
    plan: Arc<Plan>,
) -> impl Fn(CoreId) -> Work<FAN> + Send + Sync + 'static {
    let clocks = site.clocks.clone();
    let seed = site.simulation.seed;
    move |core| Work {
        plan: plan.clone(),
        clock: clocks[core.index()].clone(),
        random: Random::of(seed, 1 + u64::from(plan.resource.0), u64::from(core.get())),
    }
}

fn plan(site: &Site<'_>, simulated: &SimulatedResource) -> Plan {
    let frequency = site.config.machine.frequency.get();
    let below = |index| bills_below(site, index);
    Plan {
        resource: simulated.resource,
        cost: simulated.cost,
        bytes: simulated.bytes,
        memory: simulated.memory,
        bills_causer: simulated.bills_causer,
        device: simulated.device.map(|device| SimDevice::new(device, frequency)),
        sends: simulated.sends.iter().map(|&send| (send, below(send.to.index()))).collect(),
        ports: site.ports.clone(),
        tally: site.tally.clone(),
        agenda: site.agenda.clone(),
    }
}

/// Whether the resource, or one that it sends to, bills the causer.
pub(super) fn bills_below(site: &Site<'_>, index: usize) -> bool {
    let found = site.simulation.resources.iter().find(|r| r.resource.index() == index);
    found.is_some_and(|resource| {
        resource.bills_causer
            || resource.sends.iter().any(|send| bills_below(site, send.to.index()))
    })
}
