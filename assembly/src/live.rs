//! A configuration that is changed while the machine runs: from an order to what the grid is to
//! do.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vortex_config::{
    At, Change, Config, Draw, Judging, Known, Metric, Multiplexor, Place, Refusal,
    ResourceScheduler, Source, StackedScheduler, Terms, order,
};
use vortex_grid::policy::Scheduler;
use vortex_grid::{Class, Frequency, MULTIPLEXOR, Reach, Site, Standing};
use vortex_schedulers::Limit;
use vortex_units::{CoreId, Cycles, Share};

use crate::entitle::rate;
use crate::{PolicyError, known, limit_of};

pub use vortex_config::UNNAMED;

/// Entries of activities that one step of a judgement looks at, and multiplexors for which it makes
/// policies: some 20,000 instructions (law 5).
const ENTRIES: usize = 800;
const MADE: usize = 4;

/// What the grid is to do.
pub enum Deed {
    /// The activity in this place of the configuration has something else there.
    Grant(usize, Reach, vortex_grid::Terms),
    /// Another policy decides there.
    Renew(Site, Option<CoreId>, alloc::sync::Arc<dyn Scheduler>),
    /// It stands otherwise where it requests time.
    Stand(Site, Option<CoreId>, Standing),
}

/// An order on its way.
#[derive(Default)]
pub struct Ordered {
    /// By what configuration it is judged.
    version: u64,
    stage: Stage,
}

#[derive(Default)]
enum Stage {
    #[default]
    Unread,
    /// It is held against what all activities have.
    Judging(Box<Judging>),
    /// It is sound, and what is to be done is being made.
    Making(Change, Vec<Deed>),
}

/// The configuration as it is now.
pub struct Live {
    config: Config,
    /// How often it was changed.
    version: u64,
    known: Known,
    /// Of each resource.
    classes: Vec<Class>,
    /// Around each scheduler between others.
    limits: Vec<Option<Limit>>,
    frequency: Frequency,
}

/// What a resource counts, where the configuration does not name it: of data, bytes.
#[must_use]
pub fn metric_of(name: &str) -> Metric {
    const OF_BYTES: [&str; 7] = [
        "resource.storage",
        "resource.scsi",
        "resource.sdrwr",
        "resource.drwr",
        "resource.dwr",
        "resource.ndrr",
        "resource.ndwr",
    ];
    if OF_BYTES.contains(&name) { Metric::Bytes } else { Metric::Cycles }
}

/// A resource's scheduler where the configuration does not name it, on these cores: fair.
fn unnamed(name: &str, cores: Vec<CoreId>, known: &Known) -> Option<ResourceScheduler> {
    let policy = known.policies.iter().find(|policy| policy.name == "propshare.wfq")?;
    let place = Place::default();
    // What it counts as there is not said ([`UNNAMED`]).
    let draw = |core: &CoreId| Draw {
        from: Source::Multiplexor(*core),
        share: None,
        priority: None,
        place,
    };
    Some(ResourceScheduler {
        resource: name.into(),
        algorithm: policy.algorithm(),
        metric: metric_of(name),
        load_sharing: vortex_config::LoadSharing::FewestBound { ttl: None },
        params: Vec::new(),
        batch: 1,
        favours: None,
        draws: cores.iter().map(draw).collect(),
        cores,
        place,
    })
}

impl Live {
    /// Of a machine that has begun with this configuration, with these resources on its grid, and
    /// with these limits around its schedulers between others.
    #[must_use]
    pub fn new(
        mut config: Config,
        resources: Vec<(String, Class, Vec<CoreId>)>,
        limits: Vec<Option<Limit>>,
        frequency: Frequency,
    ) -> Self {
        let known = known();
        let mut classes: Vec<Class> = (0..config.resources.len()).map(crate::class).collect();
        for (name, class, cores) in resources {
            let named = config.resources.iter().any(|own| own.resource == name);
            if !named && let Some(written) = unnamed(&name, cores, &known) {
                config.resources.push(written);
                classes.push(class);
            }
        }
        Self { config, version: 0, known, classes, limits, frequency }
    }

    /// Goes on with an order; what is to be done for it in the end, and what changes by that. In
    /// steps, so that one takes a bounded time whatever the configuration has (law 5). Where another
    /// order was carried out meanwhile, this one is judged anew.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing is to be done.
    pub fn step(
        &mut self,
        text: &str,
        ordered: &mut Ordered,
    ) -> Result<Option<(Change, Vec<Deed>)>, Refusal> {
        if ordered.version != self.version {
            *ordered = Ordered { version: self.version, stage: Stage::Unread };
        }
        ordered.stage = match core::mem::take(&mut ordered.stage) {
            Stage::Unread => Stage::Judging(Box::new(order(&self.config, &self.known, text)?)),
            Stage::Judging(mut judging) => match judging.step(&self.config, ENTRIES)? {
                false => Stage::Judging(judging),
                true => Stage::Making(judging.change().clone(), Vec::new()),
            },
            Stage::Making(change, mut made) => match self.make(&change, &mut made)? {
                false => Stage::Making(change, made),
                true => return Ok(Some((change, made))),
            },
        };
        Ok(None)
    }

    /// Makes more of what is to be done for a change; whether that is all.
    fn make(&mut self, change: &Change, made: &mut Vec<Deed>) -> Result<bool, Refusal> {
        let wrong = |error| match error {
            PolicyError::Make(error) => Refusal::Wrong(error.to_string()),
            PolicyError::Field(field) => Refusal::Wrong(format!("no record has a '{field}'")),
        };
        match change {
            Change::Terms { activity, resource, core, terms } => {
                let class = resource.map(|at| self.class(at.index()));
                let class = class.unwrap_or(MULTIPLEXOR);
                let reach = core.map_or(Reach::At(class), |core| Reach::On(class, core));
                let metric = match resource.and_then(|at| self.config.resources.get(at.index())) {
                    Some(scheduler) => &scheduler.metric,
                    None => self.config.multiplexors.first().map_or(&Metric::Cycles, |m| &m.metric),
                };
                let terms = self.terms(activity.index(), terms, metric);
                made.push(Deed::Grant(activity.index(), reach, terms));
            }
            Change::Everywhere { activity, share, priority } => {
                let share = share.map(|share| share.unwrap_or(Share::ONE));
                let priority = priority.map(|priority| priority.unwrap_or(0));
                let terms = vortex_grid::Terms { share, priority, ..Default::default() };
                made.push(Deed::Grant(activity.index(), Reach::Everywhere, terms));
            }
            // Of the configuration no more is copied than what is made anew (law 5).
            Change::Policy { at: At::Multiplexors, core, algorithm, params } => {
                let meant = |own: &&Multiplexor| core.is_none_or(|core| core == own.core);
                let all = self.config.multiplexors.iter().filter(meant);
                for own in all.clone().skip(made.len()).take(MADE) {
                    let (algorithm, params) = (algorithm.clone(), params.clone());
                    let own = Multiplexor { algorithm, params, ..own.clone() };
                    let policy = crate::multiplexor(&self.config, &own, self.frequency);
                    let policy = policy.map_err(wrong)?;
                    made.push(Deed::Renew(Site::Multiplexors, Some(own.core), policy));
                }
                return Ok(made.len() >= all.count());
            }
            Change::Policy { at: At::Resource(at), algorithm, params, .. } => {
                let own = self.config.resources.get(at.index()).cloned();
                let (algorithm, params) = (algorithm.clone(), params.clone());
                let own = own.map(|own| ResourceScheduler { algorithm, params, ..own });
                let policy =
                    own.map(|own| crate::resource(&self.config, &own, self.frequency, None));
                let site = Site::Resource(self.class(at.index()));
                let policy = policy.transpose().map_err(wrong)?;
                made.extend(policy.map(|policy| Deed::Renew(site, None, policy)));
            }
            Change::Policy { at: At::Scheduler(at), algorithm, params, .. } => {
                let own = self.config.schedulers.get(at.index()).cloned();
                let (algorithm, params) = (algorithm.clone(), params.clone());
                let own = own.map(|own| StackedScheduler { algorithm, params, ..own });
                let deed = own.map(|own| self.bus(at.index(), &own)).transpose();
                made.extend(deed.map_err(wrong)?);
            }
            Change::Limit(at, limit) => {
                let own = self.config.schedulers.get(at.index()).cloned();
                let own = own.map(|own| StackedScheduler { limit: *limit, ..own });
                let deed = own.map(|own| self.bus(at.index(), &own)).transpose();
                made.extend(deed.map_err(wrong)?);
            }
            Change::Standing { at, core, share, priority } => {
                made.extend(self.standings(*at, *core, (*share, *priority)));
            }
        }
        Ok(true)
    }

    /// A change is carried out.
    pub fn keep(&mut self, change: &Change, now: Cycles) {
        if let Change::Limit(at, limit) = change
            && let Some(place) = self.limits.get_mut(at.index())
        {
            match limit {
                None => *place = None,
                Some(rate) => {
                    if let Some(own) = place {
                        own.set(*rate, now);
                    }
                }
            }
        }
        self.config.change(change);
        self.version += 1;
    }

    /// What it says now of schedulers, and of what is reserved and limited there; activities have
    /// these numbers, in its order.
    #[must_use]
    pub fn said(&self, numbers: &[u32]) -> vortex_abi::performance::Said {
        crate::said::said(&self.config, numbers)
    }

    fn class(&self, resource: usize) -> Class {
        self.classes.get(resource).copied().unwrap_or(crate::class(resource))
    }

    /// Rates in the metric's own units; what is said no more is what the activity has everywhere.
    fn terms(&self, activity: usize, terms: &Terms, metric: &Metric) -> vortex_grid::Terms {
        let rate = |it: vortex_units::Rate| rate(it, metric, self.frequency);
        let own = self.config.activities.get(activity);
        let usual = own.map_or((Share::ONE, 0), |own| (own.share, own.priority));
        vortex_grid::Terms {
            share: terms.share.map(|share| share.unwrap_or(usual.0)),
            priority: terms.priority.map(|priority| priority.unwrap_or(usual.1)),
            reservation: terms.reservation.map(|it| it.map(rate)),
            limit: terms.limit.map(|it| it.map(rate)),
            period: terms.period,
        }
    }

    /// A scheduler between others, with what is around it: the same as before, if anything was.
    fn bus(&mut self, at: usize, bus: &StackedScheduler) -> Result<Deed, PolicyError> {
        let around = self.limits.get(at).cloned().flatten().filter(|_| bus.limit.is_some());
        let around = around.or_else(|| limit_of(bus, self.frequency));
        let made = crate::stacked(bus, around.as_ref(), self.frequency)?;
        if let Some(place) = self.limits.get_mut(at)
            && place.is_none()
        {
            *place = around;
        }
        Ok(Deed::Renew(Site::Bus(at), None, made))
    }

    /// How a resource, or a scheduler between others, is to stand.
    fn standings(
        &self,
        at: At,
        core: Option<CoreId>,
        (share, priority): (Option<Option<Share>>, Option<Option<u32>>),
    ) -> Vec<Deed> {
        let mut usual = Share::ONE;
        let (site, draws) = match at {
            At::Multiplexors => return Vec::new(),
            At::Resource(index) => {
                let written = self.config.resources.get(index.index());
                if written.is_some_and(|written| written.place == Place::default()) {
                    usual = Share::from_units(UNNAMED).unwrap_or(usual);
                }
                let site = Site::Resource(self.class(index.index()));
                (site, written.map_or(&[][..], |written| &written.draws))
            }
            At::Scheduler(index) => {
                let written = self.config.schedulers.get(index.index());
                // It stands alike on all its cores.
                let draws = written.and_then(|written| written.draws.get(..1)).unwrap_or(&[]);
                (Site::Bus(index.index()), draws)
            }
        };
        let stand = |draw: &Draw| {
            let on = match (site, draw.from) {
                (Site::Resource(_), Source::Multiplexor(own)) => Some(own),
                _ => None,
            };
            let share = share.unwrap_or(draw.share).unwrap_or(usual);
            let priority = priority.unwrap_or(draw.priority).unwrap_or(0);
            Deed::Stand(site, on, Standing { share, priority })
        };
        let meant = |draw: &&Draw| match (core, draw.from) {
            (Some(core), Source::Multiplexor(own)) => core == own,
            _ => true,
        };
        draws.iter().filter(meant).map(stand).collect()
    }
}

#[cfg(test)]
mod tests;
