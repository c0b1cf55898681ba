//! Over which times a guarantee holds, and what a reservation is in each period.

use alloc::format;
use alloc::string::String;
use core::fmt;

use vortex_units::{CoreId, Micros, Rate};

use super::level::Level;
use super::part::Among;
use crate::{Activity, Algorithm, Config, Metric, Parameter, ResourceIndex};

/// The policy whose shares hold over rounds of turns.
const TURNS: &str = "propshare.round-robin";
/// The policy whose shares hold on average.
const LOTS: &str = "propshare.lottery";
/// The root's policy of a tree, where none is written.
const ROOT: &str = "propshare.wfq";
/// The period of `deadline.cbs` for whom none is written, in its file a constant too.
pub const PERIOD: Micros = Micros::new(10_000);

/// Over which times a guarantee holds. What policies that take no turns are off for a while,
/// their files say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Rounds of turns at those who give the time, added: whoever has just had its turn waits
    /// for so long until the next has begun. Nothing where no policy there takes turns.
    pub rounds: Micros,
    /// A round of turns at the resource itself, in its longest requests.
    pub requests: u64,
    /// A policy on the way draws lots: it holds on average alone.
    pub on_average: bool,
}

impl Holds {
    /// Of one level that has itself this part of the time: with turns of a time slice, or of a
    /// request where none is given.
    pub(super) fn at(policy: &str, among: Among, slice: Option<Micros>, has: Level) -> Self {
        let alone = among.clients < 2;
        let mut holds = Self { on_average: policy == LOTS && !alone, ..Self::default() };
        if policy != TURNS || alone {
            return holds;
        }
        // A turn is as long as the longest, at the smallest share; one too much of each is made
        // good in the next round.
        let turns = among.shares.div_ceil(among.least.max(1)).saturating_add(among.clients);
        let turns = u128::from(turns) * 1_000_000_000 / u128::from(has.billionths().max(1));
        let turns = u64::try_from(turns).unwrap_or(u64::MAX);
        match slice {
            Some(slice) => holds.rounds = Micros::new(turns.saturating_mul(slice.get())),
            None => holds.requests = turns,
        }
        holds
    }

    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            rounds: Micros::new(self.rounds.get().saturating_add(other.rounds.get())),
            requests: self.requests.saturating_add(other.requests),
            on_average: self.on_average || other.on_average,
        }
    }
}

/// The policy of a tree's root, by the parameter that says it.
pub(super) fn root<'a>(policy: &'a Algorithm, params: &'a [Parameter]) -> &'a str {
    if !policy.uses_groups {
        return &policy.name;
    }
    let written = params.iter().find(|param| param.name == "root");
    written.map_or(ROOT, |param| param.value.as_str())
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: [Option<String>; 3] = [const { None }; 3];
        if !self.rounds.is_zero() {
            parts[0] = Some(format!("rounds of {}", time(self.rounds)));
        }
        if self.requests > 0 {
            parts[1] = Some(format!("rounds of {} of its longest requests", self.requests));
        }
        if self.on_average {
            parts[2] = Some("many drawn lots".into());
        }
        let mut first = true;
        for part in parts.into_iter().flatten() {
            f.write_str(if first { "over " } else { " and " })?;
            f.write_str(&part)?;
            first = false;
        }
        Ok(())
    }
}

/// What is reserved, as the policy there keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// So much a second.
    pub rate: Rate,
    /// Of this.
    pub metric: Metric,
    /// In each of these; `None` where the policy knows none.
    pub period: Option<Micros>,
}

impl Reserved {
    /// What an activity has reserved with a policy.
    pub(super) fn of(
        activity: &Activity,
        at: Option<ResourceIndex>,
        core: CoreId,
        (policy, params, metric): (&Algorithm, &[Parameter], &Metric),
    ) -> Option<Self> {
        let rate = activity.reservation_at(at, core).filter(|_| policy.uses_reservations)?;
        let written = params.iter().find(|param| param.name == "period");
        let everybody = written.and_then(|param| param.value.trim().parse().ok());
        let everybody = everybody.map_or(PERIOD, Micros::new);
        let own = activity.period_at(at, core).unwrap_or(everybody);
        let period = policy.uses_periods.then_some(own);
        Some(Self { rate, metric: metric.clone(), period })
    }

    /// Of a core's: whether periods may pass while others have their turns. One keeps the core
    /// for a time slice, and whoever was kept waiting has one itself before it is charged.
    pub(super) fn is_short(&self, config: &Config) -> bool {
        self.period.is_some_and(|period| period < shortest(config))
    }
}

/// The shortest period in which something of a core is certain.
pub(super) fn shortest(config: &Config) -> Micros {
    Micros::new(config.machine.timeslice.get().saturating_mul(2))
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = Micros::new(1_000_000);
        let period = self.period.unwrap_or(second);
        // A fraction of a unit stays for the next period.
        let amount = u128::from(self.rate.get()) * u128::from(period.get()) * 1_000;
        let thousandths = u64::try_from(amount / 1_000_000).unwrap_or(u64::MAX);
        match self.metric {
            Metric::Cycles => f.write_str(&time_of(thousandths))?,
            Metric::ServiceTime => write!(f, "{} of its device", time_of(thousandths))?,
            Metric::Bytes => f.write_str(&bytes(thousandths))?,
            _ => {
                let plural = if thousandths == 1_000 { "" } else { "s" };
                write!(f, "{} request{plural}", decimal(thousandths, 1_000))?;
            }
        }
        if period == second {
            f.write_str(" in each second")
        } else {
            write!(f, " in each {}", time(period))
        }
    }
}

/// Microseconds in the largest unit of which it is one at least.
pub(super) fn time(micros: Micros) -> String {
    time_of(micros.get().saturating_mul(1_000))
}

/// The same of nanoseconds.
fn time_of(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} us", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{} ms", decimal(nanos, 1_000_000)),
        _ => format!("{} s", decimal(nanos, 1_000_000_000)),
    }
}

/// Thousandths of a byte likewise.
fn bytes(thousandths: u64) -> String {
    let units = [("GB", 1_000_000_000_000), ("MB", 1_000_000_000), ("kB", 1_000_000)];
    match units.into_iter().find(|(_, unit)| thousandths >= *unit) {
        Some((name, unit)) => format!("{} {name}", decimal(thousandths, unit)),
        None => format!("{} bytes", decimal(thousandths, 1_000)),
    }
}

/// With at most three decimals, rounded down, and none that says nothing.
fn decimal(amount: u64, unit: u64) -> String {
    let (whole, rest) = (amount / unit, amount % unit);
    let thousandths = u128::from(rest) * 1_000 / u128::from(unit);
    let text = format!("{whole}.{thousandths:03}");
    String::from(text.trim_end_matches('0').trim_end_matches('.'))
}
