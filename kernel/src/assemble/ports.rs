//! The resources that every machine has, put on the grid.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_files::Root;
use vortex_grid::Port;
use vortex_resources::Ports;
use vortex_resources::aio::AsyncIo;
use vortex_resources::files::FileSystem;
use vortex_resources::memory::{AddressSpaces, Reclaimer};
use vortex_resources::monitor::{Monitor, Samples, Traces};
use vortex_resources::process::Processes;
use vortex_units::ActivityId;

use super::changes::Orders;
use super::instances::{home, reaches, spec};
use super::written::rights;
use super::{Failure, On, Threads};

/// Adds them, and tells where each is.
///
/// # Errors
///
/// A scheduler that the configuration has for one of them cannot be had.
#[inline(never)] // Its frame must not lie beneath what `build` does next.
pub(super) fn add(
    on: On<'_>,
    root: Box<Root>,
    names: &[(String, ActivityId)],
    watched: &(Arc<Samples>, Arc<Traces>),
    threads: Threads,
) -> Result<Ports, Failure> {
    Ok(Ports {
        process: on.grid.add(home(spec(on.config, on.frequency, "resource.process")?), {
            let system = on.system.clone();
            move |_| Processes::new(system.clone())
        }),
        memory: on.grid.add(spec(on.config, on.frequency, "resource.asr")?, {
            let system = on.system.clone();
            move |_| AddressSpaces { system: system.clone() }
        }),
        reclaimer: on.grid.add(home(spec(on.config, on.frequency, "resource.memory")?), {
            let system = on.system.clone();
            move |_| Reclaimer::new(system.clone())
        }),
        files: files(on, root)?,
        aio: on.grid.add(home(spec(on.config, on.frequency, "resource.aior")?), {
            let system = on.system.clone();
            move |_| AsyncIo::new(system.clone())
        }),
        monitor: monitor(on, names, watched)?,
        threads,
    })
}

/// The file resource, which has the root.
fn files(on: On<'_>, root: Box<Root>) -> Result<Port<FileSystem>, Failure> {
    let system = on.system.clone();
    let root = Mutex::new(Some(root));
    let spec = home(spec(on.config, on.frequency, "resource.file")?);
    Ok(on.grid.add(spec, move |_| {
        // At home on one core, it is made once: at boot, where a panic says why.
        let root = root.lock().take().expect("the file resource is at home on one core");
        FileSystem::new(*root, system.clone())
    }))
}

/// The monitor, with the names of activities and who may see all of them.
fn monitor(
    on: On<'_>,
    names: &[(String, ActivityId)],
    watched: &(Arc<Samples>, Arc<Traces>),
) -> Result<Port<Monitor>, Failure> {
    let names: Vec<_> = names.iter().map(|(name, id)| (*id, name.clone())).collect();
    let (rights, reaches) = (rights(on.config, &names), reaches(on.config));
    let (watched, frequency) = (watched.clone(), on.frequency);
    let live = on.live.clone();
    let spec = home(spec(on.config, frequency, "resource.monitor")?);
    Ok(on.grid.add(spec, move |_| {
        let (names, reaches) = (names.clone(), reaches.clone());
        let activities = names.iter().map(|(id, _)| *id).collect();
        let changes = Box::new(Orders::new(live.clone(), activities));
        Monitor::new(watched.clone(), frequency, names, rights.clone(), (reaches, changes))
    }))
}
