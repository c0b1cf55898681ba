//! What the host's Linux does with a test: the same binary, arguments and surroundings.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::tests::Test;
use super::transcript::Outcome;
use crate::machine::process::Process;

/// The environment of every test, on both sides.
pub const ENVIRONMENT: &[(&str, &str)] = &[("PATH", "/bin:/usr/bin"), ("HOME", "/tmp")];

/// Runs it in an empty folder, for so long at most.
///
/// # Errors
/// What kept it from running, or from ending, in words.
pub fn run(test: &Test, limit: Duration) -> Result<Outcome, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (mut from, to) = std::io::pipe().map_err(|error| error.to_string())?;
    let also = to.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new(test.program());
    command.args(test.arguments()).current_dir(folder.path());
    command.env_clear().envs(ENVIRONMENT.iter().copied());
    command.stdin(Stdio::null()).stdout(to).stderr(also);
    let mut process = Process::start(&mut command)
        .map_err(|error| format!("{} does not start on the host: {error}", test.program()))?;
    // Else its ends of the pipe would stay open here.
    drop(command);
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        from.read_to_end(&mut output).map(|_| output)
    });
    let ended = process.wait(limit).map_err(|error| error.to_string())?;
    let Some(status) = ended else { return Err(format!("it does not end on the host: {limit:?}")) };
    let output = reader.join().map_err(|_| "its output could not be read".to_string())?;
    let output = output.map_err(|error| error.to_string())?;
    let signal = status.signal().map(|signal| 128 + signal);
    let status = status.code().or(signal).unwrap_or(-1);
    Ok(Outcome { output: String::from_utf8_lossy(&output).into_owned(), status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Outcome, String> {
        run(&Test::new("t", &["/bin/sh", "-c", script]), Duration::from_secs(5))
    }

    #[test]
    fn output_and_status_are_those_of_the_program() {
        let outcome = shell("echo out; echo err >&2; ls; exit 3").unwrap();
        assert_eq!(outcome, Outcome { output: "out\nerr\n".into(), status: 3 });
        assert_eq!(shell("kill -SEGV $$").unwrap().status, 139);
    }

    #[test]
    fn what_does_not_start_or_end_is_told() {
        let absent = run(&Test::new("t", &["/nowhere/x"]), Duration::from_secs(5));
        assert!(absent.unwrap_err().contains("does not start"));
        let endless = run(&Test::new("t", &["/bin/sleep", "60"]), Duration::from_millis(50));
        assert!(endless.unwrap_err().contains("does not end"));
    }
}
