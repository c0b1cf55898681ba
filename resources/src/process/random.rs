//! Random bytes for programs: ChaCha20, seeded by the processor, with fast key erasure.
//!
//! The key makes a pool; its first bytes are the next key, the rest is given out, and what
//! was given is wiped. So whoever reads the kernel's memory learns nothing of what was given
//! before. At each filling of the pool something of the processor's is mixed into the key.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// Bytes of a key.
pub const SEED: usize = 32;
/// Bytes made at once: a bounded piece of work, eight blocks.
const POOL: usize = 512;

/// A generator. It is the kernel's own: forks share it, and none repeats another's bytes.
pub struct Random {
    key: [u8; SEED],
    pool: [u8; POOL],
    /// From where on the pool was not given yet.
    at: usize,
    /// Something of the processor's, to be mixed in.
    more: fn() -> u64,
}

impl Random {
    /// A generator with this key; `more` tells numbers that nobody can guess, where there
    /// are such.
    #[must_use]
    pub const fn new(seed: [u8; SEED], more: fn() -> u64) -> Self {
        Self { key: seed, pool: [0; POOL], at: POOL, more }
    }

    /// Fills with random bytes: who asks for many asks in parts, each a run.
    pub fn fill(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.at >= POOL {
                self.refill();
            }
            let ready = self.pool.get_mut(self.at..).unwrap_or_default();
            let count = ready.len().min(bytes.len());
            let (now, later) = bytes.split_at_mut(count);
            let given = ready.get_mut(..count).unwrap_or_default();
            now.copy_from_slice(given);
            given.fill(0);
            self.at += count;
            bytes = later;
        }
    }

    /// A number.
    pub fn word(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn refill(&mut self) {
        for (byte, more) in self.key.iter_mut().zip((self.more)().to_le_bytes()) {
            *byte ^= more;
        }
        let mut made = ChaCha20Rng::from_seed(self.key);
        made.fill_bytes(&mut self.key);
        made.fill_bytes(&mut self.pool);
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn silent() -> u64 {
        0
    }

    #[test]
    fn it_is_chacha20_behind_a_key_that_is_replaced() {
        let mut random = Random::new([7; SEED], silent);
        let mut given = vec![0; POOL + 100];
        random.fill(&mut given);
        let mut first = ChaCha20Rng::from_seed([7; SEED]);
        let (mut key, mut wanted) = ([0; SEED], vec![0; POOL + POOL]);
        first.fill_bytes(&mut key);
        first.fill_bytes(&mut wanted[..POOL]);
        let mut second = ChaCha20Rng::from_seed(key);
        second.fill_bytes(&mut key);
        second.fill_bytes(&mut wanted[POOL..]);
        assert_eq!(given, wanted[..POOL + 100]);
        assert_eq!(random.key, key);
    }

    #[test]
    fn the_known_answer_of_rfc_8439() {
        // Appendix A.1, the first test vector: key, nonce and counter are zero.
        let mut made = ChaCha20Rng::from_seed([0; SEED]);
        let mut block = [0; 16];
        made.fill_bytes(&mut block);
        let wanted = [
            0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86,
            0xbd, 0x28,
        ];
        assert_eq!(block, wanted);
    }

    #[test]
    fn what_was_given_is_not_kept() {
        let mut random = Random::new([1; SEED], silent);
        let mut given = [0; 64];
        random.fill(&mut given);
        let kept = random.pool.windows(8).chain(random.key.windows(8));
        assert!(kept.into_iter().all(|window| window != &given[..8]));
    }

    #[test]
    fn what_the_processor_says_changes_what_comes() {
        let first = |more| {
            let mut random = Random::new([1; SEED], more);
            random.word()
        };
        assert_ne!(first(silent), first(|| 1));
    }
}
