//! Booted tests: a boot runs many programs, and the host's Linux is what they are compared
//! with.
//!
//! The image has the programs, and `/tests/list`: a test a line, its name, then the words
//! of its command, apart by tabs. `/tests/run` in the image (`services/runner`) runs them
//! in that order, each in an empty directory with [`oracle::ENVIRONMENT`], and prints what
//! [`transcript`] reads. A machine that dies or hangs is started again for the tests that
//! are left.
//!
//! What fails unexpectedly is run once more, in a machine of its own.
//!
//! The same tests run on Debian's kernel in such a machine ([`system`]).
//!
//! What a kernel does not do as the host's is listed with its reason in
//! `services/known-failures.txt` for ours, `services/linux-differences.txt` for Debian's
//! ([`known`]). What fails and is not listed fails the part;
//! so does what is listed and works, so that the list only shrinks.

mod boot;
mod compare;
mod dynamic;
pub mod known;
pub mod machine;
mod oracle;
mod results;
pub mod system;
pub mod tests;
mod transcript;

use std::path::Path;

use super::{Extent, Verdict, services};
use crate::failure::Failure;
use crate::machine::kernel;
use crate::machine::linux::Linux;
use compare::Sides;
use known::Known;
use machine::{Boots, Plan};
use results::Results;
use system::System;
use tests::Test;

/// The part of the proof that runs them on our kernel.
pub fn part(root: &Path, _: Extent) -> Verdict {
    vortex(root).and_then(|system| whole(root, &system)).unwrap_or_else(Verdict::Bad)
}

/// The part that runs them on Debian's kernel, in a machine of the same kind: what the
/// host's Linux answers is not the answer of that host, or of that version, alone.
pub fn on_linux(root: &Path, _: Extent) -> Verdict {
    match Linux::get(root) {
        Ok(linux) => whole(root, &System::Linux(linux)).unwrap_or_else(Verdict::Bad),
        Err(error) => Verdict::NotRun(error.to_string()),
    }
}

/// Our kernel, built.
///
/// # Errors
/// What the build said.
pub fn vortex(root: &Path) -> Result<System, String> {
    let kernel = kernel::build(root).map_err(|error| error.to_string())?;
    Ok(System::Vortex { kernel, root: root.to_path_buf() })
}

const fn sides(system: &System) -> Sides {
    let oracle = match system {
        System::Vortex { .. } => "Linux",
        System::Linux(_) => "the host",
    };
    Sides { oracle, tried: system.name() }
}

fn whole(root: &Path, system: &System) -> Result<Verdict, String> {
    let known = Known::read(root, system.list())?;
    let (tests, boots) = boot(root, system, |_| true)?;
    let mut results = Results::compare(sides(system), &tests, &boots);
    let unexpected = results.unexpected(&known);
    if !unexpected.is_empty() {
        // On a loaded host an emulated core may stand still for a second. What fails twice
        // is wrong; what fails once makes the part's verdict another than good.
        let (tests, boots) = boot(root, system, |test| unexpected.contains(&test.name))?;
        results.again(Results::compare(sides(system), &tests, &boots));
    }
    let left_out = dynamic::left_out(&dynamic::debian());
    Ok(match results.judge(&known, &boots) {
        Verdict::Good(note) => Verdict::Good(note + &left_out),
        Verdict::SecondTry(names, note) => Verdict::SecondTry(names, note + &left_out),
        other => other,
    })
}

/// The tests whose names begin so, or all: what they did otherwise than on the host's Linux,
/// and whether that was nothing. On Debian's kernel if so asked, else on ours.
///
/// # Errors
/// Where the tests could not be run.
pub fn some(root: &Path, names: &[String], linux: bool) -> Result<(String, bool), Failure> {
    let chosen = |test: &Test| {
        names.is_empty() || names.iter().any(|name| test.name.starts_with(name.as_str()))
    };
    let system = match linux {
        true => Linux::get(root).map(System::Linux).map_err(|error| error.to_string()),
        false => vortex(root),
    };
    let system = system.map_err(Failure::Booted)?;
    let (tests, boots) = boot(root, &system, chosen).map_err(Failure::Booted)?;
    let results = Results::compare(sides(&system), &tests, &boots);
    Ok(results.show(&boots))
}

/// Builds the programs, and runs tests.
fn boot(
    root: &Path,
    system: &System,
    chosen: impl Fn(&Test) -> bool,
) -> Result<(Vec<Test>, Boots), String> {
    let programs = services::build(root)?;
    let mut tests = tests::all(&programs)?;
    tests.retain(chosen);
    let boots =
        machine::run(system, &programs, &tests, &Plan::SHORT).map_err(|error| error.to_string())?;
    Ok((tests, boots))
}

#[cfg(test)]
mod unit;
