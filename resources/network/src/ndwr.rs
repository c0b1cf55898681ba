//! NDWR: the link's header, with the link address of who is next on the way.
//!
//! What is for this machine itself does not come here. Where an address has to be asked for
//! first, the packet is made again after a while, on its own bill, and given up after some
//! times: then the other end is as good as not there.

use alloc::sync::Arc;

use smoltcp::wire::{ArpOperation, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol};
use vortex_grid::{Context, Outcome, Resource};
use vortex_units::{Bytes, Micros};

use crate::driver::Driver;
use crate::host::Host;
use crate::ndrr::{EVERYBODY, arp};
use crate::neighbours::Hop;
use crate::packet::{LINK, VIRTIO};
use crate::requests::{Mail, Outgoing, Reply, Transmit};
use crate::socket::{Socket, ready};
use crate::wiring::Wiring;

/// How often a packet is made again until its neighbour has answered.
const TRIES: u8 = 12;
/// How long it waits at first; each time twice as long.
const FIRST: u64 = 1_000;

/// The resource.
pub struct LinkWriter<M, H: Host> {
    wiring: Arc<Wiring<M, H>>,
}

impl<M: Mail<H>, H: Host> LinkWriter<M, H> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, H>>) -> Self {
        Self { wiring }
    }

    /// It goes no further: its socket may send the next.
    fn ends(&self, request: &mut Outgoing<H>, cx: &mut Context<'_, M>) {
        let mut sent = Transmit { packet: None, socket: request.socket.take() };
        Driver::<M, H>::sent(&self.wiring, &mut sent, cx);
    }

    /// Who has the address is not known yet.
    fn wait(&self, request: &mut Outgoing<H>, cx: &mut Context<'_, M>) {
        let Some(ports) = self.wiring.ports.get() else { return };
        let Outgoing { packet, to, socket, tries } = request;
        // Nobody is interested in it any more.
        let over = |socket: &Arc<Socket>| socket.ready() & ready::HANG_UP != 0;
        if *tries > 0 && socket.as_ref().is_some_and(over) {
            return self.ends(request, cx);
        }
        let again = Outgoing {
            packet: packet.take(),
            to: *to,
            socket: socket.clone(),
            tries: tries.saturating_add(1),
        };
        let pause = Micros::new(FIRST.checked_shl(u32::from(*tries)).unwrap_or(FIRST));
        if *tries >= TRIES || cx.after(pause, ports.link, cx.labels(), again).is_err() {
            self.ends(request, cx);
        }
    }

    fn ask(&self, address: core::net::Ipv4Addr, cx: &mut Context<'_, M>) {
        let Some(driver) = self.wiring.ports.get().and_then(|ports| ports.driver) else { return };
        let own = &self.wiring.addresses;
        let question = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: own.mac,
            source_protocol_addr: own.address,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address,
        };
        let Some(packet) = arp(&self.wiring, EVERYBODY, &question) else { return };
        let request = Transmit { packet: Some(packet), socket: None };
        let _ = cx.send(driver, vortex_grid::Labels::NONE, request);
    }
}

impl<M: Mail<H>, H: Host> Resource<M> for LinkWriter<M, H> {
    type Request = Outgoing<H>;
    type Reply = Reply;
    /// The packet or the question; the same again; its socket, which may go on.
    const FAN_OUT: u32 = 3;

    fn handle(&mut self, request: &mut Outgoing<H>, cx: &mut Context<'_, M>) -> Outcome<M, Self> {
        let wiring = self.wiring.clone();
        let Some(packet) = &mut request.packet else { return Outcome::Done };
        if request.tries == 0 {
            let bytes = packet.length().saturating_sub(VIRTIO);
            cx.moved(Bytes::new(bytes as u64));
        }
        let Some(driver) = wiring.ports.get().and_then(|ports| ports.driver) else {
            self.ends(request, cx);
            return Outcome::Done;
        };
        let mac = if wiring.addresses.is_broadcast(request.to) {
            EVERYBODY
        } else {
            let Some(next) = wiring.addresses.next_hop(request.to) else {
                self.ends(request, cx);
                return Outcome::Done;
            };
            match wiring.neighbours.hop(next, cx.now()) {
                Hop::Known(mac) => mac,
                Hop::Ask => {
                    self.ask(next, cx);
                    self.wait(request, cx);
                    return Outcome::Done;
                }
                Hop::Asked => {
                    self.wait(request, cx);
                    return Outcome::Done;
                }
            }
        };
        let mut bytes = [0; LINK];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes);
        frame.set_src_addr(wiring.addresses.mac);
        frame.set_dst_addr(mac);
        frame.set_ethertype(EthernetProtocol::Ipv4);
        packet.write(VIRTIO, &bytes);
        let transmit = Transmit { packet: request.packet.take(), socket: request.socket.clone() };
        match cx.send(driver, cx.labels(), transmit) {
            Ok(()) => request.socket = None,
            Err(_) => self.ends(request, cx),
        }
        Outcome::Done
    }
}
