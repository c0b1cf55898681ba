//! Sending: by streams as much as there is room for, of the others whole packets or nothing.

use alloc::vec::Vec;

use super::address::Address;
use super::garbage::RIGHTS;
use super::packet::{Credentials, Packet, cost_of};
use super::{Kind, NO_RECEIVING, NO_SENDING, Socket, State};
use crate::accounts::Kept;
use crate::caller::Caller;
use crate::description::OpenId;
use crate::inode::InodeId;
use crate::moving::Source;
use crate::node::Node;
use crate::root::Root;
use crate::wait::{Outcome, Side};
use crate::{Effects, Errno};

/// The most bytes of a stream that go in one packet, and in one call: its caller goes on.
const PIECE: usize = 32 << 10;

/// What is sent beside bytes, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sending<'a> {
    /// To whom, where that is said.
    pub address: Option<&'a [u8]>,
    /// Descriptors that go along.
    pub rights: &'a [OpenId],
    /// As whom, where that is said.
    pub credentials: Option<Credentials>,
    /// It is not waited.
    pub nonblocking: bool,
}

impl Root {
    /// `sendmsg`, or a write: at most some bytes of a stream, or a whole message.
    ///
    /// # Errors
    /// Linux's; at `EPIPE` the caller raises `SIGPIPE` if it is a stream
    /// ([`Root::raises_pipe`]).
    pub fn send(
        &mut self,
        caller: &Caller,
        open: OpenId,
        sending: &Sending<'_>,
        source: &mut dyn Source,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let id = self.socket_id(open)?;
        if sending.rights.len() > RIGHTS {
            return Err(Errno::EINVAL);
        }
        let nonblocking = sending.nonblocking || self.description(open)?.is_nonblocking();
        let sending = Sending { nonblocking, ..*sending };
        match self.socket(id).ok_or(Errno::EBADF)?.kind {
            Kind::Stream => self.send_stream(caller, id, &sending, source, effects),
            Kind::Packets if self.socket(id).is_none_or(|it| it.state != State::Connected) => {
                Err(Errno::ENOTCONN)
            }
            // To whom is known.
            Kind::Packets => {
                let sending = Sending { address: None, ..sending };
                self.send_packet(caller, id, &sending, source, effects)
            }
            Kind::Datagram => self.send_packet(caller, id, &sending, source, effects),
        }
    }

    /// Whether an `EPIPE` of this open file comes with a signal.
    #[must_use]
    pub fn raises_pipe(&self, open: OpenId) -> bool {
        let socket = self.socket_id(open).ok().and_then(|id| self.socket(id));
        socket.is_none_or(|socket| socket.kind == Kind::Stream)
    }

    fn send_stream(
        &mut self,
        caller: &Caller,
        id: InodeId,
        sending: &Sending<'_>,
        source: &mut dyn Source,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let socket = self.socket(id).ok_or(Errno::EBADF)?;
        if sending.address.is_some() {
            let connected = socket.state == State::Connected;
            return Err(if connected { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        let peer = socket.peer.ok_or(Errno::ENOTCONN)?;
        if socket.is_shut(NO_SENDING) {
            return Err(Errno::EPIPE);
        }
        let most = (socket.options.send_limit() as usize / 2).saturating_sub(64);
        let count = source.left().min(PIECE).min(most);
        if count == 0 {
            return Ok(Outcome::Done(0));
        }
        if let Some(outcome) = self.wait_for_room(id, sending.nonblocking)? {
            return Ok(outcome);
        }
        if self.socket(peer).is_none_or(|other| other.is_shut(NO_RECEIVING)) {
            self.room_again(id, effects);
            return Err(Errno::EPIPE);
        }
        self.put_packet(caller, (id, peer), sending, count, source)?;
        if let Some(number) = self.socket_number(peer) {
            effects.wake(number, Side::Readable);
        }
        Ok(Outcome::Done(count))
    }

    fn send_packet(
        &mut self,
        caller: &Caller,
        id: InodeId,
        sending: &Sending<'_>,
        source: &mut dyn Source,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let address = sending.address.map(Address::parse).transpose()?;
        let socket = self.socket(id).ok_or(Errno::EBADF)?;
        let limit = socket.options.send_limit().saturating_sub(32);
        if socket.options.is_passing_credentials() {
            self.name_somehow(caller, id)?;
        }
        let count = source.left();
        if count as u64 > limit {
            return Err(Errno::EMSGSIZE);
        }
        let socket = self.socket_mut(id).ok_or(Errno::EBADF)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        if socket.is_shut(NO_SENDING) {
            return Err(Errno::EPIPE);
        }
        if let Some(outcome) = self.wait_for_room(id, sending.nonblocking)? {
            return Ok(outcome);
        }
        let laid = self.lay_packet(caller, id, (sending, address.as_ref()), source, effects);
        if laid.is_err() {
            self.room_again(id, effects);
        }
        laid
    }

    /// As Linux has it, what was taken for a packet that cannot be sent is room again, of which
    /// who waits for room is told.
    fn room_again(&self, id: InodeId, effects: &mut Effects) {
        if let Some(number) = self.socket_number(id) {
            effects.wake(number, Side::Writable);
        }
    }

    /// Finds to whom a packet goes, and lays it there.
    fn lay_packet(
        &mut self,
        caller: &Caller,
        id: InodeId,
        (sending, address): (&Sending<'_>, Option<&Address<'_>>),
        source: &mut dyn Source,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let count = source.left();
        let kind = self.socket(id).ok_or(Errno::EBADF)?.kind;
        let peer = match address {
            Some(address) => self.find_socket(caller, kind, address)?,
            None => self.socket(id).and_then(|socket| socket.peer).ok_or(Errno::ENOTCONN)?,
        };
        if self.socket(peer).is_none_or(Socket::is_gone) {
            return Err(self.lose_partner(id, kind, peer, effects));
        }
        if !self.may_send(id, peer) {
            return Err(Errno::EPERM);
        }
        let other = self.socket(peer).ok_or(Errno::ECONNREFUSED)?;
        if other.is_shut(NO_RECEIVING) {
            return Err(Errno::EPIPE);
        }
        if peer != id && other.peer != Some(id) && other.is_crowded() {
            if sending.nonblocking {
                return Err(Errno::EAGAIN);
            }
            return Ok(Outcome::WouldBlock(self.socket_key(peer, Side::Partner)?));
        }
        self.put_packet(caller, (id, peer), sending, count, source)?;
        if let Some(number) = self.socket_number(peer) {
            effects.wake(number, Side::Readable);
        }
        Ok(Outcome::Done(count))
    }

    /// To whom a socket sends is gone.
    fn lose_partner(
        &mut self,
        id: InodeId,
        kind: Kind,
        peer: InodeId,
        effects: &mut Effects,
    ) -> Errno {
        if kind.connects() {
            return Errno::EPIPE;
        }
        self.set_peer(id, None);
        if let Some(socket) = self.socket_mut(id) {
            socket.state = State::Fresh;
        }
        self.part(id, peer, effects);
        Errno::ECONNREFUSED
    }

    /// What a sender waits for whose buffer is full.
    fn wait_for_room(&self, id: InodeId, nonblocking: bool) -> Result<Option<Outcome>, Errno> {
        let socket = self.socket(id).ok_or(Errno::EBADF)?;
        if socket.sent < socket.options.send_limit() {
            return Ok(None);
        }
        if nonblocking {
            return Err(Errno::EAGAIN);
        }
        Ok(Some(Outcome::WouldBlock(self.socket_key(id, Side::Writable)?)))
    }

    /// Lays a packet at the other end.
    fn put_packet(
        &mut self,
        caller: &Caller,
        (from, to): (InodeId, InodeId),
        sending: &Sending<'_>,
        count: usize,
        source: &mut dyn Source,
    ) -> Result<(), Errno> {
        let cost = cost_of(count);
        self.accounts.charge(caller.owner, Kept::Open, cost).map_err(|_| Errno::ENOBUFS)?;
        let packet = self.fill_packet(caller, (from, to), sending, count, source);
        let packed = packet.and_then(|packet| {
            let queue = &mut self.socket_mut(to).ok_or(Errno::ECONNREFUSED)?.queue;
            // Descriptors that do not fit are given up with their packet.
            let room = queue.try_reserve(1).map_err(|_| Errno::ENOMEM);
            match room {
                Ok(()) => queue.push_back(packet),
                Err(_) => self.burial.add([packet].into(), Default::default()),
            }
            room
        });
        match packed {
            Ok(()) => {
                if let Some(socket) = self.socket_mut(from) {
                    socket.sent = socket.sent.saturating_add(cost);
                }
            }
            // What is buried is credited there.
            Err(Errno::ENOMEM) if self.burial.is_needed() => {}
            Err(_) => self.accounts.credit(caller.owner, Kept::Open, cost),
        }
        packed
    }

    fn fill_packet(
        &mut self,
        caller: &Caller,
        (from, to): (InodeId, InodeId),
        sending: &Sending<'_>,
        count: usize,
        source: &mut dyn Source,
    ) -> Result<Packet, Errno> {
        let bytes = match source.give() {
            Some(bytes) => bytes,
            None => {
                let mut bytes = Vec::new();
                bytes.try_reserve_exact(count).map_err(|_| Errno::ENOBUFS)?;
                bytes.resize(count, 0);
                source.take(&mut bytes)?;
                bytes
            }
        };
        let told = |id: InodeId| {
            let socket = self.socket(id);
            socket.is_some_and(|it| it.options.is_passing_credentials() || it.open.is_none())
        };
        let own = Credentials::of(caller.pid);
        let sender = sending.credentials.or((told(from) || told(to)).then_some(own));
        let rights = self.pass(caller, sending.rights, to)?;
        self.hold(&Node::Inode(from));
        let (owner, cost) = (caller.owner, cost_of(count));
        Ok(Packet { bytes, start: 0, from, owner, cost, rights, sender })
    }
}
