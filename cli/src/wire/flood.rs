//! Frames without end, each from another address, that nobody answers to.

use std::net::Ipv4Addr;
use std::time::Instant;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

use super::Work;
use super::host::{Host, MAC, MACHINE, MACHINE_MAC};

/// What a small packet carries, in bytes: the smallest frame is full then.
const SMALL: usize = 18;
const HEADERS: usize = 14 + 20;
/// The most that are made up for, where this host was late.
const BEHIND: u64 = 256;

/// What they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Connections that are begun, and no more.
    Begun,
    /// Datagrams.
    Datagrams,
}

/// A flood.
pub struct Flood {
    kind: Kind,
    port: u16,
    /// Frames a second.
    rate: f64,
    begin: Option<Instant>,
    seed: u64,
    due: u64,
    /// Frames that the machine has taken.
    pub taken: u64,
    /// Those that it has not.
    pub refused: u64,
}

impl Flood {
    /// So many of them a second, to this port of the machine's.
    pub fn new(kind: Kind, port: u16, rate: f64) -> Self {
        Self { kind, port, rate, begin: None, seed: 1, due: 0, taken: 0, refused: 0 }
    }

    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.seed >> 33
    }

    /// The next one: from one of the addresses that are for measurements (RFC 2544).
    fn frame(&mut self) -> Vec<u8> {
        let number = self.random();
        let from = Ipv4Addr::from_bits(0xC612_0000 | (number & 0x1_FFFF) as u32);
        let port = 1024 | (self.random() & 0x7FFF) as u16;
        let (source, to) = (IpAddress::Ipv4(from), IpAddress::Ipv4(MACHINE));
        let sums = ChecksumCapabilities::default();
        let (protocol, length) = match self.kind {
            Kind::Begun => (IpProtocol::Tcp, begun(port, self.port, 0).buffer_len()),
            Kind::Datagrams => (IpProtocol::Udp, 8 + SMALL),
        };
        let mut bytes = vec![0; HEADERS + length];
        let ethernet = EthernetRepr {
            src_addr: MAC,
            dst_addr: MACHINE_MAC,
            ethertype: EthernetProtocol::Ipv4,
        };
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        ethernet.emit(&mut frame);
        let ip = Ipv4Repr {
            src_addr: from,
            dst_addr: MACHINE,
            next_header: protocol,
            payload_len: length,
            hop_limit: 64,
        };
        let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
        ip.emit(&mut packet, &sums);
        match self.kind {
            Kind::Begun => {
                let segment = begun(port, self.port, number as i32);
                let mut packet = TcpPacket::new_unchecked(packet.payload_mut());
                segment.emit(&mut packet, &source, &to, &sums);
            }
            Kind::Datagrams => {
                let datagram = UdpRepr { src_port: port, dst_port: self.port };
                let mut packet = UdpPacket::new_unchecked(packet.payload_mut());
                let fill = |bytes: &mut [u8]| bytes.fill(7);
                datagram.emit(&mut packet, &source, &to, SMALL, fill, &sums);
            }
        }
        bytes
    }
}

fn begun(from: u16, to: u16, number: i32) -> TcpRepr<'static> {
    TcpRepr {
        src_port: from,
        dst_port: to,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(number),
        ack_number: None,
        window_len: 64_240,
        window_scale: Some(7),
        max_seg_size: Some(1_460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    }
}

impl Work for Flood {
    fn step(&mut self, host: &mut Host, now: Instant) {
        let begin = *self.begin.get_or_insert(now);
        let due = (now.duration_since(begin).as_secs_f64() * self.rate) as u64;
        self.due = self.due.max(due.saturating_sub(BEHIND));
        while self.due < due {
            self.due += 1;
            let frame = self.frame();
            if host.send(&frame) {
                self.taken += 1;
            } else {
                self.refused += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_sound_and_of_many() {
        for (kind, protocol) in [(Kind::Begun, IpProtocol::Tcp), (Kind::Datagrams, IpProtocol::Udp)]
        {
            let mut flood = Flood::new(kind, 80, 1.0);
            let mut sources = std::collections::BTreeSet::new();
            for _ in 0..100 {
                let bytes = flood.frame();
                let frame = EthernetFrame::new_checked(&bytes[..]).unwrap();
                let packet = Ipv4Packet::new_checked(frame.payload()).unwrap();
                assert!(packet.verify_checksum());
                assert_eq!((packet.dst_addr(), packet.next_header()), (MACHINE, protocol));
                let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
                let port = match kind {
                    Kind::Begun => {
                        let segment = TcpPacket::new_checked(packet.payload()).unwrap();
                        assert!(segment.verify_checksum(&from, &to) && segment.syn());
                        segment.dst_port()
                    }
                    Kind::Datagrams => {
                        let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
                        assert!(datagram.verify_checksum(&from, &to));
                        datagram.dst_port()
                    }
                };
                assert_eq!(port, 80);
                sources.insert(packet.src_addr());
            }
            assert!(sources.len() > 90);
        }
    }
}
