//! `experiment all`: every experiment in turn, some number of times, and a report of what the
//! paper says, what was measured and how far that spreads.
//!
//! Each is this command itself, started anew with `--json`: what is reported is what it says
//! by itself, and one that fails does not end the others. The report is a page with the
//! figures drawn anew, the figures as files beside it, and everything as JSON.

mod figure;
mod outcome;
mod page;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::args::All;
use crate::failure::Failure;
use crate::home;
use crate::human;
use crate::out;
use crate::table::{Align, Table};
use outcome::{Outcome, Spread};

/// An experiment, and its words where it is whole and where it is short.
struct Entry {
    name: &'static str,
    about: &'static str,
    whole: &'static [&'static str],
    quick: &'static [&'static str],
}

const ALL: [Entry; 5] = [
    Entry {
        name: "cpu",
        about: "Three CPU-bound processes at 50, 33 and 17 % (§4.2, Figure 8)",
        whole: &["--seconds", "60", "--quick"],
        quick: &["--seconds", "5", "--quick"],
    },
    Entry {
        name: "file-read",
        about: "Reads of cached files through three resources (§4.3, Figures 9 to 11)",
        whole: &["--seconds", "30"],
        quick: &["--seconds", "5", "--shares", "charge-through"],
    },
    Entry {
        name: "disk",
        about: "A slow disk divided by bytes (§4.5, Figures 15 and 16)",
        whole: &["--seconds", "10", "--quick"],
        quick: &["--seconds", "4", "--quick"],
    },
    Entry {
        name: "attacks",
        about: "Two services beside one that storms the process interface (§3.4)",
        whole: &["--seconds", "10"],
        quick: &["--seconds", "3", "--only", "forkbomb,callstorm"],
    },
    Entry {
        name: "memory",
        about: "Two services beside one that uses more memory than it may (§3.2)",
        whole: &["--seconds", "10"],
        quick: &["--seconds", "3", "--only", "fill"],
    },
];

/// What an experiment came to in its runs.
#[derive(Debug, Serialize)]
pub struct Came {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What each run printed; why there is nothing where a run failed.
    pub runs: Vec<Result<Value, String>>,
    /// Of all runs together.
    pub spread: Vec<Spread>,
}

impl Came {
    /// Whether every run ran, and every bound holds in each.
    pub fn holds(&self) -> bool {
        self.runs.iter().all(Result::is_ok) && self.spread.iter().all(|of| of.holds)
    }
}

/// Runs them all.
pub fn run(arguments: &All) -> Result<ExitCode, Failure> {
    let root = home::root()?;
    let folder = match &arguments.output {
        Some(folder) => folder.clone(),
        None => home::target(&root).join("experiments"),
    };
    std::fs::create_dir_all(&folder).map_err(|e| Failure::Unwritable(folder.clone(), e))?;
    let began = Instant::now();
    let mut results = Vec::new();
    for (place, entry) in ALL.iter().enumerate() {
        let mut runs = Vec::new();
        for run in 1..=arguments.runs {
            let (at, all, of) = (place + 1, ALL.len(), arguments.runs);
            let name = entry.name;
            let up = human::span(began.elapsed());
            eprintln!("vortex: [{up}] experiment {at} of {all}: {name}, run {run} of {of}");
            runs.push(once(entry, arguments)?);
        }
        let outcomes: Vec<Vec<Outcome>> =
            runs.iter().flatten().map(|value| outcome::of(entry.name, value)).collect();
        let spread = outcome::spread(&outcomes);
        results.push(Came { name: entry.name, about: entry.about, runs, spread });
    }
    let took = began.elapsed();
    write(&folder, &results, took)?;
    if arguments.json {
        out::put(&format!("{}\n", serde_json::to_string_pretty(&results)?));
    } else {
        out::put(&report(&results, took));
        out::put(&format!("\nThe report: {}\n", folder.join(page::NAME).display()));
    }
    let good = results.iter().all(Came::holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run of one: what it printed, or why it printed nothing.
fn once(entry: &Entry, arguments: &All) -> Result<Result<Value, String>, Failure> {
    let this = std::env::current_exe();
    let this = this.map_err(|error| Failure::NotStarted("this command".into(), error))?;
    let words = if arguments.quick { entry.quick } else { entry.whole };
    let mut command = Command::new(this);
    command.args(["experiment", entry.name]).args(words).arg("--json");
    if let Some(accelerator) = clap::ValueEnum::to_possible_value(&arguments.accel) {
        command.arg("--accel").arg(accelerator.get_name());
    }
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| Failure::NotStarted(entry.name.into(), error))?;
    let read = serde_json::from_slice(&output.stdout);
    Ok(read.map_err(|_| format!("it ended with {} and no figures", output.status)))
}

fn write(folder: &Path, results: &[Came], took: Duration) -> Result<(), Failure> {
    let put = |name: &str, text: &[u8]| {
        let path: PathBuf = folder.join(name);
        std::fs::write(&path, text).map_err(|error| Failure::Unwritable(path, error))
    };
    put("report.json", &serde_json::to_vec_pretty(results)?)?;
    let mut figures = Vec::new();
    for result in results {
        // The last run that ran is drawn.
        let Some(value) = result.runs.iter().flatten().last() else { continue };
        for figure in figure::of(result.name, value) {
            put(&format!("{}.svg", figure.file), figure.svg.as_bytes())?;
            figures.push((result.name, figure));
        }
    }
    put(page::NAME, page::text(results, &figures, took).as_bytes())
}

/// All of it as a table.
fn report(results: &[Came], took: Duration) -> String {
    use Align::{Left, Right};
    let columns = [
        ("experiment", Left),
        ("", Left),
        ("paper", Right),
        ("measured", Right),
        ("bound", Right),
        ("unit", Left),
        ("holds", Left),
    ];
    let mut table = Table::new(&columns);
    let mut failed = String::new();
    for result in results {
        for of in &result.spread {
            table.row([
                result.name.to_string(),
                of.what.clone(),
                of.paper.clone(),
                of.measured(),
                of.bound.map_or("-".into(), |bound| outcome::number(bound, &of.unit)),
                of.unit.clone(),
                if of.holds { "yes" } else { "NO" }.into(),
            ]);
        }
        for why in result.runs.iter().filter_map(|run| run.as_ref().err()) {
            failed += &format!("{}: {why}\n", result.name);
        }
    }
    let wrong = results.iter().filter(|result| !result.holds()).count();
    let verdict = match wrong {
        0 => format!("{} experiments, everything within its bounds", results.len()),
        wrong => format!("{wrong} of {} experiments are not within their bounds", results.len()),
    };
    format!("{}\n{failed}{verdict}, in {}\n", table.render(), human::span(took))
}
