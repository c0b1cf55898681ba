//! Bytes that are different at every place, and the same for the same number. What the host
//! expects is made in the same way (`cli/src/proof/images/bytes.rs`).

/// So many bytes of this number's, from one place on.
pub fn bytes(number: u64, from: usize, length: usize) -> Vec<u8> {
    let word = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number);
    (from..from + length).map(|at| word(at / 8).to_le_bytes()[at % 8]).collect()
}
