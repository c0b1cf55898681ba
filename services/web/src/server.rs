//! All connections, served by one thread that waits for whatever happens: somebody who connects,
//! or an operation that has ended. Of that a signal tells, which is read by a descriptor; how
//! often it came does not matter, for then all are looked at, which is a word of memory each.
//!
//! # Invariants
//! - No connection can hold up another: none is waited for alone.
//! - There are so many at most; more wait at the listener.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use vortex_guest::{Errno, event, fd, sig};

use crate::buffers::Buffers;
use crate::connection::{Connection, Next, Patience, SIGNAL};
use crate::folder::Folder;

/// How long is waited at most: a signal for which the kernel has no room does not come.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of what tells of a signal.
const TOLD: usize = 128;

/// A server.
pub struct Server {
    /// What it serves.
    pub folder: Folder,
    /// Connections at once.
    pub most: usize,
    /// How long others may take.
    pub patience: Patience,
}

fn of(error: Errno) -> io::Error {
    io::Error::from_raw_os_error(error.0)
}

impl Server {
    /// Serves for ever.
    ///
    /// # Errors
    /// Those of the listener and of the set of descriptors.
    pub fn serve(&self, listener: &TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        sig::block(&[SIGNAL]);
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        let signals = event::signals(-1, sig::set(&[SIGNAL]), flags).map_err(of)?;
        let set = event::set(libc::EPOLL_CLOEXEC).map_err(of)?;
        event::watch(set, signals, libc::EPOLLIN).map_err(of)?;
        let door = listener.as_raw_fd();
        let mut connections: Vec<Connection> = Vec::new();
        let mut buffers = Buffers::default();
        let (mut open, mut rests) = (false, None);
        loop {
            let now = Instant::now();
            rests = rests.filter(|until| *until > now);
            let wants = connections.len() < self.most && rests.is_none();
            if wants != open {
                let operation = if wants { libc::EPOLL_CTL_ADD } else { libc::EPOLL_CTL_DEL };
                event::control(set, operation, door, libc::EPOLLIN as u32).map_err(of)?;
                open = wants;
            }
            let busy = !connections.is_empty() || rests.is_some();
            let untils = connections.iter().map(Connection::until).chain(rests);
            let until = untils.min().map_or(now + LOOK, |until| until.min(now + LOOK));
            let wait = until.saturating_duration_since(now).as_millis() + 1;
            let wait = if busy { i32::try_from(wait).unwrap_or(i32::MAX) } else { -1 };
            let ready = match event::wait(set, 2, wait) {
                Ok(ready) => ready,
                Err(Errno(libc::EINTR)) => continue,
                Err(error) => return Err(of(error)),
            };
            for (ready, _) in ready {
                if ready == signals as u64 {
                    // That it came is all: it is pending once.
                    let _ = fd::read(signals, &mut [0; TOLD]);
                } else if !self.accept(listener, &mut connections)? {
                    rests = Some(Instant::now() + LOOK);
                }
            }
            let now = Instant::now();
            connections.retain_mut(|connection| {
                if now >= connection.until() {
                    connection.expire();
                }
                connection.go_on(&self.folder, &mut buffers) == Next::Waits
            });
        }
    }

    /// Takes in those who wait; false where there is no room for one.
    fn accept(
        &self,
        listener: &TcpListener,
        connections: &mut Vec<Connection>,
    ) -> io::Result<bool> {
        while connections.len() < self.most {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINVAL | libc::EBADF) => return Err(error),
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => {
                        return Ok(false);
                    }
                    // Nobody waits, or who did has gone again.
                    _ => return Ok(true),
                },
            };
            connections.extend(self.connection(stream));
        }
        Ok(true)
    }

    fn connection(&self, stream: TcpStream) -> Option<Connection> {
        // What is written waits in its operation, not here.
        stream.set_nonblocking(false).ok()?;
        // Answers are written as a whole, or in large pieces.
        stream.set_nodelay(true).ok()?;
        Connection::new(stream, self.patience)
    }
}
