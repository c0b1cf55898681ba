//! `bench grid`: what the life of a request costs, in instructions and bytes.
//!
//! Instructions are counted by callgrind, so the figures are the same on any machine with
//! the same compiler; time on a shared machine is noise. `vortex-bench` runs each scenario
//! twice, for different numbers of requests: the difference is the steady state.

mod groups;
mod kernel;
mod measure;
mod picture;
mod print;
mod schedulers;

use std::path::Path;
use std::process::ExitCode;

use crate::args::{Bench, Measured};
use crate::failure::Failure;
use crate::home;
use crate::out;
use crate::proof::{Extent, Verdict};
use kernel::With;

pub use measure::Results;

/// The goals, and what a change may not exceed until they are reached.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What we aim for.
    pub goal: u64,
    /// Above this `./vortex test cost` fails.
    pub ceiling: u64,
}

/// A request to the same core.
const LOCAL: Limit = Limit { goal: 300, ceiling: 2_300 };
/// A request to another core, both sides together.
const REMOTE: Limit = Limit { goal: 600, ceiling: 2_800 };
/// A follow-up within the quantum; there is no goal of its own but to be below local.
const RUN_ON: Limit = Limit { goal: 300, ceiling: 900 };
/// A frame allocated and given back at the memory multiplexor.
const FRAME: Limit = Limit { goal: 200, ceiling: 260 };
/// Instructions at 100,000 activities over those at one, in hundredths.
const GROWTH: Limit = Limit { goal: 300, ceiling: 300 };
/// Bytes of a queued request.
const REQUEST: Limit = Limit { goal: 256, ceiling: 256 };
/// Bytes of an activity that is idle on a core.
const IDLE: Limit = Limit { goal: 2_048, ceiling: 2_048 };

/// Measures and prints.
pub fn run(arguments: &Bench) -> Result<ExitCode, Failure> {
    if arguments.picture.is_some() && !matches!(arguments.what, Measured::Schedulers) {
        let what = format!("{:?}", arguments.what).to_lowercase();
        return Err(Failure::Unexpected("'schedulers' with --picture", what));
    }
    match arguments.what {
        Measured::Kernel => return kernel::run(kernel::PROCESS, With::Nothing, arguments.json),
        Measured::Memory => return kernel::run(kernel::MEMORY, With::Nothing, arguments.json),
        Measured::Storage => return kernel::run(kernel::STORAGE, With::Disk, arguments.json),
        Measured::Network => return kernel::run(kernel::NETWORK, With::Card, arguments.json),
        Measured::Schedulers => {
            return schedulers::run(arguments.json, arguments.picture.as_deref());
        }
        Measured::Grid => {}
    }
    if !home::works("valgrind", &["--version"]) {
        return Err(Failure::Missing { tool: "valgrind", get: "sudo apt-get install valgrind" });
    }
    let results = measure::all(&home::root()?)?;
    if arguments.json {
        out::put(&format!("{}\n", serde_json::to_string_pretty(&results)?));
    } else {
        out::put(&print::report(&results));
    }
    Ok(ExitCode::SUCCESS)
}

/// As a part of the proof: fails above a ceiling, and says which goals are missed.
pub fn cost(root: &Path, _: Extent) -> Verdict {
    if !home::works("valgrind", &["--version"]) {
        return Verdict::NotRun("valgrind is missing; on Debian: apt-get install valgrind".into());
    }
    let results = match measure::all(root) {
        Ok(results) => results,
        Err(failure) => return Verdict::Bad(failure.to_string()),
    };
    let over: Vec<_> = results.against(|limit| limit.ceiling);
    if !over.is_empty() {
        return Verdict::Bad(format!("above the ceiling: {}", over.join("; ")));
    }
    let missed: Vec<_> = results.against(|limit| limit.goal);
    if missed.is_empty() {
        Verdict::Good("every goal is met".into())
    } else {
        Verdict::Good(format!("below the ceilings; goals missed: {}", missed.join("; ")))
    }
}
