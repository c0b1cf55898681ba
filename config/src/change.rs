//! What an order changes of a configuration while the machine runs, and the configuration then.

use alloc::vec::Vec;

use vortex_units::{CoreId, Micros, Rate, Share};

use crate::{
    Activity, ActivityIndex, Algorithm, Config, Entitlement, Metric, Parameter, Place,
    ResourceIndex, SchedulerIndex, ShareForm, Source,
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

/// What an activity is to have at a scheduler; nothing of what is to stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Its share.
    pub share: Option<Share>,
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
        /// Its share.
        share: Option<Share>,
        /// Its priority.
        priority: Option<u32>,
    },
    /// Of what all clients of a scheduler between others have together; `None`: no limit.
    Limit(SchedulerIndex, Option<Rate>),
}

impl Activity {
    /// The same with these terms on some of the cores that the scheduler has.
    fn with(
        &self,
        resource: Option<ResourceIndex>,
        (all, meant): (&[CoreId], &[CoreId]),
        terms: &Terms,
    ) -> Self {
        let mut changed = self.clone();
        // What is said of all cores is said of each: one of them may have something else now.
        changed.entitlements.retain(|it| it.resource != resource || it.core.is_some());
        for &core in all {
            let has = &self.entitlements;
            let said = |wanted| has.iter().any(|it| it.resource == resource && it.core == wanted);
            let new = terms_of(self, resource, core);
            let new = if meant.contains(&core) { new.changed(terms) } else { new };
            if new == Terms::default() && !said(Some(core)) && !said(None) {
                continue;
            }
            let share = said(Some(core)).then(|| self.share_at(resource, core));
            let share = new.share.or(share);
            let priority = said(Some(core)).then(|| self.priority_at(resource, core));
            let own = Some(core);
            changed.entitlements.retain(|it| it.resource != resource || it.core != own);
            changed.entitlements.push(Entitlement {
                resource,
                core: Some(core),
                share,
                priority,
                reservation: new.reservation.flatten(),
                limit: new.limit.flatten(),
                period: new.period.flatten(),
                place: self.place,
            });
        }
        changed
    }
}

/// What an activity has there now.
fn terms_of(activity: &Activity, resource: Option<ResourceIndex>, core: CoreId) -> Terms {
    Terms {
        share: None,
        reservation: activity.reservation_at(resource, core).map(Some),
        limit: resource.and_then(|at| activity.limit_at(at, core)).map(Some),
        period: activity.period_at(resource, core).map(Some),
    }
}

impl Terms {
    fn changed(self, by: &Self) -> Self {
        Self {
            share: by.share.or(self.share),
            reservation: by.reservation.or(self.reservation),
            limit: by.limit.or(self.limit),
            period: by.period.or(self.period),
        }
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

    /// What an activity would be with these terms.
    pub(crate) fn with_terms(
        &self,
        activity: ActivityIndex,
        resource: Option<ResourceIndex>,
        core: Option<CoreId>,
        terms: &Terms,
    ) -> Option<Activity> {
        let all = self.cores_of(resource);
        let meant: Vec<CoreId> = match core {
            Some(core) => [core].into(),
            None => all.clone(),
        };
        Some(self.activities.get(activity.index())?.with(resource, (&all, &meant), terms))
    }

    /// What the requests of a scheduler for time are.
    pub(crate) fn draws_of(&self, at: At) -> &[crate::Draw] {
        match at {
            At::Multiplexors => &[],
            At::Resource(index) => self.resources.get(index.index()).map_or(&[], |it| &it.draws),
            At::Scheduler(index) => self.schedulers.get(index.index()).map_or(&[], |it| &it.draws),
        }
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
        let Some(bus) = self.schedulers.get(index.index()) else { return 0 };
        let resources = self.resources.iter().enumerate();
        let beneath = resources.filter(|(_, resource)| {
            resource.metric == bus.metric
                && matches!(bus.metric, Metric::Bytes | Metric::Requests)
                && resource.draws.iter().any(|draw| draw.from == Source::Scheduler(index))
        });
        let of = |(place, resource): (usize, &crate::ResourceScheduler)| {
            let at = u32::try_from(place).ok().map(ResourceIndex);
            let on = |core: &CoreId| {
                let all = self.activities.iter().enumerate().filter_map(|(place, own)| {
                    let new = new.filter(|(index, _)| index.index() == place);
                    new.map_or(own, |(_, new)| new).reservation_at(at, *core)
                });
                all.map(Rate::get).fold(0, u64::saturating_add)
            };
            resource.cores.iter().map(on).fold(0, u64::saturating_add)
        };
        beneath.map(of).fold(0, u64::saturating_add)
    }

    /// The configuration as it is from now on.
    pub fn change(&mut self, change: &Change) {
        match change {
            Change::Terms { activity, resource, core, terms } => {
                let new = self.with_terms(*activity, *resource, *core, terms);
                if let (Some(new), Some(place)) = (new, self.activities.get_mut(activity.index())) {
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
                    draw.share = share.or(draw.share);
                    draw.priority = priority.or(draw.priority);
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

/// Where nothing of a file is written.
pub(crate) const NOWHERE: Place = Place { line: 0, column: 0 };
