//! DWR: puts packets into the device's ring. It knows nothing of what they say.
//!
//! What has no room is rejected, and with it DWR is suspended as a whole until DIR has made
//! some: then its scheduler chooses anew. Nothing is dropped. A packet's bytes are on record
//! when the ring takes it. Packets that come together are put in together where nobody waits for
//! the ring; else its scheduler chooses before each.

use alloc::sync::Arc;

use vortex_grid::{At, Context, Labels, Outcome, Resource, Scope};
use vortex_units::Bytes;

use crate::channel::{Inner, Slot};
use crate::host::Host;
use crate::packet::{Packet, VIRTIO};
use crate::requests::{Mail, Reply, TcpRequest, Transmit};
use crate::socket::Socket;
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

    /// The ring has so many packets of this socket: it may send the next.
    pub(crate) fn sent(
        wiring: &Wiring<M, H>,
        socket: Option<Arc<Socket>>,
        count: u32,
        cx: &mut Context<'_, M>,
    ) {
        let Some(socket) = socket else { return };
        if socket.have_gone(count)
            && let Some(ports) = wiring.ports.get()
        {
            // Where it cannot be sent, the connection's timer sees to it.
            let labels = Labels::flow(socket.label());
            let _ = cx.send(ports.tcp, labels, TcpRequest::Go(socket));
        }
    }

    /// Puts a packet into the ring; it comes back where that has no room.
    fn put(
        inner: &mut Inner<H>,
        packet: Packet<H::Buffer>,
        cx: &mut Context<'_, M>,
    ) -> Result<(), Packet<H::Buffer>> {
        if !inner.has_room() {
            inner.starved = true;
            inner.depth.refused();
            inner.counts.suspended = inner.counts.suspended.saturating_add(1);
            return Err(packet);
        }
        let bytes = packet.length().saturating_sub(VIRTIO);
        if inner.fills() {
            // Before the packet, which will be sent behind it: so an interrupt comes before
            // there is no room.
            let _ = inner.sends.listen();
        }
        if let Err(slot) = inner.sends.give(Slot { packet, activity: cx.activity() }) {
            inner.starved = true;
            return Err(slot.packet);
        }
        inner.depth.put();
        inner.counts.packets.1 = inner.counts.packets.1.saturating_add(1);
        inner.counts.bytes.1 = inner.counts.bytes.1.saturating_add(bytes as u64);
        cx.moved(Bytes::new(bytes as u64));
        Ok(())
    }
}

impl<M: Mail<H>, H: Host> Resource<M> for Driver<M, H> {
    type Request = Transmit<H>;
    type Reply = Reply;
    const FAN_OUT: u32 = 1;

    fn handle(&mut self, request: &mut Transmit<H>, cx: &mut Context<'_, M>) -> Outcome<M, Self> {
        let wiring = self.wiring.clone();
        let Some(channel) = wiring.written_by(cx.core()) else { return Outcome::Done };
        let mut count = 0_u32;
        let full = channel.with(|inner| {
            while let Some(mut packet) = request.packet.take() {
                request.packet = packet.rest();
                if !inner.broken
                    && let Err(mut packet) = Self::put(inner, packet, cx)
                {
                    packet.take_behind(request.packet.take());
                    request.packet = Some(packet);
                    return true;
                }
                count = count.saturating_add(1);
                // Where others wait for the ring they may be before those that go with it.
                if inner.depth.is_wanted() {
                    return false;
                }
            }
            false
        });
        if count > 0 {
            Self::sent(&wiring, request.socket.clone(), count, cx);
        }
        if full {
            return Outcome::Rejected(cx.rejection(Scope::Device));
        }
        match request.packet {
            Some(_) => Outcome::Continue(At::beginning()),
            None => Outcome::Done,
        }
    }
}
