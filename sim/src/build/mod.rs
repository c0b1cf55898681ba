//! From the configuration to a grid on the simulated machine.

mod judge;
mod policies;
mod sources;
mod work;

use std::sync::{Arc, OnceLock};

use vortex_config::{Config, Place, ShareForm, Simulation};
use vortex_grid::{BusSpec, Core, CoreSpec, Frequency, Grid, GridSpec, Resumer, Sampling};
use vortex_units::{ActivityId, Cycles, Micros, Nanos};

use crate::agenda::Agenda;
use crate::clock::Clock;
use crate::door::Ports;
use crate::errors::{BuildError, Problem};
use crate::machine::SimMachine;
use crate::message::SimMessage;
use crate::source::Source;
use crate::tally::Tally;

/// What of a run is not the configuration's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Another seed than the configuration's.
    pub seed: Option<u64>,
    /// Another duration than the configuration's; one second where it has none.
    pub duration: Option<Nanos>,
    /// How often shares are sampled.
    pub sample: Nanos,
    /// Every how many steps all ledgers are audited, beside the end. One is every step.
    pub audit_every: u32,
    /// How many runs of each core the trace keeps; none if zero.
    pub trace: usize,
    /// One in how many waits is explained, rounded up to a power of two.
    pub explain_one_in: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: None,
            duration: None,
            sample: Nanos::new(1_000_000_000),
            audit_every: 1024,
            trace: 0,
            explain_one_in: 16,
        }
    }
}

/// How long a thread keeps its core before others may want it.
pub(crate) const PATIENCE: Micros = Micros::new(200);

/// A configuration that has become a grid.
pub(crate) struct Built {
    pub config: Config,
    pub simulation: Simulation,
    pub frequency: Frequency,
    pub duration: Cycles,
    pub grid: Arc<Grid<SimMessage>>,
    pub cores: Vec<(Core<SimMessage, SimMachine>, Clock)>,
    pub sources: Vec<Source>,
    /// By place in the configuration.
    pub activities: Vec<ActivityId>,
    pub resumers: Vec<Option<Resumer<SimMessage>>>,
    pub agenda: Agenda,
    pub tally: Tally,
}

/// What the parts of the building share.
pub(crate) struct Site<'a> {
    pub config: &'a Config,
    pub simulation: &'a Simulation,
    pub frequency: Frequency,
    pub clocks: Vec<Clock>,
    pub activities: Vec<ActivityId>,
    pub ports: Ports,
    pub agenda: Agenda,
    pub tally: Tally,
    pub problems: Vec<(Place, Problem)>,
}

impl Site<'_> {
    /// The cycles in a span of time.
    pub fn cycles(&self, span: Nanos) -> Cycles {
        cycles(self.frequency, span)
    }
}

/// The cycles in a span of time.
pub(crate) fn cycles(frequency: Frequency, span: Nanos) -> Cycles {
    let cycles = u128::from(span.get()) * u128::from(frequency.as_megahertz()) / 1_000;
    Cycles::new(u64::try_from(cycles).unwrap_or(u64::MAX))
}

/// A configuration without a simulation runs nothing.
fn nothing() -> Simulation {
    Simulation {
        seed: 1,
        duration: Nanos::new(1_000_000_000),
        resources: Vec::new(),
        workloads: Vec::new(),
        arrivals: Vec::new(),
        place: vortex_config::Place::default(),
    }
}

/// Builds the grid.
pub(crate) fn build(config: &Config, options: &Options) -> Result<Built, BuildError> {
    let mut simulation = config.simulation.clone().unwrap_or_else(nothing);
    simulation.seed = options.seed.unwrap_or(simulation.seed);
    simulation.duration = options.duration.unwrap_or(simulation.duration);
    let agenda = Agenda::default();
    let count = config.multiplexors.iter().map(|mux| mux.core.get() + 1).max().unwrap_or(0);
    let clock =
        |core| Clock::new(vortex_units::CoreId::new(core), config.machine.overhead, options.trace);
    let mut site = Site {
        config,
        simulation: &simulation,
        frequency: Frequency::megahertz(config.machine.frequency.get() / 1_000_000),
        clocks: (0..count).map(clock).collect(),
        activities: vec![ActivityId::INFRASTRUCTURE],
        ports: Arc::new(OnceLock::new()),
        agenda: agenda.clone(),
        tally: Tally::default(),
        problems: Vec::new(),
    };
    judge::judge(&mut site);
    let buses = buses(&mut site);
    let grid = Grid::new(GridSpec {
        cores: count,
        activities: u32::try_from(config.activities.len()).unwrap_or(u32::MAX),
        infrastructure: vortex_assembly::entitlement(config, 0, site.frequency),
        frequency: site.frequency,
        buses,
    });
    for index in 1..config.activities.len() {
        match grid.activities().create(vortex_assembly::entitlement(config, index, site.frequency))
        {
            Ok(activity) => site.activities.push(activity),
            Err(_) => site.problems.push((Place::default(), Problem::Activities)),
        }
    }
    let resumers = work::add(&mut site, &grid);
    let sources = sources::add(&mut site, &grid);
    let cores = cores(&mut site, &grid, options);
    if !site.problems.is_empty() {
        return Err(BuildError(site.problems));
    }
    let frequency = site.frequency;
    let (activities, tally) = (site.activities, site.tally);
    Ok(Built {
        config: config.clone(),
        frequency,
        duration: cycles(frequency, simulation.duration),
        simulation,
        grid,
        cores,
        sources,
        activities,
        resumers,
        agenda,
        tally,
    })
}

fn buses(site: &mut Site<'_>) -> Vec<BusSpec> {
    let mut buses = Vec::new();
    for stacked in &site.config.schedulers {
        let first = stacked.draws.first();
        let parent = first.map(vortex_assembly::parent);
        let scheduler = policies::stacked(site, stacked);
        if let (Some(parent), Some(scheduler)) = (parent, scheduler) {
            buses.push(BusSpec { name: stacked.tag.clone(), scheduler, parent });
        }
    }
    buses
}

fn cores(
    site: &mut Site<'_>,
    grid: &Arc<Grid<SimMessage>>,
    options: &Options,
) -> Vec<(Core<SimMessage, SimMachine>, Clock)> {
    let mut cores = Vec::new();
    for mux in &site.config.multiplexors {
        let Some(multiplexor) = policies::multiplexor(site, mux) else { continue };
        let Some(clock) = site.clocks.get(mux.core.index()).cloned() else { continue };
        let frequency = site.frequency;
        let machine = SimMachine { clock: clock.clone(), agenda: site.agenda.clone(), frequency };
        // A form of shares: where the policy has none, only those who request are clients.
        let charge_through = mux.shares == ShareForm::ChargeThrough && mux.algorithm.uses_shares;
        let spec = CoreSpec {
            charge_through,
            run_on: mux.run_on,
            sampling: Sampling {
                slow: Cycles::MAX,
                one_in: options.explain_one_in.next_power_of_two(),
            },
            patience: PATIENCE,
            timeslice: site.config.machine.timeslice,
            ..CoreSpec::new(mux.core, multiplexor)
        };
        cores.extend(Core::new(grid, machine, spec).map(|core| (core, clock)));
    }
    cores
}
