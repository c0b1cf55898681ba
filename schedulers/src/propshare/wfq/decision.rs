//! The decision: who is eligible, and which of them is first.
//!
//! Who comes back from service is held in hand, and takes the place of whoever is chosen;
//! where it is the first itself, nothing is moved.
//!
//! Where the ready clients are few all of them are looked at. In a crowd a request takes its
//! client through both heaps, in at the one end of `ahead` and out at the other of
//! `eligible`. As a client leaves each heap about as often as another enters it, the two are
//! done in one step: what comes in takes the place of what goes out, on a single way down.

use vortex_grid::policy::ClientId;

use super::client::{Client, State};
use super::core_state::WfqCore;
use super::few::{FEW, NOWHERE, Waiter};
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
        let now = self.clock.now();
        let own = self.end_service();
        let first = match own {
            Some(own) if own.tag <= now => self.few.first_eligible(now, own.due),
            _ => self.few.first_eligible(now, Entry::LAST),
        };
        if first.due == Entry::LAST {
            return self.choose_later(own);
        }
        self.take(first.due.id(), first.place, own)
    }

    /// None of the few is eligible.
    #[inline(never)]
    fn choose_later(&mut self, own: Option<Waiter>) -> Option<ClientId> {
        let least = self.few.least_tag().into_iter().chain(own.map(|own| own.tag)).min()?;
        self.jump(least);
        let now = self.clock.now();
        let other = own.filter(|own| own.tag <= now).map_or(Entry::LAST, |own| own.due);
        let first = self.few.first_eligible(now, other);
        self.take(first.due.id(), first.place, own)
    }

    /// Takes one of the few into service; who came back takes its place.
    #[inline]
    fn take(&mut self, id: ClientId, place: usize, own: Option<Waiter>) -> Option<ClientId> {
        match own {
            _ if place == NOWHERE => {}
            Some(own) => {
                self.few.put(place, own);
                self.clients.get_mut(own.id())?.place = place;
            }
            None => self.leave_few(place),
        }
        self.serve(id)
    }

    #[inline]
    fn serve(&mut self, id: ClientId) -> Option<ClientId> {
        self.clients.get_mut(id)?.state = State::Serving;
        self.serving = Some(id);
        self.ready -= 1;
        Some(id)
    }

    /// Deals with the client that was in service: if it has come back, it is ready, and in
    /// hand.
    #[inline]
    fn end_service(&mut self) -> Option<Waiter> {
        let id = self.serving.take()?;
        let client = self.clients.get_mut(id)?;
        if client.state != State::Returned {
            self.stay_away(id);
            return None;
        }
        client.state = State::Ready;
        Some(client.waiter(id))
    }

    /// The client that was in service has not come back: its queue is empty.
    #[inline(never)]
    fn stay_away(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        if client.tag > self.clock.now() {
            client.state = State::Owing;
            self.owing.set(id, client.tag.key());
        } else {
            client.state = State::Empty;
            self.clock.leave(client.weight);
        }
    }

    #[inline(never)]
    fn choose_of_many(&mut self) -> Option<ClientId> {
        let held = match self.end_service() {
            Some(own) => self.take_back(own),
            None => None,
        };
        let id = self.first_of_many(held)?.id();
        let chosen = self.serve(id);
        if self.ready <= FEW / 4 {
            self.thin_out();
        }
        chosen
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
