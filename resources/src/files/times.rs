//! The times that calls bring.

use vortex_abi::{Errno, Files};
use vortex_files::Stamp;

use super::request::FileCall;

/// The two times that a call sets, in its own unit.
pub(super) fn times_of(call: &FileCall) -> core::result::Result<[Stamp; 2], Errno> {
    let mut bytes = [0; 32];
    call.operands.buffer(1)?.read(0, &mut bytes);
    let word = |place: usize| {
        let word = bytes.get(place * 8..place * 8 + 8).and_then(|word| word.try_into().ok());
        word.map_or(0, i64::from_le_bytes)
    };
    let of = |seconds: usize| match call.call {
        Files::Utime { .. } => Stamp::from_timespec(word(seconds), 0),
        Files::Utimes { .. } => match word(2 * seconds + 1) {
            micros @ 0..1_000_000 => Stamp::from_timespec(word(2 * seconds), micros * 1000),
            _ => Err(Errno::EINVAL),
        },
        _ => Stamp::from_timespec(word(2 * seconds), word(2 * seconds + 1)),
    };
    Ok([of(0)?, of(1)?])
}

/// Nanoseconds of a `struct timespec`.
pub(crate) fn timespec(bytes: &[u8; 16]) -> core::result::Result<u64, Errno> {
    let (seconds, nanos) = bytes.split_at(8);
    let word = |bytes: &[u8]| bytes.try_into().map_or(-1, i64::from_le_bytes);
    let (seconds, nanos) = (word(seconds), word(nanos));
    match (u64::try_from(seconds), nanos) {
        (Ok(seconds), 0..1_000_000_000) => {
            Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as u64))
        }
        _ => Err(Errno::EINVAL),
    }
}
