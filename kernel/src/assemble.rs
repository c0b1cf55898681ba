//! From the configuration to a grid on the machine.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{boxed::Box, format, vec};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use spin::{Mutex, Once};
use vortex_config::{Config, ShareForm};
use vortex_files::cpio::{Archive, Item};
use vortex_files::{LoadError, Owner, Root, Time};
use vortex_grid::policy::{Metric, Params, Scheduler};
use vortex_grid::{
    Class, Core, CoreSpec, Frequency, Grid, GridSpec, InstanceSpec, Labels, Parent, Sampling,
    Standing,
};
use vortex_machine::{Boot, Cpu};
use vortex_resources::files::FileSystem;
use vortex_resources::memory::AddressSpaces;
use vortex_resources::monitor::{Monitor, Samples};
use vortex_resources::process::{Limits, ProcessRequest, Processes, Random, Start, Threads};
use vortex_resources::{Mail, Ports, System, WallClock};
use vortex_units::{ActivityId, Bytes, CoreId, Cycles, Frames, Micros, Share};

use crate::clock::Clock;
use crate::defaults;
use crate::report::Bill;

/// How long a thread keeps its core before others may want it.
const PATIENCE: Micros = Micros::new(200);
/// Requests that an activity may have queued where the configuration does not say: enough
/// for the threads that most programs have.
const NODES: u32 = 16_384;
/// What a thread takes of them at most: itself, its call, that call's own request, a timer.
const NODES_OF_A_THREAD: u32 = 4;
/// The share of a resource that the configuration does not name, at each multiplexor.
const RESOURCE_SHARE: u32 = 100;

/// Frames that reclamation may take when there are no others.
const RECLAIM_RESERVE: Frames = Frames::new(64);

/// Why the machine cannot be started.
#[derive(Debug)]
pub enum Failure {
    /// The configuration has flaws.
    Flaws(String),
    /// It wants cores that are not there.
    NoSuchCore(CoreId, u16),
    /// A scheduler could not be made.
    Scheduler(String),
    /// There are no programs.
    NoModule,
    /// The configuration is not in the root file system.
    NoConfiguration(String),
    /// It asks for what this kernel does not do.
    NotOffered(String),
    /// Minimums and reserve do not fit into the memory that there is.
    Memory(String),
    /// The root file system is broken.
    Root(LoadError),
    /// More activities than there is room for.
    Activities,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flaws(flaws) => write!(f, "the configuration has flaws:\n{flaws}"),
            Self::NoSuchCore(core, cores) => {
                write!(f, "the configuration names core {}; there are {cores}", core.get())
            }
            Self::Scheduler(why) => write!(f, "a scheduler cannot be made: {why}"),
            Self::NoConfiguration(path) => {
                write!(f, "there is no configuration {path} in the root file system")
            }
            Self::NotOffered(what) => {
                write!(f, "the configuration asks for what there is not: {what}")
            }
            Self::Memory(why) => f.write_str(why),
            Self::Root(error) => write!(f, "the root file system cannot be read: {error:?}"),
            Self::NoModule => write!(f, "no module was loaded: there is no root file system"),
            Self::Activities => write!(f, "too many activities"),
        }
    }
}

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
    pub samples: Arc<Samples>,
    pub debug_exit: bool,
    start: Mutex<Vec<(ActivityId, Start)>>,
    begun: AtomicBool,
    asked: AtomicBool,
    turn: AtomicU32,
    cores: Vec<CoreId>,
}

impl Shared {
    /// The first core sends the first requests.
    pub fn begin(&self, core: &mut Core<Mail, Clock>) {
        if core.id().index() != 0 {
            return;
        }
        let Some(ports) = self.system.ports.get() else { return };
        let mut start = self.start.lock();
        // Counted before they begin: so long as there is one, the machine is not done.
        self.system.processes.fetch_add(start.len() as u32, Ordering::AcqRel);
        for (activity, start) in start.drain(..) {
            let request = ProcessRequest::Start(Box::new(start));
            if core.root(activity, ports.process, Labels::NONE, request).is_err() {
                crate::console::print(format_args!("vortex: a service could not be started\n"));
                self.system.processes.fetch_sub(1, Ordering::AcqRel);
            }
        }
        self.begun.store(true, Ordering::Release);
    }

    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// The last process has ended: the cores give their accounts, one after the other.
    /// Returns the first of them, for the one caller that is to wake it.
    pub fn close(&self) -> Option<CoreId> {
        let done = self.has_begun() && self.system.processes.load(Ordering::Acquire) == 0;
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

/// The machine, built: the cores take theirs.
pub struct Built {
    pub shared: Arc<Shared>,
    config: Config,
    grid: Arc<Grid<Mail>>,
    frequency: Frequency,
}

impl Built {
    /// The grid's core for this processor, if the configuration names it.
    pub fn core(&mut self, cpu: &Cpu) -> Option<Core<Mail, Clock>> {
        let mux = self.config.multiplexors.iter().find(|mux| mux.core == cpu.id())?;
        let policy = vortex_assembly::multiplexor(mux, self.frequency).ok()?;
        let charge_through = mux.shares == ShareForm::ChargeThrough && mux.algorithm.uses_shares;
        let spec = CoreSpec {
            charge_through,
            run_on: mux.run_on,
            sampling: Sampling { slow: Cycles::MAX, one_in: 64 },
            patience: PATIENCE,
            ..CoreSpec::new(mux.core, policy)
        };
        Core::new(&self.grid, Clock(cpu.poker()), spec)
    }
}

/// Reads the configuration and builds the grid.
#[inline(never)] // Its frame must not stay beneath the first core's loop.
pub fn assemble(boot: &Boot) -> Result<Built, Failure> {
    let archive = boot.module.ok_or(Failure::NoModule)?;
    let text = match boot.command_line.get("config") {
        Some(path) => written(archive, path)?,
        None => defaults::configuration(boot.cores),
    };
    let config = vortex_config::parse(&text)
        .map_err(|flaws| Failure::Flaws(flaws.iter().map(|flaw| format!("{flaw}\n")).collect()))?;
    if let Some(mux) = config.multiplexors.iter().find(|mux| mux.core.get() >= boot.cores) {
        return Err(Failure::NoSuchCore(mux.core, boot.cores));
    }
    refuse(&config)?;
    vortex_machine::multiplex(RECLAIM_RESERVE, config.machine.reserve, boot.cores)
        .map_err(|error| Failure::Memory(format!("{error}")))?;
    let frequency = Frequency::megahertz(boot.megahertz());
    let grid = Grid::new(GridSpec {
        cores: config.multiplexors.iter().map(|mux| mux.core.get() + 1).max().unwrap_or(1),
        activities: 256,
        infrastructure: vortex_assembly::entitlement(&config, 0),
        frequency,
        buses: Vec::new(),
    });
    let (memory, _) = vortex_machine::memory_counters();
    let epoch = boot.time_of_day();
    let time = Time::new((epoch.get() / 1_000_000_000) as i64, 0);
    // As Linux's file system in memory: half of what there is.
    let limit = Bytes::new(memory.get() * 4096 / 2);
    let owner = Owner::new(ActivityId::INFRASTRUCTURE.index() as u64);
    let root = Root::load(archive, limit, owner, time).map_err(Failure::Root)?;
    let system = Arc::new(System {
        ports: Once::new(),
        processes: AtomicU32::new(0),
        random: Mutex::new(Random::new(vortex_machine::entropy())),
        clock: WallClock { frequency, began: boot.began, epoch },
        cores: boot.cores,
        unknown: Mutex::new(BTreeSet::new()),
        timeslice: frequency.cycles(config.machine.timeslice),
        limits: Once::new(),
    });
    let mut names = vec![("infrastructure".to_string(), ActivityId::INFRASTRUCTURE)];
    let mut threads = Vec::new();
    for (index, activity) in config.activities.iter().enumerate().skip(1) {
        let mut entitlement = vortex_assembly::entitlement(&config, index);
        entitlement.nodes = activity.nodes.unwrap_or(NODES);
        let id = grid.activities().create(entitlement).map_err(|_| Failure::Activities)?;
        open_account(activity, id)?;
        names.push((activity.name.clone(), id));
        threads.push((id, add_threads(&config, &grid, &system, frequency, id, index)?));
    }
    let start = services(&config, &names);
    let root = Mutex::new(Some(root));
    let samples = Arc::new(Samples::new(config.multiplexors.iter().map(|mux| mux.core)));
    let ports = Ports {
        process: grid.add(home(spec(&config, frequency, "resource.process", 1)?), {
            let (system, poker) = (system.clone(), boot.poker());
            move |_| Processes::new(system.clone(), poker.clone())
        }),
        memory: grid.add(spec(&config, frequency, "resource.asr", 2)?, {
            let (system, poker) = (system.clone(), boot.poker());
            move |_| AddressSpaces { system: system.clone(), poker: poker.clone() }
        }),
        files: grid.add(home(spec(&config, frequency, "resource.file", 3)?), {
            let system = system.clone();
            move |_| {
                // At home on one core, it is made once: at boot, where a panic says why.
                let root = root.lock().take().expect("the file resource is at home on one core");
                FileSystem::new(root, system.clone())
            }
        }),
        monitor: grid.add(home(spec(&config, frequency, "resource.monitor", 4)?), {
            let (samples, poker) = (samples.clone(), boot.poker());
            let names: Vec<_> = names.iter().map(|(name, id)| (*id, name.clone())).collect();
            let observers = observers(&config, &names);
            move |_| {
                let (names, observers) = (names.clone(), observers.clone());
                Monitor::new(samples.clone(), poker.clone(), frequency, names, observers)
            }
        }),
        threads,
    };
    system.ports.call_once(|| ports);
    let limits = config.activities.iter().zip(&names).map(|(activity, (_, id))| {
        let vortex_config::Limits { processes, threads } = activity.limits;
        // A thread for which there would be no room when it waits is refused when it is made.
        let room = activity.nodes.unwrap_or(NODES) / NODES_OF_A_THREAD;
        let threads = Some(threads.map_or(room, |threads| threads.min(room)));
        (*id, Limits { processes, threads })
    });
    system.limits.call_once(|| limits.collect());
    let share = |activity: &vortex_config::Activity| Some(u64::from(activity.share.hundredths()));
    let shares = core::iter::once(None).chain(config.activities.iter().skip(1).map(share));
    let shares = shares.collect();
    let shared = Arc::new(Shared {
        system,
        names,
        shares,
        bill: Mutex::default(),
        patience: frequency.cycles(PATIENCE),
        first: AtomicU64::new(0),
        samples,
        debug_exit: boot.debug_exit(),
        start: Mutex::new(start),
        begun: AtomicBool::new(false),
        asked: AtomicBool::new(false),
        turn: AtomicU32::new(0),
        cores: config.multiplexors.iter().map(|mux| mux.core).collect(),
    });
    Ok(Built { shared, config, grid, frequency })
}

/// A file of the archive, as text.
fn written(archive: &[u8], path: &str) -> Result<String, Failure> {
    let name = path.trim_start_matches('/').as_bytes();
    let mut items = Archive::new(archive);
    while let Ok(Some(item)) = items.next_item() {
        if let Item::Entry(entry) = item
            && entry.name.strip_prefix(b"./").unwrap_or(entry.name) == name
        {
            return String::from_utf8(entry.contents.to_vec())
                .map_err(|_| Failure::NoConfiguration(path.into()));
        }
    }
    Err(Failure::NoConfiguration(path.into()))
}

/// The resources that there are.
const RESOURCES: [&str; 5] =
    ["resource.thread", "resource.process", "resource.asr", "resource.file", "resource.monitor"];

/// Refuses what a configuration asks for and this kernel does not do.
fn refuse(config: &Config) -> Result<(), Failure> {
    let unknown =
        config.resources.iter().find(|resource| !RESOURCES.contains(&resource.resource.as_str()));
    if let Some(unknown) = unknown {
        return Err(Failure::NotOffered(format!(
            "{}: this kernel has no such resource",
            unknown.resource
        )));
    }
    // What the kernel has for itself is the machine's reserve.
    let own = config.activities.first().map(|activity| activity.memory);
    if own.is_some_and(|own| own != vortex_config::MemoryBudget::default()) {
        return Err(Failure::NotOffered("a memory budget of the infrastructure".into()));
    }
    if let Some(bus) = config.schedulers.first() {
        return Err(Failure::NotOffered(format!(
            "{}: schedulers beneath schedulers are not offered yet",
            bus.tag
        )));
    }
    Ok(())
}

/// Opens an activity's account of memory.
fn open_account(activity: &vortex_config::Activity, id: ActivityId) -> Result<(), Failure> {
    let vortex_config::MemoryBudget { minimum, soft, hard } = activity.memory;
    let Some(memory) = vortex_machine::multiplexor() else { return Ok(()) };
    let budget = vortex_memory::Budget { minimum, soft, hard, objects: None };
    let wrong = |error| Failure::Memory(format!("{}: {error}", activity.name));
    memory.open(id, budget).map_err(wrong)
}

/// The activities that may see the performance data of all.
fn observers(config: &Config, names: &[(ActivityId, String)]) -> Vec<ActivityId> {
    let activities = config.activities.iter().zip(names);
    let may = |(activity, (id, _)): (&vortex_config::Activity, &(ActivityId, String))| {
        (activity.performance == vortex_config::Performance::All).then_some(*id)
    };
    activities.filter_map(may).collect()
}

/// The programs to start.
fn services(config: &Config, names: &[(String, ActivityId)]) -> Vec<(ActivityId, Start)> {
    let bytes = |text: &String| text.as_bytes().to_vec();
    let start = |service: &vortex_config::Service| {
        let (_, activity) = names.get(service.activity.index())?;
        let program = bytes(&service.program);
        let arguments =
            core::iter::once(program.clone()).chain(service.arguments.iter().map(bytes)).collect();
        let variable = |(name, value): &(String, String)| format!("{name}={value}").into_bytes();
        let environment = service.environment.iter().map(variable).collect();
        Some((*activity, Start::new(program, arguments, environment)))
    };
    let mut start: Vec<_> = config.services.iter().filter_map(start).collect();
    if start.is_empty()
        && let Some((_, activity)) = names.get(1)
    {
        let init = b"/init".to_vec();
        start.push((*activity, Start::new(init.clone(), vec![init], Vec::new())));
    }
    start
}

/// A resource that is at home on one core: the first of those that it has.
fn home(spec: InstanceSpec) -> InstanceSpec {
    InstanceSpec { cores: spec.cores.into_iter().take(1).collect(), ..spec }
}

/// The thread resource of an activity.
fn add_threads(
    config: &Config,
    grid: &Arc<Grid<Mail>>,
    system: &Arc<System>,
    frequency: Frequency,
    activity: ActivityId,
    index: usize,
) -> Result<vortex_grid::Port<Threads>, Failure> {
    let thread = config
        .thread()
        .ok_or_else(|| Failure::Scheduler("resource.thread is not configured".into()))?;
    let place = config
        .resources
        .iter()
        .position(|resource| resource.resource == thread.resource)
        .unwrap_or(0);
    let scheduler = vortex_assembly::resource(thread, frequency, None)
        .map_err(|error| Failure::Scheduler(format!("resource.thread: {error:?}")))?;
    let cores = vortex_assembly::places(thread)
        .into_iter()
        .map(|(core, _)| (core, Parent::Activity))
        .collect();
    let name =
        config.activities.get(index).map_or_else(String::new, |activity| activity.name.clone());
    let spec = InstanceSpec {
        name: format!("resource.thread of {name}"),
        class: vortex_assembly::class(place),
        scheduler,
        cores,
        owner: activity,
        batch: thread.batch,
    };
    let system = system.clone();
    Ok(grid.add(spec, move |_| Threads { system: system.clone() }))
}

/// A resource as the configuration has it, or with the defaults: on all cores, fair.
fn spec(
    config: &Config,
    frequency: Frequency,
    name: &str,
    number: u16,
) -> Result<InstanceSpec, Failure> {
    let wrong = |error| Failure::Scheduler(format!("{name}: {error:?}"));
    if let Some(place) = config.resources.iter().position(|resource| resource.resource == name)
        && let Some(written) = config.resources.get(place)
    {
        return Ok(InstanceSpec {
            name: name.into(),
            class: vortex_assembly::class(place),
            scheduler: vortex_assembly::resource(written, frequency, None).map_err(wrong)?,
            cores: vortex_assembly::places(written),
            owner: ActivityId::INFRASTRUCTURE,
            batch: written.batch,
        });
    }
    let share = Share::from_units(RESOURCE_SHARE).unwrap_or(Share::ONE);
    let standing = Standing { share, priority: 0 };
    let cores =
        config.multiplexors.iter().map(|mux| (mux.core, Parent::Multiplexor(standing))).collect();
    Ok(InstanceSpec {
        name: name.into(),
        class: Class(u16::MAX - 1 - number),
        scheduler: default_scheduler(frequency)
            .map_err(|error| Failure::Scheduler(format!("{name}: {error:?}")))?,
        cores,
        owner: ActivityId::INFRASTRUCTURE,
        batch: 1,
    })
}

fn default_scheduler(
    frequency: Frequency,
) -> Result<Arc<dyn Scheduler>, vortex_schedulers::MakeError> {
    let debt = frequency.cycles(Micros::new(100_000)).get();
    let mut params = Params::new(Metric::Cycles, debt);
    params.load_sharing = Some(Box::new(vortex_schedulers::load::FewestBound));
    vortex_schedulers::make("propshare.wfq", params)
}
