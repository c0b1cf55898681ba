//! `completions`: the words of this command, for a shell to complete.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::args::{Args, Completions};
use crate::failure::Failure;
use crate::out;

/// Prints them.
pub fn run(arguments: &Completions) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Args::command(), "vortex", &mut text);
    out::put(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}
