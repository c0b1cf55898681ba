//! `fifo`: clients in the order in which they became ready, one request each.
//!
//! The queue discipline without any sharing, as in every textbook; here for resources
//! that one activity uses alone, and as the baseline that experiments compare against.
//!
//! # Bound
//! A client that becomes ready while n others are ready is chosen after n decisions. Every
//! operation is O(1). Work conserving. No promise on shares: whoever sends longer requests
//! gets more.
//!
//! # Deviation
//! The order is that of clients, not of requests: a client with several requests stands
//! at the end again after each, where `client_ready` puts it.

use alloc::boxed::Box;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Metric,
    Params, Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles};

use crate::{common::Common, line::Line, table::Table, tally::Tally};

#[cfg(test)]
mod tests;

/// The policy `fifo`.
pub struct Fifo(Common);

impl Scheduler for Fifo {
    fn init(params: Params) -> Result<Self, InitError> {
        Common::init(params).map(Self)
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(FifoCore { metric: self.0.metric, line: Line::new(), clients: Table::new() })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.0.load_share(question)
    }
}

struct FifoCore {
    metric: Metric,
    line: Line,
    clients: Table<Tally>,
}

impl SchedulerCore for FifoCore {
    fn add_client(&mut self, client: ClientId, _: &ClientParams) {
        self.remove_client(client);
        self.line.admit(client);
        self.clients.insert(client, Tally::default());
    }

    fn remove_client(&mut self, client: ClientId) {
        self.line.remove(client);
        self.clients.remove(client);
    }

    fn client_reweighed(&mut self, _: ClientId, _: &ClientParams, _: Cycles) {
        // There are no shares here to change.
    }

    fn client_inherits(&mut self, client: ClientId, from: ClientId, _: Cycles) {
        let Some(mut gone) = self.clients.get_mut(from).map(core::mem::take) else { return };
        if let Some(tally) = self.clients.get_mut(client) {
            tally.take_in(&mut gone);
        }
    }

    fn schedule(&mut self, _: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        self.line.pop().map(Choice::of)
    }

    fn client_ready(&mut self, client: ClientId, _: Cycles) {
        if self.clients.get(client).is_some() {
            self.line.push(client);
        }
    }

    fn client_suspended(&mut self, client: ClientId, _: Cycles) {
        self.line.remove(client);
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.line.len() == 0 { Readiness::Idle } else { Readiness::Now }
    }

    fn resource_record(&mut self, client: ClientId, record: &Record, _: Cycles) {
        if let Some(tally) = self.clients.get_mut(client) {
            tally.note(record, self.metric.measure(record));
        }
    }

    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        self.clients.get(client).map(Tally::statistics).unwrap_or_default()
    }
}
