//! What a scheduler can see and do of the queues beneath its clients (§3.1: "a scheduler
//! can read, reorder, and modify the queue").

use vortex_units::{Bytes, Cycles, InstanceId};

use super::ClientId;
use crate::labels::Dependency;

/// A queue beneath a client; valid until the next call that is not on [`Queues`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRef(pub u64);

/// What a scheduler may know of a queued request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// Who sent it.
    pub sender: InstanceId,
    /// When it was queued.
    pub queued_at: Cycles,
    /// Its dependency label, if it has one.
    pub dependency: Option<Dependency>,
    /// Where on the device it is about, for policies that order by position; zero for
    /// messages without a position.
    pub position: u64,
    /// How much it asks for; zero where that is not known beforehand.
    pub size: Bytes,
}

/// A scheduling decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Whose turn it is. Must be ready.
    pub client: ClientId,
    /// From which of the client's queues; `None` leaves it to the toolkit, which lets the
    /// senders take turns.
    pub queue: Option<QueueRef>,
    /// How many requests may be dispatched on this decision, at least one.
    pub batch: u16,
}

impl Choice {
    /// One request of this client, from whichever of its queues is next.
    #[must_use]
    pub const fn of(client: ClientId) -> Self {
        Self { client, queue: None, batch: 1 }
    }
}

/// Why the toolkit refused to change a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reordering {
    /// There is no such queue, or no such place in it.
    NoSuchPlace,
    /// A request would overtake an earlier one with the same dependency label (law 6).
    BreaksLabel,
    /// The two requests cannot be merged: not adjacent, of different kinds, or too large.
    NotMergeable,
}

/// The queues of a scheduler's clients, as far as a scheduler may touch them.
///
/// Positions count from the head, zero first. Looking at a request deep in a queue costs
/// steps in proportion to its depth: policies that look far bound how far.
pub trait Queues {
    /// How many requests this client has queued, over all its queues.
    fn len(&self, client: ClientId) -> usize;

    /// The client's non-empty queues in the toolkit's own order, by place; `None` past the
    /// last one.
    fn queue(&self, client: ClientId, place: usize) -> Option<(QueueRef, InstanceId)>;

    /// Reads a queued request.
    fn read(&self, queue: QueueRef, position: usize) -> Option<RequestView>;

    /// Moves a request to the head of its queue, so that it is dispatched next from it.
    ///
    /// # Errors
    /// [`Reordering::BreaksLabel`] if it would overtake one of its own label.
    fn reorder(&mut self, queue: QueueRef, position: usize) -> Result<(), Reordering>;

    /// Lets the request at `position` absorb the one behind it.
    ///
    /// # Errors
    /// [`Reordering::NotMergeable`] if their messages refuse.
    fn merge(&mut self, queue: QueueRef, position: usize) -> Result<(), Reordering>;
}

/// The queues of a scheduler whose clients are themselves schedulers: none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoQueues;

impl Queues for NoQueues {
    fn len(&self, _: ClientId) -> usize {
        0
    }

    fn queue(&self, _: ClientId, _: usize) -> Option<(QueueRef, InstanceId)> {
        None
    }

    fn read(&self, _: QueueRef, _: usize) -> Option<RequestView> {
        None
    }

    fn reorder(&mut self, _: QueueRef, _: usize) -> Result<(), Reordering> {
        Err(Reordering::NoSuchPlace)
    }

    fn merge(&mut self, _: QueueRef, _: usize) -> Result<(), Reordering> {
        Err(Reordering::NoSuchPlace)
    }
}
