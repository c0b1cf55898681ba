//! `deadline.cbs`: reservations with deadlines, and shares of the rest.
//!
//! A constant bandwidth server for each client that has a reservation, after Abeni & Buttazzo,
//! "Integrating Multimedia Applications in Hard Real-Time Systems" (RTSS 1998). A reservation is
//! an amount of the metric a second; with the client's *period* T that is a budget Q for each
//! period. Who has budget left is served by the deadline of its server, the earliest first; what
//! it is served with is taken off its budget, and when that is spent it has no claim until its
//! deadline, where the next budget and period begin. Whoever waits without a budget, for it has
//! no reservation or has spent it, is served when nobody has one, by shares
//! ([`fair`](crate::fair)). What somebody has by its share is not taken off its budget.
//!
//! A server that comes back goes on with its deadline if what is left of the budget is no more
//! than its bandwidth gives until then; else a new period begins. So nobody has more than its
//! bandwidth by coming and going.
//!
//! *Admission* is the configuration's: of the time of a core, or of a resource on a core, no
//! more is reserved than there is, and at a multiplexor a twentieth is left for the rest.
//!
//! # Bounds
//! Let l be the longest charge for one decision, of any client.
//! 1. Where all reservations together are no more than what the scheduler is given, a client
//!    that is ready throughout a period has at least Q − l in it, at most l after its deadline.
//! 2. A client with a reservation takes from others no more than Q + l in any of its periods,
//!    whatever it does; what it is served with beyond is of what they leave.
//! 3. Of the rest, two that are ready throughout and have no budget are apart by the sum of their
//!    longest charges, by weight.
//!
//! Every operation is O(log n), but a decision, which begins the periods that are due: each is
//! paid for by the charge that ended the last. Work conserving.
//!
//! # Deviations from the paper
//! - Lengths are known when they have run: a budget may be overdrawn by one charge, which the
//!   next pays for.
//! - A spent budget waits for its deadline (as in a *hard* reservation) where the paper moves the
//!   deadline at once: so a client that always has work is not ahead of those without a
//!   reservation for all of the core.
//! - What comes from elsewhere is taken off the budget, to 100 ms of the reservation below zero
//!   (law 2); of a client without one, as `fair` has it. A turn that was lent is paid for by what
//!   it was chosen by: the budget, or the client's share.

use alloc::boxed::Box;

use vortex_grid::Frequency;
use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, Direction, InitError, LoadShare,
    Metric, Params, Queues, Readiness, Record, RecordKind, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles, Micros, Rate};

use crate::common::Common;
use crate::fair::{Fair, State};
use crate::heap::{Heap, Key};
use crate::table::Table;

mod server;
#[cfg(test)]
mod tests;

use server::Server;

/// The period of those for whom none is written.
pub const PERIOD: Micros = Micros::new(10_000);
/// How much charges from elsewhere may take of what is reserved, in time (law 2).
const DEBT: Micros = Micros::new(100_000);

/// The policy `deadline.cbs`.
pub struct Cbs {
    common: Common,
    period: Micros,
    frequency: Frequency,
}

impl Scheduler for Cbs {
    fn init(mut params: Params) -> Result<Self, InitError> {
        let frequency = params.frequency.ok_or(InitError::NoClock)?;
        let period = params.take_number("period", 100..=60_000_000, "100 to 60000000 us")?;
        let period = period.map_or(PERIOD, Micros::new);
        Ok(Self { common: Common::init(params)?, period, frequency })
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(CbsCore {
            metric: self.common.metric,
            fair: Fair::new(self.common.metric, self.common.debt_cap),
            frequency: self.frequency,
            period: self.period,
            servers: Table::new(),
            by_deadline: Heap::new(),
            spent: Heap::new(),
            by_share: Heap::new(),
        })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.common.load_share(question)
    }
}

struct CbsCore {
    metric: Metric,
    fair: Fair,
    frequency: Frequency,
    period: Micros,
    /// Of each client, one without a reservation having none.
    servers: Table<Option<Server>>,
    /// Ready clients with a budget, by deadline;
    by_deadline: Heap,
    /// all that are ready, by their tags;
    by_share: Heap,
    /// and all whose budget is spent, ready or not, by when the next begins.
    spent: Heap,
}

fn key(time: Cycles) -> Key {
    Key::of_pair(0, time.get())
}

impl CbsCore {
    fn forget(&mut self, id: ClientId) {
        for heap in [&mut self.by_deadline, &mut self.spent, &mut self.by_share] {
            heap.remove(id);
        }
    }

    fn server(&mut self, id: ClientId) -> Option<&mut Server> {
        self.servers.get_mut(id)?.as_mut()
    }

    /// Puts a client where it belongs.
    fn place(&mut self, id: ClientId) {
        self.forget(id);
        let Some(account) = self.fair.get(id) else { return };
        let ready = account.state == State::Ready;
        if ready {
            self.by_share.set(id, account.tag.key());
        }
        if let Some(Some(server)) = self.servers.get(id) {
            if !server.has_budget() {
                self.spent.set(id, key(server.deadline()));
            } else if ready {
                self.by_deadline.set(id, key(server.deadline()));
            }
        }
    }

    /// Those whose next period has come have a budget again.
    fn replenish(&mut self, now: Cycles) {
        while let Some(first) = self.spent.first()
            && first.key().second() <= now.get()
        {
            if let Some(server) = self.server(first.id()) {
                server.begin_next(now);
            }
            self.place(first.id());
        }
    }

    fn made(&self, params: &ClientParams, now: Cycles) -> Option<Server> {
        let rate: Rate = params.reservation.filter(|rate| !rate.is_zero())?;
        let period = params.period.unwrap_or(self.period);
        Some(Server::new(rate, period, DEBT, self.frequency, now))
    }
}

impl SchedulerCore for CbsCore {
    fn add_client(&mut self, id: ClientId, params: &ClientParams) {
        self.remove_client(id);
        for heap in [&mut self.by_deadline, &mut self.spent, &mut self.by_share] {
            heap.admit(id);
        }
        self.fair.add(id, u64::from(params.share.hundredths()), params.beside);
        let mut server = self.made(params, Cycles::ZERO);
        // A part has spent of its budget what its whole has of its own.
        let whole =
            params.beside.and_then(|whole| self.servers.get(whole)).and_then(Option::as_ref);
        if let (Some(server), Some(whole)) = (&mut server, whole) {
            server.go_on_as(whole);
        }
        self.servers.insert(id, server);
    }

    fn remove_client(&mut self, id: ClientId) {
        self.forget(id);
        self.fair.remove(id);
        self.servers.remove(id);
    }

    fn client_reweighed(&mut self, id: ClientId, params: &ClientParams, now: Cycles) {
        self.fair.reweigh(id, u64::from(params.share.hundredths()));
        let mut made = self.made(params, now);
        if let Some(server) = self.servers.get_mut(id) {
            if let (Some(new), Some(old)) = (&mut made, &*server) {
                new.go_on_as(old);
            }
            *server = made;
        }
        self.place(id);
    }

    fn client_inherits(&mut self, id: ClientId, from: ClientId, _: Cycles) {
        self.fair.inherit(id, from);
        let overdrawn = self.server(from).map_or(0, Server::take_overdraft);
        if let Some(server) = self.server(id) {
            server.charge_elsewhere(overdrawn);
        }
        self.place(id);
        self.place(from);
    }

    fn client_goes_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        match self.server(id) {
            Some(server) => server.overdraw(debt, refused),
            None => self.fair.go_on(id, debt, refused),
        }
        self.place(id);
    }

    fn schedule(&mut self, now: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        self.replenish(now);
        let first = self.by_share.first()?;
        let due = self.by_deadline.first();
        let id = due.unwrap_or(first).id();
        let least = self.fair.get(first.id())?.tag;
        self.forget(id);
        self.fair.chosen(id, least);
        if let Some(server) = self.server(id) {
            server.reserved = due.is_some();
        }
        Some(Choice::of(id))
    }

    fn client_ready(&mut self, id: ClientId, now: Cycles) {
        let before = self.fair.get(id).map(|account| account.state);
        if !self.fair.ready(id) {
            return;
        }
        if before != Some(State::Serving)
            && let Some(server) = self.server(id)
        {
            server.come_back(now);
        }
        self.place(id);
    }

    fn client_suspended(&mut self, id: ClientId, _: Cycles) {
        self.forget(id);
        self.fair.suspend(id);
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.by_share.is_empty() { Readiness::Idle } else { Readiness::Now }
    }

    fn resource_record(&mut self, id: ClientId, record: &Record, _: Cycles) {
        let amount = self.metric.measure(record);
        let Some(server) = self.servers.get_mut(id) else { return };
        let taken = server.as_mut().is_some_and(|server| match (record.direction, record.kind) {
            (Direction::Charge, RecordKind::THROUGH | RecordKind::BILLED_BACK) => {
                server.charge_elsewhere(amount);
                true
            }
            // A lent turn is paid for by what it was chosen by.
            (Direction::Charge, _) if server.reserved => {
                server.charge(amount);
                true
            }
            (Direction::Credit, _) if server.reserved => {
                server.credit(amount);
                true
            }
            _ => false,
        });
        if taken {
            self.fair.count(id, record);
        } else {
            self.fair.note(id, record);
        }
        self.place(id);
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, now: Cycles) {
        self.replenish(now);
        if self.by_share.is_empty() {
            self.fair.go_idle(idle, cap);
        }
    }

    fn client_statistics(&self, id: ClientId) -> ClientStatistics {
        let statistics = self.fair.statistics(id);
        match self.servers.get(id) {
            Some(Some(server)) => ClientStatistics {
                debt: server.overdraft(),
                forgiven: server.forgiven(),
                refuse: server.is_at_cap(),
                ..statistics
            },
            _ => statistics,
        }
    }
}
