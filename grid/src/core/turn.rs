//! A turn: what one decision of the schedulers has let run, and what they are yet to be told
//! of it.
//!
//! Within the run-on quantum what follows on a request, on the same core and for the same
//! activity, is dispatched without asking the schedulers again. Each of those runs is measured
//! and booked at once; its record is kept with its share-holder (`Holder::owed`), and so is
//! the news of who has more to do, until the turn ends: before any scheduler decides again.
//! A thread that leaves user mode within the quantum goes on with the turn in which it
//! entered.
//!
//! How much of the core a turn may have with threads in user mode the schedulers say when the
//! first of them is about to be entered ([`allowance`]); a thread comes out by then, and the
//! turn is over. What was used before, in the kernel, is part of it; but half of it is left for
//! the thread, however long that was.
//!
//! [`allowance`]: crate::policy::SchedulerCore::allowance
//!
//! # Invariants
//! - Whoever has something owed is among `served`.
//! - Between turns nothing is owed, and there are no follow-ups.

use vortex_units::{ActivityId, Cycles};

use super::{Core, Step};
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::{ClientId, Record, RecordKind};
use crate::slot::Slot;

use super::serve::Served;

/// A share-holder at a slot.
pub(super) type Place = (usize, ClientId);

/// How many share-holders a turn keeps apart: a process's threads, and the resources that
/// serve them. What more there is goes the long way.
const PLACES: usize = 6;

/// A few places, each once, in the order in which they came.
#[derive(Clone, Copy)]
struct Places {
    all: [Place; PLACES],
    count: usize,
}

impl Places {
    const NONE: Self = Self { all: [(usize::MAX, ClientId::new(u32::MAX)); PLACES], count: 0 };

    fn as_slice(&self) -> &[Place] {
        self.all.get(..self.count).unwrap_or(&[])
    }

    fn has(&self, place: Place) -> bool {
        self.as_slice().contains(&place)
    }

    /// Adds a place. False if there is no room for it.
    #[inline]
    fn add(&mut self, place: Place) -> bool {
        if self.has(place) {
            return true;
        }
        match self.all.get_mut(self.count) {
            Some(entry) => {
                *entry = place;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    #[inline]
    fn pop_front(&mut self) -> Option<Place> {
        let first = *self.as_slice().first()?;
        self.all.copy_within(1..self.count, 0);
        self.count -= 1;
        Some(first)
    }

    fn retain(&mut self, wanted: impl Fn(Place) -> bool) {
        let before = ::core::mem::replace(self, Self::NONE);
        for &place in before.as_slice().iter().filter(|&&place| wanted(place)) {
            self.add(place);
        }
    }
}

/// The turn of a core.
pub(super) struct Turn {
    /// The activity whose own client the multiplexor has chosen.
    of: Option<ActivityId>,
    /// The client of the multiplexor that was chosen, whoever it is.
    client: ClientId,
    /// Where the schedulers have led, as long as what is served there is on their choice.
    chosen: usize,
    /// All that the activity uses is charged to its own client.
    charge_through: bool,
    /// Until when follow-ups are dispatched.
    until: Cycles,
    /// Until when threads may be in user mode; zero until the schedulers were asked.
    threads_until: Cycles,
    /// Another activity has got something to do meanwhile.
    contested: bool,
    served: Places,
    follow_ups: Places,
}

impl Turn {
    pub fn new(charge_through: bool) -> Self {
        Self {
            of: None,
            client: ClientId::new(u32::MAX),
            chosen: usize::MAX,
            charge_through,
            until: Cycles::ZERO,
            threads_until: Cycles::ZERO,
            contested: false,
            served: Places::NONE,
            follow_ups: Places::NONE,
        }
    }

    /// The multiplexor has chosen this client: an activity's own, or no activity's.
    #[inline]
    pub fn belongs_to(&mut self, client: ClientId, activity: Option<ActivityId>) {
        (self.client, self.of) = (client, activity);
    }

    /// Somebody was told ready.
    #[inline]
    pub fn told(&mut self, activity: ActivityId) {
        self.contested |= self.of != Some(activity);
    }

    /// What is able to decide now is others' too: they want the core.
    #[inline]
    pub fn contest(&mut self, parent: (usize, ClientId)) {
        self.contested |= parent != (0, self.client);
    }

    /// Notes what is to follow, if it may: only what the client pays for that was chosen, and
    /// what is its own. So an activity goes on in its turn in any resource whose scheduler
    /// shares out processor time, if its own client is charged with all that it uses; but
    /// nobody goes on in a turn that another has lent. In a resource's turn nothing goes on but
    /// what is served there: elsewhere it would run on a share that never chose it. Nor is the
    /// choice of a bus passed over.
    #[inline]
    pub fn follow<M: Message>(
        &mut self,
        activity: ActivityId,
        entry: &Slot<M>,
        place: Place,
        now: Cycles,
    ) -> bool {
        now < self.until
            && entry.runs_on
            && self.of.is_none_or(|of| of == activity)
            && (entry.parent.1 == self.client
                || (self.charge_through && self.of.is_some() && !entry.is_activitys_own))
            && self.follow_ups.add(place)
    }

    /// What a run has used there is told at the end of the turn. False if it is to be told at
    /// once.
    #[inline]
    pub fn hold(&mut self, place: Place) -> bool {
        self.served.add(place)
    }

    /// Whether what is served there is on the choice of those above it, and not only a
    /// follow-up in the turn of the activity that pays for it.
    #[inline]
    pub fn was_chosen<M: Message>(
        &self,
        activity: ActivityId,
        slot: usize,
        entry: &Slot<M>,
    ) -> bool {
        !self.charge_through
            || slot == self.chosen
            || entry.is_activitys_own
            || self.of != Some(activity)
    }

    /// A slot is no more.
    pub fn forget(&mut self, slot: usize) {
        self.served.retain(|(of, _)| of != slot);
        self.follow_ups.retain(|(of, _)| of != slot);
    }

    /// Nothing follows any more: the schedulers are wanted.
    #[inline]
    pub fn close(&mut self) {
        self.until = Cycles::ZERO;
    }
}

impl<M: Message, P: Machine> Core<M, P> {
    /// A turn begins with a decision.
    #[inline]
    pub(super) fn begin_turn(&mut self, slot: usize) {
        self.turn.until = self.ledger.last() + self.run_on;
        self.turn.threads_until = Cycles::ZERO;
        self.turn.contested = false;
        self.turn.chosen = slot;
    }

    /// What a turn was lent for is served: what follows in it is the lender's own.
    #[cold]
    pub(super) fn end_loan(&mut self) {
        self.account_turn();
        self.turn.chosen = usize::MAX;
    }

    /// After a run: whom the end of the turn does not settle is settled now.
    #[inline]
    pub(super) fn settle_unheld(&mut self, slot: usize, client: ClientId) {
        if !self.turn.served.has((slot, client)) {
            self.settle(slot, client);
        }
    }

    /// Serves what follows on what was served, as long as the turn lasts.
    pub(super) fn go_on(&mut self) -> Step {
        while let Some((slot, client)) = self.next_in_turn() {
            match self.serve_one(slot, client, None) {
                Served::Entering(limit) => return self.announce_entry(limit),
                Served::Ran | Served::Nothing => self.settle_unheld(slot, client),
            }
        }
        self.end_turn();
        Step::Ran
    }

    #[inline]
    fn next_in_turn(&mut self) -> Option<Place> {
        let now = self.ledger.last();
        if now >= self.turn.until || self.timers.peek().is_some_and(|timer| timer.0 <= now) {
            return None;
        }
        self.turn.follow_ups.pop_front().or_else(|| self.more_of_turn())
    }

    /// Nothing follows; but the activity whose turn it is may have more to do where it was
    /// served, as a process whose thread has just begun to wait.
    fn more_of_turn(&self) -> Option<Place> {
        let of = self.turn.of?;
        self.turn.served.as_slice().iter().copied().find(|&(slot, client)| {
            self.slots.get(slot).is_some_and(|entry| {
                let more = entry.clients.holder(client).is_some_and(|holder| {
                    holder.activity == of && holder.queued > 0 && !holder.told
                });
                more && entry.runs_on && !entry.suspended && entry.clients.is_ready(client)
            })
        })
    }

    /// For how long a thread may be entered, which may be until `limit`: no longer than the
    /// schedulers allow; and where others have got something to do in this turn, they are asked
    /// when it is over.
    #[inline]
    pub(super) fn limit_of_turn(&mut self, limit: Cycles) -> Cycles {
        if self.turn.threads_until.is_zero() {
            self.ask_allowance();
        }
        let allowed = self.turn.threads_until.saturating_sub(self.ledger.last());
        // If nothing is left it is only to come out again.
        let limit = limit.min(allowed.max(Cycles::new(1)));
        if !self.turn.contested || self.run_on.is_zero() {
            return limit;
        }
        let left = self.turn.until.saturating_sub(self.ledger.last());
        // One that has not been in user mode yet is to get on, however long its run was.
        limit.min(if left.is_zero() { self.run_on } else { left })
    }

    /// Asks all schedulers above the thread that is to be entered how much this turn may have.
    #[inline(never)]
    fn ask_allowance(&mut self) {
        self.turn.threads_until = Cycles::MAX;
        let Some(&(slot, client, _)) = self.entered.as_ref() else { return };
        let Some(entry) = self.slots.get(slot) else { return };
        let mut allowed = entry.scheduler.allowance(client, self.timeslice);
        let (mut index, mut above) = entry.parent;
        while let Some(level) = self.levels.get(index) {
            allowed = allowed.min(level.scheduler.allowance(above, self.timeslice));
            match level.parent {
                Some(next) => (index, above) = next,
                None => break,
            }
        }
        if allowed == Cycles::MAX {
            return;
        }
        let now = self.ledger.last();
        // Nothing has closed the turn yet: no thread has come back in it.
        let began = self.turn.until.saturating_sub(self.run_on);
        let half = Cycles::new(allowed.get() / 2);
        self.turn.threads_until =
            began.saturating_add(allowed).max(now.saturating_add(half)).max(Cycles::new(1));
        self.turn.until = self.turn.until.min(self.turn.threads_until);
    }

    /// The same for one that comes from user mode, and goes back without having asked anybody:
    /// if the turn is over it is only to come out again.
    #[inline]
    pub(super) fn limit_of_rest(&self, limit: Cycles) -> Cycles {
        let over = self.ledger.last() >= self.turn.until && !self.run_on.is_zero();
        if over && (self.turn.contested || self.turn.until.is_zero()) {
            return limit.min(Cycles::new(1));
        }
        limit
    }

    /// Tells the schedulers all that they do not know yet.
    #[inline]
    pub(super) fn end_turn(&mut self) {
        self.account_turn();
        while let Some((slot, client)) = self.turn.follow_ups.pop_front() {
            self.tell(slot, client);
        }
        while let Some((slot, client)) = self.turn.served.pop_front() {
            self.settle(slot, client);
        }
    }

    /// Gives the schedulers the records of this turn so far, before anything else is said of
    /// their clients.
    #[inline]
    pub(super) fn account_turn(&mut self) {
        for index in 0..self.turn.served.count {
            let Some(&(slot, client)) = self.turn.served.all.get(index) else { break };
            let holder =
                self.slots.get_mut(slot).and_then(|entry| entry.clients.holder_mut(client));
            let Some(holder) = holder.filter(|holder| holder.owes) else { continue };
            let nothing = Record::new(RecordKind::BASIC);
            let mut record = ::core::mem::replace(&mut holder.owed, nothing);
            holder.owes = false;
            let activity = holder.activity;
            self.account_run(slot, client, activity, &mut record);
        }
    }
}
