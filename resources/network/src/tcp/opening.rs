//! Connections that others begin: a socket that listens has room for so many.

use alloc::sync::Arc;

use smoltcp::socket::tcp;
use vortex_grid::Context;
use vortex_units::{Cycles, Micros};

use super::Tcp;
use super::link::Outbox;
use super::settle::Cause;
use crate::address::Flow;
use crate::bill::Charged;
use crate::demultiplex::{Found, LOOK, look};
use crate::dropped::Dropped;
use crate::host::Host;
use crate::packet::{Packet, VIRTIO};
use crate::requests::Mail;
use crate::socket::{Role, Socket, Speech};

/// How long the other end has to say that it is there.
const PATIENCE: Micros = Micros::new(20_000_000);
/// The same where others wait for the place.
const SOON: Micros = Micros::new(100_000);

/// Nobody more can begin.
struct Full;

impl<M: Mail<H>, H: Host> Tcp<M, H> {
    /// Somebody wants to be connected with who listens here.
    pub(super) fn opening(
        &mut self,
        listens: &Arc<Socket>,
        packet: &Packet<H::Buffer>,
        cx: &mut Context<'_, M>,
    ) {
        let mut head = [0; LOOK];
        let read = packet.read(VIRTIO, &mut head);
        let whole = packet.length().saturating_sub(VIRTIO);
        let head = head.get(..read).unwrap_or_default();
        let Found::Tcp { flow, .. } = look(head, whole, &self.wiring.addresses, true) else {
            return;
        };
        // The same again, behind the first.
        if let Some((socket, false)) = self.wiring.table.tcp(&flow, false) {
            return self.packet(&socket, packet, cx);
        }
        // It does not listen any more.
        if !listens.is_listening() {
            return self.stray(packet, cx);
        }
        let Ok(eldest) = self.room(listens, cx.now()) else {
            self.wiring.drops(Dropped::Backlog);
            return;
        };
        if eldest.is_some_and(|eldest| self.give_way(&eldest)) {
            self.wiring.drops(Dropped::Backlog);
        }
        if self.begin(listens, flow, packet, cx).is_none() {
            self.wiring.drops(Dropped::Memory);
        }
    }

    /// Whether one more has room: maybe another gives way. Where too many have begun, that is the
    /// eldest, if it has had its time: a flood of beginnings does not keep out who answers soon,
    /// and what it leaves behind, as timers, is bounded.
    fn room(&self, listens: &Arc<Socket>, now: Cycles) -> Result<Option<Arc<Socket>>, Full> {
        let Role::Listens(waits) = &mut listens.state.lock().role else { return Err(Full) };
        if waits.whole.len() >= waits.most {
            return Err(Full);
        }
        if waits.half.len() < waits.most {
            return Ok(None);
        }
        let soon = self.wiring.frequency.cycles(SOON);
        let has_had_its_time = |(_, began): &mut (_, Cycles)| now.saturating_sub(*began) >= soon;
        let eldest = waits.half.pop_front_if(has_had_its_time);
        eldest.map(|(eldest, _)| eldest.upgrade()).ok_or(Full)
    }

    fn begin(
        &mut self,
        listens: &Arc<Socket>,
        flow: Flow,
        packet: &Packet<H::Buffer>,
        cx: &mut Context<'_, M>,
    ) -> Option<()> {
        let wiring = self.wiring.clone();
        let activity = listens.activity();
        let charged = Charged::new(&wiring.bills, activity, Speech::STREAM)?;
        let mut speech = Speech::stream(charged)?;
        let options = listens.options();
        speech.apply(&options, true);
        speech.tcp().listen(flow.local.port()).ok()?;
        self.engine.opens(packet, &mut speech, wiring.hooks.random(), cx.now());
        // What was not a whole packet.
        if speech.tcp().state() != tcp::State::SynReceived {
            return None;
        }
        speech.was = tcp::State::SynReceived;
        let socket = wiring.socket(true, activity).ok()?;
        socket.set_label(flow.label(wiring.secret));
        socket.publish(0);
        let mut state = socket.state.lock();
        (state.local, state.remote) = (Some(flow.local), Some(flow.remote));
        (state.options, state.heard) = (options, cx.now().get());
        state.role = Role::Speaks(speech);
        state.flow = Some(flow);
        state.parent = Some(listens.clone());
        state.left = true;
        let patience = wiring.frequency.cycles(PATIENCE);
        state.deadline = cx.now().saturating_add(patience).get();
        if !wiring.table.connect(flow, &socket) {
            drop(state);
            wiring.table.remove(&socket);
            return None;
        }
        // Before anybody else can take it further: whoever does, takes it out of there.
        if let Role::Listens(waits) = &mut listens.state.lock().role {
            waits.half.push_back((Arc::downgrade(&socket), cx.now()));
        }
        self.go_on(&socket, &mut state, &mut Outbox::new(), Cause::Packet, cx);
        Some(())
    }
}
