//! Requests that a resource keeps beyond its handler's run, as a driver keeps those that
//! its device works on.

use crate::sync::Ordering;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::post::Post;
use crate::request::Sealed;
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
