//! What a sound configuration guarantees, in plain numbers.
//!
//! A guarantee is what a client gets *at least* while it has work all the time, whatever
//! others do, counted over the times that it names ([`Holds`]); the policies' own headers bound
//! how far they may be off for a while. It is found level by level: a client's part of its scheduler times the
//! scheduler's part of its own. A level without shares guarantees nothing to anybody but
//! the one of the highest priority, and then neither does anything above it.

mod feasible;
mod group;
mod holds;
mod level;
mod notes;
mod part;
mod way;

use alloc::vec::Vec;

use vortex_units::CoreId;

use crate::{ActivityIndex, Config, ResourceIndex, ResourceScheduler, ShareForm, THREAD};
pub use holds::{Holds, PERIOD, Reserved};
pub use level::{Fraction, Level, Reason};
pub use notes::{Note, NoteKind};

/// The most guarantees listed.
pub const LISTED: usize = 100_000;

/// Of what a guarantee speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that the activity uses on the core, in whatever resource (charge-through), while it
    /// has work in this one; in its threads if `None`. It is where it is certain of most.
    /// Infrastructure has no such line.
    Whole(Option<ResourceIndex>),
    /// The activity's threads.
    Threads,
    /// What is done for the activity in this resource.
    Resource(ResourceIndex),
}

/// What an activity can count on, on one core.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Over which times.
    pub holds: Holds,
    /// What of it is reserved, in amounts.
    pub reserved: Option<Reserved>,
}

/// The same without who and where.
struct Line {
    scope: Scope,
    of_resource: Level,
    of_core: Level,
    holds: Holds,
    reserved: Option<Reserved>,
}

impl Line {
    fn nothing(scope: Scope, reason: Reason) -> Self {
        let none = Level::None(reason);
        let holds = Holds::default();
        Self { scope, of_resource: none, of_core: none, holds, reserved: None }
    }

    const fn is_certain(&self) -> bool {
        matches!(self.of_core, Level::AtLeast(_))
    }
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
            list(config, &mut analysis, true, core, way::whole(config, core));
        }
        if let Some(thread) = config.thread().filter(|thread| thread.cores.contains(&core)) {
            list(config, &mut analysis, true, core, way::threads(config, thread, core));
        }
        for (number, resource) in resources_on(config, core) {
            let part = way::resource(config, number, resource, core);
            list(config, &mut analysis, false, core, part);
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
    without_infrastructure: bool,
    core: CoreId,
    part: impl Fn(ActivityIndex) -> Line,
) {
    for index in usize::from(without_infrastructure)..config.activities.len() {
        let Ok(number) = u32::try_from(index) else { break };
        let activity = ActivityIndex(number);
        if analysis.guarantees.len() >= LISTED {
            analysis.cut = true;
            break;
        }
        let Line { scope, of_resource, of_core, holds, reserved } = part(activity);
        let line = Guarantee { activity, scope, core, of_resource, of_core, holds, reserved };
        analysis.guarantees.push(line);
    }
}

#[cfg(test)]
mod tests;
