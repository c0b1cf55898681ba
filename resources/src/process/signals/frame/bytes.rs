//! Words of Linux's structures, little-endian, at an offset. What lies outside is not there.

/// Eight bytes.
pub(in crate::process) fn read_word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Four bytes.
pub(in crate::process) fn read_half(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Writes these bytes, if there is room for all.
pub(in crate::process) fn write(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(end) = at.checked_add(value.len())
        && let Some(place) = bytes.get_mut(at..end)
    {
        place.copy_from_slice(value);
    }
}

/// Eight bytes.
pub(in crate::process) fn write_word(bytes: &mut [u8], at: usize, value: u64) {
    write(bytes, at, &value.to_le_bytes());
}

/// Four bytes.
pub(in crate::process) fn write_half(bytes: &mut [u8], at: usize, value: u32) {
    write(bytes, at, &value.to_le_bytes());
}
