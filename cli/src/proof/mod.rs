//! The project's proof: its parts, and running them one after the other.
//!
//! A part ends in one of four ways, and the summary names each: it held, it held only when what
//! had failed was tried again, it failed, or it could not run and says why. A part that could
//! not run because a tool of the long suites is missing does not fail the whole, and one that
//! held at the second try does not either: who reads the summary is told what was not steady.

mod aio;
mod boot;
pub mod booted;
mod bus;
mod changed;
pub mod cpython;
mod crowd;
mod files;
pub mod fuzz;
mod hosting;
mod images;
mod links;
mod live;
mod machines;
mod miri;
mod models;
mod network;
mod parts;
mod policies;
mod readme;
mod runs;
mod servers;
mod services;
mod stack;
mod storage;
mod syscalls;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::home;
use crate::out;
use crate::table::{Align, Table};

pub use parts::parts;

/// Lines of a failed part that the summary has again: its first ones, and its last ones.
const FIRST_LINES: usize = 8;
const LAST_LINES: usize = 40;

/// How much of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// On the host, in less than three minutes.
    Quick,
    /// What CI runs.
    Normal,
    /// The long suites too.
    Full,
}

/// How a part ended.
pub enum Verdict {
    /// It held; a note may say how much of it there was.
    Good(String),
    /// It held, but for these, which failed first and then did not; with the note.
    SecondTry(Vec<String>, String),
    /// It failed; with what was said.
    Bad(String),
    /// It could not run.
    NotRun(String),
}

/// What a part does.
pub enum Work {
    /// Programs, one after the other, each of which must succeed.
    Programs(Vec<Program>),
    /// A function of the repository's root.
    Function(fn(&Path, Extent) -> Verdict),
}

/// A program with its arguments and environment.
pub struct Program {
    /// What to start.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Added to the environment.
    pub environment: Vec<(&'static str, String)>,
}

/// A part of the proof.
pub struct Part {
    /// By which it can be asked for.
    pub name: &'static str,
    /// What it proves, in a line.
    pub what: &'static str,
    /// The least extent to which it belongs.
    pub extent: Extent,
    /// What it does.
    pub work: fn(Extent) -> Work,
}

impl Program {
    /// `cargo` with these arguments.
    pub fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments = arguments.into_iter().map(String::from).collect();
        Self { program: "cargo", arguments, environment: Vec::new() }
    }

    /// With this in its environment.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Runs it in the root; its output only where it fails.
    pub fn run(&self, root: &Path) -> Verdict {
        let output = Command::new(self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(root)
            .stdin(Stdio::null())
            .output();
        let line = self.line();
        match output {
            Ok(output) if output.status.success() => {
                Verdict::Good(count_tests(&String::from_utf8_lossy(&output.stdout)))
            }
            Ok(output) => Verdict::Bad(format!(
                "$ {line}\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )),
            Err(error) => Verdict::Bad(format!("$ {line}\ncannot start it: {error}")),
        }
    }

    /// The line that a person would type.
    fn line(&self) -> String {
        let environment =
            self.environment.iter().map(|(name, value)| format!("{name}={}", home::quoted(value)));
        let arguments = self.arguments.iter().map(|argument| home::quoted(argument));
        let words = environment.chain([self.program.to_string()]).chain(arguments);
        words.collect::<Vec<_>>().join(" ")
    }
}

/// `123 tests`, from what cargo says of each test program; empty where it ran none.
fn count_tests(output: &str) -> String {
    let number = |line: &str, before: &str| -> u64 {
        let words = line.split(before).next().unwrap_or("");
        words.split_whitespace().next_back().and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    let results = || output.lines().filter(|line| line.starts_with("test result:"));
    let passed: u64 = results().map(|line| number(line, " passed")).sum();
    let ignored: u64 = results().map(|line| number(line, " ignored")).sum();
    match (passed, ignored) {
        (0, 0) => String::new(),
        (passed, 0) => format!("{passed} tests"),
        (passed, ignored) => format!("{passed} tests, {ignored} ignored"),
    }
}

/// The parts as a table.
pub fn list(parts: &[Part]) -> String {
    let mut table = Table::new(&[
        ("part", Align::Left),
        ("runs with", Align::Left),
        ("what it proves", Align::Left),
    ]);
    for part in parts {
        let extent = match part.extent {
            Extent::Quick => "--quick",
            Extent::Normal => "",
            Extent::Full => "--full only",
        };
        table.row([part.name.into(), extent.into(), part.what.into()]);
    }
    table.render()
}

/// Runs the parts named, or all of the extent.
pub fn run(parts: &[Part], named: &[String], extent: Extent) -> Result<ExitCode, Failure> {
    let root = home::root()?;
    let chosen: Vec<&Part> = parts
        .iter()
        .filter(|part| match named {
            [] => part.extent <= extent,
            named => named.iter().any(|name| name == part.name),
        })
        .collect();
    let began = Instant::now();
    let (mut failed, mut missed, mut unsteady) = (Vec::new(), Vec::new(), Vec::new());
    for part in &chosen {
        announce(part.name);
        let began = Instant::now();
        let verdict = match (part.work)(extent) {
            Work::Programs(programs) => in_turn(&programs, &root),
            Work::Function(function) => function(&root, extent),
        };
        let time = span(began.elapsed());
        let (state, note) = match verdict {
            Verdict::Good(note) => ("ok", note),
            Verdict::SecondTry(names, note) => {
                let names = names.join(", ");
                let note = format!("HELD AT THE SECOND TRY: {names}; {note}");
                unsteady.push(format!("{} ({names})", part.name));
                ("UNSTEADY", note)
            }
            Verdict::Bad(output) => {
                failed.push((part.name, clipped(&output)));
                ("FAILED", format!("\n{}", indent(&output)))
            }
            Verdict::NotRun(why) => {
                missed.push(part.name);
                ("not run", why)
            }
        };
        let line = format!("{:<12} {state:<8} {time:>8}  {note}", part.name);
        out::put(&format!("{}\n", line.trim_end()));
    }
    let good = chosen.len() - failed.len() - missed.len();
    let mut summary =
        format!("\n{good} of {} parts hold, in {}", chosen.len(), span(began.elapsed()));
    if !missed.is_empty() {
        summary += &format!("; not run: {}", missed.join(", "));
    }
    summary.push('\n');
    if !unsteady.is_empty() {
        summary += &format!("UNSTEADY, held at the second try only: {}\n", unsteady.join(", "));
    }
    if let Some((first, _)) = failed.first() {
        // Again: who reads the end of a long output is to see why.
        if chosen.len() > 1 {
            for (name, why) in &failed {
                summary += &format!("\n{name}:\n{}", indent(why));
            }
            summary.push('\n');
        }
        let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
        summary += &format!("FAILED: {}\n", names.join(", "));
        summary += &format!("run one alone with: ./vortex test {first}\n");
    }
    out::put(&summary);
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// On a terminal, says what is running; the result overwrites it.
fn announce(name: &str) {
    if std::io::stdout().is_terminal() {
        out::put(&format!("{name:<12} ...\r"));
    }
}

fn in_turn(programs: &[Program], root: &Path) -> Verdict {
    let mut notes = Vec::new();
    for program in programs {
        match program.run(root) {
            Verdict::Good(note) if note.is_empty() => {}
            Verdict::Good(note) => notes.push(note),
            other => return other,
        }
    }
    Verdict::Good(notes.join("; "))
}

/// The first and the last lines of what a part said, where those are many.
fn clipped(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    match lines.len().checked_sub(FIRST_LINES + LAST_LINES) {
        None | Some(0) => text.into(),
        Some(between) => {
            let (first, last) = (&lines[..FIRST_LINES], &lines[lines.len() - LAST_LINES..]);
            format!("{}\n... {between} lines ...\n{}", first.join("\n"), last.join("\n"))
        }
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_part_said_the_summary_has_both_ends() {
        let lines = |from: usize, to: usize| -> String {
            (from..to).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n")
        };
        let all = FIRST_LINES + LAST_LINES;
        assert_eq!(clipped(&lines(0, all)), lines(0, all));
        let first = lines(0, FIRST_LINES);
        let last = lines(FIRST_LINES + 3, all + 3);
        assert_eq!(clipped(&lines(0, all + 3)), format!("{first}\n... 3 lines ...\n{last}"));
    }

    #[test]
    fn tests_are_counted_over_all_programs() {
        let output = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\
                      noise 7 passed\n\
                      test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured\n";
        assert_eq!(count_tests(output), "7 tests, 1 ignored");
        assert_eq!(count_tests("nothing"), "");
    }

    #[test]
    fn a_program_prints_as_it_is_typed() {
        let program = Program::cargo(["doc", "--no-deps"]).with("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(program.line(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }

    #[test]
    fn part_names_are_distinct() {
        let mut names: Vec<_> = parts().iter().map(|part| part.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
