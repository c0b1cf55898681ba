//! A client is divided, or made whole again: how its tag, and its part's, are set.
//!
//! None of it moves V: no service is done. With w the client's weight and p its part's,
//! Σ w·(S − V) over the clients that are ahead stays as it is: dividing, since both have the
//! same tag; made whole, since consumption is what is handed on.

use vortex_grid::policy::ClientId;

use super::client::State;
use super::core_state::WfqCore;
use crate::virtual_time::Virtual;

impl WfqCore {
    /// A client's part begins where that one is, if it is ahead of V.
    pub(super) fn begin_beside(&mut self, id: ClientId, whole: ClientId) {
        let now = self.clock.now();
        let Some(whole) = self.clients.get(whole) else { return };
        let ahead = whole.tag.since(whole.present(now));
        self.retag(id, now.plus(ahead));
    }

    /// A client that was ahead by this much under another policy is so here.
    pub(super) fn go_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(id) else { return };
        client.at_cap = refused;
        let tag = client.ahead_by(debt, now);
        self.retag(id, tag);
    }

    /// Gives a client another weight.
    pub(super) fn reweigh(&mut self, id: ClientId, weight: u64) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(id) else { return };
        let before = client.reweigh(weight, now);
        let (state, tag) = (client.state, client.tag);
        self.register(self.registered.saturating_sub(before) + weight);
        if !matches!(state, State::Empty | State::Suspended) {
            // First the new one: with nobody left what is held back would be forgotten.
            self.clock.enter(weight);
            self.clock.leave(before);
        }
        self.retag(id, tag);
    }

    /// What one is ahead of V, and has been charged, is another's from now on.
    pub(super) fn inherit(&mut self, id: ClientId, from: ClientId) {
        let now = self.clock.now();
        if id == from || self.clients.get(id).is_none() {
            return;
        }
        let Some(part) = self.clients.get_mut(from) else { return };
        let present = part.present(now);
        let amount = part.tag.since(present).at_weight(part.weight);
        let mut tally = core::mem::take(&mut part.tally);
        let tag = part.tag.min(present);
        self.retag(from, tag);
        let ceiling = self.ceiling;
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tally.take_in(&mut tally);
        if amount == 0 {
            return;
        }
        let present = client.present(now);
        if client.state == State::Empty {
            client.tag = client.tag.max(present);
        }
        client.charge_elsewhere(amount, present, ceiling);
        let tag = client.tag;
        self.retag(id, tag);
    }

    /// Sets a client's tag, wherever it stands.
    fn retag(&mut self, id: ClientId, tag: Virtual) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tag = tag;
        match client.state {
            State::Ready => self.requeue(id),
            State::Empty if tag > now => {
                client.state = State::Owing;
                self.clock.enter(client.weight);
                self.owing.set(id, tag.key());
            }
            State::Owing => {
                self.owing.set(id, tag.key());
                self.release_owing();
            }
            State::Empty | State::Serving | State::Returned | State::Suspended => {}
        }
    }
}
