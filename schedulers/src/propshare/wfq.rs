//! `propshare.wfq`: weighted fair queueing with eligibility, charged afterwards.
//!
//! After Bennett & Zhang, "WF²Q: Worst-case Fair Weighted Fair Queueing" (INFOCOM 1996)
//! and "Hierarchical Packet Fair Queueing Algorithms" (SIGCOMM 1996, WF²Q+), with the
//! accounting of Stoica, Abdel-Wahab & Jeffay, "Earliest Eligible Virtual Deadline First"
//! (1995): a request's length is known only when it has run.
//!
//! Each client has a start tag S: the virtual time up to which it has been served. A
//! charge c moves it to S + c/w. Virtual time V is where a fluid server would have brought
//! every busy client: a charge moves it by c/W, W being the weight of the clients that
//! such a server would still be serving (ready, in service, or empty with S > V). Among
//! the ready clients with S ≤ V (*eligible*) the one with the earliest deadline
//! S + L/w is chosen, L being the average of its recent charges. Where none is eligible V
//! jumps to the least S of a ready client, so the policy is work conserving.
//!
//! # Bounds
//! Let l be the longest charge between two decisions for a client, by its weight.
//! 1. *Ahead*: S − V ≤ l for what this scheduler chose, since S ≤ V at the choice and V
//!    never goes back. A charge for anything else adds to it, up to the cap on debt.
//! 2. *Behind*: Σ w·(S − V) ≥ 0 over the busy clients (each charge adds as much to one S as
//!    to V; who leaves behind V forfeits). With 1, w·(V − S) ≤ the sum of the other busy
//!    clients' longest charges, whatever the lengths turn out to be. Where lengths are as
//!    predicted, and no debt from elsewhere intervenes, it is l + the longest charge / W,
//!    as for EEVDF.
//! 3. *Between two clients* ready throughout an interval, |service/w − service/w| is at
//!    most the sum of their bounds ahead and behind.
//!
//! 4. *Threads*: of a timeslice T who is chosen is allowed what leaves it ahead by a = T/4, in
//!    its own consumption ([`lead`]), and comes out of user mode then. So w·(S − V) ≤ a for
//!    each client, and with 2 ≥ −(n − 1)·a for n busy ones: over any interval each has its
//!    share to within n·T/4, whatever the lengths turn out to be; where they are about as
//!    predicted, and however many there are, to about (2 − w)·L + w·(longest L), where L is
//!    what it has at a time: T/4 for who has little of the core. What a turn uses in the
//!    kernel counts; what is of it beyond a comes on top, as do charges from elsewhere. Who
//!    is alone has its whole timeslice.
//!
//! Comparisons are of instants ([`virtual_time`](crate::virtual_time)): 2^-31 of a unit of
//! virtual time comes to each bound, and to the wait of one that restarts at V.
//!
//! # Costs
//! While at most 16 clients are ready ([`few`]) no heap is touched: a decision looks at the
//! tag and deadline of each, a charge or a return writes at most one of them. In a crowd they
//! are in heaps. There a charge to a client in service touches no heap; who comes back before
//! the next decision is placed by it, in the same step that takes another out ([`decision`]).
//! A heap's step is O(log n). A decision that finds k clients newly eligible, or a charge that
//! V takes past k owing ones, takes k, each paid for by the charge that took that client ahead
//! of V: O(log n) amortized. From the one form to the other go at most 16 clients, after at
//! least 12 have come or gone. Both forms choose the same: ties go to the smallest identifier.
//! One division where W has changed since the last charge, none otherwise.
//!
//! A record may be of several runs that followed on one decision: then L is the average of
//! what a decision costs, and l the longest of these, as the bounds want it.
//!
//! # Rules where the papers have none
//! - A client whose queue is empty keeps its tag. As long as S > V the fluid server would
//!   still be serving it, so its weight counts in W; coming back, it waits. Once V has
//!   passed S it restarts at V: absence earns no credit.
//! - A *suspended* client is frozen: its distance to V stays (debt is not sat out), its
//!   weight does not count. On its return it has its debt, but no credit.
//! - A chosen client is *in service* until `client_ready`, `client_suspended` or the next
//!   decision; meanwhile it counts as busy and keeps its tag even behind V. A record that
//!   comes after that, for a client by then empty, is charged from V.
//! - `THROUGH` and `BILLED_BACK` records charge what this scheduler did not choose. They
//!   may take a tag to V + `debt_cap` / (weight of all clients added) and no further: the
//!   rest is forgiven and `refuse` set, until half of it is worn off (V moves with the very
//!   charge, so that a tag is at the cap for no longer than that). So the wait for such debt is at most `debt_cap` of
//!   the whole capacity. What was chosen is always charged in full, or long requests of
//!   small shares would be cheap.
//! - While the core has nothing to do V goes on for those who owe, if any of them is refused:
//!   the fluid server would go on with their service. With nobody ready that is nobody's harm.
//! - A credit takes a tag back, never behind V. V does not go back either: it is held until
//!   charges of as much have passed, so that service moved between clients counts once.
//! - A `CORRECTION` is charged and credited in full, for what it corrects was: a busy client
//!   that was charged too much may come to be behind V by that much, which it was before.
//! - A removed client's debt goes with it, unless another inherits it.
//! - A client *divided* from another begins at that one's tag where that is ahead of V, so
//!   that both together are ahead by the consumption by which the one was; being behind is
//!   not divided. Made whole again it inherits what the part is ahead, as far as the cap on
//!   debt goes; what it was ahead or behind itself stays the same consumption ([`parts`]).

use alloc::boxed::Box;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, Direction, InitError, LoadShare,
    Metric, Params, Queues, Readiness, Record, RecordKind, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles};

use crate::common::{Common, worn_off};

mod account;
mod client;
mod clock;
mod core_state;
mod decision;
mod few;
mod lead;
mod parts;
#[cfg(test)]
mod tests;

use client::Charge;
use core_state::WfqCore;

/// The most that one record counts for: three days of cycles at 1 GHz, so that what a
/// resource makes up for a field of its own does not end virtual time.
const LONGEST: u64 = 1 << 48;

/// The policy `propshare.wfq`.
pub struct Wfq(Common);

impl Scheduler for Wfq {
    fn init(params: Params) -> Result<Self, InitError> {
        Common::init(params).map(Self)
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(WfqCore::new(self.0.metric, self.0.debt_cap))
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.0.load_share(question)
    }

    fn allows_run_on(&self) -> bool {
        self.0.metric == Metric::Cycles
    }
}

impl SchedulerCore for WfqCore {
    fn add_client(&mut self, client: ClientId, params: &ClientParams) {
        self.add(client, u64::from(params.share.hundredths()), params.beside);
    }

    fn client_reweighed(&mut self, client: ClientId, params: &ClientParams, _: Cycles) {
        self.reweigh(client, u64::from(params.share.hundredths()));
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

    fn allowance(&self, client: ClientId, timeslice: Cycles) -> Cycles {
        self.lead(client, timeslice)
    }

    fn resource_record(&mut self, client: ClientId, record: &Record, _: Cycles) {
        let amount = self.metric.measure(record);
        let Some(known) = self.clients.get_mut(client) else { return };
        known.tally.note(record, amount);
        if amount == 0 {
            return;
        }
        // More than this by one record, and time might come to its end.
        let amount = amount.min(LONGEST);
        match (record.direction, record.kind) {
            (Direction::Credit, kind) => {
                self.credit(client, amount, kind == RecordKind::CORRECTION);
            }
            (
                Direction::Charge,
                RecordKind::THROUGH | RecordKind::IN_TURN | RecordKind::BILLED_BACK,
            ) => {
                self.charge(client, amount, Charge::Elsewhere);
            }
            (Direction::Charge, RecordKind::CORRECTION) => {
                self.charge(client, amount, Charge::Correction);
            }
            (Direction::Charge, _) => self.charge_chosen(client, amount),
        }
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, _: Cycles) {
        self.go_idle(worn_off(self.debt_cap, idle, cap));
    }

    fn client_statistics(&self, of: ClientId) -> ClientStatistics {
        let Some(client) = self.clients.get(of) else { return ClientStatistics::default() };
        let ahead = client.tag.since(client.present(self.clock.now()));
        ClientStatistics {
            debt: ahead.at_weight(client.weight),
            forgiven: client.forgiven,
            refuse: self.is_in_debt(of),
            ..client.tally.statistics()
        }
    }

    #[inline]
    fn is_in_debt(&self, client: ClientId) -> bool {
        let client = self.clients.get(client).filter(|client| client.at_cap);
        client.is_some_and(|client| {
            client.tag.since(client.present(self.clock.now())).times(2) >= self.ceiling
        })
    }
}
