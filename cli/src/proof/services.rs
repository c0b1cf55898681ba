//! The guest programs in `services/`: they build, and every test of system calls says the
//! same twice on the host, whose answers are the oracle for Vortex's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{Extent, Program, Verdict};

/// Their workspace, which is not the outer one.
pub const MANIFEST: &str = "services/Cargo.toml";
/// What they are built for: static, without a C library of the host's.
pub const TARGET: &str = "x86_64-unknown-linux-musl";
/// In which all tests have run twice.
const LIMIT: Duration = Duration::from_secs(60);

/// Builds them; the folder where they are.
pub fn build(root: &Path) -> Result<PathBuf, Verdict> {
    let build = ["build", "--release", "--locked", "--target", TARGET, "--manifest-path", MANIFEST];
    let folder = "services/target";
    match Program::cargo(build).with("CARGO_TARGET_DIR", folder).run(root) {
        Verdict::Good(_) => Ok(root.join(folder).join(TARGET).join("release")),
        other => Err(other),
    }
}

/// Builds them and runs the tests.
pub fn run(root: &Path, _: Extent) -> Verdict {
    let calls = match build(root) {
        Ok(folder) => folder.join("calls"),
        Err(verdict) => return verdict,
    };
    let begin = Instant::now();
    let list = match start(&calls, "--list") {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => return Verdict::Bad(format!("{}: {error}", calls.display())),
    };
    let mut wrong = String::new();
    for name in list.lines() {
        if begin.elapsed() > LIMIT {
            wrong += &format!("{name}: not within {} s\n", LIMIT.as_secs());
            break;
        }
        wrong += &twice(&calls, name).err().unwrap_or_default();
    }
    match wrong.as_str() {
        "" if list.is_empty() => Verdict::Bad("calls --list names no test".into()),
        "" => Verdict::Good(format!("{} tests, twice", list.lines().count())),
        _ => Verdict::Bad(wrong),
    }
}

/// Runs a test twice; what is wrong about it.
fn twice(calls: &PathBuf, name: &str) -> Result<(), String> {
    let once = || start(calls, name).map_err(|error| format!("{name}: {error}\n"));
    let (first, second) = (once()?, once()?);
    for output in [&first, &second] {
        if !output.status.success() {
            return Err(format!("{name}: {}\n{}", output.status, said(output)));
        }
    }
    if first.stdout.is_empty() {
        return Err(format!("{name}: observed nothing\n"));
    }
    if first.stdout != second.stdout {
        return Err(format!("{name}: says\n{}and then\n{}", said(&first), said(&second)));
    }
    Ok(())
}

/// A test that waits for what does not come is ended by the tool `timeout`.
fn start(calls: &PathBuf, argument: &str) -> std::io::Result<Output> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "40"]).arg(calls).arg(argument);
    command.stdin(Stdio::null()).output()
}

fn said(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}
