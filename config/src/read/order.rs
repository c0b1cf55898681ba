//! An order: what is to be changed of a configuration while the machine runs, judged by the rules
//! by which files are read.
//!
//! It has lines of a name and a value, `at = resource.tcp`: of whom, where, and what is to be. A
//! value is as a file has it; `none` takes a reservation, a limit or a period away.

mod admit;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vortex_units::CoreId;

use admit::{admit, kept};

use super::element::{Field, Reader};
use super::schedulers::{Of, fits, ignored, rooted};
use crate::change::NOWHERE;
use crate::{
    Activity, ActivityIndex, Algorithm, At, Change, Config, Flaw, Known, Metric, Parameter,
    ResourceIndex, SchedulerIndex, ShareForm, Source, THREAD, Terms,
};

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such activity.
    NoActivity(String),
    /// There is no such scheduler.
    NoScheduler(String),
    /// It cannot be so there.
    Wrong(String),
    /// More would be reserved than there is.
    Full(String),
}

impl Refusal {
    /// What is to be said.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::NoActivity(text)
            | Self::NoScheduler(text)
            | Self::Wrong(text)
            | Self::Full(text) => text,
        }
    }
}

type Judged<T> = Result<T, Refusal>;

fn wrong<T>(text: impl Into<String>) -> Judged<T> {
    Err(Refusal::Wrong(text.into()))
}

/// The lines of an order.
struct Lines<'a>(Vec<(&'a str, &'a str)>);

/// What may be written; parameters of policies are `param.NAME`.
const NAMES: [&str; 9] =
    ["activity", "at", "core", "share", "priority", "reservation", "limit", "period", "policy"];
const PARAM: &str = "param.";
/// More lines say nothing more.
const MOST: usize = 32;

impl<'a> Lines<'a> {
    fn read(text: &'a str) -> Judged<Self> {
        let mut lines = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once('=') else {
                return wrong(format!("'{}' is no name and value", super::names::short(line)));
            };
            let (name, value) = (name.trim(), value.trim());
            if !NAMES.contains(&name) && !name.starts_with(PARAM) {
                let right = super::names::expected(name, NAMES.into_iter());
                let name = super::names::short(name);
                return wrong(format!("there is no '{name}' of a scheduler: expected {right}"));
            }
            if lines.iter().any(|(other, _)| *other == name) || lines.len() >= MOST {
                return wrong(format!("'{}' is said twice", super::names::short(name)));
            }
            lines.push((name, value));
        }
        Ok(Self(lines))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    fn field(&self, name: &str) -> Option<Field> {
        self.get(name).map(field)
    }

    /// Whether anything is said but these.
    fn only(&self, names: &[&str]) -> Judged<()> {
        match self.0.iter().find(|(name, _)| !names.contains(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let name = super::names::short(name);
                wrong(format!("'{name}' does not belong to the rest: one thing at a time"))
            }
        }
    }
}

fn field(text: &str) -> Field {
    Field { place: NOWHERE, text: text.to_string() }
}

/// A value as files have it, or what is wrong with it.
fn value<T>(known: &Known, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Judged<T> {
    let mut reader = Reader::new("", known);
    let value = read(&mut reader);
    match (reader.flaws().first(), value) {
        (Some(Flaw { what, right, .. }), _) => wrong(format!("{what}: expected {right}")),
        (None, Some(value)) => Ok(value),
        (None, None) => wrong("this cannot be read"),
    }
}

/// Judges an order. What is sound may be carried out, and is then to be kept
/// ([`Config::change`]).
///
/// # Errors
/// [`Refusal`], with what would be right.
pub fn order(config: &Config, known: &Known, text: &str) -> Result<Change, Refusal> {
    let lines = Lines::read(text)?;
    let Some(name) = lines.get("at") else { return wrong("where is not said ('at')") };
    let (at, tagged) = place(config, name)?;
    let core = match lines.field("core") {
        None => tagged,
        Some(field) => {
            let core = value(known, |reader| reader.core(&field))?;
            if tagged.is_some_and(|own| own != core) {
                return wrong(format!("'{name}' is not on {core}"));
            }
            Some(core)
        }
    };
    on_cores(config, at, core, name)?;
    match lines.get("activity") {
        Some(activity) => terms(config, known, &lines, (activity, at, core)),
        None if lines.get("policy").is_some() => policy(config, known, &lines, at, core),
        None if lines.get("limit").is_some() => limit(config, known, &lines, at),
        None => standing(config, known, &lines, at, core),
    }
}

/// The scheduler of this name, and its core if that is one core's.
fn place(config: &Config, name: &str) -> Judged<(At, Option<CoreId>)> {
    if let Some(bus) = config.schedulers.iter().position(|it| it.tag == name) {
        return Ok((At::Scheduler(SchedulerIndex(u32::try_from(bus).unwrap_or(0))), None));
    }
    if let Some(own) = config.multiplexors.iter().find(|it| it.tag == name) {
        return Ok((At::Multiplexors, Some(own.core)));
    }
    if name == "cpu" || name == THREAD {
        return Ok((At::Multiplexors, None));
    }
    let is = |own: &str| own == name || own.strip_prefix("resource.") == Some(name);
    match config.resources.iter().position(|it| it.resource != THREAD && is(&it.resource)) {
        Some(place) => Ok((At::Resource(ResourceIndex(u32::try_from(place).unwrap_or(0))), None)),
        None => {
            let resources = config.resources.iter().map(|it| it.resource.as_str());
            let tags = config.schedulers.iter().map(|it| it.tag.as_str());
            let all = resources.chain(tags).filter(|own| *own != THREAD);
            let all: Vec<_> = core::iter::once("cpu").chain(all).collect();
            let (name, all) = (super::names::short(name), all.join(", "));
            Err(Refusal::NoScheduler(format!("there is no scheduler '{name}'; there are {all}")))
        }
    }
}

/// Whether a scheduler has this core.
fn on_cores(config: &Config, at: At, core: Option<CoreId>, name: &str) -> Judged<()> {
    let Some(core) = core else { return Ok(()) };
    let cores = match at {
        At::Multiplexors => config.cores_of(None),
        At::Resource(index) => config.cores_of(Some(index)),
        At::Scheduler(_) => return wrong(format!("'{name}' is one on all its cores")),
    };
    if cores.contains(&core) {
        return Ok(());
    }
    let cores: Vec<_> = cores.iter().map(|core| core.get().to_string()).collect();
    wrong(format!("'{name}' is not on {core}: it is on {}", cores.join(", ")))
}

/// The policies by which a scheduler deals with an activity on the cores that are meant.
fn policies<'c>(
    config: &'c Config,
    activity: &Activity,
    resource: Option<ResourceIndex>,
    cores: &[CoreId],
) -> Vec<&'c Algorithm> {
    let of = |algorithm| config.policy_of(algorithm, activity.group);
    match resource.and_then(|index| config.resources.get(index.index())) {
        Some(scheduler) => [of(&scheduler.algorithm)].into(),
        None => {
            let all = cores.iter().filter_map(|core| config.multiplexor(*core));
            all.map(|multiplexor| of(&multiplexor.algorithm)).collect()
        }
    }
}

/// Whose scheduler it is that deals with an activity by this policy.
fn of<'c>(config: &'c Config, at: At, activity: &Activity, policy: &Algorithm) -> Of<'c> {
    let group = activity.group.and_then(|group| config.groups.get(group.index()));
    match at {
        _ if group.is_some_and(|group| group.algorithm == *policy) => Of::Group,
        At::Multiplexors => Of::Core,
        At::Scheduler(_) => Of::Schedulers,
        At::Resource(index) => {
            Of::Resource(config.resources.get(index.index()).map_or("", |it| &it.resource))
        }
    }
}

/// What an activity is to have.
fn terms(
    config: &Config,
    known: &Known,
    lines: &Lines<'_>,
    (name, at, core): (&str, At, Option<CoreId>),
) -> Judged<Change> {
    lines.only(&["activity", "at", "core", "share", "reservation", "limit", "period"])?;
    let Some(index) = config.activities.iter().position(|it| it.name == name) else {
        let all: Vec<_> = config.activities.iter().map(|it| it.name.as_str()).collect();
        let (name, all) = (super::names::short(name), all.join(", "));
        return Err(Refusal::NoActivity(format!("there is no activity '{name}'; there are {all}")));
    };
    let index = ActivityIndex(u32::try_from(index).unwrap_or(0));
    let resource = match at {
        At::Multiplexors => None,
        At::Resource(resource) => Some(resource),
        At::Scheduler(_) => return wrong("the clients there are resources, not activities"),
    };
    let Some(activity) = config.activities.get(index.index()) else { return wrong("") };
    let cores = core.map_or_else(|| config.cores_of(resource), |core| [core].into());
    let policies = policies(config, activity, resource, &cores);
    let metric = match resource.and_then(|index| config.resources.get(index.index())) {
        Some(scheduler) => scheduler.metric.clone(),
        None => {
            let first = cores.first().and_then(|core| config.multiplexor(*core));
            first.map_or(Metric::Cycles, |multiplexor| multiplexor.metric.clone())
        }
    };
    let uses = |knob: &str, uses: fn(&Algorithm) -> bool| -> Judged<()> {
        let Some(policy) = policies.iter().find(|policy| !uses(policy)) else { return Ok(()) };
        value(known, |reader| {
            ignored(reader, &field(""), knob, (policy, of(config, at, activity, policy)));
            Some(())
        })
    };
    let mut terms = Terms::default();
    if let Some(field) = lines.field("share") {
        uses("share", |policy| policy.uses_shares)?;
        terms.share = Some(value(known, |reader| reader.share(&field))?);
    }
    if let Some(field) = lines.field("reservation") {
        terms.reservation = Some(or_none(&field, || {
            uses("reservation", |policy| policy.uses_reservations)?;
            value(known, |reader| reader.rate(&field, &metric))
        })?);
    }
    if let Some(field) = lines.field("limit") {
        terms.limit = Some(or_none(&field, || {
            uses("limit", |policy| policy.uses_limits)?;
            if resource.is_none() {
                let what = "what an activity asks of resources no limit at a multiplexor holds \
                            back: expected a limit at a resource";
                return wrong(what);
            }
            value(known, |reader| reader.rate(&field, &metric))
        })?);
    }
    if let Some(field) = lines.field("period") {
        terms.period = Some(or_none(&field, || {
            uses("period", |policy| policy.uses_periods)?;
            value(known, |reader| reader.period(&field))
        })?);
    }
    if terms == Terms::default() {
        return wrong("what is to be is not said: a share, a reservation, a limit or a period");
    }
    let Some(new) = config.with_terms(index, resource, core, &terms) else { return wrong("") };
    admit(config, (index, &new), resource, &cores, &metric)?;
    Ok(Change::Terms { activity: index, resource, core, terms })
}

/// What a field says, unless it says that there is none.
fn or_none<T>(field: &Field, read: impl FnOnce() -> Judged<T>) -> Judged<Option<T>> {
    if field.text == "none" { Ok(None) } else { read().map(Some) }
}

/// Another policy.
fn policy(
    config: &Config,
    known: &Known,
    lines: &Lines<'_>,
    at: At,
    core: Option<CoreId>,
) -> Judged<Change> {
    let params: Vec<Parameter> = lines
        .0
        .iter()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix(PARAM)?.to_string();
            Some(Parameter { name, value: value.to_string(), place: NOWHERE })
        })
        .collect();
    let all: Vec<_> = lines.0.iter().map(|(name, _)| *name).collect();
    let names = ["at", "core", "policy"].into_iter();
    let names: Vec<_> =
        names.chain(all.into_iter().filter(|name| name.starts_with(PARAM))).collect();
    lines.only(&names)?;
    if matches!(at, At::Resource(_)) && core.is_some() {
        return wrong("a resource has one policy, on all its cores");
    }
    let of = match at {
        At::Multiplexors => Of::Core,
        At::Scheduler(_) => Of::Schedulers,
        At::Resource(index) => {
            Of::Resource(config.resources.get(index.index()).map_or("", |it| &it.resource))
        }
    };
    let Some(field) = lines.field("policy") else { return wrong("") };
    let algorithm = value(known, |reader| {
        let algorithm = reader.algorithm(&field);
        fits(reader, &field, &algorithm, of);
        let policy = reader.known.policies.iter().find(|policy| policy.name == algorithm.name);
        for param in &params {
            if let Some(policy) = policy.filter(|it| !it.parameters.contains(&param.name)) {
                let kind = format!("parameter of {}", policy.name);
                let name = self::field(&param.name);
                reader.unknown(&name, &kind, policy.parameters.iter().map(String::as_str));
            }
        }
        Some(rooted(reader, algorithm, &params))
    })?;
    if let At::Multiplexors = at {
        let meant = |own| core.is_none_or(|core| core == own);
        for mux in config.multiplexors.iter().filter(|mux| meant(mux.core)) {
            let through = mux.shares == ShareForm::ChargeThrough && mux.algorithm.uses_shares;
            if through && !algorithm.uses_shares {
                let (tag, name) = (&mux.tag, &algorithm.name);
                return wrong(format!(
                    "'{tag}' charges through, for which {name} has no shares: expected a policy of \
                     shares, or the machine begun with another"
                ));
            }
        }
    }
    kept(config, at, core, &algorithm)?;
    Ok(Change::Policy { at, core, algorithm, params })
}

/// What a scheduler between others carries.
fn limit(config: &Config, known: &Known, lines: &Lines<'_>, at: At) -> Judged<Change> {
    lines.only(&["at", "limit"])?;
    let At::Scheduler(index) = at else {
        return wrong("a limit of all clients together is a scheduler's between others");
    };
    let (Some(bus), Some(field)) = (config.schedulers.get(index.index()), lines.field("limit"))
    else {
        return wrong("");
    };
    if field.text == "none" {
        return Ok(Change::Limit(index, None));
    }
    let limit = value(known, |reader| super::schedulers::limit(reader, &field, &bus.metric))?;
    let reserved = config.reserved_beneath(index, None);
    if reserved > limit.get() {
        let tag = &bus.tag;
        return Err(Refusal::Full(format!(
            "{reserved} a second are reserved beneath '{tag}': expected a limit that is no less"
        )));
    }
    Ok(Change::Limit(index, Some(limit)))
}

/// How a resource or a scheduler stands where it requests time.
fn standing(
    config: &Config,
    known: &Known,
    lines: &Lines<'_>,
    at: At,
    core: Option<CoreId>,
) -> Judged<Change> {
    lines.only(&["at", "core", "share", "priority"])?;
    if at == At::Multiplexors {
        return wrong("a multiplexor requests of nobody: expected an activity, or a policy");
    }
    let meant = |from| match (core, from) {
        (Some(core), Source::Multiplexor(own)) => core == own,
        _ => true,
    };
    let draws = config.draws_of(at).iter().filter(|draw| meant(draw.from));
    let of = |from| match from {
        Source::Multiplexor(_) => Of::Core,
        Source::Scheduler(_) => Of::Schedulers,
    };
    let policies = draws.filter_map(|draw| Some((config.policy(draw.from)?, of(draw.from))));
    let policies: Vec<_> = policies.collect();
    let uses = |knob: &str, uses: fn(&Algorithm) -> bool| -> Judged<()> {
        let Some(own) = policies.iter().find(|(policy, _)| !uses(policy)) else { return Ok(()) };
        value(known, |reader| {
            ignored(reader, &field(""), knob, *own);
            Some(())
        })
    };
    let share = match lines.field("share") {
        Some(field) => {
            uses("share", |policy| policy.uses_shares)?;
            Some(value(known, |reader| reader.share(&field))?)
        }
        None => None,
    };
    let priority = match lines.field("priority") {
        Some(field) => {
            uses("priority", |policy| policy.uses_priority)?;
            Some(value(known, |reader| reader.number32(&field, 0, 1_000_000))?)
        }
        None => None,
    };
    if share.is_none() && priority.is_none() {
        return wrong("what is to be is not said: a policy, a share, a priority or a limit");
    }
    Ok(Change::Standing { at, core, share, priority })
}

#[cfg(test)]
mod tests;
