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
use super::few::Waiter;
use crate::heap::Entry;
use crate::table::Table;
use crate::virtual_time::Virtual;

impl WfqCore {
    /// Takes the eligible client with the earliest deadline into service.
    #[inline]
    pub(super) fn choose(&mut self) -> Option<ClientId> {
        let returned = self.end_service();
        if self.ready == 0 {
            return None;
        }
        self.thin_out();
        let chosen = if self.crowded {
            self.choose_of_many(returned)?
        } else {
            self.choose_of_few(returned)?
        };
        self.clients.get_mut(chosen)?.state = State::Serving;
        self.serving = Some(chosen);
        self.ready -= 1;
        Some(chosen)
    }

    /// Deals with the client that was in service: if it has come back, it is ready, and in
    /// hand.
    #[inline]
    fn end_service(&mut self) -> Option<Waiter> {
        let id = self.serving.take()?;
        let client = self.clients.get_mut(id)?;
        if client.state == State::Returned {
            client.state = State::Ready;
            return Some(client.waiter(id));
        }
        // It has not come back: its queue is empty.
        if client.tag > self.clock.now() {
            client.state = State::Owing;
            self.owing.set(id, client.tag.key());
        } else {
            client.state = State::Empty;
            self.clock.leave(client.weight);
        }
        None
    }

    #[inline]
    fn choose_of_few(&mut self, returned: Option<Waiter>) -> Option<ClientId> {
        let now = self.clock.now();
        let own = returned.filter(|own| own.tag <= now).map(|own| own.due);
        let first = self.few.first_eligible(now, own.unwrap_or(Entry::LAST));
        match (first.place, returned) {
            (Some(place), Some(own)) => {
                self.few.put(place, own);
                self.clients.get_mut(own.id())?.place = place;
            }
            (Some(place), None) => self.leave_few(place),
            (None, _) if own.is_some() => {}
            (None, _) => return self.choose_later(returned),
        }
        Some(first.due.id())
    }

    /// None of the few is eligible.
    #[inline(never)]
    fn choose_later(&mut self, returned: Option<Waiter>) -> Option<ClientId> {
        let least = self.few.least_tag().into_iter().chain(returned.map(|own| own.tag)).min();
        self.jump(least?);
        self.choose_of_few(returned)
    }

    #[inline(never)]
    fn choose_of_many(&mut self, returned: Option<Waiter>) -> Option<ClientId> {
        let held = match returned {
            Some(own) => self.take_back(own),
            None => None,
        };
        self.first_of_many(held).map(Entry::id)
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
    #[inline]
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
