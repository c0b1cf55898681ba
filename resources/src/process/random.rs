//! Random bytes for programs: a generator keyed by the processor's, where it has one.

/// ChaCha20 would be wanted here; this is SplitMix64, keyed at boot. See docs/STATUS.md.
pub struct Random(u64);

impl Random {
    /// A generator with this key.
    #[must_use]
    pub const fn new(key: u64) -> Self {
        Self(key)
    }

    /// Fills with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.0;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let word = (word ^ (word >> 31)).to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(word) {
                *byte = random;
            }
        }
    }
}
