//! A client is divided, or made whole again: what becomes of its debt, and its part's.

use vortex_grid::policy::ClientId;

use super::client::State;
use super::ring::Ring;

impl Ring {
    /// A client's part begins with as much virtual time of debt as that one has.
    pub(super) fn begin_beside(&mut self, id: ClientId, whole: ClientId) {
        let (round, turn) = (self.round, self.turn_length());
        let Some(debt) = self.clients.get(whole).map(|whole| whole.debt_at(round, turn)) else {
            return;
        };
        if let Some(client) = self.clients.get_mut(id) {
            client.used = client.allowed.plus(debt);
        }
    }

    /// A client that was ahead by this much under another policy is so here.
    pub(super) fn go_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        if let Some(client) = self.clients.get_mut(id) {
            client.begin_owing(debt);
            client.at_cap = refused;
        }
    }

    /// Gives a client another share.
    pub(super) fn reweigh(&mut self, id: ClientId, share: u32) {
        let (round, turn) = (self.round, self.turn_length());
        let Some(client) = self.clients.get_mut(id) else { return };
        client.catch_up(round, turn);
        let before = client.reweigh(share);
        self.drop_share(before);
        *self.shares.entry(share).or_insert(0) += 1;
        self.register(self.registered.saturating_sub(before) + u64::from(share));
        self.park_anew(id);
    }

    /// What one has used too much, and has been charged, is another's from now on.
    pub(super) fn inherit(&mut self, id: ClientId, from: ClientId) {
        let (round, turn, ceiling) = (self.round, self.turn_length(), self.ceiling);
        if id == from || self.clients.get(id).is_none() {
            return;
        }
        let Some(part) = self.clients.get_mut(from) else { return };
        part.catch_up(round, turn);
        let amount = part.debt().at_weight(part.weight);
        part.used = part.used.min(part.allowed);
        let mut tally = core::mem::take(&mut part.tally);
        self.park_anew(from);
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tally.take_in(&mut tally);
        client.catch_up(round, turn);
        if amount > 0 {
            client.charge_elsewhere(amount, ceiling);
        }
        self.park_anew(id);
    }

    /// One that sits out rounds sits out as many as its debt takes now.
    fn park_anew(&mut self, id: ClientId) {
        let parked = |client: &super::client::Client| matches!(client.state, State::Parked { .. });
        if self.clients.get(id).is_some_and(parked) {
            self.park(id);
        }
    }
}
