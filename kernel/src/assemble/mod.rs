//! From the configuration to a grid on the machine.

mod disks;
mod failure;
mod instances;
mod network;
mod shared;
mod written;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64};

use spin::{Mutex, Once};
use vortex_assembly::Remark;
use vortex_config::{Config, ShareForm};
use vortex_files::{Counted, Root, Time};
use vortex_grid::{Core, CoreSpec, Frequency, Grid, GridSpec, Sampling};
use vortex_machine::{Boot, Cpu};
use vortex_resources::aio::AsyncIo;
use vortex_resources::bill::{FileBill, ObjectKind, owner_of};
use vortex_resources::files::FileSystem;
use vortex_resources::memory::{AddressSpaces, REGION, Reclaimer, Shows};
use vortex_resources::monitor::{Monitor, Samples};
use vortex_resources::process::signals::SIGNAL;
use vortex_resources::process::{Allowance, Limits, Processes, Random, Registry, SEED};
use vortex_resources::quota::{Quota, Weight};
use vortex_resources::{Idle, MOUNTED, Mail, Ports, System, WallClock};
use vortex_units::{ActivityId, Bytes, Cycles, Micros};

pub use failure::Failure;
pub use shared::Shared;

use crate::clock::Clock;
use crate::{defaults, memory};
use instances::{add_threads, home, spec};
use written::{observers, services, written};

/// How long a thread keeps its core before others may want it.
const PATIENCE: Micros = Micros::new(200);
/// Requests that an activity may have queued where the configuration does not say: enough
/// for the threads that most programs have.
const NODES: u32 = 16_384;
/// Places for an activity and its parts.
const PLACES: usize = 16;
/// What a thread takes of them at most: itself, its call, that call's own request, a timer.
const NODES_OF_A_THREAD: u32 = 4;

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
        let policy = vortex_assembly::multiplexor(&self.config, mux, self.frequency).ok()?;
        let charge_through = mux.shares == ShareForm::ChargeThrough && mux.algorithm.uses_shares;
        let spec = CoreSpec {
            charge_through,
            run_on: mux.run_on,
            sampling: Sampling { slow: Cycles::MAX, one_in: 64 },
            patience: PATIENCE,
            timeslice: self.config.machine.timeslice,
            ..CoreSpec::new(mux.core, policy)
        };
        Core::new(&self.grid, Clock(cpu.poker()), spec)
    }
}

/// Reads the configuration and builds the grid.
#[inline(never)] // Its frame must not stay beneath the first core's loop.
pub fn assemble(boot: &Boot) -> Result<Built, Failure> {
    vortex_assembly::judge_words(boot.command_line.words()).map_err(Failure::Word)?;
    let archive = boot.module.ok_or(Failure::NoModule)?;
    let config = read(boot, archive)?;
    memory::multiplex(&config, boot)?;
    let root = root(boot, archive)?;
    build(boot, root, config)
}

/// The configuration, if this kernel can be what it says.
#[inline(never)] // Deep as reading goes, `build` must not lie beneath it.
fn read(boot: &Boot, archive: &[u8]) -> Result<Config, Failure> {
    let text = match boot.command_line.get("config") {
        Some(path) => written(archive, path)?,
        None => defaults::configuration(boot.cores),
    };
    let config = vortex_config::parse_with(&text, &vortex_assembly::known())
        .map_err(|flaws| Failure::Flaws(flaws.iter().map(|flaw| format!("{flaw}\n")).collect()))?;
    if let Some(mux) = config.multiplexors.iter().find(|mux| mux.core.get() >= boot.cores) {
        return Err(Failure::NoSuchCore(mux.core, boot.cores));
    }
    let lines = |remarks: Vec<Remark>| -> String {
        remarks.iter().map(|Remark { place, text }| format!("{place}: {text}\n")).collect()
    };
    let refused = vortex_assembly::refused(&config);
    if !refused.is_empty() {
        return Err(Failure::NotOffered(lines(refused)));
    }
    for line in lines(vortex_assembly::simulated(&config)).lines() {
        crate::console::print(format_args!("vortex: the configuration: {line}\n"));
    }
    Ok(config)
}

/// The root file system: large, so in the heap.
#[inline(never)] // Deep as loading goes, `build` must not lie beneath it.
fn root(boot: &Boot, archive: &[u8]) -> Result<Box<Root>, Failure> {
    let (frames, _) = vortex_machine::memory_counters();
    let time = Time::new((boot.time_of_day().get() / 1_000_000_000) as i64, 0);
    // As Linux's file system in memory: half of what there is.
    let limit = Bytes::new(frames.get() * 4096 / 2);
    let owner = owner_of(ActivityId::INFRASTRUCTURE);
    Root::load(archive, limit, owner, time).map(Box::new).map_err(Failure::Root)
}

/// The grid that the configuration says.
#[inline(never)] // Its frame is the largest of all.
fn build(boot: &Boot, mut root: Box<Root>, config: Config) -> Result<Built, Failure> {
    let frequency = Frequency::megahertz(boot.megahertz());
    let grid = Grid::new(GridSpec {
        cores: config.multiplexors.iter().map(|mux| mux.core.get() + 1).max().unwrap_or(1),
        // Nobody's parts take another's places.
        activities: u32::try_from(config.activities.len() * PLACES).unwrap_or(u32::MAX).max(256),
        infrastructure: vortex_assembly::entitlement(&config, 0, frequency),
        frequency,
        buses: Vec::new(),
    });
    let epoch = boot.time_of_day();
    let system = Arc::new(System {
        ports: Once::new(),
        registry: Registry::default(),
        processes: AtomicU32::new(0),
        open: AtomicU64::new(0),
        random: Mutex::new(Random::new(seed(boot), vortex_machine::entropy)),
        clock: WallClock { frequency, began: boot.began, epoch },
        latest: (!vortex_machine::features().steady).then(AtomicU64::default),
        randomize: boot.command_line.get("randomize") != Some("off"),
        idle: (0..boot.cores).map(|_| Idle::default()).collect(),
        cores: boot.cores,
        unknown: Mutex::new(BTreeSet::new()),
        swap: Once::new(),
        disks: Once::new(),
        timeslice: frequency.cycles(config.machine.timeslice),
        limits: Once::new(),
        network: Once::new(),
        file_systems: Once::new(),
        mounts: Mutex::default(),
        maps: Arc::default(),
        root: Once::new(),
        ending: AtomicU32::new(MOUNTED),
    });
    let mut names = vec![("infrastructure".to_string(), ActivityId::INFRASTRUCTURE)];
    let mut threads = Vec::new();
    for (index, activity) in config.activities.iter().enumerate().skip(1) {
        let mut entitlement = vortex_assembly::entitlement(&config, index, frequency);
        entitlement.nodes = activity.nodes.unwrap_or(NODES);
        let id = grid.activities().create(entitlement).map_err(|_| Failure::Activities)?;
        memory::open(activity, id)?;
        names.push((activity.name.clone(), id));
        threads.push((id, add_threads(&config, &grid, &system, frequency, id, index)?));
    }
    if let Some(volume) = memory::volume(&config, boot)? {
        system.swap.call_once(|| volume);
    }
    disks::add(&config, &grid, &system, frequency)?;
    if let Some(stray) = network::add(&config, &grid, &system, boot, frequency)? {
        memory::open_plain(&stray.0, stray.1)?;
        names.push(stray);
    }
    let swap_on = memory::swap_on(&config, boot)?.map(String::from);
    if let Some(name) = swap_on.as_ref().filter(|_| system.disks.get().is_none()) {
        return Err(Failure::Value(format!("swap={name}: the machine has no disk")));
    }
    let root_on = boot.command_line.get("root").map(String::from);
    if let Some(name) = root_on.as_ref().filter(|_| system.disks.get().is_none()) {
        return Err(Failure::Value(format!("root={name}: the machine has no disk")));
    }
    let start = services(&config, &names);
    for (activity, (_, id)) in config.activities.iter().zip(&names) {
        let (owner, limits) = (owner_of(*id), activity.limits);
        root.set_most(owner, Counted::Open, limits.files);
        root.set_most(owner, Counted::Pipe, limits.pipes);
    }
    root.set_bill(&FileBill);
    let root = Mutex::new(Some(root));
    let samples = Arc::new(Samples::new(config.multiplexors.iter().map(|mux| mux.core)));
    let ports = Ports {
        process: grid.add(home(spec(&config, frequency, "resource.process")?), {
            let system = system.clone();
            move |_| Processes::new(system.clone())
        }),
        memory: grid.add(spec(&config, frequency, "resource.asr")?, {
            let system = system.clone();
            move |_| AddressSpaces { system: system.clone() }
        }),
        reclaimer: grid.add(home(spec(&config, frequency, "resource.memory")?), {
            let system = system.clone();
            move |_| Reclaimer::new(system.clone())
        }),
        files: grid.add(home(spec(&config, frequency, "resource.file")?), {
            let system = system.clone();
            move |_| {
                // At home on one core, it is made once: at boot, where a panic says why.
                let root = root.lock().take().expect("the file resource is at home on one core");
                FileSystem::new(*root, system.clone())
            }
        }),
        aio: grid.add(home(spec(&config, frequency, "resource.aior")?), {
            let system = system.clone();
            move |_| AsyncIo::new(system.clone())
        }),
        monitor: grid.add(home(spec(&config, frequency, "resource.monitor")?), {
            let samples = samples.clone();
            let names: Vec<_> = names.iter().map(|(name, id)| (*id, name.clone())).collect();
            let observers = observers(&config, &names);
            move |_| {
                let (names, observers) = (names.clone(), observers.clone());
                Monitor::new(samples.clone(), frequency, names, observers)
            }
        }),
        threads,
    };
    if let Some(wiring) = system.file_systems.get() {
        let shows = Box::new(Shows(ports.memory));
        wiring.showing.call_once(|| shows);
    }
    system.ports.call_once(|| ports);
    let limits = config.activities.iter().zip(&names).map(|(activity, (_, id))| {
        let vortex_config::Limits { processes, threads, mappings, signals, .. } = activity.limits;
        // A thread for which there would be no room when it waits is refused when it is made.
        let room = activity.nodes.unwrap_or(NODES) / NODES_OF_A_THREAD;
        let threads = Some(threads.map_or(room, |threads| threads.min(room)));
        Allowance {
            activity: *id,
            limits: Limits { processes, threads },
            threads: Arc::default(),
            mappings: Quota::weighing(mappings, weight(*id, ObjectKind::Region, REGION)),
            signals: Quota::weighing(signals, weight(*id, ObjectKind::Signal, SIGNAL)),
        }
    });
    system.limits.call_once(|| limits.collect());
    let runs = boot.command_line.get("runs") == Some("told");
    let ends = (frequency.cycles(PATIENCE), boot.debug_exit(), runs);
    let shared = Shared::new(system, &config, names, samples, ends, (grid.clone(), start));
    let shared = Arc::new(shared.on_disks(swap_on, root_on));
    Ok(Built { shared, config, grid, frequency })
}

/// Objects of so many bytes each on this bill.
fn weight(activity: ActivityId, kind: ObjectKind, each: usize) -> Weight {
    Weight { activity, kind, each: Bytes::new(each as u64) }
}

/// The key of the first random bytes: the processor's word, where it has one, and what else
/// differs from boot to boot.
fn seed(boot: &Boot) -> [u8; SEED] {
    let mut seed = [0; SEED];
    let began = boot.began.get() ^ boot.time_of_day().get();
    for place in seed.chunks_exact_mut(8) {
        place.copy_from_slice(&(vortex_machine::entropy() ^ began).to_le_bytes());
    }
    seed
}
