//! TCPR: each packet of a connection is one request of its activity, on its flow's core; so are
//! what programs ask for, and what its timers do. Datagrams go the same way.
//!
//! A run works on one socket: what came in, then what may be sent (two segments at most wait
//! below, until the ring has them; four within the machine go together), then what has
//! become of the socket: who waits for it is told, and its next timer set. All of smoltcp's state
//! of a socket is in the socket.

mod calls;
mod engine;
mod link;
mod opening;
mod patience;
mod settle;

use alloc::sync::Arc;

use vortex_grid::{At, Context, Labels, Outcome, Resource};
use vortex_units::Micros;

use crate::address::Flow;
use crate::demultiplex::{Found, LOOK, look};
use crate::error::NetError;
use crate::host::Host;
use crate::packet::{Packet, TOGETHER, VIRTIO};
use crate::requests::{Arrived, Mail, Outgoing, Reply, TcpRequest, TimerRequest};
use crate::socket::{Role, Socket, State};
use crate::wiring::Wiring;
use engine::Engine;
pub use link::MTU;
use link::Outbox;
use settle::Cause;

/// The resource.
pub struct Tcp<M, H: Host> {
    wiring: Arc<Wiring<M, H>>,
    engine: Engine<H::Buffer>,
}

impl<M: Mail<H>, H: Host> Tcp<M, H> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, H>>) -> Self {
        let seed = wiring.hooks.random();
        let pool = wiring.pool.clone();
        let engine = Engine::new(pool, wiring.addresses, seed, wiring.frequency);
        Self { wiring, engine }
    }

    /// A packet has come for a socket, with those behind it.
    fn packet(
        &mut self,
        socket: &Arc<Socket>,
        packet: &Packet<H::Buffer>,
        cx: &mut Context<'_, M>,
    ) {
        let mut state = socket.state.lock();
        let mut out = Outbox::new();
        let State { role, options, left, parent, news, .. } = &mut *state;
        let Role::Speaks(speech) = role else {
            // It was, when this was found to be its.
            return;
        };
        let stream = socket.is_stream();
        let before = if stream { speech.tcp().recv_queue() } else { 0 };
        if stream {
            self.is_heard(speech, options);
        }
        for packet in packet.all() {
            self.engine.comes(packet, Some((socket, speech)), cx.now(), &mut out);
        }
        *news = !stream || speech.tcp().recv_queue() > before;
        // Who has left does not read it: the other end is told so.
        if stream && *left && parent.is_none() && speech.tcp().recv_queue() > 0 {
            speech.tcp().abort();
        }
        (state.heard, state.unanswered) = (cx.now().get(), 0);
        socket.are_below(out.len() as u32);
        self.go_on(socket, &mut state, &mut out, Cause::Packet, cx);
    }

    /// What a socket has to send it does, as far as it may; and what has become of it is seen to.
    fn go_on(
        &mut self,
        socket: &Arc<Socket>,
        state: &mut State,
        out: &mut Outbox<H::Buffer>,
        cause: Cause,
        cx: &mut Context<'_, M>,
    ) {
        self.before_sending(socket, state, cx.now());
        let mut goes_on = false;
        if let Role::Speaks(speech) = &mut state.role {
            // Who is to be told that there is something to read acknowledges it by reading, and
            // says at once how much room there is then; if not soon, the timer does.
            let told = speech.is_to_be_read || socket.has_nothing();
            let more = cause == Cause::Packet && state.news && told;
            speech.is_to_be_read =
                more && self.engine.stays(socket, speech) && speech.has_nothing_to_send();
            if !speech.is_to_be_read {
                goes_on = self.engine.sends(socket, speech, cx.now(), out);
            }
        }
        self.send(Some(socket), out, cx);
        let told = self.settle(socket, state, cause, cx);
        let news = core::mem::take(&mut state.news);
        let told = told || news && socket.was_seen();
        self.set_timer(socket, state, goes_on, cx);
        if told {
            self.wiring.hooks.ready(socket.id(), cx);
        }
    }

    /// What was made goes down; what is for this machine to where all that comes in goes.
    fn send(
        &self,
        socket: Option<&Arc<Socket>>,
        out: &mut Outbox<H::Buffer>,
        cx: &mut Context<'_, M>,
    ) {
        if out.len() == 0 {
            return;
        }
        let Some(ports) = self.wiring.ports.get() else { return };
        let labels = socket.map_or(Labels::NONE, |socket| Labels::flow(socket.label()));
        let stream = socket.is_some_and(|socket| socket.is_stream());
        let mut all = out.take().peekable();
        while let Some((mut packet, to)) = all.next() {
            let own = self.wiring.addresses.is_own(to);
            // What a connection sends goes to one place. At DWR each is a request of its own.
            let together = stream && own;
            while let Some((next, _)) = all.next_if(|_| together && packet.has_room_behind()) {
                packet.add(next);
            }
            let count = packet.count();
            let packet = Some(packet);
            let sent = if own {
                let arrived = Arrived { packet, part: None, looped: true };
                cx.send(ports.demultiplexer, labels, arrived)
            } else {
                let request = Outgoing { packet, to, socket: socket.cloned(), tries: 0 };
                cx.send(ports.link, labels, request)
            };
            if (own || sent.is_err())
                && let Some(socket) = socket
            {
                // What could not be sent is as if lost on its way: it will be sent again.
                socket.have_gone(count);
            }
        }
    }

    /// Sees that a socket is looked at when it has to be. A timer cannot be taken back: one that
    /// comes before its time sets the next. What has more to send at once goes on in another run.
    fn set_timer(
        &mut self,
        socket: &Arc<Socket>,
        state: &mut State,
        goes_on: bool,
        cx: &mut Context<'_, M>,
    ) {
        // What waits for a buffer is looked at after so long in any case; what waits for those
        // below goes on with them, and would be looked at in vain while the link is busy.
        const LEAST: Micros = Micros::new(5_000);
        const BELOW: Micros = Micros::new(200_000);
        let now = cx.now();
        let Role::Speaks(speech) = &mut state.role else { return };
        if !socket.is_stream() && speech.udp().send_queue() == 0 {
            return;
        }
        let due = self.engine.due(speech, now);
        let labels = Labels::flow(socket.label());
        let Some(ports) = self.wiring.ports.get() else { return };
        if goes_on
            && due.is_some_and(|due| due <= now)
            && cx.send(ports.tcp, labels, TcpRequest::Go(socket.clone())).is_ok()
        {
            return;
        }
        let least = if socket.waits_for_those_below() { BELOW } else { LEAST };
        let soonest = now.saturating_add(self.wiring.frequency.cycles(least));
        let due = due.map(|due| due.max(soonest).get());
        let limit = self.limit(socket, state, now);
        let Some(due) = due.into_iter().chain(limit).min() else { return };
        if state.timers.iter().any(|timer| *timer > now.get() && *timer <= due) {
            return;
        }
        let span = due.saturating_sub(now.get());
        let span = span.checked_div(self.wiring.frequency.as_megahertz()).unwrap_or(0);
        let request = TimerRequest { socket: socket.id(), due };
        if cx.after(Micros::new(span.saturating_add(1)), ports.timers, labels, request).is_ok() {
            // The later of those that are known is forgotten: it will be of no interest.
            if let Some(place) = state.timers.iter_mut().max_by_key(|timer| match **timer {
                0 => u64::MAX,
                timer if timer <= now.get() => u64::MAX.saturating_sub(1),
                timer => timer,
            }) {
                *place = due;
            }
        }
    }

    /// A timer has come.
    fn time(&mut self, socket: &Arc<Socket>, due: u64, cx: &mut Context<'_, M>) {
        let mut state = socket.state.lock();
        let Some(place) = state.timers.iter_mut().find(|timer| **timer == due) else { return };
        *place = 0;
        if self.is_over_time(socket, &state, cx.now()) {
            (state.deadline, state.unanswered) = (0, 0);
            if let Role::Speaks(speech) = &mut state.role {
                speech.tcp().abort();
            }
        }
        self.go_on(socket, &mut state, &mut Outbox::new(), Cause::Time, cx);
    }

    /// Nobody is there to whom this one's datagrams go: the next call is told so.
    fn refused(&mut self, socket: &Arc<Socket>, cx: &mut Context<'_, M>) {
        let mut state = socket.state.lock();
        if !socket.is_stream() && state.remote.is_some() {
            state.error = Some(NetError::Refused);
            state.news = true;
            self.go_on(socket, &mut state, &mut Outbox::new(), Cause::Packet, cx);
        }
    }

    /// A packet for nobody is answered by who it was for: an echo, a refusal, nothing.
    fn stray(&mut self, packet: &Packet<H::Buffer>, cx: &mut Context<'_, M>) {
        let mut head = [0; LOOK];
        let read = packet.read(VIRTIO, &mut head);
        let whole = packet.length().saturating_sub(VIRTIO);
        let head = head.get(..read).unwrap_or_default();
        let ended = match look(head, whole, &self.wiring.addresses, true) {
            Found::Tcp { flow, .. } => self.has_ended(&flow, cx),
            _ => false,
        };
        let mut out = Outbox::new();
        if ended {
            self.engine.acknowledges(packet, &mut out);
        } else {
            self.engine.comes(packet, None, cx.now(), &mut out);
        }
        self.send(None, &mut out, cx);
    }

    fn has_ended(&self, flow: &Flow, cx: &Context<'_, M>) -> bool {
        self.wiring.table.has_ended(flow, cx.now())
    }
}

impl<M: Mail<H>, H: Host> Resource<M> for Tcp<M, H> {
    type Request = TcpRequest<H>;
    type Reply = Reply;
    /// What is sent, of a connection together; a timer; word to who waits, for this socket and for the
    /// one that it was accepted at.
    const FAN_OUT: u32 = TOGETHER as u32 + 3;

    fn handle(&mut self, request: &mut TcpRequest<H>, cx: &mut Context<'_, M>) -> Outcome<M, Self> {
        match request {
            TcpRequest::Packet(socket, packet) => {
                socket.is_out(packet.count());
                self.packet(socket, packet, cx);
            }
            TcpRequest::Syn(listens, packet) => {
                listens.is_out(packet.count());
                self.opening(listens, packet, cx);
            }
            TcpRequest::Stray(packet) => self.stray(packet, cx),
            TcpRequest::Refused(socket) => {
                let socket = socket.clone();
                self.refused(&socket, cx);
            }
            TcpRequest::Go(socket) => {
                let socket = socket.clone();
                let mut state = socket.state.lock();
                self.go_on(&socket, &mut state, &mut Outbox::new(), Cause::Call, cx);
            }
            TcpRequest::Time(socket, due) => {
                let (socket, due) = (socket.clone(), *due);
                self.time(&socket, due, cx);
            }
            TcpRequest::Abandon(socket) => {
                let socket = socket.clone();
                self.abandon(&socket, cx);
            }
            TcpRequest::Leave(waited) => {
                if self.leave(waited, cx) {
                    return Outcome::Continue(At::beginning());
                }
            }
            TcpRequest::Call(call) => return Outcome::Reply(Reply(self.call(call, cx))),
        }
        Outcome::Done
    }
}
