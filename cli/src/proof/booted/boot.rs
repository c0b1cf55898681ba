//! One boot: a machine that runs the tests of its image, until it ends or is too slow.

use std::io::Read as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::transcript::Transcript;
use crate::machine::console::{Backtrace, Names};
use crate::machine::process::{GRACE, Process};

/// What a boot came to.
#[derive(Debug)]
pub struct Boot {
    /// What its console said.
    pub transcript: Transcript,
    /// Why it did not come to its end, if it did not.
    pub stopped: Option<String>,
    /// How it ended, where it did so by itself.
    pub status: Option<ExitStatus>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From one word about a test to the next.
    pub test: Duration,
    /// All of it.
    pub whole: Duration,
}

/// Starts the machine and follows it. It has ended when this returns.
///
/// # Errors
/// Where it cannot be started, in words.
pub fn follow(command: &mut Command, names: impl Names, limits: Limits) -> Result<Boot, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut process = Process::start(command).map_err(|error| error.to_string())?;
    let mut from = process.pipes().output.ok_or("it has no console")?;
    let (to, chunks) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    let (mut text, mut transcript) = (Backtrace::new(names), Transcript::default());
    let began = Instant::now();
    let mut news = began;
    let stopped = loop {
        let left = limits.whole.saturating_sub(began.elapsed());
        // When all tests are over, so is the machine, but for what they left behind.
        let test = if transcript.complete { GRACE } else { limits.test };
        let left = left.min(test.saturating_sub(news.elapsed()));
        match chunks.recv_timeout(left) {
            Ok(bytes) if transcript.take(&text.take(&bytes)) => news = Instant::now(),
            // Who prints without end is stopped like who is silent.
            Ok(_) if began.elapsed() < limits.whole && news.elapsed() < test => {}
            Err(RecvTimeoutError::Disconnected) => break None,
            _ => break Some(format!("stopped after {:.1} s", began.elapsed().as_secs_f64())),
        }
    };
    let end = if stopped.is_some() { Duration::ZERO } else { GRACE };
    let status = process.wait(end).map_err(|error| error.to_string())?;
    process.stop(GRACE).map_err(|error| error.to_string())?;
    Ok(Boot { transcript, stopped, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nameless;

    impl Names for Nameless {
        fn name(&self, _: u64, _: bool) -> Option<String> {
            None
        }
    }

    fn boot(script: &str) -> Boot {
        let limits = Limits { test: Duration::from_millis(700), whole: Duration::from_secs(5) };
        follow(Command::new("sh").args(["-c", script]), Nameless, limits).unwrap()
    }

    #[test]
    fn it_is_followed_to_its_end() {
        let boot = boot("echo TEST a BEGIN; echo hello; echo TEST a EXIT 0; exit 9");
        assert_eq!(boot.transcript.ended.len(), 1);
        assert_eq!(boot.stopped, None);
        assert_eq!(boot.status.and_then(|status| status.code()), Some(9));
    }

    #[test]
    fn a_test_that_hangs_or_prints_without_end_is_stopped() {
        for script in ["echo TEST a BEGIN; sleep 60", "echo TEST a BEGIN; while :; do echo x; done"]
        {
            let boot = boot(script);
            assert!(boot.stopped.is_some());
            assert_eq!(boot.transcript.running().unwrap().0, "a");
        }
    }
}
