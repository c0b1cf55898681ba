//! `propshare.lottery`: a ticket is drawn, and who holds it is served.
//!
//! After Waldspurger & Weihl, "Lottery Scheduling: Flexible Proportional-Share Resource
//! Management" (OSDI 1994). A client's share is its tickets. Who uses less than others when it
//! wins has *compensation tickets*: its tickets count by one over what it uses of late, so that
//! what it uses, and not how often it wins, is in proportion to its share.
//!
//! Of the paper's modular mechanisms the toolkit has two for all policies. *Currencies*: an
//! activity divides what it is entitled to among sub-activities, and whatever they do stays
//! within that. *Transfer*: who waits for another lends it its place ([`Scheduler`]'s clients
//! stay ready while what they have asked for waits, and the turn is the resource's; a request
//! that waits for one under way moves it to its own queue).
//!
//! # Bounds
//! In expectation only. Of n draws a client of the part p wins n·p, with a deviation of
//! √(n·p·(1 − p)); so with charges of length l its part over a time t is off by about
//! √(p·(1 − p)·l/t). A client waits for 1/p draws on average, and has no longest wait: but with
//! a share it is never without a chance.
//!
//! A draw, and every change, is O(log n); a charge divides once. Work conserving.
//!
//! # Deviations from the paper
//! - There is no quantum of which a part is used: what counts is the average of a client's
//!   charges, over about eight of them.
//! - Charges from elsewhere say nothing about lengths, but for turns that were won and lent. They
//!   are owed: who wins and owes as much
//!   as it would use passes the win on, and owes less, up to so many times a decision
//!   ([`PASSES`]). They are capped as in `propshare.wfq`.
//! - The numbers are those of a generator that begins with `seed`, the same on every core apart
//!   from its number: a run in counted time is like every other.

use alloc::boxed::Box;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, Direction, InitError, LoadShare,
    Metric, Params, Queues, Readiness, Record, RecordKind, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles};

use crate::common::{Common, worn_off};
use crate::table::Table;
use crate::tally::Tally;
use crate::virtual_time::Inverse;

mod draw;
#[cfg(test)]
mod tests;

use draw::{Random, Tickets};

/// How often a win is passed on in one decision.
const PASSES: usize = 8;

/// The policy `propshare.lottery`.
pub struct Lottery {
    common: Common,
    seed: u64,
}

impl Scheduler for Lottery {
    fn init(mut params: Params) -> Result<Self, InitError> {
        let seed = params.take_number("seed", 0..=u64::MAX, "a whole number")?;
        Ok(Self { common: Common::init(params)?, seed: seed.unwrap_or(0) })
    }

    fn init_core(&self, core: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(LotteryCore {
            metric: self.common.metric,
            debt_cap: self.common.debt_cap,
            clients: Table::new(),
            tickets: Tickets::new(),
            random: Random::new(self.seed ^ (u64::from(core.get()) << 32)),
            registered: 0,
        })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.common.load_share(question)
    }
}

struct Client {
    share: u64,
    ready: bool,
    /// Eight times the average of what it uses of a win.
    average: u64,
    /// Nothing of its last win has been reported yet.
    won: bool,
    /// What it has had without a win.
    owed: u64,
    forgiven: u64,
    at_cap: bool,
    tally: Tally,
}

impl Client {
    /// What its tickets count: less where it uses much.
    fn worth(&self) -> u128 {
        Inverse::of(self.average / 8).of_amount(self.share).bits().max(1)
    }

    /// What it has used: the first of a win begins another in the average, and what is reported
    /// of the same win later adds to that.
    fn note_length(&mut self, amount: u64) {
        if !core::mem::take(&mut self.won) {
            self.average = self.average.saturating_add(amount);
            return;
        }
        let old = if self.average == 0 { amount.saturating_mul(8) } else { self.average };
        self.average = (old - old / 8).saturating_add(amount);
    }

    /// Adds to what it owes, as far as its part of the cap goes.
    fn owe(&mut self, amount: u64, most: u64) {
        let room = most.saturating_sub(self.owed);
        // Until half of it is worn off: what little comes meanwhile ends nothing.
        self.at_cap = amount >= room || self.at_cap && self.owed.saturating_mul(2) >= most;
        self.forgiven = self.forgiven.saturating_add(amount.saturating_sub(room));
        self.owed = self.owed.saturating_add(amount.min(room));
    }
}

struct LotteryCore {
    metric: Metric,
    debt_cap: u64,
    clients: Table<Client>,
    /// What the tickets of those that are ready count.
    tickets: Tickets,
    random: Random,
    /// The shares of all clients together.
    registered: u64,
}

impl LotteryCore {
    /// What a client may owe at most: its part of the cap.
    fn most(&self, share: u64) -> u64 {
        let part = u128::from(self.debt_cap) * u128::from(share);
        part.checked_div(u128::from(self.registered)).map_or(0, |part| part as u64)
    }

    /// Puts a client's tickets into the draw, or takes them out.
    fn place(&mut self, id: ClientId) {
        let Some(client) = self.clients.get(id) else { return };
        self.tickets.set(id.index(), if client.ready { client.worth() } else { 0 });
    }

    fn set_ready(&mut self, id: ClientId, ready: bool) {
        if let Some(client) = self.clients.get_mut(id)
            && client.ready != ready
        {
            client.ready = ready;
            self.place(id);
        }
    }
}

impl SchedulerCore for LotteryCore {
    fn add_client(&mut self, id: ClientId, params: &ClientParams) {
        self.remove_client(id);
        self.tickets.admit(id.index());
        let share = u64::from(params.share.hundredths());
        self.registered = self.registered.saturating_add(share);
        // A part owes what its whole owes, by its share, so that dividing is no way out.
        let beside = params.beside.and_then(|whole| self.clients.get(whole));
        let owed = beside.map_or(0, |whole| {
            let part = u128::from(whole.owed) * u128::from(share);
            part.checked_div(u128::from(whole.share)).map_or(0, |part| part as u64)
        });
        let (average, tally) = (beside.map_or(0, |whole| whole.average), Tally::default());
        let (ready, won, forgiven, at_cap) = (false, true, 0, false);
        let client = Client { share, ready, average, won, owed, forgiven, at_cap, tally };
        self.clients.insert(id, client);
    }

    fn remove_client(&mut self, id: ClientId) {
        self.set_ready(id, false);
        if let Some(client) = self.clients.remove(id) {
            self.registered = self.registered.saturating_sub(client.share);
        }
    }

    fn client_reweighed(&mut self, id: ClientId, params: &ClientParams, _: Cycles) {
        let share = u64::from(params.share.hundredths());
        let Some(client) = self.clients.get_mut(id) else { return };
        let before = core::mem::replace(&mut client.share, share);
        // With less it owes less: its part owes the rest.
        if share < before {
            let part = u128::from(client.owed) * u128::from(share);
            client.owed = part.checked_div(u128::from(before)).map_or(0, |part| part as u64);
        }
        self.registered = self.registered.saturating_sub(before).saturating_add(share);
        self.place(id);
    }

    fn client_inherits(&mut self, id: ClientId, from: ClientId, _: Cycles) {
        if id == from || self.clients.get(id).is_none() {
            return;
        }
        let Some(part) = self.clients.get_mut(from) else { return };
        let owed = core::mem::take(&mut part.owed);
        let mut tally = core::mem::take(&mut part.tally);
        let most = self.clients.get(id).map_or(0, |client| self.most(client.share));
        if let Some(client) = self.clients.get_mut(id) {
            client.tally.take_in(&mut tally);
            client.owe(owed, most);
        }
    }

    fn client_goes_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        if let Some(client) = self.clients.get_mut(id) {
            (client.owed, client.at_cap) = (debt, refused);
        }
    }

    fn schedule(&mut self, _: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        let mut winner = None;
        for _ in 0..PASSES {
            let all = self.tickets.all();
            if all == 0 {
                break;
            }
            let id = ClientId::new(self.tickets.holder(self.random.below(all))? as u32);
            winner = Some(id);
            let client = self.clients.get_mut(id)?;
            let length = client.average / 8;
            if client.owed == 0 || client.owed < length || self.tickets.is_only(id.index()) {
                break;
            }
            client.owed -= length.max(1);
        }
        let id = winner?;
        self.set_ready(id, false);
        if let Some(client) = self.clients.get_mut(id) {
            client.won = true;
        }
        Some(Choice::of(id))
    }

    fn client_ready(&mut self, id: ClientId, _: Cycles) {
        self.set_ready(id, true);
    }

    fn client_suspended(&mut self, id: ClientId, _: Cycles) {
        self.set_ready(id, false);
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.tickets.all() == 0 { Readiness::Idle } else { Readiness::Now }
    }

    fn resource_record(&mut self, id: ClientId, record: &Record, _: Cycles) {
        let amount = self.metric.measure(record);
        let most = self.clients.get(id).map_or(0, |client| self.most(client.share));
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tally.note(record, amount);
        if amount == 0 {
            return;
        }
        match (record.direction, record.kind) {
            (Direction::Credit, _) => client.owed = client.owed.saturating_sub(amount),
            (
                Direction::Charge,
                RecordKind::THROUGH | RecordKind::BILLED_BACK | RecordKind::CORRECTION,
            ) => client.owe(amount, most),
            (Direction::Charge, _) => {
                client.note_length(amount);
                self.place(id);
            }
        }
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, _: Cycles) {
        let amount = worn_off(self.debt_cap, idle, cap);
        let registered = u128::from(self.registered.max(1));
        for place in 0..self.tickets.places() {
            if let Some(client) = self.clients.get_mut(ClientId::new(place as u32)) {
                let part = u128::from(amount) * u128::from(client.share) / registered;
                client.owed = client.owed.saturating_sub(part as u64);
            }
        }
    }

    fn client_statistics(&self, id: ClientId) -> ClientStatistics {
        let Some(client) = self.clients.get(id) else { return ClientStatistics::default() };
        ClientStatistics {
            debt: client.owed,
            forgiven: client.forgiven,
            refuse: client.at_cap && client.owed.saturating_mul(2) >= self.most(client.share),
            ..client.tally.statistics()
        }
    }
}
