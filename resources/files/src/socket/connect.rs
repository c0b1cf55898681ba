//! Connections: listening, connecting, accepting.

use alloc::boxed::Box;
use linux_raw_sys::general as abi;

use super::address::Address;
use super::{Credentials, Kind, NO_RECEIVING, Socket, State};
use crate::caller::Caller;
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::node::Node;
use crate::root::Root;
use crate::wait::{Outcome, Side};
use crate::{Effects, Errno, WaitKey};

/// The most connections that wait at a socket (`net.core.somaxconn`).
const MOST_WAITING: u32 = 4096;

/// What came of an accept.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A connection.
    Ready(OpenId),
    /// None yet.
    WouldBlock(WaitKey),
}

impl Root {
    /// `listen`.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: no socket for connections; `EINVAL`: without a name, or connected.
    pub fn listen(
        &mut self,
        caller: &Caller,
        open: OpenId,
        backlog: i32,
        effects: &mut Effects,
    ) -> Result<(), Errno> {
        let id = self.socket_id(open)?;
        let socket = self.socket_mut(id).ok_or(Errno::EBADF)?;
        if !socket.kind.connects() {
            return Err(Errno::EOPNOTSUPP);
        }
        if socket.name.is_none() || socket.state == State::Connected {
            return Err(Errno::EINVAL);
        }
        // A negative one is as large as may be.
        socket.backlog = (backlog as u32).min(MOST_WAITING);
        socket.state = State::Listening;
        socket.own = Credentials::of(caller.pid);
        socket.other = socket.own;
        self.socket_changed(id, effects);
        Ok(())
    }

    /// `connect`.
    ///
    /// # Errors
    /// Linux's; `EAGAIN`, where a connection would wait at one that is not to.
    pub fn connect(
        &mut self,
        caller: &Caller,
        open: OpenId,
        address: &[u8],
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let id = self.socket_id(open)?;
        let kind = self.socket(id).ok_or(Errno::EBADF)?.kind;
        let address = Address::parse(address)?;
        if self.socket(id).is_some_and(|socket| socket.options.is_passing_credentials()) {
            self.name_somehow(caller, id)?;
        }
        if kind == Kind::Datagram {
            self.connect_datagrams(caller, id, &address, effects)?;
            return Ok(Outcome::Done(0));
        }
        let target = self.find_socket(caller, kind, &address)?;
        let listener = self.socket(target).ok_or(Errno::ECONNREFUSED)?;
        if listener.state != State::Listening || listener.is_shut(NO_RECEIVING) {
            return Err(Errno::ECONNREFUSED);
        }
        let full = listener.waiting.len() > listener.backlog as usize;
        if full {
            if self.description(open)?.is_nonblocking() {
                return Err(Errno::EAGAIN);
            }
            return Ok(Outcome::WouldBlock(self.socket_key(target, Side::Partner)?));
        }
        match self.socket(id).ok_or(Errno::EBADF)?.state {
            State::Fresh => {}
            State::Connected => return Err(Errno::EISCONN),
            State::Listening => return Err(Errno::EINVAL),
        }
        self.join(caller, id, target, effects)?;
        Ok(Outcome::Done(0))
    }

    /// Makes the other end of a connection, which waits at a listener to be accepted.
    fn join(
        &mut self,
        caller: &Caller,
        id: InodeId,
        target: InodeId,
        effects: &mut Effects,
    ) -> Result<(), Errno> {
        let listener = self.socket(target).ok_or(Errno::ECONNREFUSED)?;
        let mut end = Socket::new(listener.kind, listener.own);
        (end.state, end.listener) = (State::Connected, Some(target));
        (end.name, end.other) = (listener.name.clone(), Credentials::of(caller.pid));
        end.options = listener.options.inherited();
        let other = listener.own;
        let owner = self.inode(target)?.owner;
        let made = self.make(Body::Unix(Box::new(end)), 0o777, owner, caller.now);
        let made = made.map_err(|_| Errno::ENOMEM)?;
        let listener = self.socket_mut(target).ok_or(Errno::ECONNREFUSED)?;
        listener.waiting.push_back(made);
        self.hold(&Node::Inode(made));
        self.set_peer(made, Some(id));
        self.set_peer(id, Some(made));
        if let Some(socket) = self.socket_mut(id) {
            (socket.state, socket.other) = (State::Connected, other);
        }
        if let Some(number) = self.socket_number(target) {
            effects.wake(number, Side::Readable);
        }
        Ok(())
    }

    /// A datagram socket has somewhere to send to from now on, or nowhere.
    fn connect_datagrams(
        &mut self,
        caller: &Caller,
        id: InodeId,
        address: &Address<'_>,
        effects: &mut Effects,
    ) -> Result<(), Errno> {
        let peer = match address {
            Address::Nowhere => None,
            address => {
                let target = self.find_socket(caller, Kind::Datagram, address)?;
                if !self.may_send(id, target) {
                    return Err(Errno::EPERM);
                }
                if let Some(other) = self.socket_mut(target) {
                    other.state = State::Connected;
                }
                Some(target)
            }
        };
        let old = self.set_peer(id, peer);
        let socket = self.socket_mut(id).ok_or(Errno::EBADF)?;
        socket.state = if peer.is_some() { State::Connected } else { State::Fresh };
        if let Some(old) = old.filter(|_| old != peer) {
            self.part(id, old, effects);
        }
        if let Some(number) = self.socket_number(id) {
            effects.wake(number, Side::Writable);
        }
        Ok(())
    }

    /// A datagram socket is not another's partner any more: what waits for it is given up, and
    /// who still sends to it is told.
    pub(super) fn part(&mut self, id: InodeId, old: InodeId, effects: &mut Effects) {
        let Some(socket) = self.socket_mut(id) else { return };
        if socket.queue.is_empty() {
            return;
        }
        let queue = core::mem::take(&mut socket.queue);
        self.burial.add(queue, Default::default());
        if let Some(number) = self.socket_number(id) {
            effects.wake(number, Side::Partner);
        }
        if let Some(other) = self.socket_mut(old).filter(|other| other.peer == Some(id)) {
            other.error = Some(Errno::ECONNRESET);
            self.socket_changed(old, effects);
        }
    }

    /// Whether one may send to another: to whom that one sends, if to anybody.
    pub(super) fn may_send(&self, from: InodeId, to: InodeId) -> bool {
        self.socket(to).is_some_and(|to| to.peer.is_none() || to.peer == Some(from))
    }

    /// `accept4`, without making a descriptor.
    ///
    /// # Errors
    /// `EINVAL`, `EOPNOTSUPP`: it does not listen; `EAGAIN`, `ENFILE`.
    pub fn accept(
        &mut self,
        caller: &Caller,
        open: OpenId,
        flags: u32,
        effects: &mut Effects,
    ) -> Result<Accepted, Errno> {
        if flags & !(abi::O_NONBLOCK | abi::O_CLOEXEC) != 0 {
            return Err(Errno::EINVAL);
        }
        let id = self.socket_id(open)?;
        let nonblocking = self.description(open)?.is_nonblocking();
        let listener = self.socket_mut(id).ok_or(Errno::EBADF)?;
        if !listener.kind.connects() {
            return Err(Errno::EOPNOTSUPP);
        }
        if listener.state != State::Listening {
            return Err(Errno::EINVAL);
        }
        let Some(end) = listener.waiting.pop_front() else {
            if nonblocking {
                return Err(Errno::EAGAIN);
            }
            if listener.is_shut(NO_RECEIVING) {
                return Err(Errno::EINVAL);
            }
            return Ok(Accepted::WouldBlock(self.socket_key(id, Side::Readable)?));
        };
        let flags = flags & abi::O_NONBLOCK | abi::O_RDWR;
        let made = match self.open_node(Node::Inode(end), flags, caller.owner) {
            Ok(made) => made,
            Err(error) => {
                if let Some(listener) = self.socket_mut(id) {
                    listener.waiting.push_front(end);
                }
                return Err(error);
            }
        };
        if let Some(socket) = self.socket_mut(end) {
            (socket.open, socket.listener) = (Some(made), None);
        }
        // The open file holds it now.
        let _tag = self.unhold(&Node::Inode(end));
        if let Some(number) = self.socket_number(id) {
            effects.wake(number, Side::Partner);
        }
        Ok(Accepted::Ready(made))
    }
}
