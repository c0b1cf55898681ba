//! The request as it travels (§3.1): one heap node from its sending to its reply.

use ::core::num::NonZeroU32;
use alloc::sync::Arc;

use vortex_queues::Parcel;
use vortex_units::{ActivityId, CoreId, Cycles, InstanceId};

use crate::labels::Labels;
use crate::post::Post;
use crate::resource::Resume;
use crate::trace::Cause;

/// A trigger: what a request points at that waits for a reply (§3.5).
///
/// Copyable, so that a resource can keep it and let further requests wait for the same
/// reply. A trigger that has fired names nothing any more; waiting for it returns at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub(crate) place: u32,
    pub(crate) generation: NonZeroU32,
}

/// Why a trigger fired without a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// The resource finished the request without answering.
    Unanswered,
    /// The resource dropped the request that it had kept.
    Dropped,
    /// The request was cancelled.
    Cancelled,
    /// The request was refused on its way: labels in conflict, no such instance, or a
    /// message that the resource cannot take.
    Refused,
    /// Its activity had far more requests outstanding than it may, and no room for what
    /// this one may send.
    NoRoom,
    /// The reply is of another type than asked for.
    WrongType,
}

/// What an envelope is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request on its way to a queue, or in it.
    Request,
    /// A request that a rebinding moved here: it goes before what is held.
    Moved,
    /// The reply to a request, on its way to the trigger.
    Reply,
    /// A reply that carries an error instead.
    Failure(ReplyError),
    /// Ends a suspension, on this core; where the scope is a client, that of the activity in
    /// `aside`.
    Resume { scope: crate::Scope, core: CoreId },
    /// Consumption billed back: the causer, in `aside`, is charged, infrastructure credited, by
    /// the core where the run was; which run, the envelope's `ring` says.
    BillBack { core: CoreId },
    /// The rebinding of a label is complete: what was held may run.
    Flushed,
}

/// Eight bytes of an envelope with two uses, for a node has no more: the activity that a control
/// request is about, or, of all others, the run that has caused what it is about to do. That is
/// written only while the core records (`trace.rs`); what stands there else is from another life
/// of the node.
#[derive(Clone, Copy)]
pub(crate) struct Aside {
    low: u32,
    high: u32,
}

/// Of a cause: no activity is in its two thousand millionth life.
const CAUSE: u32 = 1 << 31;

impl Aside {
    pub const NOTHING: Self = Self { low: 0, high: 0 };

    pub fn activity(of: ActivityId) -> Self {
        Self { low: u32::try_from(of.index()).unwrap_or(u32::MAX), high: of.generation() }
    }

    pub fn of(self) -> ActivityId {
        ActivityId::new(self.low, self.high)
    }

    pub fn caused(by: Cause) -> Self {
        Self { low: by.run, high: CAUSE | u32::from(by.core.get()) }
    }

    pub fn cause(self) -> Option<Cause> {
        let core = CoreId::new((self.high & 0xffff) as u16);
        (self.high & CAUSE != 0).then_some(Cause { core, run: self.low })
    }
}

/// A request, or its reply, with all that the toolkit must know of it.
pub(crate) struct Envelope<M> {
    pub body: Option<M>,
    pub kind: Kind,
    pub aside: Aside,
    pub to: InstanceId,
    pub from: InstanceId,
    pub activity: ActivityId,
    pub labels: Labels,
    /// When it was queued, or, on its way to another core, sent.
    pub queued_at: Cycles,
    /// The position of its core's ring of runs when it was queued.
    pub ring: u32,
    /// The trigger of its sender, on its home core.
    pub trigger: Option<Trigger>,
    /// The trigger that unblocked it, on the core where it is queued.
    pub answered: Option<Trigger>,
    /// A word of its resource's own on this core, kept while it is blocked.
    pub scratch: u32,
    /// It has run before and is not finished: its core must finish it.
    pub begun: bool,
    /// Its label's binding expires: once begun it is counted, so that the label stays.
    pub may_move: bool,
    /// Where it goes on, if not at the beginning.
    pub resume: Option<Resume<M>>,
    /// The core of whose pool this node is, and whose triggers it names.
    pub home: Arc<Post<M>>,
}

impl<M> Envelope<M> {
    pub(crate) fn new(home: Arc<Post<M>>) -> Self {
        Self {
            body: None,
            kind: Kind::Request,
            aside: Aside::NOTHING,
            to: InstanceId::new(0),
            from: InstanceId::new(0),
            activity: ActivityId::INFRASTRUCTURE,
            labels: Labels::NONE,
            queued_at: Cycles::ZERO,
            ring: 0,
            trigger: None,
            answered: None,
            scratch: 0,
            begun: false,
            may_move: false,
            resume: None,
            home,
        }
    }

    pub(crate) fn home_core(&self) -> CoreId {
        self.home.core()
    }
}

/// A request in its node.
pub(crate) type Sealed<M> = Parcel<Envelope<M>>;

/// What a queued request takes in all, in bytes.
#[must_use]
pub const fn request_size<M>() -> usize {
    size_of::<Envelope<M>>() + Parcel::<Envelope<M>>::OVERHEAD
}
