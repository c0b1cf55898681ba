//! smoltcp, as one core has it: an interface, and where packets lie while it works on them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddrV4;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketSet};
use smoltcp::socket::tcp::ConnectError;
use smoltcp::time::Instant;
use smoltcp::wire::{
    HardwareAddress, IpAddress, IpCidr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber,
};
use vortex_grid::Frequency;
use vortex_units::Cycles;

use super::link::{Link, Outbox, SCRATCH};
use crate::address::Addresses;
use crate::host::Buffer;
use crate::packet::{HEAD, Packet, Pool, TOGETHER};
use crate::socket::{Socket, Speech};

/// Segments that a run sends beside answers.
const SENT: usize = 2;
/// The same within this machine, where nothing is lost and they go together.
const HERE: usize = TOGETHER;

/// It.
pub struct Engine<B: Buffer> {
    interface: Box<Interface>,
    /// The same for what never leaves the machine, and is not summed up.
    bare: Box<Interface>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// No sockets: for what is for nobody.
    nobody: SocketSet<'static>,
    pool: Arc<Pool<B>>,
    addresses: Addresses,
    frequency: Frequency,
}

/// An interface with these addresses, whose numbers come from this seed, for packets that are
/// summed up or are not.
fn interface(addresses: &Addresses, seed: u64, now: Instant, bare: bool) -> Box<Interface> {
    struct Nothing(bool);
    impl smoltcp::phy::Device for Nothing {
        type RxToken<'t> = super::link::Incoming<'t>;
        type TxToken<'t> = NoToken;
        fn receive(&mut self, _: Instant) -> Option<(super::link::Incoming<'_>, NoToken)> {
            None
        }
        fn transmit(&mut self, _: Instant) -> Option<NoToken> {
            None
        }
        fn capabilities(&self) -> smoltcp::phy::DeviceCapabilities {
            super::link::capabilities(self.0)
        }
    }
    struct NoToken;
    impl smoltcp::phy::TxToken for NoToken {
        fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
            work(&mut vec![0; length])
        }
    }
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut made = Box::new(Interface::new(config, &mut Nothing(bare), now));
    made.update_ip_addrs(|all| {
        let own = IpAddress::Ipv4(addresses.address);
        let looped = IpAddress::v4(127, 0, 0, 1);
        // There is room for two.
        let _ = all.push(IpCidr::new(own, addresses.prefix));
        let _ = all.push(IpCidr::new(looped, 8));
    });
    if let Some(gateway) = addresses.gateway {
        let _ = made.routes_mut().add_default_ipv4_route(gateway);
    }
    made
}

impl<B: Buffer> Engine<B> {
    pub fn new(pool: Arc<Pool<B>>, addresses: Addresses, seed: u64, frequency: Frequency) -> Self {
        Self {
            interface: interface(&addresses, seed, Instant::ZERO, false),
            bare: interface(&addresses, seed, Instant::ZERO, true),
            incoming: vec![0; SCRATCH],
            outgoing: vec![0; SCRATCH],
            nobody: SocketSet::new(Vec::new()),
            pool,
            addresses,
            frequency,
        }
    }

    /// The time as smoltcp has it.
    pub fn instant(&self, now: Cycles) -> Instant {
        let micros = now.get().checked_div(self.frequency.as_megahertz()).unwrap_or(0);
        Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// Copies a packet in, as far as it is the network's.
    fn load(&mut self, packet: &Packet<B>) -> usize {
        let whole = packet.read(HEAD, &mut self.incoming);
        // What is padded on the link is not the packet's.
        match self.incoming.get(2..4) {
            Some(&[high, low]) => whole.min(usize::from(u16::from_be_bytes([high, low]))),
            _ => 0,
        }
    }

    /// A packet comes to a socket.
    pub fn comes(
        &mut self,
        packet: &Packet<B>,
        to: Option<(&Socket, &mut Speech)>,
        now: Cycles,
        out: &mut Outbox<B>,
    ) {
        let (instant, length) = (self.instant(now), self.load(packet));
        let stuck = to.as_ref().is_some_and(|(socket, _)| socket.is_stuck());
        let (set, service) = match to {
            Some((_, speech)) => (&mut speech.set, speech.service),
            None => (&mut self.nobody, 0),
        };
        let mut link = Link {
            incoming: self.incoming.get(..length),
            scratch: &mut self.outgoing,
            out,
            pool: &self.pool,
            answers: !stuck,
            room: 0,
            service,
            bare: packet.is_bare(),
        };
        let interface = if packet.is_bare() { &mut self.bare } else { &mut self.interface };
        let _: PollIngressSingleResult = interface.poll_ingress_single(instant, &mut link, set);
    }

    /// The first packet of a connection comes: its first number is one that nobody can guess
    /// (RFC 6528), for smoltcp's own would be.
    pub fn opens(&mut self, packet: &Packet<B>, speech: &mut Speech, seed: u64, now: Cycles) {
        let (instant, length) = (self.instant(now), self.load(packet));
        let mut thrown_away = interface(&self.addresses, seed, instant, packet.is_bare());
        let mut out = Outbox::new();
        let mut link = Link {
            incoming: self.incoming.get(..length),
            scratch: &mut self.outgoing,
            out: &mut out,
            pool: &self.pool,
            answers: false,
            room: 0,
            service: 0,
            bare: packet.is_bare(),
        };
        let _: PollIngressSingleResult =
            thrown_away.poll_ingress_single(instant, &mut link, &mut speech.set);
    }

    /// A connection is begun with, likewise.
    pub fn connects(
        &mut self,
        speech: &mut Speech,
        local: SocketAddrV4,
        remote: SocketAddrV4,
        seed: u64,
        now: Cycles,
    ) -> Result<(), ConnectError> {
        let mut thrown_away = interface(&self.addresses, seed, self.instant(now), false);
        let remote = (IpAddress::Ipv4(*remote.ip()), remote.port());
        let local = (IpAddress::Ipv4(*local.ip()), local.port());
        speech.tcp().connect(thrown_away.context(), remote, local)
    }

    /// Whether the other end of a connection is in this machine.
    pub fn stays(&self, socket: &Socket, speech: &mut Speech) -> bool {
        socket.is_stream() && speech.stays(&self.addresses)
    }

    /// A socket sends what it has to, as far as it may. Whether there may be more of what does not
    /// leave the machine.
    pub fn sends(
        &mut self,
        socket: &Socket,
        speech: &mut Speech,
        now: Cycles,
        out: &mut Outbox<B>,
    ) -> bool {
        let instant = self.instant(now);
        let bare = self.stays(socket, speech);
        let interface = if bare { &mut self.bare } else { &mut self.interface };
        for _ in 0..if bare { HERE } else { SENT } {
            let mut link = Link {
                incoming: None,
                scratch: &mut self.outgoing,
                out,
                pool: &self.pool,
                answers: false,
                // What stays does not wait for the ring.
                room: usize::from(bare || socket.may_send()),
                service: speech.service,
                bare,
            };
            let before = link.out.len();
            let result = interface.poll_egress(instant, &mut link, &mut speech.set);
            if result == PollResult::None || link.out.len() == before {
                return false;
            }
            socket.are_below(1);
        }
        bare
    }

    /// A late packet of a connection that has ended: one that ends it once more is told that it
    /// was heard, as its sender did not hear that; nothing else is answered (TIME-WAIT).
    pub fn acknowledges(&mut self, packet: &Packet<B>, out: &mut Outbox<B>) {
        let (length, bare) = (self.load(packet), packet.is_bare());
        let Some((ip, tcp)) = self.late_answer(length, bare) else { return };
        let Some(packet) = self.pool.take() else { return };
        let scratch = &mut self.outgoing;
        let token = super::link::Outgoing { scratch, out, packet: Some(packet), service: 0, bare };
        let checksums = super::link::checksums(bare);
        let header = ip.buffer_len();
        smoltcp::phy::TxToken::consume(token, header.saturating_add(tcp.buffer_len()), |bytes| {
            let mut packet = Ipv4Packet::new_unchecked(bytes);
            ip.emit(&mut packet, &checksums);
            let (from, to) = (ip.src_addr.into(), ip.dst_addr.into());
            let mut inside = TcpPacket::new_unchecked(packet.payload_mut());
            tcp.emit(&mut inside, &from, &to, &checksums);
        });
    }

    fn late_answer(&self, length: usize, bare: bool) -> Option<(Ipv4Repr, TcpRepr<'static>)> {
        let checksums = super::link::checksums(bare);
        let packet = Ipv4Packet::new_checked(self.incoming.get(..length)?).ok()?;
        let ip = Ipv4Repr::parse(&packet, &checksums).ok()?;
        let inside = TcpPacket::new_checked(packet.payload()).ok()?;
        let (from, to) = (ip.src_addr.into(), ip.dst_addr.into());
        let tcp = TcpRepr::parse(&inside, &from, &to, &checksums).ok()?;
        let number = tcp.ack_number.filter(|_| tcp.control == TcpControl::Fin)?;
        let answer = TcpRepr {
            src_port: tcp.dst_port,
            dst_port: tcp.src_port,
            control: TcpControl::None,
            seq_number: number,
            ack_number: Some(TcpSeqNumber(tcp.seq_number.0.wrapping_add(tcp.segment_len() as i32))),
            window_len: 0,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None, None, None],
            timestamp: None,
            payload: &[],
        };
        let back = Ipv4Repr {
            src_addr: ip.dst_addr,
            dst_addr: ip.src_addr,
            next_header: IpProtocol::Tcp,
            payload_len: answer.buffer_len(),
            hop_limit: 64,
        };
        Some((back, answer))
    }

    /// When it wants to be looked at again.
    pub fn due(&mut self, speech: &Speech, now: Cycles) -> Option<Cycles> {
        let instant = self.instant(now);
        let at = self.interface.poll_at(instant, &speech.set)?;
        let micros = u64::try_from(at.total_micros()).unwrap_or(0);
        Some(Cycles::new(micros.saturating_add(1).saturating_mul(self.frequency.as_megahertz())))
    }
}
