//! What the threads of a process share, and what others see of a thread.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU16, AtomicU32, AtomicU64, Ordering};

use spin::Mutex;
use vortex_grid::Port;
use vortex_units::{ActivityId, CoreId, Cycles};

use super::Threads;
use super::cpu_timers::CpuTimers;
use super::limits::THREAD;
use super::rlimits::Rlimits;
use super::seat::Seat;
use super::signals::{Actions, Info, Pending, Signal, SignalSet};
use super::tasks::Tasks;
use crate::bill::{Charged, ObjectKind};
use crate::files::FilesId;
use crate::memory::AddressSpace;
use crate::quota::Quota;

/// The number of a process or thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

/// A process. What is behind a lock is held for a few instructions only.
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// On whose bill it is.
    pub activity: ActivityId,
    /// Its thread resource: there as long as it has threads.
    pub own: Port<Threads>,
    /// On whose bill its threads run that are not bound elsewhere: its activity's, or that of
    /// the sub-activity that it was begun in.
    pub base: ActivityId,
    /// Where they run.
    pub seat: Arc<Seat>,
    /// Its thread resources in sub-activities, to which threads of it are or were bound.
    pub homes: Mutex<Vec<Arc<Seat>>>,
    /// Its parent's number; zero for one without.
    pub parent: AtomicI32,
    /// The number of its process group.
    pub group: AtomicI32,
    /// Its memory. A program that takes another's place brings its own.
    pub space: Mutex<Arc<AddressSpace>>,
    /// Its descriptors.
    pub files: FilesId,
    /// Its threads that have not ended.
    pub threads: Mutex<Tasks>,
    /// How many.
    pub count: AtomicU32,
    /// It is ending: its threads do not return to user mode.
    pub ending: AtomicBool,
    /// All its threads are told to end.
    pub told: AtomicBool,
    /// How it ended, as wait(2) reports it.
    pub status: AtomicI32,
    /// How many threads all processes of its activity have.
    pub all_threads: Arc<AtomicU32>,
    /// The bill of the real-time signals that wait in it.
    pub signals: Arc<Quota>,
    /// Its program's name and path.
    pub program: Mutex<(Vec<u8>, Vec<u8>)>,
    /// What its signals do.
    pub actions: Mutex<Actions>,
    /// Signals that wait for any of its threads.
    pub pending: Mutex<Pending>,
    /// Cycles that its threads had in user mode.
    pub used: AtomicU64,
    /// The same of its children that were waited for.
    pub used_by_children: AtomicU64,
    /// The number of its session.
    pub session: AtomicI32,
    /// The signal that has stopped it, and whether its parent has not heard of it yet.
    pub stop: Mutex<Option<(Signal, bool)>>,
    /// Its limits.
    pub limits: Rlimits,
    /// Its timers of the time that it uses.
    pub timers: CpuTimers,
    /// What it has asked for by personality(2).
    pub personality: AtomicU32,
    /// How nice it is to others: -20 to 19.
    pub nice: AtomicI32,
    /// When it began.
    pub began: Cycles,
    /// It has made calls to AIOR, which is to be told of its end.
    pub operates: AtomicBool,
    /// It reads signals, or waits for those that it could read: the file resource is told of all
    /// that are sent to it.
    pub reads_signals: AtomicBool,
    /// The file that it runs, which nobody may write meanwhile.
    pub running: Mutex<Option<Arc<()>>>,
    /// What it takes of the kernel's memory.
    pub bill: Charged,
}

impl Process {
    /// Whether it may signal another, or set its limits. Everybody is the superuser, of its
    /// own activity.
    #[must_use]
    pub fn may_change(&self, other: &Self) -> bool {
        self.activity == other.activity
    }

    /// A child's: with what it inherits.
    #[must_use]
    pub fn inheriting(self, parent: &Self) -> Self {
        *self.actions.lock() = parent.actions.lock().clone();
        self.session.store(parent.session.load(Ordering::Relaxed), Ordering::Relaxed);
        self.nice.store(parent.nice.load(Ordering::Relaxed), Ordering::Relaxed);
        let personality = parent.personality.load(Ordering::Relaxed);
        self.personality.store(personality, Ordering::Relaxed);
        *self.running.lock() = parent.running.lock().clone();
        Self { limits: parent.limits.inherited(), ..self }
    }

    /// Begins to end the process with this status; the first word counts. True for it.
    pub fn end(&self, status: i32) -> bool {
        let first = !self.ending.swap(true, Ordering::AcqRel);
        if first {
            self.status.store(status, Ordering::Release);
        }
        first
    }

    /// Whether it is ending.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// It is stopped by this signal.
    pub fn stop(&self, signal: Signal) {
        self.stop.lock().get_or_insert((signal, true));
    }

    /// How long its threads run at most at a time: who is nice, less.
    #[must_use]
    pub fn slice(&self, full: Cycles) -> Cycles {
        match u64::try_from(self.nice.load(Ordering::Relaxed)) {
            Ok(nice @ 1..20) => Cycles::new(full.get() / 20 * (20 - nice)),
            _ => full,
        }
    }

    /// Whether its programs are to lie always at the same places (`ADDR_NO_RANDOMIZE`).
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.personality.load(Ordering::Relaxed) & super::direct::ADDR_NO_RANDOMIZE != 0
    }

    /// Whether it has used so much time that PR is to be told, once.
    #[inline]
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.timers.is_due(self.used.load(Ordering::Relaxed))
    }

    /// What has stopped it, and whether this is the first to ask.
    pub fn stopped(&self) -> Option<(Signal, bool)> {
        let mut stop = self.stop.lock();
        let answer = *stop;
        if let Some((_, first)) = stop.as_mut() {
            *first = false;
        }
        answer
    }

    /// Whether it is stopped and nobody has been told so yet.
    #[must_use]
    pub fn stop_is_news(&self) -> bool {
        self.stop.lock().is_some_and(|(_, first)| first)
    }

    /// Whether it is stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.lock().is_some()
    }

    /// It is not stopped any more; whether it was.
    pub fn go_on(&self) -> bool {
        self.stop.lock().take().is_some()
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> Arc<AddressSpace> {
        self.space.lock().clone()
    }

    /// Its program's name and path.
    #[must_use]
    pub fn name(&self) -> (Vec<u8>, Vec<u8>) {
        self.program.lock().clone()
    }
}

/// What others see of a thread, wherever its control block is.
pub struct ThreadState {
    /// Its number.
    pub tid: Pid,
    /// Its process.
    pub process: Arc<Process>,
    /// There is a reason not to wait: a signal, or the end of the process.
    pub interrupted: AtomicBool,
    /// It waits at AIOR, or did.
    pub waits_for_operations: AtomicBool,
    /// It ends, though its process does not: another thread has called execve(2).
    pub doomed: AtomicBool,
    /// It does not go on where it is: it ends so, or has another seat.
    pub turned: AtomicBool,
    /// Its seat, until it has ended. Changed by PR alone.
    pub seat: Mutex<Option<Arc<Seat>>>,
    /// Signals that wait for it alone.
    pub pending: Mutex<Pending>,
    /// What it blocks, as its control block has it.
    blocked: AtomicU64,
    /// What it takes while it waits, though it blocks it.
    taking: AtomicU64,
    /// Cycles in user mode.
    used: AtomicU64,
    /// The core that it is in user mode on, and one; zero if on none.
    pub running: AtomicU16,
    /// What it and its control block take of the kernel's memory.
    _bill: Charged,
}

impl ThreadState {
    /// A thread of a process.
    #[must_use]
    pub fn new(tid: Pid, process: Arc<Process>, seat: Arc<Seat>) -> Arc<Self> {
        let state = Arc::new(Self::of(tid, process, Some(seat)));
        state.process.threads.lock().add(state.clone());
        state.process.count.fetch_add(1, Ordering::AcqRel);
        state.process.all_threads.fetch_add(1, Ordering::AcqRel);
        state
    }

    /// A thread that never runs, and that nobody knows: an asynchronous operation waits in its
    /// name.
    #[must_use]
    pub fn stand_in(tid: Pid, process: Arc<Process>) -> Arc<Self> {
        Arc::new(Self::of(tid, process, None))
    }

    fn of(tid: Pid, process: Arc<Process>, seat: Option<Arc<Seat>>) -> Self {
        let pending = Mutex::new(Pending::of(process.signals.clone()));
        let activity = process.activity;
        Self {
            tid,
            process,
            interrupted: AtomicBool::new(false),
            waits_for_operations: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            turned: AtomicBool::new(false),
            seat: Mutex::new(seat),
            pending,
            blocked: AtomicU64::new(0),
            taking: AtomicU64::new(0),
            used: AtomicU64::new(0),
            running: AtomicU16::new(0),
            _bill: Charged::there(activity, ObjectKind::Process, THREAD),
        }
    }

    /// It enters user mode here, or has left it.
    pub fn set_running(&self, core: Option<CoreId>) {
        self.running.store(core.map_or(0, |core| core.get() + 1), Ordering::SeqCst);
    }

    /// Where it is in user mode.
    #[must_use]
    pub fn core(&self) -> Option<CoreId> {
        self.running.load(Ordering::SeqCst).checked_sub(1).map(CoreId::new)
    }

    /// It ends, though its process does not.
    pub fn doom(&self) {
        self.doomed.store(true, Ordering::SeqCst);
        self.turned.store(true, Ordering::SeqCst);
    }

    /// What it blocks.
    #[must_use]
    pub fn blocked(&self) -> SignalSet {
        SignalSet::from_bits(self.blocked.load(Ordering::SeqCst))
    }

    /// Whether a signal is worth an interruption: it does not block it, or waits for it.
    #[must_use]
    pub fn takes(&self, signal: Signal) -> bool {
        let taking = SignalSet::from_bits(self.taking.load(Ordering::SeqCst));
        !self.blocked().contains(signal) || taking.contains(signal)
    }

    /// Says what it takes while it waits.
    pub fn set_taking(&self, taking: SignalSet) {
        self.taking.store(taking.bits(), Ordering::SeqCst);
    }

    /// It has run so long in user mode.
    pub fn ran(&self, span: Cycles) {
        self.used.fetch_add(span.get(), Ordering::Relaxed);
        self.process.used.fetch_add(span.get(), Ordering::Relaxed);
    }

    /// How long it has run in user mode.
    #[must_use]
    pub fn used(&self) -> Cycles {
        Cycles::new(self.used.load(Ordering::Relaxed))
    }

    /// Says what it blocks.
    pub fn set_blocked(&self, blocked: SignalSet) {
        self.blocked.store(blocked.bits(), Ordering::SeqCst);
    }

    /// What it has done is a standard signal to it: it has written to a pipe that nobody
    /// reads, or beyond its limit.
    pub fn raise(&self, signal: Signal) {
        // Of a standard signal one at most waits: there is room.
        let _ = self.pending.lock().add(Info::user(signal, self.process.pid, 0));
    }
}
