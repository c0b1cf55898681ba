//! A configuration that is changed while the machine runs: from an order to what the grid is to
//! do.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vortex_config::{
    At, Change, Config, Draw, Known, Metric, Place, Refusal, ResourceScheduler, Source,
    StackedScheduler, Terms, order,
};
use vortex_grid::policy::Scheduler;
use vortex_grid::{Class, Frequency, MULTIPLEXOR, Reach, Site, Standing};
use vortex_schedulers::Limit;
use vortex_units::{CoreId, Cycles, Share};

use crate::entitle::rate;
use crate::{PolicyError, known, limit_of};

/// The share of a resource that a configuration does not name, at each multiplexor.
pub const UNNAMED: u32 = 100;

/// What the grid is to do.
pub enum Deed {
    /// The activity in this place of the configuration has something else there.
    Grant(usize, Reach, vortex_grid::Terms),
    /// Another policy decides there.
    Renew(Site, Option<CoreId>, alloc::sync::Arc<dyn Scheduler>),
    /// It stands otherwise where it requests time.
    Stand(Site, Option<CoreId>, Standing),
}

/// The configuration as it is now.
pub struct Live {
    config: Config,
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
    let draw = |core: &CoreId| {
        let share = Share::from_units(UNNAMED).ok();
        Draw { from: Source::Multiplexor(*core), share, priority: None, place }
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
        Self { config, known, classes, limits, frequency }
    }

    /// What is to be done for an order, and what changes by that.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing is to be done.
    pub fn judge(&mut self, text: &str) -> Result<(Change, Vec<Deed>), Refusal> {
        let change = order(&self.config, &self.known, text)?;
        let wrong = |error| match error {
            PolicyError::Make(error) => Refusal::Wrong(error.to_string()),
            PolicyError::Field(field) => Refusal::Wrong(format!("no record has a '{field}'")),
        };
        let deeds = match &change {
            Change::Terms { activity, resource, core, terms } => {
                let class = resource.map(|at| self.class(at.index()));
                let class = class.unwrap_or(MULTIPLEXOR);
                let reach = core.map_or(Reach::At(class), |core| Reach::On(class, core));
                let metric = match resource.and_then(|at| self.config.resources.get(at.index())) {
                    Some(scheduler) => &scheduler.metric,
                    None => self.config.multiplexors.first().map_or(&Metric::Cycles, |m| &m.metric),
                };
                [Deed::Grant(activity.index(), reach, self.terms(terms, metric))].into()
            }
            // Of the configuration no more is copied than what is made anew (law 5).
            Change::Policy { at: At::Multiplexors, core, algorithm, params } => {
                let meant = |own| core.is_none_or(|core| core == own);
                let all = self.config.multiplexors.iter().filter(|own| meant(own.core));
                let renew = |own: &vortex_config::Multiplexor| {
                    let (algorithm, params) = (algorithm.clone(), params.clone());
                    let own = vortex_config::Multiplexor { algorithm, params, ..own.clone() };
                    let made = crate::multiplexor(&self.config, &own, self.frequency)?;
                    Ok(Deed::Renew(Site::Multiplexors, Some(own.core), made))
                };
                all.map(renew).collect::<Result<_, _>>().map_err(wrong)?
            }
            Change::Policy { at: At::Resource(at), algorithm, params, .. } => {
                let own = self.config.resources.get(at.index()).cloned();
                let (algorithm, params) = (algorithm.clone(), params.clone());
                let own = own.map(|own| ResourceScheduler { algorithm, params, ..own });
                let made = own.map(|own| crate::resource(&self.config, &own, self.frequency, None));
                let site = Site::Resource(self.class(at.index()));
                let made = made.transpose().map_err(wrong)?;
                made.into_iter().map(|made| Deed::Renew(site, None, made)).collect()
            }
            Change::Policy { at: At::Scheduler(at), algorithm, params, .. } => {
                let own = self.config.schedulers.get(at.index()).cloned();
                let (algorithm, params) = (algorithm.clone(), params.clone());
                let own = own.map(|own| StackedScheduler { algorithm, params, ..own });
                let made = own.map(|own| self.bus(at.index(), &own)).transpose();
                made.map_err(wrong)?.into_iter().collect()
            }
            Change::Limit(at, limit) => {
                let own = self.config.schedulers.get(at.index()).cloned();
                let own = own.map(|own| StackedScheduler { limit: *limit, ..own });
                let made = own.map(|own| self.bus(at.index(), &own)).transpose();
                made.map_err(wrong)?.into_iter().collect()
            }
            Change::Standing { at, core, share, priority } => {
                self.standings(*at, *core, (*share, *priority))
            }
        };
        Ok((change, deeds))
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
    }

    fn class(&self, resource: usize) -> Class {
        self.classes.get(resource).copied().unwrap_or(crate::class(resource))
    }

    /// Rates in the metric's own units.
    fn terms(&self, terms: &Terms, metric: &Metric) -> vortex_grid::Terms {
        let rate = |it: vortex_units::Rate| rate(it, metric, self.frequency);
        vortex_grid::Terms {
            share: terms.share,
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
        (share, priority): (Option<Share>, Option<u32>),
    ) -> Vec<Deed> {
        let (site, draws) = match at {
            At::Multiplexors => return Vec::new(),
            At::Resource(index) => {
                let written = self.config.resources.get(index.index());
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
            let share = share.or(draw.share).unwrap_or(Share::ONE);
            let priority = priority.or(draw.priority).unwrap_or(0);
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
