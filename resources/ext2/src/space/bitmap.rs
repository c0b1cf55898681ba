//! Bits in a bitmap: bit `n` is in byte `n / 8`, least significant first.

/// Whether it is set; beyond the end all are.
pub(crate) fn is_set(bytes: &[u8], bit: u32) -> bool {
    bytes.get((bit / 8) as usize).is_none_or(|byte| byte & mask(bit) != 0)
}

/// Sets it.
pub(crate) fn set(bytes: &mut [u8], bit: u32) {
    if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
        *byte |= mask(bit);
    }
}

/// Clears it.
pub(crate) fn clear(bytes: &mut [u8], bit: u32) {
    if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
        *byte &= !mask(bit);
    }
}

const fn mask(bit: u32) -> u8 {
    1_u8.wrapping_shl(bit & 7)
}

/// The first clear bit from `from` on, below `end`.
pub(crate) fn first_clear(bytes: &[u8], from: u32, end: u32) -> Option<u32> {
    let mut at = from;
    // To the next whole eight bytes, bit by bit.
    while at & 63 != 0 && at < end {
        if !is_set(bytes, at) {
            return Some(at);
        }
        at = at.saturating_add(1);
    }
    while at < end {
        let rest = bytes.get((at / 8) as usize..)?;
        let word = match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => {
                let mut word = u64::MAX;
                for (index, byte) in rest.iter().enumerate() {
                    let shift = (index as u32).wrapping_mul(8);
                    word &= !(u64::from(!*byte).wrapping_shl(shift));
                }
                word
            }
        };
        if word != u64::MAX {
            let bit = at.saturating_add((!word).trailing_zeros());
            return (bit < end).then_some(bit);
        }
        at = at.saturating_add(64);
    }
    None
}

/// The first byte of clear bits from `from` on, below `end`: its first bit.
pub(crate) fn first_clear_byte(bytes: &[u8], from: u32, end: u32) -> Option<u32> {
    let first = from.div_ceil(8);
    let last = end / 8;
    let range = bytes.get(first as usize..last as usize)?;
    let (words, rest) = range.as_chunks::<8>();
    let index = match words.iter().position(|word| has_zero_byte(u64::from_le_bytes(*word))) {
        Some(word) => {
            let before = word.saturating_mul(8);
            before.saturating_add(words.get(word)?.iter().position(|byte| *byte == 0)?)
        }
        None => {
            let before = words.len().saturating_mul(8);
            before.saturating_add(rest.iter().position(|byte| *byte == 0)?)
        }
    };
    Some(first.saturating_add(index as u32).saturating_mul(8))
}

/// Whether one of the eight is zero: taking one from each borrows from its highest bit only
/// there, or where that was set.
const fn has_zero_byte(word: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    word.wrapping_sub(LOW) & !word & HIGH != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{first_clear, first_clear_byte, is_set};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn what_is_found_is_what_a_look_at_each_bit_finds(
            bytes in prop::collection::vec(
                prop_oneof![4 => Just(0xFF_u8), 1 => Just(0), 1 => any::<u8>()], 0..40),
            from in 0_u32..330,
            end in 0_u32..330,
        ) {
            let end = end.min(bytes.len() as u32 * 8);
            let bit = (from..end).find(|bit| !is_set(&bytes, *bit));
            prop_assert_eq!(first_clear(&bytes, from, end), bit);
            let byte = (from.div_ceil(8)..end / 8).find(|byte| bytes[*byte as usize] == 0);
            prop_assert_eq!(first_clear_byte(&bytes, from, end), byte.map(|byte| byte * 8));
        }
    }
}
