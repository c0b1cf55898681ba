//! The host command of Vortex, reached through the script `./vortex`.
//!
//! One file a subcommand in [`commands`]; what they share (tables, units for people, the
//! repository's root, callgrind's output) stands beside it. Exit codes: 0 for good, 1 where
//! the answer is no (a flaw in a file, a test that fails), 2 where the question was wrong.

mod args;
mod callgrind;
mod commands;
mod config_file;
mod dashboard;
mod failure;
mod home;
mod human;
mod machine;
mod out;
mod proof;
mod running;
mod screen;
mod svg;
mod table;
mod trace;
mod volume;
mod watch;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use args::Args;

fn main() -> ExitCode {
    match commands::dispatch(Args::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("vortex: {failure}");
            failure.code()
        }
    }
}
