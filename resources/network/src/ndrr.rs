//! NDRR: finds whose a packet is (§4.4).
//!
//! Until it is found the work is the infrastructure's; then this run, and what DIR has done for
//! the packet, is billed back to whom it was for, and the packet goes on as that activity's. Who
//! has too much waiting, or is too far in debt and has some waiting, loses the packet here, before
//! any protocol has worked on it (decision 0118). What finds nobody goes to an activity of its own, which has little.

use alloc::sync::Arc;

use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
};
use vortex_grid::{Context, Labels, Outcome, Resource};
use vortex_units::{ActivityId, Bytes};

use crate::address::Mac;
use crate::demultiplex::{Found, LOOK, look};
use crate::dropped::Dropped;
use crate::host::Host;
use crate::packet::{HEAD, LINK, Packet, VIRTIO};
use crate::requests::{Arrived, Mail, Reply, TcpRequest, Transmit};
use crate::socket::Socket;
use crate::wiring::Wiring;

/// Bytes of a question about who has an address, or of its answer.
pub(crate) const ARP: usize = 28;

/// The resource.
pub struct Demultiplexer<M, H: Host> {
    wiring: Arc<Wiring<M, H>>,
}

impl<M: Mail<H>, H: Host> Demultiplexer<M, H> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, H>>) -> Self {
        Self { wiring }
    }

    /// The packet is this activity's: it pays for what was done so far.
    fn bill(arrived: &mut Arrived<H>, to: ActivityId, cx: &mut Context<'_, M>) {
        if cx.activity() != ActivityId::INFRASTRUCTURE {
            return;
        }
        cx.bill_run(to);
        if let Some(part) = arrived.part.take() {
            // Declared.
            let _ = cx.bill(part, to);
        }
    }

    /// The packet is for this socket.
    fn to_socket(
        &self,
        arrived: &mut Arrived<H>,
        socket: Arc<Socket>,
        opens: bool,
        cx: &mut Context<'_, M>,
    ) {
        let activity = socket.activity();
        Self::bill(arrived, activity, cx);
        let Some(packet) = arrived.packet.take() else { return };
        let Some(ports) = self.wiring.ports.get() else { return };
        // What waits is bounded, or one connection has all buffers.
        let count = packet.count();
        if !socket.queues(count) {
            self.wiring.drops(Dropped::Queue);
            return;
        }
        let waits = socket.clone();
        let (labels, request) = if opens {
            (Labels::NONE, TcpRequest::Syn(socket, packet))
        } else {
            (Labels::flow(socket.label()), TcpRequest::Packet(socket, packet))
        };
        // Of who is in debt some wait until it is worn off, for a lost packet would be missed for
        // seconds; the others are dropped, before they cost more.
        let sent = match waits.has_few() {
            true => cx.send_for_debtor(activity, ports.tcp, labels, request),
            false => cx.send_for(activity, ports.tcp, labels, request),
        };
        if let Err(error) = sent {
            waits.is_out(count);
            self.wiring.drops(Dropped::by(error));
        }
    }

    /// This socket's datagrams go to nobody.
    fn refused(&self, arrived: &mut Arrived<H>, socket: Arc<Socket>, cx: &mut Context<'_, M>) {
        let activity = socket.activity();
        Self::bill(arrived, activity, cx);
        let Some(ports) = self.wiring.ports.get() else { return };
        let labels = Labels::flow(socket.label());
        if let Err(error) = cx.send_for(activity, ports.tcp, labels, TcpRequest::Refused(socket)) {
            self.wiring.drops(Dropped::by(error));
        }
    }

    /// The packet is for nobody: whoever sent it is told so, if there is something left for it.
    /// One that never left the machine is its sender's to pay for, and nobody's else.
    fn stray(&self, arrived: &mut Arrived<H>, cx: &mut Context<'_, M>) {
        let activity = if arrived.looped { cx.activity() } else { self.wiring.stray };
        Self::bill(arrived, activity, cx);
        let Some(packet) = arrived.packet.take() else { return };
        let Some(ports) = self.wiring.ports.get() else { return };
        if !arrived.looped && !self.wiring.may_stray(cx.now())
            || cx.send_for(activity, ports.tcp, Labels::NONE, TcpRequest::Stray(packet)).is_err()
        {
            self.wiring.drops(Dropped::Nobodys);
        }
    }

    /// Says who we are.
    fn answer(
        &self,
        arrived: &mut Arrived<H>,
        (address, mac): (core::net::Ipv4Addr, Mac),
        cx: &mut Context<'_, M>,
    ) {
        let activity = self.wiring.stray;
        Self::bill(arrived, activity, cx);
        self.wiring.neighbours.met(address, mac, cx.now());
        let Some(driver) = self.wiring.ports.get().and_then(|ports| ports.driver) else { return };
        let own = &self.wiring.addresses;
        let answer = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: own.mac,
            source_protocol_addr: own.address,
            target_hardware_addr: mac,
            target_protocol_addr: address,
        };
        let Some(packet) = arp(&self.wiring, mac, &answer) else { return };
        let request = Transmit { packet: Some(packet), socket: None };
        let _ = cx.send_for(activity, driver, Labels::NONE, request);
    }
}

/// A packet that asks, or says, who has an address.
pub(crate) fn arp<M: Mail<H>, H: Host>(
    wiring: &Wiring<M, H>,
    to: Mac,
    what: &ArpRepr,
) -> Option<Packet<H::Buffer>> {
    let mut bytes = [0; HEAD + ARP];
    let mut frame = EthernetFrame::new_unchecked(bytes.get_mut(VIRTIO..)?);
    frame.set_src_addr(wiring.addresses.mac);
    frame.set_dst_addr(to);
    frame.set_ethertype(EthernetProtocol::Arp);
    what.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    let mut packet = wiring.pool.take()?;
    packet.write(0, &bytes);
    Some(packet)
}

/// To everybody on the link.
pub(crate) const EVERYBODY: Mac = EthernetAddress::BROADCAST;

impl<M: Mail<H>, H: Host> Resource<M> for Demultiplexer<M, H> {
    type Request = Arrived<H>;
    type Reply = Reply;
    /// The bill for DIR's part, and the packet.
    const FAN_OUT: u32 = 2;

    fn handle(&mut self, arrived: &mut Arrived<H>, cx: &mut Context<'_, M>) -> Outcome<M, Self> {
        let Some(packet) = &arrived.packet else { return Outcome::Done };
        let mut head = [0; LOOK];
        let read = packet.read(VIRTIO, &mut head);
        let whole = packet.length().saturating_sub(VIRTIO);
        let bytes = |packet: &Packet<_>| packet.length().saturating_sub(VIRTIO).max(LINK) as u64;
        cx.moved(Bytes::new(packet.all().map(bytes).sum()));
        // Those that go with it are of the same connection.
        let head = head.get(..read).unwrap_or_default();
        match look(head, whole, &self.wiring.addresses, arrived.looped) {
            Found::Tcp { flow, opens } => match self.wiring.table.tcp(&flow, opens) {
                Some((socket, listens)) => self.to_socket(arrived, socket, listens, cx),
                None => self.stray(arrived, cx),
            },
            Found::Udp(flow) => match self.wiring.table.udp(&flow) {
                Some(socket) => self.to_socket(arrived, socket, false, cx),
                None => self.stray(arrived, cx),
            },
            Found::WhoIs(address, mac) => self.answer(arrived, (address, mac), cx),
            Found::Is(address, mac) => {
                Self::bill(arrived, self.wiring.stray, cx);
                self.wiring.neighbours.heard(address, mac, cx.now());
            }
            Found::Refused(flow) => match self.wiring.table.connected(&flow) {
                Some(socket) => self.refused(arrived, socket, cx),
                None => self.stray(arrived, cx),
            },
            Found::Other => self.stray(arrived, cx),
            Found::Nothing => {
                Self::bill(arrived, self.wiring.stray, cx);
                self.wiring.drops(Dropped::Nobodys);
            }
        }
        Outcome::Done
    }
}
