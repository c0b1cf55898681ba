//! `experiment file-read`: is what a resource does for several processes attributed to them,
//! and shared as they are entitled (§4.3, Figures 9 to 11)? `experiments/file-read/README.md`
//! says what it must show, and where its bounds come from.

mod figures;
mod print;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use super::samples;
use super::stage::{Beside, Stage, fill};
use crate::args::FileRead;
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::Accelerator;
use crate::machine::disk::{Disk, Disks};
use crate::machine::size::Cores;
use crate::out;
use crate::volume::{self, VolumeError, Wanted};
use figures::Figures;

const TEMPLATE: &str = "experiments/file-read/machine.xml";
/// Seconds of a run beside its samples: until the first, and after the last.
const AROUND: u32 = 3;
/// Bytes of each file: what is read of it, and more.
const BYTES: usize = 64 << 10;
const FILES: [&str; 3] = ["a", "b", "c"];

/// Runs it.
pub fn run(arguments: &FileRead) -> Result<ExitCode, Failure> {
    let accelerator = Accelerator::choose(arguments.accel, arguments.counted)?;
    if arguments.counted && arguments.cores > Cores::LEAST {
        return Err(Failure::Unexpected("one core in counted time", arguments.cores.to_string()));
    }
    let stage = Stage { accelerator, counted: arguments.counted, cores: arguments.cores };
    let figures = measure(stage, arguments.seconds)?;
    let checks = figures.checks();
    if arguments.json {
        let all = serde_json::json!({ "figures": figures, "checks": checks });
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&print::report(&figures, &checks));
    }
    let good = checks.iter().all(|check| check.holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(stage: Stage, seconds: u32) -> Result<Figures, Failure> {
    let path = home::root()?.join(TEMPLATE);
    let template =
        fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path.clone(), error))?;
    let folder = tempfile::tempdir();
    let unwritable = |error| VolumeError::Write(std::env::temp_dir(), error);
    let folder = folder.map_err(unwritable)?;
    let image = folder.path().join("disk.img");
    let files = folder.path().join("files");
    fs::create_dir(&files).map_err(unwritable)?;
    for name in FILES {
        let bytes: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
        fs::write(files.join(name), bytes).map_err(unwritable)?;
    }
    let wanted = Wanted {
        size: Some(4 << 20),
        block: 4096,
        inodes: None,
        label: "file-read".into(),
        force: false,
    };
    volume::make(&volume::folder(&files)?, &image, &wanted)?;
    eprintln!(
        "vortex: {} cores, {seconds} samples: {} s of the machine's time",
        stage.cores,
        seconds + AROUND
    );
    let values = BTreeMap::from([("seconds", seconds + AROUND), ("samples", seconds + 1)]);
    let config = fill(&template, stage.cores, &values);
    let disks = Disks { disks: vec![Disk::new(&image)], depth: None };
    let beside = Beside { disks: Some(&disks), ..Beside::default() };
    // Counted time passes more slowly than the host's.
    let limit = Duration::from_secs(u64::from(seconds + AROUND) * 60 + 60);
    let console = stage.run_with(&config, &["reads", "sampler"], limit, beside)?;
    let samples = samples::read(&console)?;
    Figures::of(&samples, stage, &console)
        .ok_or(Failure::Unexpected("samples of a machine at work", console))
}
