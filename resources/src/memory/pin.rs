//! Pinning: the frames of a buffer, held while a request works on them, so that no
//! resource sees a process's pointer.

use alloc::vec::Vec;

use vortex_abi::Span;
use vortex_machine::{Access, Frame, PAGE, USER_END};

use super::space::AddressSpace;

const PAGE_U64: u64 = PAGE as u64;

/// A buffer of a process, pinned.
#[derive(Debug, Default)]
pub struct Pinned {
    frames: Vec<Frame>,
    offset: usize,
    length: usize,
}

/// Why a buffer is not pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpinned {
    /// This page has no frame yet, or not with these rights: a fault will say.
    Fault(u64, Access),
    /// No process can have such a buffer.
    Address,
    /// No memory for the list.
    NoMemory,
}

/// Pins a buffer.
///
/// # Errors
/// [`Unpinned`]; then nothing is.
pub fn pin(space: &AddressSpace, span: Span, access: Access) -> Result<Pinned, Unpinned> {
    let end = span.address.checked_add(span.length).ok_or(Unpinned::Address)?;
    if end > USER_END {
        return Err(Unpinned::Address);
    }
    let mut pinned = Pinned {
        frames: Vec::new(),
        offset: (span.address % PAGE_U64) as usize,
        length: span.length as usize,
    };
    let first = span.address - span.address % PAGE_U64;
    if span.length == 0 {
        return Ok(pinned);
    }
    let pages = (end - first).div_ceil(PAGE_U64) as usize;
    pinned.frames.try_reserve_exact(pages).map_err(|_| Unpinned::NoMemory)?;
    for page in (first..end).step_by(PAGE) {
        match space.space.get(page) {
            Some((frame, has)) if readable(has, access) => pinned.frames.push(frame),
            _ => return Err(Unpinned::Fault(page, access)),
        }
    }
    Ok(pinned)
}

/// The kernel reads what the program can read in any way.
fn readable(has: Access, wanted: Access) -> bool {
    has.allows(wanted)
}

impl Pinned {
    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies out from this place on; returns how many bytes there were.
    pub fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let mut moved = 0;
        self.pieces(at, bytes.len(), |frame, offset, length| {
            let piece = bytes.get_mut(moved..moved + length).unwrap_or_default();
            moved += frame.read(offset, piece);
        });
        moved
    }

    /// Copies in from this place on; returns how many bytes had room.
    pub fn write(&self, at: usize, bytes: &[u8]) -> usize {
        let mut moved = 0;
        self.pieces(at, bytes.len(), |frame, offset, length| {
            moved += frame.write(offset, bytes.get(moved..moved + length).unwrap_or_default());
        });
        moved
    }

    fn pieces(&self, at: usize, length: usize, mut each: impl FnMut(&Frame, usize, usize)) {
        let end = at.saturating_add(length).min(self.length);
        let mut at = at;
        while at < end {
            let place = self.offset + at;
            let Some(frame) = self.frames.get(place / PAGE) else { return };
            let offset = place % PAGE;
            let length = (end - at).min(PAGE - offset);
            each(frame, offset, length);
            at += length;
        }
    }
}

/// Copies a string that ends with a zero, of at most so many bytes, without the zero.
/// `Ok(None)` if it is longer.
///
/// # Errors
/// [`Unpinned`].
pub fn read_string(
    space: &AddressSpace,
    address: u64,
    most: usize,
) -> Result<Option<Vec<u8>>, Unpinned> {
    let mut string = Vec::new();
    let mut at = address;
    let mut piece = [0; 256];
    while string.len() <= most {
        let length = (PAGE_U64 - at % PAGE_U64).min(piece.len() as u64);
        let pinned = pin(space, Span::new(at, length), Access::Read)?;
        let read = pinned.read(0, &mut piece);
        let bytes = piece.get(..read).unwrap_or_default();
        let end = bytes.iter().position(|&byte| byte == 0);
        let text = bytes.get(..end.unwrap_or(read)).unwrap_or_default();
        string.try_reserve(text.len()).map_err(|_| Unpinned::NoMemory)?;
        string.extend_from_slice(text);
        if end.is_some() {
            return Ok((string.len() <= most).then_some(string));
        }
        at = at.checked_add(length).ok_or(Unpinned::Address)?;
    }
    Ok(None)
}
