//! The CRC of GPT (CRC-32 of IEEE 802.3), in pieces.

/// The polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "the compiler does it")]
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut place = 0;
    while place < 256 {
        let (mut value, mut bit) = (place as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[place] = value;
        place += 1;
    }
    table
};

/// A checksum of what was added.
#[derive(Clone, Copy, Debug)]
pub struct Crc(u32);

impl Crc {
    /// Of nothing.
    pub const fn new() -> Self {
        Self(!0)
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let place = usize::from(self.0 as u8 ^ byte);
            self.0 = self.0 >> 8 ^ TABLE.get(place).copied().unwrap_or(0);
        }
    }

    /// It.
    pub const fn value(self) -> u32 {
        !self.0
    }
}
