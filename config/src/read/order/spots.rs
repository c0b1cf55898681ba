//! A scheduler on a core, and what an order makes of those who are its clients there.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use vortex_units::{CoreId, Share};

use super::exchange::{LookedAt, kept};
use super::way::{self, Client, Moved, Rank, Seen};
use super::{Judged, Refusal, wrong};
use crate::change::NOWHERE;
use crate::read::rates::{ALL, OF_A_CORE, is_time};
use crate::{
    Activity, Algorithm, At, Change, Config, Draw, Metric, Place, ResourceIndex, ResourceScheduler,
    SchedulerIndex, ShareForm, Source, UNNAMED, limits,
};

/// What of a client a scheduler looks at.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    shares: bool,
    priorities: bool,
}

/// Where such a scheduler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// The core's multiplexor.
    Core(CoreId),
    /// A resource's on a core.
    Resource(ResourceIndex, CoreId),
    /// One between others, on all its cores.
    Bus(SchedulerIndex),
}

/// What there is to be looked at for an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) config: &'a Config,
    pub(super) change: &'a Change,
    /// The activity that it is about, as it would be.
    pub(super) new: Option<(usize, &'a Activity)>,
    /// Which schedulers between others carry orders.
    pub(super) carrying: &'a [bool],
    /// What is looked at anywhere with another policy, if it is of one.
    pub(super) looked_at: Option<&'a LookedAt>,
}

/// Such a place.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    at: Where,
    /// What others have reserved of its time.
    reserved: u64,
    /// What is looked at, where the way of orders leads by; before and after the change.
    looks: Option<(Looks, Looks)>,
    rank: Rank,
    /// Whether a resource is lent the turns of whom it works for here. What it has itself is then
    /// for those who lend nothing, as for packets of which it is not known yet whose they are: it
    /// is held against what activities have, and they not against what others might lend.
    is_lent: bool,
    /// How many of the resources, and schedulers between others, are looked at as its clients.
    counted: usize,
    /// On which cores something was said that differs, where one core stands for all.
    said: Vec<bool>,
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
fn looks(policy: &Algorithm) -> Looks {
    let alone = !policy.uses_groups;
    Looks { shares: alone && policy.uses_shares, priorities: alone && policy.uses_priority }
}

impl Where {
    /// Those that a change is about.
    pub(super) fn all(config: &Config, change: &Change, carrying: &[bool]) -> Vec<Self> {
        let on = |resource: Option<ResourceIndex>, core: Option<CoreId>| -> Vec<_> {
            let cores = core.map_or_else(|| config.cores_of(resource), |core| [core].into());
            let at = |core| resource.map_or(Self::Core(core), |own| Self::Resource(own, core));
            cores.into_iter().map(at).collect()
        };
        let bus = |bus: SchedulerIndex| {
            let carries = carrying.get(bus.index()).is_some_and(|carries| *carries);
            carries.then_some(Self::Bus(bus))
        };
        match change {
            Change::Terms { resource, core, .. } => on(*resource, *core),
            Change::Policy { at: At::Resource(at), .. } => on(Some(*at), None),
            Change::Policy { at: At::Multiplexors, core, .. } => on(None, *core),
            Change::Policy { at: At::Scheduler(own), .. } => bus(*own).into_iter().collect(),
            Change::Everywhere { .. } => {
                // A resource is the same on all its cores, but where it was said otherwise: these
                // come when that is known ([`Spot::others`]).
                let first = |(place, own): (usize, &ResourceScheduler)| {
                    let core = own.cores.first().filter(|_| way::carries(&own.resource))?;
                    Some(Self::Resource(u32::try_from(place).ok().map(ResourceIndex)?, *core))
                };
                let resources = config.resources.iter().enumerate();
                let resources = resources.filter(|(_, own)| own.resource != crate::THREAD);
                on(None, None).into_iter().chain(resources.filter_map(first)).collect()
            }
            Change::Standing { at, core, .. } => {
                let of = config.draws_of(*at).iter().filter_map(|draw| match draw.from {
                    Source::Multiplexor(own) => {
                        core.is_none_or(|core| core == own).then_some(Self::Core(own))
                    }
                    Source::Scheduler(own) => bus(own),
                });
                of.collect()
            }
            Change::Limit(own, _) => bus(*own).into_iter().collect(),
        }
    }

    fn source(self) -> Option<Source> {
        match self {
            Self::Core(core) => Some(Source::Multiplexor(core)),
            Self::Bus(bus) => Some(Source::Scheduler(bus)),
            Self::Resource(..) => None,
        }
    }

    /// Where activities are clients.
    fn of_activities(self) -> Option<(Option<ResourceIndex>, CoreId)> {
        match self {
            Self::Core(core) => Some((None, core)),
            Self::Resource(resource, core) => Some((Some(resource), core)),
            Self::Bus(_) => None,
        }
    }

    /// Whether it is a resource's first core, which stands for those where nothing else is said.
    fn stands_for_others(self, config: &Config, change: &Change) -> bool {
        let (Self::Resource(at, core), Change::Everywhere { .. }) = (self, change) else {
            return false;
        };
        config.resources.get(at.index()).is_some_and(|own| own.cores.first() == Some(&core))
    }

    fn charges_through(self, config: &Config) -> bool {
        let Self::Core(core) = self else { return false };
        config
            .multiplexor(core)
            .is_some_and(|own| own.shares == ShareForm::ChargeThrough && own.algorithm.uses_shares)
    }

    /// Its policy.
    fn policy(self, config: &Config) -> Option<&Algorithm> {
        match self {
            Self::Core(core) => config.multiplexor(core).map(|own| &own.algorithm),
            Self::Resource(at, _) => config.resources.get(at.index()).map(|own| &own.algorithm),
            Self::Bus(at) => config.schedulers.get(at.index()).map(|own| &own.algorithm),
        }
    }

    fn name(self, config: &Config) -> String {
        match self {
            Self::Core(core) => format!("at the processors on {core}"),
            Self::Resource(at, core) => {
                let name = config.resources.get(at.index()).map_or("", |own| &own.resource);
                format!("at {name} on {core}")
            }
            Self::Bus(at) => {
                let tag = config.schedulers.get(at.index()).map_or("", |own| &own.tag);
                format!("beneath '{tag}'")
            }
        }
    }
}

impl Spot {
    pub(super) fn new(case: Case<'_>, at: Where) -> Self {
        let Case { config, change, new, .. } = case;
        let is_lent = at.charges_through(config);
        let said = if at.stands_for_others(config, change) {
            vec![false; usize::from(limits::CORES)]
        } else {
            Vec::new()
        };
        let mut spot =
            Self { at, reserved: 0, looks: None, rank: Rank::default(), is_lent, counted: 0, said };
        let Some(policy) = at.policy(config) else { return spot };
        if let Where::Resource(own, _) = at
            && !config.resources.get(own.index()).is_some_and(|own| way::carries(&own.resource))
        {
            return spot;
        }
        let own = looks(policy);
        let (share, priority) = match change {
            Change::Terms { terms, .. } => (terms.share.is_some(), terms.priority.is_some()),
            Change::Everywhere { share, priority, .. }
            | Change::Standing { share, priority, .. } => (share.is_some(), priority.is_some()),
            Change::Policy { .. } | Change::Limit(..) => (true, true),
        };
        let own = Looks { shares: own.shares && share, priorities: own.priorities && priority };
        spot.looks = match change {
            Change::Policy { algorithm, .. } => Some((own, looks(algorithm))),
            _ => (own.shares || own.priorities).then_some((own, own)),
        };
        let Some((before, after)) = spot.looks else { return spot };
        let activity =
            new.and_then(|(index, new)| Some((index, config.activities.get(index)?, new)));
        if let (Some((index, own, new)), Some((resource, core))) = (activity, at.of_activities()) {
            spot.rank.moves(Moved {
                client: Client::Activity(index),
                is_of_way: way::is_of(index, own),
                before: before.at_activity(own, resource, core),
                after: after.at_activity(new, resource, core),
            });
        }
        if let Change::Standing { at, .. } = change
            && let Some(moved) = spot.standing(case, *at)
        {
            match spot.is_lent {
                true => spot.rank.moves_beside(moved),
                false => spot.rank.moves(moved),
            }
        }
        spot
    }

    /// The next of the resources, and schedulers between others, that may request time here.
    fn next(&self, config: &Config) -> Option<At> {
        if self.looks.is_none() || matches!(self.at, Where::Resource(..)) {
            return None;
        }
        let number = |place: usize| u32::try_from(place).ok();
        match self.counted.checked_sub(config.resources.len()) {
            None => Some(At::Resource(ResourceIndex(number(self.counted)?))),
            Some(bus) if bus >= config.schedulers.len() => None,
            Some(bus) => Some(At::Scheduler(SchedulerIndex(number(bus)?))),
        }
    }

    /// How many entries that one has, if there is one.
    pub(super) fn next_price(&self, Case { config, .. }: Case<'_>) -> Option<usize> {
        Some(16 + config.draws_of(self.next(config)?).len())
    }

    /// Looks at it; after all activities.
    pub(super) fn count_next(&mut self, case: Case<'_>) {
        let Some(at) = self.next(case.config) else { return };
        self.counted += 1;
        let Some(own) = self.standing(case, at) else { return };
        if !self.is_lent {
            return self.rank.add(own.client, own.is_of_way, own.before, own.after);
        }
        let is_own = matches!(case.change, Change::Standing { at: own, .. } if *own == at);
        if let Some(share) = own.after.share.filter(|_| own.is_of_way && !is_own) {
            self.rank.beside(own.client, share);
        }
    }

    /// How a resource, or a scheduler between others, stands here, if it requests time here.
    fn standing(&self, case: Case<'_>, at: At) -> Option<Moved> {
        let (config, (before, after), from) = (case.config, self.looks?, self.at.source()?);
        let (place, is_of_way) = match at {
            At::Multiplexors => return None,
            At::Resource(own) => {
                let own = config.resources.get(own.index())?;
                if own.resource == crate::THREAD {
                    return None;
                }
                (own.place, way::carries(&own.resource))
            }
            At::Scheduler(own) => {
                let carries = case.carrying.get(own.index()).is_some_and(|carries| *carries);
                (config.schedulers.get(own.index())?.place, carries)
            }
        };
        let draw = config.draws_of(at).iter().find(|draw| draw.from == from)?;
        let changed = match case.change {
            Change::Standing { at: own, share, priority, .. } if *own == at => Draw {
                share: share.unwrap_or(draw.share),
                priority: priority.unwrap_or(draw.priority),
                ..*draw
            },
            _ => *draw,
        };
        let (before, after) = (before.at_draw(draw, place), after.at_draw(&changed, place));
        Some(Moved { client: Client::At(at), is_of_way, before, after })
    }

    /// Looks at an activity, as it is and as it would be.
    pub(super) fn look(
        &mut self,
        Case { config, change, looked_at, .. }: Case<'_>,
        (index, own, new): (usize, &Activity, &Activity),
    ) -> Judged<()> {
        let Some((resource, core)) = self.at.of_activities() else { return Ok(()) };
        if let Change::Policy { algorithm, .. } = change {
            kept(config, own, (resource, core), algorithm)?;
            if let Some(looked_at) = looked_at {
                looked_at.judge(config, own, index)?;
            }
        }
        let changed = match change {
            Change::Terms { activity, terms, .. } if activity.index() == index => Some(terms),
            _ => None,
        };
        if changed.is_some_and(|terms| terms.period.is_some()) {
            way::in_time(config, (index, own, new), (resource, core))?;
        }
        if changed.is_some_and(|terms| terms.limit.is_some()) {
            way::lets_receive(config, (index, own, new), (resource, core))?;
        }
        if changed.is_none() {
            let reserved = own.reservation_at(resource, core).map_or(0, |rate| rate.get());
            self.reserved = self.reserved.saturating_add(reserved);
        }
        let Some((before, after)) = self.looks else { return Ok(()) };
        self.note(own);
        let before = before.at_activity(own, resource, core);
        let after = after.at_activity(new, resource, core);
        self.rank.add(Client::Activity(index), way::is_of(index, own), before, after);
        Ok(())
    }

    /// What else is to be looked at after it: each of the resource's cores on which something was
    /// said, and one of the rest.
    pub(super) fn others(&self, config: &Config) -> Vec<Where> {
        let Where::Resource(at, _) = self.at else { return Vec::new() };
        let is_said = |core: CoreId| self.said.get(core.index()).copied();
        let cores = config.resources.get(at.index()).map_or(&[][..], |own| &own.cores);
        let mut has_rest = cores.first().is_some_and(|core| is_said(*core) == Some(false));
        let others = cores.iter().skip(1).filter(|core| match is_said(**core) {
            None => false,
            Some(true) => true,
            Some(false) => !core::mem::replace(&mut has_rest, true),
        });
        others.map(|core| Where::Resource(at, *core)).collect()
    }

    /// Notes the cores on which something was said of an activity there.
    fn note(&mut self, own: &Activity) {
        let Where::Resource(at, _) = self.at else { return };
        if self.said.is_empty() {
            return;
        }
        for row in own.entitlements.iter().filter(|row| row.resource == Some(at)) {
            if let Some(core) = row.core.filter(|_| row.share.is_some() || row.priority.is_some())
                && let Some(place) = self.said.get_mut(core.index())
            {
                *place = true;
            }
        }
    }

    /// Whether activities are its clients.
    pub(super) fn is_of_activities(&self) -> bool {
        self.at.of_activities().is_some()
    }

    /// Judges what was seen.
    pub(super) fn judge(&self, Case { config, change, new, .. }: Case<'_>) -> Judged<()> {
        if let (Change::Terms { .. }, Some((_, new)), Some(at)) =
            (change, new, self.at.of_activities())
        {
            self.admit(config, new, at)?;
        }
        self.rank.judge(config, &self.at.name(config))?;
        if let Where::Bus(bus) = self.at {
            let own = config.schedulers.get(bus.index()).and_then(|own| own.limit);
            let new = if let Change::Limit(_, limit) = change { *limit } else { own };
            self.rank.carries(config, bus, (own, new))?;
        }
        Ok(())
    }

    /// Whether what is reserved for an activity can be had beside the others'.
    fn admit(
        &self,
        config: &Config,
        new: &Activity,
        (resource, core): (Option<ResourceIndex>, CoreId),
    ) -> Judged<()> {
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
        let others = self.reserved;
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
