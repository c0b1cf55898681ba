//! A program that was started and will not outlive this command.
//!
//! # Invariants
//! A signal goes only to a process that was started here and has not been waited for, so
//! that its number cannot have been given to another. Dropping it ends it. As a panic of
//! the release build drops nothing, [`Process::on_panic`] is there for the panic hook.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to end when it is told to.
pub const GRACE: Duration = Duration::from_secs(3);
/// How often it is looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(5);

/// It.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// The child, as long as it has not been waited for.
    alive: Arc<Mutex<Option<Pid>>>,
}

impl Process {
    /// Starts it. It is in a process group of its own, so that Ctrl-C on a terminal comes
    /// to this command alone.
    ///
    /// # Errors
    /// Those of starting.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let child = command.process_group(0).spawn()?;
        let alive = Arc::new(Mutex::new(Some(Pid::from_child(&child))));
        Ok(Self { child, alive })
    }

    /// Its pipes, as they were asked for.
    pub fn pipes(&mut self) -> Pipes {
        Pipes {
            input: self.child.stdin.take(),
            output: self.child.stdout.take(),
            complaints: self.child.stderr.take(),
        }
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Those of waiting.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        let status = self.child.try_wait()?;
        if status.is_some() {
            *alive = None;
        }
        Ok(status)
    }

    /// Waits for its end, but not longer than this.
    ///
    /// # Errors
    /// Those of waiting.
    pub fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let began = Instant::now();
        loop {
            let status = self.ended()?;
            if status.is_some() || began.elapsed() >= limit {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
    }

    /// Tells it to end, and after a grace period ends it.
    ///
    /// # Errors
    /// Those of signalling and waiting.
    pub fn stop(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        if let Some(status) = self.wait(grace)? {
            return Ok(status);
        }
        kill_process(Pid::from_child(&self.child), Signal::KILL)?;
        loop {
            // What is killed ends as soon as the host lets it.
            if let Some(status) = self.wait(GRACE)? {
                return Ok(status);
            }
        }
    }

    /// What ends it at once, from wherever a panic comes.
    pub fn on_panic(&self) -> impl Fn() + Send + Sync + 'static {
        let alive = Arc::clone(&self.alive);
        move || {
            // Whoever holds the lock may be the one who panics: then it is left alone.
            if let Ok(alive) = alive.try_lock()
                && let Some(pid) = *alive
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.stop(Duration::from_millis(200));
    }
}

/// The ends of a process's pipes that are on this side.
#[derive(Debug)]
pub struct Pipes {
    /// Its standard input.
    pub input: Option<std::process::ChildStdin>,
    /// Its standard output.
    pub output: Option<std::process::ChildStdout>,
    /// Its standard error.
    pub complaints: Option<std::process::ChildStderr>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn what_ends_by_itself_is_waited_for() {
        let mut process = shell("exit 7");
        assert_eq!(process.wait(GRACE).unwrap().unwrap().code(), Some(7));
        assert_eq!(process.stop(GRACE).unwrap().code(), Some(7));
    }

    #[test]
    fn what_is_told_to_end_may_end_in_its_own_way() {
        let mut process = shell("trap 'exit 3' TERM; while :; do sleep 0.01; done");
        assert_eq!(process.wait(Duration::from_millis(300)).unwrap(), None);
        assert_eq!(process.stop(GRACE).unwrap().code(), Some(3));
    }

    #[test]
    fn what_does_not_listen_is_killed() {
        let mut process = shell("trap '' TERM; while :; do sleep 0.01; done");
        assert_eq!(process.wait(Duration::from_millis(300)).unwrap(), None);
        let status = process.stop(Duration::from_millis(100)).unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    #[test]
    fn a_panic_ends_it_but_nobody_else_after_it() {
        let mut process = shell("sleep 60");
        let end = process.on_panic();
        end();
        assert_eq!(process.wait(GRACE).unwrap().unwrap().signal(), Some(9));
        end();
    }
}
