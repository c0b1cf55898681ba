//! A machine whose console goes to somebody else's hands: kept, written to a log.

use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::readers::{self, Watched};
use super::{Event, LOOK, Manner, Quit, ended};
use crate::machine::ending::Ending;
use crate::machine::error::MachineError;
use crate::machine::process::Process;

/// Who is told what a machine says.
pub trait Listener {
    /// The console said this.
    fn output(&mut self, bytes: &[u8]);
    /// QEMU complained of this, in a line.
    fn complaint(&mut self, line: &str);
    /// Some time has gone by: some ten times a second.
    fn look(&mut self) {}
}

/// Starts a machine and attends it to its end; nothing is typed to it.
///
/// # Errors
/// [`MachineError::NoQemu`], [`MachineError::Stop`].
pub fn host(
    mut command: Command,
    events: &Watched,
    manner: Manner,
    listener: &mut impl Listener,
) -> Result<Ending, MachineError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(&mut command).map_err(MachineError::NoQemu)?;
    let pipes = process.pipes();
    readers::output(pipes.output, events.sender());
    readers::complaints(pipes.complaints, events.sender());
    let end = manner.limit.map(|limit| Instant::now() + limit);
    let over = || end.is_some_and(|end| Instant::now() >= end);
    let mut looked = Instant::now();
    let quit = loop {
        match events.receiver.recv_timeout(LOOK) {
            Ok(Event::Output(bytes)) => listener.output(&bytes),
            Ok(Event::Complaint(line)) => listener.complaint(&line),
            Ok(Event::Quit(quit)) => break Some(quit),
            Ok(Event::Silent) | Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) if over() => break Some(Quit::Time),
            Err(RecvTimeoutError::Timeout) => {
                if process.ended().map_err(MachineError::Stop)?.is_some() {
                    break None;
                }
            }
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            listener.look();
        }
        if over() {
            break Some(Quit::Time);
        }
    };
    let ending = ended(&mut process, quit, manner)?;
    while let Ok(event) = events.receiver.recv_timeout(Duration::from_millis(20)) {
        match event {
            Event::Output(bytes) => listener.output(&bytes),
            // Most often why QEMU has ended.
            Event::Complaint(line) => listener.complaint(&line),
            Event::Quit(_) | Event::Silent => {}
        }
    }
    Ok(ending)
}
