//! `experiment floods`: does who floods a machine, or one of its sites, take anything from
//! another? `experiments/floods/README.md` says what it must show.

mod measure;
mod print;
mod sites;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::checks::Check;
use crate::args::Floods;
use crate::failure::Failure;
use crate::machine::accelerator::Accelerator;
use crate::machine::size::Cores;
use crate::out;
use crate::volume::VolumeError;
use measure::Figures;
use sites::Side;

/// How many times as long 99 of a hundred pages may take beside a flood, and what that has to be
/// at least to be judged, in milliseconds: this host looks at its wire so often.
const LONGER: f64 = 2.0;
const LEAST: f64 = 10.0;
/// What the site keeps at least, in parts of what it does alone: what it is entitled to beside the
/// other, less a tenth for what changes from one part to the next.
const KEPT: f64 = 50.0 / 83.0 * 0.9;

/// Runs it.
pub fn run(arguments: &Floods) -> Result<ExitCode, Failure> {
    let accelerator = Accelerator::choose(arguments.on.accel, false)?;
    let cores = arguments.on.cores.unwrap_or(Cores::LEAST);
    let time = Duration::from_secs(arguments.seconds.into());
    let (ours, rate) = side(Side::Ours, accelerator, cores, time, None)?;
    let theirs = match arguments.no_linux {
        true => None,
        // The same pages a second are asked for.
        false => Some(side(Side::Linux, accelerator, cores, time, Some(rate))?.0),
    };
    let checks = checks(&ours);
    if arguments.on.json {
        let all = serde_json::json!({
            "rate": rate, "vortex": ours, "linux": theirs, "checks": checks
        });
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&print::report(rate, &ours, theirs.as_ref(), &checks));
    }
    let good = checks.iter().all(|check| check.holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn side(
    side: Side,
    accelerator: Accelerator,
    cores: Cores,
    time: Duration,
    rate: Option<f64>,
) -> Result<(Figures, f64), Failure> {
    eprintln!("vortex: {}", side.name());
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| VolumeError::Write(std::env::temp_dir(), error))?;
    let (wire, ended) = (folder.path(), AtomicBool::new(false));
    let limit = time * 20 + Duration::from_secs(240);
    let (console, told) = thread::scope(|scope| {
        let measures = scope.spawn(|| measure::measure(wire, &ended, time, rate));
        let console = sites::serve(side, accelerator, cores, wire, limit);
        ended.store(true, Ordering::Relaxed);
        (console, measures.join().unwrap_or_else(|_| Err("who measures has panicked".into())))
    });
    let console = console?;
    told.map_err(|why| Failure::Unexpected("pages from both sites", format!("{why}\n{console}")))
}

fn checks(figures: &Figures) -> Vec<Check> {
    let mut all = Vec::new();
    let Some((alone, beside)) = figures.rows.split_first() else { return all };
    for row in beside {
        let name = row.beside.name();
        let mut add = |what: String, measured: f64, bound: f64, unit, holds| {
            all.push(Check { what, measured, bound, unit, holds });
        };
        let least = alone.pages * KEPT;
        add(format!("pages a second, {name}"), row.pages, least, "least", row.pages >= least);
        let most = (alone.most * LONGER).max(LEAST);
        add(format!("99 of a hundred within, {name}"), row.most, most, "ms", row.most <= most);
        add(
            format!("pages that did not come, {name}"),
            row.failed as f64,
            0.0,
            "",
            row.failed == 0,
        );
    }
    all
}
