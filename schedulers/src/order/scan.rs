//! `order.scan`: the next position upwards, within fairness.
//!
//! The elevator in its circular form (C-SCAN: Denning, "Effects of Scheduling on File Memory
//! Operations", AFIPS 1967), for devices on which near is cheap. Fairness goes before it, as in
//! Bruno et al., "Disk Scheduling with Quality of Service Guarantees" (ICMCS 1999): only those
//! clients are looked at that are not too far ahead of who is furthest behind
//! ([`fair`](crate::fair)), and of their first requests the one is taken that is next above the
//! position of the last, or the lowest where none is.
//!
//! # Bounds
//! Let l be a client's longest charge, by its weight; m the average charge, W all weights.
//! 1. *Shares*: only who is at most `window`·m/W ahead of the least tag is chosen. So two
//!    clients that are ready throughout an interval are never further apart in it than
//!    `window`·m/W + l, in service by weight, whatever their positions are.
//! 2. *Between clients*: who is furthest behind waits at most until all others have used
//!    `window`·m and a request each.
//! 3. *Within a client*: its oldest request is passed over by at most [`PATIENCE`] others of its
//!    own.
//!
//! A decision looks at up to [`CLIENTS`] clients and the first [`DEPTH`] requests of up to
//! [`QUEUES`] queues of each, and costs O(log n) besides. Work conserving. A client whose
//! requests have no position has them all at zero: then this is start-time fair queueing.
//!
//! # Deviations
//! A request that would overtake one with its own dependency label is not moved; where the first
//! of a queue must wait for its label, the toolkit takes the next that may run.

use alloc::boxed::Box;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Params,
    QueueRef, Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles};

use crate::common::Common;
use crate::fair::{Fair, State};
use crate::heap::Heap;
use crate::table::Table;

#[cfg(test)]
mod tests;

/// How many requests of average length may come between, where nothing is said.
const WINDOW: u64 = 16;
/// By how many of its own a client's oldest request may be passed over.
pub(crate) const PATIENCE: u32 = 64;
/// Clients that a decision looks at.
const CLIENTS: usize = 8;
/// Their queues.
const QUEUES: usize = 4;
/// And in each of those requests.
const DEPTH: usize = 8;

/// The policy `order.scan`.
pub struct Scan {
    common: Common,
    window: u64,
}

impl Scheduler for Scan {
    fn init(mut params: Params) -> Result<Self, InitError> {
        let window = params.take_number("window", 0..=10_000, "0 to 10000 requests")?;
        Ok(Self { common: Common::init(params)?, window: window.unwrap_or(WINDOW) })
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(ScanCore {
            fair: Fair::new(self.common.metric, self.common.debt_cap),
            ready: Heap::new(),
            passed: Table::new(),
            window: self.window,
            average: 0,
            last: 0,
        })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.common.load_share(question)
    }
}

struct ScanCore {
    fair: Fair,
    /// Ready clients, by tag.
    ready: Heap,
    /// How many of its own have passed over each client's oldest request.
    passed: Table<u32>,
    window: u64,
    /// Eight times the average charge.
    average: u64,
    /// The position of the request chosen last.
    last: u64,
}

/// A request that may be next.
#[derive(Clone, Copy)]
struct Candidate {
    client: ClientId,
    queue: QueueRef,
    place: usize,
    position: u64,
    oldest: bool,
}

impl ScanCore {
    fn forget(&mut self, id: ClientId) {
        self.ready.remove(id);
    }

    /// Puts a ready client where its tag says.
    fn place(&mut self, id: ClientId) {
        if let Some(account) = self.fair.get(id)
            && account.state == State::Ready
        {
            self.ready.set(id, account.tag.key());
        }
    }

    /// The best of a client's first requests.
    fn best_of(&self, client: ClientId, queues: &dyn Queues) -> Option<Candidate> {
        let (mut best, mut oldest): (Option<Candidate>, Option<(Cycles, Candidate)>) = (None, None);
        for place in 0..QUEUES {
            let Some((queue, _)) = queues.queue(client, place) else { break };
            for place in 0..DEPTH {
                let Some(seen) = queues.read(queue, place) else { break };
                let position = seen.position;
                let this = Candidate { client, queue, place, position, oldest: false };
                if oldest.is_none_or(|(since, _)| seen.queued_at < since) {
                    oldest = Some((seen.queued_at, this));
                }
                if best.is_none_or(|best| self.is_nearer(position, best.position)) {
                    best = Some(this);
                }
            }
        }
        let (best, (_, oldest)) = (best?, oldest?);
        let is_oldest = (best.queue, best.place) == (oldest.queue, oldest.place);
        if self.passed.get(client).is_some_and(|passed| *passed >= PATIENCE) {
            return Some(Candidate { oldest: true, ..oldest });
        }
        Some(Candidate { oldest: is_oldest, ..best })
    }

    /// Whether one position comes before another on the way up and around.
    fn is_nearer(&self, one: u64, other: u64) -> bool {
        let way = |position: u64| position.wrapping_sub(self.last.wrapping_add(1));
        way(one) < way(other)
    }
}

impl SchedulerCore for ScanCore {
    fn add_client(&mut self, id: ClientId, params: &ClientParams) {
        self.forget(id);
        self.ready.admit(id);
        self.passed.insert(id, 0);
        self.fair.add(id, u64::from(params.share.hundredths()), params.beside);
    }

    fn remove_client(&mut self, id: ClientId) {
        self.forget(id);
        self.passed.remove(id);
        self.fair.remove(id);
    }

    fn client_reweighed(&mut self, id: ClientId, params: &ClientParams, _: Cycles) {
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

    fn schedule(&mut self, _: Cycles, queues: &mut dyn Queues) -> Option<Choice> {
        let least = self.fair.get(self.ready.first()?.id())?.tag;
        let window = self.fair.span(self.window.saturating_mul(self.average / 8));
        let limit = least.plus(window).end_of_instant();
        let mut looked = [None; CLIENTS];
        let (mut chosen, mut first) = (None::<Candidate>, None);
        for place in &mut looked {
            let Some(entry) = self.ready.first().filter(|entry| entry.within(limit.bits())) else {
                break;
            };
            let id = entry.id();
            self.forget(id);
            *place = Some(id);
            first = first.or(Some(id));
            let Some(best) = self.best_of(id, queues) else { continue };
            // Whose patience is at its end goes first.
            let urgent = |id| self.passed.get(id).is_some_and(|passed| *passed >= PATIENCE);
            let nearer = chosen.is_none_or(|chosen: Candidate| {
                let (one, other) = (urgent(id), urgent(chosen.client));
                if one == other { self.is_nearer(best.position, chosen.position) } else { one }
            });
            if nearer {
                chosen = Some(best);
            }
        }
        // Without queues to look at it is the one that is furthest behind.
        let client = chosen.map(|chosen| chosen.client).or(first)?;
        for id in looked.into_iter().flatten().filter(|id| *id != client) {
            self.place(id);
        }
        self.fair.chosen(client, least);
        let Some(Candidate { queue, place, position, oldest, .. }) = chosen else {
            return Some(Choice::of(client));
        };
        let moved = place == 0 || queues.reorder(queue, place).is_ok();
        let passed_over = !(oldest && moved);
        if moved {
            self.last = position;
        }
        if let Some(passed) = self.passed.get_mut(client) {
            *passed = if passed_over { passed.saturating_add(1) } else { 0 };
        }
        Some(Choice { queue: Some(queue), ..Choice::of(client) })
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
        if amount > 0 && record.kind != vortex_grid::policy::RecordKind::CORRECTION {
            let old = if self.average == 0 { amount.saturating_mul(8) } else { self.average };
            self.average = (old - old / 8).saturating_add(amount);
        }
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
