//! `experiment cpu`: is consumption attributed to the activity that causes it, and shared
//! as it is entitled (§4.1, §4.2, Figure 8)? `experiments/cpu/README.md` says what it must
//! show, and where its bounds come from.

mod figures;
mod print;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::samples;
use super::stage::{Stage, fill};
use crate::args::Cpu;
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::qemu::Version;
use crate::machine::size::Cores;
use crate::out;
use crate::proof::{Extent, Verdict};
use figures::Figures;

const TEMPLATE: &str = "experiments/cpu/machine.xml";
/// The timeslice of the figure, in milliseconds.
const TIMESLICE: u32 = 5;
/// Seconds of a run beside its samples: until the first, and after the last.
const AROUND: u32 = 3;

/// Runs it.
pub fn run(arguments: &Cpu) -> Result<ExitCode, Failure> {
    let cores = cores(arguments)?;
    let accelerator = Accelerator::choose(arguments.accel, arguments.counted)?;
    let stage = Stage { accelerator, counted: arguments.counted, cores };
    let main = measure(stage, TIMESLICE, arguments.seconds)?;
    let others: &[u32] = if arguments.quick { &[] } else { &arguments.timeslices };
    let others = others.iter().map(|&timeslice| measure(stage, timeslice, arguments.seconds));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let checks = verdict::checks(&main, &others);
    if arguments.json {
        let all = serde_json::json!({ "figure": main, "accuracy": others, "checks": checks });
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&print::report(&main, &others, &checks));
    }
    let good = checks.iter().all(|check| check.holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As a part of the proof: a few seconds on two cores. Only the ledger is judged: whose
/// cycle each is does not depend on how the host shares its processors; the shares of a
/// second do.
pub fn ledger(_: &Path, _: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, false) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let stage = Stage { accelerator, counted: false, cores: Cores::new(2).unwrap_or(Cores::LEAST) };
    match measure(stage, TIMESLICE, 5) {
        Ok(figures) if figures.unaccounted == 0 => {
            let cycles = crate::human::cycles(figures.available);
            Verdict::Good(format!("{cycles} cycles, each on one bill"))
        }
        Ok(figures) => Verdict::Bad(format!("{} cycles are unaccounted for", figures.unaccounted)),
        Err(failure) => Verdict::Bad(failure.to_string()),
    }
}

/// As many cores as were asked for, or as the host has; one where this QEMU cannot count
/// the instructions of several.
fn cores(arguments: &Cpu) -> Result<Cores, Failure> {
    let host = std::thread::available_parallelism().map_or(1, usize::from);
    let host = u16::try_from(host).ok().and_then(Cores::new).unwrap_or(Cores::LEAST);
    let asked = arguments.cores.unwrap_or(host);
    let found = Version::installed()?;
    if arguments.counted && asked > Cores::LEAST && found < Version::COUNTS_CORES {
        eprintln!(
            "vortex: counted time on {asked} cores needs QEMU {}, and this is {found}: one core \
             instead",
            Version::COUNTS_CORES
        );
        return Ok(Cores::LEAST);
    }
    Ok(asked)
}

fn measure(stage: Stage, timeslice: u32, seconds: u32) -> Result<Figures, Failure> {
    let path = home::root()?.join(TEMPLATE);
    let template =
        fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path.clone(), error))?;
    eprintln!(
        "vortex: {} cores, timeslices of {timeslice} ms, {seconds} samples: {} s of the machine's \
         time",
        stage.cores,
        seconds + AROUND
    );
    let values = BTreeMap::from([
        ("timeslice", timeslice),
        ("seconds", seconds + AROUND),
        ("samples", seconds + 1),
    ]);
    let config = fill(&template, stage.cores, &values);
    // Counted time passes more slowly than the host's.
    let limit = Duration::from_secs(u64::from(seconds + AROUND) * 4 + 60);
    let console = stage.run(&config, &["burn", "sampler"], limit)?;
    let samples = samples::read(&console)?;
    Figures::of(&samples, stage, timeslice)
        .ok_or(Failure::Unexpected("samples of a machine at work", console))
}
