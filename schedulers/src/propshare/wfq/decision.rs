//! The decision: who is eligible, and which of them is first.
//!
//! A request takes its client through both heaps, in at the one end of `ahead` and out at
//! the other of `eligible`. As a client leaves each heap about as often as another enters
//! it, the two are done in one step: what comes in takes the place of what goes out, on a
//! single way down. One client is held in hand meanwhile; where it is the first itself,
//! no heap is touched.

use vortex_grid::policy::ClientId;

use super::client::{Client, State};
use super::core_state::WfqCore;
use crate::heap::Entry;
use crate::table::Table;
use crate::virtual_time::Virtual;

impl WfqCore {
    /// Takes the eligible client with the earliest deadline into service.
    #[inline]
    pub(super) fn choose(&mut self) -> Option<ClientId> {
        let held = match self.serving.take() {
            Some(id) => self.end_service(id),
            None => None,
        };
        if self.ready == 0 {
            return None;
        }
        let chosen = self.first_eligible(held)?.id();
        self.clients.get_mut(chosen)?.state = State::Serving;
        self.serving = Some(chosen);
        self.ready -= 1;
        Some(chosen)
    }

    /// Deals with the client that was in service. Says who, by its deadline, is eligible
    /// and in no heap.
    #[inline]
    fn end_service(&mut self, id: ClientId) -> Option<Entry> {
        let now = self.clock.now();
        let client = self.clients.get_mut(id)?;
        if client.state == State::Returned {
            client.state = State::Ready;
            if client.tag <= now {
                return Some(Entry::new(id, client.deadline().key()));
            }
            let own = Entry::new(id, client.tag.key());
            return match self.ahead.first() {
                Some(first) if first.within(now.bits()) => {
                    self.ahead.exchange(own);
                    due(&self.clients, first)
                }
                // Nobody is eligible, and it will be the only one when V jumps to its tag.
                first if self.eligible.is_empty() && own.is_well_before(first) => {
                    let due = Entry::new(id, client.deadline().key());
                    self.jump(own);
                    Some(due)
                }
                _ => {
                    self.ahead.set(id, own.key());
                    None
                }
            };
        }
        // It has not come back: its queue is empty.
        if client.tag > now {
            client.state = State::Owing;
            self.owing.set(id, client.tag.key());
        } else {
            client.state = State::Empty;
            self.clock.leave(client.weight);
        }
        None
    }

    /// Takes out the first of the eligible clients, of which one may be in no heap.
    #[inline]
    fn first_eligible(&mut self, mut held: Option<Entry>) -> Option<Entry> {
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
            self.jump(first);
        }
    }

    /// Nobody is eligible: V goes to the tag of the first who will be.
    #[inline]
    fn jump(&mut self, first: Entry) {
        self.clock.set(Virtual::of_key(first.key()));
        self.release_owing();
    }
}

/// A client that V has come to, by its deadline.
#[inline]
fn due(clients: &Table<Client>, entry: Entry) -> Option<Entry> {
    let id = entry.id();
    clients.get(id).map(|client| Entry::new(id, client.deadline().key()))
}
