//! One core's clients and heaps: who is where.
//!
//! ```text
//!            client_ready            decision            client_ready
//!   Empty ───────────────▶ Ready ───────────────▶ Serving ───────────▶ Returned
//!     ▲                      ▲ ▲                   │   ▲ decision: chosen │ decision:
//!     │ V passes the tag     │ │ client_ready      │   └──────────────────┤ not chosen
//!     └────────────────── Owing ◀─────────────────┘                      │
//!                            │   next decision: Owing or Empty           │
//!                            └─────────────── Ready ◀────────────────────┘
//!   any ── client_suspended ──▶ Suspended ── client_ready ──▶ Ready
//! ```

use vortex_grid::policy::{ClientId, Metric};

use super::client::{Client, State};
use super::clock::Clock;
use super::few::Few;
use crate::heap::Heap;
use crate::table::Table;
use crate::virtual_time::{Inverse, Virtual};

/// # Invariants
/// Between calls: unless `crowded`, `few` holds all ready clients and the one in service. If
/// it is, `eligible` holds ready clients with S ≤ V, by deadline; `ahead` the other ready ones, by S, of which a
/// decision first takes out those that V has come to. `owing` holds the owing ones, all with
/// S > V, by S. `serving` is the one in service or returned, in no heap; `clock` has the
/// weights of all.
pub(super) struct WfqCore {
    pub(super) metric: Metric,
    pub(super) debt_cap: u64,
    pub(super) clock: Clock,
    /// How far ahead of V a charge from elsewhere may take a tag.
    pub(super) ceiling: Virtual,
    /// The weight of all clients, ready or not.
    pub(super) registered: u64,
    pub(super) clients: Table<Client>,
    /// More are ready than `few` is for: they are in heaps.
    pub(super) crowded: bool,
    pub(super) few: Few,
    pub(super) eligible: Heap,
    pub(super) ahead: Heap,
    pub(super) owing: Heap,
    pub(super) serving: Option<ClientId>,
    pub(super) ready: usize,
}

impl WfqCore {
    pub(super) fn new(metric: Metric, debt_cap: u64) -> Self {
        Self {
            metric,
            debt_cap,
            clock: Clock::new(),
            ceiling: Virtual::ZERO,
            registered: 0,
            clients: Table::new(),
            crowded: false,
            few: Few::new(),
            eligible: Heap::new(),
            ahead: Heap::new(),
            owing: Heap::new(),
            serving: None,
            ready: 0,
        }
    }

    pub(super) fn add(&mut self, id: ClientId, weight: u64, beside: Option<ClientId>) {
        self.remove(id);
        self.eligible.admit(id);
        self.ahead.admit(id);
        self.owing.admit(id);
        self.clients.insert(id, Client::new(weight, self.clock.now()));
        self.register(self.registered + weight);
        if let Some(whole) = beside {
            self.begin_beside(id, whole);
        }
    }

    pub(super) fn remove(&mut self, id: ClientId) {
        self.suspend(id);
        if let Some(client) = self.clients.remove(id) {
            self.register(self.registered.saturating_sub(client.weight));
        }
    }

    pub(super) fn register(&mut self, weight: u64) {
        self.registered = weight;
        self.ceiling = Inverse::of(weight).of_amount(self.debt_cap);
    }

    #[inline]
    pub(super) fn make_ready(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        match client.state {
            State::Ready | State::Returned => {}
            State::Serving => {
                client.state = State::Returned;
                self.ready += 1;
            }
            State::Owing | State::Empty | State::Suspended => self.come(id),
        }
    }

    /// One that was away has something to do.
    #[inline(never)]
    fn come(&mut self, id: ClientId) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(id) else { return };
        match client.state {
            State::Empty => {
                client.tag = client.tag.max(now);
                self.clock.enter(client.weight);
            }
            State::Suspended => {
                client.tag = client.tag.plus(now.since(client.since)).max(now);
                self.clock.enter(client.weight);
            }
            _ => {
                self.owing.remove(id);
            }
        }
        client.state = State::Ready;
        self.ready += 1;
        self.queue(id);
    }

    pub(super) fn suspend(&mut self, id: ClientId) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(id) else { return };
        let before = core::mem::replace(&mut client.state, State::Suspended);
        match before {
            State::Suspended => return,
            State::Ready | State::Returned => self.ready -= 1,
            State::Serving | State::Owing | State::Empty => {}
        }
        client.since = now;
        if before != State::Empty {
            self.clock.leave(client.weight);
        }
        match before {
            State::Ready => self.unqueue(id),
            State::Owing => {
                self.owing.remove(id);
            }
            State::Serving | State::Returned => {
                self.serving = None;
                if !self.crowded {
                    let place = client.place;
                    self.leave_few(place);
                }
            }
            State::Empty | State::Suspended => {}
        }
    }

    /// Puts a ready client among those that wait.
    #[inline]
    pub(super) fn queue(&mut self, id: ClientId) {
        if !self.crowded {
            if !self.few.is_full() {
                if let Some(client) = self.clients.get_mut(id) {
                    client.place = self.few.push(client.waiter(id));
                }
                return;
            }
            self.crowd();
        }
        self.place_in_heap(id);
    }

    /// Says anew where a waiting client's tag and deadline are.
    #[inline]
    pub(super) fn requeue(&mut self, id: ClientId) {
        if self.crowded {
            return self.place_in_heap(id);
        }
        if let Some(client) = self.clients.get(id) {
            self.few.put(client.place, client.waiter(id));
        }
    }

    fn unqueue(&mut self, id: ClientId) {
        if self.crowded {
            self.eligible.remove(id);
            self.ahead.remove(id);
        } else if let Some(place) = self.clients.get(id).map(|client| client.place) {
            self.leave_few(place);
        }
    }

    /// Takes out of `few` who stands in this place.
    #[inline]
    pub(super) fn leave_few(&mut self, place: usize) {
        if let Some(moved) = self.few.remove(place)
            && let Some(client) = self.clients.get_mut(moved)
        {
            client.place = place;
        }
    }

    /// Puts a ready client into the heap where its tag belongs.
    pub(super) fn place_in_heap(&mut self, id: ClientId) {
        let Some(client) = self.clients.get(id) else { return };
        if client.tag > self.clock.now() {
            self.eligible.remove(id);
            self.ahead.set(id, client.tag.key());
        } else {
            self.ahead.remove(id);
            self.eligible.set(id, client.deadline().key());
        }
    }

    /// From the array to the heaps.
    #[cold]
    fn crowd(&mut self) {
        self.crowded = true;
        while let Some(id) = self.few.pop() {
            if self.serving != Some(id) {
                self.place_in_heap(id);
            }
        }
    }

    /// From the heaps to the array, when few are left beside the one in service.
    #[cold]
    pub(super) fn thin_out(&mut self, serving: ClientId) {
        self.crowded = false;
        self.queue(serving);
        if let Some(client) = self.clients.get(serving) {
            self.few.bar(client.place);
        }
        while let Some(first) = self.eligible.pop().or_else(|| self.ahead.pop()) {
            self.queue(first.id());
        }
    }

    /// Lets those go whose tag V has come to.
    #[inline]
    pub(super) fn release_owing(&mut self) {
        while let Some(first) = self.owing.first()
            && first.within(self.clock.now().bits())
        {
            self.release_first();
        }
    }

    /// V has come to the first tag that is owing: its client leaves.
    pub(super) fn release_first(&mut self) {
        if let Some(first) = self.owing.pop()
            && let Some(client) = self.clients.get_mut(first.id())
        {
            client.state = State::Empty;
            self.clock.leave(client.weight);
        }
    }
}
