//! The resources of disks, where the machine has any (Table 2).

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Once;
use vortex_config::Config;
use vortex_grid::{Frequency, Grid, InstanceSpec, Port};
use vortex_resources::cache::{self, CacheFrames, Ext2, FileCache};
use vortex_resources::storage::{
    Disks, Driver, Interrupts, NoDisks, Ports, Scsi, Translator, Volumes, Wiring, find,
};
use vortex_resources::{Mail, System, WallClock};
use vortex_units::{CoreId, Cycles};

use super::Failure;
use super::instances::{home, spec};
use crate::console::print;

/// Sets up the disks and their resources, if there is a disk controller.
#[inline(never)] // `build`'s frame is the largest of all without this one's.
pub(super) fn add(
    config: &Config,
    grid: &Arc<Grid<Mail>>,
    system: &System,
    frequency: Frequency,
) -> Result<(), Failure> {
    let by = |name| spec(config, frequency, name);
    let driver = by("resource.drwr")?;
    let cores: Vec<CoreId> = driver.cores.iter().map(|(core, _)| *core).collect();
    let disks = match find(&cores, frequency, |line| print(format_args!("vortex: {line}\n"))) {
        Ok(Some(disks)) => disks,
        Ok(None) => return none(config),
        Err(why @ (NoDisks::Device(_) | NoDisks::NoCore)) => {
            print(format_args!("vortex: {why}\n"));
            return none(config);
        }
    };
    // Both are where the device's queues are, and nowhere else.
    let driver = served(driver, &disks);
    if is_written(config, "resource.drwr") && driver.cores.len() < cores.len() {
        let (wanted, has) = (cores.len(), driver.cores.len());
        let what = format!("resource.drwr on {wanted} cores: the disks have queues for {has}");
        return Err(Failure::NotOffered(what));
    }
    let interrupts = served(spec(config, frequency, "resource.dir")?, &disks);
    if interrupts.cores.len() != driver.cores.len() {
        let what = "resource.dir on other cores than resource.drwr";
        return Err(Failure::NotOffered(what.into()));
    }
    let wiring = &disks.wiring;
    let ports = Ports {
        driver: grid.add(driver, {
            let wiring = wiring.clone();
            move |_| Driver::new(wiring.clone())
        }),
        interrupts: grid.add(interrupts, {
            let wiring = wiring.clone();
            move |_| Interrupts::new(wiring.clone(), frequency)
        }),
        translator: grid.add(by("resource.sdrwr")?, {
            let wiring = wiring.clone();
            move |_| Translator::new(wiring.clone())
        }),
        scsi: grid.add(by("resource.scsi")?, {
            let wiring = wiring.clone();
            move |_| Scsi::new(wiring.clone())
        }),
        volumes: grid.add(by("resource.storage")?, {
            let wiring = wiring.clone();
            move |_| Volumes::new(wiring.clone())
        }),
    };
    let volumes = ports.volumes;
    wiring.ports.call_once(|| ports);
    add_file_systems(config, grid, system, (frequency, volumes), wiring.clone())?;
    system.disks.call_once(|| disks);
    Ok(())
}

/// FCR and EXT2R, above the disks. Each is at home on one core.
fn add_file_systems(
    config: &Config,
    grid: &Arc<Grid<Mail>>,
    system: &System,
    (frequency, volumes): (Frequency, Port<Volumes>),
    disks: Arc<Wiring>,
) -> Result<(), Failure> {
    CLOCK.call_once(|| system.clock);
    let says = |line: &str| print(format_args!("vortex: {line}\n"));
    let wiring = cache::Wiring::new(disks, Box::new(CacheFrames), time, says);
    let by = |name| spec(config, frequency, name).map(home);
    let ports = cache::Ports {
        cache: grid.add(by("resource.fcr")?, {
            let wiring = wiring.clone();
            move |_| FileCache::new(wiring.clone(), frequency)
        }),
        ext2: grid.add(by("resource.ext2")?, {
            let wiring = wiring.clone();
            move |_| Ext2::new(wiring.clone())
        }),
        volumes,
    };
    wiring.ports.call_once(|| ports);
    system.file_systems.call_once(|| wiring);
    Ok(())
}

/// The clock by which inodes have their times.
static CLOCK: Once<WallClock> = Once::new();

/// The time of day.
fn time(now: Cycles) -> cache::Time {
    let Some(clock) = CLOCK.get() else { return cache::Time::default() };
    let nanos = clock.epoch.get().saturating_add(clock.since_start(now).get());
    cache::Time { seconds: (nanos / 1_000_000_000) as i64, nanos: (nanos % 1_000_000_000) as u32 }
}

/// On the cores alone that serve the controller.
fn served(spec: InstanceSpec, disks: &Disks) -> InstanceSpec {
    let serves = |core: &CoreId| disks.cores().any(|serves| serves == *core);
    let cores = spec.cores.into_iter().filter(|(core, _)| serves(core)).collect();
    InstanceSpec { cores, ..spec }
}

fn is_written(config: &Config, name: &str) -> bool {
    config.resources.iter().any(|written| written.resource == name)
}

/// There is no disk: then nothing may be said of one.
fn none(config: &Config) -> Result<(), Failure> {
    match vortex_assembly::OF_DISKS.iter().find(|name| is_written(config, name)) {
        Some(name) => Err(Failure::NotOffered(format!("{name}: the machine has no disk"))),
        None => Ok(()),
    }
}
