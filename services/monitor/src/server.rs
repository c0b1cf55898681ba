//! The connections, all served by one thread that waits for whichever is ready.
//!
//! # Invariants
//! - No connection can hold up another: none is waited for alone.
//! - There are at most [`MOST`]; more wait at the listener. One on which nothing happens
//!   for [`PATIENCE`] is ended, and one whose request is not whole after [`HEAD`], however
//!   its bytes trickle.
//! - Where only [`Peers::Outside`] are served, no connection of this machine's own is ever
//!   read from.
//! - What is read ahead of an answer that was not taken yet is at most a head's length.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use vortex_guest::event;

use crate::http::{self, Head};
use crate::text;

/// Connections at once.
const MOST: usize = 16;
/// How long a connection may be quiet.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the head of a request may take, from its first byte, and the first one from the
/// connection's beginning.
const HEAD: Duration = Duration::from_secs(5);

/// Who is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Whoever connects.
    All,
    /// Who connects from another machine, as the host does. What is told is everybody's, and
    /// the activities of this machine are no business of each other's.
    Outside,
}

impl Peers {
    /// Whether one at this address is served, by a socket at that one.
    fn admit(self, peer: IpAddr, own: IpAddr) -> bool {
        self == Self::All || !(peer.is_loopback() || peer.is_unspecified() || peer == own)
    }
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The other end has said all that it will.
    over: bool,
    /// No more requests are answered.
    ending: bool,
    /// The set tells when it can be written to, not when there is more to read.
    writes: bool,
    seen: Instant,
    /// When the request that is awaited began to come; nothing between two requests.
    began: Option<Instant>,
}

/// Serves for ever.
///
/// # Errors
/// Those of the listener and of the set of descriptors.
pub fn serve(
    listener: &TcpListener,
    peers: Peers,
    answer: &mut dyn FnMut(&Head) -> Vec<u8>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let set = event::set(libc::EPOLL_CLOEXEC).map_err(of)?;
    let door = listener.as_raw_fd();
    let mut connections: BTreeMap<i32, Connection> = BTreeMap::new();
    let mut open = false;
    loop {
        let wants = connections.len() < MOST;
        if wants != open {
            let operation = if wants { libc::EPOLL_CTL_ADD } else { libc::EPOLL_CTL_DEL };
            event::control(set, operation, door, libc::EPOLLIN as u32).map_err(of)?;
            open = wants;
        }
        let oldest = connections.values().map(Connection::until).min();
        let wait = oldest.map_or(-1, |until| {
            let left = until.saturating_duration_since(Instant::now()).as_millis();
            i32::try_from(left + 1).unwrap_or(i32::MAX)
        });
        let ready = match event::wait(set, MOST + 1, wait) {
            Ok(ready) => ready,
            Err(error) if error.0 == libc::EINTR => continue,
            Err(error) => return Err(of(error)),
        };
        for (fd, _) in ready {
            let fd = fd as i32;
            if fd == door {
                accept(listener, peers, set, &mut connections)?;
            } else if let Some(connection) = connections.get_mut(&fd)
                && !connection.serve(set, answer)
            {
                // Its descriptor leaves the set by being closed.
                connections.remove(&fd);
            }
        }
        let now = Instant::now();
        connections.retain(|_, connection| now < connection.until());
    }
}

fn of(error: vortex_guest::Errno) -> io::Error {
    io::Error::from_raw_os_error(error.0)
}

fn accept(
    listener: &TcpListener,
    peers: Peers,
    set: i32,
    connections: &mut BTreeMap<i32, Connection>,
) -> io::Result<()> {
    while connections.len() < MOST {
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            // Who has gone again, or does not fit now, is nobody else's trouble.
            Err(error) if error.kind() == ErrorKind::InvalidInput => return Err(error),
            Err(_) => break,
        };
        if !stream.local_addr().is_ok_and(|own| peers.admit(peer.ip(), own.ip())) {
            continue;
        }
        let fd = stream.as_raw_fd();
        if stream.set_nonblocking(true).is_ok() && event::watch(set, fd, libc::EPOLLIN).is_ok() {
            let now = Instant::now();
            let connection = Connection {
                stream,
                input: Vec::new(),
                output: Vec::new(),
                over: false,
                ending: false,
                writes: false,
                seen: now,
                began: Some(now),
            };
            connections.insert(fd, connection);
        }
    }
    Ok(())
}

impl Connection {
    /// When it is ended if nothing more comes.
    fn until(&self) -> Instant {
        let quiet = self.seen + PATIENCE;
        self.began.map_or(quiet, |began| quiet.min(began + HEAD))
    }

    /// Reads, answers and writes as far as it goes now; whether it is still there.
    fn serve(&mut self, set: i32, answer: &mut dyn FnMut(&Head) -> Vec<u8>) -> bool {
        self.seen = Instant::now();
        if self.output.is_empty() && !self.read() {
            return false;
        }
        loop {
            if !self.write() {
                return false;
            }
            if !self.output.is_empty() {
                break;
            }
            if self.ending {
                return false;
            }
            match http::take(&mut self.input) {
                Ok(Some(head)) => {
                    self.began = None;
                    self.ending |= !head.keeps;
                    self.output = answer(&head);
                }
                Ok(None) if self.over => return false,
                Ok(None) => {
                    if !self.input.is_empty() {
                        self.began.get_or_insert(self.seen);
                    }
                    break;
                }
                Err(wrong) => {
                    self.began = None;
                    self.ending = true;
                    let status = wrong.status();
                    let body = format!("{status}\n");
                    self.output = http::answer(status, text::PLAIN, body.as_bytes(), None);
                }
            }
        }
        let writes = !self.output.is_empty();
        if writes != self.writes {
            self.writes = writes;
            let events = if writes { libc::EPOLLOUT } else { libc::EPOLLIN };
            let fd = self.stream.as_raw_fd();
            return event::control(set, libc::EPOLL_CTL_MOD, fd, events as u32).is_ok();
        }
        true
    }

    /// Reads what has come; whether the connection still works.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 2048];
        while self.input.len() <= http::LONGEST {
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    self.over = true;
                    break;
                }
                Ok(length) => self.input.extend(bytes.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Writes what is to be told, as far as it is taken; whether the other end is there.
    fn write(&mut self) -> bool {
        let mut done = 0;
        while let Some(rest) = self.output.get(done..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return false,
                Ok(length) => done += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.output.drain(..done);
        true
    }
}
