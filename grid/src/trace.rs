//! What a core recorded of its runs, while somebody looks: when each began and ended, for whom,
//! how long it had waited, and which run has caused it.
//!
//! # Invariants
//! - A core that records nothing pays one test a run for this, and one a reply.
//! - What a recorder may hold is allocated before it is given to a core; recording allocates
//!   nothing. When it is full what follows is counted, not kept.
//! - Events of a core are in the order of time, and those with a length do not overlap: they
//!   are the intervals that the ledger has charged. With what was billed back they add up to
//!   what the ledger charged an activity between the recording's beginning and its end.
//! - What a run has caused ends after it, though it may begin before: an interval begins with
//!   the core's last reading of its clock, which may be earlier than the request's arrival.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use vortex_units::{ActivityId, CoreId, Cycles, InstanceId};

use crate::context::{Context, Desk};
use crate::message::Message;
use crate::request::{Aside, Envelope, Kind, Sealed};

/// Events that are allocated at a time.
const CHUNK: usize = 1024;

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A request's first run.
    Began,
    /// A request went on that had more to do.
    WentOn,
    /// A request went on because of a reply.
    Resumed,
    /// A thread was in user mode.
    User,
    /// Something was done for the activity between two runs.
    Aside,
    /// The run of this number, which was the infrastructure's, was billed to this activity:
    /// as many cycles as `waited` says.
    Billed,
}

/// A run of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Which core.
    pub core: CoreId,
    /// Its run.
    pub run: u32,
}

/// Something that a core recorded.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When it began.
    pub began: Cycles,
    /// When it ended.
    pub ended: Cycles,
    /// How long the request had waited, where it [`How::Began`].
    pub waited: Cycles,
    /// What it was about.
    pub about: &'static str,
    /// The core's run of which it tells.
    pub run: u32,
    /// The resource, for instances that come and go their family; or [`InstanceId::OUTSIDE`].
    pub instance: InstanceId,
    /// Who was charged.
    pub activity: ActivityId,
    /// The run that has caused it, if that was one.
    pub cause: Option<Cause>,
    /// What it tells of.
    pub how: How,
}

/// A place for what a core records.
#[derive(Debug)]
pub struct Recorder {
    chunks: Vec<Vec<Event>>,
    filled: usize,
    began: Cycles,
    last: Cycles,
    until: Cycles,
    lost: u64,
}

impl Recorder {
    /// Room for at least so many events, none of which begins at `until` or later. `None`
    /// without memory for them.
    #[must_use]
    pub fn new(events: usize, until: Cycles) -> Option<Self> {
        let count = events.div_ceil(CHUNK).max(1);
        let mut chunks = Vec::new();
        chunks.try_reserve_exact(count).ok()?;
        for _ in 0..count {
            let mut chunk = Vec::new();
            chunk.try_reserve_exact(CHUNK).ok()?;
            chunks.push(chunk);
        }
        let (began, last) = (Cycles::ZERO, Cycles::ZERO);
        Some(Self { chunks, filled: 0, began, last, until, lost: 0 })
    }

    /// What it takes in bytes for so many events.
    #[must_use]
    pub const fn bytes(events: usize) -> u64 {
        let count = if events == 0 { 1 } else { events.div_ceil(CHUNK) };
        (count * (CHUNK * size_of::<Event>() + size_of::<Vec<Event>>())) as u64
    }

    /// Events that it has.
    #[must_use]
    pub fn len(&self) -> usize {
        let before = self.filled.saturating_mul(CHUNK);
        before.saturating_add(self.chunks.get(self.filled).map_or(0, Vec::len))
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events for which it had no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// When its core began to record.
    #[must_use]
    pub fn began(&self) -> Cycles {
        self.began
    }

    /// Up to when it has everything.
    #[must_use]
    pub fn ended(&self) -> Cycles {
        if self.lost > 0 { self.last } else { self.last.max(self.until) }
    }

    /// When it ends at the latest.
    #[must_use]
    pub fn until(&self) -> Cycles {
        self.until
    }

    /// Its events from this one on, in order.
    pub fn events(&self, from: usize) -> impl Iterator<Item = &Event> {
        let chunks = self.chunks.iter().skip(from / CHUNK);
        chunks.flatten().skip(from % CHUNK)
    }

    fn push(&mut self, event: Event) {
        if event.began >= self.until {
            return;
        }
        if self.chunks.get(self.filled).is_some_and(|chunk| chunk.len() == CHUNK) {
            self.filled += 1;
        }
        match self.chunks.get_mut(self.filled) {
            // One that has no room is behind what was lost, so that there are no holes.
            Some(chunk) if self.lost == 0 => {
                self.last = event.ended;
                chunk.push(event);
            }
            _ => self.lost = self.lost.saturating_add(1),
        }
    }
}

/// What is known of a run that has ended.
pub(crate) struct Ran {
    pub instance: InstanceId,
    pub activity: ActivityId,
    pub core: CoreId,
    pub run: u32,
    pub began: Cycles,
    /// When the thread left user mode, where the run began there; else as `began`.
    pub since: Cycles,
    pub ended: Cycles,
    pub waited: Cycles,
    pub how: How,
}

/// The recorder that a core may have.
#[derive(Debug, Default)]
pub(crate) struct Recording(Option<Box<Recorder>>);

impl Recording {
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub fn begin(&mut self, mut recorder: Box<Recorder>, now: Cycles) {
        (recorder.began, recorder.last) = (now, now);
        self.0 = Some(recorder);
    }

    pub fn end(&mut self) -> Option<Box<Recorder>> {
        self.0.take()
    }

    /// A run has ended: it is noted, and on all that it has sent that it is its cause.
    #[cold]
    #[inline(never)]
    pub fn ran<M: Message>(&mut self, desk: &mut Desk<M>, parcel: &mut Sealed<M>, ran: &Ran) {
        let Some(recorder) = &mut self.0 else { return };
        let about = parcel.body.as_ref().map_or("", Message::name);
        let event = Event {
            began: ran.since,
            ended: ran.ended,
            waited: if ran.how == How::Began { ran.waited } else { Cycles::ZERO },
            about,
            run: ran.run,
            instance: ran.instance,
            activity: ran.activity,
            cause: parcel.aside.cause(),
            how: ran.how,
        };
        if ran.since > ran.began {
            let (began, ended) = (ran.began, ran.since);
            recorder.push(Event { began, ended, about: USER, how: How::User, ..event });
        }
        recorder.push(event);
        let own = Cause { core: ran.core, run: ran.run };
        set(parcel, own);
        desk.outbox.iter_mut().for_each(|sent| set(sent, own));
        desk.timers.iter_mut().for_each(|(_, sent)| set(sent, own));
    }

    /// What was kept is answered, or goes on, by what the core's last run has done.
    pub fn caused<M>(&self, parcel: &mut Envelope<M>, core: CoreId, run: u32) {
        if self.is_on() {
            set(parcel, Cause { core, run });
        }
    }

    /// An interrupt has ended a thread's stay in user mode.
    #[cold]
    pub fn stayed<M>(
        &mut self,
        parcel: &Envelope<M>,
        instance: InstanceId,
        run: u32,
        began: Cycles,
        ended: Cycles,
    ) {
        let Some(recorder) = &mut self.0 else { return };
        recorder.push(Event {
            began,
            ended,
            waited: Cycles::ZERO,
            about: USER,
            run,
            instance,
            activity: parcel.activity,
            cause: parcel.aside.cause(),
            how: How::User,
        });
    }

    /// Something was done for an activity between two runs.
    #[cold]
    pub fn aside(&mut self, activity: ActivityId, run: u32, began: Cycles, ended: Cycles) {
        let Some(recorder) = &mut self.0 else { return };
        recorder.push(Event {
            began,
            ended,
            waited: Cycles::ZERO,
            about: "",
            run,
            instance: InstanceId::OUTSIDE,
            activity,
            cause: None,
            how: How::Aside,
        });
    }

    /// So much of a run was billed back.
    #[cold]
    pub fn billed(
        &mut self,
        causer: ActivityId,
        instance: InstanceId,
        run: u32,
        now: Cycles,
        moved: Cycles,
    ) {
        let Some(recorder) = &mut self.0 else { return };
        recorder.push(Event {
            began: now,
            ended: now,
            waited: moved,
            about: "",
            run,
            instance,
            activity: causer,
            cause: None,
            how: How::Billed,
        });
    }
}

const USER: &str = "user mode";

/// What goes on by itself, or was sent, is caused by this run; control requests say whom they
/// are about.
fn set<M>(envelope: &mut Envelope<M>, cause: Cause) {
    if envelope.kind == Kind::Request {
        envelope.aside = Aside::caused(cause);
    }
}

/// Those whom a reply lets go on were caused by who has answered.
#[cold]
pub(crate) fn answered<M>(woken: &mut vortex_queues::Fifo<Envelope<M>>, by: Aside) {
    woken.iter_mut().for_each(|parcel| parcel.aside = by);
}

impl<M: Message> Context<'_, M> {
    /// What the resource of an [`Event`] is called.
    #[must_use]
    pub fn name_of(&self, resource: InstanceId) -> Option<String> {
        self.grid.directory.called(resource)
    }
}
