//! What a sound configuration guarantees, in plain numbers.
//!
//! A guarantee is what a client gets *at least* while it has work all the time, whatever
//! others do, counted in the long run; the policies' own headers bound how far they may be
//! off for a while. It is found level by level: a client's part of its scheduler times the
//! scheduler's part of its own. A level without shares guarantees nothing to anybody but
//! the one of the highest priority, and then neither does anything above it.

mod feasible;
mod group;
mod level;
mod notes;

use alloc::vec::Vec;

use vortex_units::CoreId;

use crate::{ActivityIndex, Config, ResourceIndex, ResourceScheduler, ShareForm, THREAD};
pub use level::{Fraction, Level, Reason};
pub use notes::{Note, NoteKind};

/// The most guarantees listed.
pub const LISTED: usize = 100_000;

/// Of what a guarantee speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that the activity uses on the core, in whatever resource (charge-through); never
    /// less than any line about a part of it. Infrastructure has no such line.
    Whole,
    /// The activity's threads.
    Threads,
    /// What is done for the activity in this resource.
    Resource(ResourceIndex),
}

/// What an activity can count on, on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// Who.
    pub activity: ActivityIndex,
    /// Of what.
    pub scope: Scope,
    /// Where. Entitlements are per core: nothing is moved between cores to even them out.
    pub core: CoreId,
    /// The part of the resource's own service there, in the resource's metric.
    pub of_resource: Level,
    /// The part of the core's time; nothing where a level on the way counts other than
    /// cycles, because time is then not what is shared.
    pub of_core: Level,
}

/// All that is to be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    /// By core, then resource, then activity.
    pub guarantees: Vec<Guarantee>,
    /// How schedulers compose, each with the element it is about.
    pub notes: Vec<Note>,
    /// Whether there are more guarantees than [`LISTED`].
    pub cut: bool,
}

/// Says what a configuration guarantees.
#[must_use]
pub fn analyse(config: &Config) -> Analysis {
    let mut analysis = Analysis::default();
    for multiplexor in &config.multiplexors {
        let core = multiplexor.core;
        let through = multiplexor.shares == ShareForm::ChargeThrough;
        if through && multiplexor.algorithm.uses_shares && is_used(config, core) {
            let part = level::whole(config, core);
            list(config, &mut analysis, Scope::Whole, core, part);
        }
        if let Some(thread) = config.thread().filter(|thread| thread.cores.contains(&core)) {
            let part = level::threads(config, thread, core);
            list(config, &mut analysis, Scope::Threads, core, part);
        }
        for (number, resource) in resources_on(config, core) {
            let part = level::resource(config, number, resource, core);
            list(config, &mut analysis, Scope::Resource(number), core, part);
        }
    }
    analysis.notes = notes::notes(config);
    analysis.notes.extend(feasible::notes(config, &analysis.guarantees));
    analysis
}

/// The resources on a core that are not threads.
fn resources_on(
    config: &Config,
    core: CoreId,
) -> impl Iterator<Item = (ResourceIndex, &ResourceScheduler)> {
    let all = config.resources.iter().enumerate();
    let all = all.filter(move |(_, entry)| entry.resource != THREAD && entry.cores.contains(&core));
    all.filter_map(|(index, entry)| Some((ResourceIndex(u32::try_from(index).ok()?), entry)))
}

/// Whether anything runs on the core.
fn is_used(config: &Config, core: CoreId) -> bool {
    config.resources.iter().any(|resource| resource.cores.contains(&core))
}

/// Adds a line for each activity; for infrastructure where it is a client, in resources.
fn list(
    config: &Config,
    analysis: &mut Analysis,
    scope: Scope,
    core: CoreId,
    part: impl Fn(ActivityIndex) -> (Level, Level),
) {
    for index in 0..config.activities.len() {
        let Ok(number) = u32::try_from(index) else { break };
        let activity = ActivityIndex(number);
        if activity == ActivityIndex::INFRASTRUCTURE && !matches!(scope, Scope::Resource(_)) {
            continue;
        }
        if analysis.guarantees.len() >= LISTED {
            analysis.cut = true;
            break;
        }
        let (of_resource, of_core) = part(activity);
        analysis.guarantees.push(Guarantee { activity, scope, core, of_resource, of_core });
    }
}

#[cfg(test)]
mod tests;
