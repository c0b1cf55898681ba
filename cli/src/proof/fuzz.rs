//! Fuzzing: the targets in `fuzz/`, which begin from the sound and the broken files.

use std::path::Path;
use std::process::{Command, ExitCode};

use super::{Extent, Verdict};
use crate::failure::Failure;
use crate::home;
use crate::out;

/// How long each target runs as a part of the long proof.
const SECONDS: u64 = 120;

const TOOL: &str = "cargo-fuzz";
const GET: &str = "cargo install --locked cargo-fuzz && rustup toolchain install nightly";
/// Where the targets are.
const FOLDER: &str = "fuzz";
/// What they begin from, beside what they have found in earlier runs.
const SEEDS: &[&str] = &["examples", "config/tests/broken"];

/// As a part of the proof.
pub fn part(root: &Path, _: Extent) -> Verdict {
    if !installed() {
        return Verdict::NotRun(format!(
            "{TOOL} or a nightly is not installed; get it with: {GET}"
        ));
    }
    if !root.join(FOLDER).is_dir() {
        return Verdict::NotRun(format!("there are no targets in {FOLDER} yet"));
    }
    let targets = match targets(root) {
        Ok(targets) => targets,
        Err(failure) => return Verdict::Bad(failure.to_string()),
    };
    for target in &targets {
        if let Err(failure) = home::output(&mut fuzz(root, target, SECONDS)) {
            return Verdict::Bad(failure.to_string());
        }
    }
    Verdict::Good(format!("{} for {SECONDS} s each", targets.join(", ")))
}

/// As a command: the time is divided over the targets, and everything is shown.
pub fn run(seconds: u64) -> Result<ExitCode, Failure> {
    if !installed() {
        return Err(Failure::Missing { tool: TOOL, get: GET });
    }
    let root = home::root()?;
    let targets = targets(&root)?;
    let each = seconds / (targets.len() as u64).max(1);
    let mut good = true;
    for target in &targets {
        out::put(&format!("fuzzing {target} for {each} s\n"));
        let status = fuzz(&root, target, each.max(1))
            .status()
            .map_err(|error| Failure::NotStarted("cargo fuzz".into(), error))?;
        good &= status.success();
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn installed() -> bool {
    home::works("cargo", &["fuzz", "--version"]) && home::works("cargo", &["+nightly", "--version"])
}

fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let list = home::output(cargo(root).args(["list", "--fuzz-dir", FOLDER]))?;
    Ok(list.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect())
}

fn fuzz(root: &Path, target: &str, seconds: u64) -> Command {
    let mut command = cargo(root);
    // The first folder is where new cases are kept.
    let corpus = format!("{FOLDER}/corpus/{target}");
    let _ = std::fs::create_dir_all(root.join(&corpus));
    command
        .args(["run", "--fuzz-dir", FOLDER, target, &corpus])
        .args(SEEDS)
        .arg("--")
        .args([format!("-max_total_time={seconds}"), "-rss_limit_mb=2048".into()])
        .args(["-timeout=10", "-print_final_stats=1"]);
    command
}

/// `cargo fuzz` of the nightly: the build under way may have set another toolchain.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz"]).current_dir(root).env_remove("RUSTUP_TOOLCHAIN");
    command
}
