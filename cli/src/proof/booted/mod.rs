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
//! What the kernel does not do as Linux does, so far, is listed with its reason in
//! `services/known-failures.txt` ([`known`]). What fails and is not listed fails the part;
//! so does what is listed and works, so that the list only shrinks.

mod boot;
mod compare;
mod dynamic;
mod known;
mod machine;
mod oracle;
mod results;
mod tests;
mod transcript;

use std::path::Path;

use super::{Extent, Verdict, services};
use crate::failure::Failure;
use crate::machine::kernel;
use known::Known;
use machine::Boots;
use results::Results;
use tests::Test;

/// The part of the proof.
pub fn part(root: &Path, _: Extent) -> Verdict {
    match whole(root) {
        Ok(verdict) => verdict,
        Err(why) => Verdict::Bad(why),
    }
}

fn whole(root: &Path) -> Result<Verdict, String> {
    let known = Known::read(root)?;
    let (tests, boots) = boot(root, |_| true)?;
    let mut results = Results::compare(&tests, &boots);
    let unexpected = results.unexpected(&known);
    if !unexpected.is_empty() {
        // On a loaded host an emulated core may stand still for a second. What fails twice
        // is wrong; what fails once is named in the note.
        let (tests, boots) = boot(root, |test| unexpected.contains(&test.name))?;
        results.again(Results::compare(&tests, &boots));
    }
    Ok(results.judge(&known, &boots))
}

/// The tests whose names begin so, or all: what they did otherwise than Linux, and whether
/// that was nothing.
///
/// # Errors
/// Where the tests could not be run.
pub fn some(root: &Path, names: &[String]) -> Result<(String, bool), Failure> {
    let chosen = |test: &Test| {
        names.is_empty() || names.iter().any(|name| test.name.starts_with(name.as_str()))
    };
    let (tests, boots) = boot(root, chosen).map_err(Failure::Booted)?;
    let results = Results::compare(&tests, &boots);
    Ok(results.show(&boots))
}

/// Builds all that there is to build, and runs tests.
fn boot(root: &Path, chosen: impl Fn(&Test) -> bool) -> Result<(Vec<Test>, Boots), String> {
    let kernel = kernel::build(root).map_err(|error| error.to_string())?;
    let programs = services::build(root)?;
    let mut tests = tests::all(&programs)?;
    tests.retain(chosen);
    let boots =
        machine::run(root, &kernel, &programs, &tests).map_err(|error| error.to_string())?;
    Ok((tests, boots))
}

#[cfg(test)]
mod unit;
