//! The machine.

use core::net::Ipv4Addr;

use vortex_units::{Cycles, Frames, Micros};

use crate::Place;

/// What the file says of the machine. The kernel measures its clock and finds its memory
/// itself; there, these are what the configuration was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `<frequency>`: cycles a second. 1 GHz if not written.
    pub frequency: Cycles,
    /// `<memory>`: 256 MiB if not written.
    pub memory: Frames,
    /// `<reserve>`: memory for the kernel's own start, no activity's. 16 MiB if not
    /// written. Minimums plus reserve fit into memory.
    pub reserve: Frames,
    /// `<swap>`: memory set aside, outside of every budget, for pages of programs that need
    /// more than their budget. None if not written.
    pub swap: Frames,
    /// `<timeslice>`: how long a thread runs at most before another of its process has its
    /// turn; 5 ms if not written (§4.1). Where other activities wait, the multiplexor may
    /// choose one of them within it (`propshare.wfq` does): the thread keeps the rest.
    pub timeslice: Micros,
    /// `<overhead>`: what sending, choosing and accounting cost together for one request
    /// in simulation. 300 cycles if not written.
    pub overhead: Cycles,
    /// `<address>` and `<gateway>`: where its network card is. Without, the boot loader says so.
    pub network: Option<Network>,
    /// Where the first of `frequency` and `overhead` is written, which mean something in
    /// simulation alone: the kernel measures both.
    pub simulated: Option<Place>,
}

/// Where a machine is in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its own address.
    pub address: Ipv4Addr,
    /// How many bits of it are the network's.
    pub bits: u8,
    /// Who knows the way to other networks; without, there are none.
    pub gateway: Option<Ipv4Addr>,
}

impl Network {
    /// The network's own address: that of its first bits alone.
    #[must_use]
    pub fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask())
    }

    /// Whether another address is in it, and is not the machine's own.
    #[must_use]
    pub fn is_near(&self, other: Ipv4Addr) -> bool {
        other != self.address && (other.to_bits() ^ self.address.to_bits()) & self.mask() == 0
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32_u32.saturating_sub(self.bits.into())).unwrap_or(0)
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            frequency: Cycles::new(1_000_000_000),
            memory: Frames::new(256 << 8),
            reserve: Frames::new(16 << 8),
            swap: Frames::ZERO,
            timeslice: Micros::new(5_000),
            overhead: Cycles::new(300),
            network: None,
            simulated: None,
        }
    }
}
