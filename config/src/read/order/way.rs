//! The way by which orders come: who may give them, the infrastructure, and the resources that
//! carry them. An order must not make it unusable, or nobody can take that order back.
//!
//! So who gives orders is limited nowhere to less than orders take, neither is a scheduler between
//! others that carries them; nobody goes before them at a policy of priorities who did not before;
//! and nobody's share becomes so large beside theirs that less than a thousandth is left. What a
//! file says of all that is not judged: who wrote it can write another.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use vortex_units::{CoreId, Micros, Rate};

use super::{Judged, held};
use crate::{
    Activity, ActivityIndex, At, Config, Control, Draw, Metric, Parameter, ResourceIndex,
    SchedulerIndex, Source,
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

/// On these all that comes from the network is the infrastructure's, until it is known whose it is.
const RECEIVING: [&str; 3] = ["resource.ndir", "resource.ndrr", "resource.tcp"];

/// Who has less than this part is not heard in time.
pub(super) const LEAST: u64 = 1_000;

/// Who is served only within more microseconds than these is not served in time.
const LONGEST: u64 = 1_000_000;

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

/// Which schedulers between others do: a resource that does draws from it, or another such.
pub(super) fn carrying(config: &Config) -> Vec<bool> {
    let mut all = vec![false; config.schedulers.len()];
    let mark = |draws: &[Draw], all: &mut Vec<bool>| {
        for draw in draws {
            if let Source::Scheduler(bus) = draw.from
                && let Some(carries) = all.get_mut(bus.index())
            {
                *carries = true;
            }
        }
    };
    for own in config.resources.iter().filter(|own| carries(&own.resource)) {
        mark(&own.draws, &mut all);
    }
    // One draws only from earlier ones.
    for (place, own) in config.schedulers.iter().enumerate().rev() {
        if all.get(place).is_some_and(|carries| *carries) {
            mark(&own.draws, &mut all);
        }
    }
    all
}

/// Whether this one does.
pub(super) fn bus_carries(config: &Config, bus: SchedulerIndex) -> bool {
    carrying(config).get(bus.index()).is_some_and(|carries| *carries)
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

/// Whether an activity's limit on a core leaves the others' packets alone. One that was there may
/// be raised.
pub(super) fn lets_receive(
    config: &Config,
    (index, own, new): (usize, &Activity, &Activity),
    (resource, core): (Option<ResourceIndex>, CoreId),
) -> Judged<()> {
    let is_infrastructure = index == ActivityIndex::INFRASTRUCTURE.index();
    let Some(at) = resource.filter(|_| is_infrastructure) else { return Ok(()) };
    let name = config.resources.get(at.index()).map_or("", |own| &own.resource);
    let Some(limit) = new.limit_at(at, core).filter(|_| RECEIVING.contains(&name)) else {
        return Ok(());
    };
    if own.limit_at(at, core).is_some_and(|before| before <= limit) {
        return Ok(());
    }
    held(format!(
        "all that comes from the network comes by '{}' at {name}, and orders too: expected no \
         limit of it there",
        own.name
    ))
}

/// Whether a scheduler, a multiplexor if it is no resource's or other's, is on their way.
pub(super) fn leads_by(config: &Config, at: At) -> bool {
    match at {
        At::Multiplexors => true,
        At::Resource(at) => {
            config.resources.get(at.index()).is_some_and(|own| carries(&own.resource))
        }
        At::Scheduler(bus) => bus_carries(config, bus),
    }
}

/// Whether what an activity would have within a period comes in time; what was so before does.
pub(super) fn in_time(
    config: &Config,
    (index, own, new): (usize, &Activity, &Activity),
    (resource, core): (Option<ResourceIndex>, CoreId),
) -> Judged<()> {
    let at = resource.map_or(At::Multiplexors, At::Resource);
    if !is_of(index, own) || !leads_by(config, at) {
        return Ok(());
    }
    let params = match resource {
        Some(at) => config.resources.get(at.index()).map(|own| &own.params),
        None => config.multiplexor(core).map(|own| &own.params),
    };
    // Where nothing is said the policy's own is meant.
    let usual = params.and_then(|params| number(params, "period")).unwrap_or(0);
    let period = |of: &Activity| of.period_at(resource, core).map_or(usual, Micros::get);
    if period(new) <= LONGEST.max(period(own)) {
        return Ok(());
    }
    held(format!(
        "by '{}' orders come, which this would keep from coming in time: expected a period of at \
         most 1 s",
        own.name
    ))
}

/// Whether a policy's own periods are such that orders come in time.
pub(super) fn policy_in_time(config: &Config, at: At, params: &[Parameter]) -> Judged<()> {
    let is_late = |name: &&str| number(params, name).is_some_and(|own| own > LONGEST);
    match ["period", "patience"].into_iter().find(is_late).filter(|_| leads_by(config, at)) {
        None => Ok(()),
        Some(name) => held(format!(
            "orders come by this, which '{name}' would keep from coming in time: expected at most \
             {LONGEST} us"
        )),
    }
}

/// A parameter that is a number; what it is else, its policy says.
fn number(params: &[Parameter], name: &str) -> Option<u64> {
    params.iter().find(|own| own.name == name)?.value.parse().ok()
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

/// What a scheduler looks at of a client: its share and its priority, if at any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) share: Option<u64>,
    pub(super) priority: Option<u32>,
}

/// Of whom a change is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) client: Client,
    pub(super) is_of_way: bool,
    pub(super) before: Seen,
    pub(super) after: Seen,
}

/// How orders stand beside all others at a scheduler, before a change and after.
#[derive(Clone, Debug, Default)]
pub(super) struct Rank {
    moved: Option<Moved>,
    before: Shares,
    after: Shares,
    /// Who is beside the others, and would not be heard in time any more.
    unheard: Option<Client>,
    /// Who would go before whom, by which orders come with this priority.
    ahead: Option<(Client, Client, u32)>,
    /// Where priorities were not looked at: the first of the others, and the last of those that
    /// orders come by.
    first: Option<(u32, Client)>,
    last: Option<(u32, Client)>,
}

/// All shares, and the least of those that orders come by.
#[derive(Clone, Debug, Default)]
struct Shares {
    whole: u64,
    least: Option<(u64, Client)>,
}

impl Shares {
    fn add(&mut self, client: Client, is_of_way: bool, share: Option<u64>) {
        let Some(share) = share else { return };
        self.whole = self.whole.saturating_add(share);
        if is_of_way && self.least.is_none_or(|(least, _)| share < least) {
            self.least = Some((share, client));
        }
    }
}

impl Rank {
    /// Says of whom the change is; before any client is counted.
    pub(super) fn moves(&mut self, moved: Moved) {
        self.moved = Some(moved);
    }

    /// The same of one that is beside the others: they are held against it as it becomes.
    pub(super) fn moves_beside(&mut self, moved: Moved) {
        self.before.whole = self.before.whole.saturating_add(moved.before.share.unwrap_or(0));
        self.after.whole = self.after.whole.saturating_add(moved.after.share.unwrap_or(0));
        self.moves(moved);
    }

    /// Holds one that is beside the others, and as it was, against all of them: when all are
    /// counted. Who was not heard in time before is no reason to refuse anything.
    pub(super) fn beside(&mut self, client: Client, share: u64) {
        let is_heard = |all: &Shares| share.saturating_mul(LEAST) >= all.whole;
        if is_heard(&self.before) && !is_heard(&self.after) {
            self.unheard = Some(client);
        }
    }

    /// Counts a client, as it is and as it would be.
    pub(super) fn add(&mut self, client: Client, is_of_way: bool, before: Seen, after: Seen) {
        self.before.add(client, is_of_way, before.share);
        self.after.add(client, is_of_way, after.share);
        let Some(own) = after.priority else { return };
        if before.priority.is_none() {
            let of = if is_of_way { &mut self.last } else { &mut self.first };
            if of.is_none_or(|(other, _)| if is_of_way { own > other } else { own < other }) {
                *of = Some((own, client));
            }
        }
        let Some(moved) = self.moved.filter(|moved| moved.is_of_way != is_of_way) else { return };
        let (Some(was), Some(is)) = (moved.before.priority, moved.after.priority) else { return };
        // Whoever was before them already is no reason to let another pass.
        let (passes, ahead) = match is_of_way {
            true => (is < own && own <= was, (moved.client, client, own)),
            false => (was <= own && own < is, (client, moved.client, is)),
        };
        if passes {
            self.ahead = Some(ahead);
        }
    }

    /// Whether what a scheduler between others carries, before and after, is enough for each of
    /// those that orders come by: by its share it has a part of it.
    pub(super) fn carries(
        &self,
        config: &Config,
        bus: SchedulerIndex,
        (before, after): (Option<Rate>, Option<Rate>),
    ) -> Judged<()> {
        let Some(own) = config.schedulers.get(bus.index()) else { return Ok(()) };
        let (Some((floor, text)), Some(limit)) = (floor(&own.metric), after) else { return Ok(()) };
        let Some((share, client)) = self.after.least else { return Ok(()) };
        let product = |all: [u64; 3]| {
            all.into_iter().fold(1, |product: u128, it| product.saturating_mul(it.into()))
        };
        let is_worse = match (before, self.before.least) {
            (Some(before), Some((had, _))) => {
                product([limit.get(), share, self.before.whole])
                    < product([before.get(), had, self.after.whole])
            }
            _ => true,
        };
        let needed = product([floor, self.after.whole, 1]).div_ceil(u128::from(share.max(1)));
        if !is_worse || u128::from(limit.get()) >= needed {
            return Ok(());
        }
        held(format!(
            "by '{}', beneath '{}', orders come, which take {text}: expected a limit of at least \
             {needed} a second there, none, or a larger part of it for '{}' before",
            client.name(config),
            own.tag,
            client.name(config)
        ))
    }

    /// Whether orders come as well as before, or well enough.
    pub(super) fn judge(&self, config: &Config, place: &str) -> Judged<()> {
        let among_all = match (self.first, self.last) {
            (Some((first, other)), Some((last, own))) if first < last => Some((other, own, last)),
            _ => None,
        };
        if let Some((other, own, last)) = self.ahead.or(among_all) {
            let (first, own) = (other.name(config), own.name(config));
            return held(format!(
                "'{first}' would go before '{own}' {place}, by which orders come: expected \
                 priorities of the others that are no less than {last}"
            ));
        }
        // The least of them has too little if any has, but may have had no more before.
        let least = self
            .after
            .least
            .map(|(least, own)| (own, self.before.least.map(|(had, _)| had), least));
        let moved = self
            .moved
            .filter(|moved| moved.is_of_way)
            .and_then(|moved| Some((moved.client, moved.before.share, moved.after.share?)));
        let part = |share: u64, whole: u64| u128::from(share) * u128::from(whole);
        let unheard = least.into_iter().chain(moved).find(|(_, had, share)| {
            let is_worse =
                had.is_none_or(|had| part(*share, self.before.whole) < part(had, self.after.whole));
            is_worse && share.saturating_mul(LEAST) < self.after.whole
        });
        let Some(own) = unheard.map(|(own, ..)| own).or(self.unheard) else { return Ok(()) };
        held(format!(
            "'{}', by which orders come, would have less than a thousandth {place}: expected less \
             for others, or more for it before",
            own.name(config)
        ))
    }
}
