//! `propshare.stride`: the client with the least pass, each choice moving it by its stride.
//!
//! After Waldspurger & Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource
//! Management" (MIT/LCS/TM-528, 1995): a client's *pass* is the virtual time at which it is due;
//! a charge of c moves it by c/w. The *global pass* is where a client that had exactly its share
//! would be: a charge moves it by c/W, W being the weight of those that are ready or served. The
//! ready client with the least pass is chosen.
//!
//! # Bounds
//! Let l be the longest charge between two decisions.
//! 1. *Between two clients* that are ready throughout an interval, |service/w − service/w| is at
//!    most l/w of the one and l/w of the other: who is chosen has the least pass, and is ahead of
//!    it by one charge.
//! 2. *Ahead*: of its share a client is ahead by one charge of its own at most.
//! 3. *Behind*: with n clients by the others' charges together, up to (n − 1)·l: who has half of
//!    a hundred equal others has all of its turns first, and then waits for theirs.
//!    `propshare.wfq` has eligibility against that.
//!
//! Every operation is O(log n). Work conserving.
//!
//! # Deviations from the paper
//! - Lengths are not known beforehand: the pass is moved afterwards, by what was used, where the
//!   paper moves it by a quantum and takes fractions of it back.
//! - Who leaves keeps its pass; the paper keeps its distance from the global pass, also behind
//!   it. So what a client is ahead wears off while it is away, and absence earns nothing (law 2:
//!   there is no credit).
//! - Debt, credits, parts and idle time: as [`fair`](crate::fair) has them.

use alloc::boxed::Box;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Params,
    Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles};

use crate::common::Common;
use crate::fair::{Fair, State};
use crate::heap::Heap;

#[cfg(test)]
mod tests;

/// The policy `propshare.stride`.
pub struct Stride(Common);

impl Scheduler for Stride {
    fn init(params: Params) -> Result<Self, InitError> {
        Common::init(params).map(Self)
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(StrideCore {
            fair: Fair::new(self.0.metric, self.0.debt_cap),
            ready: Heap::new(),
            weight: 0,
        })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.0.load_share(question)
    }
}

struct StrideCore {
    fair: Fair,
    /// Ready clients, by pass.
    ready: Heap,
    /// Their weight together.
    weight: u64,
}

impl StrideCore {
    fn forget(&mut self, id: ClientId) {
        if self.ready.remove(id) {
            let weight = self.fair.get(id).map_or(0, |account| account.weight);
            self.weight = self.weight.saturating_sub(weight);
        }
    }

    /// Puts a ready client where its pass says.
    fn place(&mut self, id: ClientId) {
        if let Some(account) = self.fair.get(id).filter(|account| account.state == State::Ready) {
            let (key, weight) = (account.tag.key(), account.weight);
            if !self.ready.contains(id) {
                self.weight = self.weight.saturating_add(weight);
            }
            self.ready.set(id, key);
        }
    }
}

impl SchedulerCore for StrideCore {
    fn add_client(&mut self, id: ClientId, params: &ClientParams) {
        self.remove_client(id);
        self.ready.admit(id);
        self.fair.add(id, u64::from(params.share.hundredths()), params.beside);
    }

    fn remove_client(&mut self, id: ClientId) {
        self.forget(id);
        self.fair.remove(id);
    }

    fn client_reweighed(&mut self, id: ClientId, params: &ClientParams, _: Cycles) {
        self.forget(id);
        self.fair.reweigh(id, u64::from(params.share.hundredths()));
        self.place(id);
    }

    fn client_inherits(&mut self, id: ClientId, from: ClientId, _: Cycles) {
        self.fair.inherit(id, from);
        self.place(id);
        self.place(from);
    }

    fn client_goes_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        self.fair.go_on(id, debt, refused);
    }

    fn schedule(&mut self, _: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        let id = self.ready.first()?.id();
        let pass = self.fair.get(id)?.tag;
        self.forget(id);
        self.fair.chosen(id, pass);
        Some(Choice::of(id))
    }

    fn client_ready(&mut self, id: ClientId, _: Cycles) {
        if self.fair.ready(id) {
            self.place(id);
        }
    }

    fn client_suspended(&mut self, id: ClientId, _: Cycles) {
        self.forget(id);
        self.fair.suspend(id);
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.ready.is_empty() { Readiness::Idle } else { Readiness::Now }
    }

    fn resource_record(&mut self, id: ClientId, record: &Record, _: Cycles) {
        let amount = self.fair.note(id, record);
        let served = self.fair.get(id).filter(|_| !self.ready.contains(id));
        let weight = served.map_or(0, |account| account.weight).saturating_add(self.weight);
        self.fair.pass_on(amount, weight);
        self.place(id);
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, _: Cycles) {
        if self.ready.is_empty() {
            self.fair.go_idle(idle, cap);
        }
    }

    fn client_statistics(&self, id: ClientId) -> ClientStatistics {
        self.fair.statistics(id)
    }
}
