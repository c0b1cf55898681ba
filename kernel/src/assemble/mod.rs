//! From the configuration to a grid on the machine.

mod changes;
mod disks;
mod failure;
mod instances;
mod network;
mod ports;
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
use vortex_assembly::{Limit, Live, Remark, limit_of};
use vortex_config::{Config, Control, ShareForm, StackedScheduler};
use vortex_files::{Counted, Root, Time};
use vortex_grid::{BusSpec, Core, CoreSpec, Family, Frequency, Grid, GridSpec, Sampling};
use vortex_machine::{Boot, Cpu};
use vortex_resources::bill::{FileBill, ObjectKind, owner_of};
use vortex_resources::memory::{REGION, Shows};
use vortex_resources::monitor::{Samples, Traces};
use vortex_resources::process::signals::SIGNAL;
use vortex_resources::process::{Allowance, Beginning, Limits, Random, Registry, SEED};
use vortex_resources::quota::{Quota, Weight};
use vortex_resources::{Idle, MOUNTED, Mail, System, WallClock};
use vortex_units::{ActivityId, Bytes, Cycles, Micros};

pub use failure::Failure;
pub use shared::Shared;

use crate::clock::Clock;
use crate::{defaults, memory};
use instances::add_threads;
use written::{services, written};

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
    let secret = written(archive, Control::SECRET_FILE).ok();
    let root = root(boot, archive)?;
    build(boot, root, config, secret.as_deref().map(str::trim))
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
    let kept = Some(Control::SECRET_FILE);
    Root::load_without(archive, kept, limit, owner, time).map(Box::new).map_err(Failure::Root)
}

/// The grid that the configuration says, with all that is on it.
#[inline(never)] // Its frame must not stay beneath the first core's loop.
fn build(
    boot: &Boot,
    mut root: Box<Root>,
    config: Config,
    secret: Option<&str>,
) -> Result<Built, Failure> {
    let frequency = Frequency::megahertz(boot.megahertz());
    let limits: Vec<_> = config.schedulers.iter().map(|bus| limit_of(bus, frequency)).collect();
    let grid = empty(&config, frequency, &limits);
    let system = system(boot, &config, frequency);
    let live = Arc::new(Mutex::new(None));
    let on = On { config: &config, grid: &grid, system: &system, live: &live, frequency };
    let (mut names, threads) = activities(on)?;
    if let Some(volume) = memory::volume(&config, boot)? {
        system.swap.call_once(|| volume);
    }
    disks::add(&config, &grid, &system, frequency)?;
    if let Some(stray) = network::add(&config, &grid, &system, boot, frequency)? {
        memory::open_plain(&stray.0, stray.1)?;
        names.push(stray);
    }
    if let Some(network) = system.network.get() {
        network.wiring.reserve(written::ports(&config, &names));
    }
    let swap_on = on_a_disk(&system, "swap", memory::swap_on(&config, boot)?)?;
    let root_on = on_a_disk(&system, "root", boot.command_line.get("root"))?;
    let start = services(&config, &names, secret);
    for (activity, (_, id)) in config.activities.iter().zip(&names) {
        let (owner, limits) = (owner_of(*id), activity.limits);
        root.set_most(owner, Counted::Open, limits.files);
        root.set_most(owner, Counted::Pipe, limits.pipes);
    }
    root.set_bill(&FileBill);
    let cores = || config.multiplexors.iter().map(|mux| mux.core);
    let watched = (Arc::new(Samples::new(cores())), Arc::new(Traces::new(cores())));
    let ports = ports::add(on, root, &names, &watched, threads)?;
    if let Some(wiring) = system.file_systems.get() {
        let shows = Box::new(Shows(ports.memory));
        wiring.showing.call_once(|| shows);
    }
    system.ports.call_once(|| ports);
    *live.lock() = Some(Live::new(config.clone(), grid.resources(), limits, frequency));
    system.limits.call_once(|| allowances(&config, &names));
    let runs = boot.command_line.get("runs") == Some("told");
    let ends = (frequency.cycles(PATIENCE), boot.debug_exit(), runs);
    let shared = Shared::new(system, &config, names, watched, ends, (grid.clone(), start));
    let shared = Arc::new(shared.on_disks(swap_on, root_on));
    Ok(Built { shared, config, grid, frequency })
}

/// What is built, and what it is built from.
#[derive(Clone, Copy)]
struct On<'a> {
    config: &'a Config,
    grid: &'a Arc<Grid<Mail>>,
    system: &'a Arc<System>,
    /// The configuration as it is changed while the machine runs.
    live: &'a Arc<Mutex<Option<Live>>>,
    frequency: Frequency,
}

/// Activities by name; those beside the infrastructure with their thread resources.
type Activities = (Vec<(String, ActivityId)>, Threads);
/// The thread resources of activities.
type Threads = Vec<(ActivityId, Family<Mail, vortex_resources::process::Threads>)>;

/// The grid, with no resource on it.
#[inline(never)] // Large before it is in the heap.
fn empty(config: &Config, frequency: Frequency, limits: &[Option<Limit>]) -> Arc<Grid<Mail>> {
    Grid::new(GridSpec {
        cores: config.multiplexors.iter().map(|mux| mux.core.get() + 1).max().unwrap_or(1),
        // Nobody's parts take another's places.
        activities: u32::try_from(config.activities.len() * PLACES).unwrap_or(u32::MAX).max(256),
        infrastructure: vortex_assembly::entitlement(config, 0, frequency),
        frequency,
        buses: config
            .schedulers
            .iter()
            .zip(limits)
            .filter_map(|(written, limit)| bus(written, limit.as_ref(), frequency))
            .collect(),
    })
}

/// A scheduler between others; none that could not be made is left by now ([`read`]).
fn bus(written: &StackedScheduler, limit: Option<&Limit>, frequency: Frequency) -> Option<BusSpec> {
    let scheduler = vortex_assembly::stacked(written, limit, frequency).ok()?;
    let parent = vortex_assembly::parent(written.draws.first()?);
    Some(BusSpec { name: written.tag.clone(), scheduler, parent })
}

/// What the resources share, before there are any.
#[inline(never)] // Large before it is in the heap.
fn system(boot: &Boot, config: &Config, frequency: Frequency) -> Arc<System> {
    let epoch = boot.time_of_day();
    Arc::new(System {
        ports: Once::new(),
        registry: Registry::default(),
        beginning: Beginning::default(),
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
    })
}

/// The activities, each with its budget of memory and its thread resources.
#[inline(never)] // Its frame must not lie beneath what `build` does next.
fn activities(on: On<'_>) -> Result<Activities, Failure> {
    let mut names = vec![("infrastructure".to_string(), ActivityId::INFRASTRUCTURE)];
    let mut threads = Vec::new();
    for (index, activity) in on.config.activities.iter().enumerate().skip(1) {
        let mut entitlement = vortex_assembly::entitlement(on.config, index, on.frequency);
        entitlement.nodes = activity.nodes.unwrap_or(NODES);
        let id = on.grid.activities().create(entitlement).map_err(|_| Failure::Activities)?;
        memory::open(activity, id)?;
        names.push((activity.name.clone(), id));
        let instances = add_threads(on.config, on.grid, on.system, on.frequency, id, index)?;
        threads.push((id, instances));
    }
    Ok((names, threads))
}

/// The volume that this word of the command line names, if there is a disk at all.
fn on_a_disk(system: &System, word: &str, volume: Option<&str>) -> Result<Option<String>, Failure> {
    match volume {
        Some(name) if system.disks.get().is_none() => {
            Err(Failure::Value(format!("{word}={name}: the machine has no disk")))
        }
        volume => Ok(volume.map(String::from)),
    }
}

/// What each activity may have of processes, threads, mappings and waiting signals.
#[inline(never)] // Its frame must not lie beneath what `build` does next.
fn allowances(config: &Config, names: &[(String, ActivityId)]) -> Vec<Allowance> {
    let limits = config.activities.iter().zip(names).map(|(activity, (name, id))| {
        let vortex_config::Limits { processes, threads, mappings, signals, .. } = activity.limits;
        // A thread for which there would be no room when it waits is refused when it is made.
        let room = activity.nodes.unwrap_or(NODES) / NODES_OF_A_THREAD;
        let threads = Some(threads.map_or(room, |threads| threads.min(room)));
        Allowance {
            activity: *id,
            name: name.clone(),
            controls: activity.control == Control::All,
            limits: Limits { processes, threads },
            threads: Arc::default(),
            mappings: Quota::weighing(mappings, weight(*id, ObjectKind::Region, REGION)),
            signals: Quota::weighing(signals, weight(*id, ObjectKind::Signal, SIGNAL)),
        }
    });
    limits.collect()
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
