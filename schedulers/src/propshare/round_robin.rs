//! `propshare.round-robin`: clients take turns, of a length in proportion to their shares.
//!
//! After Shreedhar & Varghese, "Efficient Fair Queuing Using Deficit Round Robin"
//! (ToN 1996), in the form charged afterwards (surplus round robin): lengths are not known
//! beforehand, so a turn goes on until the client has used what it was allowed, and what
//! it used too much is missing from its next turn. Both are kept as virtual time
//! (consumption by weight), in which a turn Q is equally long for all.
//!
//! Q is the longest request so far, at the smallest share present: the least that lets
//! every client that is not in debt from elsewhere be served in each of its turns. So there
//! is no quantum to configure wrongly, and with equal shares and the metric `requests`
//! this is plain round robin.
//!
//! # Bound
//! Let l be a client's longest charge between two decisions, by its weight. While Q stays
//! and two clients are ready throughout, |service/w − service/w| ≤ Q + l + l', over any
//! interval: turns alternate, and after a turn a client has used at most l too much. A
//! client that becomes ready waits for one turn of each other one. Every operation is
//! O(1), but O(log n) for clients with more than a turn's debt, who sit out their rounds
//! in a heap. Work conserving: if only such are ready, the rounds are skipped.
//!
//! # Deviations
//! - Q grows with the longest request and does not shrink; that moves bounds, not shares.
//! - An empty client keeps what it used too much, less Q for each round that passes, and
//!   loses what it was still allowed. A suspended one's debt waits for it.
//! - `THROUGH` and `BILLED_BACK` charges are capped, at `debt_cap` of the client's part of
//!   the whole capacity, and the rest is forgiven; credits undo debt but allow no more,
//!   unless they correct what was charged for a prediction.
//! - A client divided from another begins with as many rounds of debt as that one has; made
//!   whole again, that one inherits what is left of it, up to the same cap.

use alloc::boxed::Box;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, Direction, InitError, LoadShare,
    Metric, Params, Queues, Readiness, Record, RecordKind, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles};

use crate::common::{Common, worn_off};

mod client;
mod parts;
mod ring;
#[cfg(test)]
mod tests;

use ring::Ring;

/// The policy `propshare.round-robin`.
pub struct RoundRobin(Common);

impl Scheduler for RoundRobin {
    fn init(params: Params) -> Result<Self, InitError> {
        Common::init(params).map(Self)
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(Ring::new(self.0.metric, self.0.debt_cap))
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.0.load_share(question)
    }

    fn allows_run_on(&self) -> bool {
        self.0.metric == Metric::Cycles
    }
}

impl SchedulerCore for Ring {
    fn add_client(&mut self, client: ClientId, params: &ClientParams) {
        self.add(client, params.share.hundredths(), params.beside);
    }

    fn client_reweighed(&mut self, client: ClientId, params: &ClientParams, _: Cycles) {
        self.reweigh(client, params.share.hundredths());
    }

    fn client_inherits(&mut self, client: ClientId, from: ClientId, _: Cycles) {
        self.inherit(client, from);
    }

    fn remove_client(&mut self, client: ClientId) {
        self.remove(client);
    }

    fn client_goes_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        self.go_on(id, debt, refused);
    }

    fn schedule(&mut self, _: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        self.choose().map(Choice::of)
    }

    fn client_ready(&mut self, client: ClientId, _: Cycles) {
        self.make_ready(client);
    }

    fn client_suspended(&mut self, client: ClientId, _: Cycles) {
        self.suspend(client);
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.ready == 0 { Readiness::Idle } else { Readiness::Now }
    }

    fn resource_record(&mut self, id: ClientId, record: &Record, _: Cycles) {
        let amount = self.metric.measure(record);
        let (round, turn, ceiling) = (self.round, self.turn_length(), self.ceiling);
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tally.note(record, amount);
        client.catch_up(round, turn);
        match (record.direction, record.kind) {
            (Direction::Credit, RecordKind::CORRECTION) => client.correct(amount),
            (Direction::Credit, _) => client.credit(amount),
            (_, RecordKind::THROUGH | RecordKind::IN_TURN | RecordKind::BILLED_BACK) => {
                client.charge_elsewhere(amount, ceiling);
            }
            _ => {
                client.charge_chosen(amount);
                self.lengthen(amount);
            }
        }
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, _: Cycles) {
        self.go_idle(worn_off(self.debt_cap, idle, cap));
    }

    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        let Some(client) = self.clients.get(client) else { return ClientStatistics::default() };
        let debt = client.debt_at(self.round, self.turn_length());
        ClientStatistics {
            debt: debt.at_weight(client.weight),
            forgiven: client.forgiven,
            refuse: client.at_cap && debt.times(2) >= self.ceiling,
            ..client.tally.statistics()
        }
    }
}
