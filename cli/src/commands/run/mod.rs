//! `run`: builds the kernel and its first root file system, starts the machine, shows its
//! console.

pub mod built_in;
mod contents;
mod hosting;
mod lines;
mod plan;
mod ports;
mod served;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vortex_config::{Config, Network, limits};

use crate::args::Run;
use crate::config_file;
use crate::failure::Failure;
use crate::home;
use crate::human;
use crate::machine::accelerator::Accelerator;
use crate::machine::console::{self, Manner, Symbols};
use crate::machine::disk::{Disk, Disks};
use crate::machine::image::{self, Tree};
use crate::machine::kernel;
use crate::machine::network;
use crate::machine::qemu::{Machine, Version};
use crate::machine::size::{Cores, Memory};
use crate::out;
use crate::running::Secret;
use plan::Plan;
pub use ports::Door;
use ports::Taken;
use served::Served;

/// Where the configuration is in the root file system.
const CONFIG: &str = "/etc/vortex.xml";
/// What is hosted where nothing is named, in the checkout.
const SITES: &str = "examples/web-sites.xml";

/// Runs a machine to its end.
pub fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let root = home::root()?;
    let sites = arguments.file.is_none() && arguments.program.is_empty();
    let file = arguments.file.clone().or_else(|| sites.then(|| root.join(SITES)));
    let Some((text, config)) = configuration(arguments, file.as_deref())? else {
        return Ok(ExitCode::FAILURE);
    };
    let taken = if sites { Taken::Another } else { Taken::Fails };
    let doors = ports::doors(&config, taken, &arguments.publish)?;
    let place = config.machine.network.as_ref();
    let cores = cores(arguments.cores, &config)?;
    let memory = arguments.memory.unwrap_or_else(|| memory(&config));
    let mut served = Served::beside(file.as_deref());
    let hosts = doors.iter().any(|door| door.monitor) && !arguments.console;
    let orders = hosts && !arguments.dry_run && ports::takes_orders(&config);
    let secret = orders.then(Secret::new).transpose().map_err(Failure::NoChance)?;
    let tree = contents::tree(arguments, text, &config, &mut served, secret.as_ref())?;
    let mut machine = Machine {
        accelerator: Accelerator::Tcg,
        counted: arguments.counted,
        cores,
        memory,
        kernel: arguments.kernel.clone().unwrap_or_else(|| kernel::expected(&root)),
        image: Some(PathBuf::from("ROOT.cpio")),
        words: words(arguments, &doors, place),
        disks: disks(arguments)?,
        devices: devices(arguments, &doors, place),
    };
    machine.suits(Version::installed()?)?;
    if arguments.dry_run {
        return dry(arguments, machine, &tree);
    }
    machine.kernel = match &arguments.kernel {
        Some(path) => kernel::named(path)?,
        None => kernel::build(&root)?,
    };
    let symbols = Symbols::read(&machine.kernel, &root)?;
    let events = console::watch()?;
    let (archive, size) = image::temporary(&tree)?;
    if size > memory.bytes() / 2 {
        return Err(Failure::ImageTooLarge { image: size, memory });
    }
    machine.image = Some(archive.path().to_path_buf());
    machine.accelerator = Accelerator::choose(arguments.accel, arguments.counted)?;
    if hosts {
        let file = file.unwrap_or_default();
        let plan = Plan {
            arguments,
            root: &root,
            file: &file,
            config: &config,
            secret: secret.as_ref(),
            symbols,
        };
        let hosting = plan.hosting(&machine, doors)?;
        return hosting::host(hosting, &machine, &events, arguments.timeout);
    }
    for Door { activity, host, guest, .. } in &doors {
        eprintln!("vortex: {activity}: port {guest} is 127.0.0.1:{host}");
    }
    let manner = Manner { limit: arguments.timeout, with_status: machine.ends_with_status() };
    let ending = console::run(machine.command(), &events, symbols, manner)?;
    eprintln!("vortex: {ending}");
    Ok(ExitCode::from(ending.code()))
}

/// What would be done.
fn dry(arguments: &Run, mut machine: Machine, tree: &Tree) -> Result<ExitCode, Failure> {
    machine.accelerator = Accelerator::choose(arguments.accel, arguments.counted)?;
    let size = image::write(tree, std::io::sink())?;
    let line = machine.line();
    let table = image::table(tree);
    let size = human::bytes(size);
    out::put(&format!("{line}\n\nROOT.cpio, {size}:\n\n{table}"));
    Ok(ExitCode::SUCCESS)
}

/// The configuration as text and as what it says; nothing where it has flaws, which have
/// been told.
fn configuration(
    arguments: &Run,
    file: Option<&Path>,
) -> Result<Option<(Vec<u8>, Config)>, Failure> {
    let (path, text) = match file {
        Some(path) => (path, config_file::bytes(path)?),
        None => {
            let cores = arguments.cores.unwrap_or(Cores::LEAST);
            let text = built_in::text(cores, &arguments.program);
            (Path::new("the built-in configuration"), text.into_bytes())
        }
    };
    match config_file::parse(&text) {
        Ok(config) => {
            said_whole(arguments, &config)?;
            Ok(Some((text, config)))
        }
        Err(flaws) => {
            config_file::complain(path, &flaws);
            Ok(None)
        }
    }
}

/// Whether the program and its arguments came through the configuration unchanged: XML
/// knows no control characters, and the spaces around a value are not part of it.
fn said_whole(arguments: &Run, config: &Config) -> Result<(), Failure> {
    let Some(service) = config.services.first() else { return Ok(()) };
    let read = [&service.program].into_iter().chain(&service.arguments);
    match arguments.program.iter().zip(read).find(|(said, read)| said != read) {
        Some((said, _)) => Err(Failure::NoArgument(said.clone())),
        None => Ok(()),
    }
}

fn cores(asked: Option<Cores>, config: &Config) -> Result<Cores, Failure> {
    let highest = config.multiplexors.iter().map(|multiplexor| multiplexor.core.get()).max();
    let needs = highest.map_or(1, |core| core.saturating_add(1)).min(limits::CORES);
    match asked {
        Some(asked) if asked.get() < needs => Err(Failure::FewCores { asked, needs }),
        Some(asked) => Ok(asked),
        None => Ok(Cores::new(needs).unwrap_or(Cores::LEAST)),
    }
}

/// As much as the configuration was made for, and no less than a kernel needs.
fn memory(config: &Config) -> Memory {
    let mebibytes = config.machine.memory.get().div_ceil(256);
    Memory::mebibytes(mebibytes).unwrap_or(Memory::LEAST)
}

/// The disks, if their images are files.
fn disks(arguments: &Run) -> Result<Disks, Failure> {
    let disk = |image: &PathBuf| match std::fs::metadata(image) {
        Ok(found) if found.len() > 0 => Ok(Disk::new(image)),
        Ok(_) => Err(Failure::NoDisk(image.clone(), "it is empty".into())),
        Err(error) => Err(Failure::NoDisk(image.clone(), error.to_string())),
    };
    let disks = arguments.disk.iter().map(disk).collect::<Result<_, _>>()?;
    Ok(Disks { disks, depth: None })
}

fn words(arguments: &Run, doors: &[Door], place: Option<&Network>) -> Vec<String> {
    // So that how it ended is known here.
    let first = [format!("config={CONFIG}"), "exit=debug".into()];
    // What the configuration says is not said again.
    let wanted = has_network(arguments, doors) && place.is_none();
    let network = wanted.then(network::words).into_iter().flatten();
    let further = split(&arguments.append).map(String::from);
    first.into_iter().chain(network).chain(further).collect()
}

/// Whether it has a card: it is asked for, or services are to be reached.
fn has_network(arguments: &Run, doors: &[Door]) -> bool {
    arguments.net || !doors.is_empty()
}

/// QEMU's further arguments: the network card, and what is said.
fn devices(arguments: &Run, doors: &[Door], place: Option<&Network>) -> Vec<OsString> {
    let published = ports::published(doors, &arguments.publish);
    let wanted = has_network(arguments, doors) || place.is_some();
    let card = wanted.then(|| network::arguments_at(&published, place));
    let further = split(&arguments.qemu).map(OsString::from);
    card.into_iter().flatten().chain(further).collect()
}

fn split(texts: &[String]) -> impl Iterator<Item = &str> {
    texts.iter().flat_map(|text| text.split_whitespace())
}

#[cfg(test)]
mod tests;
