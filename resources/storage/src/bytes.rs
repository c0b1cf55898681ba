//! Numbers in what devices and disks say. What is beyond the end is zero.

/// The bytes from a place on.
pub fn at<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
    let end = place.saturating_add(N);
    bytes.get(place..end).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

/// Puts bytes there, as far as there is room.
pub fn put<const N: usize>(bytes: &mut [u8], place: usize, value: [u8; N]) {
    if let Some(part) = bytes.get_mut(place..place.saturating_add(N)) {
        part.copy_from_slice(&value);
    }
}
