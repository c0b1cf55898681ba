//! What `services/files` writes: bytes that are different at every place.

/// So many bytes of this number's, from one place on: as `services/files/src/bytes.rs` has it.
pub fn bytes(number: u64, from: usize, length: usize) -> Vec<u8> {
    let word = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number);
    let byte = |at: usize| word(at / 8).to_le_bytes().get(at % 8).copied().unwrap_or_default();
    (from..from + length).map(byte).collect()
}

/// The generator SplitMix64: numbers that look random and are the same for the same seed.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next below a bound that is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }
}
