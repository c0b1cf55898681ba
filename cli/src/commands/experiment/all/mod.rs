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

const ALL: [Entry; 6] = [
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
        name: "web",
        about: "Three web servers on a slow network card (§4.4, Figures 12 to 14)",
        whole: &["--seconds", "30"],
        quick: &["--seconds", "20", "--server", "own"],
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

/// A run.
#[derive(Debug, Serialize)]
pub struct Ran {
    /// What it printed, if it came to figures.
    pub figures: Option<Value>,
    /// What was wrong with it: it did not, or it says itself that its bounds do not hold.
    pub wrong: Option<String>,
}

impl Ran {
    /// What a run came to that printed this, and ended well or in these words.
    fn of(printed: &[u8], ending: Result<(), String>) -> Self {
        let figures = serde_json::from_slice(printed).ok();
        let wrong = match (&figures, ending) {
            (Some(_), Ok(())) => None,
            (Some(_), Err(ending)) => Some(format!("it ended with {ending}")),
            (None, Ok(())) => Some("it printed no figures".into()),
            (None, Err(ending)) => Some(format!("it ended with {ending} and no figures")),
        };
        Self { figures, wrong }
    }
}

/// What an experiment came to in its runs.
#[derive(Debug, Serialize)]
pub struct Came {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its runs.
    pub runs: Vec<Ran>,
    /// Of all runs together.
    pub spread: Vec<Spread>,
}

impl Came {
    /// Whether every run ran and says that it holds, and every bound holds in each; there
    /// must be some.
    pub fn holds(&self) -> bool {
        let ran = self.runs.iter().all(|run| run.wrong.is_none());
        ran && !self.spread.is_empty() && self.spread.iter().all(|of| of.holds)
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
        let figures = runs.iter().filter_map(|run| run.figures.as_ref());
        let outcomes: Vec<Vec<Outcome>> =
            figures.map(|value| outcome::of(entry.name, value)).collect();
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

/// One run of one.
fn once(entry: &Entry, arguments: &All) -> Result<Ran, Failure> {
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
    let status = output.status;
    let ending = if status.success() { Ok(()) } else { Err(status.to_string()) };
    Ok(Ran::of(&output.stdout, ending))
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
        let Some(value) = result.runs.iter().filter_map(|run| run.figures.as_ref()).next_back()
        else {
            continue;
        };
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
        for why in result.runs.iter().filter_map(|run| run.wrong.as_ref()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_that_it_does_not_hold_or_nothing_does_not_hold() {
        let came = |printed: &[u8], ending: Result<(), &str>| {
            let run = Ran::of(printed, ending.map_err(String::from));
            let of = run.figures.iter().map(|value| outcome::of("cpu", value)).collect::<Vec<_>>();
            Came { name: "cpu", about: "", runs: vec![run], spread: outcome::spread(&of) }
        };
        let good = br#"{ "checks": [{ "what": "x", "measured": 0, "bound": 0, "holds": true }] }"#;
        assert!(came(good, Ok(())).holds());
        assert!(!came(good, Err("exit status: 1")).holds());
        assert!(!came(b"{}", Ok(())).holds(), "without an outcome");
        assert!(!came(b"", Ok(())).holds());
    }
}
