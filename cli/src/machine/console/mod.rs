//! The console: a machine's serial port, connected with where this command was started.
//!
//! Threads read (the machine's output and complaints, what is typed, signals) and send what
//! they read to one place, [`attend`], which alone writes and decides. It returns when the
//! machine has ended, and it ends the machine when it is told to: by a key, a signal, or
//! the end of its time. The threads end with their streams, or with this command.

mod backtrace;
mod capture;
mod hosted;
mod keys;
mod readers;
mod symbols;
mod terminal;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

pub use backtrace::{Backtrace, Names};
pub use capture::capture;
pub use hosted::{Listener, host};
pub use symbols::Symbols;

use super::ending::Ending;
use super::error::MachineError;
use super::process::{GRACE, Process};
pub use readers::Watched;
use terminal::Input;

/// How often it is looked whether the machine has ended without a word.
const LOOK: Duration = Duration::from_millis(100);

/// Why a machine is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quit {
    /// Ctrl-C or Ctrl-A X was typed.
    Keys,
    /// This command got this signal.
    Signal(u8),
    /// Its time is over.
    Time,
}

/// What the threads tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The machine wrote this.
    Output(Vec<u8>),
    /// The machine writes no more.
    Silent,
    /// QEMU complained of this, in a line.
    Complaint(String),
    /// It is to stop.
    Quit(Quit),
}

/// How a machine is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// For how long at most.
    pub limit: Option<Duration>,
    /// Whether the kernel was told to end with a status.
    pub with_status: bool,
}

/// From now on the signals that end a program wait for [`run`] to look at them, so that
/// nothing that was started or written meanwhile is left behind.
///
/// # Errors
/// [`MachineError::Signals`].
pub fn watch() -> Result<Watched, MachineError> {
    readers::signals().map_err(MachineError::Signals)
}

/// Starts a machine and attends it to its end, on this terminal.
///
/// # Errors
/// [`MachineError::NoQemu`], [`MachineError::Terminal`], [`MachineError::Stop`].
pub fn run(
    mut command: Command,
    events: &Watched,
    names: impl Names,
    manner: Manner,
) -> Result<Ending, MachineError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(&mut command).map_err(MachineError::NoQemu)?;
    let input = terminal::input().map_err(MachineError::Terminal)?;
    mend_on_panic(&process, &input);
    let pipes = process.pipes();
    readers::output(pipes.output, events.sender());
    readers::complaints(pipes.complaints, events.sender());
    match (&input, pipes.input) {
        (Input::Terminal(_), Some(to)) => readers::keys(to, events.sender()),
        (Input::Stream, Some(to)) => readers::stream(to),
        _ => {}
    }
    if matches!(input, Input::Terminal(_)) {
        eprintln!("vortex: Ctrl-C or Ctrl-A X stops the machine; Ctrl-A C sends Ctrl-C to it");
    }
    let ending = attend(&mut process, &events.receiver, Backtrace::new(names), manner);
    drop(input);
    ending
}

/// Shows what the machine writes until it ends or is to be ended.
fn attend(
    process: &mut Process,
    events: &Receiver<Event>,
    mut text: Backtrace<impl Names>,
    manner: Manner,
) -> Result<Ending, MachineError> {
    let end = manner.limit.map(|limit| Instant::now() + limit);
    let (mut quit, mut silent) = (None, false);
    while quit.is_none() && !silent {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        match events.recv_timeout(left.map_or(LOOK, |left| left.min(LOOK))) {
            Ok(event) => {
                silent = event == Event::Silent;
                quit = take(event, &mut text);
            }
            Err(RecvTimeoutError::Disconnected) => silent = true,
            // What it started may hold its output open: that is not waited for.
            Err(RecvTimeoutError::Timeout) => {
                silent = process.ended().map_err(MachineError::Stop)?.is_some();
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            quit = quit.or(Some(Quit::Time));
        }
    }
    let ending = ended(process, quit, manner)?;
    // What was still on the way is shown too.
    while let Ok(event) = events.recv_timeout(Duration::from_millis(20)) {
        take(event, &mut text);
    }
    if text.within_line() && io::stdout().is_terminal() {
        take(Event::Output(b"\n".to_vec()), &mut text);
    }
    Ok(ending)
}

/// How a machine ends that has fallen silent, and is about to end by itself; or that is told to.
fn ended(
    process: &mut Process,
    quit: Option<Quit>,
    manner: Manner,
) -> Result<Ending, MachineError> {
    let by_itself = match quit {
        None => process.wait(GRACE).map_err(MachineError::Stop)?,
        Some(_) => None,
    };
    if let Some(status) = by_itself {
        return Ok(Ending::of(status, manner.with_status));
    }
    let status = process.stop(GRACE).map_err(MachineError::Stop)?;
    Ok(quit.map_or_else(|| Ending::of(status, manner.with_status), Ending::Stopped))
}

/// Deals with an event; says whether the machine is to stop.
fn take(event: Event, text: &mut Backtrace<impl Names>) -> Option<Quit> {
    match event {
        Event::Output(bytes) => {
            let mut out = io::stdout().lock();
            let written = out.write_all(&text.take(&bytes)).and_then(|()| out.flush());
            // SIGPIPE: nobody reads any more.
            return written.is_err().then_some(Quit::Signal(13));
        }
        Event::Complaint(line) => eprintln!("{line}"),
        Event::Quit(quit) => return Some(quit),
        Event::Silent => {}
    }
    None
}

/// A panic of this command leaves neither a raw terminal nor a machine behind.
fn mend_on_panic(process: &Process, input: &Input) {
    let kill = process.on_panic();
    let restore = match input {
        Input::Terminal(raw) => Some(raw.on_panic()),
        _ => None,
    };
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |about| {
        if let Some(restore) = &restore {
            restore();
        }
        kill();
        before(about);
    }));
}

#[cfg(test)]
mod tests;
