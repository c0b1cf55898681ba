//! Triggers and the pending queue (§3.5, per-request blocking).
//!
//! A trigger is made by the resource that asks, travels with the request and comes back
//! with the reply. Meanwhile any number of requests may wait for it. When it fires, they
//! are handed back all at once, and the reply stays readable until the last of them has
//! run.
//!
//! All of it belongs to one core: the one on which the asking resource runs.

use ::core::num::NonZeroU32;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use vortex_queues::Fifo;
use vortex_units::CoreId;

use crate::request::{Envelope, ReplyError, Sealed, Trigger};

/// How many replies are kept that nobody waits for yet.
const UNCLAIMED: usize = 1024;
/// Places that lie together: there are so many more each time, and none is ever moved.
const PIECE: usize = 64;
/// How many bits of a generation count; the others name the core.
const GENERATION_BITS: u32 = 22;

struct Place<M> {
    generation: NonZeroU32,
    state: State<M>,
}

enum State<M> {
    Free,
    /// The reply has not come. What waits for it:
    Armed(Fifo<Envelope<M>>),
    /// The reply has come; so many of those who waited have not run yet.
    Fired {
        reply: Result<Option<M>, ReplyError>,
        left: u32,
    },
}

/// The triggers of a core.
pub(crate) struct Triggers<M> {
    pieces: Vec<Vec<Place<M>>>,
    /// Places that there are.
    places: usize,
    free: Vec<u32>,
    pending: usize,
    first: NonZeroU32,
    /// Fired before anybody waited, the oldest first.
    unclaimed: VecDeque<Trigger>,
}

impl<M> Triggers<M> {
    /// The triggers of this core: the upper bits of their generations say so, so that one
    /// of another core names nothing here.
    pub fn new(core: CoreId) -> Self {
        let first = NonZeroU32::MIN.saturating_add(u32::from(core.get()) << GENERATION_BITS);
        Self {
            pieces: Vec::new(),
            places: 0,
            free: Vec::new(),
            pending: 0,
            first,
            unclaimed: VecDeque::new(),
        }
    }

    /// Requests now in the pending queue.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Makes a trigger; `None` where the heap has no room.
    pub fn arm(&mut self) -> Option<Trigger> {
        if let Some(place) = self.free.pop() {
            let entry = self.place(place)?;
            entry.state = State::Armed(Fifo::new());
            return Some(Trigger { place, generation: entry.generation });
        }
        let place = u32::try_from(self.places).ok()?;
        // Room for its return is made now, so that freeing never allocates.
        self.free.try_reserve(self.places + 1).ok()?;
        if self.places.is_multiple_of(PIECE) {
            let mut piece = Vec::new();
            piece.try_reserve_exact(PIECE).ok()?;
            self.pieces.try_reserve(1).ok()?;
            self.pieces.push(piece);
        }
        let generation = self.first;
        self.pieces.last_mut()?.push(Place { generation, state: State::Armed(Fifo::new()) });
        self.places += 1;
        Some(Trigger { place, generation })
    }

    #[inline]
    fn place(&mut self, place: u32) -> Option<&mut Place<M>> {
        let place = place as usize;
        self.pieces.get_mut(place / PIECE)?.get_mut(place % PIECE)
    }

    fn entry(&mut self, trigger: Trigger) -> Option<&mut Place<M>> {
        let entry = self.place(trigger.place)?;
        (entry.generation == trigger.generation).then_some(entry)
    }

    /// Puts a request into the pending queue. Gives it back if the trigger has fired
    /// already: then it need not wait.
    pub fn wait(&mut self, trigger: Trigger, mut parcel: Sealed<M>) -> Result<(), Sealed<M>> {
        match self.entry(trigger).map(|entry| &mut entry.state) {
            Some(State::Armed(waiting)) => {
                waiting.push_back(parcel);
                self.pending += 1;
                Ok(())
            }
            Some(State::Fired { left, .. }) => {
                *left += 1;
                parcel.answered = Some(trigger);
                Err(parcel)
            }
            _ => Err(parcel),
        }
    }

    /// The reply has come: returns those who waited for it, in the order in which they
    /// began to.
    pub fn fire(
        &mut self,
        trigger: Trigger,
        reply: Result<Option<M>, ReplyError>,
    ) -> Fifo<Envelope<M>> {
        let Some(entry) = self.entry(trigger) else { return Fifo::new() };
        let State::Armed(waiting) = &mut entry.state else { return Fifo::new() };
        let mut woken = ::core::mem::take(waiting);
        let left = u32::try_from(woken.len()).unwrap_or(u32::MAX);
        woken.iter_mut().for_each(|envelope| envelope.answered = Some(trigger));
        entry.state = State::Fired { reply, left };
        self.pending -= woken.len();
        if woken.is_empty() {
            self.keep_unclaimed(trigger);
        }
        woken
    }

    /// Nobody waits yet: a handler that has asked several waits for one after the other. The
    /// reply is kept for it, and given up when too many come that nobody ever waits for.
    fn keep_unclaimed(&mut self, trigger: Trigger) {
        if self.unclaimed.len() >= UNCLAIMED
            && let Some(oldest) = self.unclaimed.pop_front()
        {
            self.disarm(oldest);
        }
        self.unclaimed.push_back(trigger);
    }

    /// Nobody will wait for this trigger.
    pub fn disarm(&mut self, trigger: Trigger) {
        let idle = match self.entry(trigger).map(|entry| &entry.state) {
            Some(State::Armed(waiting)) => waiting.is_empty(),
            Some(State::Fired { left, .. }) => *left == 0,
            Some(State::Free) | None => false,
        };
        if idle {
            self.release(trigger);
        }
    }

    /// Takes the reply, which is there once: the first of several that waited takes it and
    /// leaves what it says in its resource's state.
    pub fn take_reply(&mut self, trigger: Trigger) -> Result<Option<M>, ReplyError> {
        match self.entry(trigger).map(|entry| &mut entry.state) {
            Some(State::Fired { reply, .. }) => ::core::mem::replace(reply, Ok(None)),
            _ => Ok(None),
        }
    }

    /// One of those who waited has run.
    pub fn ran(&mut self, trigger: Trigger) {
        let Some(entry) = self.entry(trigger) else { return };
        if let State::Fired { left, .. } = &mut entry.state {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.release(trigger);
            }
        }
    }

    fn release(&mut self, trigger: Trigger) {
        let first = self.first;
        let Some(entry) = self.entry(trigger) else { return };
        entry.state = State::Free;
        let next = entry.generation.checked_add(1);
        let own = |generation: &NonZeroU32| {
            generation.get() >> GENERATION_BITS == first.get() >> GENERATION_BITS
        };
        entry.generation = next.filter(own).unwrap_or(first);
        self.free.push(trigger.place);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
