//! The driver: virtual time for all cores.
//!
//! A conservative discrete-event loop: whatever comes next anywhere happens next, a core's
//! step or something from outside. At equal times what comes from outside goes first, then
//! the core with the lowest number.

mod audit;
mod outside;
mod sampling;
mod unit;

use std::collections::BTreeMap;

use vortex_config::Config;
use vortex_grid::Refused;
use vortex_units::{ActivityId, Cycles};

use crate::agenda::Wish;
use crate::build::{Built, Options, build};
use crate::errors::{BuildError, Stuck};
use crate::report::{Audit, Report, Sample};
use outside::{Outside, What};
use unit::Unit;

/// Turns of one core without time passing after which it is stuck.
const STUCK: u32 = 1_000_000;

/// A simulation under way.
pub struct Simulator {
    pub(crate) built: Built,
    pub(crate) options: Options,
    pub(crate) units: Vec<Unit>,
    outside: Outside,
    steps: u64,
    pub(crate) audit: Audit,
    pub(crate) refusals: BTreeMap<(ActivityId, &'static str), u64>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) last_sample: (Cycles, Vec<Vec<Cycles>>),
    still: (usize, Cycles, u32),
}

impl Simulator {
    /// Builds the grid of the configuration.
    ///
    /// # Errors
    /// [`BuildError`] with all of the configuration that cannot be honoured.
    pub fn new(config: &Config, options: &Options) -> Result<Self, BuildError> {
        let mut built = build(config, options)?;
        let units: Vec<Unit> = std::mem::take(&mut built.cores)
            .into_iter()
            .map(|(core, clock)| Unit::new(core, clock))
            .collect();
        let none = vec![vec![Cycles::ZERO; built.activities.len()]; units.len()];
        let interval = crate::build::cycles(built.frequency, options.sample);
        let outside = Outside::new(&mut built.sources, interval);
        Ok(Self {
            built,
            options: options.clone(),
            units,
            outside,
            steps: 0,
            audit: Audit::default(),
            refusals: BTreeMap::new(),
            samples: Vec::new(),
            last_sample: (Cycles::ZERO, none),
            still: (0, Cycles::ZERO, 0),
        })
    }

    /// Runs to the end of the configured duration.
    ///
    /// # Errors
    /// [`Stuck`] if virtual time does not pass.
    pub fn run(mut self) -> Result<Report, Stuck> {
        let end = self.built.duration;
        while self.advance(end)? {}
        for unit in &mut self.units {
            unit.finish(end);
        }
        self.check();
        Ok(crate::report::report(self))
    }

    /// Lets the next thing happen, if it is before the end.
    fn advance(&mut self, end: Cycles) -> Result<bool, Stuck> {
        let units = self.units.iter().enumerate();
        let unit = units.filter_map(|(index, unit)| Some((unit.next()?, index))).min();
        let outside = self.outside.next();
        match (unit, outside) {
            (Some((at, index)), _) if at < end && outside.is_none_or(|other| at < other) => {
                self.step(index, at)?;
            }
            (_, Some(at)) if at < end => self.happen(at),
            _ => return Ok(false),
        }
        self.grant();
        Ok(true)
    }

    fn step(&mut self, index: usize, at: Cycles) -> Result<(), Stuck> {
        let Some(unit) = self.units.get_mut(index) else { return Ok(()) };
        let refusals = &mut self.refusals;
        unit.turn(at, |activity, why| {
            *refusals.entry((activity, reason(why))).or_default() += 1;
        });
        let now = unit.now();
        let (last, since, count) = self.still;
        let count = if (last, since) == (index, now) { count + 1 } else { 0 };
        self.still = (index, now, count);
        if count > STUCK {
            return Err(Stuck { core: unit.id(), at: now });
        }
        self.steps += 1;
        if self.steps.is_multiple_of(u64::from(self.options.audit_every.max(1))) {
            self.check();
        }
        Ok(())
    }

    /// Something comes from outside.
    fn happen(&mut self, at: Cycles) {
        let Some(what) = self.outside.take() else { return };
        match what {
            What::Sample => self.sample(at),
            What::Source(place) => {
                for (core, root) in self.outside.begin(&mut self.built.sources, place) {
                    if let Some(unit) = self.units.iter_mut().find(|unit| unit.id() == core) {
                        unit.bring(at, root);
                    }
                }
            }
            What::Resume(resource) => {
                let resumer = self.built.resumers.get(resource).and_then(Option::as_ref);
                if let Some(resumer) = resumer {
                    let agenda = &self.built.agenda;
                    resumer.resume(at, |core| agenda.poke(core, at));
                }
            }
        }
    }

    /// Passes on what the cores wished for.
    fn grant(&mut self) {
        for (at, wish) in self.built.agenda.take() {
            match wish {
                Wish::Poke(core) => {
                    if let Some(unit) = self.units.iter_mut().find(|unit| unit.id() == core) {
                        unit.poke(at);
                    }
                }
                Wish::Resume(resource) => self.outside.add(at, What::Resume(resource)),
            }
        }
    }
}

fn reason(why: Refused) -> &'static str {
    match why {
        Refused::NoSuchActivity => "no such activity",
        Refused::Dying => "the activity is dying",
        Refused::TooManyRequests => "too many requests",
        Refused::OverBudget => "debt at its cap",
        Refused::NoMemory => "no memory",
        Refused::NoSuchInstance => "no such resource",
        Refused::LabelConflict => "labels in conflict",
    }
}
