//! Programs that end when this command does, however that ends.
//!
//! A command that is killed by signal 9 can tell nobody. So Linux is asked to kill what it
//! started (`PR_SET_PDEATHSIG`), which only the started process itself can ask for, before
//! it becomes its program; `setpriv` of util-linux does just that. Linux looks at the thread
//! that started it: here that is the main one.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::OnceLock;

use crate::home;

const SETPRIV: &str = "setpriv";
const KILL: [&str; 2] = ["--pdeathsig", "KILL"];

/// A command that starts this program so; without the leash where the host has no `setpriv`
/// that knows how.
pub fn command(program: &OsStr) -> Command {
    static WORKS: OnceLock<bool> = OnceLock::new();
    if !*WORKS.get_or_init(|| home::works(SETPRIV, &[KILL[0], KILL[1], "true"])) {
        return Command::new(program);
    }
    let mut command = Command::new(SETPRIV);
    command.args(KILL).arg("--").arg(program);
    command
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    use super::*;

    /// Whether a process runs: it is there, and no zombie that nobody has awaited.
    fn runs(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
        !matches!(state, None | Some("Z" | "X"))
    }

    #[test]
    fn it_ends_with_whoever_was_killed() {
        let leashed = command(OsStr::new("sleep"));
        if leashed.get_program() != SETPRIV {
            eprintln!("not tried: no {SETPRIV}");
            return;
        }
        // A shell stands for this command, and is killed.
        let mut shell = Command::new("sh");
        shell.args(["-c", "\"$@\" & echo $!; wait", "sh", SETPRIV]).args(leashed.get_args());
        let mut shell = shell.arg("60").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let comm = format!("/proc/{}/comm", line.trim());
        let began = Instant::now();
        let patience = || began.elapsed() < Duration::from_secs(20);
        while std::fs::read_to_string(&comm).unwrap().trim() != "sleep" && patience() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(runs(line.trim()));
        shell.kill().unwrap();
        shell.wait().unwrap();
        while runs(line.trim()) && patience() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!runs(line.trim()));
    }
}
