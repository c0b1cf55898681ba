//! Requests that a resource keeps beyond its handler's run, as a driver keeps those that
//! its device works on.

use crate::sync::Ordering;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::context::Context;
use crate::message::{Carries, Message};
use crate::post::Post;
use crate::request::Sealed;
use crate::resource::{At, Resource};
use vortex_units::{ActivityId, CoreId, InstanceId};

/// The place of a kept request on its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    place: u32,
    generation: u32,
}

/// A request that its resource has kept: owed an answer.
///
/// Dropping it is safe: it goes to its core's graveyard, and the sender's trigger fires
/// with [`crate::ReplyError::Dropped`].
pub struct Kept<M> {
    ticket: Option<Ticket>,
    post: Arc<Post<M>>,
    instance: InstanceId,
    activity: ActivityId,
}

impl<M> Kept<M> {
    pub(crate) fn new(
        ticket: Ticket,
        post: Arc<Post<M>>,
        instance: InstanceId,
        activity: ActivityId,
    ) -> Self {
        Self { ticket: Some(ticket), post, instance, activity }
    }

    /// The resource that keeps it.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The core on which it is kept.
    #[must_use]
    pub fn core(&self) -> CoreId {
        self.post.core()
    }

    /// The activity of the request.
    #[must_use]
    pub fn activity(&self) -> ActivityId {
        self.activity
    }

    pub(crate) fn redeem(mut self) -> Option<Ticket> {
        self.ticket.take()
    }
}

impl<M> Drop for Kept<M> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.post.graveyard.lock().push(ticket);
            self.post.attention.store(true, Ordering::Release);
        }
    }
}

struct Place<M> {
    generation: u32,
    parcel: Option<Sealed<M>>,
}

/// The requests kept on a core.
pub(crate) struct Keeping<M> {
    places: Vec<Place<M>>,
    free: Vec<u32>,
}

impl<M> Keeping<M> {
    pub fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Makes a place for a request.
    pub fn open(&mut self) -> Option<Ticket> {
        if let Some(place) = self.free.pop() {
            let generation = self.places.get(place as usize)?.generation;
            return Some(Ticket { place, generation });
        }
        let place = u32::try_from(self.places.len()).ok()?;
        self.places.try_reserve(1).ok()?;
        self.free.try_reserve(self.places.len() + 1).ok()?;
        self.places.push(Place { generation: 0, parcel: None });
        Some(Ticket { place, generation: 0 })
    }

    /// Puts the request there; gives it back if the ticket is of another time.
    pub fn put(&mut self, ticket: Ticket, parcel: Sealed<M>) -> Result<(), Sealed<M>> {
        match self.places.get_mut(ticket.place as usize) {
            Some(place) if place.generation == ticket.generation => {
                place.parcel = Some(parcel);
                Ok(())
            }
            _ => Err(parcel),
        }
    }

    /// Takes it out; the ticket is then spent.
    pub fn take(&mut self, ticket: Ticket) -> Option<Sealed<M>> {
        let place = self.places.get_mut(ticket.place as usize)?;
        if place.generation != ticket.generation {
            return None;
        }
        place.generation = place.generation.wrapping_add(1);
        self.free.push(ticket.place);
        place.parcel.take()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.places.iter().filter(|place| place.parcel.is_some()).count()
    }
}

impl<M: Message> Context<'_, M> {
    /// Keeps the request beyond this run: the handler must then return
    /// [`crate::Outcome::Kept`]. The ticket answers it later, on this core. `None` where the
    /// heap has no room.
    pub fn keep(&mut self) -> Option<Kept<M>> {
        let ticket = match self.desk.keeping {
            Some(ticket) => ticket,
            None => self.desk.kept.open()?,
        };
        self.desk.keeping = Some(ticket);
        let post = self.grid.posts.get(self.core.index())?.clone();
        Some(Kept::new(ticket, post, self.instance, self.activity))
    }

    /// Answers a request that was kept on this core; `None` finishes it without an answer.
    ///
    /// # Errors
    /// Gives back what was kept on another core: it must be answered there.
    pub fn answer<T>(&mut self, kept: Kept<M>, reply: Option<T>) -> Result<(), Kept<M>>
    where
        M: Carries<T>,
    {
        if kept.core() != self.core {
            return Err(kept);
        }
        if let Some(ticket) = kept.redeem() {
            self.desk.answers.push((ticket, reply.map(M::wrap)));
            self.desk.notes.more = true;
        }
        Ok(())
    }

    /// Lets a request that this resource has kept on this core go on: from the head of its
    /// queue, when the schedulers let it, on the bill of its own activity. Whoever finds that
    /// what it waited for has come does not do its work for it.
    ///
    /// # Errors
    /// Gives back what was kept on another core, or by another resource.
    pub fn go_on<R>(&mut self, kept: Kept<M>, at: At<M, R>) -> Result<(), Kept<M>>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        if kept.core() != self.core || kept.instance() != self.instance {
            return Err(kept);
        }
        if let Some(ticket) = kept.redeem() {
            self.desk.resumed.push((ticket, at.into_resume()));
            self.desk.notes.more = true;
        }
        Ok(())
    }
}
