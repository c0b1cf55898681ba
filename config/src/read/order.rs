//! An order: what is to be changed of a configuration while the machine runs, judged by the rules
//! by which files are read.
//!
//! It has lines of a name and a value, `at = resource.tcp`: of whom, where, and what is to be. A
//! value is as a file has it; `none` takes away what was said.
//!
//! What can be known without a look at all activities is judged when it is read ([`order`]); what
//! all of them have together in steps ([`Judging`]), since there may be any number.

mod exchange;
mod judging;
mod others;
mod spots;
mod terms;
mod way;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vortex_units::{CoreId, Share};

pub use judging::Judging;
use others::{limit, policy, standing};
use terms::{everywhere, terms};

use super::element::{Field, Reader};
use super::schedulers::{Of, ignored};
use crate::change::NOWHERE;
use crate::{Algorithm, At, Config, Flaw, Known, ResourceIndex, SchedulerIndex, THREAD};

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such activity.
    NoActivity(String),
    /// There is no such scheduler.
    NoScheduler(String),
    /// It cannot be so there.
    Wrong(String),
    /// It could be, but for what holds there now.
    Held(String),
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
            | Self::Held(text)
            | Self::Full(text) => text,
        }
    }
}

type Judged<T> = Result<T, Refusal>;

fn wrong<T>(text: impl Into<String>) -> Judged<T> {
    Err(Refusal::Wrong(text.into()))
}

fn held<T>(text: impl Into<String>) -> Judged<T> {
    Err(Refusal::Held(text.into()))
}

/// The lines of an order.
struct Lines<'a>(Vec<(&'a str, &'a str)>);

/// What may be written; parameters of policies are `param.NAME`.
const NAMES: [&str; 9] =
    ["activity", "at", "core", "share", "priority", "reservation", "limit", "period", "policy"];
const PARAM: &str = "param.";
/// As a place: all.
const EVERYWHERE: &str = "all";
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
                let with = names.join(", ");
                wrong(format!(
                    "'{name}' does not belong to the rest: one thing at a time, here of {with}"
                ))
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

/// A value, or nothing where it says that there is to be none.
fn or_none<T>(field: &Field, read: impl FnOnce() -> Judged<T>) -> Judged<Option<T>> {
    if field.text == "none" { Ok(None) } else { read().map(Some) }
}

/// Whether all of these policies look at what is said.
fn looked_at<'a>(
    known: &Known,
    knob: &str,
    mut policies: impl Iterator<Item = (&'a Algorithm, Of<'a>)>,
    looks: impl Fn(&Algorithm) -> bool,
) -> Judged<()> {
    let Some(own) = policies.find(|(policy, _)| !looks(policy)) else { return Ok(()) };
    value(known, |reader| {
        ignored(reader, &field(""), knob, own);
        Some(())
    })
}

/// A share and a priority, where either is said: `None` in it where there is to be none.
type Said = (Option<Option<Share>>, Option<Option<u32>>);

/// Reads them; whether all who are to look at one do is asked before its value is read.
fn share_and_priority(
    known: &Known,
    lines: &Lines<'_>,
    uses: impl Fn(&str, fn(&Algorithm) -> bool) -> Judged<()>,
) -> Judged<Said> {
    let share = lines.field("share").map(|field| {
        or_none(&field, || {
            uses("share", |policy| policy.uses_shares)?;
            value(known, |reader| reader.share(&field))
        })
    });
    let priority = lines.field("priority").map(|field| {
        or_none(&field, || {
            uses("priority", |policy| policy.uses_priority)?;
            value(known, |reader| reader.number32(&field, 0, 1_000_000))
        })
    });
    Ok((share.transpose()?, priority.transpose()?))
}

/// Reads an order, and judges what of it is said in it. What comes of that is to be looked at to
/// its end ([`Judging::step`]); what is sound then may be carried out, and is to be kept
/// ([`Config::change`]).
///
/// # Errors
/// [`Refusal`], with what would be right.
pub fn order(config: &Config, known: &Known, text: &str) -> Result<Judging, Refusal> {
    let lines = Lines::read(text)?;
    let Some(name) = lines.get("at") else {
        return wrong("where is not said: expected at=cpu, a resource's name or a scheduler's tag");
    };
    if name == EVERYWHERE {
        let change = everywhere(config, known, &lines)?;
        return Ok(Judging::new(config, change));
    }
    let (at, tagged) = place(config, name)?;
    let core = match lines.field("core") {
        None => tagged,
        Some(field) => {
            let core = value(known, |reader| reader.core(&field))?;
            if let Some(own) = tagged.filter(|own| *own != core) {
                return wrong(format!("'{name}' is not on {core}: it is on {own}"));
            }
            Some(core)
        }
    };
    on_cores(config, at, core, name)?;
    let change = match lines.get("activity") {
        Some(activity) => terms(config, known, &lines, (activity, at, core)),
        None if lines.get("policy").is_some() => policy(config, known, &lines, at, core),
        None if lines.get("limit").is_some() => limit(config, known, &lines, at),
        None => standing(config, known, &lines, at, core),
    }?;
    Ok(Judging::new(config, change))
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
            let what = format!("there is no scheduler '{name}'; there are {all}");
            Err(Refusal::NoScheduler(what))
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

#[cfg(test)]
mod tests;
