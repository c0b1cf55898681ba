//! `simulate`: a configuration under virtual time, and what became of everybody's share.

mod print;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use vortex_config::Config;
use vortex_sim::{Options, Report, SimError};
use vortex_units::Nanos;

use crate::args::Simulate;
use crate::config_file;
use crate::failure::Failure;
use crate::out;

/// How many runs of each core a trace holds.
const TRACE: usize = 1_000_000;

/// Simulates; 1 where the file has a flaw, or where the ledgers do not balance.
pub fn run(arguments: &Simulate) -> Result<ExitCode, Failure> {
    let path = &arguments.file;
    let config = match config_file::read(path)? {
        Ok(config) => config,
        Err(flaws) => {
            config_file::complain(path, &flaws);
            return Ok(ExitCode::FAILURE);
        }
    };
    if config.simulation.is_none() {
        eprintln!(
            "{}: there is no <simulation> in it: the machine stays idle; \
             examples/paper-cpu.xml shows one",
            path.display()
        );
    }
    let report = match vortex_sim::simulate(&config, &options(arguments, &config)) {
        Ok(report) => report,
        Err(error) => {
            complain(path, &error);
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Some(to) = &arguments.trace {
        fs::write(to, report.trace_text())
            .map_err(|error| Failure::Unwritable(to.clone(), error))?;
    }
    if arguments.json {
        out::put(&format!("{}\n", json(&report)?));
    } else {
        out::put(&print::report(path, &report));
    }
    Ok(if report.audit.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The trace, if there is one, goes to its own file.
fn json(report: &Report) -> Result<String, Failure> {
    let mut value = serde_json::to_value(report)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("trace");
    }
    Ok(serde_json::to_string_pretty(&value)?)
}

fn options(arguments: &Simulate, config: &Config) -> Options {
    let asked = arguments.seconds.map(|seconds| Nanos::new((seconds * 1e9) as u64));
    let duration = asked.or(config.simulation.as_ref().map(|simulation| simulation.duration));
    let mut options = Options {
        seed: arguments.seed,
        duration: asked,
        trace: if arguments.trace.is_some() { TRACE } else { 0 },
        ..Options::default()
    };
    // Ten samples where it is short; never more than one a millisecond of virtual time.
    let tenth = duration.map_or(0, |duration| duration.get() / 10).max(1_000_000);
    options.sample = Nanos::new(options.sample.get().min(tenth));
    options
}

/// What cannot be simulated, a line each with its place.
fn complain(path: &Path, error: &SimError) {
    let file = path.display();
    match error {
        SimError::Build(problems) => {
            for (place, problem) in &problems.0 {
                match place.line {
                    0 => eprintln!("{file}: {problem}"),
                    _ => eprintln!("{file}:{place}: {problem}"),
                }
            }
        }
        SimError::Stuck(stuck) => eprintln!("{file}: {stuck}"),
    }
}
