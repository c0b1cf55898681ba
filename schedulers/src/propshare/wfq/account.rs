//! Charging and crediting: how consumption moves a client's tag, and V.

use vortex_grid::policy::ClientId;

use super::client::{Charge, State};
use super::core_state::WfqCore;
use crate::virtual_time::Virtual;

impl WfqCore {
    /// Charges a client for what it was chosen for; most are in service.
    #[inline]
    pub(super) fn charge_chosen(&mut self, id: ClientId, amount: u64) {
        match self.clients.get_mut(id) {
            Some(client) if matches!(client.state, State::Returned | State::Serving) => {
                client.charge_chosen(amount);
                self.advance(amount);
            }
            _ => self.charge(id, amount, Charge::Chosen),
        }
    }

    /// Charges a client. What came from `elsewhere` is capped and says nothing about the
    /// length of its requests. Most wait meanwhile, since under charge-through all that an
    /// activity uses is told to its client.
    #[inline(never)]
    pub(super) fn charge(&mut self, id: ClientId, amount: u64, of: Charge) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let waiting = client.state == State::Ready;
        if !waiting && !matches!(client.state, State::Returned | State::Serving) {
            return self.charge_absent(id, amount, of);
        }
        let taken = client.charge(amount, of, self.clock.now(), self.ceiling);
        if waiting && !self.crowded {
            self.few.put(client.place, client.waiter(id));
        }
        self.advance(taken);
        if waiting && self.crowded {
            self.place_in_heap(id);
        }
    }

    /// Charges one that has nothing to do, or must not do it.
    #[inline(never)]
    fn charge_absent(&mut self, id: ClientId, amount: u64, of: Charge) {
        let (now, ceiling) = (self.clock.now(), self.ceiling);
        let Some(client) = self.clients.get_mut(id) else { return };
        match client.state {
            State::Suspended => return self.charge_suspended(id, amount, of),
            State::Empty => {
                client.tag = client.tag.max(now);
                client.state = State::Owing;
                self.clock.enter(client.weight);
            }
            State::Ready | State::Returned | State::Serving | State::Owing => {}
        }
        let taken = client.charge(amount, of, now, ceiling);
        if client.state == State::Owing {
            // First, since V may pass its tag within this very charge.
            self.owing.set(id, client.tag.key());
        }
        self.advance(taken);
    }

    /// Charges one as if it were there for the moment: the service was real.
    #[inline(never)]
    fn charge_suspended(&mut self, id: ClientId, amount: u64, of: Charge) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tag = client.tag.plus(now.since(client.since));
        let weight = client.weight;
        let taken = client.charge(amount, of, now, self.ceiling);
        self.clock.enter(weight);
        self.advance(taken);
        self.clock.leave(weight);
        self.freeze(id);
    }

    /// Takes off a client's consumption what turned out to be another's; or, `in_full` for one
    /// that is busy, what it has not used at all.
    #[inline(never)]
    pub(super) fn credit(&mut self, id: ClientId, amount: u64, in_full: bool) {
        let now = self.clock.now();
        let Some(client) = self.clients.get_mut(id) else { return };
        let busy = matches!(client.state, State::Ready | State::Serving | State::Returned);
        let least = if in_full && busy { Virtual::ZERO } else { client.present(now) };
        let given = client.credit(amount, least);
        let state = client.state;
        self.clock.hold(given);
        match state {
            State::Ready => self.requeue(id),
            State::Owing => {
                self.owing.set(id, client.tag.key());
                self.release_owing();
            }
            State::Empty | State::Serving | State::Returned | State::Suspended => {}
        }
    }

    /// Nobody has been served for so long as this much takes, since nobody was ready.
    pub(super) fn go_idle(&mut self, amount: u64) {
        if self.ready == 0 {
            self.retire();
            self.advance(amount);
        }
    }

    /// Lets V move as a fluid server's would that has done this much work.
    #[inline]
    fn advance(&mut self, amount: u64) {
        if self.clock.is_steady() && self.owing.is_empty() {
            self.clock.run(amount);
        } else {
            self.advance_past(amount);
        }
    }

    /// Those whose tag V passes on the way leave, and the rest of the work is the others'.
    #[inline(never)]
    fn advance_past(&mut self, amount: u64) {
        let mut rest = self.clock.release(amount);
        loop {
            let target = self.clock.after(rest);
            match self.owing.first() {
                Some(first) if first.within(target.end_of_instant().bits()) => {
                    let passed = self.clock.pass(Virtual::of_key(first.key()));
                    rest = rest.saturating_sub(passed);
                    self.release_first();
                }
                _ => return self.clock.move_to(target),
            }
        }
    }

    fn freeze(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id) {
            client.since = self.clock.now();
        }
    }
}
