//! What the cores share beside the grid: how the machine begins and how it ends.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use spin::Mutex;
use vortex_config::Config;
use vortex_files::Dev;
use vortex_grid::{Activities, Core, Grid, Labels, Refused};
use vortex_resources::cache::{CacheRequest, Ext2Request};
use vortex_resources::files::FileRequest;
use vortex_resources::memory::ReclaimRequest;
use vortex_resources::monitor::{Samples, Traces};
use vortex_resources::network;
use vortex_resources::process::{ProcessRequest, Start};
use vortex_resources::storage::{InterruptRequest, ScsiRequest, VolumeId};
use vortex_resources::{Mail, System};
use vortex_units::{ActivityId, CoreId, Cycles, Micros};

use crate::clock::Clock;
use crate::memory;
use crate::report::Bill;
use crate::runs::Stretches;

/// A process whose activity is refused another request now is begun no sooner than after this:
/// longer than an idle time that wears off debt.
const AGAIN: Micros = Micros::new(10_000);
/// How long the machine's end waits for packets that no card has yet: a full ring may stay full.
const SENT: Micros = Micros::new(1_000_000);

/// What the cores share beside the grid.
pub struct Shared {
    pub system: Arc<System>,
    pub names: Vec<(String, ActivityId)>,
    /// What each is entitled to, in the same order; nothing for the infrastructure.
    pub shares: Vec<Option<u64>>,
    /// Filled when the machine ends.
    pub bill: Mutex<Bill>,
    pub patience: Cycles,
    /// The time stamp when the first program began; zero before.
    pub first: AtomicU64,
    /// What of the heap was on no bill then.
    pub rest: AtomicU64,
    pub samples: Arc<Samples>,
    pub traces: Arc<Traces>,
    pub debug_exit: bool,
    /// The longest stretches of the kernel's, if they are to be told.
    pub stretches: Option<Stretches>,
    /// On which volume of a disk pages go for which a budget has no room.
    swap_on: Option<String>,
    /// On which volume the root is, until that is asked for; whether it was.
    root_on: Mutex<Option<String>>,
    roots: AtomicBool,
    grid: Arc<Grid<Mail>>,
    start: Mutex<Vec<(ActivityId, Start)>>,
    begun: AtomicBool,
    asked: AtomicBool,
    /// The time stamp when the last process had ended; zero before.
    ended: AtomicU64,
    turn: AtomicU32,
    cores: Vec<CoreId>,
}

impl Shared {
    /// Of a machine that has not begun.
    pub fn new(
        system: Arc<System>,
        config: &Config,
        names: Vec<(String, ActivityId)>,
        (samples, traces): (Arc<Samples>, Arc<Traces>),
        (patience, debug_exit, runs): (Cycles, bool, bool),
        (grid, start): (Arc<Grid<Mail>>, Vec<(ActivityId, Start)>),
    ) -> Self {
        let share =
            |activity: &vortex_config::Activity| Some(u64::from(activity.share.hundredths()));
        let shares = core::iter::once(None).chain(config.activities.iter().skip(1).map(share));
        // Who is in no configuration is entitled to nothing worth telling.
        let shares = shares.chain(core::iter::repeat(None)).take(names.len());
        Self {
            system,
            names,
            shares: shares.collect(),
            bill: Mutex::default(),
            patience,
            first: AtomicU64::new(0),
            rest: AtomicU64::new(0),
            samples,
            traces,
            debug_exit,
            stretches: runs.then(Stretches::default),
            swap_on: None,
            root_on: Mutex::new(None),
            roots: AtomicBool::new(false),
            grid,
            start: Mutex::new(start),
            begun: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            turn: AtomicU32::new(0),
            cores: config.multiplexors.iter().map(|mux| mux.core).collect(),
        }
    }

    /// The same, with its swap volume and its root on disks' volumes, where these are named.
    pub fn on_disks(self, swap_on: Option<String>, root_on: Option<String>) -> Self {
        Self { swap_on, root_on: Mutex::new(root_on), ..self }
    }

    /// All activities, and their parts.
    pub fn activities(&self) -> &Activities {
        self.grid.activities()
    }

    /// Bytes of the heap that are held for thread resources of processes.
    pub fn held(&self) -> u64 {
        self.names.iter().map(|(_, activity)| self.grid.activities().held(*activity)).sum()
    }

    /// The first core sends the first requests; a core that serves the disks begins to.
    pub fn begin(&self, core: &mut Core<Mail, Clock>) {
        self.begin_with_disks(core);
        self.begin_with_network(core);
        if core.id().index() != 0 {
            return;
        }
        let Some(ports) = self.system.ports.get() else { return };
        let drive = core.root(
            ActivityId::INFRASTRUCTURE,
            ports.reclaimer,
            Labels::NONE,
            ReclaimRequest::Drive,
        );
        if drive.is_err() {
            crate::console::print(format_args!("vortex: nothing is reclaimed\n"));
        }
    }

    /// Programs begin, if they may: when all disks are found that there are.
    pub fn start(&self, core: &mut Core<Mail, Clock>) {
        let disks = self.system.disks.get();
        if self.has_begun()
            || core.id().index() != 0
            || disks.is_some_and(|disks| !disks.wiring.has_found())
        {
            return;
        }
        // Where pages go is known before anything else is done with disks: nobody is to have it.
        if let Some(name) = &self.swap_on
            && self.system.swap.get().is_none()
        {
            self.swap_to(name);
        }
        if let Some(name) = self.root_on.lock().take() {
            self.root_to(&name, core);
        }
        if !self.has_root() {
            return;
        }
        let mut start = self.start.lock();
        // Counted before they begin: so long as there is one, the machine is not done.
        self.system.processes.fetch_add(start.len() as u32, Ordering::AcqRel);
        for (activity, start) in start.drain(..) {
            self.begin_process(core, activity, Box::new(start));
        }
        self.begun.store(true, Ordering::Release);
    }

    /// The next process begins that somebody has asked for, if it is time.
    #[cold]
    pub fn begin_next(&self, core: &mut Core<Mail, Clock>) {
        if let Some((activity, start)) = self.system.beginning.take(core.ledger().last()) {
            self.begin_process(core, activity, start);
        }
    }

    /// Until when a core may be idle: processes that wait are begun by one that is awake, and what
    /// their activities owe wears off while cores are idle.
    #[inline]
    pub fn idle_until(&self, until: Option<Cycles>) -> Option<Cycles> {
        if !self.system.beginning.any() {
            return until;
        }
        let due = self.system.beginning.due();
        until.into_iter().chain(due).min()
    }

    /// A process begins, as a root of its activity. Where that may not have one now, it waits.
    #[cold]
    fn begin_process(&self, core: &mut Core<Mail, Clock>, activity: ActivityId, start: Box<Start>) {
        let spare = start.spare();
        let begun = self.system.ports.get().map_or(Err(Refused::NoSuchInstance), |ports| {
            core.root(activity, ports.process, Labels::NONE, ProcessRequest::Start(start))
        });
        let Err(why) = begun else { return };
        if matches!(why, Refused::OverBudget | Refused::TooManyRequests)
            && let Some(spare) = spare
        {
            let later = self.system.clock.frequency.cycles(AGAIN);
            let from = core.ledger().last().saturating_add(later);
            if self.system.beginning.keep(activity, spare, from).is_ok() {
                return;
            }
        }
        let name = self.names.iter().find(|(_, own)| *own == activity);
        let name = name.map_or("an activity that is gone", |(name, _)| name);
        crate::console::print(format_args!(
            "vortex: a process of {name} could not be begun: {why:?}\n"
        ));
        self.system.processes.fetch_sub(1, Ordering::AcqRel);
    }

    /// The file system of this volume is to be the root. The machine ends where there is none.
    fn root_to(&self, name: &str, core: &mut Core<Mail, Clock>) {
        self.roots.store(true, Ordering::Relaxed);
        let disks = self.system.disks.get();
        let volumes = disks.map(|disks| disks.wiring.volumes()).unwrap_or_default();
        let found = volumes.into_iter().find(|(id, _)| format!("{id}") == name);
        let swap = self.system.swap.get().and_then(|swap| swap.disk());
        let both = found.as_ref().zip(swap).zip(disks);
        if both.is_some_and(|(((id, _), swap), disks)| disks.wiring.overlap(*id, swap)) {
            self.no_root(format_args!("{name} is, or has, where pages go (swap=)"));
        }
        let ports = self.system.ports.get();
        let asked = found.zip(ports).map(|((id, _), ports)| {
            let dev = Dev::new(VolumeId::MAJOR, id.minor());
            let request = FileRequest::Root(dev, Box::default());
            core.root(ActivityId::INFRASTRUCTURE, ports.files, Labels::NONE, request)
        });
        if asked.is_none_or(|asked| asked.is_err()) {
            self.no_root(format_args!("there is no such volume"));
        }
    }

    /// Whether the root is there, wherever it is. The machine ends where it cannot be.
    fn has_root(&self) -> bool {
        if !self.roots.load(Ordering::Relaxed) {
            return true;
        }
        match self.system.root.get() {
            None => false,
            Some(Ok(())) => true,
            Some(Err(error)) => self.no_root(format_args!("{error:?}")),
        }
    }

    fn no_root(&self, why: core::fmt::Arguments<'_>) -> ! {
        crate::console::print(format_args!("vortex: the root cannot be on this disk: {why}\n"));
        vortex_machine::power_off(vortex_machine::Status::Failed(1), self.debug_exit);
    }

    /// Pages go to this volume from now on. The machine ends where there is none.
    fn swap_to(&self, name: &str) {
        match memory::on_disk(name, self) {
            Some(volume) => {
                self.system.swap.call_once(|| volume);
            }
            None => {
                crate::console::print(format_args!(
                    "vortex: swap={name}: there is no such volume, or none for pages\n"
                ));
                vortex_machine::power_off(vortex_machine::Status::Failed(1), self.debug_exit);
            }
        }
    }

    fn begin_with_network(&self, core: &mut Core<Mail, Clock>) {
        let Some(network) = self.system.network.get() else { return };
        if network.wiring.channel(core.id()).is_none() {
            return;
        }
        let port = network.wiring.ports.get().and_then(|ports| ports.interrupts);
        let tick = network::InterruptRequest::Tick;
        let own = ActivityId::INFRASTRUCTURE;
        let sent = port.map(|port| core.root(own, port, Labels::NONE, tick));
        if !matches!(sent, Some(Ok(()))) {
            crate::console::print(format_args!("vortex: the network card is not served\n"));
        }
    }

    fn begin_with_disks(&self, core: &mut Core<Mail, Clock>) {
        let Some(disks) = self.system.disks.get() else { return };
        let Some(ports) = disks.wiring.ports.get() else { return };
        let own = ActivityId::INFRASTRUCTURE;
        let mut sent = Ok(());
        if disks.cores().any(|serves| serves == core.id()) {
            let tick = InterruptRequest::Tick;
            sent = sent.and(core.root(own, ports.interrupts, Labels::NONE, tick));
        }
        if core.id().index() == 0 {
            sent = sent.and(core.root(own, ports.scsi, Labels::NONE, ScsiRequest::Find(0)));
            if let Some(ports) = self.system.file_systems.get().and_then(|all| all.ports.get()) {
                let (cache, ext2) = (CacheRequest::tick(), Ext2Request::Tick);
                sent = sent.and(core.root(own, ports.cache, Labels::NONE, cache));
                sent = sent.and(core.root(own, ports.ext2, Labels::NONE, ext2));
            }
        }
        if sent.is_err() {
            crate::console::print(format_args!("vortex: the disks are not served\n"));
        }
    }

    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// The last process has ended: what is mounted is unmounted first. Whether that was asked
    /// for now.
    pub fn unmount(&self, core: &mut Core<Mail, Clock>) -> bool {
        let ended = self.has_begun() && self.system.processes.load(Ordering::Acquire) == 0;
        if !ended || !self.system.is_to_unmount() {
            return false;
        }
        self.ended.store(core.ledger().last().get(), Ordering::Release);
        let own = ActivityId::INFRASTRUCTURE;
        let ports = self.system.ports.get();
        let asked = ports.map(|to| core.root(own, to.files, Labels::NONE, FileRequest::End));
        if asked.is_none_or(|asked| asked.is_err()) {
            crate::console::print(format_args!("vortex: file systems are not unmounted\n"));
            self.system.have_unmounted();
        }
        true
    }

    /// The last process has ended, and what it left is on the media: the cores give their
    /// accounts, one after the other. Returns the first of them, for the one caller that is to
    /// wake it.
    pub fn close(&self, now: Cycles) -> Option<CoreId> {
        let (disks, network) = (self.system.disks.get(), self.system.network.get());
        let since = now.saturating_sub(Cycles::new(self.ended.load(Ordering::Acquire)));
        let patient = since < self.system.clock.frequency.cycles(SENT);
        let done = self.has_begun()
            && self.system.processes.load(Ordering::Acquire) == 0
            && self.system.has_unmounted()
            && disks.is_none_or(|disks| disks.wiring.in_flight() == 0)
            && network.is_none_or(|network| !patient || network.wiring.in_flight() == 0);
        (done && !self.asked.swap(true, Ordering::AcqRel)).then(|| self.hand_on()).flatten()
    }

    /// Whether it is this core's turn to give its account.
    pub fn is_turn(&self, core: CoreId) -> bool {
        let turn = self.turn.load(Ordering::Acquire) as usize;
        turn > 0 && self.cores.get(turn - 1) == Some(&core)
    }

    /// The next core's turn; `None` if this was the last.
    pub fn hand_on(&self) -> Option<CoreId> {
        let turn = self.turn.fetch_add(1, Ordering::AcqRel) as usize;
        self.cores.get(turn).copied()
    }
}
