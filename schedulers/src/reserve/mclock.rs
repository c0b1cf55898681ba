//! `reserve.mclock`: a reservation, a limit and a share for each client.
//!
//! After Gulati, Merchant & Varman, "mClock: Handling Throughput Variability for Hypervisor IO
//! Scheduling" (OSDI 2010). Reservations and limits are amounts of the metric a second, told
//! apart in real time by two tags: R is when the client's next request is due by its
//! reservation, L from when on its limit allows one. Of the clients whose L is over, the one
//! with the earliest R is chosen if that is over too; if none is, the one that is furthest
//! behind its share ([`fair`](crate::fair)). A charge of c moves L by c/limit, and R by
//! c/reservation if it was chosen by its R: what it has by its share comes on top.
//!
//! # Bounds
//! Let l be the longest charge between two decisions, and the scheduler asked whenever it could
//! choose and whenever it has said that it could.
//! 1. *Limit*: over any interval of length t a client has at most limit·(t + burst) + l. Nobody
//!    else's absence makes it more: a device stays idle for it.
//! 2. *Reservation*: where a device of rate C serves what it is given, and the n clients'
//!    reservations together are less than C, one that is ready throughout an interval of length
//!    t has at least reservation·(t − (n + 1)·l/C) − 2·l in it; with a limit, if that is not
//!    less and `burst` is at least (n + 1)·l/C.
//! 3. *Share*: between two clients that are ready throughout, not limited, and chosen by share,
//!    |service/w − service/w| is at most the sum of their longest charges, by weight.
//!
//! Every operation is O(log n), but a decision, which also places those whose L has come: each
//! paid for by the charge that took it there. Not work conserving where a limit is written.
//!
//! # Deviations from the paper
//! - Tags are clients', not requests': lengths are known when they have run. R and L are moved
//!   afterwards.
//! - Shares go by virtual time, not by tags in real time.
//! - L may lag behind the clock by `burst` at most, so that timers that are late do not make the
//!   limit less than it is; and R by [`CATCH_UP`], so that who was not served because the device
//!   was slow does not then have it for itself.
//! - A request chosen by its R must be within its limit too.
//! - What comes from elsewhere moves no R, for nothing was chosen for it; a turn that was chosen,
//!   and lent, does.

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

#[cfg(test)]
mod tests;

/// How far L may be behind the clock, where nothing is said.
const BURST: Micros = Micros::new(5_000);
/// How far R may be.
const CATCH_UP: Micros = Micros::new(100_000);
/// How far charges from elsewhere may take L ahead of it (law 2).
const DEBT: Micros = Micros::new(100_000);

/// The policy `reserve.mclock`.
pub struct MClock {
    common: Common,
    burst: Micros,
    frequency: Frequency,
}

impl Scheduler for MClock {
    fn init(mut params: Params) -> Result<Self, InitError> {
        let burst = params.take_number("burst", 0..=1_000_000, "0 to 1000000 microseconds")?;
        let frequency = params.frequency.ok_or(InitError::NoClock)?;
        let burst = burst.map_or(BURST, Micros::new);
        Ok(Self { common: Common::init(params)?, burst, frequency })
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(MClockCore {
            metric: self.common.metric,
            fair: Fair::new(self.common.metric, self.common.debt_cap),
            frequency: self.frequency,
            burst: self.frequency.cycles(self.burst),
            clients: Table::new(),
            by_reservation: Heap::new(),
            by_share: Heap::new(),
            limited: Heap::new(),
        })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.common.load_share(question)
    }
}

struct Client {
    reservation: Option<Rate>,
    limit: Option<Rate>,
    /// R.
    due: Cycles,
    /// L.
    free: Cycles,
    /// It was chosen last by its R.
    reserved: bool,
}

struct MClockCore {
    metric: Metric,
    fair: Fair,
    frequency: Frequency,
    burst: Cycles,
    clients: Table<Client>,
    /// Ready clients within their limits: those with a reservation, by R;
    by_reservation: Heap,
    /// and all of them, by their tags.
    by_share: Heap,
    /// Ready clients beyond their limits, by L.
    limited: Heap,
}

/// A tag that is ahead of the clock by what was had at one rate, when the rate becomes another:
/// where that is more it is the same amount that is waited for, else the same time.
fn retimed(tag: Cycles, before: Option<Rate>, after: Option<Rate>, now: Cycles) -> Cycles {
    // What was not promised yet is not owed.
    let (Some(before), Some(after)) = (before, after) else { return tag.max(now) };
    if tag <= now || after <= before {
        return tag;
    }
    let lead = u128::from(tag.saturating_sub(now).get()) * u128::from(before.get());
    let lead = lead / u128::from(after.get().max(1));
    now.saturating_add(Cycles::new(u64::try_from(lead).unwrap_or(u64::MAX)))
}

fn key(time: Cycles) -> Key {
    Key::of_pair(0, time.get())
}

impl MClockCore {
    /// How long so much takes at a rate, rounded up.
    fn span(&self, amount: u64, rate: Rate) -> Cycles {
        let second = u128::from(self.frequency.as_megahertz()) * 1_000_000;
        let span = (u128::from(amount) * second).div_ceil(u128::from(rate.get().max(1)));
        Cycles::new(u64::try_from(span).unwrap_or(u64::MAX))
    }

    fn forget(&mut self, id: ClientId) {
        self.by_reservation.remove(id);
        self.by_share.remove(id);
        self.limited.remove(id);
    }

    /// Puts a client where it belongs now.
    fn place(&mut self, id: ClientId, now: Cycles) {
        self.forget(id);
        let (Some(account), Some(client)) = (self.fair.get(id), self.clients.get(id)) else {
            return;
        };
        if account.state != State::Ready {
            return;
        }
        if client.limit.is_some() && client.free > now {
            self.limited.set(id, key(client.free));
            return;
        }
        self.by_share.set(id, account.tag.key());
        if client.reservation.is_some() {
            self.by_reservation.set(id, key(client.due));
        }
    }

    /// Those whose limit allows something again may be chosen.
    fn release(&mut self, now: Cycles) {
        while let Some(first) = self.limited.first()
            && first.key().second() <= now.get()
        {
            self.place(first.id(), now);
        }
    }

    /// Moves R and L by a record.
    fn tag(&mut self, id: ClientId, record: &Record, now: Cycles) {
        let amount = self.metric.measure(record);
        let Some((reservation, limit)) = self.clients.get(id).map(|c| (c.reservation, c.limit))
        else {
            return;
        };
        let (by_r, by_l) = (
            reservation.map_or(Cycles::ZERO, |rate| self.span(amount, rate)),
            limit.map_or(Cycles::ZERO, |rate| self.span(amount, rate)),
        );
        let (burst, catch_up) = (self.burst, self.frequency.cycles(CATCH_UP));
        let most = now.saturating_add(self.frequency.cycles(DEBT));
        let Some(client) = self.clients.get_mut(id) else { return };
        match (record.direction, record.kind) {
            (Direction::Credit, kind) => {
                client.free = client.free.saturating_sub(by_l);
                if kind == RecordKind::CORRECTION && client.reserved {
                    client.due = client.due.saturating_sub(by_r);
                }
            }
            (Direction::Charge, kind) => {
                let free = client.free.max(now.saturating_sub(burst));
                let elsewhere = matches!(kind, RecordKind::THROUGH | RecordKind::BILLED_BACK);
                client.free = match elsewhere {
                    true => free.max(free.saturating_add(by_l).min(most)),
                    false => free.saturating_add(by_l),
                };
                if client.reserved && !elsewhere {
                    let due = client.due.max(now.saturating_sub(catch_up));
                    client.due = due.saturating_add(by_r);
                }
            }
        }
    }
}

impl SchedulerCore for MClockCore {
    fn add_client(&mut self, id: ClientId, params: &ClientParams) {
        self.remove_client(id);
        for heap in [&mut self.by_reservation, &mut self.by_share, &mut self.limited] {
            heap.admit(id);
        }
        self.fair.add(id, u64::from(params.share.hundredths()), params.beside);
        // A part is beyond its limit as its whole is.
        let beside = params.beside.and_then(|whole| self.clients.get(whole));
        let (due, free) = beside.map_or((Cycles::ZERO, Cycles::ZERO), |it| (it.due, it.free));
        let (reservation, limit) = (params.reservation, params.limit);
        self.clients.insert(id, Client { reservation, limit, due, free, reserved: false });
    }

    fn remove_client(&mut self, id: ClientId) {
        self.forget(id);
        self.fair.remove(id);
        self.clients.remove(id);
    }

    fn client_reweighed(&mut self, id: ClientId, params: &ClientParams, now: Cycles) {
        self.fair.reweigh(id, u64::from(params.share.hundredths()));
        let Some(client) = self.clients.get(id) else { return };
        // What it has had beyond a rate it waits for by the new one.
        let is_more = match (client.limit, params.limit) {
            (Some(before), Some(after)) => after > before,
            (before, after) => before.is_some() && after.is_none(),
        };
        let due = retimed(client.due, client.reservation, params.reservation, now);
        let free = retimed(client.free, client.limit, params.limit, now);
        if let Some(client) = self.clients.get_mut(id) {
            (client.reservation, client.limit) = (params.reservation, params.limit);
            (client.due, client.free) = (due, free);
        }
        if is_more {
            // What its limit kept it behind is nothing that it may make good now.
            self.fair.catch_up(id);
        }
        self.place(id, now);
    }

    fn client_inherits(&mut self, id: ClientId, from: ClientId, now: Cycles) {
        self.fair.inherit(id, from);
        let gone = self.clients.get(from).map(|from| from.free);
        if let (Some(free), Some(client)) = (gone, self.clients.get_mut(id)) {
            client.free = client.free.max(free);
        }
        self.place(id, now);
        self.place(from, now);
    }

    fn client_goes_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        self.fair.go_on(id, debt, refused);
    }

    fn schedule(&mut self, now: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        self.release(now);
        let first = self.by_share.first()?;
        let due = self.by_reservation.first().filter(|due| due.key().second() <= now.get());
        let id = due.unwrap_or(first).id();
        let least = self.fair.get(first.id())?.tag;
        self.forget(id);
        self.fair.chosen(id, least);
        if let Some(client) = self.clients.get_mut(id) {
            client.reserved = due.is_some();
        }
        Some(Choice::of(id))
    }

    fn client_ready(&mut self, id: ClientId, now: Cycles) {
        let before = self.fair.get(id).map(|account| account.state);
        if !self.fair.ready(id) {
            return;
        }
        if before != Some(State::Serving)
            && let Some(client) = self.clients.get_mut(id)
        {
            // Absence earns no reservation.
            client.due = client.due.max(now);
        }
        self.place(id, now);
    }

    fn client_suspended(&mut self, id: ClientId, _: Cycles) {
        self.forget(id);
        self.fair.suspend(id);
    }

    fn poll_ready(&mut self, now: Cycles) -> Readiness {
        if !self.by_share.is_empty() {
            return Readiness::Now;
        }
        let Some(first) = self.limited.first() else { return Readiness::Idle };
        match first.key().second().saturating_sub(now.get()) {
            0 => Readiness::Now,
            left => Readiness::After(Micros::new(left.div_ceil(self.frequency.as_megahertz()))),
        }
    }

    fn resource_record(&mut self, id: ClientId, record: &Record, now: Cycles) {
        self.fair.note(id, record);
        self.tag(id, record, now);
        self.place(id, now);
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, _: Cycles) {
        if self.by_share.is_empty() && self.limited.is_empty() {
            self.fair.go_idle(idle, cap);
        }
    }

    fn client_statistics(&self, id: ClientId) -> ClientStatistics {
        self.fair.statistics(id)
    }
}
