//! One level: the part that a client has of its scheduler.

use alloc::vec::Vec;
use core::fmt;

use vortex_units::CoreId;

use super::group::Clients;
use crate::{
    ActivityIndex, Algorithm, Config, Draw, Metric, ResourceIndex, ResourceScheduler, ShareForm,
    Source,
};

/// A part of a whole, in parts per billion, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fraction(u32);

/// Why nothing is guaranteed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The policy of a level has no shares, and serves in order of arrival.
    NoShares,
    /// Somebody of higher or equal priority may take all.
    NotHighest,
    /// A level on the way may leave the core idle although there is work.
    NotWorkConserving,
    /// A level on the way counts other than cycles.
    OtherMetric,
    /// At a level on the way others have reservations of an amount that may be all there is.
    Reserved,
}

/// How much is guaranteed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// At least this part.
    AtLeast(Fraction),
    /// Nothing.
    None(Reason),
}

impl Fraction {
    /// All of it.
    pub const WHOLE: Self = Self(1_000_000_000);

    /// `part` of `whole`.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Self {
        let billionths = u128::from(part.min(whole)) * 1_000_000_000 / u128::from(whole.max(1));
        Self(u32::try_from(billionths).unwrap_or(0))
    }

    /// The bare number of parts per billion.
    #[must_use]
    pub const fn billionths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = self.0 / 100_000;
        write!(f, "{}.{:02} %", hundredths / 100, hundredths % 100)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoShares => "a scheduler on the way has no shares",
            Self::NotHighest => "others of higher or equal priority may take all",
            Self::NotWorkConserving => "a scheduler on the way may wait while there is work",
            Self::OtherMetric => "a scheduler on the way does not share time",
            Self::Reserved => "others' reservations on the way may be all that there is",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(fraction) => fraction.fmt(f),
            Self::None(reason) => write!(f, "none: {reason}"),
        }
    }
}

impl Level {
    /// This part of what `other` is a part.
    pub(super) fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::AtLeast(a), Self::AtLeast(b)) => Self::AtLeast(Fraction::of(
                u64::from(a.0) * u64::from(b.0),
                1_000_000_000_000_000_000,
            )),
            (Self::None(reason), _) | (_, Self::None(reason)) => Self::None(reason),
        }
    }

    /// The larger of the two.
    fn or_more(self, other: Self) -> Self {
        match (self, other) {
            (Self::AtLeast(a), Self::AtLeast(b)) => Self::AtLeast(a.max(b)),
            (Self::None(_), Self::AtLeast(_)) => other,
            (_, Self::None(_)) => self,
        }
    }

    /// Nothing, unless cycles are what is shared.
    fn in_time(self, metric: &Metric) -> Self {
        match self {
            Self::AtLeast(_) if *metric != Metric::Cycles => Self::None(Reason::OtherMetric),
            level => level,
        }
    }
}

/// All of a second, in microseconds: what reservations of time are parts of.
const SECOND: u64 = 1_000_000;

/// What a client has of its own at a scheduler.
#[derive(Clone, Copy)]
pub(super) struct Own {
    pub share: u64,
    pub priority: u32,
    /// What is reserved for it, in microseconds a second.
    pub reserved: u64,
}

/// What all clients of a scheduler have together.
#[derive(Clone, Copy)]
pub(super) struct Among {
    pub shares: u64,
    /// What is reserved for them; `None` where that is amounts of which nobody knows what part
    /// of all they are.
    pub reserved: Option<u64>,
    /// Nobody else has as high a priority as the one that is asked for.
    pub highest: bool,
}

/// A client's part: what is reserved for it, and of the rest by share, or by priority.
pub(super) fn part(policy: &Algorithm, own: Own, among: Among) -> Level {
    let reserved = if policy.uses_reservations { among.reserved } else { Some(0) };
    let Some(reserved) = reserved else { return Level::None(Reason::Reserved) };
    let own_part = if policy.uses_reservations { own.reserved.min(SECOND) } else { 0 };
    if !policy.work_conserving {
        match own_part {
            0 => Level::None(Reason::NotWorkConserving),
            part => Level::AtLeast(Fraction::of(part, SECOND)),
        }
    } else if policy.uses_shares {
        let of_rest = u64::from(Fraction::of(own.share, among.shares).0);
        let of_rest = of_rest * SECOND.saturating_sub(reserved) / SECOND;
        let certain = u64::from(Fraction::of(own_part, SECOND).0) + of_rest;
        Level::AtLeast(Fraction::of(certain, 1_000_000_000))
    } else if policy.uses_priority {
        if among.highest {
            Level::AtLeast(Fraction::WHOLE)
        } else {
            Level::None(Reason::NotHighest)
        }
    } else if own.share == among.shares {
        Level::AtLeast(Fraction::WHOLE)
    } else {
        Level::None(Reason::NoShares)
    }
}

/// What is reserved of a scheduler on a core for all activities together.
fn reserved(config: &Config, of: Option<ResourceIndex>, core: CoreId) -> Option<u64> {
    let all = config.activities.iter().filter_map(|activity| activity.reservation_at(of, core));
    let sum = all.map(|rate| rate.get()).sum::<u64>();
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
/// both there and at the activity's own client. Of its threads that is the client's part.
pub(super) fn whole(config: &Config, core: CoreId) -> impl Fn(ActivityIndex) -> (Level, Level) {
    let thread = config.thread().filter(|thread| thread.cores.contains(&core));
    let thread = thread.map(|thread| threads(config, thread, core));
    let resources = super::resources_on(config, core);
    let resources: Vec<_> =
        resources.map(|(index, entry)| resource(config, index, entry, core)).collect();
    move |activity| {
        let thread = thread.iter().map(|part| part(activity).1);
        let parts = thread.chain(resources.iter().map(|part| part(activity).1));
        let level = parts.reduce(Level::or_more).unwrap_or(Level::None(Reason::NoShares));
        (level, level)
    }
}

/// The activities within a resource, times the resource's own part of the core.
pub(super) fn resource(
    config: &Config,
    index: ResourceIndex,
    resource: &ResourceScheduler,
    core: CoreId,
) -> impl Fn(ActivityIndex) -> (Level, Level) {
    let at = Some(index);
    let values = move |activity: &crate::Activity| {
        let share = u64::from(activity.share_at(at, core).hundredths());
        let reserved = activity.reservation_at(at, core).map_or(0, |rate| rate.get());
        Own { share, priority: activity.priority_at(at, core), reserved }
    };
    let shares: u64 = config.activities.iter().map(|a| values(a).share).sum();
    let least = config.activities.iter().map(|a| values(a).priority).min();
    let first = |own: Own| Some(own.priority) == least;
    let alone = config.activities.iter().filter(|a| first(values(a))).count() == 1;
    let reserved = reserved(config, at, core);
    let nobody = Own { share: 0, priority: u32::MAX, reserved: 0 };
    let base = standing(config, resource, core);
    let (policy, metric) = (resource.algorithm.clone(), resource.metric.clone());
    move |activity| {
        let own = config.activities.get(activity.index()).map_or(nobody, values);
        let among = Among { shares, reserved, highest: alone && Some(own.priority) == least };
        let level = if policy.uses_groups {
            let values = |_: ActivityIndex, activity: &crate::Activity| Some(values(activity));
            let clients = Clients { config, root: &policy, values, others: Vec::new() };
            clients.part(activity).unwrap_or(Level::None(Reason::NoShares))
        } else {
            part(&policy, own, among)
        };
        (level, level.times(base).in_time(&metric))
    }
}

/// What a resource itself is certain of, of a core's time.
pub(super) fn standing(config: &Config, resource: &ResourceScheduler, core: CoreId) -> Level {
    let draw = resource.draws.iter().find(|draw| config.reaches(draw.from, core)).copied();
    draw.map_or(Level::None(Reason::NoShares), |draw| up(config, draw, core))
}

/// An activity's thread instances as clients of what `resource.thread` draws from.
pub(super) fn threads(
    config: &Config,
    thread: &ResourceScheduler,
    core: CoreId,
) -> impl Fn(ActivityIndex) -> (Level, Level) {
    let draw = thread.draws.iter().find(|draw| config.reaches(draw.from, core)).copied();
    let shares = draw.map_or(0, |draw| clients(config, draw.from, core));
    let reserved = draw.map_or(Some(0), |draw| reserved_at(config, draw.from));
    let direct = draw.is_some_and(|draw| matches!(draw.from, Source::Multiplexor(_)));
    let policy = draw.and_then(|draw| config.policy(draw.from)).cloned();
    let base = draw.map_or(Level::None(Reason::NoShares), |draw| above(config, draw.from, core));
    let metric = draw.map_or(Metric::Cycles, |draw| metric(config, draw.from));
    move |activity| {
        let share = config.thread_share(activity, core).map_or(0, |s| u64::from(s.hundredths()));
        let known = config.activities.get(activity.index());
        let priority = known.map_or(u32::MAX, |a| a.priority_at(None, core));
        let rate = known.filter(|_| direct).and_then(|known| known.reservation_at(None, core));
        let own = Own { share, priority, reserved: rate.map_or(0, |rate| rate.get()) };
        let others = config.activities.iter().enumerate().skip(1);
        let mut others = others.filter(|(index, _)| *index != activity.index());
        let among = others.all(|(_, other)| other.priority_at(None, core) > priority);
        let beside = draw.is_some_and(|draw| before_all(config, draw.from, core, priority, true));
        if let (Some(root), Some(draw)) = (policy.as_ref(), draw)
            && root.uses_groups
        {
            let values = |index: ActivityIndex, activity: &crate::Activity| {
                let share = config.thread_share(index, core)?;
                let priority = activity.priority_at(None, core);
                let share = u64::from(share.hundredths());
                (index.index() > 0).then_some(Own { share, priority, reserved: 0 })
            };
            let others = draws(config, draw.from).map(self::own).collect();
            let level = Clients { config, root, values, others }.part(activity);
            let level = level.unwrap_or(Level::None(Reason::NoShares));
            return (level, level.in_time(&metric).times(base));
        }
        let level = policy.as_ref().map_or(Level::None(Reason::NoShares), |policy| {
            part(policy, own, Among { shares, reserved, highest: among && beside })
        });
        (level, level.in_time(&metric).times(base))
    }
}

/// What a client gets of the core through this request.
fn up(config: &Config, draw: Draw, core: CoreId) -> Level {
    let Some(policy) = config.policy(draw.from) else { return Level::None(Reason::NoShares) };
    let level = part(policy, own(&draw), among(config, &draw, core));
    level.in_time(&metric(config, draw.from)).times(above(config, draw.from, core))
}

/// What a client has that is a resource or a scheduler.
fn own(draw: &Draw) -> Own {
    let share = draw.share.map_or(100, |share| u64::from(share.hundredths()));
    Own { share, priority: draw.priority.unwrap_or(0), reserved: 0 }
}

/// What all have beside whom it is a client.
fn among(config: &Config, draw: &Draw, core: CoreId) -> Among {
    let priority = draw.priority.unwrap_or(0);
    Among {
        shares: clients(config, draw.from, core),
        reserved: reserved_at(config, draw.from),
        highest: before_all(config, draw.from, core, priority, false),
    }
}

/// What a source itself has of the core. Schedulers draw from earlier ones only, so this
/// ends, after at most as many steps as there are schedulers.
fn above(config: &Config, mut source: Source, core: CoreId) -> Level {
    let mut level = Level::AtLeast(Fraction::WHOLE);
    while let Source::Scheduler(index) = source {
        let Some(scheduler) = config.schedulers.get(index.index()) else { break };
        let draw = scheduler.draws.iter().find(|draw| config.reaches(draw.from, core)).copied();
        let Some(draw) = draw else { return Level::None(Reason::NoShares) };
        let Some(policy) = config.policy(draw.from) else { break };
        let here = part(policy, own(&draw), among(config, &draw, core));
        level = level.times(here.in_time(&metric(config, draw.from)));
        source = draw.from;
    }
    level
}

/// The sum of the shares of all clients of a source on this core.
fn clients(config: &Config, source: Source, core: CoreId) -> u64 {
    let mut sum: u64 = draws(config, source)
        .map(|draw| draw.share.map_or(100, |share| u64::from(share.hundredths())))
        .sum();
    if activities_at(config, source) {
        let grouped = config.policy(source).is_some_and(|policy| policy.uses_groups);
        let top = config.groups.iter().filter(|group| grouped && group.within.is_none());
        sum += top.map(|group| u64::from(group.share.hundredths())).sum::<u64>();
        for (index, activity) in config.activities.iter().enumerate().skip(1) {
            if grouped && activity.group.is_some() {
                continue;
            }
            let Ok(number) = u32::try_from(index) else { break };
            let share = config.thread_share(ActivityIndex(number), core);
            sum += u64::from(share.unwrap_or_else(|| activity.share_at(None, core)).hundredths());
        }
    }
    sum
}

/// Whether activities are clients of the source, infrastructure never: where their threads
/// draw from it, and at a multiplexor under charge-through, be it only to be charged and to
/// lend their turns.
fn activities_at(config: &Config, source: Source) -> bool {
    let through = match source {
        Source::Multiplexor(core) => config
            .multiplexor(core)
            .is_some_and(|m| m.shares == ShareForm::ChargeThrough && m.algorithm.uses_shares),
        Source::Scheduler(_) => false,
    };
    through || config.thread().is_some_and(|t| t.draws.iter().any(|draw| draw.from == source))
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

/// Whether the resource, or scheduler, of this name is alone before all others at a source.
pub(super) fn is_first(config: &Config, name: &str, source: Source) -> bool {
    let resources = config.resources.iter().filter(|it| it.resource == name);
    let resources = resources.filter(|it| it.resource != crate::THREAD);
    let stacked = config.schedulers.iter().filter(|it| it.tag == name);
    let mut draws = resources.flat_map(|it| &it.draws).chain(stacked.flat_map(|it| &it.draws));
    let draw = draws.find(|draw| draw.from == source);
    let core = match source {
        Source::Multiplexor(core) => Some(core),
        Source::Scheduler(index) => {
            config.schedulers.get(index.index()).and_then(|it| it.cores.first().copied())
        }
    };
    draw.zip(core).is_some_and(|(draw, core)| {
        before_all(config, source, core, draw.priority.unwrap_or(0), false)
    })
}

/// The clients of a source that are no threads.
fn draws(config: &Config, source: Source) -> impl Iterator<Item = &Draw> {
    let resources = config.resources.iter().filter(|r| r.resource != crate::THREAD);
    let resources = resources.flat_map(|resource| &resource.draws);
    let stacked = config.schedulers.iter().flat_map(|scheduler| &scheduler.draws);
    resources.chain(stacked).filter(move |draw| draw.from == source)
}

fn metric(config: &Config, source: Source) -> Metric {
    match source {
        Source::Multiplexor(core) => config.multiplexor(core).map(|m| m.metric.clone()),
        Source::Scheduler(index) => config.schedulers.get(index.index()).map(|s| s.metric.clone()),
    }
    .unwrap_or_default()
}
