//! Processes and arrivals: what begins by itself.

use std::sync::Arc;

use vortex_config::{LoadSharing, THREAD, Workload};
use vortex_grid::{Grid, InstanceSpec, Parent, Port};
use vortex_units::CoreId;

use super::{Site, policies};
use crate::errors::Problem;
use crate::message::SimMessage;
use crate::random::Random;
use crate::source::{Flow, Source, Start};
use crate::thread::{Program, Thread};
use vortex_assembly::{class, places, thread_standing};

/// Adds the processes of all workloads, and names all arrivals.
pub(super) fn add(site: &mut Site<'_>, grid: &Arc<Grid<SimMessage>>) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut threads = 0;
    let simulation = site.simulation;
    for workload in &simulation.workloads {
        sources.extend(processes(site, grid, workload, &mut threads).map(Source::Threads));
    }
    for index in 0..simulation.arrivals.len() {
        sources.extend(flow(site, index).map(Source::Arrivals));
    }
    sources
}

/// A workload's processes; `threads` counts all threads so far.
fn processes(
    site: &mut Site<'_>,
    grid: &Arc<Grid<SimMessage>>,
    workload: &Workload,
    threads: &mut u64,
) -> Option<Start> {
    let config = site.config;
    let index = config.resources.iter().position(|resource| resource.resource == THREAD);
    let Some((index, scheduler)) =
        index.and_then(|index| Some((index, config.resources.get(index)?)))
    else {
        site.problems.push((workload.place, Problem::NoThreads));
        return None;
    };
    let activity = *site.activities.get(workload.activity.index())?;
    let policy = policies::resource(site, scheduler, index)?;
    let frequency = site.frequency;
    let program = Arc::new(Program {
        resource: u32::try_from(index).unwrap_or(u32::MAX),
        steps: workload.steps.clone(),
        stop: workload.stop.map(|stop| site.cycles(stop)),
        timeslice: frequency.cycles(config.machine.timeslice),
        ports: site.ports.clone(),
        tally: site.tally.clone(),
    });
    let cores: Vec<(CoreId, Parent)> = places(scheduler)
        .into_iter()
        .map(|(core, place)| match place {
            Parent::Multiplexor(_) | Parent::Service(_) | Parent::Activity => {
                (core, Parent::Activity)
            }
            Parent::Scheduler(bus, _) => {
                let standing = thread_standing(config, workload.activity.index(), core);
                (core, Parent::Scheduler(bus, standing))
            }
        })
        .collect();
    let mut started = Vec::new();
    for _ in 0..workload.processes {
        let spec = InstanceSpec {
            name: scheduler.resource.clone(),
            class: class(index),
            scheduler: policy.clone(),
            cores: cores.clone(),
            owner: activity,
            batch: scheduler.batch,
            favours: vortex_assembly::favours(site.config, scheduler),
        };
        let (program, clocks) = (program.clone(), site.clocks.clone());
        let port: Port<Thread> = grid.add(spec, move |core| Thread {
            program: program.clone(),
            clock: clocks[core.index()].clone(),
        });
        for _ in 0..workload.threads {
            *threads += 1;
            started.push((port, *threads, Random::of(site.simulation.seed, 0, *threads)));
        }
    }
    let core = cores.first()?.0;
    Some(Start { at: site.cycles(workload.start), core, activity, threads: started })
}

fn flow(site: &mut Site<'_>, index: usize) -> Option<Flow> {
    let simulation = site.simulation;
    let arrivals = simulation.arrivals.get(index)?;
    let resource = arrivals.resource.index();
    let scheduler = site.config.resources.get(resource)?;
    let Some(port) = site.ports.get().and_then(|ports| ports.get(resource).copied().flatten())
    else {
        let simulated = simulation.resources.iter().any(|r| r.resource.index() == resource);
        if !simulated {
            let problem = Problem::NoCost(scheduler.resource.clone());
            site.problems.push((arrivals.place, problem));
        }
        return None;
    };
    let cores = match scheduler.load_sharing {
        LoadSharing::Fixed { core } => vec![core],
        _ => scheduler.cores.clone(),
    };
    let causer = arrivals.causer.and_then(|causer| site.activities.get(causer.index()).copied());
    Some(Flow {
        number: index as u64 + 1,
        port,
        activity: *site.activities.get(arrivals.activity.index())?,
        causer,
        bytes: arrivals.bytes,
        flows: u64::from(arrivals.flows.max(1)),
        pattern: arrivals.pattern,
        rate: arrivals.rate.max(1),
        frequency: site.config.machine.frequency.get(),
        start: site.cycles(arrivals.start),
        stop: arrivals.stop.map(|stop| site.cycles(stop)),
        cores,
        random: Random::of(simulation.seed, u64::MAX, index as u64),
        sent: 0,
        last: site.cycles(arrivals.start),
    })
}
