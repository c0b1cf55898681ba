//! Sockets begin and end.

use alloc::boxed::Box;
use linux_raw_sys::general as abi;
use linux_raw_sys::net;

use super::{Credentials, Kind, NO_RECEIVING, NO_SENDING, Socket, State};
use crate::caller::Caller;
use crate::description::{Description, OpenId};
use crate::inode::{Body, InodeId};
use crate::node::Node;
use crate::root::Root;
use crate::wait::Side;
use crate::{Effects, Errno};

/// `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
const NONBLOCK: u32 = abi::O_NONBLOCK;
const CLOEXEC: u32 = abi::O_CLOEXEC;

impl Root {
    /// `socket` of `AF_UNIX`, without making a descriptor.
    ///
    /// # Errors
    /// `EINVAL`, `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`: no such type or protocol; `ENFILE`.
    pub fn unix_socket(
        &mut self,
        caller: &Caller,
        kind: u32,
        protocol: i32,
    ) -> Result<OpenId, Errno> {
        let (kind, flags) = kind_of(kind, protocol)?;
        self.make_socket(caller, kind, flags)
    }

    fn make_socket(&mut self, caller: &Caller, kind: Kind, flags: u32) -> Result<OpenId, Errno> {
        let socket = Socket::new(kind, Credentials::of(caller.pid));
        let body = Body::Unix(Box::new(socket));
        let open = self.open_anonymous(body, flags, caller.owner, caller.now)?;
        let id = self.socket_id(open)?;
        if let Some(socket) = self.socket_mut(id) {
            socket.open = Some(open);
        }
        Ok(open)
    }

    /// `socketpair` of `AF_UNIX`, without making descriptors.
    ///
    /// # Errors
    /// As [`Root::unix_socket`].
    pub fn unix_pair(
        &mut self,
        caller: &Caller,
        kind: u32,
        protocol: i32,
    ) -> Result<(OpenId, OpenId), Errno> {
        let (kind, flags) = kind_of(kind, protocol)?;
        let first = self.make_socket(caller, kind, flags)?;
        let second = match self.make_socket(caller, kind, flags) {
            Ok(second) => second,
            Err(error) => {
                self.close(first, &mut Effects::new());
                return Err(error);
            }
        };
        let ids = [self.socket_id(first)?, self.socket_id(second)?];
        for (own, other) in [(ids[0], ids[1]), (ids[1], ids[0])] {
            self.set_peer(own, Some(other));
            if let Some(socket) = self.socket_mut(own) {
                socket.state = State::Connected;
                socket.other = socket.own;
            }
        }
        Ok((first, second))
    }

    /// `shutdown`.
    ///
    /// # Errors
    /// `EINVAL`: no such direction; `ENOTSOCK`.
    pub fn shutdown(&mut self, open: OpenId, how: i32, effects: &mut Effects) -> Result<(), Errno> {
        let id = self.socket_id(open)?;
        let shut = match how {
            0 => NO_RECEIVING,
            1 => NO_SENDING,
            2 => NO_RECEIVING | NO_SENDING,
            _ => return Err(Errno::EINVAL),
        };
        let Some(socket) = self.socket_mut(id) else { return Err(Errno::EBADF) };
        socket.shut |= shut;
        let peer = socket.peer.filter(|_| socket.kind.connects());
        self.socket_changed(id, effects);
        if let Some(peer) = peer
            && let Some(other) = self.socket_mut(peer)
        {
            other.shut |= (shut & NO_RECEIVING) << 1 | (shut & NO_SENDING) >> 1;
            self.socket_changed(peer, effects);
        }
        Ok(())
    }

    /// The last user of a socket's open file has gone.
    pub(crate) fn close_socket(&mut self, description: &Description, effects: &mut Effects) {
        if let Node::Inode(id) = description.node {
            self.end_socket(id, effects);
        }
        self.let_go(&description.node, effects);
    }

    /// Whoever waits at a socket looks again.
    pub(super) fn socket_changed(&self, id: InodeId, effects: &mut Effects) {
        if let Some(number) = self.socket_number(id) {
            effects.wake(number, Side::Readable);
            effects.wake(number, Side::Writable);
            effects.wake(number, Side::Partner);
            effects.wake(number, Side::Ended);
        }
    }

    /// A socket's open file is closed, or nobody has accepted it and nobody will.
    pub(crate) fn end_socket(&mut self, id: InodeId, effects: &mut Effects) {
        let Some(socket) = self.socket_mut(id) else { return };
        socket.open = None;
        // As Linux has it, one packet without bytes at the front counts for nothing.
        let empty = socket.queue.front().is_some_and(|packet| packet.rest().is_empty());
        let unread = socket.queue.len() > usize::from(empty) || socket.listener.is_some();
        let (queue, waiting) =
            (core::mem::take(&mut socket.queue), core::mem::take(&mut socket.waiting));
        let (name, named) = (socket.name.clone(), socket.named.take());
        let connects = socket.kind.connects();
        socket.shut = NO_RECEIVING | NO_SENDING;
        socket.listener = None;
        self.burial.add(queue, waiting);
        self.lose_socket_name(name, named, effects);
        let peer = self.socket(id).and_then(|socket| socket.peer);
        if let Some(peer) = peer.filter(|_| connects)
            && let Some(other) = self.socket_mut(peer)
        {
            other.shut = NO_RECEIVING | NO_SENDING;
            if unread {
                other.error = Some(Errno::ECONNRESET);
            }
            self.socket_changed(peer, effects);
        }
        self.set_peer(id, None);
        self.socket_changed(id, effects);
    }

    /// A socket has another end from now on, or none; the one that it had.
    pub(super) fn set_peer(&mut self, id: InodeId, peer: Option<InodeId>) -> Option<InodeId> {
        if let Some(peer) = peer {
            self.hold(&Node::Inode(peer));
        }
        let old = core::mem::replace(&mut self.socket_mut(id)?.peer, peer);
        if let Some(old) = old {
            let _tag = self.unhold(&Node::Inode(old));
        }
        old
    }
}

/// The kind of socket, and the flags of its open file.
fn kind_of(kind: u32, protocol: i32) -> Result<(Kind, u32), Errno> {
    const TYPES: u32 = 0xf;
    let flags = kind & !TYPES;
    if flags & !(NONBLOCK | CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    if protocol != 0 && protocol != i32::from(super::address::UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    let kind = match kind & TYPES {
        net::SOCK_STREAM => Kind::Stream,
        // As Linux has it: raw ones are datagrams.
        net::SOCK_DGRAM | net::SOCK_RAW => Kind::Datagram,
        net::SOCK_SEQPACKET => Kind::Packets,
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok((kind, flags & NONBLOCK))
}
