//! Whose a packet is, by its headers: nothing is believed of them but their places.

use core::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol,
    Ipv4Packet, TcpPacket, UdpPacket,
};

use crate::address::{Addresses, Flow, Mac};
use crate::packet::LINK;

/// Bytes of a packet, from the link's header on, that are looked at: that, the longest of IP,
/// the shortest of TCP.
pub const LOOK: usize = LINK + 60 + 20;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Somebody asks who has our address.
    WhoIs(Ipv4Addr, Mac),
    /// Somebody has answered that.
    Is(Ipv4Addr, Mac),
    /// A packet of a connection, or one that wants to be.
    Tcp {
        /// Which.
        flow: Flow,
        /// It wants to be one.
        opens: bool,
    },
    /// A datagram.
    Udp(Flow),
    /// Somebody says that nobody is at the port to which a datagram of this flow went.
    Refused(Flow),
    /// Something else for this machine.
    Other,
    /// Nothing for it, or nothing that is whole.
    Nothing,
}

/// Looks at the beginning of a packet of so many bytes, from the link's header on. One that
/// never left the machine has none.
#[must_use]
pub fn look(head: &[u8], whole: usize, own: &Addresses, looped: bool) -> Found {
    let Ok(frame) = EthernetFrame::new_checked(head) else { return Found::Nothing };
    let inside = whole.saturating_sub(LINK);
    if looped {
        return look_ip(frame.payload(), inside, own, true);
    }
    let to = frame.dst_addr();
    if to != own.mac && to != EthernetAddress::BROADCAST {
        return Found::Nothing;
    }
    match frame.ethertype() {
        EthernetProtocol::Arp => look_arp(frame.payload(), own),
        EthernetProtocol::Ipv4 => look_ip(frame.payload(), inside, own, false),
        _ => Found::Nothing,
    }
}

fn look_arp(packet: &[u8], own: &Addresses) -> Found {
    let Ok(packet) = ArpPacket::new_checked(packet) else { return Found::Nothing };
    let Ok(ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: mac,
        source_protocol_addr: from,
        target_protocol_addr: to,
        ..
    }) = ArpRepr::parse(&packet)
    else {
        return Found::Nothing;
    };
    if to != own.address || own.is_own(from) || from.is_unspecified() || !mac.is_unicast() {
        return Found::Nothing;
    }
    match operation {
        ArpOperation::Request => Found::WhoIs(from, mac),
        ArpOperation::Reply => Found::Is(from, mac),
        ArpOperation::Unknown(_) => Found::Nothing,
    }
}

fn look_ip(head: &[u8], whole: usize, own: &Addresses, looped: bool) -> Found {
    const SHORTEST: usize = 20;
    if head.len() < SHORTEST {
        return Found::Nothing;
    }
    let packet = Ipv4Packet::new_unchecked(head);
    let length = usize::from(packet.header_len());
    let total = usize::from(packet.total_len());
    let sane = packet.version() == 4
        && length >= SHORTEST
        && length <= total
        && total <= whole
        // In parts: not put together again.
        && !packet.more_frags()
        && packet.frag_offset() == 0;
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let ours = own.is_own(to) || own.is_broadcast(to);
    // Nobody else may say to be this machine.
    let honest = looped || !own.is_own(from) && !to.is_loopback();
    let is_one = !from.is_multicast() && !from.is_broadcast() && !from.is_unspecified();
    if !sane || !ours || !honest || !is_one {
        return Found::Nothing;
    }
    let inside = head.get(length..).unwrap_or_default();
    let flow = |ports: (u16, u16)| Flow {
        local: SocketAddrV4::new(to, ports.1),
        remote: SocketAddrV4::new(from, ports.0),
    };
    match packet.next_header() {
        IpProtocol::Tcp if inside.len() >= 20 && own.is_own(to) => {
            let tcp = TcpPacket::new_unchecked(inside);
            let opens = tcp.syn() && !tcp.ack() && !tcp.rst() && !tcp.fin();
            Found::Tcp { flow: flow((tcp.src_port(), tcp.dst_port())), opens }
        }
        IpProtocol::Udp if inside.len() >= 8 => {
            let udp = UdpPacket::new_unchecked(inside);
            Found::Udp(flow((udp.src_port(), udp.dst_port())))
        }
        IpProtocol::Icmp if own.is_own(to) => refused(inside).map_or(Found::Other, Found::Refused),
        _ => Found::Nothing,
    }
}

/// The datagram that a message of ICMP says to have come to a port at which nobody is.
fn refused(message: &[u8]) -> Option<Flow> {
    const UNREACHABLE: [u8; 2] = [3, 3];
    const HEAD: usize = 8;
    if message.get(..2)? != UNREACHABLE {
        return None;
    }
    let inner = message.get(HEAD..).filter(|inner| inner.len() >= 20)?;
    let packet = Ipv4Packet::new_unchecked(inner);
    let datagram = inner.get(usize::from(packet.header_len())..)?.get(..8)?;
    let is_one = packet.version() == 4 && packet.next_header() == IpProtocol::Udp;
    let udp = UdpPacket::new_unchecked(datagram);
    is_one.then(|| Flow {
        local: SocketAddrV4::new(packet.src_addr(), udp.src_port()),
        remote: SocketAddrV4::new(packet.dst_addr(), udp.dst_port()),
    })
}
