//! `mutants`: small changes to the source that no test notices. Not part of CI: it takes
//! hours; survivors are mended with a test or explained.

use std::process::{Command, ExitCode};

use crate::args::Mutants;
use crate::failure::Failure;
use crate::home;
use crate::out;

/// Runs cargo-mutants on the crates named.
pub fn run(arguments: &Mutants) -> Result<ExitCode, Failure> {
    if !home::works("cargo", &["mutants", "--version"]) {
        return Err(Failure::Missing {
            tool: "cargo-mutants",
            get: "cargo install --locked cargo-mutants",
        });
    }
    let all = ["grid", "schedulers", "config"].map(String::from);
    let parts = if arguments.parts.is_empty() { &all[..] } else { &arguments.parts[..] };
    let root = home::root()?;
    let mut good = true;
    for part in parts {
        let status = Command::new("cargo")
            .current_dir(&root)
            .args(["mutants", "--package", &format!("vortex-{part}")])
            .args(["--output", &format!("target/mutants/{part}"), "--timeout", "300"])
            .status()
            .map_err(|error| Failure::NotStarted("cargo mutants".into(), error))?;
        out::put(&format!("{part}: caught and missed are in target/mutants/{part}/mutants.out\n"));
        good &= status.success();
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
