//! The closed message type of the simulated grid.

use vortex_grid::{Message, Port, Trigger, Unbilled};
use vortex_units::{ActivityId, Bytes, Cycles};

use crate::random::Random;
use crate::thread::Thread;

/// How many requests a run of a simulated resource sends at most; more are sent in further
/// runs.
pub(crate) const BURST: usize = 4;
/// Over how many resources a causer may stay unknown.
pub(crate) const UNKNOWN: usize = 3;

/// A request to a simulated resource, and how far it has come.
pub(crate) struct WorkRequest {
    pub bytes: Bytes,
    /// Who will turn out to have caused it.
    pub causer: Option<ActivityId>,
    /// What it has cost the infrastructure so far.
    pub unbilled: [Option<Unbilled>; UNKNOWN],
    pub stage: Stage,
    /// Replies that it still has to wait for.
    pub awaited: [Option<Trigger>; BURST],
}

/// How far a request has come.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    /// Nothing was done.
    New,
    /// So much of its cost is left.
    Costing(Cycles),
    /// The next to be sent: which `<send>`, and which of its count.
    Sending(u16, u32),
}

impl WorkRequest {
    pub fn new(bytes: Bytes, causer: Option<ActivityId>) -> Self {
        Self { bytes, causer, unbilled: [None; UNKNOWN], stage: Stage::New, awaited: [None; BURST] }
    }
}

/// A simulated request is done.
pub(crate) struct WorkDone;

/// A thread is ready to run.
#[derive(Clone, Copy)]
pub(crate) struct ThreadReady {
    /// The instance that it is sent to again.
    pub own: Port<Thread>,
    /// The thread, and its affinity label.
    pub thread: u64,
    /// Where in its program it is.
    pub step: u16,
    /// Cycles left of the current compute step.
    pub left: Cycles,
    /// Cycles left of its timeslice.
    pub slice: Cycles,
    pub random: Random,
}

/// Nobody waits for a thread.
pub(crate) struct ThreadDone;

/// All that can be sent.
pub(crate) enum SimMessage {
    Work(WorkRequest),
    WorkDone(WorkDone),
    Thread(ThreadReady),
    ThreadDone(ThreadDone),
}

impl Message for SimMessage {
    fn size(&self) -> Bytes {
        match self {
            Self::Work(work) => work.bytes,
            _ => Bytes::ZERO,
        }
    }
}

vortex_grid::carries!(
    SimMessage: Work(WorkRequest), WorkDone(WorkDone), Thread(ThreadReady), ThreadDone(ThreadDone)
);
