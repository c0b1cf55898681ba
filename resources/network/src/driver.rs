//! DWR: puts packets into the device's ring. It knows nothing of what they say.
//!
//! What has no room is rejected, and with it DWR is suspended as a whole until DIR has made
//! some: then its scheduler chooses anew. Nothing is dropped. A packet's bytes are on record
//! when the ring takes it.

use alloc::sync::Arc;

use vortex_grid::{Context, Labels, Outcome, Resource, Scope};
use vortex_units::Bytes;

use crate::channel::Slot;
use crate::host::Host;
use crate::requests::{Mail, Reply, TcpRequest, Transmit};
use crate::wiring::Wiring;

/// The resource.
pub struct Driver<M, H: Host> {
    wiring: Arc<Wiring<M, H>>,
}

impl<M: Mail<H>, H: Host> Driver<M, H> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, H>>) -> Self {
        Self { wiring }
    }

    /// The ring has a packet of this socket: it may send the next.
    pub(crate) fn sent(wiring: &Wiring<M, H>, request: &mut Transmit<H>, cx: &mut Context<'_, M>) {
        let Some(socket) = request.socket.take() else { return };
        if socket.have_gone(1)
            && let Some(ports) = wiring.ports.get()
        {
            // Where it cannot be sent, the connection's timer sees to it.
            let labels = Labels::flow(socket.label());
            let _ = cx.send(ports.tcp, labels, TcpRequest::Go(socket));
        }
    }
}

impl<M: Mail<H>, H: Host> Resource<M> for Driver<M, H> {
    type Request = Transmit<H>;
    type Reply = Reply;
    const FAN_OUT: u32 = 1;

    fn handle(&mut self, request: &mut Transmit<H>, cx: &mut Context<'_, M>) -> Outcome<M, Self> {
        let wiring = self.wiring.clone();
        let Some(channel) = wiring.written_by(cx.core()) else { return Outcome::Done };
        let activity = cx.activity();
        let full = channel.with(|inner| {
            if inner.broken {
                return false;
            }
            if !inner.has_room() {
                inner.starved = true;
                inner.depth.refused();
                inner.counts.suspended = inner.counts.suspended.saturating_add(1);
                return true;
            }
            let Some(packet) = request.packet.take() else { return false };
            let bytes = packet.length().saturating_sub(crate::packet::VIRTIO);
            if inner.fills() {
                // Before the packet, which will be sent behind it: so an interrupt comes before
                // there is no room.
                let _ = inner.sends.listen();
            }
            if let Err(slot) = inner.sends.give(Slot { packet, activity }) {
                request.packet = Some(slot.packet);
                inner.starved = true;
                return true;
            }
            inner.depth.put();
            inner.counts.packets.1 = inner.counts.packets.1.saturating_add(1);
            inner.counts.bytes.1 = inner.counts.bytes.1.saturating_add(bytes as u64);
            cx.moved(Bytes::new(bytes as u64));
            false
        });
        if full {
            return Outcome::Rejected(cx.rejection(Scope::Device));
        }
        Self::sent(&wiring, request, cx);
        Outcome::Done
    }
}
