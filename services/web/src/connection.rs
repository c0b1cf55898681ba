//! A connection: requests one after the other, each answered out of a file.
//!
//! ```text
//!  socket ── aio_read ──► head ──► what is asked for ──► file
//!                                                         │ aio_read, a piece at a time
//!  socket ◄───────────── aio_write ◄── head and pieces ◄──┘
//! ```
//!
//! While a piece goes to the socket the next is read, so source and sink are both at work.
//!
//! # Invariants
//! - Nothing is waited for: what is under way tells by a signal that it has ended, and
//!   [`Connection::go_on`] takes what has.
//! - At most one operation is under way on the socket, and one on the file.
//! - What is read of requests before they are answered is bounded by the longest head.

use std::fs::File;
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use vortex_aio::Operation;

use crate::buffers::{Buffers, PIECE};
use crate::folder::Folder;
use crate::request::{self, Request};
use crate::status::Status;

/// By which an operation's end is told.
pub const SIGNAL: i32 = libc::SIGIO;
/// Bytes that are read of requests at once.
const READ: usize = 2 << 10;

/// How long others may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For all of a request's head.
    pub head: Duration,
    /// For a piece of an answer, and between two requests.
    pub quiet: Duration,
    /// For who is answered and does not end the connection.
    pub end: Duration,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on when an operation has ended.
    Waits,
    /// It is over.
    Over,
}

/// What is to be written.
struct Piece {
    bytes: Vec<u8>,
    part: Range<usize>,
}

/// An answer that is under way.
#[derive(Default)]
struct Answer {
    /// Where the bytes come from, from which place on, and how many are still to be read.
    file: Option<File>,
    at: u64,
    left: u64,
    /// The next piece is read: behind these bytes in its buffer, which go first.
    reading: Option<Operation>,
    before: usize,
    /// A piece that is read.
    ready: Option<Piece>,
    /// One is written: which part of its buffer.
    writing: Option<Operation>,
    part: Range<usize>,
}

/// What it is at.
enum State {
    /// It waits for a request, or the rest of one.
    Listens(Operation),
    /// It answers.
    Answers(Box<Answer>),
    /// It has answered, and reads on what nobody wants: who leaves what has come unread has the
    /// answer lost on its way.
    Lingers(Operation),
    /// It is over, as soon as nothing is under way.
    Ends,
}

/// A connection.
pub struct Connection {
    // Before the socket: what is under way is about that.
    state: State,
    stream: TcpStream,
    /// What has come of requests.
    input: Vec<u8>,
    /// No more requests are read, and the last was none, or had more behind it.
    closes: bool,
    lingers: bool,
    patience: Patience,
    until: Instant,
}

/// An operation that tells when it has ended.
fn begun(operation: Operation) -> Option<Operation> {
    let mut operation = operation.with_signal(SIGNAL, 0);
    operation.begin().ok().map(|()| operation)
}

/// What an operation came to, if it has ended: bytes, and its buffer.
fn ended(operation: &mut Option<Operation>) -> Option<(Option<usize>, Vec<u8>)> {
    if !operation.as_ref()?.has_ended() {
        return None;
    }
    let mut operation = operation.take()?;
    Some((operation.take().ok(), operation.into_bytes()))
}

impl Connection {
    /// One that was accepted now; `None` where nothing can be read from it.
    pub fn new(stream: TcpStream, patience: Patience) -> Option<Self> {
        let state = State::Listens(reads(&stream)?);
        let until = Instant::now() + patience.head;
        let (input, closes, lingers) = (Vec::new(), false, false);
        Some(Self { state, stream, input, closes, lingers, patience, until })
    }

    /// When it is ended if it does not go on.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Goes on as far as it can.
    pub fn go_on(&mut self, folder: &Folder, buffers: &mut Buffers) -> Next {
        loop {
            let goes = match &mut self.state {
                State::Listens(operation) => {
                    if !operation.has_ended() {
                        return Next::Waits;
                    }
                    let count = operation.take().unwrap_or(0);
                    let bytes = operation.bytes().get(..count).unwrap_or_default();
                    if bytes.is_empty() {
                        return Next::Over;
                    }
                    let first = self.input.is_empty();
                    self.input.extend(bytes);
                    if first {
                        self.until = self.until.min(Instant::now() + self.patience.head);
                    }
                    self.ask(folder, buffers)
                }
                State::Answers(answer) => {
                    match answer.go_on(&self.stream, buffers) {
                        Some(Going::Waits) => return Next::Waits,
                        Some(Going::Moved) => {
                            self.until = Instant::now() + self.patience.quiet;
                            true
                        }
                        // As long as it stands, what comes next is asked for.
                        Some(Going::Done) if !self.closes => self.ask(folder, buffers),
                        Some(Going::Done) => self.lingers && self.linger(),
                        None => {
                            self.expire();
                            false
                        }
                    }
                }
                State::Lingers(operation) => {
                    if !operation.has_ended() {
                        return Next::Waits;
                    }
                    operation.take().is_ok_and(|count| count > 0 && operation.begin().is_ok())
                }
                State::Ends => return Next::Over,
            };
            if !goes {
                return Next::Over;
            }
        }
    }

    /// Its time is over: others are told, and what is under way ends.
    pub fn expire(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.state = State::Ends;
    }

    /// Says that there is no more, and waits for others to say so.
    fn linger(&mut self) -> bool {
        self.until = Instant::now() + self.patience.end;
        let said = self.stream.shutdown(Shutdown::Write).is_ok();
        let operation = said.then(|| reads(&self.stream)).flatten();
        operation.map(|operation| self.state = State::Lingers(operation)).is_some()
    }

    /// Looks whether a request is there; else listens. False where neither can be.
    fn ask(&mut self, folder: &Folder, buffers: &mut Buffers) -> bool {
        let fresh = matches!(self.state, State::Answers(_));
        let now = Instant::now();
        match request::read(&self.input) {
            Ok(None) => {
                if fresh {
                    let patience = if self.input.is_empty() {
                        self.patience.quiet
                    } else {
                        self.patience.head
                    };
                    self.until = now + patience;
                }
                let operation = reads(&self.stream);
                operation.map(|operation| self.state = State::Listens(operation)).is_some()
            }
            Ok(Some((request, length))) => {
                self.input.drain(..length.min(self.input.len()));
                self.closes = !request.keeps;
                self.lingers = !self.input.is_empty();
                self.until = now + self.patience.quiet;
                let answer = Answer::of(&request, folder, buffers);
                self.state = State::Answers(Box::new(answer));
                true
            }
            Err(status) => {
                (self.closes, self.lingers) = (true, true);
                self.until = now + self.patience.quiet;
                let answer = Answer::page(&status.answer(false, false), buffers);
                self.state = State::Answers(Box::new(answer));
                true
            }
        }
    }
}

/// Begins to read what comes.
fn reads(stream: &TcpStream) -> Option<Operation> {
    begun(Operation::reads(stream.as_raw_fd(), READ, 0))
}

/// How far an answer went.
enum Going {
    /// Not at all.
    Waits,
    /// Some bytes are on their way.
    Moved,
    /// All are.
    Done,
}

impl Answer {
    /// The answer to a request.
    fn of(request: &Request, folder: &Folder, buffers: &mut Buffers) -> Self {
        let found = match folder.find(request) {
            Ok(found) => found,
            Err(status) => {
                return Self::page(&status.answer(request.head_only, request.keeps), buffers);
            }
        };
        let head = Status::GOOD.head(found.kind, found.length, request.keeps);
        let mut answer = Self::page(&head, buffers);
        if !request.head_only && found.length > 0 {
            (answer.file, answer.left) = (Some(found.file), found.length);
        }
        answer
    }

    /// One that is these bytes.
    fn page(bytes: &[u8], buffers: &mut Buffers) -> Self {
        let mut buffer = buffers.take();
        // Heads and pages are shorter by far than a buffer.
        let count = bytes.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(bytes) {
            *to = *from;
        }
        let ready = Some(Piece { bytes: buffer, part: 0..count });
        Self { ready, ..Self::default() }
    }

    /// Goes on by one step. `None` where it cannot: the connection is broken, or the file has
    /// become shorter than was said.
    fn go_on(&mut self, stream: &TcpStream, buffers: &mut Buffers) -> Option<Going> {
        let mut moved = false;
        if let Some((count, bytes)) = ended(&mut self.writing) {
            let count = count.filter(|count| *count > 0)?;
            self.part.start = self.part.end.min(self.part.start + count);
            moved = true;
            if self.part.is_empty() {
                buffers.give(bytes);
            } else {
                self.write(stream, Piece { bytes, part: self.part.clone() })?;
            }
        }
        if let Some((count, bytes)) = ended(&mut self.reading) {
            let count = count.filter(|count| *count > 0)? as u64;
            (self.at, self.left) = (self.at + count, self.left.saturating_sub(count));
            let part = 0..self.before + count as usize;
            self.ready = Some(Piece { bytes, part });
        }
        // What is ready and alone waits for the bytes behind it: a head goes with its file.
        let alone = self.at == 0 && self.left > 0;
        if self.writing.is_none()
            && !alone
            && let Some(piece) = self.ready.take()
        {
            self.write(stream, piece)?;
        }
        if self.reading.is_none() && self.left > 0 && (self.ready.is_none() || alone) {
            self.read(buffers)?;
        }
        if self.writing.is_some() || self.reading.is_some() {
            return Some(if moved { Going::Moved } else { Going::Waits });
        }
        Some(if self.ready.is_none() { Going::Done } else { Going::Moved })
    }

    /// Begins to read the next piece, behind what is ready to go before it.
    fn read(&mut self, buffers: &mut Buffers) -> Option<()> {
        let file = self.file.as_ref()?.as_raw_fd();
        let (bytes, before) = match self.ready.take() {
            Some(Piece { bytes, part }) => (bytes, part.end),
            None => (buffers.take(), 0),
        };
        let count = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        let part = before..bytes.len().min(before + count);
        self.before = before;
        let at = i64::try_from(self.at).ok()?;
        self.reading = Some(begun(Operation::reads_into(file, bytes, part, at))?);
        Some(())
    }

    /// Begins to write one.
    fn write(&mut self, stream: &TcpStream, piece: Piece) -> Option<()> {
        let Piece { bytes, part } = piece;
        self.part = part.clone();
        let operation = Operation::writes_from(stream.as_raw_fd(), bytes, part, 0);
        self.writing = Some(begun(operation)?);
        Some(())
    }
}
