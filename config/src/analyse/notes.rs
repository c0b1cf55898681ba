//! How schedulers compose: what the file asks for that its schedulers cannot give.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use vortex_units::Rate;

use super::way::{activities_at, draws, has_all, scheduler};
use crate::{Algorithm, Config, Draw, Metric, Place, ShareForm, Source};

/// Whether a note is about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// A promise made at one level is not kept by a level below it.
    Unsound,
    /// True of the configuration and good to know.
    Remark,
}

/// A note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Of which kind.
    pub kind: NoteKind,
    /// The element at fault, or the first that is meant.
    pub place: Place,
    /// What is to be said.
    pub text: String,
    /// What would be sound, of a fault.
    pub right: Option<String>,
}

/// A resource or a scheduler that requests time.
struct Client<'a> {
    name: &'a str,
    policy: &'a Algorithm,
}

/// A rate as a file says it.
pub(super) fn rate(rate: Rate, metric: &Metric) -> String {
    let rate = rate.get();
    match metric {
        Metric::Bytes if rate.is_multiple_of(1_000_000) => format!("{} MB/s", rate / 1_000_000),
        Metric::Bytes if rate.is_multiple_of(1_000) => format!("{} kB/s", rate / 1_000),
        Metric::Bytes => format!("{rate} B/s"),
        _ => format!("{rate} /s"),
    }
}

fn remark(place: Place, text: String) -> Note {
    Note { kind: NoteKind::Remark, place, text, right: None }
}

pub(super) fn notes(config: &Config) -> Vec<Note> {
    let mut notes = Vec::new();
    for multiplexor in &config.multiplexors {
        let (tag, place) = (&multiplexor.tag, multiplexor.place);
        if multiplexor.metric != Metric::Cycles {
            let text = format!("'{tag}' does not count cycles: it gives nobody a part of the time");
            let right = Some("metric=\"cycles\", or none".into());
            notes.push(Note { kind: NoteKind::Unsound, place, text, right });
        }
        if multiplexor.shares == ShareForm::Paper && multiplexor.algorithm.uses_shares {
            let text = format!(
                "'{tag}' has the paper's form of shares: what an activity uses in resources comes \
                 on top of its threads' share, so one that asks for much there gets more in all"
            );
            notes.push(remark(place, text));
        }
        if multiplexor.shares == ShareForm::ChargeThrough
            && multiplexor.algorithm.uses_shares
            && lends(config, Source::Multiplexor(multiplexor.core))
        {
            let text = format!(
                "an activity that waits in a resource lends it its turns at '{tag}' and pays for \
                 them, whomever the resource serves with them"
            );
            notes.push(remark(place, text));
        }
    }
    for scheduler in &config.schedulers {
        let client = Client { name: &scheduler.tag, policy: &scheduler.algorithm };
        for draw in &scheduler.draws {
            compose(config, &mut notes, &client, draw);
        }
    }
    for resource in &config.resources {
        let name = &resource.resource;
        let client = Client { name, policy: &resource.algorithm };
        for draw in &resource.draws {
            compose(config, &mut notes, &client, draw);
        }
        if resource.metric != Metric::Cycles && resource.algorithm.uses_shares {
            let text = format!(
                "the shares at '{name}' divide what it does by its own metric, not the core's time"
            );
            notes.push(remark(resource.place, text));
        }
        if resource.cores.len() > 1 && resource.algorithm.uses_shares && name != crate::THREAD {
            let text = format!(
                "the shares at '{name}' hold on each of its cores apart: an activity whose labels \
                 are bound to few of them has its share of those only"
            );
            notes.push(remark(resource.place, text));
        }
    }
    notes
}

/// Whether activities may lend their turns at this multiplexor: a resource draws from it.
fn lends(config: &Config, from: Source) -> bool {
    let resources = config.resources.iter().filter(|r| r.resource != crate::THREAD);
    resources.flat_map(|resource| &resource.draws).any(|draw| draw.from == from)
}

/// A client's policy over the policy of whom it asks for time.
fn compose(config: &Config, notes: &mut Vec<Note>, client: &Client<'_>, draw: &Draw) {
    let (name, upper) = (client.name, client.policy);
    let Some((lower, ..)) = scheduler(config, draw.from) else { return };
    let below = &lower.name;
    let bus = match draw.from {
        Source::Multiplexor(_) => None,
        Source::Scheduler(index) => config.schedulers.get(index.index()),
    };
    let tag = match draw.from {
        Source::Multiplexor(core) => config.multiplexor(core).map(|it| &it.tag),
        Source::Scheduler(_) => bus.map(|bus| &bus.tag),
    };
    let tag = tag.map_or("", |tag| tag.as_str());
    if let Some((bus, limit)) = bus.and_then(|bus| Some((bus, bus.limit?))) {
        let rate = rate(limit, &bus.metric);
        let text = format!(
            "'{name}' waits, also while there is work, when '{tag}' has let {rate} through, its \
             limit: no part of the core is certain there"
        );
        notes.push(remark(draw.place, text));
    }
    let has_all = client.name != crate::THREAD && has_all(config, draw);
    let (text, right) = if has_all {
        // It has all of what it asks for, and then its own policy decides.
        return;
    } else if upper.uses_shares && !lower.uses_shares {
        let first = first(config, name, tag, lower, draw);
        (
            format!(
                "the shares at '{name}' divide what {below} leaves to it: no part of the core is \
                 certain"
            ),
            format!("propshare.wfq at '{tag}'{first}"),
        )
    } else if upper.uses_priority && !lower.uses_priority {
        let more = if lower.uses_shares {
            String::new()
        } else {
            format!(" and propshare.wfq at '{tag}'")
        };
        (
            format!(
                "a high priority at '{name}' goes before the others there, but the {below} below \
                 decides when '{name}' runs: it bounds no delay"
            ),
            // Nothing above shares, or beside threads, can be before all others.
            format!("propshare.wfq at '{name}'{more}"),
        )
    } else if upper.uses_periods && !upper.uses_reservations {
        let more = if lower.uses_shares {
            String::new()
        } else {
            format!(" and propshare.wfq at '{tag}'")
        };
        let first = first(config, name, tag, lower, draw);
        (
            format!(
                "the deadlines at '{name}' are kept in the time that {below} gives it, whenever \
                 that is: none is certain"
            ),
            format!("deadline.cbs at '{name}'{more}, with reservations{first}"),
        )
    } else {
        return;
    };
    notes.push(Note { kind: NoteKind::Unsound, place: draw.place, text, right: Some(right) });
}

/// That it could be before all others, where that is so and starves no activity's threads.
fn first(config: &Config, name: &str, tag: &str, lower: &Algorithm, own: &Draw) -> String {
    if !lower.uses_priority || activities_at(config, own.from) {
        return String::new();
    }
    let others = draws(config, own.from).filter(|draw| draw.place != own.place);
    match others.map(|draw| draw.priority.unwrap_or(0)).min() {
        Some(least) if least > 0 => {
            format!(", or priority=\"{}\" of '{name}' at '{tag}'", least - 1)
        }
        _ => String::new(),
    }
}
