//! The way by which orders come: who may give them, the infrastructure, and the resources that
//! carry them. An order must not make it unusable, or nobody can take that order back.
//!
//! So who gives orders is limited nowhere to less than orders take, neither is a scheduler between
//! others that carries them; nobody goes before them at a policy of priorities who did not before;
//! and nobody's share becomes so large beside theirs that less than a thousandth is left. What a
//! file says of all that is not judged: who wrote it can write another.

use alloc::format;
use alloc::string::String;

use vortex_units::Rate;

use super::{Judged, held};
use crate::{
    Activity, ActivityIndex, At, Config, Control, Metric, ResourceIndex, SchedulerIndex, Source,
};

/// The resources that carry orders.
const WAY: [&str; 13] = [
    "resource.thread",
    "resource.process",
    "resource.asr",
    "resource.memory",
    "resource.file",
    "resource.monitor",
    "resource.interrupt",
    "resource.ndir",
    "resource.ndrr",
    "resource.ndwr",
    "resource.dwr",
    "resource.tcp",
    "resource.tcptimer",
];

/// Who has less than this part is not heard in time.
pub(super) const LEAST: u64 = 1_000;

/// What orders take in a second, and how that is said: a connection with its packets, and the
/// sample that is asked for behind it.
pub(super) const fn floor(metric: &Metric) -> Option<(u64, &'static str)> {
    match metric {
        Metric::Bytes => Some((100_000, "100 KB/s")),
        Metric::Requests => Some((20, "20 /s")),
        Metric::Cycles | Metric::ServiceTime => Some((10_000, "1 %")),
        Metric::Memory | Metric::Field(_) => None,
    }
}

/// Whether orders come from, or by, an activity.
pub(super) fn is_of(index: usize, activity: &Activity) -> bool {
    index == ActivityIndex::INFRASTRUCTURE.index() || activity.control == Control::All
}

/// Whether a resource carries orders.
pub(super) fn carries(name: &str) -> bool {
    WAY.contains(&name)
}

/// Whether a scheduler between others does: a resource that does draws from it, or another such.
pub(super) fn bus_carries(config: &Config, bus: SchedulerIndex) -> bool {
    let draws = |draws: &[crate::Draw]| draws.iter().any(|it| it.from == Source::Scheduler(bus));
    // One draws only from earlier ones, so this ends.
    config.resources.iter().any(|it| carries(&it.resource) && draws(&it.draws))
        || config.schedulers.iter().enumerate().skip(bus.index() + 1).any(|(place, it)| {
            let own = u32::try_from(place).ok().map(SchedulerIndex);
            draws(&it.draws) && own.is_some_and(|own| bus_carries(config, own))
        })
}

/// Whether a limit leaves an activity what its orders take.
pub(super) fn lets_through(
    index: ActivityIndex,
    activity: &Activity,
    metric: &Metric,
    limit: Rate,
) -> Judged<()> {
    let Some((least, text)) = floor(metric).filter(|_| is_of(index.index(), activity)) else {
        return Ok(());
    };
    if limit.get() >= least {
        return Ok(());
    }
    held(format!(
        "by '{}' orders come, which this would keep from coming: expected a limit of at least \
         {text}, or none",
        activity.name
    ))
}

/// Whether a scheduler between others carries what orders take.
pub(super) fn bus_lets_through(config: &Config, bus: SchedulerIndex, limit: Rate) -> Judged<()> {
    let Some(own) = config.schedulers.get(bus.index()) else { return Ok(()) };
    let Some((least, text)) = floor(&own.metric).filter(|(least, _)| limit.get() < *least) else {
        return Ok(());
    };
    let _ = least;
    if !bus_carries(config, bus) {
        return Ok(());
    }
    held(format!(
        "by '{}' orders come, which this would keep from coming: expected a limit of at least \
         {text}, or none",
        own.tag
    ))
}

/// A client of a scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// An activity.
    Activity(usize),
    /// A resource, or a scheduler between others.
    At(At),
}

impl Client {
    fn name(self, config: &Config) -> String {
        let name = match self {
            Self::Activity(index) => config.activities.get(index).map(|it| &it.name),
            Self::At(At::Resource(ResourceIndex(index))) => {
                config.resources.get(index as usize).map(|it| &it.resource)
            }
            Self::At(At::Scheduler(SchedulerIndex(index))) => {
                config.schedulers.get(index as usize).map(|it| &it.tag)
            }
            Self::At(At::Multiplexors) => None,
        };
        name.cloned().unwrap_or_default()
    }
}

/// How orders stand beside all others at a scheduler.
#[derive(Clone, Debug, Default)]
pub(super) struct Rank {
    /// All shares.
    whole: u64,
    /// The least of those that orders come by.
    least: Option<(u64, Client)>,
    /// The first of the others, by their priorities.
    first: Option<(u32, Client)>,
    /// The last of those that orders come by.
    last: Option<(u32, Client)>,
}

impl Rank {
    /// Counts a client: by its share, and by its priority, as far as its scheduler looks at them.
    pub(super) fn add(
        &mut self,
        client: Client,
        is_of_way: bool,
        share: Option<u64>,
        priority: Option<u32>,
    ) {
        if let Some(share) = share {
            self.whole = self.whole.saturating_add(share);
            if is_of_way && self.least.is_none_or(|(least, _)| share < least) {
                self.least = Some((share, client));
            }
        }
        let Some(own) = priority else { return };
        if is_of_way && self.last.is_none_or(|(last, _)| own > last) {
            self.last = Some((own, client));
        }
        if !is_of_way && self.first.is_none_or(|(first, _)| own < first) {
            self.first = Some((own, client));
        }
    }

    /// Whether orders come as well as before, or well enough.
    pub(super) fn judge(&self, before: &Self, config: &Config, place: &str) -> Judged<()> {
        let behind = |rank: &Self| {
            let (first, last) = (rank.first?, rank.last?);
            (last.0 > first.0).then_some((first, last))
        };
        if let Some(((_, first), (last, own))) = behind(self).filter(|_| behind(before).is_none()) {
            let (first, own) = (first.name(config), own.name(config));
            return held(format!(
                "'{first}' would go before '{own}' {place}, by which orders come: expected \
                 priorities of the others that are no less than {last}"
            ));
        }
        let Some((least, own)) = self.least else { return Ok(()) };
        let had = before.least.map_or(u64::MAX, |(had, _)| had);
        let part = |share: u64, whole: u64| u128::from(share) * u128::from(whole);
        let is_worse = had == u64::MAX || part(least, before.whole) < part(had, self.whole);
        if is_worse && least.saturating_mul(LEAST) < self.whole {
            let own = own.name(config);
            return held(format!(
                "'{own}', by which orders come, would have less than a thousandth {place}: expected \
                 less for others, or more for it before"
            ));
        }
        Ok(())
    }
}
