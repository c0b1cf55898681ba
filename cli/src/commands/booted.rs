//! `booted`, hidden: some of the booted tests, with all that they did otherwise than Linux,
//! whether that is known or not.

use std::process::ExitCode;

use crate::args::Booted;
use crate::failure::Failure;
use crate::home;
use crate::out;
use crate::proof::{booted, cpython};

/// Runs them.
pub fn run(arguments: &Booted) -> Result<ExitCode, Failure> {
    let some = if arguments.cpython { cpython::some } else { booted::some };
    let (text, equal) = some(&home::root()?, &arguments.names, arguments.linux)?;
    out::put(&text);
    Ok(if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
