//! The decision: who is eligible, and which of them is first.
//!
//! Where the ready clients are few all of them are looked at. In a crowd a request takes its
//! client through both heaps, in at the one end of `ahead` and out at the other of
//! `eligible`. As a client leaves each heap about as often as another enters it, the two are
//! done in one step: what comes in takes the place of what goes out, on a single way down.
//! One client is held in hand meanwhile; where it is the first itself, no heap is touched.

use vortex_grid::policy::ClientId;

use super::client::{Client, State};
use super::core_state::WfqCore;
use super::few::{FEW, Waiter};
use crate::heap::Entry;
use crate::table::Table;
use crate::virtual_time::Virtual;

impl WfqCore {
    /// Takes the eligible client with the earliest deadline into service.
    #[inline]
    pub(super) fn choose(&mut self) -> Option<ClientId> {
        if self.crowded { self.choose_of_many() } else { self.choose_of_few() }
    }

    #[inline]
    fn choose_of_few(&mut self) -> Option<ClientId> {
        if let Some(own) = self.end_service() {
            self.few.put(own.0, own.1);
        }
        match self.few.first_eligible(self.clock.now()) {
            Some((id, place)) => self.serve(id, place),
            None => self.choose_later(),
        }
    }

    /// None of the few is eligible.
    #[inline(never)]
    fn choose_later(&mut self) -> Option<ClientId> {
        let least = self.few.least_tag()?;
        self.jump(least);
        let (id, place) = self.few.first_eligible(self.clock.now())?;
        self.serve(id, place)
    }

    #[inline]
    fn serve(&mut self, id: ClientId, place: usize) -> Option<ClientId> {
        self.few.bar(place);
        self.clients.get_mut(id)?.state = State::Serving;
        self.serving = Some(id);
        self.ready -= 1;
        Some(id)
    }

    /// Deals with the client that was in service. If it has come back it is ready: says where
    /// it stood, and how it stands now.
    #[inline]
    fn end_service(&mut self) -> Option<(usize, Waiter)> {
        let id = self.serving.take()?;
        let client = self.clients.get_mut(id)?;
        if client.state != State::Returned {
            self.stay_away(id);
            return None;
        }
        client.state = State::Ready;
        Some((client.place, client.waiter(id)))
    }

    /// Ends the service of a client that has not come back, with nobody else ready.
    pub(super) fn retire(&mut self) {
        if let Some(id) = self.serving.take() {
            self.stay_away(id);
        }
    }

    /// The client that was in service has not come back: its queue is empty.
    #[inline(never)]
    fn stay_away(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let place = client.place;
        if client.tag > self.clock.now() {
            client.state = State::Owing;
            self.owing.set(id, client.tag.key());
        } else {
            client.state = State::Empty;
            self.clock.leave(client.weight);
        }
        if !self.crowded {
            self.leave_few(place);
        }
    }

    #[inline(never)]
    fn choose_of_many(&mut self) -> Option<ClientId> {
        let held = match self.end_service() {
            Some((_, own)) => self.take_back(own),
            None => None,
        };
        let id = self.first_of_many(held)?.id();
        self.clients.get_mut(id)?.state = State::Serving;
        self.serving = Some(id);
        self.ready -= 1;
        if self.ready <= FEW / 4 {
            self.thin_out(id);
        }
        Some(id)
    }

    /// Puts the one who has come back where it belongs. Says who, by its deadline, is eligible
    /// and in no heap.
    #[inline]
    fn take_back(&mut self, own: Waiter) -> Option<Entry> {
        let now = self.clock.now();
        if own.tag <= now {
            return Some(own.due);
        }
        let tag = Entry::new(own.id(), own.tag.key());
        match self.ahead.first() {
            Some(first) if first.within(now.bits()) => {
                self.ahead.exchange(tag);
                due(&self.clients, first)
            }
            // Nobody is eligible, and it will be the only one when V jumps to its tag.
            first if self.eligible.is_empty() && tag.is_well_before(first) => {
                self.jump(own.tag);
                Some(own.due)
            }
            _ => {
                self.ahead.set(own.id(), tag.key());
                None
            }
        }
    }

    /// Takes out the first of the eligible clients, of which one may be in no heap.
    #[inline]
    fn first_of_many(&mut self, mut held: Option<Entry>) -> Option<Entry> {
        loop {
            while let Some(first) = self.ahead.first()
                && first.within(self.clock.now().bits())
            {
                self.ahead.pop();
                if let Some(other) = held {
                    self.eligible.set(other.id(), other.key());
                }
                held = due(&self.clients, first);
            }
            if let Some(held) = held {
                return Some(self.eligible.exchange(held));
            }
            if let Some(first) = self.eligible.pop() {
                return Some(first);
            }
            let first = self.ahead.first()?;
            self.jump(Virtual::of_key(first.key()));
        }
    }

    /// Nobody is eligible: V goes to the tag of the first who will be, to the beginning of its
    /// instant.
    fn jump(&mut self, tag: Virtual) {
        self.clock.set(Virtual::of_key(tag.key()));
        self.release_owing();
    }
}

/// A client that V has come to, by its deadline.
#[inline]
fn due(clients: &Table<Client>, entry: Entry) -> Option<Entry> {
    let id = entry.id();
    clients.get(id).map(|client| Entry::new(id, client.deadline().key()))
}
