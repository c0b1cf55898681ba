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
use crate::heap::Heap;
use crate::table::Table;
use crate::virtual_time::{Inverse, Virtual};

/// # Invariants
/// Between calls: `eligible` holds ready clients with S ≤ V, by deadline; `ahead` the other
/// ready ones, by S, of which a decision first takes out those that V has come to; `owing`
/// the owing ones, all with S > V, by S. `serving` is the one in service or returned, in no
/// heap; `clock` has the weights of all these.
pub(super) struct WfqCore {
    pub(super) metric: Metric,
    debt_cap: u64,
    pub(super) clock: Clock,
    /// How far ahead of V a charge from elsewhere may take a tag.
    pub(super) ceiling: Virtual,
    /// The weight of all clients, ready or not.
    registered: u64,
    pub(super) clients: Table<Client>,
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
            eligible: Heap::new(),
            ahead: Heap::new(),
            owing: Heap::new(),
            serving: None,
            ready: 0,
        }
    }

    pub(super) fn add(&mut self, id: ClientId, weight: u64) {
        self.remove(id);
        self.eligible.admit(id);
        self.ahead.admit(id);
        self.owing.admit(id);
        self.clients.insert(id, Client::new(weight, self.clock.now()));
        self.register(self.registered + weight);
    }

    pub(super) fn remove(&mut self, id: ClientId) {
        self.suspend(id);
        if let Some(client) = self.clients.remove(id) {
            self.register(self.registered.saturating_sub(client.weight));
        }
    }

    fn register(&mut self, weight: u64) {
        self.registered = weight;
        self.ceiling = Inverse::of(weight).of_amount(self.debt_cap);
    }

    #[inline]
    pub(super) fn make_ready(&mut self, id: ClientId) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(id) else { return };
        match client.state {
            State::Ready | State::Returned => return,
            State::Serving => {
                client.state = State::Returned;
                self.ready += 1;
                return;
            }
            State::Owing => {
                self.owing.remove(id);
            }
            State::Empty => {
                client.tag = client.tag.max(now);
                self.clock.enter(client.weight);
            }
            State::Suspended => {
                client.tag = client.tag.plus(now.since(client.since)).max(now);
                self.clock.enter(client.weight);
            }
        }
        client.state = State::Ready;
        self.ready += 1;
        self.place(id);
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
        if self.serving == Some(id) {
            self.serving = None;
        }
        self.eligible.remove(id);
        self.ahead.remove(id);
        self.owing.remove(id);
    }

    /// Puts a ready client into the heap where its tag belongs.
    pub(super) fn place(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        if client.tag > self.clock.now() {
            self.eligible.remove(id);
            self.ahead.set(id, client.tag.key());
        } else {
            self.ahead.remove(id);
            self.eligible.set(id, client.deadline().key());
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
