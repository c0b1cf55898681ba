//! The threads that read for the console, each a stream. What they read they send on; they
//! decide nothing.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::keys::Keys;
use super::{Event, Quit};

/// How much is read at once.
const CHUNK: usize = 4096;
/// How many readings of keys wait for a machine that does not look at its console; what is
/// typed beyond is dropped, so that Ctrl-C is never behind it.
const TYPED: usize = 256;

/// Where all of them send to. Signals are events until it is dropped.
#[derive(Debug)]
pub struct Watched {
    sender: Sender<Event>,
    /// The other end.
    pub receiver: Receiver<Event>,
    signals: Handle,
}

impl Watched {
    /// For one thread.
    pub fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.signals.close();
    }
}

/// From now on the signals that end a program are events.
///
/// # Errors
/// Those of the operating system.
pub fn signals() -> io::Result<Watched> {
    let (sender, receiver) = channel();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    let handle = signals.handle();
    let to = sender.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            let quit = Quit::Signal(u8::try_from(signal).unwrap_or(0));
            if to.send(Event::Quit(quit)).is_err() {
                break;
            }
        }
    });
    Ok(Watched { sender, receiver, signals: handle })
}

/// What the machine writes.
pub fn output(from: Option<ChildStdout>, to: Sender<Event>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        chunks(from, |bytes| to.send(Event::Output(bytes)).is_ok());
        let _ = to.send(Event::Silent);
    });
}

/// What QEMU complains of; not that it was told to end.
pub fn complaints(from: Option<ChildStderr>, to: Sender<Event>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if !line.contains("terminating on signal") && to.send(Event::Complaint(line)).is_err() {
                break;
            }
        }
    });
}

/// What is typed on a terminal in raw mode.
pub fn keys(machine: ChildStdin, to: Sender<Event>) {
    let typed = writer(machine);
    thread::spawn(move || {
        let mut keys = Keys::default();
        chunks(io::stdin(), |bytes| {
            let read = keys.take(&bytes);
            let _ = typed.try_send(read.bytes);
            !(read.quit && to.send(Event::Quit(Quit::Keys)).is_ok())
        });
    });
}

/// What is in a file or pipe; at its end the machine's input ends.
pub fn stream(mut machine: ChildStdin) {
    thread::spawn(move || {
        let mut put = |bytes: Vec<u8>| machine.write_all(&bytes).and_then(|()| machine.flush());
        chunks(io::stdin(), |bytes| put(bytes).is_ok());
    });
}

/// Writes to the machine as fast as it reads.
fn writer(mut machine: ChildStdin) -> SyncSender<Vec<u8>> {
    let (sender, receiver) = sync_channel::<Vec<u8>>(TYPED);
    thread::spawn(move || {
        while let Ok(bytes) = receiver.recv() {
            if machine.write_all(&bytes).and_then(|()| machine.flush()).is_err() {
                break;
            }
        }
    });
    sender
}

/// Reads until the end, an error, or the taker has enough.
fn chunks(mut from: impl Read, mut take: impl FnMut(Vec<u8>) -> bool) {
    let mut buffer = [0; CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) if take(buffer[..length].to_vec()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
}
