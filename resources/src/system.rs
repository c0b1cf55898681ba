//! What all resources know: each other's ports, and the machine's constants.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use spin::{Mutex, Once};
use vortex_abi::Errno;
use vortex_files::MapWatch;
use vortex_grid::{Family, Frequency, Port};
use vortex_units::{ActivityId, Cycles, Micros, Nanos};

use crate::Mail;
use crate::aio::AsyncIo;
use crate::files::FileSystem;
use crate::memory::{AddressSpaces, Reclaimer, Volume};
use crate::monitor::Monitor;
use crate::network::Network;
use crate::process::{Allowance, Beginning, Processes, Threads};
use crate::process::{Random, Registry, Thread};
use crate::storage::Disks;

/// The ports of the resources. Thread resources are an instance a process (§4.2): here are
/// their families, one an activity.
pub struct Ports {
    /// PR.
    pub process: Port<Processes>,
    /// ASR.
    pub memory: Port<AddressSpaces>,
    /// The memory multiplexor.
    pub reclaimer: Port<Reclaimer>,
    /// Files.
    pub files: Port<FileSystem>,
    /// AIOR.
    pub aio: Port<AsyncIo>,
    /// The monitor.
    pub monitor: Port<Monitor>,
    /// TR, by activity.
    pub threads: Vec<(ActivityId, Family<Mail, Threads>)>,
}

impl Ports {
    /// The thread resources of an activity's processes.
    #[must_use]
    pub fn threads_of(&self, activity: ActivityId) -> Option<&Family<Mail, Threads>> {
        self.threads.iter().find(|(of, _)| *of == activity).map(|(_, family)| family)
    }
}

/// How the time stamp counter relates to the time of day.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// The counter's rate.
    pub frequency: Frequency,
    /// Its reading when the machine began.
    pub began: Cycles,
    /// The time of day then, since 1970.
    pub epoch: Nanos,
}

impl WallClock {
    /// So many cycles as time.
    #[must_use]
    pub fn nanos(&self, span: Cycles) -> Nanos {
        let nanos = u128::from(span.get()) * 1_000 / u128::from(self.frequency.as_megahertz());
        Nanos::new(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// So much time as cycles.
    #[must_use]
    pub fn cycles(&self, span: Nanos) -> Cycles {
        let cycles = u128::from(span.get()) * u128::from(self.frequency.as_megahertz()) / 1_000;
        Cycles::new(u64::try_from(cycles).unwrap_or(u64::MAX / 4))
    }

    /// When so much time from now is over.
    #[must_use]
    pub fn after(&self, now: Cycles, span: Nanos) -> Cycles {
        now.saturating_add(self.cycles(span))
    }

    /// How long it is until then, rounded up: for the grid's timers.
    #[must_use]
    pub fn until(&self, deadline: Cycles, now: Cycles) -> Micros {
        Micros::new(deadline.saturating_sub(now).get() / self.frequency.as_megahertz() + 1)
    }

    /// Time since the machine began.
    #[must_use]
    pub fn since_start(&self, now: Cycles) -> Nanos {
        self.nanos(now.saturating_sub(self.began))
    }
}

/// How long a core has slept, for others to see.
#[derive(Default)]
pub struct Idle {
    total: AtomicU64,
    /// Since when it sleeps; zero if it does not.
    since: AtomicU64,
    /// How long it has been in user mode.
    user: AtomicU64,
}

impl Idle {
    /// Its core goes to sleep.
    pub fn sleeps(&self, now: Cycles) {
        self.since.store(now.get().max(1), Ordering::Relaxed);
    }

    /// It has woken.
    pub fn wakes(&self, now: Cycles) {
        let since = self.since.swap(0, Ordering::Relaxed);
        self.total.fetch_add(now.get().saturating_sub(since), Ordering::Relaxed);
    }

    /// A thread of its has run so long in user mode. Said by the core itself.
    pub fn ran(&self, span: Cycles) {
        let before = self.user.load(Ordering::Relaxed);
        self.user.store(before.saturating_add(span.get()), Ordering::Relaxed);
    }

    /// How long it has been in user mode.
    #[must_use]
    pub fn user(&self) -> Cycles {
        Cycles::new(self.user.load(Ordering::Relaxed))
    }

    /// For how long until now.
    #[must_use]
    pub fn until(&self, now: Cycles) -> Cycles {
        let open = match self.since.load(Ordering::Relaxed) {
            0 => 0,
            since => now.get().saturating_sub(since),
        };
        Cycles::new(self.total.load(Ordering::Relaxed).saturating_add(open))
    }
}

/// What the resources share.
pub struct System {
    /// Set once, when the grid is built.
    pub ports: Once<Ports>,
    /// The processes, by their numbers.
    pub registry: Registry,
    /// Processes that are to be begun by who has the right to.
    pub beginning: Beginning,
    /// Processes that have not ended.
    pub processes: AtomicU32,
    /// Open files and pipes of all processes, when one last ended.
    pub open: AtomicU64,
    /// Where random numbers come from.
    pub random: Mutex<Random>,
    /// The clock.
    pub clock: WallClock,
    /// The latest time that a program was told, where the cores' counters may differ.
    pub latest: Option<AtomicU64>,
    /// Whether programs' parts lie where nobody can guess.
    pub randomize: bool,
    /// How long each core has slept.
    pub idle: Vec<Idle>,
    /// How many cores there are.
    pub cores: u16,
    /// Calls that programs made and that there are not, each said once.
    pub unknown: Mutex<BTreeSet<(u64, Vec<u8>)>>,
    /// Where pages go for which an activity's budget has no room, if there is such a place.
    pub swap: Once<Arc<Volume>>,
    /// The disks, if the machine has any; set once, when the grid is built.
    pub disks: Once<Disks>,
    /// The network, if the machine has a card; set once, when the grid is built.
    pub network: Once<Network>,
    /// The file systems on them; set once, when the grid is built.
    pub file_systems: Once<Arc<crate::cache::Wiring>>,
    /// What those who show files on disks and the tree of files tell each other.
    pub maps: Arc<MapWatch>,
    /// Whether the root is there that is on a disk.
    pub root: Once<Result<(), Errno>>,
    /// The disks' file systems that are mounted, as `/proc/mounts` has them.
    pub mounts: Mutex<String>,
    /// How far file systems are that are unmounted as the machine ends.
    pub ending: AtomicU32,
    /// How long a thread runs at most at a time.
    pub timeslice: Cycles,
    /// What activities may have; set once, when the grid is built.
    pub limits: Once<Vec<Allowance>>,
}

/// Nobody has asked for that yet; it is under way; they are.
pub const MOUNTED: u32 = 0;
const UNMOUNTING: u32 = 1;
const UNMOUNTED: u32 = 2;

impl System {
    /// Says a line on the console.
    pub fn tell(&self, what: &str) {
        let line = alloc::format!("vortex: {what}\r\n");
        vortex_machine::console_write(line.as_bytes());
    }

    /// The root is there that is on a disk, or cannot be.
    pub fn root_is_there(&self, done: Result<(), Errno>) {
        self.root.call_once(|| done);
    }

    /// The machine ends: whether whoever asks is to have file systems unmounted.
    #[must_use]
    pub fn is_to_unmount(&self) -> bool {
        let first =
            self.ending.compare_exchange(MOUNTED, UNMOUNTING, Ordering::AcqRel, Ordering::Acquire);
        first.is_ok()
    }

    /// They are unmounted, or cannot be.
    pub fn have_unmounted(&self) {
        self.ending.store(UNMOUNTED, Ordering::Release);
    }

    /// Whether they are.
    #[must_use]
    pub fn has_unmounted(&self) -> bool {
        self.ending.load(Ordering::Acquire) == UNMOUNTED
    }
    /// A reading that is not before one that another core has told: for clocks that must
    /// not go back.
    #[must_use]
    pub fn steady(&self, now: Cycles) -> Cycles {
        match &self.latest {
            None => now,
            Some(latest) => Cycles::new(latest.fetch_max(now.get(), Ordering::Relaxed)).max(now),
        }
    }

    /// A program has made a call that there is not: said once a program on the console.
    pub fn note_unknown(&self, number: u64, thread: &Thread) {
        const MOST: usize = 256;
        // Asked for at the start of every thread by a C library that does without.
        const RSEQ: u64 = 334;
        if number == RSEQ {
            return;
        }
        let name = thread.process().name().0;
        let mut unknown = self.unknown.lock();
        if unknown.len() < MOST && unknown.insert((number, name.clone())) {
            let name = alloc::string::String::from_utf8_lossy(&name);
            let text = alloc::format!(
                "vortex: {name} makes system call {number}, which is not offered\r\n"
            );
            vortex_machine::console_write(text.as_bytes());
        }
    }
}
