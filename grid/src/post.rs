//! The part of a core that other cores may touch: its inbox and its sleep.
//!
//! # Invariants
//! - `state` is written by the core itself alone.
//! - A sender pushes first and then looks at `state`; the core announces its state first and
//!   then looks at its inbox, each with a full fence between the two. So one of them sees
//!   the other: no wake-up is lost. (Tested under loom: `models.rs`.)

use crate::sync::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use alloc::sync::Arc;
use alloc::vec::Vec;
use spin::Mutex;
use vortex_queues::{Fifo, Inbox};
use vortex_units::{ActivityId, CoreId, Cycles, InstanceId};

use crate::change::Word;
use crate::kept::Ticket;
use crate::request::{Envelope, Sealed};

/// What a core does, as far as the others need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CoreState {
    /// In its dispatch loop: it will look at its inbox by itself.
    Running = 0,
    /// Waiting for an interrupt.
    Idle = 1,
    /// In user mode.
    User = 2,
}

/// No activity: one that no place has.
const NOBODY: u64 = u64::MAX;

fn packed(activity: ActivityId) -> u64 {
    (activity.index() as u64) << 32 | u64::from(activity.generation())
}

/// An instance that was removed, and the labels of it that were bound anywhere.
pub(crate) type Retired = (InstanceId, Arc<[(ActivityId, u64)]>);

/// What other cores may touch of a core.
pub(crate) struct Post<M> {
    core: CoreId,
    inbox: Inbox<Envelope<M>>,
    /// Empty nodes on their way back to the pool they came from.
    returns: Inbox<Envelope<M>>,
    state: AtomicU8,
    poked: AtomicBool,
    /// Who has poked it last and has not been billed for that.
    poker: AtomicU64,
    /// In user mode: the time from which a poke is worth its cost.
    patience: AtomicU64,
    /// Something other than the inbox wants to be looked at (a device-scope resumption).
    pub attention: AtomicBool,
    /// Dispatch boundaries passed; odd while the core may be sending.
    boundary: AtomicU64,
    /// Recent utilization in hundredths of a per cent, written by the core itself.
    pub utilization: AtomicU32,
    /// Tokens dropped anywhere, to be drained by the core.
    pub graveyard: Mutex<Vec<Ticket>>,
    /// Activities that are gone, whose accounts the core has to close.
    pub departed: Mutex<Vec<ActivityId>>,
    /// Activities whose entitlement was divided, or is whole again.
    reweighed: Mutex<Vec<(ActivityId, ActivityId)>>,
    /// What is new of schedulers that the core has a part of, and who pays for telling it.
    words: Mutex<Vec<(Word, ActivityId)>>,
    /// Instances that were removed and of which the core has a part, and whether there are
    /// any. No reason to wake it, or to take it from a thread.
    retired: Mutex<Vec<Retired>>,
    has_retired: AtomicBool,
}

impl<M> Post<M> {
    pub fn new(core: CoreId) -> Self {
        Self {
            core,
            inbox: Inbox::new(),
            returns: Inbox::new(),
            state: AtomicU8::new(CoreState::Running as u8),
            poked: AtomicBool::new(false),
            poker: AtomicU64::new(NOBODY),
            patience: AtomicU64::new(0),
            attention: AtomicBool::new(false),
            boundary: AtomicU64::new(0),
            utilization: AtomicU32::new(0),
            graveyard: Mutex::new(Vec::new()),
            departed: Mutex::new(Vec::new()),
            reweighed: Mutex::new(Vec::new()),
            words: Mutex::new(Vec::new()),
            retired: Mutex::new(Vec::new()),
            has_retired: AtomicBool::new(false),
        }
    }

    pub fn core(&self) -> CoreId {
        self.core
    }

    /// Hands a request to this core. True if the sender must poke it.
    #[must_use]
    pub fn deliver(&self, parcel: Sealed<M>, now: Cycles) -> bool {
        let sender = parcel.activity;
        self.inbox.push(parcel);
        self.wants_poke(now, sender)
    }

    /// Asks the core to look around, for this activity. True if the caller must poke it.
    #[must_use]
    pub fn call_attention(&self, now: Cycles, causer: ActivityId) -> bool {
        self.attention.store(true, Ordering::Release);
        self.wants_poke(now, causer)
    }

    /// The core is to leave its rest for this activity, whatever it rests for. True if the
    /// caller must poke it; else a poke is on its way that came after it began to rest.
    #[must_use]
    pub fn claim_poke(&self, causer: ActivityId) -> bool {
        fence(Ordering::SeqCst);
        let first = !self.poked.swap(true, Ordering::AcqRel);
        if first {
            self.poker.store(packed(causer), Ordering::Release);
        }
        first
    }

    /// Whoever has poked the core: to be billed, once, for what that cost here.
    pub fn take_poker(&self) -> Option<ActivityId> {
        match self.poker.swap(NOBODY, Ordering::AcqRel) {
            NOBODY => None,
            poker => Some(ActivityId::new((poker >> 32) as u32, poker as u32)),
        }
    }

    /// The core is to give up its part of an instance, when it next takes a turn.
    pub fn retire(&self, retired: Retired) {
        self.retired.lock().push(retired);
        self.has_retired.store(true, Ordering::Release);
    }

    /// Whether it has any to give up.
    #[inline]
    pub fn has_retired(&self) -> bool {
        self.has_retired.load(Ordering::Relaxed)
    }

    /// Takes the instances to be given up.
    pub fn take_retired(&self) -> Vec<Retired> {
        let mut retired = self.retired.lock();
        self.has_retired.store(false, Ordering::Relaxed);
        ::core::mem::take(&mut *retired)
    }

    /// The core is to tell its policies what an activity is entitled to now, before it lets
    /// anything more run, on the bill of who has caused that. No reason to wake it, or to take it
    /// from a thread. Told once for several changes, the first of them pays.
    pub fn reweigh(&self, activity: ActivityId, payer: ActivityId) {
        let mut all = self.reweighed.lock();
        if !all.iter().any(|(one, _)| *one == activity) {
            all.push((activity, payer));
        }
        drop(all);
        self.attention.store(true, Ordering::Release);
    }

    /// Takes one of those of which that is to be told, and who pays.
    pub fn take_reweighed(&self) -> Option<(ActivityId, ActivityId)> {
        self.reweighed.lock().pop()
    }

    /// The core is to do as a word says, before it lets anything more run. Likewise; of several
    /// that say the same of one scheduler the last counts.
    pub fn tell(&self, word: &Word, payer: ActivityId) {
        let mut all = self.words.lock();
        all.retain(|(earlier, _)| !earlier.is_past(word));
        all.push((word.clone(), payer));
        drop(all);
        self.attention.store(true, Ordering::Release);
    }

    /// Takes the first of those words, and who pays.
    pub fn take_word(&self) -> Option<(Word, ActivityId)> {
        let mut all = self.words.lock();
        (!all.is_empty()).then(|| all.remove(0))
    }

    fn wants_poke(&self, now: Cycles, causer: ActivityId) -> bool {
        fence(Ordering::SeqCst);
        let state = self.state.load(Ordering::Relaxed);
        if state == CoreState::Running as u8 {
            return false;
        }
        if state == CoreState::User as u8 && now.get() < self.patience.load(Ordering::Relaxed) {
            // The core itself has a timer at that moment and will look.
            return false;
        }
        self.claim_poke(causer)
    }

    /// Gives an empty node back to its pool.
    pub fn give_back(&self, parcel: Sealed<M>) {
        self.returns.push(parcel);
    }

    pub fn take_returns(&self) -> Fifo<Envelope<M>> {
        if self.returns.is_empty() { Fifo::new() } else { self.returns.take_all() }
    }

    pub fn arrived(&self) -> bool {
        !self.inbox.is_empty()
    }

    pub fn take_arrivals(&self) -> Fifo<Envelope<M>> {
        self.inbox.take_all()
    }

    /// Announces that the core stops looking at its inbox. False if something has arrived
    /// meanwhile: then it must not sleep, and stays in user mode only for its patience.
    #[must_use]
    pub fn rest(&self, state: CoreState, patience: Cycles) -> bool {
        self.patience.store(patience.get(), Ordering::Relaxed);
        self.poked.store(false, Ordering::Relaxed);
        self.state.store(state as u8, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.inbox.is_empty() && !self.attention.load(Ordering::Relaxed) {
            return true;
        }
        if state == CoreState::Idle {
            self.state.store(CoreState::Running as u8, Ordering::Relaxed);
        }
        false
    }

    /// The core is back in its loop.
    pub fn wake(&self) {
        self.state.store(CoreState::Running as u8, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The core begins a stretch in which it may send.
    pub fn enter_boundary(&self) {
        let passed = self.boundary.load(Ordering::Relaxed);
        self.boundary.store(passed + 1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The core has sent what it had to send.
    pub fn leave_boundary(&self) {
        let passed = self.boundary.load(Ordering::Relaxed);
        self.boundary.store(passed + 1, Ordering::Release);
    }

    /// The boundary count, to be compared later by [`Self::passed`].
    pub fn boundary(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.boundary.load(Ordering::Acquire)
    }

    /// Whether all that this core was sending when `boundary` was read has been sent.
    pub fn passed(&self, boundary: u64) -> bool {
        boundary & 1 == 0 || self.boundary.load(Ordering::Acquire) != boundary
    }
}
