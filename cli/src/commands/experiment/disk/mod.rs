//! `experiment disk`: are the bytes of a slow disk divided as processes are entitled to them,
//! and is the disk used (§4.5, Figures 15 and 16)? `experiments/disk/README.md` says what it
//! must show, how it differs from the paper's, and where its bounds come from.

mod figures;
mod print;
mod throttle;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::samples;
use super::stage::{Beside, Stage, fill};
use crate::args::DiskStreams;
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::Accelerator;
use crate::machine::disk::{Disk, Disks};
use crate::machine::size::{Cores, Memory};
use crate::out;
use crate::volume::{self, Wanted};
use figures::Figures;
use throttle::Rate;

const LAY: &str = "experiments/disk/lay.xml";
const TEMPLATE: &str = "experiments/disk/machine.xml";
/// Files of all processes together, and of the short form.
const FILES: (u32, u32) = (768, 96);
/// Bytes of a file.
const BYTES: u32 = 2 << 20;
/// Threads that make the files.
const MAKERS: u32 = 24;
/// Requests that the disk has at once.
const DEPTH: u16 = 256;
/// What the disk lets through, one after the other. The third is of operations alone.
const RATES: [Rate; 4] = [
    Rate { bytes: 8_000_000, operations: 0 },
    Rate { bytes: 4_000_000, operations: 0 },
    Rate { bytes: 0, operations: 250 },
    Rate { bytes: 6_000_000, operations: 0 },
];
/// Mebibytes of the machine's memory, as its configuration has it: all files that are read at
/// once fit in.
const MEMORY: u64 = 2048;
/// Milliseconds until all read as much as they can, and seconds for all that is around.
const WARM: u32 = 4_000;
const AROUND: u32 = 8;

/// Runs it.
pub fn run(arguments: &DiskStreams) -> Result<ExitCode, Failure> {
    let host = thread::available_parallelism().map_or(1, usize::from);
    let host = u16::try_from(host).ok().and_then(Cores::new).unwrap_or(Cores::LEAST);
    let cores = arguments.cores.unwrap_or(host);
    let accelerator = Accelerator::choose(arguments.accel, false)?;
    let stage = Stage { accelerator, counted: false, cores };
    let files = if arguments.quick { FILES.1 } else { FILES.0 };
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| Failure::Unwritable(std::env::temp_dir(), error))?;
    let image = folder.path().join("disk.img");
    let took = lay(&stage, folder.path(), &image, files)?;
    let figures = measure(&stage, folder.path(), &image, files, arguments.seconds)?;
    let checks = figures.checks();
    if arguments.json {
        let all = serde_json::json!({ "laid": took, "figures": figures, "checks": checks });
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&print::report(&figures, &checks, &took));
    }
    let good = checks.iter().all(|check| check.holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(path: &str) -> Result<String, Failure> {
    let path = home::root()?.join(path);
    fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))
}

/// An empty file system, and the files on it, made in a machine. What that says of it.
fn lay(stage: &Stage, folder: &Path, image: &Path, files: u32) -> Result<String, Failure> {
    let empty = folder.join("empty");
    fs::create_dir(&empty).map_err(|error| Failure::Unwritable(empty.clone(), error))?;
    // A tenth more than what is in the files.
    let size = u64::from(files) * u64::from(BYTES) * 11 / 10 + (8 << 20);
    let wanted = Wanted {
        size: Some(size),
        block: 4096,
        inodes: Some(u64::from(files) * 2),
        label: String::new(),
        force: false,
    };
    volume::make(&volume::folder(&empty)?, image, &wanted)?;
    eprintln!("vortex: {files} files of {BYTES} bytes are made, by {MAKERS} threads at once");
    let values = BTreeMap::from([("files", files), ("bytes", BYTES), ("threads", MAKERS)]);
    let config = fill(&text(LAY)?, stage.cores, &values);
    let disks = Disks { disks: vec![Disk::new(image)], depth: Some(DEPTH) };
    let beside = Beside { disks: Some(&disks), ..Beside::default() };
    let console = stage.run_with(&config, &["files"], Duration::from_secs(900), beside)?;
    let made = format!("files: {files} files of ");
    let line = console.lines().map(str::trim).find(|line| line.starts_with(&made));
    let line = line.and_then(|line| line.strip_prefix("files: ")).map(String::from);
    line.ok_or(Failure::Unexpected("files that were made", console))
}

/// How many reads gave less than was asked for, of all processes.
fn short_reads(console: &str) -> u64 {
    let told = |line: &str| -> Option<u64> {
        let line = line.trim().strip_prefix("files: ")?.strip_suffix(" reads were short")?;
        line.rsplit_once(' ')?.1.parse().ok()
    };
    console.lines().filter_map(told).sum()
}

/// They are read.
fn measure(
    stage: &Stage,
    folder: &Path,
    image: &Path,
    files: u32,
    seconds: u32,
) -> Result<Figures, Failure> {
    let phases = u32::try_from(RATES.len()).unwrap_or(1);
    let samples = seconds * phases;
    let each = files / 3;
    let all = WARM / 1_000 + samples + AROUND;
    eprintln!("vortex: they are read for {all} s, the disk at {phases} rates");
    let values = BTreeMap::from([
        ("files", each),
        ("firsta", 0),
        ("firstb", each),
        ("firstc", each * 2),
        ("threads", u32::from(stage.cores.get())),
        ("bytes", BYTES),
        ("seconds", all),
        ("samples", samples + 1),
        ("warm", WARM),
    ]);
    let config = fill(&text(TEMPLATE)?, stage.cores, &values);
    let disks = Disks { disks: vec![Disk::new(image)], depth: Some(DEPTH) };
    let monitor = folder.join("monitor");
    let socket = format!("unix:{},server=on,wait=off", monitor.display());
    let devices = ["-qmp", socket.as_str()];
    let memory = Memory::mebibytes(MEMORY);
    let beside = Beside { disks: Some(&disks), devices: &devices, memory, ..Beside::default() };
    let limit = Duration::from_secs(u64::from(all) * 3 + 120);
    let (console, disk) = thread::scope(|scope| {
        let disk = scope.spawn(|| throttle::vary(&monitor, &RATES, seconds));
        let console = stage.run_with(&config, &["files", "sampler"], limit, beside);
        (console, disk.join().unwrap_or_else(|_| Err("it has ended".into())))
    });
    let console = console?;
    if let Some(line) = console.lines().find(|line| line.contains("files: WRONG")) {
        return Err(Failure::Unexpected("files that are whole", line.into()));
    }
    let short = short_reads(&console);
    let disk = disk.map_err(|why| Failure::Unexpected("an answer of QEMU's monitor", why))?;
    let rates = disk.last().map_or(0, |last| last.phase + 1);
    if rates < RATES.len() {
        return Err(Failure::Unexpected("all rates", format!("{rates} of them")));
    }
    let samples = samples::read(&console)?;
    Figures::of(&samples, disk, short)
        .ok_or(Failure::Unexpected("samples of a machine at work", console))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configurations_are_sound() {
        for template in [LAY, TEMPLATE] {
            let names = [
                "files", "firsta", "firstb", "firstc", "together", "bytes", "seconds", "samples",
                "warm", "threads",
            ];
            let values = names.map(|name| (name, 7)).into();
            let text = fill(&text(template).unwrap(), Cores::new(2).unwrap(), &values);
            assert!(crate::config_file::parse(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn short_reads_are_counted() {
        let line = |count| {
            format!("files: 3 files streamed, 9 bytes in 2 s, {count} reads were short\r\n")
        };
        assert_eq!(short_reads(&(line(4) + "x\r\n" + &line(5))), 9);
    }
}
