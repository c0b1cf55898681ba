//! What an order changes of a configuration while the machine runs, and the configuration then.

use alloc::vec;
use alloc::vec::Vec;

use vortex_units::{CoreId, Micros, Rate, Share};

use crate::{
    Activity, ActivityIndex, Algorithm, Config, Draw, Entitlement, Metric, Parameter, Place,
    ResourceIndex, ResourceScheduler, SchedulerIndex, ShareForm, Source, limits,
};

/// Whose scheduler is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The CPU multiplexors.
    Multiplexors,
    /// A resource's.
    Resource(ResourceIndex),
    /// One between others.
    Scheduler(SchedulerIndex),
}

/// What an activity is to have at a scheduler; nothing of what is to stay. `Some(None)`: what was
/// said of that place is said no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Its share.
    pub share: Option<Option<Share>>,
    /// Its priority.
    pub priority: Option<Option<u32>>,
    /// What is reserved for it, or that nothing is.
    pub reservation: Option<Option<Rate>>,
    /// What it has at most, or that this is not limited.
    pub limit: Option<Option<Rate>>,
    /// Within what time it is to be served, or that nothing is said of that.
    pub period: Option<Option<Micros>>,
}

/// A sound change of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Of what an activity has: at a resource, or at the multiplexors.
    Terms {
        /// Whose.
        activity: ActivityIndex,
        /// Where; `None`: at the multiplexors.
        resource: Option<ResourceIndex>,
        /// On this core; on all if `None`.
        core: Option<CoreId>,
        /// What.
        terms: Terms,
    },
    /// Of what an activity has everywhere, whatever was said of one place before.
    Everywhere {
        /// Whose.
        activity: ActivityIndex,
        /// Its share; as where none is written, if none.
        share: Option<Option<Share>>,
        /// Its priority, likewise.
        priority: Option<Option<u32>>,
    },
    /// Of a scheduler's policy.
    Policy {
        /// Whose.
        at: At,
        /// Of this core's multiplexor; of all if `None`.
        core: Option<CoreId>,
        /// By which it decides.
        algorithm: Algorithm,
        /// The policy's own entries.
        params: Vec<Parameter>,
    },
    /// Of how a resource or a scheduler stands where it requests time.
    Standing {
        /// Whose.
        at: At,
        /// On this core; on all if `None`.
        core: Option<CoreId>,
        /// Its share; as where none is written, if none.
        share: Option<Option<Share>>,
        /// Its priority, likewise.
        priority: Option<Option<u32>>,
    },
    /// Of what all clients of a scheduler between others have together; `None`: no limit.
    Limit(SchedulerIndex, Option<Rate>),
}

impl Activity {
    /// The same with these terms on some of the cores that the scheduler has. In a time that grows
    /// with what is said of it and with the cores, not with their product.
    fn with(
        &self,
        resource: Option<ResourceIndex>,
        (all, meant): (&[CoreId], Option<CoreId>),
        terms: &Terms,
    ) -> Self {
        let mut changed = self.clone();
        changed.entitlements.retain(|it| it.resource != resource);
        // What is said of all cores is said of each: one of them may have something else now.
        let (mut general, mut of_cores) = (None, vec![None; usize::from(limits::CORES)]);
        for own in self.entitlements.iter().filter(|it| it.resource == resource) {
            match own.core {
                None => general = Some(*own),
                Some(core) => {
                    if let Some(place) = of_cores.get_mut(core.index()) {
                        *place = Some(*own);
                    }
                }
            }
        }
        for &core in all {
            let said = of_cores.get(core.index()).copied().flatten();
            let mut row = Entitlement { resource, core: Some(core), ..nothing(self.place) };
            for from in [said, general].into_iter().flatten() {
                row.share = row.share.or(from.share);
                row.priority = row.priority.or(from.priority);
                row.reservation = row.reservation.or(from.reservation);
                row.limit = row.limit.or(from.limit);
                row.period = row.period.or(from.period);
            }
            if meant.is_none_or(|meant| meant == core) {
                row.share = terms.share.unwrap_or(row.share);
                row.priority = terms.priority.unwrap_or(row.priority);
                row.reservation = terms.reservation.unwrap_or(row.reservation);
                row.limit = terms.limit.unwrap_or(row.limit);
                row.period = terms.period.unwrap_or(row.period);
            }
            changed.entitlements.extend(row.says_anything().then_some(row));
        }
        changed
    }

    /// What is reserved for it at these, on all their cores.
    pub(crate) fn reserved_at(&self, all: &[(ResourceIndex, &ResourceScheduler)]) -> u64 {
        let on_cores = |(index, own): &(ResourceIndex, &ResourceScheduler)| {
            let on = |core: &CoreId| self.reservation_at(Some(*index), *core);
            let rates = own.cores.iter().filter_map(on).map(Rate::get);
            rates.fold(0, u64::saturating_add)
        };
        all.iter().map(on_cores).fold(0, u64::saturating_add)
    }

    /// The same with another share, or priority, everywhere.
    fn with_everywhere(&self, share: Option<Option<Share>>, priority: Option<Option<u32>>) -> Self {
        let mut changed = self.clone();
        for row in &mut changed.entitlements {
            row.share = row.share.filter(|_| share.is_none());
            row.priority = row.priority.filter(|_| priority.is_none());
        }
        changed.entitlements.retain(Entitlement::says_anything);
        if let Some(share) = share {
            changed.share = share.unwrap_or(Share::ONE);
        }
        if let Some(priority) = priority {
            changed.priority = priority.unwrap_or(0);
        }
        changed
    }
}

impl Entitlement {
    fn says_anything(&self) -> bool {
        let Self { share, priority, reservation, limit, period, .. } = self;
        share.is_some()
            || priority.is_some()
            || reservation.is_some()
            || limit.is_some()
            || period.is_some()
    }
}

fn nothing(place: Place) -> Entitlement {
    Entitlement {
        resource: None,
        core: None,
        share: None,
        priority: None,
        reservation: None,
        limit: None,
        period: None,
        place,
    }
}

impl Config {
    /// The cores that a scheduler of which activities are clients has.
    pub(crate) fn cores_of(&self, resource: Option<ResourceIndex>) -> Vec<CoreId> {
        match resource.and_then(|resource| self.resources.get(resource.index())) {
            Some(scheduler) => scheduler.cores.clone(),
            None => self.multiplexors.iter().map(|multiplexor| multiplexor.core).collect(),
        }
    }

    /// What the activity of which a change is would be with it, if it is of one.
    pub(crate) fn changed_activity(&self, change: &Change) -> Option<(ActivityIndex, Activity)> {
        match change {
            Change::Terms { activity, resource, core, terms } => {
                let all = self.cores_of(*resource);
                let own = self.activities.get(activity.index())?;
                Some((*activity, own.with(*resource, (&all, *core), terms)))
            }
            Change::Everywhere { activity, share, priority } => {
                let own = self.activities.get(activity.index())?;
                Some((*activity, own.with_everywhere(*share, *priority)))
            }
            Change::Policy { .. } | Change::Standing { .. } | Change::Limit(..) => None,
        }
    }

    /// What the requests of a scheduler for time are.
    pub(crate) fn draws_of(&self, at: At) -> &[crate::Draw] {
        match at {
            At::Multiplexors => &[],
            At::Resource(index) => self.resources.get(index.index()).map_or(&[], |it| &it.draws),
            At::Scheduler(index) => self.schedulers.get(index.index()).map_or(&[], |it| &it.draws),
        }
    }

    /// The resources that draw from a scheduler and count bytes or requests as it does.
    pub(crate) fn beneath(
        &self,
        index: SchedulerIndex,
    ) -> impl Iterator<Item = (ResourceIndex, &ResourceScheduler)> {
        let bus = self.schedulers.get(index.index());
        let metric = bus.map(|bus| &bus.metric);
        let metric = metric.filter(|it| matches!(it, Metric::Bytes | Metric::Requests));
        let all = self.resources.iter().enumerate();
        all.filter_map(move |(place, resource)| {
            let draws = |draw: &Draw| draw.from == Source::Scheduler(index);
            let is = metric == Some(&resource.metric) && resource.draws.iter().any(draws);
            is.then_some((ResourceIndex(u32::try_from(place).ok()?), resource))
        })
    }

    /// What activities have reserved of bytes or requests, on all cores, at the resources that
    /// draw from a scheduler and count as it does.
    ///
    /// One of the activities is as it would be.
    pub(crate) fn reserved_beneath(
        &self,
        index: SchedulerIndex,
        new: Option<(ActivityIndex, &Activity)>,
    ) -> u64 {
        let beneath: Vec<_> = self.beneath(index).collect();
        let all = self.activities.iter().enumerate().map(|(place, own)| {
            let new = new.filter(|(index, _)| index.index() == place);
            new.map_or(own, |(_, new)| new).reserved_at(&beneath)
        });
        all.fold(0, u64::saturating_add)
    }

    /// The configuration as it is from now on.
    pub fn change(&mut self, change: &Change) {
        match change {
            Change::Terms { .. } | Change::Everywhere { .. } => {
                if let Some((activity, new)) = self.changed_activity(change)
                    && let Some(place) = self.activities.get_mut(activity.index())
                {
                    *place = new;
                }
            }
            Change::Policy { at, core, algorithm, params } => {
                let new = || (algorithm.clone(), params.clone());
                match at {
                    At::Multiplexors => {
                        let meant = |own| core.is_none_or(|core| core == own);
                        for mux in self.multiplexors.iter_mut().filter(|mux| meant(mux.core)) {
                            // What was not charged through from the beginning is not so now.
                            if !mux.algorithm.uses_shares {
                                mux.shares = ShareForm::Paper;
                            }
                            (mux.algorithm, mux.params) = new();
                        }
                    }
                    At::Resource(index) => {
                        if let Some(place) = self.resources.get_mut(index.index()) {
                            (place.algorithm, place.params) = new();
                        }
                    }
                    At::Scheduler(index) => {
                        if let Some(place) = self.schedulers.get_mut(index.index()) {
                            (place.algorithm, place.params) = new();
                            place.algorithm.work_conserving &= place.limit.is_none();
                        }
                    }
                }
            }
            Change::Standing { at, core, share, priority } => {
                let draws = match at {
                    At::Multiplexors => None,
                    At::Resource(index) => {
                        self.resources.get_mut(index.index()).map(|it| &mut it.draws)
                    }
                    At::Scheduler(index) => {
                        self.schedulers.get_mut(index.index()).map(|it| &mut it.draws)
                    }
                };
                let meant = |from| match (core, from) {
                    (Some(core), Source::Multiplexor(own)) => *core == own,
                    _ => true,
                };
                let draws = draws.into_iter().flatten().filter(|draw| meant(draw.from));
                for draw in draws {
                    draw.share = share.unwrap_or(draw.share);
                    draw.priority = priority.unwrap_or(draw.priority);
                }
            }
            Change::Limit(index, limit) => {
                if let Some(place) = self.schedulers.get_mut(index.index()) {
                    place.limit = *limit;
                }
            }
        }
    }
}

/// The share of a resource that a configuration does not name, at each multiplexor.
pub const UNNAMED: u32 = 100;

/// Where nothing of a file is written.
pub(crate) const NOWHERE: Place = Place { line: 0, column: 0 };
