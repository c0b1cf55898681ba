//! What of a configuration the simulation cannot honour.

use vortex_config::{MemoryBudget, Place, SimulatedResource, Step};
use vortex_grid::Entitlement;
use vortex_units::Share;

use super::Site;
use super::work::bills_below;
use crate::errors::Problem;
use crate::message::UNKNOWN;
use crate::work::LONGEST_RUN;

/// Notes every problem that the building itself will not meet.
pub(super) fn judge(site: &mut Site<'_>) {
    let mut problems = Vec::new();
    machine(site, &mut problems);
    draws(site, &mut problems);
    activities(site, &mut problems);
    destinations(site, &mut problems);
    causers(site, &mut problems);
    site.problems.append(&mut problems);
}

type Problems = Vec<(Place, Problem)>;

fn machine(site: &Site<'_>, problems: &mut Problems) {
    let rate = site.config.machine.frequency;
    if !rate.get().is_multiple_of(1_000_000) || rate.is_zero() {
        problems.push((Place::default(), Problem::Frequency(rate)));
    }
    if let (None, Some(service)) = (&site.config.simulation, site.config.services.first()) {
        problems.push((service.place, Problem::OnlyServices));
    }
}

fn draws(site: &Site<'_>, problems: &mut Problems) {
    let threads = site.config.thread().map_or(&[][..], |thread| &thread.draws);
    for draw in threads.iter().filter(|draw| draw.priority.is_some()) {
        problems.push((draw.place, Problem::ThreadPriority));
    }
    for stacked in site.config.schedulers.iter().filter(|it| vortex_assembly::is_uneven(it)) {
        problems.push((stacked.place, Problem::UnevenDraws(stacked.tag.clone())));
    }
}

fn activities(site: &Site<'_>, problems: &mut Problems) {
    let allocates = site.simulation.resources.iter().any(|r| !r.memory.is_zero());
    for (index, activity) in site.config.activities.iter().enumerate() {
        let name = || activity.name.clone();
        if allocates && activity.memory != MemoryBudget::default() {
            problems.push((activity.place, Problem::MemoryBudget(name())));
        }
        let workloads = site.simulation.workloads.iter();
        let threads: u64 = workloads
            .filter(|workload| workload.activity.index() == index)
            .map(|workload| u64::from(workload.processes) * u64::from(workload.threads))
            .sum();
        let nodes = activity.nodes.unwrap_or(Entitlement::new(Share::ONE).nodes);
        if threads > u64::from(nodes) {
            let problem = Problem::TooManyThreads { activity: name(), threads, nodes };
            problems.push((activity.place, problem));
        }
    }
}

/// Every resource that is sent requests says what they cost.
fn destinations(site: &Site<'_>, problems: &mut Problems) {
    let sends = site
        .simulation
        .resources
        .iter()
        .flat_map(|resource| resource.sends.iter().map(|send| (send.to, send.place)));
    let steps = site.simulation.workloads.iter().flat_map(|workload| {
        workload.steps.iter().filter_map(|step| match step {
            Step::Call { resource, .. } | Step::Send { resource, .. } => {
                Some((*resource, workload.place))
            }
            Step::Compute(_) | Step::Sleep(_) => None,
        })
    });
    for (to, place) in sends.chain(steps) {
        if simulated(site, to.index()).is_none() {
            let name = site.config.resources.get(to.index()).map(|r| r.resource.clone());
            problems.push((place, Problem::NoCost(name.unwrap_or_default())));
        }
    }
}

/// Arrivals whose causer becomes known on their way.
fn causers(site: &Site<'_>, problems: &mut Problems) {
    for arrivals in site.simulation.arrivals.iter().filter(|a| a.causer.is_some()) {
        follow(site, arrivals.resource.index(), 0, problems);
    }
}

fn follow(site: &Site<'_>, index: usize, depth: usize, problems: &mut Problems) {
    let Some(resource) = simulated(site, index).filter(|_| bills_below(site, index)) else {
        return;
    };
    let name = site.config.resources.get(index).map(|r| r.resource.clone()).unwrap_or_default();
    let mut note = |problem: Problem| {
        if !problems.contains(&(resource.place, problem.clone())) {
            problems.push((resource.place, problem));
        }
    };
    if resource.bills_causer {
        if resource.sends.iter().any(|send| send.wait) {
            note(Problem::WaitsForCauser(name));
        }
        return;
    }
    if depth >= UNKNOWN {
        note(Problem::UnknownTooLong(name));
        return;
    }
    if resource.cost.most > LONGEST_RUN {
        note(Problem::UnknownTooDear(name));
    }
    for send in &resource.sends {
        follow(site, send.to.index(), depth + 1, problems);
    }
}

fn simulated<'a>(site: &'a Site<'_>, index: usize) -> Option<&'a SimulatedResource> {
    site.simulation.resources.iter().find(|resource| resource.resource.index() == index)
}
