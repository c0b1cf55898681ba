//! The machine's addresses, and what tells flows apart.

use core::net::{Ipv4Addr, SocketAddrV4};

/// An address on the link.
pub type Mac = smoltcp::wire::EthernetAddress;

/// The machine's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// On the link.
    pub mac: Mac,
    /// In the network.
    pub address: Ipv4Addr,
    /// How many bits of it are the network's.
    pub prefix: u8,
    /// Who knows the way to other networks.
    pub gateway: Option<Ipv4Addr>,
}

impl Addresses {
    /// Those of a card with this address on the link, at this place in a network.
    #[must_use]
    pub const fn new(
        mac: [u8; 6],
        address: Ipv4Addr,
        prefix: u8,
        gateway: Option<Ipv4Addr>,
    ) -> Self {
        Self { mac: smoltcp::wire::EthernetAddress(mac), address, prefix, gateway }
    }

    /// The same, as words say it: `10.0.2.15/24` and a gateway. `None` where it makes no sense.
    #[must_use]
    pub fn parse(mac: [u8; 6], address: &str, gateway: Option<&str>) -> Option<Self> {
        let (address, prefix) = address.split_once('/')?;
        let (address, prefix): (Ipv4Addr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
        let gateway = gateway.map(str::parse).transpose().ok()?;
        let sane = (1..=32).contains(&prefix)
            && !address.is_unspecified()
            && !address.is_loopback()
            && !address.is_multicast()
            && !address.is_broadcast();
        let mac = smoltcp::wire::EthernetAddress(mac);
        let all = Self { mac, address, prefix, gateway };
        (sane && gateway.is_none_or(|gateway| all.is_near(gateway))).then_some(all)
    }

    /// Those of a machine that is on no network: it alone can be talked to.
    #[must_use]
    pub const fn loopback() -> Self {
        let mac = smoltcp::wire::EthernetAddress([0; 6]);
        Self { mac, address: Ipv4Addr::LOCALHOST, prefix: 8, gateway: None }
    }

    /// Whether it is the machine itself.
    #[must_use]
    pub fn is_own(&self, address: Ipv4Addr) -> bool {
        address == self.address || address.is_loopback()
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(self.prefix))).unwrap_or(0)
    }

    fn is_near(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & self.mask() == 0
    }

    /// Whether it is all of this network.
    #[must_use]
    pub fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        let all = self.prefix < 31 && address.to_bits() | self.mask() == u32::MAX;
        address.is_broadcast() || all && self.is_near(address)
    }

    /// Whose link address a packet for this one has.
    #[must_use]
    pub fn next_hop(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.is_near(address) { Some(address) } else { self.gateway }
    }

    /// The machine's own address by which it talks to this one.
    #[must_use]
    pub fn source_for(&self, remote: Ipv4Addr) -> Ipv4Addr {
        if remote.is_loopback() { Ipv4Addr::LOCALHOST } else { self.address }
    }
}

/// A connection, as this machine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// This end.
    pub local: SocketAddrV4,
    /// The other.
    pub remote: SocketAddrV4,
}

/// Labels that flows share: so many at most are known to schedulers, whatever addresses a flood
/// makes up.
const LABELS: u64 = 1024;

impl Flow {
    /// Its label: one of a thousand or so, not zero. The secret keeps others from choosing it.
    #[must_use]
    pub fn label(&self, secret: u64) -> u64 {
        let addresses =
            u64::from(self.local.ip().to_bits()) << 32 | u64::from(self.remote.ip().to_bits());
        let ports = u64::from(self.local.port()) << 16 | u64::from(self.remote.port());
        label(addresses.rotate_left(17) ^ ports, secret)
    }
}

/// The label of something that this says.
#[must_use]
pub fn label(of: u64, secret: u64) -> u64 {
    let mut mixed = (of ^ secret).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 31).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ mixed >> 29) % LABELS).saturating_add(1)
}
