//! What programs ask for of a socket.

use core::net::SocketAddrV4;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{IpAddress, IpEndpoint};
use vortex_grid::{Context, Labels};
use vortex_units::{Bytes, Micros};

use super::Tcp;
use super::link::Outbox;
use super::settle::Cause;
use crate::bill::Charged;
use crate::cork::Cork;
use crate::error::NetError;
use crate::host::{Data, Host};
use crate::packet::HEAD;
use crate::requests::{Call, Mail, Moved, TcpRequest, What};
use crate::socket::{Role, Shut, Socket, Speech, State, ready};

type Result = core::result::Result<Moved, NetError>;

/// How long an end that nobody has any more waits for the other.
const PATIENCE: Micros = Micros::new(60_000_000);
/// Bytes of the longest datagram: it goes in one packet.
const DATAGRAM: usize = super::link::MTU - 28;
const _: () = assert!(HEAD + super::link::MTU <= crate::packet::BUFFER);

impl<M: Mail<H>, H: Host> Tcp<M, H> {
    /// A program asks for something.
    pub(super) fn call(&mut self, call: &mut Call<H>, cx: &mut Context<'_, M>) -> Result {
        let socket = call.socket.clone();
        let mut guard = socket.state.lock();
        let state = &mut *guard;
        let result = match &mut call.what {
            What::Connect => self.connect(&socket, state, cx),
            What::Send(data, _) if socket.is_stream() => self.send_stream(&socket, state, data),
            What::Send(data, to) => send_datagram(state, data, *to),
            What::Receive(data, peek) if socket.is_stream() => receive(state, data, *peek),
            What::Receive(data, peek) => receive_datagram(state, data, *peek),
            What::Shutdown(how) if matches!(state.role, Role::Listens(_)) => {
                self.listens_no_more(&socket, state, *how, cx);
                Ok(Moved::default())
            }
            What::Shutdown(how) => shutdown(&socket, state, *how),
            What::Close => {
                drop(guard);
                self.close(&socket, cx);
                return Ok(Moved::default());
            }
        };
        if let Ok(moved) = &result {
            cx.moved(Bytes::new(moved.bytes as u64));
        }
        self.go_on(&socket, state, &mut Outbox::new(), Cause::Call, cx);
        result
    }

    fn connect(
        &mut self,
        socket: &Arc<Socket>,
        state: &mut State,
        cx: &mut Context<'_, M>,
    ) -> Result {
        let (Role::Fresh, Some(local), Some(remote)) = (&state.role, state.local, state.remote)
        else {
            return Err(NetError::Invalid);
        };
        let charged = Charged::new(&self.wiring.bills, socket.activity(), Speech::STREAM);
        let mut speech = charged.and_then(Speech::stream).ok_or(NetError::NoMemory)?;
        speech.apply(&state.options, true);
        (state.heard, state.unanswered) = (cx.now().get(), 0);
        let seed = self.wiring.hooks.random();
        self.engine
            .connects(&mut speech, local, remote, seed, cx.now())
            .map_err(|_| NetError::NoAddress)?;
        speech.was = tcp::State::SynSent;
        state.role = Role::Speaks(speech);
        Err(NetError::InProgress)
    }

    /// The program has it no more.
    fn close(&mut self, socket: &Arc<Socket>, cx: &mut Context<'_, M>) {
        let mut guard = socket.state.lock();
        let state = &mut *guard;
        state.left = true;
        match &mut state.role {
            Role::Fresh | Role::Over => {
                let lingers = state.options.linger.0;
                drop(guard);
                self.wiring.forget(socket);
                if lingers {
                    self.wiring.hooks.ready(socket.id(), cx);
                }
            }
            Role::Listens(_) => {
                self.leave_all(socket, state, Role::Over, cx);
                drop(guard);
                self.wiring.forget(socket);
            }
            Role::Speaks(speech) => {
                if socket.is_stream() {
                    speech.uncork();
                    let tcp = speech.tcp();
                    if tcp.recv_queue() > 0 || state.options.linger == (true, 0) {
                        // As on Linux: who has not read all says so, and who does not linger.
                        tcp.abort();
                    } else {
                        tcp.close();
                    }
                    let patience = self.wiring.frequency.cycles(PATIENCE);
                    state.deadline = cx.now().saturating_add(patience).get();
                }
                self.go_on(socket, state, &mut Outbox::new(), Cause::Call, cx);
            }
        }
    }

    /// Who listened does no more, and becomes this: those who wait at it are left.
    fn leave_all(
        &mut self,
        socket: &Socket,
        state: &mut State,
        becomes: Role,
        cx: &mut Context<'_, M>,
    ) {
        socket.set_listening(false);
        let Role::Listens(waits) = core::mem::replace(&mut state.role, becomes) else { return };
        let Some(ports) = self.wiring.ports.get() else { return };
        let leave = TcpRequest::Leave(waits.whole.clone());
        if !waits.whole.is_empty() && cx.send(ports.tcp, Labels::NONE, leave).is_err() {
            // Whoever may not ask for more leaves them without a word.
            waits.whole.iter().for_each(|one| self.drop_unheard(one));
        }
    }

    /// Who listens is shut: for reading, it does not listen any more.
    fn listens_no_more(
        &mut self,
        socket: &Arc<Socket>,
        state: &mut State,
        how: Shut,
        cx: &mut Context<'_, M>,
    ) {
        if how == Shut::Write {
            return;
        }
        self.leave_all(socket, state, Role::Fresh, cx);
        socket.publish(ready::READ | ready::WRITE | ready::HANG_UP);
        // Whoever waits to accept is told so.
        self.wiring.hooks.ready(socket.id(), cx);
    }

    fn send_stream(&self, socket: &Socket, state: &mut State, data: &H::Data) -> Result {
        if state.options.cork
            && let Role::Speaks(speech) = &mut state.role
            && speech.cork.is_none()
        {
            let cork = Cork::new(&self.wiring.bills, socket.activity());
            speech.cork = Some(Box::new(cork.ok_or(NetError::NoMemory)?));
        }
        send(state, data)
    }

    /// Connections that waited to be accepted end, each in a run of its own, in order with its
    /// packets; a few are told so in this run. True if there are more.
    pub(super) fn leave(
        &mut self,
        waited: &mut VecDeque<Arc<Socket>>,
        cx: &mut Context<'_, M>,
    ) -> bool {
        const FEW: usize = crate::packet::TOGETHER;
        let Some(ports) = self.wiring.ports.get() else { return false };
        for _ in 0..FEW {
            let Some(socket) = waited.pop_front() else { return false };
            let labels = Labels::flow(socket.label());
            if cx.send(ports.tcp, labels, TcpRequest::Abandon(socket.clone())).is_err() {
                self.drop_unheard(&socket);
            }
        }
        !waited.is_empty()
    }

    /// A connection is no more, and the other end is not told.
    fn drop_unheard(&self, socket: &Arc<Socket>) {
        self.wiring.forget(socket);
        let role = core::mem::replace(&mut socket.state.lock().role, Role::Over);
        drop(role);
    }
}

/// The error that waits to be told.
fn failed(state: &mut State) -> core::result::Result<(), NetError> {
    state.error.take().map_or(Ok(()), Err)
}

fn send<D: Data>(state: &mut State, data: &D) -> Result {
    failed(state)?;
    if state.shut_write {
        return Err(NetError::Pipe);
    }
    let speech = match &mut state.role {
        Role::Speaks(speech) => speech,
        // As on Linux, who was never connected is as one who is no more.
        Role::Over | Role::Fresh | Role::Listens(_) => return Err(NetError::Pipe),
    };
    let tcp = speech.tcp();
    if tcp.state() == tcp::State::SynSent {
        return Err(NetError::WouldBlock);
    }
    if !tcp.may_send() {
        return Err(NetError::Pipe);
    }
    let mut bytes = 0_usize;
    if let Some(mut cork) = speech.cork.take() {
        bytes = cork.take(speech.tcp(), data);
        speech.cork = Some(cork);
    } else {
        let tcp = speech.tcp();
        // The ring's end, then its beginning.
        for _ in 0..2 {
            let sent = tcp.send(|room| {
                let copied = data.read(bytes, room);
                (copied, copied)
            });
            bytes = bytes.saturating_add(sent.unwrap_or(0));
        }
    }
    if bytes == 0 && data.bytes() > 0 {
        return Err(NetError::WouldBlock);
    }
    Ok(Moved { bytes, whole: bytes, from: None })
}

fn receive<D: Data>(state: &mut State, data: &mut D, peek: bool) -> Result {
    let shut = state.shut_read;
    let done = |bytes| Moved { bytes, whole: bytes, from: None };
    let speech = match &mut state.role {
        Role::Speaks(speech) => speech,
        Role::Over => {
            // Whoever has heard the other end's last word is not told that it hears no more.
            if state.error != Some(NetError::Pipe) {
                failed(state)?;
            }
            return Ok(Moved::default());
        }
        Role::Fresh | Role::Listens(_) => return Err(NetError::NotConnected),
    };
    let tcp = speech.tcp();
    let mut bytes = 0_usize;
    if peek {
        if let Ok(there) = tcp.peek(data.bytes()) {
            bytes = data.write(0, there);
        }
    } else {
        for _ in 0..2 {
            let received = tcp.recv(|there| {
                let copied = data.write(bytes, there);
                (copied, copied)
            });
            bytes = bytes.saturating_add(received.unwrap_or(0));
        }
    }
    if bytes > 0 || data.bytes() == 0 && tcp.can_recv() {
        return Ok(done(bytes));
    }
    if matches!(tcp.state(), tcp::State::SynSent | tcp::State::SynReceived) {
        return Err(NetError::WouldBlock);
    }
    if tcp.may_recv() && !shut {
        return Err(NetError::WouldBlock);
    }
    failed(state)?;
    Ok(done(0))
}

fn send_datagram<D: Data>(state: &mut State, data: &D, to: Option<SocketAddrV4>) -> Result {
    failed(state)?;
    if state.shut_write {
        return Err(NetError::Pipe);
    }
    let to = to.or(state.remote).ok_or(NetError::NoDestination)?;
    let Role::Speaks(speech) = &mut state.role else { return Err(NetError::Invalid) };
    let bytes = data.bytes();
    if bytes > DATAGRAM {
        return Err(NetError::TooLong);
    }
    if to.port() == 0 {
        return Err(NetError::Invalid);
    }
    let mut meta =
        udp::UdpMetadata::from(IpEndpoint { addr: IpAddress::Ipv4(*to.ip()), port: to.port() });
    let local = state.local.map(|local| *local.ip()).filter(|ip| !ip.is_unspecified());
    meta.local_address = match local {
        Some(local) => Some(IpAddress::Ipv4(local)),
        None if to.ip().is_loopback() => Some(IpAddress::v4(127, 0, 0, 1)),
        None => None,
    };
    match speech.udp().send_with(bytes, meta, |room| data.read(0, room)) {
        Ok(bytes) => Ok(Moved { bytes, whole: bytes, from: None }),
        Err(udp::SendError::BufferFull) => Err(NetError::WouldBlock),
        Err(udp::SendError::Unaddressable) => Err(NetError::Invalid),
    }
}

fn receive_datagram<D: Data>(state: &mut State, data: &mut D, peek: bool) -> Result {
    failed(state)?;
    let connected = state.remote;
    let Role::Speaks(speech) = &mut state.role else { return Err(NetError::WouldBlock) };
    let udp = speech.udp();
    loop {
        let from = |meta: &udp::UdpMetadata| match meta.endpoint.addr {
            IpAddress::Ipv4(ip) => SocketAddrV4::new(ip, meta.endpoint.port),
        };
        let (moved, from) = if peek {
            let Ok((there, meta)) = udp.peek() else { return Err(NetError::WouldBlock) };
            ((data.write(0, there), there.len()), from(meta))
        } else {
            let Ok((there, meta)) = udp.recv() else { return Err(NetError::WouldBlock) };
            ((data.write(0, there), there.len()), from(&meta))
        };
        // Who is connected hears nobody else.
        if connected.is_none_or(|to| to == from) {
            let (bytes, whole) = moved;
            return Ok(Moved { bytes, whole, from: Some(from) });
        }
        if peek {
            let _ = udp.recv();
        }
    }
}

fn shutdown(socket: &Socket, state: &mut State, how: Shut) -> Result {
    let connected = match &mut state.role {
        Role::Speaks(speech) if socket.is_stream() => {
            let begins = speech.tcp().state() == tcp::State::SynSent;
            if begins {
                return Err(NetError::NotConnected);
            }
            if matches!(how, Shut::Write | Shut::Both) {
                speech.uncork();
                speech.tcp().close();
            }
            true
        }
        Role::Speaks(_) => state.remote.is_some(),
        _ => false,
    };
    if !connected {
        return Err(NetError::NotConnected);
    }
    if matches!(how, Shut::Read | Shut::Both) {
        state.shut_read = true;
        socket.publish(socket.ready() | ready::READ | ready::READ_HANG_UP);
    }
    if matches!(how, Shut::Write | Shut::Both) {
        state.shut_write = true;
    }
    Ok(Moved::default())
}
