//! Readiness: what `poll`, `select` and `epoll` ask of an open file.

use linux_raw_sys::general as abi;

use crate::description::{Description, OpenId};
use crate::event::Event;
use crate::inode::Body;
use crate::node::Node;
use crate::pipe::Pipe;
use crate::root::Root;
use crate::wait::Side;
use crate::{Dev, WaitKey};

/// What `poll` answers for one open file. Asking changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// `revents`: what was asked for and is so, and `POLLERR`, `POLLHUP`, `POLLNVAL`.
    pub ready: u32,
    /// What to wait for if nothing is ready.
    pub waits: [Option<WaitKey>; 3],
    /// A device that the caller has to ask instead.
    pub device: Option<Dev>,
    /// An object of the caller's own that it has to ask instead.
    pub external: Option<u64>,
    /// Signals for which it has to look itself.
    pub signals: Option<u64>,
}

const READABLE: u32 = abi::POLLIN | abi::POLLRDNORM;
const WRITABLE: u32 = abi::POLLOUT | abi::POLLWRNORM;
const ALWAYS: u32 = abi::POLLERR | abi::POLLHUP;

impl Root {
    /// Whether an open file is ready for any of these `POLL*` events.
    #[must_use]
    pub fn poll(&self, id: OpenId, events: u32) -> Polled {
        let invalid = Polled { ready: abi::POLLNVAL, ..Polled::default() };
        let Ok((description, node)) = self.usable(id) else { return invalid };
        let Node::Inode(inode) = node else { return plain(events) };
        let id = *inode;
        let Ok(inode) = self.inode(id) else { return invalid };
        let mut other = None;
        let ready = match &inode.body {
            Body::Fifo(pipe) => pipe_ready(pipe, description),
            Body::Event(event) => event_ready(event),
            Body::Unix(socket) => {
                let (ready, crowded) = self.socket_ready(id, socket);
                other = crowded;
                ready
            }
            // Some of these may not be so any more: who can, asks them ([`Root::poll_some`]).
            Body::Epoll(set) if set.may_be_ready() => READABLE,
            Body::Epoll(_) => 0,
            Body::Timer(timer) if timer.is_readable() => abi::POLLIN,
            Body::Timer(_) => 0,
            Body::Character(dev) if !dev.is_memory() => {
                return Polled { device: Some(*dev), ..Polled::default() };
            }
            Body::Signals(mask) => {
                return Polled { signals: Some(*mask), ..Polled::default() };
            }
            Body::External { tag, .. } => {
                let key = |side| Some(WaitKey { object: inode.number, side });
                let waits = [key(Side::Readable), key(Side::Writable), None];
                return Polled { external: Some(*tag), waits, ..Polled::default() };
            }
            _ => return plain(events),
        };
        let key = |side| Some(WaitKey { object: inode.number, side });
        let waits = [
            // A hang-up is reported to those who ask for nothing, too.
            if description.reads() { key(Side::Readable) } else { None },
            if description.writes() { key(Side::Writable) } else { None },
            other,
        ];
        Polled { ready: ready & (events | ALWAYS), waits, ..Polled::default() }
    }
}

/// Files that are always ready.
fn plain(events: u32) -> Polled {
    Polled { ready: (READABLE | WRITABLE) & events, ..Polled::default() }
}

fn pipe_ready(pipe: &Pipe, description: &Description) -> u32 {
    let mut ready = 0;
    if description.reads() {
        if !pipe.is_empty() {
            ready |= READABLE;
        }
        if pipe.writers == 0 && description.quiet != Some(pipe.writer_opens) {
            ready |= abi::POLLHUP;
        }
    }
    if description.writes() {
        if !pipe.is_full() {
            ready |= WRITABLE;
        }
        if pipe.readers == 0 {
            ready |= abi::POLLERR;
        }
    }
    ready
}

fn event_ready(event: &Event) -> u32 {
    let readable = if event.is_readable() { abi::POLLIN } else { 0 };
    let writable = if event.is_writable() { abi::POLLOUT } else { 0 };
    readable | writable
}
