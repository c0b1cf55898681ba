//! `priority.strict`: the ready client with the lowest priority number, in order of
//! becoming ready among equals.
//!
//! The fixed-priority discipline of Liu & Layland, "Scheduling Algorithms for
//! Multiprogramming in a Hard-Real-Time Environment" (JACM 1973); who gets which number is
//! the configuration's affair. Lower runs first, as in POSIX `nice`.
//!
//! # Bound
//! A client waits for clients with a lower number, for those of its own number that were
//! ready before it, and for the one request that runs (requests are never preempted). So
//! the lowest number waits for one request and its equals, and **a higher number is
//! promised nothing**: it starves while a lower one stays ready. Every operation is
//! O(log n). Work conserving.
//!
//! # Deviation
//! None of consumption: what a client has used does not change its place, so there is no
//! debt, and billing back moves counts but no service.

use alloc::boxed::Box;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Metric,
    Params, Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles};

use crate::common::Common;
use crate::heap::{Heap, Key};
use crate::table::Table;
use crate::tally::Tally;

#[cfg(test)]
mod tests;

/// The policy `priority.strict`.
pub struct Strict(Common);

impl Scheduler for Strict {
    fn init(params: Params) -> Result<Self, InitError> {
        Common::init(params).map(Self)
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(StrictCore {
            metric: self.0.metric,
            arrivals: 0,
            ready: Heap::new(),
            clients: Table::new(),
        })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.0.load_share(question)
    }
}

struct StrictCore {
    metric: Metric,
    /// How often any client has become ready: the order among equals.
    arrivals: u64,
    ready: Heap,
    clients: Table<Client>,
}

struct Client {
    priority: u32,
    ready: bool,
    tally: Tally,
}

impl StrictCore {
    fn forget(&mut self, client: ClientId) {
        self.ready.remove(client);
        if let Some(client) = self.clients.get_mut(client) {
            client.ready = false;
        }
    }
}

impl SchedulerCore for StrictCore {
    fn add_client(&mut self, client: ClientId, params: &ClientParams) {
        self.remove_client(client);
        self.ready.admit(client);
        let priority = params.priority;
        self.clients.insert(client, Client { priority, ready: false, tally: Tally::default() });
    }

    fn remove_client(&mut self, client: ClientId) {
        self.ready.remove(client);
        self.clients.remove(client);
    }

    fn client_reweighed(&mut self, id: ClientId, params: &ClientParams, _: Cycles) {
        let Some(client) = self.clients.get_mut(id) else { return };
        if core::mem::replace(&mut client.priority, params.priority) != params.priority
            && core::mem::take(&mut client.ready)
        {
            self.client_ready(id, Cycles::ZERO);
        }
    }

    fn client_inherits(&mut self, client: ClientId, from: ClientId, _: Cycles) {
        let gone = self.clients.get_mut(from).map(|from| core::mem::take(&mut from.tally));
        if let (Some(mut gone), Some(client)) = (gone, self.clients.get_mut(client)) {
            client.tally.take_in(&mut gone);
        }
    }

    fn schedule(&mut self, _: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        let client = self.ready.first()?.id();
        self.forget(client);
        Some(Choice::of(client))
    }

    fn client_ready(&mut self, id: ClientId, _: Cycles) {
        if let Some(client) = self.clients.get_mut(id)
            && !client.ready
        {
            client.ready = true;
            self.ready.set(id, Key::of_pair(client.priority, self.arrivals));
            self.arrivals = self.arrivals.wrapping_add(1);
        }
    }

    fn client_suspended(&mut self, client: ClientId, _: Cycles) {
        self.forget(client);
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.ready.is_empty() { Readiness::Idle } else { Readiness::Now }
    }

    fn resource_record(&mut self, client: ClientId, record: &Record, _: Cycles) {
        if let Some(client) = self.clients.get_mut(client) {
            client.tally.note(record, self.metric.measure(record));
        }
    }

    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        self.clients.get(client).map(|client| client.tally.statistics()).unwrap_or_default()
    }
}
