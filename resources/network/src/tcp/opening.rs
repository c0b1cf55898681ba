//! Connections that others begin: a socket that listens has room for so many.

use alloc::sync::Arc;

use smoltcp::socket::tcp;
use vortex_grid::Context;
use vortex_units::Micros;

use super::Tcp;
use super::link::Outbox;
use super::settle::Cause;
use crate::address::Flow;
use crate::bill::Charged;
use crate::demultiplex::{Found, LOOK, look};
use crate::host::Host;
use crate::packet::{Packet, VIRTIO};
use crate::requests::Mail;
use crate::socket::{Role, Socket, Speech};

/// How long the other end has to say that it is there.
const PATIENCE: Micros = Micros::new(20_000_000);

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
        {
            let mut state = listens.state.lock();
            let Role::Listens(waits) = &mut state.role else { return };
            if waits.half >= waits.most || waits.whole.len() >= waits.most {
                self.wiring.dropped(cx.core());
                return;
            }
            waits.half = waits.half.saturating_add(1);
        }
        let made = self.begin(listens, flow, packet, cx);
        if made.is_none()
            && let Role::Listens(waits) = &mut listens.state.lock().role
        {
            waits.half = waits.half.saturating_sub(1);
            self.wiring.dropped(cx.core());
        }
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
        let [no_delay, keep_alive, ..] = listens.options();
        speech.set_options(no_delay, keep_alive);
        speech.tcp().listen(flow.local.port()).ok()?;
        let length = self.engine.load(packet);
        self.engine.opens(length, &mut speech, wiring.hooks.random(), cx.now());
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
        (state.no_delay, state.keep_alive) = (no_delay, keep_alive);
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
        self.go_on(&socket, &mut state, Outbox::new(), Cause::Packet, cx);
        Some(())
    }
}
