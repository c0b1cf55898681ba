//! Bits in a bitmap: bit `n` is in byte `n / 8`, least significant first.

use super::held::{CHUNK, HeldWords};

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

/// The first clear bit from `from` on, below `end`, that is not held; if `whole`, better the
/// first of a byte of which all are so. Whether it is that.
pub(crate) fn first_free(
    bytes: &[u8],
    held: &HeldWords<'_>,
    (from, end): (u32, u32),
    whole: bool,
) -> Option<(u32, bool)> {
    let mut first = None;
    let mut at = from & !63;
    while at < end {
        // Of as many bits as are held together.
        let to = at.saturating_sub(at % CHUNK).saturating_add(CHUNK);
        let part = bytes.get((at / 8) as usize..).unwrap_or(&[]);
        let (words, rest) = part.as_chunks::<8>();
        let last = last_word(rest);
        let words = words.iter().chain(&last).map(|word| u64::from_le_bytes(*word));
        let skip = (at % CHUNK / 64) as usize;
        let count = (to.saturating_sub(at) / 64) as usize;
        let found = match held.beside(at) {
            Some(held) => {
                let held = held.get(skip..).unwrap_or(&[]);
                let words = words.zip(held).map(|(word, held)| word | held);
                in_words(words.take(count), at, (from, end), whole, &mut first)
            }
            None => in_words(words.take(count), at, (from, end), whole, &mut first),
        };
        if found.is_some() {
            return found;
        }
        at = to;
    }
    first
}

/// The same of these words, of which the first has this first bit; a bit that is none of a whole
/// byte is put into `first`, if there is none in it.
#[inline]
fn in_words(
    words: impl Iterator<Item = u64>,
    start: u32,
    (from, end): (u32, u32),
    whole: bool,
    first: &mut Option<(u32, bool)>,
) -> Option<(u32, bool)> {
    for (index, word) in words.enumerate() {
        if word == u64::MAX {
            continue;
        }
        let at = start.saturating_add((index as u32).saturating_mul(64));
        if at >= end {
            return None;
        }
        let before = u64::MAX.wrapping_shl(from.saturating_sub(at));
        let before = if at < from { !before } else { 0 };
        let behind = match end.saturating_sub(at) {
            rest @ ..64 => u64::MAX.wrapping_shl(rest),
            _ => 0,
        };
        let word = word | before | behind;
        if word == u64::MAX {
            continue;
        }
        let bit = (at.saturating_add((!word).trailing_zeros()), false);
        if !whole {
            return Some(bit);
        }
        if has_zero_byte(word) {
            let byte = word.to_le_bytes().iter().position(|byte| *byte == 0)?;
            return Some((at.saturating_add((byte as u32).saturating_mul(8)), true));
        }
        first.get_or_insert(bit);
    }
    None
}

/// Bytes that are no whole word, with all bits set behind them; none of none.
fn last_word(rest: &[u8]) -> Option<[u8; 8]> {
    let mut word = [0xFF; 8];
    for (to, from) in word.iter_mut().zip(rest) {
        *to = *from;
    }
    (!rest.is_empty()).then_some(word)
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

    use super::super::held::HeldBits;
    use super::{first_free, is_set};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn what_is_found_is_what_a_look_at_each_bit_finds(
            bytes in prop::collection::vec(
                prop_oneof![4 => Just(0xFF_u8), 1 => Just(0), 1 => any::<u8>()], 0..40),
            runs in prop::collection::vec((0_u32..330, 0_u32..20), 0..6),
            from in 0_u32..330,
            end in 0_u32..330,
        ) {
            let end = end.min(bytes.len() as u32 * 8);
            let mut bits = HeldBits::default();
            let is_held = |bit: &u32| {
                runs.iter().any(|(first, count)| (*first..first + count).contains(bit))
            };
            (0..400).filter(is_held).for_each(|bit| bits.put(7, bit, 1, true));
            let is_free = |bit: &u32| !is_set(&bytes, *bit) && !is_held(bit);
            let bit = (from..end).find(is_free);
            let bit = bit.map(|bit| (bit, false));
            prop_assert_eq!(first_free(&bytes, &bits.words(7), (from, end), false), bit);
            let byte = (from.div_ceil(8)..end / 8).map(|byte| byte * 8);
            let byte = byte.into_iter().find(|first| (*first..first + 8).all(|bit| is_free(&bit)));
            prop_assert_eq!(first_free(&bytes, &bits.words(7), (from, end), true), byte.map(|byte| (byte, true)).or(bit));
        }
    }
}
