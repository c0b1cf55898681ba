//! What `simulate` runs: resources as costs, threads as programs, arrivals from outside.

use alloc::vec::Vec;

use vortex_units::{Bytes, Cycles, Frames, Nanos};

use super::{ActivityIndex, ResourceIndex};
use crate::Place;

/// The simulated part of the file. The same file and seed give the same run to the cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// Where every random choice starts. 1 if not written.
    pub seed: u64,
    /// How much virtual time passes.
    pub duration: Nanos,
    /// The resources; at most one entry for each of `Config::resources`, never for
    /// `resource.thread`, which the simulator has itself.
    pub resources: Vec<SimulatedResource>,
    /// Threads.
    pub workloads: Vec<Workload>,
    /// Requests from outside.
    pub arrivals: Vec<Arrivals>,
    /// Where it is written; line zero for one that is not.
    pub place: Place,
}

/// A number of cycles: fixed where both are equal, else drawn uniformly, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub least: Cycles,
    /// The most, not less than the least.
    pub most: Cycles,
}

/// What a request costs at a resource, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedResource {
    /// Which.
    pub resource: ResourceIndex,
    /// `cost`: cycles for each request.
    pub cost: Span,
    /// `bytes` that each request moves; `None`: as many as it was sent with.
    pub bytes: Option<Bytes>,
    /// `memory` allocated while a request and all it waits for lasts.
    pub memory: Frames,
    /// `bill="causer"`: here the causer of an arrival becomes known. What the request has
    /// cost the infrastructure up to here is billed back, and what follows is the causer's.
    pub bills_causer: bool,
    /// `<device>`: a device behind it that has its own speed.
    pub device: Option<Device>,
    /// `<send>`: what it sends on, in this order. Never in a circle.
    pub sends: Vec<SimSend>,
    /// Where it is written.
    pub place: Place,
}

/// A device that takes bytes at its own rate. While its queue has no room for a request
/// the resource rejects (scope: the device queue) and is resumed when there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// `rate`: bytes a second.
    pub rate: Bytes,
    /// `room`: how many bytes it holds; a request larger than this is taken when empty.
    pub room: Bytes,
}

/// Requests that a resource sends while it handles one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimSend {
    /// To whom.
    pub to: ResourceIndex,
    /// `count`: how many. One if not written.
    pub count: u32,
    /// `bytes` each; `None`: as many as the request being handled.
    pub bytes: Option<Bytes>,
    /// `wait="yes"`: the request handled is done, and replied to, only when these are.
    pub wait: bool,
    /// Where it is written.
    pub place: Place,
}

/// Threads that all run the same program, over and over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Whose; never the infrastructure's.
    pub activity: ActivityIndex,
    /// `processes`: each with an instance of `resource.thread`. One if not written.
    pub processes: u32,
    /// `threads` of each process. One if not written.
    pub threads: u32,
    /// `start`: zero if not written.
    pub start: Nanos,
    /// `stop`: a thread that reaches the end of its program after it ends.
    pub stop: Option<Nanos>,
    /// The program; takes some time, so that it cannot spin in no time at all.
    pub steps: Vec<Step>,
    /// Where it is written.
    pub place: Place,
}

/// A step of a thread's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `<compute>`: uses this many cycles in user mode.
    Compute(Span),
    /// `<call>`: sends a request and waits until it is done.
    Call {
        /// To whom.
        resource: ResourceIndex,
        /// With how many bytes. Zero if not written.
        bytes: Bytes,
    },
    /// `<send>`: sends a request and goes on.
    Send {
        /// To whom.
        resource: ResourceIndex,
        /// With how many bytes. Zero if not written.
        bytes: Bytes,
    },
    /// `<sleep>`: waits.
    Sleep(Nanos),
}

/// When arrivals come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    /// `periodic`: evenly. The default.
    #[default]
    Periodic,
    /// `poisson`: independently of one another.
    Poisson,
}

/// Requests that come from outside whether or not anybody is ready for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrivals {
    /// `resource`: where they arrive.
    pub resource: ResourceIndex,
    /// `activity`: whose they are; the infrastructure's if not written.
    pub activity: ActivityIndex,
    /// `causer`: who it will turn out to be. Only for the infrastructure's, and where a
    /// resource on the way bills the causer.
    pub causer: Option<ActivityIndex>,
    /// `rate`: how many a second.
    pub rate: u64,
    /// `bytes` each. Zero if not written.
    pub bytes: Bytes,
    /// `flows`: over how many affinity and dependency labels they are spread in turn. One
    /// if not written.
    pub flows: u32,
    /// `pattern`.
    pub pattern: Pattern,
    /// `start`: zero if not written.
    pub start: Nanos,
    /// `stop`: the end of the simulation if not written.
    pub stop: Option<Nanos>,
    /// Where it is written.
    pub place: Place,
}
