//! A scheduler on a core, and what an order makes of those who are its clients there.

use alloc::format;
use alloc::vec::Vec;

use vortex_units::{CoreId, Share};

use super::way::{self, Client, Moved, Rank, Seen};
use super::{Judged, Refusal, held, wrong};
use crate::change::NOWHERE;
use crate::read::rates::{ALL, OF_A_CORE, is_time};
use crate::{
    Activity, ActivityIndex, Algorithm, At, Change, Config, Draw, Metric, Place, ResourceIndex,
    ResourceScheduler, ShareForm, Source, UNNAMED,
};

/// What of a client a scheduler looks at.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    shares: bool,
    priorities: bool,
}

/// Such a place.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// `None`: the core's multiplexor.
    resource: Option<ResourceIndex>,
    core: CoreId,
    /// What others have reserved of its time.
    others: u64,
    /// Whether no scheduler would look at shares any more, or at priorities.
    nowhere: Looks,
    /// What is looked at, where the way of orders leads by; before and after the change.
    looks: Option<(Looks, Looks)>,
    rank: Rank,
}

impl Looks {
    fn at(self, share: impl FnOnce() -> u64, priority: impl FnOnce() -> u32) -> Seen {
        let share = self.shares.then(share);
        Seen { share, priority: self.priorities.then(priority) }
    }

    fn at_activity(self, own: &Activity, at: Option<ResourceIndex>, core: CoreId) -> Seen {
        self.at(|| own.share_at(at, core).hundredths().into(), || own.priority_at(at, core))
    }

    fn at_draw(self, draw: &Draw, place: Place) -> Seen {
        let usual = if place == NOWHERE { UNNAMED * 100 } else { Share::ONE.hundredths() };
        let share = || draw.share.map_or(usual, Share::hundredths).into();
        self.at(share, || draw.priority.unwrap_or(0))
    }
}

/// What a policy looks at, where all its clients stand beside each other.
fn looks(policy: &Algorithm, priorities: bool) -> Looks {
    let alone = !policy.uses_groups;
    Looks { shares: alone && policy.uses_shares, priorities: alone && priorities }
}

/// What no scheduler of which activities are clients would look at with another policy.
fn nowhere(config: &Config, change: &Change) -> Looks {
    let Change::Policy { at, core, algorithm, .. } = change else { return Looks::default() };
    let multiplexors = config.multiplexors.iter().map(|own| {
        let is = *at == At::Multiplexors && core.is_none_or(|core| core == own.core);
        if is { algorithm } else { &own.algorithm }
    });
    let resources =
        config.resources.iter().enumerate().filter(|(_, own)| own.resource != crate::THREAD);
    let resources = resources.map(|(place, own)| {
        let index = u32::try_from(place).ok().map(ResourceIndex);
        let is = index.is_some_and(|index| *at == At::Resource(index));
        if is { algorithm } else { &own.algorithm }
    });
    let (mut shares, mut priorities) = (true, true);
    for policy in multiplexors.chain(resources) {
        shares &= !policy.uses_shares;
        priorities &= !policy.uses_priority;
    }
    Looks { shares, priorities }
}

impl Spot {
    /// Those that a change is about.
    pub(super) fn all(
        config: &Config,
        change: &Change,
        new: Option<(usize, &Activity)>,
    ) -> Vec<Self> {
        let on = |resource: Option<ResourceIndex>, core: Option<CoreId>| -> Vec<_> {
            let cores = core.map_or_else(|| config.cores_of(resource), |core| [core].into());
            cores.into_iter().map(|core| (resource, core)).collect()
        };
        let places = match change {
            Change::Terms { resource, core, .. } => on(*resource, *core),
            Change::Policy { at: At::Resource(at), .. } => on(Some(*at), None),
            Change::Policy { at: At::Multiplexors, core, .. } => on(None, *core),
            Change::Everywhere { .. } => {
                // A resource is the same on all its cores, but where it was said otherwise.
                let first = |(place, own): (usize, &ResourceScheduler)| {
                    let core = own.cores.first().filter(|_| way::carries(&own.resource));
                    Some((u32::try_from(place).ok().map(ResourceIndex), *core?))
                };
                let resources = config.resources.iter().enumerate();
                let resources = resources.filter(|(_, own)| own.resource != crate::THREAD);
                on(None, None).into_iter().chain(resources.filter_map(first)).collect()
            }
            Change::Standing { at, core, .. } => {
                let of = config.draws_of(*at).iter().filter_map(|draw| match draw.from {
                    Source::Multiplexor(own) => Some((None, own)),
                    Source::Scheduler(_) => None,
                });
                of.filter(|(_, own)| core.is_none_or(|core| core == *own)).collect()
            }
            Change::Policy { at: At::Scheduler(_), .. } | Change::Limit(..) => Vec::new(),
        };
        places.into_iter().map(|place| Self::new(config, (change, new), place)).collect()
    }

    fn new(
        config: &Config,
        (change, new): (&Change, Option<(usize, &Activity)>),
        (resource, core): (Option<ResourceIndex>, CoreId),
    ) -> Self {
        let (rank, nowhere) = (Rank::default(), nowhere(config, change));
        let mut spot = Self { resource, core, others: 0, nowhere, looks: None, rank };
        let written = resource.and_then(|at| config.resources.get(at.index()));
        let multiplexor = config.multiplexor(core);
        let policy = match (resource, written, multiplexor) {
            (Some(_), Some(own), _) => &own.algorithm,
            (None, _, Some(own)) => &own.algorithm,
            _ => return spot,
        };
        if written.is_some_and(|own| !way::carries(&own.resource)) {
            return spot;
        }
        let own = looks(policy, policy.uses_priority);
        spot.looks = match change {
            Change::Policy { algorithm, .. } => {
                Some((own, looks(algorithm, algorithm.uses_priority)))
            }
            Change::Terms { terms, .. } => {
                let shares = own.shares && terms.share.is_some();
                let priorities = own.priorities && terms.priority.is_some();
                let own = Looks { shares, priorities };
                (shares || priorities).then_some((own, own))
            }
            Change::Everywhere { share, priority, .. } => {
                let shares = own.shares && share.is_some();
                let priorities = own.priorities && priority.is_some();
                let own = Looks { shares, priorities };
                (shares || priorities).then_some((own, own))
            }
            Change::Standing { share, priority, .. } => {
                let shares = own.shares && share.is_some();
                let priorities = own.priorities && priority.is_some();
                let own = Looks { shares, priorities };
                (shares || priorities).then_some((own, own))
            }
            Change::Limit(..) => None,
        };
        let own = new.and_then(|(index, new)| Some((index, config.activities.get(index)?, new)));
        if let (Some((before, after)), Some((index, own, new))) = (spot.looks, own) {
            spot.rank.moves(Moved {
                client: Client::Activity(index),
                is_of_way: way::is_of(index, own),
                before: before.at_activity(own, resource, core),
                after: after.at_activity(new, resource, core),
            });
        }
        // Under charge-through a resource is lent the turns of whom it works for.
        let alone = multiplexor
            .is_some_and(|own| own.shares == ShareForm::Paper || !own.algorithm.uses_shares);
        if resource.is_none() && alone {
            spot.count_draws(config, change);
        }
        spot
    }

    /// Resources, and schedulers between others, that request time here.
    fn count_draws(&mut self, config: &Config, change: &Change) {
        let Some((before, after)) = self.looks else { return };
        let from = Source::Multiplexor(self.core);
        let resources = config.resources.iter().enumerate().filter_map(|(place, own)| {
            let at = At::Resource(ResourceIndex(u32::try_from(place).ok()?));
            let named = own.resource != crate::THREAD;
            named.then_some((at, &own.draws, own.place, way::carries(&own.resource)))
        });
        let buses = config.schedulers.iter().enumerate().filter_map(|(place, own)| {
            let index = crate::SchedulerIndex(u32::try_from(place).ok()?);
            Some((At::Scheduler(index), &own.draws, own.place, way::bus_carries(config, index)))
        });
        let clients = resources.chain(buses).filter_map(|(at, draws, place, is_of_way)| {
            let draw = draws.iter().find(|draw| draw.from == from)?;
            let (is_own, changed) = match change {
                Change::Standing { at: own, share, priority, .. } if *own == at => {
                    let share = share.unwrap_or(draw.share);
                    (true, Draw { share, priority: priority.unwrap_or(draw.priority), ..*draw })
                }
                _ => (false, *draw),
            };
            let (before, after) = (before.at_draw(draw, place), after.at_draw(&changed, place));
            Some((is_own, Moved { client: Client::At(at), is_of_way, before, after }))
        });
        let clients: Vec<_> = clients.collect();
        if let Some((_, moved)) = clients.iter().find(|(is_own, _)| *is_own) {
            self.rank.moves(*moved);
        }
        for (_, it) in clients {
            self.rank.add(it.client, it.is_of_way, it.before, it.after);
        }
    }

    /// Looks at an activity, as it is and as it would be.
    pub(super) fn look(
        &mut self,
        config: &Config,
        change: &Change,
        (index, own, new): (usize, &Activity, &Activity),
    ) -> Judged<()> {
        let (resource, core) = (self.resource, self.core);
        if let Change::Policy { algorithm, .. } = change {
            kept(config, own, (resource, core), algorithm)?;
            self.looked_at_somewhere(own, index)?;
        }
        let is_changed = match change {
            Change::Terms { activity, .. } => activity.index() == index,
            _ => false,
        };
        if !is_changed {
            let reserved = own.reservation_at(resource, core).map_or(0, |rate| rate.get());
            self.others = self.others.saturating_add(reserved);
        }
        let Some((before, after)) = self.looks else { return Ok(()) };
        let before = before.at_activity(own, resource, core);
        let after = after.at_activity(new, resource, core);
        self.rank.add(Client::Activity(index), way::is_of(index, own), before, after);
        Ok(())
    }

    /// Whether what an activity has everywhere is looked at anywhere.
    fn looked_at_somewhere(&self, own: &Activity, index: usize) -> Judged<()> {
        let is_said = index > 0 || own.place.line > 0;
        let has = [
            ("share", is_said && own.share != Share::ONE, self.nowhere.shares),
            ("priority", own.priority != 0, self.nowhere.priorities),
        ];
        match has.into_iter().find(|(_, has, nowhere)| *has && *nowhere) {
            None => Ok(()),
            Some((knob, ..)) => held(format!(
                "'{}' has a {knob}, which no scheduler would look at then: expected none (at = all, \
                 {knob} = none) before the policy is another",
                own.name
            )),
        }
    }

    /// Judges what was seen.
    pub(super) fn judge(
        &self,
        config: &Config,
        change: &Change,
        new: Option<(ActivityIndex, &Activity)>,
    ) -> Judged<()> {
        if let (Change::Terms { .. }, Some((_, new))) = (change, new) {
            self.admit(config, new)?;
        }
        let name = self.resource.and_then(|at| config.resources.get(at.index()));
        let name = name.map_or("the processors", |own| own.resource.as_str());
        let place = format!("at {name} on {}", self.core);
        self.rank.judge(config, &place)
    }

    /// Whether what is reserved for an activity can be had beside the others'.
    fn admit(&self, config: &Config, new: &Activity) -> Judged<()> {
        let (resource, core) = (self.resource, self.core);
        let reservation = new.reservation_at(resource, core);
        let limit = resource.and_then(|resource| new.limit_at(resource, core));
        if let (Some(least), Some(most)) = (reservation, limit)
            && least > most
        {
            let what = format!("more would be reserved than the limit allows, on {core}");
            return wrong(format!("{what}: expected reservation ≤ limit"));
        }
        let metric = match resource {
            Some(at) => config.resources.get(at.index()).map(|own| &own.metric),
            None => config.multiplexor(core).map(|own| &own.metric),
        };
        let Some(own) = reservation.filter(|_| is_time(metric.unwrap_or(&Metric::Cycles))) else {
            return Ok(());
        };
        let most = if resource.is_some() { ALL } else { OF_A_CORE };
        let others = self.others;
        if others.saturating_add(own.get()) > most {
            let left = most.saturating_sub(others) / 100;
            return Err(Refusal::Full(format!(
                "others have reserved {}.{:02} % of {core}'s time there, of which {} % can be: at \
                 most {}.{:02} % is left",
                others / 10_000,
                others / 100 % 100,
                most / 10_000,
                left / 100,
                left % 100
            )));
        }
        Ok(())
    }
}

/// Whether what was said of an activity there means something to a policy too.
fn kept(
    config: &Config,
    activity: &Activity,
    (resource, core): (Option<ResourceIndex>, CoreId),
    policy: &Algorithm,
) -> Judged<()> {
    let own = config.policy_of(policy, activity.group);
    let all = activity.entitlements.iter();
    for row in all.filter(|row| row.resource == resource && row.core.is_none_or(|it| it == core)) {
        let has = [
            ("share", row.share.is_some(), own.uses_shares),
            ("priority", row.priority.is_some(), own.uses_priority),
            ("reservation", row.reservation.is_some(), own.uses_reservations),
            ("limit", row.limit.is_some(), own.uses_limits),
            ("period", row.period.is_some(), own.uses_periods),
        ];
        if let Some((knob, ..)) = has.into_iter().find(|(_, has, uses)| *has && !uses) {
            return held(format!(
                "'{}' has a {knob} there on {core}, which {} does not keep: expected none ({knob} = \
                 none) before the policy is another",
                activity.name, policy.name
            ));
        }
    }
    Ok(())
}
