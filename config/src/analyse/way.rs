//! The way from a core's time to whoever has a part of it, level by level.

use alloc::vec::Vec;

use vortex_units::{CoreId, Micros, Share};

use super::group::Clients;
use super::holds::{Holds, Reserved, root};
use super::level::{Fraction, Level, Reason};
use super::part::{Among, Own, part, parts};
use super::{Line, Scope};
use crate::{
    Activity, ActivityIndex, Algorithm, Config, Draw, Metric, Parameter, ResourceIndex,
    ResourceScheduler, ShareForm, Source,
};

/// What somebody has of a core's time, and over which times.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub level: Level,
    pub holds: Holds,
}

impl Found {
    const ALL: Self = Self {
        level: Level::AtLeast(Fraction::WHOLE),
        holds: Holds { rounds: Micros::ZERO, requests: 0, on_average: false },
    };

    const fn nothing(reason: Reason) -> Self {
        Self { level: Level::None(reason), ..Self::ALL }
    }

    /// A part of this.
    pub fn then(self, part: Level, holds: Holds) -> Self {
        Self { level: self.level.times(part), holds: self.holds.and(holds) }
    }

    fn in_time(self, metric: &Metric) -> Self {
        Self { level: self.level.in_time(metric), ..self }
    }
}

/// What is reserved of a scheduler on a core for all activities together.
fn reserved(config: &Config, of: Option<ResourceIndex>, core: CoreId) -> Option<u64> {
    let all = config.activities.iter().filter_map(|activity| activity.reservation_at(of, core));
    let sum = all.map(|rate| rate.get()).fold(0_u64, u64::saturating_add);
    let metric = match of {
        Some(index) => config.resources.get(index.index()).map(|resource| &resource.metric),
        None => config.multiplexor(core).map(|multiplexor| &multiplexor.metric),
    };
    let timed = matches!(metric, Some(Metric::Cycles | Metric::ServiceTime) | None);
    (timed || sum == 0).then_some(sum)
}

/// The same of whoever draws from a source: its multiplexor's.
fn reserved_at(config: &Config, source: Source) -> Option<u64> {
    match source {
        Source::Multiplexor(core) => reserved(config, None, core),
        Source::Scheduler(_) => Some(0),
    }
}

/// Under charge-through: the most of what is certain in one place, as the same cycle counts
/// both there and at the activity's own client. It holds of an activity that has work in that
/// place. Of its threads that is the client's part.
pub(super) fn whole(config: &Config, core: CoreId) -> impl Fn(ActivityIndex) -> Line {
    let thread = config.thread().filter(|thread| thread.cores.contains(&core));
    let thread = thread.map(|thread| threads(config, thread, core));
    let resources = super::resources_on(config, core);
    let resources: Vec<_> =
        resources.map(|(index, entry)| (index, resource(config, index, entry, core))).collect();
    move |activity| {
        let thread = thread.iter().map(|part| (None, part(activity)));
        let others = resources.iter().map(|(index, part)| (Some(*index), part(activity)));
        let most = thread.chain(others).reduce(|most, next| {
            let more = next.1.of_core.billionths() > most.1.of_core.billionths();
            let first = matches!(most.1.of_core, Level::None(_)) && next.1.is_certain();
            if more || first { next } else { most }
        });
        match most {
            Some((at, Line { of_core, holds, .. })) => Line {
                scope: Scope::Whole(at),
                of_resource: of_core,
                of_core,
                holds,
                reserved: None,
            },
            None => Line::nothing(Scope::Whole(None), Reason::NoShares),
        }
    }
}

/// The activities within a resource, and what the resource itself has of the core.
pub(super) fn resource(
    config: &Config,
    index: ResourceIndex,
    resource: &ResourceScheduler,
    core: CoreId,
) -> impl Fn(ActivityIndex) -> Line {
    let (at, scope) = (Some(index), Scope::Resource(index));
    let values = move |activity: &Activity| {
        let share = u64::from(activity.share_at(at, core).hundredths());
        Own {
            share,
            priority: activity.priority_at(at, core),
            reserved: activity.reservation_at(at, core).map_or(0, |rate| rate.get()),
            limited: activity.limit_at(index, core).is_some(),
        }
    };
    let among = Among::of(config.activities.iter().map(|activity| values(activity).share));
    let least = config.activities.iter().map(|a| values(a).priority).min();
    let first = move |own: Own| Some(own.priority) == least;
    let alone = config.activities.iter().filter(|a| first(values(a))).count() == 1;
    let among = Among { reserved: reserved(config, at, core), ..among };
    let base = standing(config, resource, core);
    let (policy, metric) = (resource.algorithm.clone(), resource.metric.clone());
    let params = resource.params.clone();
    move |activity| {
        let Some(known) = config.activities.get(activity.index()) else {
            return Line::nothing(scope, Reason::NoShares);
        };
        let own = values(known);
        let reserved = Reserved::of(known, at, core, (&policy, &params, &metric));
        if policy.uses_groups {
            let values = |_: ActivityIndex, activity: &Activity| Some(values(activity));
            let (others, name) = (Vec::new(), root(&policy, &params));
            let clients = Clients { config, root: &policy, name, through: false, values, others };
            let found = clients.part(activity, Found::ALL, None);
            let found = found.unwrap_or(Found::nothing(Reason::NoShares));
            let of_core = base.then(found.level, found.holds).in_time(&metric);
            let (of_resource, of_core, holds) = (found.level, of_core.level, of_core.holds);
            return Line { scope, of_resource, of_core, holds, reserved };
        }
        let among = Among { highest: alone && first(own), ..among };
        // What of a device's time is reserved is no part of the core's.
        let has = match metric {
            Metric::Cycles => base.level,
            _ => Level::AtLeast(Fraction::WHOLE),
        };
        let (of_resource, of_core) = parts(&policy, own, among, has);
        let holds = base.holds.and(Holds::at(&policy.name, among, None, Found::ALL.level));
        let of_core = match metric {
            Metric::Cycles => of_core,
            _ => of_resource.times(base.level).in_time(&metric),
        };
        Line { scope, of_resource, of_core, holds, reserved }
    }
}

/// What a resource itself is certain of, of a core's time.
pub(super) fn standing(config: &Config, resource: &ResourceScheduler, core: CoreId) -> Found {
    let draw = resource.draws.iter().find(|draw| config.reaches(draw.from, core)).copied();
    draw.map_or(Found::nothing(Reason::NoShares), |draw| up(config, &draw, core))
}

/// With what share a resource would be certain of so much of a core, where a share says it.
pub(super) fn wanted(
    config: &Config,
    resource: &ResourceScheduler,
    core: CoreId,
    part: u64,
) -> Option<Share> {
    let draw = resource.draws.iter().find(|draw| draw.from == Source::Multiplexor(core))?;
    let (policy, ..) = scheduler(config, draw.from)?;
    let among = among(config, draw.from, core);
    let whole = Fraction::WHOLE.billionths().into();
    if !policy.uses_shares || among.reserved != Some(0) || part >= whole {
        return None;
    }
    // s / (s + others) = part; a hundredth more, as parts are rounded down.
    let others = u128::from(among.shares.saturating_sub(own(draw).share));
    let share = (others * u128::from(part)).div_ceil(u128::from(whole - part)) + 1;
    Share::from_hundredths(u32::try_from(share).ok()?).ok()
}

/// An activity's thread instances as clients of what `resource.thread` draws from.
pub(super) fn threads(
    config: &Config,
    thread: &ResourceScheduler,
    core: CoreId,
) -> impl Fn(ActivityIndex) -> Line {
    let draw = thread.draws.iter().find(|draw| config.reaches(draw.from, core)).copied();
    let all = draw.map(|draw| among(config, draw.from, core));
    let base = draw.map_or(Found::nothing(Reason::NoShares), |draw| above(config, draw.from, core));
    move |activity| {
        let nothing = Line::nothing(Scope::Threads, Reason::NoShares);
        let known = config.activities.get(activity.index());
        let (Some(draw), Some(all), Some(known)) = (draw, all, known) else { return nothing };
        let Some(policy) = config.policy(draw.from) else { return nothing };
        let share = config.thread_share(activity, core).map_or(0, |s| u64::from(s.hundredths()));
        let priority = known.priority_at(None, core);
        let mut own = Own::new(share, priority);
        let mut reserved = None;
        if let Source::Multiplexor(core) = draw.from {
            own.reserved = known.reservation_at(None, core).map_or(0, |rate| rate.get());
            let of = scheduler(config, draw.from);
            reserved = of.and_then(|of| Reserved::of(known, None, core, of));
            if reserved.as_ref().is_some_and(|reserved| reserved.is_short(config)) {
                own.reserved = 0;
            }
        }
        let metric = metric(config, draw.from);
        let slice = config.machine.timeslice;
        let found = if policy.uses_groups {
            let values = |index: ActivityIndex, activity: &Activity| {
                let share = config.thread_share(index, core)?;
                let priority = activity.priority_at(None, core);
                (index.index() > 0).then(|| Own::new(u64::from(share.hundredths()), priority))
            };
            let others = draws(config, draw.from).map(self::own).collect();
            let name =
                scheduler(config, draw.from).map_or("", |(_, params, _)| root(policy, params));
            let through = super::resources_on(config, core).next().is_some()
                && charges_through(config, draw.from);
            let clients = Clients { config, root: policy, name, through, values, others };
            let found = clients.part(activity, base, Some(slice));
            found.unwrap_or(Found::nothing(Reason::NoShares))
        } else {
            let others = config.activities.iter().enumerate().skip(1);
            let mut others = others.filter(|(index, _)| *index != activity.index());
            let before = others.all(|(_, other)| other.priority_at(None, core) > priority);
            let highest = before && before_all(config, draw.from, core, priority, true);
            let among = Among { highest, ..all };
            let holds = Holds::at(&policy.name, among, Some(slice), base.level);
            base.then(part(policy, own, among), holds)
        };
        let found = found.in_time(&metric);
        Line {
            scope: Scope::Threads,
            of_resource: found.level,
            of_core: found.level,
            holds: found.holds,
            reserved,
        }
    }
}

/// What a client gets of the core through this request.
fn up(config: &Config, draw: &Draw, core: CoreId) -> Found {
    let Some(policy) = config.policy(draw.from) else {
        return Found::nothing(Reason::NoShares);
    };
    let base = above(config, draw.from, core);
    let priority = draw.priority.unwrap_or(0);
    let highest = before_all(config, draw.from, core, priority, false);
    let among = Among { highest, ..among(config, draw.from, core) };
    let Some((_, params, metric)) = scheduler(config, draw.from) else {
        return Found::nothing(Reason::NoShares);
    };
    let slice = Some(config.machine.timeslice);
    let holds = Holds::at(root(policy, params), among, slice, base.level);
    base.then(part(policy, own(draw), among), holds).in_time(metric)
}

/// What a client has that is a resource or a scheduler.
fn own(draw: &Draw) -> Own {
    let share = draw.share.map_or(100, |share| u64::from(share.hundredths()));
    Own::new(share, draw.priority.unwrap_or(0))
}

/// What a source itself has of the core. Schedulers draw from earlier ones only, so this
/// ends, after at most as many steps as there are schedulers.
fn above(config: &Config, source: Source, core: CoreId) -> Found {
    let Source::Scheduler(index) = source else { return Found::ALL };
    let scheduler = config.schedulers.get(index.index());
    let mut draws = scheduler.iter().flat_map(|scheduler| &scheduler.draws);
    let draw = draws.find(|draw| config.reaches(draw.from, core));
    draw.map_or(Found::nothing(Reason::NoShares), |draw| up(config, draw, core))
}

/// All the clients of a source on this core.
fn among(config: &Config, source: Source, core: CoreId) -> Among {
    let mut shares: Vec<u64> = draws(config, source)
        .map(|draw| draw.share.map_or(100, |share| u64::from(share.hundredths())))
        .collect();
    if activities_at(config, source) {
        let grouped = config.policy(source).is_some_and(|policy| policy.uses_groups);
        let top = config.groups.iter().filter(|group| grouped && group.within.is_none());
        shares.extend(top.map(|group| u64::from(group.share.hundredths())));
        for (index, activity) in config.activities.iter().enumerate().skip(1) {
            if grouped && activity.group.is_some() {
                continue;
            }
            let Ok(number) = u32::try_from(index) else { break };
            let share = config.thread_share(ActivityIndex(number), core);
            let share = share.unwrap_or_else(|| activity.share_at(None, core));
            shares.push(u64::from(share.hundredths()));
        }
    }
    Among { reserved: reserved_at(config, source), ..Among::of(shares.into_iter()) }
}

/// Whether activities are clients of the source, infrastructure never: where their threads
/// draw from it, and at a multiplexor under charge-through, be it only to be charged and to
/// lend their turns.
pub(super) fn activities_at(config: &Config, source: Source) -> bool {
    charges_through(config, source)
        || config.thread().is_some_and(|t| t.draws.iter().any(|draw| draw.from == source))
}

fn charges_through(config: &Config, source: Source) -> bool {
    match source {
        Source::Multiplexor(core) => config
            .multiplexor(core)
            .is_some_and(|m| m.shares == ShareForm::ChargeThrough && m.algorithm.uses_shares),
        Source::Scheduler(_) => false,
    }
}

/// Whether no other client of the source has as high a priority.
fn before_all(config: &Config, source: Source, core: CoreId, own: u32, thread: bool) -> bool {
    let same = draws(config, source).filter(|draw| draw.priority.unwrap_or(0) <= own).count();
    let grouped = config.policy(source).is_some_and(|policy| policy.uses_groups);
    let top = |group: &crate::Group| group.within.is_some() || group.priority > own;
    let under = thread
        || !activities_at(config, source)
        || (config.activities.iter().skip(1).all(|activity| {
            grouped && activity.group.is_some() || activity.priority_at(None, core) > own
        }) && (!grouped || config.groups.iter().all(top)));
    under && same == usize::from(!thread)
}

/// Whether a request gets all that its source has: nobody else is before it, or there is nobody
/// else.
pub(super) fn has_all(config: &Config, draw: &Draw) -> bool {
    let core = match draw.from {
        Source::Multiplexor(core) => Some(core),
        Source::Scheduler(index) => {
            config.schedulers.get(index.index()).and_then(|it| it.cores.first().copied())
        }
    };
    let (Some(core), Some((policy, ..))) = (core, scheduler(config, draw.from)) else {
        return false;
    };
    let highest = before_all(config, draw.from, core, draw.priority.unwrap_or(0), false);
    let among = Among { highest, ..among(config, draw.from, core) };
    // A limit takes of all alike.
    let policy = Algorithm { work_conserving: true, ..policy.clone() };
    part(&policy, own(draw), among) == Level::AtLeast(Fraction::WHOLE)
}

/// The clients of a source that are no threads.
pub(super) fn draws(config: &Config, source: Source) -> impl Iterator<Item = &Draw> {
    let resources = config.resources.iter().filter(|r| r.resource != crate::THREAD);
    let resources = resources.flat_map(|resource| &resource.draws);
    let stacked = config.schedulers.iter().flat_map(|scheduler| &scheduler.draws);
    resources.chain(stacked).filter(move |draw| draw.from == source)
}

/// Policy, entries and metric of a source.
pub(super) fn scheduler(
    config: &Config,
    source: Source,
) -> Option<(&Algorithm, &[Parameter], &Metric)> {
    match source {
        Source::Multiplexor(core) => {
            config.multiplexor(core).map(|m| (&m.algorithm, &m.params[..], &m.metric))
        }
        Source::Scheduler(index) => {
            let found = config.schedulers.get(index.index());
            found.map(|s| (&s.algorithm, &s.params[..], &s.metric))
        }
    }
}

fn metric(config: &Config, source: Source) -> Metric {
    scheduler(config, source).map(|(.., metric)| metric.clone()).unwrap_or_default()
}
