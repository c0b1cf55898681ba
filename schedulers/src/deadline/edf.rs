//! `deadline.edf`: who must be done first is served first.
//!
//! Earliest deadline first after Liu & Layland, "Scheduling Algorithms for Multiprogramming in a
//! Hard-Real-Time Environment" (JACM 1973), for requests that are not preempted (Jeffay, Stanat &
//! Martel, "On Non-Preemptive Scheduling of Periodic and Sporadic Tasks", RTSS 1991). A client
//! has a *period*: a request that becomes ready is to be done within it. The policy's own
//! parameter `period` (microseconds, 100,000 if not written) is that of clients for which none
//! is written.
//!
//! # Bounds
//! Let C be the longest charge of a client for one decision, T its period, l the longest charge
//! of any.
//! 1. Where Σ C/T ≤ 1 − l/(the shortest T), on a core that serves this scheduler alone, every
//!    request of a client that asks once a period at most is done in time.
//! 2. A client that asks more often, or uses more, may miss its own deadlines; where the sum of
//!    all C/T is beyond 1 anybody's may be missed. Who uses more than it says is held to nothing
//!    here: `deadline.cbs` holds it to its reservation.
//! 3. Nobody starves: a ready client's deadline stays, and others' go on.
//!
//! Every operation is O(log n). Work conserving.
//!
//! # Deviation
//! A client's requests count as coming a period apart: one that asks again sooner has its
//! deadline a period after the last. So a storm of requests with a short period takes nothing
//! from who keeps to its own. What comes from elsewhere is counted and moves no deadline.

use alloc::boxed::Box;

use vortex_grid::Frequency;
use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Metric,
    Params, Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles, Micros};

use crate::common::Common;
use crate::heap::{Heap, Key};
use crate::table::Table;
use crate::tally::Tally;

#[cfg(test)]
mod tests;

/// The period of those for whom none is written.
const PERIOD: Micros = Micros::new(100_000);

/// The policy `deadline.edf`.
pub struct Edf {
    common: Common,
    period: Micros,
    frequency: Frequency,
}

impl Scheduler for Edf {
    fn init(mut params: Params) -> Result<Self, InitError> {
        let frequency = params.frequency.ok_or(InitError::NoClock)?;
        let period = params.take_number("period", 1..=3_600_000_000, "1 to 3600000000 us")?;
        let period = period.map_or(PERIOD, Micros::new);
        Ok(Self { common: Common::init(params)?, period, frequency })
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(EdfCore {
            metric: self.common.metric,
            frequency: self.frequency,
            period: self.period,
            ready: Heap::new(),
            clients: Table::new(),
        })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.common.load_share(question)
    }
}

struct Client {
    period: Cycles,
    /// When its last request was, or is, to be done.
    deadline: Cycles,
    tally: Tally,
}

struct EdfCore {
    metric: Metric,
    frequency: Frequency,
    period: Micros,
    /// Ready clients by deadline.
    ready: Heap,
    clients: Table<Client>,
}

impl EdfCore {
    fn period_of(&self, params: &ClientParams) -> Cycles {
        self.frequency.cycles(params.period.unwrap_or(self.period)).max(Cycles::new(1))
    }
}

impl SchedulerCore for EdfCore {
    fn add_client(&mut self, id: ClientId, params: &ClientParams) {
        self.remove_client(id);
        self.ready.admit(id);
        // A part's first request comes after its whole's last.
        let whole = params.beside.and_then(|whole| self.clients.get(whole));
        let deadline = whole.map_or(Cycles::ZERO, |whole| whole.deadline);
        let period = self.period_of(params);
        self.clients.insert(id, Client { period, deadline, tally: Tally::default() });
    }

    fn remove_client(&mut self, id: ClientId) {
        self.ready.remove(id);
        self.clients.remove(id);
    }

    fn client_reweighed(&mut self, id: ClientId, params: &ClientParams, _: Cycles) {
        let period = self.period_of(params);
        if let Some(client) = self.clients.get_mut(id) {
            client.period = period;
        }
    }

    fn client_inherits(&mut self, id: ClientId, from: ClientId, _: Cycles) {
        let Some(part) = self.clients.get_mut(from) else { return };
        let (deadline, mut tally) = (part.deadline, core::mem::take(&mut part.tally));
        let waits = self.ready.contains(id);
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tally.take_in(&mut tally);
        // One that waits keeps its deadline: the next is after the part's.
        if !waits {
            client.deadline = client.deadline.max(deadline);
        }
    }

    fn schedule(&mut self, _: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        self.ready.pop().map(|first| Choice::of(first.id()))
    }

    fn client_ready(&mut self, id: ClientId, now: Cycles) {
        if self.ready.contains(id) {
            return;
        }
        let Some(client) = self.clients.get_mut(id) else { return };
        client.deadline = client.deadline.max(now).saturating_add(client.period);
        self.ready.set(id, Key::of_pair(0, client.deadline.get()));
    }

    fn client_suspended(&mut self, id: ClientId, _: Cycles) {
        // It will be ready again with the same request.
        if self.ready.remove(id)
            && let Some(client) = self.clients.get_mut(id)
        {
            client.deadline = client.deadline.saturating_sub(client.period);
        }
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.ready.is_empty() { Readiness::Idle } else { Readiness::Now }
    }

    fn resource_record(&mut self, id: ClientId, record: &Record, _: Cycles) {
        if let Some(client) = self.clients.get_mut(id) {
            client.tally.note(record, self.metric.measure(record));
        }
    }

    fn client_statistics(&self, id: ClientId) -> ClientStatistics {
        self.clients.get(id).map(|client| client.tally.statistics()).unwrap_or_default()
    }
}
