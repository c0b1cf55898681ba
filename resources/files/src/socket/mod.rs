//! Sockets of `AF_UNIX`: streams, datagrams and packets in sequence, within the machine.
//!
//! A socket is an object of its own, without a name in the tree; a name to which it is bound
//! is another object ([`Body::Socket`]), or one of its activity's abstract names. What is sent
//! lies at the receiver as packets, on the bill of who sent it ([`Packet`]).
//!
//! # Invariants
//! - **A packet is on its sender's bill** until it is read or given up, and in its sender's
//!   count of bytes on their way, which `SO_SNDBUF` limits.
//! - **A descriptor on its way is a user of its open file**, counted there (`flights`). Sockets
//!   that only each other's packets hold are found and given up ([`garbage`]).
//! - **A connection that nobody has accepted** is held by its listener, on the listener's bill.
//! - **What is given up at once is bounded**: packets of a socket that is closed go in slices
//!   ([`Root::bury`]).

mod address;
mod connect;
mod garbage;
mod make;
mod names;
mod options;
mod packet;
mod receive;
mod send;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use linux_raw_sys::general as abi;

pub use self::connect::Accepted;
pub(crate) use self::garbage::Burial;
pub(crate) use self::names::{Named, Names};
pub use self::options::OPTION_MOST;
use self::options::Options;
pub use self::packet::Credentials;
use self::packet::Packet;
pub use self::receive::{Got, Received, Receiving};
pub use self::send::Sending;
use crate::description::OpenId;
use crate::inode::{Body, Inode, InodeId};
use crate::node::Node;
use crate::root::Root;
use crate::wait::Side;
use crate::{Errno, WaitKey};

/// What a socket costs beside what every object does.
pub(crate) const SOCKET_COST: u64 = 768;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Stream,
    Datagram,
    Packets,
}

impl Kind {
    /// Whether it is connected before anything is sent.
    pub fn connects(self) -> bool {
        self != Self::Datagram
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Fresh,
    Listening,
    Connected,
}

/// The directions in which nothing goes any more, seen from the socket.
pub(crate) const NO_RECEIVING: u8 = 1;
pub(crate) const NO_SENDING: u8 = 2;

/// A socket.
pub(crate) struct Socket {
    pub kind: Kind,
    pub state: State,
    /// Its open file; one that nobody has accepted has none.
    pub open: Option<OpenId>,
    /// At which it waits to be accepted.
    pub listener: Option<InodeId>,
    /// The other end; of a datagram socket, where it sends to. It is held: its name is known
    /// when it is closed.
    pub peer: Option<InodeId>,
    /// Its own name, as an address has it behind the family.
    pub name: Option<Arc<[u8]>>,
    /// How the name leads here.
    pub named: Option<Named>,
    /// What was sent to it.
    pub queue: VecDeque<Packet>,
    /// Connections that wait to be accepted.
    pub waiting: VecDeque<InodeId>,
    /// How many may.
    pub backlog: u32,
    /// What it has sent and nobody has read, as the buffer's limit counts it.
    pub sent: u64,
    pub shut: u8,
    pub error: Option<Errno>,
    /// Who listens or is connected at the other end.
    pub other: Credentials,
    /// Who made it, or listens.
    pub own: Credentials,
    pub options: Options,
}

impl Socket {
    pub fn new(kind: Kind, own: Credentials) -> Self {
        Self {
            kind,
            state: State::Fresh,
            open: None,
            listener: None,
            peer: None,
            name: None,
            named: None,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            backlog: 0,
            sent: 0,
            shut: 0,
            error: None,
            other: Credentials::NOBODY,
            own,
            options: Options::default(),
        }
    }

    pub fn is_shut(&self, direction: u8) -> bool {
        self.shut & direction != 0
    }

    /// Whether it is only remembered, for what it has sent.
    pub fn is_gone(&self) -> bool {
        self.open.is_none() && self.listener.is_none()
    }

    pub fn listens(&self) -> bool {
        self.state == State::Listening
    }

    /// Bytes to be read: of a stream all, else of the next message.
    pub fn buffered(&self) -> usize {
        let all = if self.kind == Kind::Stream { usize::MAX } else { 1 };
        let packets = self.queue.iter().take(all);
        packets.fold(0, |sum, packet| packet.rest().len().saturating_add(sum))
    }

    /// Whether its buffer has so much room that it counts as writable.
    pub fn has_room(&self) -> bool {
        self.state != State::Listening && self.sent.saturating_mul(4) <= self.options.send_limit()
    }

    /// Whether more datagrams wait for it than those who are not its partner may send.
    pub fn is_crowded(&self) -> bool {
        /// `net.unix.max_dgram_qlen`.
        const MOST: usize = 10;
        self.queue.len() > MOST
    }

    /// What `poll` says of it, but for who is crowded at the other end.
    pub fn ready(&self) -> u32 {
        const READABLE: u32 = abi::POLLIN | abi::POLLRDNORM;
        const WRITABLE: u32 = abi::POLLOUT | abi::POLLWRNORM | abi::POLLWRBAND;
        let mut ready = 0;
        if self.error.is_some() {
            ready |= abi::POLLERR;
        }
        if self.is_shut(NO_RECEIVING) {
            ready |= abi::POLLRDHUP | READABLE;
        }
        let both = self.is_shut(NO_RECEIVING) && self.is_shut(NO_SENDING);
        if both || (self.kind.connects() && self.state == State::Fresh) {
            ready |= abi::POLLHUP;
        }
        if !self.queue.is_empty() || !self.waiting.is_empty() {
            ready |= READABLE;
        }
        if self.has_room() {
            ready |= WRITABLE;
        }
        ready
    }
}

impl Root {
    /// A socket that is open.
    pub(crate) fn socket_id(&self, open: OpenId) -> Result<InodeId, Errno> {
        let (_, node) = self.usable(open)?;
        let Node::Inode(id) = node else { return Err(Errno::ENOTSOCK) };
        match self.inode(*id)?.body {
            Body::Unix(_) => Ok(*id),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    pub(crate) fn socket(&self, id: InodeId) -> Option<&Socket> {
        match self.inodes.get(id).map(|inode| &inode.body) {
            Some(Body::Unix(socket)) => Some(socket),
            _ => None,
        }
    }

    pub(crate) fn socket_mut(&mut self, id: InodeId) -> Option<&mut Socket> {
        match self.inodes.get_mut(id).map(|inode| &mut inode.body) {
            Some(Body::Unix(socket)) => Some(socket),
            _ => None,
        }
    }

    /// What to wait for at a socket.
    pub(crate) fn socket_key(&self, id: InodeId, side: Side) -> Result<WaitKey, Errno> {
        self.key(id, side).map_err(|_| Errno::EBADF)
    }

    pub(crate) fn socket_number(&self, id: InodeId) -> Option<u64> {
        self.inodes.get(id).map(|inode: &Inode| inode.number)
    }

    /// What `poll` says of a socket, and the other for whose reader it waits too.
    pub(crate) fn socket_ready(&self, id: InodeId, socket: &Socket) -> (u32, Option<WaitKey>) {
        const WRITABLE: u32 = abi::POLLOUT | abi::POLLWRNORM | abi::POLLWRBAND;
        let ready = socket.ready();
        if socket.kind == Kind::Stream || ready & WRITABLE == 0 {
            return (ready, None);
        }
        let Some(peer) = socket.peer else { return (ready, None) };
        match self.socket(peer) {
            Some(other) if other.peer != Some(id) && other.is_crowded() => {
                (ready & !WRITABLE, self.socket_key(peer, Side::Partner).ok())
            }
            _ => (ready, None),
        }
    }
}
