//! What smoltcp takes for a device: one packet in, and a few out, in buffers of the pool.

use alloc::sync::Arc;
use core::net::Ipv4Addr;

use smoltcp::phy::{
    Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken,
};
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Packet;

use crate::host::Buffer;
use crate::packet::{BUFFER, HEAD, Packet, Pool, TOGETHER};

/// Bytes of a packet of the network's at most.
pub const MTU: usize = 1500;
/// Packets that one run sends at most: an answer to each that has come, and as many more.
pub const MOST: usize = 2 * TOGETHER;

/// What a run sends.
pub struct Outbox<B: Buffer> {
    packets: [Option<(Packet<B>, Ipv4Addr)>; MOST],
    count: usize,
}

impl<B: Buffer> Outbox<B> {
    pub fn new() -> Self {
        Self { packets: [const { None }; MOST], count: 0 }
    }

    fn add(&mut self, packet: Packet<B>, to: Ipv4Addr) {
        if let Some(place) = self.packets.get_mut(self.count) {
            *place = Some((packet, to));
            self.count = self.count.saturating_add(1);
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// Takes all out.
    pub fn take(&mut self) -> impl Iterator<Item = (Packet<B>, Ipv4Addr)> + '_ {
        let count = core::mem::take(&mut self.count);
        self.packets.iter_mut().take(count).filter_map(Option::take)
    }
}

/// The device.
pub struct Link<'a, B: Buffer> {
    /// What has come in, if it has.
    pub incoming: Option<&'a [u8]>,
    /// Where packets are made.
    pub scratch: &'a mut [u8],
    pub out: &'a mut Outbox<B>,
    pub pool: &'a Arc<Pool<B>>,
    /// Whether an answer may be sent, and how many more packets.
    pub answers: bool,
    pub room: usize,
    /// What they ask of the network.
    pub service: u8,
    /// They are not summed up.
    pub bare: bool,
}

pub struct Incoming<'a>(&'a [u8]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(self.0)
    }
}

pub struct Outgoing<'a, B: Buffer> {
    pub scratch: &'a mut [u8],
    pub out: &'a mut Outbox<B>,
    /// `None`: it is made and goes nowhere, as if it were lost on its way.
    pub packet: Option<Packet<B>>,
    /// What it asks of the network.
    pub service: u8,
    /// It is not summed up.
    pub bare: bool,
}

impl<B: Buffer> TxToken for Outgoing<'_, B> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let Self { scratch, out, packet, service, bare } = self;
        let end = HEAD.saturating_add(length);
        let Some(place) = scratch.get_mut(HEAD..end) else {
            // Longer than the largest that there can be: nowhere to make it.
            return work(&mut alloc::vec![0; length]);
        };
        let result = work(place);
        if service != 0 {
            let mut made = Ipv4Packet::new_unchecked(&mut *place);
            made.set_dscp(service >> 2);
            made.set_ecn(service & 3);
            made.fill_checksum();
        }
        let to = match place.get(16..20) {
            Some(&[a, b, c, d]) => Ipv4Addr::new(a, b, c, d),
            _ => Ipv4Addr::UNSPECIFIED,
        };
        if let Some(mut packet) = packet {
            if bare {
                packet.leave_bare();
            }
            packet.write(0, scratch.get(..end).unwrap_or_default());
            out.add(packet, to);
        }
        result
    }
}

impl<B: Buffer> Device for Link<'_, B> {
    type RxToken<'t>
        = Incoming<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Outgoing<'t, B>
    where
        Self: 't;

    fn receive(&mut self, _: Instant) -> Option<(Incoming<'_>, Outgoing<'_, B>)> {
        let incoming = Incoming(self.incoming.take()?);
        let packet = if self.answers { self.pool.take() } else { None };
        let (scratch, out) = (&mut *self.scratch, &mut *self.out);
        let (service, bare) = (self.service, self.bare);
        Some((incoming, Outgoing { scratch, out, packet, service, bare }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_, B>> {
        self.room = self.room.checked_sub(1)?;
        let packet = Some(self.pool.take()?);
        let (scratch, out) = (&mut *self.scratch, &mut *self.out);
        Some(Outgoing { scratch, out, packet, service: self.service, bare: self.bare })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.bare)
    }
}

/// What all of them can, of packets that are summed up or are not.
pub fn capabilities(bare: bool) -> DeviceCapabilities {
    let mut all = DeviceCapabilities::default();
    (all.medium, all.checksum) = (Medium::Ip, checksums(bare));
    all.max_transmission_unit = MTU;
    all
}

/// What is summed up and looked at: of what never leaves the machine the headers of IP alone,
/// which NDRR looks at.
pub fn checksums(bare: bool) -> ChecksumCapabilities {
    let mut all = ChecksumCapabilities::default();
    if bare {
        (all.tcp, all.udp) = (Checksum::None, Checksum::None);
    }
    all
}

/// Where packets are made: the longest, behind room for headers.
pub const SCRATCH: usize = BUFFER;
