//! The scheduler interface: the eleven functions of Table 3, under their names, and seven more.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_units::{CoreId, Cycles};

use super::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, InitError, LoadShare, Params,
    Queues, Readiness, Record,
};

/// A scheduler's global state.
///
/// # Invariants
/// Calls on it may come from any core at any time; calls on the parts that
/// [`Self::init_core`] made come from that core alone.
pub trait Scheduler: Send + Sync {
    /// Makes an instance from its configuration.
    ///
    /// # Errors
    /// [`InitError`] for a parameter that the policy does not know or cannot use.
    fn init(params: Params) -> Result<Self, InitError>
    where
        Self: Sized;

    /// Makes the part of the scheduler that belongs to one core.
    fn init_core(&self, core: CoreId) -> Box<dyn SchedulerCore>;

    /// Decides what core should handle this affinity label, and for how long.
    fn load_share(&self, question: &LoadShare<'_>) -> Binding;

    /// Whether what follows within a turn (run-on) may be served without asking this
    /// scheduler again. Only where it shares out processor time in proportion, as the
    /// multiplexor does that gave the turn: what else it counts, and any other order, is its
    /// own to decide. (Not of Table 3.)
    fn allows_run_on(&self) -> bool {
        false
    }
}

/// What takes a place when an exchange of policies is at its end.
pub struct Moved {
    /// Who decides from now on.
    pub policy: Box<dyn SchedulerCore>,
    /// What clients had consumed before, by their identifiers.
    pub consumed: Vec<ClientStatistics>,
}

/// What a scheduler keeps for one core, and the decisions it makes there.
///
/// The toolkit promises: every client was added before it is named and is not named after
/// its removal; `client_ready` is called when a request arrives at an empty client and,
/// if requests are left, after each dispatch; a client returned by `schedule` counts as not
/// ready until the next `client_ready`. Records may arrive at any time, also for clients
/// that are not ready, suspended, or were not chosen (run-on, charge-through, billing back,
/// records emitted later).
pub trait SchedulerCore: Send {
    /// Registers a new client, not ready.
    fn add_client(&mut self, client: ClientId, params: &ClientParams);

    /// Unregisters a client; its identifier may then be given to another.
    fn remove_client(&mut self, client: ClientId);

    /// A client's entitlement has changed: a part of its activity has come (less), or gone
    /// (more). With less, it is ahead by the same time as before, for the part's client begins
    /// there too ([`ClientParams::beside`]); with more, by the same consumption. Being behind
    /// must not become worth more. Beside Table 3, which knows no such change.
    fn client_reweighed(&mut self, client: ClientId, params: &ClientParams, now: Cycles);

    /// A part of the client's activity ends: what the part's client, `from`, is ahead of its
    /// entitlement, this one is from now on, and what was charged to it was charged to this
    /// one. Beside Table 3.
    fn client_inherits(&mut self, client: ClientId, from: ClientId, now: Cycles);

    /// A client comes from another policy, whose place this one has taken: there it was ahead of
    /// its entitlement by this much of the metric, for which it is to wait here, and `refused` for
    /// it or not. Called when all clients were added and before any of them is ready. A policy
    /// without memory lets it go. Beside Table 3, which exchanges no policies.
    fn client_goes_on(&mut self, client: ClientId, debt: u64, refused: bool) {
        let _ = (client, debt, refused);
    }

    /// Emits a scheduling decision: a client that is ready, or `None` if none is or the
    /// scheduler wants to wait. The client chosen is then no longer ready.
    fn schedule(&mut self, now: Cycles, queues: &mut dyn Queues) -> Option<Choice>;

    /// Registers that the client has pending requests. Idempotent; ends a suspension.
    fn client_ready(&mut self, client: ClientId, now: Cycles);

    /// Registers that the client is suspended: it may have requests, but must not be
    /// chosen until the next `client_ready`. A policy that needs no difference between
    /// idle and suspended only forgets that the client was ready.
    fn client_suspended(&mut self, client: ClientId, now: Cycles);

    /// Says whether a decision can be made, or in how many microseconds.
    fn poll_ready(&mut self, now: Cycles) -> Readiness;

    /// How much of the core the client may have on its choice before this scheduler is to
    /// decide again, with threads in user mode: a thread that is entered comes out by then,
    /// and keeps the rest of its `timeslice`, which is how long a thread runs at most at a
    /// time. Asked once a turn, when the first thread is about to be entered, so that it
    /// costs nothing where none is. Beside Table 3; who does not answer lets threads have
    /// their timeslices.
    fn allowance(&self, client: ClientId, timeslice: Cycles) -> Cycles {
        let _ = (client, timeslice);
        Cycles::MAX
    }

    /// Takes note of consumption by the client.
    fn resource_record(&mut self, client: ClientId, record: &Record, now: Cycles);

    /// The core, or this resource on it, had nothing to do for `idle`, while somebody was refused
    /// for its debt here: to wear off debt as if all clients had gone on to work meanwhile, so that nothing is owed
    /// after an idle time of `cap`, which is what [`Params::debt_cap`] is in time. Nobody may
    /// get credit by it. Beside Table 3, for policies that know debt.
    fn core_idle(&mut self, idle: Cycles, cap: Cycles, now: Cycles) {
        let _ = (idle, cap, now);
    }

    /// Goes on with an exchange of policies: what takes this one's place, when all clients have
    /// come to it. For what the toolkit itself puts there meanwhile; a policy has nothing to do.
    fn move_on(&mut self, now: Cycles) -> Option<Moved> {
        let _ = now;
        None
    }

    /// Reports what is known of the client.
    fn client_statistics(&self, client: ClientId) -> ClientStatistics;

    /// Whether the client owes so much that it is to be refused: the statistics' `refuse`, for
    /// a policy that knows it at less cost.
    fn is_in_debt(&self, client: ClientId) -> bool {
        self.client_statistics(client).refuse
    }
}
