//! What a simulation has shown, as data.

mod make;
mod rows;

use serde::Serialize;
use vortex_units::{ActivityId, CoreId, Cycles};

pub(crate) use make::report;
pub use rows::{BlameRow, CoreUsage, Received, Refusal, Sample, ShareRow, TraceRow, UsageRow};

/// The result of a simulation.
///
/// Activities and resources are named by their place in `activities` and `resources`, which
/// are the configuration's; infrastructure is the first activity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The seed of every random choice.
    pub seed: u64,
    /// Cycles a second.
    #[serde(serialize_with = "rows::cycles")]
    pub frequency: Cycles,
    /// How much virtual time has passed.
    #[serde(serialize_with = "rows::cycles")]
    pub duration: Cycles,
    /// The activities' names.
    pub activities: Vec<String>,
    /// The resources' names.
    pub resources: Vec<String>,
    /// Each core's time.
    pub cores: Vec<CoreUsage>,
    /// Consumption and waits by activity and resource.
    pub usage: Vec<UsageRow>,
    /// Shares against entitlements: on each core, and overall.
    pub shares: Vec<ShareRow>,
    /// Who waited for whom, as far as waits were explained.
    pub blame: Vec<BlameRow>,
    /// Roots that were refused.
    pub refusals: Vec<Refusal>,
    /// Whether every cycle was accounted for.
    pub audit: Audit,
    /// Runs of handlers, on all cores.
    pub runs: u64,
    /// Leaf locks that the grid has taken, on all cores.
    pub locks: u64,
    /// Consumption interval by interval.
    pub samples: Vec<Sample>,
    /// The first runs of each core, by time and core; empty if no trace was asked for.
    pub trace: Vec<TraceRow>,
}

/// How the audits went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Audits of a core.
    pub checks: u64,
    /// Sums that did not agree.
    pub failed: u64,
    /// The first of them.
    pub first: Option<Deviation>,
}

/// A sum that did not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// On this core.
    #[serde(serialize_with = "rows::core")]
    pub core: CoreId,
    /// Of this activity; `None`: of the whole core.
    #[serde(serialize_with = "rows::activity")]
    pub activity: Option<ActivityId>,
    /// What the ledger has.
    #[serde(serialize_with = "rows::cycles")]
    pub ledger: Cycles,
    /// What the parts come to.
    #[serde(serialize_with = "rows::cycles")]
    pub booked: Cycles,
}

impl Report {
    /// The share row of an activity, on a core or overall.
    #[must_use]
    pub fn share(&self, activity: &str, core: Option<CoreId>) -> Option<&ShareRow> {
        let named = |row: &&ShareRow| {
            row.core == core && self.activities.get(row.activity).is_some_and(|n| n == activity)
        };
        self.shares.iter().find(named)
    }

    /// The usage row of an activity at a resource.
    #[must_use]
    pub fn usage(&self, activity: &str, resource: &str) -> Option<&UsageRow> {
        self.usage.iter().find(|row| {
            self.activities.get(row.activity).is_some_and(|n| n == activity)
                && self.resources.get(row.resource).is_some_and(|n| n == resource)
        })
    }

    /// The trace as text, a run a line: time, core, resource, activity, cycles.
    #[must_use]
    pub fn trace_text(&self) -> String {
        let name = |names: &[String], place: usize| names.get(place).cloned().unwrap_or_default();
        let mut text = String::new();
        for row in &self.trace {
            let resource = name(&self.resources, row.resource);
            let activity = name(&self.activities, row.activity);
            let (at, core, cycles) = (row.at.get(), row.core.get(), row.cycles.get());
            text.push_str(&format!("{at} {core} {resource} {activity} {cycles}\n"));
        }
        text
    }
}
