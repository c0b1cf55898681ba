//! The guest programs in `services/`: they build, and every test of system calls says the
//! same twice on the host, whose answers are the oracle for Vortex's. The tests of those that
//! have some of their own pass.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{Extent, Program, Verdict};
use crate::home;

pub use crate::machine::own::{FOLDER, MANIFEST, TARGET};

/// In which all tests have run twice, however much else this host has to do: what takes longer
/// stands still.
const LIMIT: Duration = Duration::from_secs(240);

/// Builds them; the folder that they are in then.
pub fn build(root: &Path) -> Result<PathBuf, String> {
    let build = ["build", "--release", "--locked", "--target", TARGET, "--manifest-path", MANIFEST];
    match Program::cargo(build).with("CARGO_TARGET_DIR", FOLDER).run(root) {
        Verdict::Good(_) | Verdict::SecondTry(..) => {
            Ok(root.join(FOLDER).join(TARGET).join("release"))
        }
        Verdict::Bad(why) | Verdict::NotRun(why) => Err(why),
    }
}

/// The names of the tests that `calls` has.
pub fn list(calls: &Path) -> Result<Vec<String>, String> {
    let output = start(calls, "--list").map_err(|e| format!("{}: {e}", calls.display()))?;
    let list = String::from_utf8_lossy(&output.stdout);
    let names: Vec<_> = list.lines().map(String::from).collect();
    if names.is_empty() { Err("calls --list names no test".into()) } else { Ok(names) }
}

/// Builds them and runs the tests.
pub fn run(root: &Path, _: Extent) -> Verdict {
    let own = |note| own_tests(root).map(|()| note);
    match build(root).and_then(|folder| all_twice(&folder.join("calls"))).and_then(own) {
        Ok(note) if home::works("promtool", &["--version"]) => Verdict::Good(note),
        Ok(note) => {
            let missing = "the metrics were not shown to promtool (Debian's prometheus)";
            Verdict::Good(format!("{note}; {missing}"))
        }
        Err(why) => Verdict::Bad(why),
    }
}

/// The own tests of the monitor, the keeper, the runner and the web server.
fn own_tests(root: &Path) -> Result<(), String> {
    let test = ["test", "--locked", "--target", TARGET, "--manifest-path", MANIFEST];
    let tested = ["--package", "vortex-service-monitor", "--package", "vortex-service-keep"];
    let more = ["--package", "vortex-service-exec", "--package", "vortex-service-web"];
    let tested = tested.into_iter().chain(more);
    let program = Program::cargo(test.into_iter().chain(tested));
    match program.with("CARGO_TARGET_DIR", FOLDER).run(root) {
        Verdict::Good(_) | Verdict::SecondTry(..) => Ok(()),
        Verdict::Bad(why) | Verdict::NotRun(why) => Err(why),
    }
}

fn all_twice(calls: &Path) -> Result<String, String> {
    let names = list(calls)?;
    let begin = Instant::now();
    let mut wrong = String::new();
    for name in &names {
        if begin.elapsed() > LIMIT {
            wrong += &format!("{name}: not within {} s\n", LIMIT.as_secs());
            break;
        }
        wrong += &twice(calls, name).err().unwrap_or_default();
    }
    if wrong.is_empty() { Ok(format!("{} tests, twice", names.len())) } else { Err(wrong) }
}

/// Runs a test twice; what is wrong about it.
fn twice(calls: &Path, name: &str) -> Result<(), String> {
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
fn start(calls: &Path, argument: &str) -> std::io::Result<Output> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "40"]).arg(calls).arg(argument);
    command.stdin(Stdio::null()).output()
}

fn said(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}
