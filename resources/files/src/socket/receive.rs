//! Receiving: of streams as much as there is, of the others a packet.

use alloc::vec::Vec;

use super::address::of_name;
use super::garbage::Right;
use super::packet::Credentials;
use super::{Kind, NO_RECEIVING, State};
use crate::description::OpenId;
use crate::inode::InodeId;
use crate::moving::{Sink, WINDOW};
use crate::root::Root;
use crate::wait::Side;
use crate::{Effects, Errno, Owner, WaitKey};

/// Packets of a stream that are read in one run.
const PACKETS: usize = 96;

/// Bytes of a message from which on who receives it may take it over as it is.
const LARGE: usize = 32 << 10;

/// How it is received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Receiving {
    /// What is read stays there.
    pub peek: bool,
    /// It is not waited.
    pub nonblocking: bool,
    /// All that was asked for is waited for.
    pub all: bool,
    /// Bytes that were received before.
    pub has: usize,
}

/// What was received.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes that were moved.
    pub count: usize,
    /// Bytes that the message had.
    pub length: usize,
    /// The address of who sent it, if that one has a name.
    pub address: Option<Vec<u8>>,
    /// Descriptors that came along: each is a use that is the caller's now.
    pub rights: Vec<OpenId>,
    /// Who sent it, if the receiver is to be told.
    pub credentials: Option<Credentials>,
    /// There will be no more.
    pub ended: bool,
    /// It is one of several messages: the bytes that did not fit are lost.
    pub is_message: bool,
    /// Bytes that are waited for.
    pub least: usize,
    /// There is more than is looked at in one run.
    pub more: bool,
}

/// What came of receiving.
#[must_use]
#[derive(Debug)]
pub enum Got {
    /// This.
    Done(Received),
    /// Nothing yet.
    WouldBlock(WaitKey),
}

impl Root {
    /// `recvmsg`, or a read: of a stream at most [`WINDOW`] bytes.
    ///
    /// # Errors
    /// Linux's.
    pub fn receive(
        &mut self,
        open: OpenId,
        receiving: Receiving,
        sink: &mut dyn Sink,
        effects: &mut Effects,
    ) -> Result<Got, Errno> {
        let id = self.socket_id(open)?;
        let nonblocking = receiving.nonblocking || self.description(open)?.is_nonblocking();
        let socket = self.socket_mut(id).ok_or(Errno::EBADF)?;
        let kind = socket.kind;
        match (kind, socket.state) {
            (Kind::Stream, State::Connected) | (Kind::Datagram, _) => {}
            (Kind::Stream, _) => return Err(Errno::EINVAL),
            (Kind::Packets, State::Connected) => {}
            (Kind::Packets, _) => return Err(Errno::ENOTCONN),
        }
        if (kind != Kind::Stream || socket.queue.is_empty())
            && let Some(error) = socket.error.take()
        {
            return Err(error);
        }
        if socket.queue.is_empty() {
            let ended = socket.is_shut(NO_RECEIVING);
            if ended && (kind != Kind::Datagram || !nonblocking) {
                return Ok(Got::Done(Received { ended: true, ..Received::default() }));
            }
            if nonblocking {
                return Err(Errno::EAGAIN);
            }
            return Ok(Got::WouldBlock(self.socket_key(id, Side::Readable)?));
        }
        let received = match kind {
            Kind::Stream => self.receive_stream(id, receiving, sink, effects),
            _ => self.receive_packet(id, receiving, sink, effects),
        };
        received.map(Got::Done)
    }

    fn receive_stream(
        &mut self,
        id: InodeId,
        receiving: Receiving,
        sink: &mut dyn Sink,
        effects: &mut Effects,
    ) -> Result<Received, Errno> {
        let (room, wanted) = (sink.room(), sink.room().min(WINDOW));
        let socket = self.socket(id).ok_or(Errno::EBADF)?;
        let low = socket.options.low().saturating_sub(receiving.has);
        let least = if receiving.all { room } else { room.min(low) };
        let told = socket.options.is_passing_credentials();
        let from = socket.queue.front().map(|packet| packet.from);
        let address = from.and_then(|from| self.address_of(from));
        let mut received = Received { least, address, ..Received::default() };
        let mut at = 0_usize;
        let mut rights = (Vec::new(), Owner::default());
        for packets in 0_usize.. {
            received.more = packets == PACKETS;
            let socket = self.socket_mut(id).ok_or(Errno::EBADF)?;
            let Some(packet) = socket.queue.get_mut(at).filter(|_| !received.more) else { break };
            if packets == 0 {
                received.credentials = packet.sender;
            }
            if told && !packet.goes_with(received.credentials) {
                break;
            }
            let span = packet.rest().len().min(wanted.saturating_sub(received.count));
            match sink.put(packet.rest().get(..span).unwrap_or_default()) {
                Ok(()) => {}
                Err(error) if packets == 0 => return Err(error),
                Err(_) => break,
            }
            received.count = received.count.saturating_add(span);
            let whole = span == packet.rest().len();
            rights.1 = packet.owner;
            if receiving.peek {
                rights.0.clone_from(&packet.rights);
                at = at.saturating_add(1);
            } else {
                rights.0 = core::mem::take(&mut packet.rights);
                packet.start = packet.start.saturating_add(span);
                if whole && let Some(packet) = socket.queue.pop_front() {
                    self.account_for(&packet, effects);
                }
            }
            // As Linux has it, who peeks sees also what came along with what does not fit.
            let enough = !receiving.peek && (!whole || received.count >= wanted);
            if enough || !rights.0.is_empty() {
                break;
            }
        }
        received.length = received.count;
        self.deliver(&mut received, rights, receiving.peek, told);
        Ok(received)
    }

    fn receive_packet(
        &mut self,
        id: InodeId,
        receiving: Receiving,
        sink: &mut dyn Sink,
        effects: &mut Effects,
    ) -> Result<Received, Errno> {
        let socket = self.socket_mut(id).ok_or(Errno::EBADF)?;
        let told = socket.options.is_passing_credentials();
        let from = socket.queue.front().ok_or(Errno::EAGAIN)?.from;
        let address = self.address_of(from);
        let socket = self.socket_mut(id).ok_or(Errno::EBADF)?;
        let packet = socket.queue.front_mut().ok_or(Errno::EAGAIN)?;
        let count = packet.rest().len().min(sink.room());
        let kept = !receiving.peek && packet.rest().len() > LARGE;
        if !kept {
            sink.put(packet.rest().get(..count).unwrap_or_default())?;
        }
        let mut received = Received {
            count,
            length: packet.rest().len(),
            address,
            credentials: packet.sender,
            is_message: true,
            ..Received::default()
        };
        let owner = packet.owner;
        let rights = if receiving.peek {
            packet.rights.clone()
        } else {
            let rights = core::mem::take(&mut packet.rights);
            if let Some(mut packet) = socket.queue.pop_front() {
                let bytes = core::mem::take(&mut packet.bytes);
                self.account_for(&packet, effects);
                // Who does not keep them takes them at once.
                if kept && let Err(bytes) = sink.keep(bytes) {
                    let _ = sink.put(bytes.get(..count).unwrap_or_default());
                }
            }
            if let Some(number) = self.socket_number(id) {
                effects.wake(number, Side::Partner);
            }
            rights
        };
        self.deliver(&mut received, (rights, owner), receiving.peek, told);
        Ok(received)
    }

    /// The address of who sent something, if it has a name.
    fn address_of(&self, from: InodeId) -> Option<Vec<u8>> {
        Some(of_name(Some(self.socket(from)?.name.as_deref()?)))
    }

    /// Descriptors arrive, or copies of those that stay on their way; who is not to be told the
    /// sender is not.
    fn deliver(
        &mut self,
        received: &mut Received,
        (rights, owner): (Vec<Right>, Owner),
        stay: bool,
        told: bool,
    ) {
        received.credentials = match (told, received.credentials) {
            (true, known) => Some(known.unwrap_or(Credentials::UNKNOWN)),
            (false, _) => None,
        };
        for right in rights {
            if !stay {
                received.rights.push(self.take_right(right, owner));
            } else if self.share(right.open).is_ok() {
                received.rights.push(right.open);
            }
        }
    }
}
