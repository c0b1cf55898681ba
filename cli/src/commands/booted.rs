//! `booted`, hidden: some of the booted tests, with all that they did otherwise than Linux,
//! whether that is known or not.

use std::process::ExitCode;

use crate::args::Booted;
use crate::failure::Failure;
use crate::home;
use crate::out;
use crate::proof::booted;

/// Runs them.
pub fn run(arguments: &Booted) -> Result<ExitCode, Failure> {
    let (text, equal) = booted::some(&home::root()?, &arguments.names, arguments.linux)?;
    out::put(&text);
    Ok(if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
