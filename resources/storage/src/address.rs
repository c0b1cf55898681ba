//! Where a disk is behind its host: a target, and a logical unit there.

/// A logical unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The target.
    pub target: u8,
    /// Its unit, below 16,384.
    pub unit: u16,
}

impl Address {
    /// One number for both.
    #[must_use]
    pub fn number(self) -> u32 {
        u32::from(self.target) << 16 | u32::from(self.unit)
    }

    /// The one with this number.
    #[must_use]
    pub fn numbered(number: u32) -> Self {
        let [_, target, high, low] = number.to_be_bytes();
        Self { target, unit: u16::from_be_bytes([high, low]) }
    }

    /// As virtio writes it (1.2, 5.6.6.1), which is SAM's flat form behind a 1 and the target.
    #[must_use]
    pub fn encoded(self) -> [u8; 8] {
        const FLAT: u8 = 0x40;
        let [high, low] = self.unit.to_be_bytes();
        [1, self.target, FLAT | high & 0x3f, low, 0, 0, 0, 0]
    }
}
