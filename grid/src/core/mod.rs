//! A core of the grid and its loop: the CPU multiplexor (§3.1, Figure 3).
//!
//! `step` is Figure 3(b): take in what has arrived; let the multiplexor pick a client; let
//! that client's scheduler pick a queue; execute the requests to completion; give the
//! consumption records to both schedulers and the ledger. `send` is Figure 3(a).
//!
//! # Invariants
//! - A core is driven by one caller, with `&mut`: nothing in it is shared.
//! - Every reading of the clock ends one interval and begins the next; so the cycles of
//!   the toolkit itself fall to the activity whose request they serve.

mod bills;
mod choose;
mod debt;
mod deliver;
mod finish;
mod intake;
mod moving;
mod rebind;
mod removal;
mod renew;
mod report;
mod serve;
mod turn;
mod utilization;

use ::core::cmp::Ordering as Compare;
use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_queues::Fifo;
use vortex_units::{ActivityId, CoreId, Cycles, InstanceId, Micros};

use crate::activity::{Denied, Refused};
use crate::binding::{Bound, Label};
use crate::blame::{Ring, Sampling};
use crate::context::{Desk, Notes};
use crate::held::HeldLabel;
use crate::kept::Keeping;
use crate::labels::Labels;
use crate::ledger::Ledger;
use crate::level::Level;
use crate::machine::Machine;
use crate::message::{Carries, Message, Port, wrap_request};
use crate::policy::{ClientId, Scheduler};
use crate::pool::Pool;
use crate::post::{CoreState, Post};
use crate::request::{Aside, Envelope, Kind, Sealed};
use crate::resource::Resource;
use crate::shards::{Map, Shards};
use crate::shared::Grid;
use crate::slots::Slots;
use crate::trace::{Recorder, Recording};
use crate::triggers::Triggers;
use report::Past;

pub use report::{ClientReport, CoreReport, Drawer, DrawerReport};

/// How a core is to be run.
pub struct CoreSpec {
    /// Which core.
    pub core: CoreId,
    /// The policy of its CPU multiplexor.
    pub multiplexor: Arc<dyn Scheduler>,
    /// Whether all of an activity's consumption advances its own client at the
    /// multiplexor (charge-through), or only what its threads use (the paper's form).
    pub charge_through: bool,
    /// How long a turn lasts: what follows on this core for the activity whose client was
    /// chosen is dispatched without asking the schedulers again. With zero a turn is one
    /// decision's requests.
    pub run_on: Micros,
    /// Which waits are explained.
    pub sampling: Sampling,
    /// How long a thread keeps the core before a poke is worth its cost.
    pub patience: Micros,
    /// How long a thread runs at most at a time: what the schedulers are told when they are
    /// asked how much of it a decision allows. The limit itself is the thread resource's.
    pub timeslice: Micros,
}

impl CoreSpec {
    /// A core with charge-through and turns of 20 us. Kernel and simulation set what their
    /// configuration says: 200 us with charge-through, where it says nothing.
    #[must_use]
    pub fn new(core: CoreId, multiplexor: Arc<dyn Scheduler>) -> Self {
        Self {
            core,
            multiplexor,
            charge_through: true,
            run_on: Micros::new(20),
            sampling: Sampling { slow: Cycles::MAX, one_in: 64 },
            patience: Micros::new(200),
            timeslice: Micros::new(5_000),
        }
    }
}

/// What a core wants of whoever drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// A request was served: come again.
    Ran,
    /// A thread is to run for at most so long; then call [`Core::leave`].
    Enter(Cycles),
    /// Nothing to do until this time, or until a poke; the core has announced that it
    /// sleeps.
    Idle(Option<Cycles>),
}

struct Timer<M>(Cycles, u64, Due<M>);

enum Due<M> {
    /// A request becomes due.
    Request(Sealed<M>),
    /// A scheduler said that it can decide by now.
    Slot(usize),
    Level(usize),
    /// Look again at clients that had no room for their fan-out.
    Starved,
}

impl<M> PartialEq for Timer<M> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Compare::Equal
    }
}

impl<M> Eq for Timer<M> {}

impl<M> PartialOrd for Timer<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Compare> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for Timer<M> {
    fn cmp(&self, other: &Self) -> Compare {
        // The heap gives the greatest first; the earliest is wanted, in order of making.
        (other.0, other.1).cmp(&(self.0, self.1))
    }
}

/// A run of infrastructure that may yet be billed back.
#[derive(Clone, Copy)]
struct OpenRun {
    instance: InstanceId,
    record: crate::policy::Record,
    parts: u32,
}

/// One core of a grid.
pub struct Core<M: Message, P: Machine> {
    id: CoreId,
    machine: P,
    grid: Arc<Grid<M>>,
    post: Arc<Post<M>>,
    desk: Desk<M>,
    ledger: Ledger,
    ring: Ring,
    run_on: Cycles,
    patience: Cycles,
    timeslice: Cycles,
    /// The multiplexor first, then the buses in the grid's order.
    levels: Vec<Level>,
    slots: Slots<M>,
    /// The slot of an instance, by its place.
    by_instance: Vec<(InstanceId, u32)>,
    /// What instances of families had used here that are gone.
    past: Past,
    timers: BinaryHeap<Timer<M>>,
    timer_number: u64,
    /// Copies of bindings, good until they expire.
    cache: Shards<Label, Bound>,
    /// Labels moving away from this core.
    moves: Vec<rebind::Move<M>>,
    /// Requests of labels that are still moving to this core.
    held: Map<Label, Fifo<Envelope<M>>>,
    /// Requests begun and not finished, by label.
    begun: Shards<Label, u32>,
    /// Arrivals whose time has not come (simulation only), by time.
    early: Fifo<Envelope<M>>,
    starved: Vec<(usize, ClientId)>,
    open_runs: Map<u32, OpenRun>,
    run: u32,
    turn: turn::Turn,
    entered: Option<(usize, ClientId, Sealed<M>)>,
    /// What a thread has run before an interrupt, not yet in its schedulers' records.
    user_span: Cycles,
    /// The activity whose request has just been served, where what it sends may run on.
    following: Option<ActivityId>,
    suspended_slots: Vec<usize>,
    /// Labels rejected with their own scope.
    rejected_labels: Vec<(usize, HeldLabel)>,
    /// The multiplexor's client whose turn a resource has been lent.
    lent: Option<ClientId>,
    /// Activities whose requests are held back, for they owe too much (`debt.rs`).
    indebted: Vec<ActivityId>,
    /// Resources here that refuse somebody, and what they had used when they were looked at.
    quiet: Vec<debt::Quiet>,
    /// The slots in which they may be.
    services: Vec<usize>,
    utilization: utilization::Utilization,
    recording: Recording,
    /// Where clients are on their way to another policy, and who pays for it (`moving.rs`).
    moving: Vec<(renew::Place, ActivityId)>,
    /// The longest that it has taken here to do as a word says (`renew.rs`).
    longest_change: Cycles,
}

impl<M: Message, P: Machine> Core<M, P> {
    /// Starts a core: from now on all its time is accounted.
    #[must_use]
    pub fn new(grid: &Arc<Grid<M>>, mut machine: P, spec: CoreSpec) -> Option<Self> {
        let post = grid.posts.get(spec.core.index())?.clone();
        let start = machine.now();
        let frequency = machine.frequency();
        let mut levels = alloc::vec![Level::new(spec.multiplexor.init_core(spec.core), None)];
        for bus in &grid.buses {
            let scheduler = bus.scheduler.init_core(spec.core);
            levels.push(Level::new(scheduler, None));
        }
        Some(Self {
            id: spec.core,
            machine,
            grid: grid.clone(),
            desk: Desk {
                pool: Pool::new(post.clone()),
                triggers: Triggers::new(spec.core),
                outbox: Fifo::new(),
                timers: Vec::new(),
                records: Vec::new(),
                later: Vec::new(),
                kept: Keeping::new(),
                keeping: None,
                answers: Vec::new(),
                resumed: Vec::new(),
                removed: Vec::new(),
                pokes: Vec::new(),
                cancelled: Vec::new(),
                refused: Vec::new(),
                charge_through: spec.charge_through,
                notes: Notes::default(),
            },
            post,
            ledger: Ledger::new(start, grid.activities().capacity()),
            ring: Ring::new(spec.sampling),
            run_on: frequency.cycles(spec.run_on),
            patience: frequency.cycles(spec.patience),
            timeslice: frequency.cycles(spec.timeslice),
            levels,
            slots: Slots::new(),
            by_instance: Vec::new(),
            past: Past::default(),
            timers: BinaryHeap::new(),
            timer_number: 0,
            cache: Shards::default(),
            moves: Vec::new(),
            held: Map::default(),
            begun: Shards::default(),
            early: Fifo::new(),
            starved: Vec::new(),
            open_runs: Map::default(),
            run: 0,
            turn: turn::Turn::new(spec.charge_through),
            entered: None,
            user_span: Cycles::ZERO,
            following: None,
            suspended_slots: Vec::new(),
            rejected_labels: Vec::new(),
            lent: None,
            // Room for all, so that none is made when memory is short.
            indebted: Vec::with_capacity(grid.activities().capacity()),
            quiet: Vec::new(),
            services: Vec::new(),
            utilization: utilization::Utilization::new(start, grid.frequency),
            recording: Recording::default(),
            moving: Vec::new(),
            longest_change: Cycles::ZERO,
        })
    }

    /// Which core this is.
    #[must_use]
    pub fn id(&self) -> CoreId {
        self.id
    }

    /// The machine beneath.
    pub fn machine(&mut self) -> &mut P {
        &mut self.machine
    }

    /// The core's ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Sends a root request: work that nothing in the grid has asked for. Only roots are
    /// refused: a system call then waits, a packet is dropped, a timer coalesces.
    ///
    /// # Errors
    /// [`Refused`], with nothing sent.
    pub fn root<R>(
        &mut self,
        activity: ActivityId,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<(), Refused>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        if self.desk.refused.iter().any(|(_, refused)| *refused == activity) {
            return Err(Refused::OverBudget);
        }
        match self.grid.activities().charge_root(activity) {
            Ok(()) => {}
            Err(Denied::Untouched(why)) => return Err(why),
            Err(Denied::Taken(why)) => {
                self.discharge(activity);
                return Err(why);
            }
        }
        let refuse = |core: &mut Self, why| {
            core.discharge(activity);
            Err(why)
        };
        if !self.desk.pool.reserve(1) {
            return refuse(self, Refused::NoMemory);
        }
        if self.grid.directory.get(to.instance()).is_none_or(|entry| entry.cores.is_empty()) {
            return refuse(self, Refused::NoSuchInstance);
        }
        let sender = InstanceId::OUTSIDE;
        if let Some((dependency, affinity)) = labels.to_fix()
            && self.grid.bindings.fix(sender, activity, dependency, affinity).is_err()
        {
            return refuse(self, Refused::LabelConflict);
        }
        let Some(mut parcel) = self.desk.pool.take() else {
            return refuse(self, Refused::NoMemory);
        };
        parcel.kind = Kind::Request;
        parcel.to = to.instance();
        parcel.from = sender;
        parcel.activity = activity;
        parcel.labels = labels;
        parcel.aside = Aside::NOTHING;
        parcel.body = Some(wrap_request::<M, R>(request));
        self.deliver(parcel);
        Ok(())
    }

    /// One turn of the loop.
    pub fn step(&mut self) -> Step {
        self.post.enter_boundary();
        let step = self.turn();
        self.post.leave_boundary();
        step
    }

    fn turn(&mut self) -> Step {
        if self.post.has_retired() {
            self.give_up_retired();
        }
        self.take_in();
        self.note_utilization();
        if let Some((slot, choice)) = self.choose() {
            return self.serve(slot, choice);
        }
        self.note_idle();
        if self.post.rest(CoreState::Idle, Cycles::ZERO) {
            Step::Idle(self.next_due())
        } else {
            Step::Ran
        }
    }

    /// Whether something waits for this core to look. To be asked when a thread in user mode
    /// has had its patience: until then others put requests here without a poke.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.post.arrived() || self.post.attention.load(::core::sync::atomic::Ordering::Relaxed)
    }

    /// The core has been woken, or its time has come: what passed was idle.
    pub fn wake(&mut self) {
        self.post.wake();
        self.note_idle();
    }

    /// What has passed since the last reading was idle.
    fn note_idle(&mut self) {
        let before = self.ledger.last();
        let now = self.machine.now();
        self.ledger.idle(now);
        if !self.desk.refused.is_empty() {
            self.wear_off(now.saturating_sub(before));
        }
    }

    /// Books the time since the last reading to the hypervisor, where that can be known.
    pub fn host_took(&mut self) {
        let now = self.machine.now();
        self.ledger.host(now);
    }

    /// From now on this core records what it runs, until it is told to stop.
    pub fn record(&mut self, recorder: Box<Recorder>) {
        self.recording.begin(recorder, self.ledger.last());
    }

    /// Ends it, and gives back what was recorded.
    pub fn recorded(&mut self) -> Option<Box<Recorder>> {
        self.recording.end()
    }

    /// Books the time since the last reading to the infrastructure: what was done on this core
    /// outside of any run, as the first programs' beginning.
    pub fn outside(&mut self) {
        let (before, now) = (self.ledger.last(), self.machine.now());
        let (_, total) = self.ledger.charge(ActivityId::INFRASTRUCTURE, now);
        self.recording.aside(ActivityId::INFRASTRUCTURE, self.run, before, now);
        self.grid.activities().publish(ActivityId::INFRASTRUCTURE, self.id, total);
    }

    fn next_due(&self) -> Option<Cycles> {
        let timer = self.timers.peek().map(|timer| timer.0);
        let early = self.early.front().map(|envelope| envelope.queued_at);
        [timer, early, self.move_due()].into_iter().flatten().min()
    }
}
