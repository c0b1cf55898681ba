//! The rows of a report.

use serde::{Serialize, Serializer};
use vortex_units::{ActivityId, Bytes, CoreId, Cycles, Frames, Requests, Share};

/// A core's time. Elapsed = idle + the sum over `activities`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CoreUsage {
    /// Which core.
    #[serde(serialize_with = "core")]
    pub core: CoreId,
    /// Time since its start; a run over the end of the simulation is finished.
    #[serde(serialize_with = "cycles")]
    pub elapsed: Cycles,
    /// Time with nothing to do.
    #[serde(serialize_with = "cycles")]
    pub idle: Cycles,
    /// By place of activity.
    #[serde(serialize_with = "many")]
    pub activities: Vec<Cycles>,
}

/// What an activity used at a resource, on all cores, and how long it waited there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// The activity, by place.
    pub activity: usize,
    /// The resource, by place.
    pub resource: usize,
    /// Processor time, user time included.
    #[serde(serialize_with = "cycles")]
    pub cycles: Cycles,
    /// Bytes moved.
    #[serde(serialize_with = "bytes")]
    pub bytes: Bytes,
    /// The most memory held at a time.
    #[serde(serialize_with = "frames")]
    pub memory: Frames,
    /// Requests dispatched; one rejected by a full device counts each time.
    #[serde(serialize_with = "requests")]
    pub requests: Requests,
    /// The mean time from being queued to being dispatched.
    #[serde(serialize_with = "cycles")]
    pub mean_wait: Cycles,
    /// The longest.
    #[serde(serialize_with = "cycles")]
    pub longest_wait: Cycles,
    /// Requests queued at the end.
    pub queued: usize,
}

/// A part of a whole, in per cent.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Received(pub f64);

/// What an activity has had of what all activities used, against what it was entitled to
/// among those that had work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShareRow {
    /// The activity, by place; never infrastructure.
    pub activity: usize,
    /// On this core; `None`: on all together.
    #[serde(serialize_with = "maybe_core")]
    pub core: Option<CoreId>,
    /// Its weight at the multiplexor; overall, the sum of them.
    #[serde(serialize_with = "shares")]
    pub weight: Vec<Share>,
    /// What it used.
    #[serde(serialize_with = "cycles")]
    pub cycles: Cycles,
    /// Its part of the weights of those that had work there.
    pub entitled: Received,
    /// Its part of what they used.
    pub received: Received,
    /// Received less entitled, in points.
    pub deviation: Received,
    /// The deviation with the largest amount among the samples, in points.
    pub worst_interval: Received,
}

/// For how long an activity's requests waited while another ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlameRow {
    /// Who waited, by place.
    pub victim: usize,
    /// Who ran, by place.
    pub causer: usize,
    /// For how long, over the waits that were explained.
    #[serde(serialize_with = "cycles")]
    pub cycles: Cycles,
}

/// Roots refused, or calls that ended without a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Whose, by place.
    pub activity: usize,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// What each activity used on a core in an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// From.
    #[serde(serialize_with = "cycles")]
    pub since: Cycles,
    /// To.
    #[serde(serialize_with = "cycles")]
    pub at: Cycles,
    /// On this core.
    #[serde(serialize_with = "core")]
    pub core: CoreId,
    /// By place of activity.
    #[serde(serialize_with = "many")]
    pub cycles: Vec<Cycles>,
}

/// A run of a handler, with the user time before it where there was any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceRow {
    /// When it began.
    #[serde(serialize_with = "cycles")]
    pub at: Cycles,
    /// Where.
    #[serde(serialize_with = "core")]
    pub core: CoreId,
    /// At which resource, by place.
    pub resource: usize,
    /// For which activity, by place.
    pub activity: usize,
    /// What it cost, the toolkit's part included.
    #[serde(serialize_with = "cycles")]
    pub cycles: Cycles,
}

// The units know nothing of serde: these write them as the numbers they are.

pub(super) fn cycles<S: Serializer>(value: &Cycles, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(value.get())
}

fn bytes<S: Serializer>(value: &Bytes, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(value.get())
}

fn frames<S: Serializer>(value: &Frames, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(value.get())
}

fn requests<S: Serializer>(value: &Requests, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(value.get())
}

pub(super) fn core<S: Serializer>(value: &CoreId, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(value.get())
}

fn maybe_core<S: Serializer>(value: &Option<CoreId>, to: S) -> Result<S::Ok, S::Error> {
    value.map(CoreId::get).serialize(to)
}

pub(super) fn activity<S: Serializer>(of: &Option<ActivityId>, to: S) -> Result<S::Ok, S::Error> {
    of.map(ActivityId::index).serialize(to)
}

fn many<S: Serializer>(values: &[Cycles], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(|value| value.get()))
}

fn shares<S: Serializer>(values: &[Share], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(|value| value.hundredths()))
}
