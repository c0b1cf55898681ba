//! What has become of a socket after a run.

use alloc::sync::Arc;

use smoltcp::socket::tcp;
use vortex_grid::Context;
use vortex_units::Micros;

use super::Tcp;
use super::link::Outbox;
use crate::address::Flow;
use crate::error::NetError;
use crate::host::Host;
use crate::requests::Mail;
use crate::socket::{Role, Socket, State, ready};

/// Why a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A packet has come.
    Packet,
    /// A timer has.
    Time,
    /// A program has asked for something, or more may be sent.
    Call,
}

/// How long a late packet may be on its way (TIME-WAIT).
const LATE: Micros = Micros::new(30_000_000);

impl<M: Mail<H>, H: Host> Tcp<M, H> {
    /// Looks at what has become of a socket. Whether who waits for it is to be told.
    pub(super) fn settle(
        &mut self,
        socket: &Arc<Socket>,
        state: &mut State,
        cause: Cause,
        cx: &mut Context<'_, M>,
    ) -> bool {
        if !socket.is_stream() {
            return self.settle_datagrams(socket, state);
        }
        let Role::Speaks(speech) = &mut state.role else { return false };
        let was = speech.was;
        let now = speech.tcp().state();
        speech.was = now;
        if was == tcp::State::SynReceived && now != was {
            self.opened(socket, state, now, cx);
        }
        let Role::Speaks(speech) = &mut state.role else { return false };
        let tcp = speech.tcp();
        let ended = match now {
            tcp::State::Closed | tcp::State::Listen => true,
            // What is left to be read is kept; else late packets are for the table.
            tcp::State::TimeWait => state.left || !tcp.can_recv(),
            _ => false,
        };
        if !ended {
            let mut is = ready_for(tcp, now, state.error, state.shut_read);
            // Who lingers waits for this.
            if state.left && state.options.linger.0 && now == tcp::State::FinWait2 {
                is |= ready::ARRIVED;
            }
            return socket.publish(is);
        }
        state.failed |= was == tcp::State::SynSent;
        if state.error.is_none() {
            state.error = error(was, now, cause);
        }
        // What it had received before may still be read: `Over` has nothing, so it waits.
        if !state.left && now != tcp::State::TimeWait && tcp.recv_queue() > 0 {
            let error = if state.error.is_some() { ready::ERROR } else { 0 };
            return socket.publish(ready::READ | ready::WRITE | ready::HANG_UP | error);
        }
        if let (tcp::State::TimeWait, Some(local), Some(remote)) = (now, state.local, state.remote)
        {
            let until = cx.now().saturating_add(self.wiring.frequency.cycles(LATE));
            self.wiring.table.end(Flow { local, remote }, until, cx.now());
        }
        self.over(socket, state)
    }

    /// A connection that others began and that is not there yet gives way to another: as if its
    /// packet had been lost.
    /// Whether it was not.
    pub(super) fn give_way(&self, socket: &Arc<Socket>) -> bool {
        let state = &mut *socket.state.lock();
        // It may be there by now: then it waits to be accepted.
        let begins = state.parent.take().is_some();
        if begins {
            self.over(socket, state);
        }
        begins
    }

    /// The connection is no more: its memory goes, and its flow is free.
    fn over(&self, socket: &Arc<Socket>, state: &mut State) -> bool {
        state.role = Role::Over;
        state.deadline = 0;
        if let Some(flow) = state.flow.take() {
            self.wiring.table.disconnect(&flow, socket);
        }
        if state.left {
            if let Some(local) = state.local {
                self.wiring.table.unbind(socket, local);
            }
            self.wiring.table.remove(socket);
        }
        let error = if state.error.is_some() { ready::ERROR } else { 0 };
        let all = ready::READ | ready::WRITE | ready::HANG_UP | ready::READ_HANG_UP;
        socket.publish(all | ready::ARRIVED | error)
    }

    /// A connection that others began is there, or will not be.
    fn opened(
        &self,
        socket: &Arc<Socket>,
        state: &mut State,
        now: tcp::State,
        cx: &mut Context<'_, M>,
    ) {
        let Some(parent) = state.parent.take() else { return };
        state.deadline = 0;
        let lives = !matches!(now, tcp::State::Closed | tcp::State::Listen);
        let mut above = parent.state.lock();
        let waits = match &mut above.role {
            Role::Listens(waits) => waits,
            _ => {
                // Nobody accepts it any more.
                if let Role::Speaks(speech) = &mut state.role {
                    speech.tcp().abort();
                }
                return;
            }
        };
        waits.half.retain(|(half, _)| !core::ptr::eq(half.as_ptr(), Arc::as_ptr(socket)));
        if lives {
            state.left = false;
            waits.whole.push_back(socket.clone());
            let told = parent.publish(ready::READ) || parent.was_seen();
            drop(above);
            if told {
                self.wiring.hooks.ready(parent.id(), cx);
            }
        }
    }

    fn settle_datagrams(&self, socket: &Arc<Socket>, state: &mut State) -> bool {
        let Role::Speaks(speech) = &mut state.role else { return false };
        let udp = speech.udp();
        if state.left && udp.send_queue() == 0 {
            if let Some(flow) = state.flow.take() {
                self.wiring.table.disconnect(&flow, socket);
            }
            if let Some(local) = state.local {
                self.wiring.table.unbind(socket, local);
            }
            self.wiring.table.remove(socket);
            state.role = Role::Over;
            return false;
        }
        let read = if udp.can_recv() { ready::READ } else { 0 };
        let write = if udp.can_send() { ready::WRITE } else { 0 };
        let error = if state.error.is_some() { ready::ERROR } else { 0 };
        socket.publish(read | write | error)
    }

    /// Nobody will accept a connection, or have it any more.
    pub(super) fn abandon(&mut self, socket: &Arc<Socket>, cx: &mut Context<'_, M>) {
        let mut state = socket.state.lock();
        state.left = true;
        state.parent = None;
        match &mut state.role {
            Role::Speaks(speech) if socket.is_stream() => speech.tcp().abort(),
            _ => {}
        }
        self.go_on(socket, &mut state, &mut Outbox::new(), Cause::Call, cx);
    }
}

/// What a connection is ready for.
fn ready_for(
    tcp: &tcp::Socket<'_>,
    now: tcp::State,
    error: Option<NetError>,
    shut_read: bool,
) -> u32 {
    if matches!(now, tcp::State::SynSent | tcp::State::SynReceived) {
        return 0;
    }
    use tcp::State as S;
    let end = shut_read || matches!(now, S::CloseWait | S::LastAck | S::Closing | S::TimeWait);
    let read = if tcp.can_recv() || end { ready::READ } else { 0 };
    let half = if end { ready::READ_HANG_UP } else { 0 };
    // As on Linux a third must be free, or who writes is woken for each segment that has
    // arrived. Where nothing more can be sent, who tries is told at once.
    let free = tcp.send_capacity().saturating_sub(tcp.send_queue());
    let roomy = free.saturating_mul(3) >= tcp.send_capacity();
    let write = if roomy || !tcp.may_send() { ready::WRITE } else { 0 };
    let both = if end && !tcp.may_send() { ready::HANG_UP } else { 0 };
    let error = if error.is_some() { ready::ERROR } else { 0 };
    read | half | write | both | error
}

/// Why a connection is no more, if not because both ends wanted it so.
fn error(was: tcp::State, now: tcp::State, cause: Cause) -> Option<NetError> {
    use tcp::State as S;
    if now == S::TimeWait {
        return None;
    }
    match (was, cause) {
        (S::Closed | S::TimeWait | S::Listen | S::LastAck | S::Closing, Cause::Packet) => None,
        (S::SynSent, Cause::Packet) => Some(NetError::Refused),
        (S::CloseWait, Cause::Packet) => Some(NetError::Pipe),
        (_, Cause::Packet) => Some(NetError::Reset),
        (S::Closed | S::TimeWait | S::Listen, _) => None,
        (_, Cause::Time) => Some(NetError::TimedOut),
        (_, Cause::Call) => None,
    }
}
