//! `fuzz`: the targets in `fuzz/`, each for its part of the time.

use std::process::ExitCode;

use crate::args::Fuzz;
use crate::failure::Failure;
use crate::proof;

/// Fuzzes for so many minutes.
pub fn run(arguments: &Fuzz) -> Result<ExitCode, Failure> {
    proof::fuzz::run(u64::from(arguments.minutes) * 60)
}
