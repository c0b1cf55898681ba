//! The resources of disks, where the machine has any (Table 2).

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_config::Config;
use vortex_grid::policy::Metric;
use vortex_grid::{Frequency, Grid, InstanceSpec};
use vortex_resources::storage::{
    Disks, Driver, Interrupts, NoDisks, Ports, Scsi, Translator, Volumes, find,
};
use vortex_resources::{Mail, System};
use vortex_units::CoreId;

use super::Failure;
use super::instances::{spec, spec_by};
use crate::console::print;

/// Sets up the disks and their resources, if there is a disk controller.
pub(super) fn add(
    config: &Config,
    grid: &Arc<Grid<Mail>>,
    system: &System,
    frequency: Frequency,
) -> Result<(), Failure> {
    let by = |name| spec_by(config, frequency, name, Metric::Bytes);
    let driver = by("resource.drwr")?;
    let cores: Vec<CoreId> = driver.cores.iter().map(|(core, _)| *core).collect();
    let disks = match find(&cores, |line| print(format_args!("vortex: {line}\n"))) {
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
    wiring.ports.call_once(|| ports);
    system.disks.call_once(|| disks);
    Ok(())
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
