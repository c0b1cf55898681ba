//! A machine whose console is read, and not shown.

use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::readers::{self, Watched};
use super::{Event, LOOK, Manner, Quit};
use crate::machine::ending::Ending;
use crate::machine::error::MachineError;
use crate::machine::process::{GRACE, Process};

/// Starts a machine, and returns how it ended and what its console said. Where there is a
/// last word, the machine is stopped when a line with it has come, and has ended well.
///
/// # Errors
/// [`MachineError::NoQemu`], [`MachineError::Stop`].
pub fn capture(
    mut command: Command,
    events: &Watched,
    manner: Manner,
    last: Option<&str>,
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
            Ok(Event::Output(bytes)) => {
                said.extend(bytes);
                if last.is_some_and(|last| has_line(&said, last)) {
                    process.stop(GRACE).map_err(MachineError::Stop)?;
                    return Ok((Ending::Good, String::from_utf8_lossy(&said).into_owned()));
                }
            }
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

/// Whether there is a whole line with this in it, among the last that came.
fn has_line(said: &[u8], text: &str) -> bool {
    const LOOK_BACK: usize = 8192;
    let recent = said.get(said.len().saturating_sub(LOOK_BACK)..).unwrap_or_default();
    let recent = String::from_utf8_lossy(recent);
    recent.split_inclusive('\n').any(|line| line.ends_with('\n') && line.contains(text))
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
        let (ending, said) = capture(echo, &events, within(20_000), None).unwrap();
        assert_eq!((ending, said.as_str()), (Ending::Good, "hello\n"));
        let mut slow = Command::new("sh");
        slow.args(["-c", "echo a; exec sleep 60"]);
        let (ending, _) = capture(slow, &events, within(300), None).unwrap();
        assert_eq!(ending, Ending::Stopped(Quit::Time));
    }

    #[test]
    fn after_its_last_word_it_is_stopped() {
        let events = super::super::watch().unwrap();
        let mut long = Command::new("sh");
        long.args(["-c", "echo the end 1; exec sleep 60"]);
        let (ending, said) = capture(long, &events, within(20_000), Some("the end")).unwrap();
        assert_eq!((ending, said.as_str()), (Ending::Good, "the end 1\n"));
        assert!(!has_line(b"the end", "the end"), "the line is not whole");
    }
}
