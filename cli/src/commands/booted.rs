//! `booted`, hidden: the booted tests, with a runner that is not of this checkout yet.

use std::process::ExitCode;

use crate::args::Booted;
use crate::config_file;
use crate::failure::Failure;
use crate::home;
use crate::out;
use crate::proof::{Verdict, booted};

/// Runs them.
pub fn run(arguments: &Booted) -> Result<ExitCode, Failure> {
    let root = home::root()?;
    let text = config_file::bytes(&arguments.config)?;
    let tests = booted::tests();
    match booted::run(&root, &arguments.kernel, &arguments.root, &text, &tests)? {
        Verdict::Good(text) => {
            out::put(&format!("{text}\n"));
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Bad(text) | Verdict::NotRun(text) => {
            out::put(&text);
            Ok(ExitCode::FAILURE)
        }
    }
}
