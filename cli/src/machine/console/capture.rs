//! A machine whose console is read, and not shown.

use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::readers::{self, Watched};
use super::{Event, LOOK, Manner, Quit};
use crate::machine::ending::Ending;
use crate::machine::error::MachineError;
use crate::machine::process::{GRACE, Process};

/// Starts a machine, and returns how it ended and what its console said.
///
/// # Errors
/// [`MachineError::NoQemu`], [`MachineError::Stop`].
pub fn capture(
    mut command: Command,
    events: &Watched,
    manner: Manner,
) -> Result<(Ending, String), MachineError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(&mut command).map_err(MachineError::NoQemu)?;
    let pipes = process.pipes();
    readers::output(pipes.output, events.sender());
    readers::complaints(pipes.complaints, events.sender());
    let end = manner.limit.map(|limit| Instant::now() + limit);
    let over = || end.is_some_and(|end| Instant::now() >= end);
    let mut said = Vec::new();
    let quit = loop {
        match events.receiver.recv_timeout(LOOK) {
            Ok(Event::Output(bytes)) => said.extend(bytes),
            Ok(Event::Complaint(line)) => eprintln!("{line}"),
            Ok(Event::Quit(quit)) => break Some(quit),
            Ok(Event::Silent) | Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) if over() => break Some(Quit::Time),
            Err(RecvTimeoutError::Timeout) => {
                if process.ended().map_err(MachineError::Stop)?.is_some() {
                    break None;
                }
            }
        }
        if over() {
            break Some(Quit::Time);
        }
    };
    let by_itself = match quit {
        None => process.wait(GRACE).map_err(MachineError::Stop)?,
        Some(_) => None,
    };
    let ending = match by_itself {
        Some(status) => Ending::of(status, manner.with_status),
        None => {
            let status = process.stop(GRACE).map_err(MachineError::Stop)?;
            quit.map_or_else(|| Ending::of(status, manner.with_status), Ending::Stopped)
        }
    };
    while let Ok(event) = events.receiver.recv_timeout(Duration::from_millis(20)) {
        if let Event::Output(bytes) = event {
            said.extend(bytes);
        }
    }
    Ok((ending, String::from_utf8_lossy(&said).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(milliseconds: u64) -> Manner {
        Manner { limit: Some(Duration::from_millis(milliseconds)), with_status: false }
    }

    #[test]
    fn what_is_said_is_kept_and_who_is_slow_is_stopped() {
        let events = super::super::watch().unwrap();
        let mut echo = Command::new("sh");
        echo.args(["-c", "echo hello; exit 0"]);
        let (ending, said) = capture(echo, &events, within(20_000)).unwrap();
        assert_eq!((ending, said.as_str()), (Ending::Good, "hello\n"));
        let mut slow = Command::new("sh");
        slow.args(["-c", "echo a; exec sleep 60"]);
        let (ending, _) = capture(slow, &events, within(300)).unwrap();
        assert_eq!(ending, Ending::Stopped(Quit::Time));
    }
}
