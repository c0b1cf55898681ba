//! How schedulers compose: what the file asks for that its schedulers cannot give.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Algorithm, Config, Metric, Place, ShareForm, Source};

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
        for draw in &scheduler.draws {
            compose(
                config,
                &mut notes,
                &scheduler.tag,
                &scheduler.algorithm,
                draw.from,
                draw.place,
            );
        }
    }
    for resource in &config.resources {
        let name = &resource.resource;
        for draw in &resource.draws {
            compose(config, &mut notes, name, &resource.algorithm, draw.from, draw.place);
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
fn compose(
    config: &Config,
    notes: &mut Vec<Note>,
    name: &str,
    upper: &Algorithm,
    from: Source,
    place: Place,
) {
    let Some(lower) = config.policy(from) else { return };
    let below = &lower.name;
    let tag = match from {
        Source::Multiplexor(core) => config.multiplexor(core).map(|it| &it.tag),
        Source::Scheduler(index) => config.schedulers.get(index.index()).map(|it| &it.tag),
    };
    let tag = tag.map_or("", |tag| tag.as_str());
    let is_first = lower.uses_priority && super::level::is_first(config, name, from);
    let (text, right) = if is_first {
        // It has all of what it asks for, and then its own policy decides.
        return;
    } else if upper.uses_shares && !lower.uses_shares {
        (
            format!(
                "the shares at '{name}' divide what {below} leaves to it: no part of the core is \
                 certain"
            ),
            format!("a policy of shares at '{tag}', or '{name}' alone before all others there"),
        )
    } else if upper.uses_priority && !lower.uses_priority {
        (
            format!(
                "a high priority at '{name}' goes before the others there, but the {below} below \
                 decides when '{name}' runs: it bounds no delay"
            ),
            format!("priority.strict at '{tag}' with '{name}' alone before all others there"),
        )
    } else if upper.uses_periods && !upper.uses_reservations && !lower.uses_periods {
        (
            format!(
                "the deadlines at '{name}' are kept in the time that {below} gives it, whenever \
                 that is: none is certain"
            ),
            format!(
                "priority.strict at '{tag}' with '{name}' alone before all others there, or \
                 deadline.edf at '{tag}'"
            ),
        )
    } else if !lower.work_conserving && upper.work_conserving {
        (
            format!("'{name}' may wait while there is work, as {below} below it may"),
            format!("a policy at '{tag}' that does not wait, or what is limited there left to it"),
        )
    } else {
        return;
    };
    notes.push(Note { kind: NoteKind::Unsound, place, text, right: Some(right) });
}
