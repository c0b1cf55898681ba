//! Pinning: the frames of a buffer, held while a request works on them, so that no
//! resource sees a process's pointer.

use alloc::vec::Vec;

use vortex_abi::Span;
use vortex_machine::{Access, Frame, PAGE, USER_END};
use vortex_storage::Memory;

use super::space::AddressSpace;
use super::strings::zero_in;
use crate::network::Held;
use crate::storage::DiskMemory;

const PAGE_U64: u64 = PAGE as u64;

/// A buffer of a process, pinned.
#[derive(Debug, Default)]
pub struct Pinned {
    pieces: Vec<Piece>,
    length: usize,
}

/// A part of a buffer within one frame.
#[derive(Debug)]
struct Piece {
    frame: Frame,
    /// Bytes of the buffer before it.
    start: u32,
    offset: u16,
    length: u16,
}

impl Piece {
    fn end(&self) -> usize {
        self.start as usize + usize::from(self.length)
    }
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
    let mut pinned = Pinned::default();
    pinned.add(space, span, access)?;
    Ok(pinned)
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

    /// Bytes from this place on, as far as they lie in so many pieces.
    #[must_use]
    pub fn some_from(&self, at: usize, most: usize) -> usize {
        if self.pieces.len() <= most {
            return self.length.saturating_sub(at);
        }
        let (rest, _) = self.from(at);
        let last = rest.get(..most).unwrap_or(rest).last();
        last.map_or(0, |piece| piece.end().saturating_sub(at))
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

    /// Copies a part of a frame in from this place on; returns how many bytes had room.
    pub fn write_from(&self, at: usize, from: &Frame, within: usize, bytes: usize) -> usize {
        let mut moved = 0;
        self.pieces(at, bytes, |frame, offset, length| {
            moved += from.copy_to(within + moved, frame, offset, length);
        });
        moved
    }

    /// Copies out from this place on to a part of a frame; returns how many bytes there were.
    pub fn read_into(&self, at: usize, to: &Frame, within: usize, bytes: usize) -> usize {
        let mut moved = 0;
        self.pieces(at, bytes, |frame, offset, length| {
            moved += frame.copy_to(offset, to, within + moved, length);
        });
        moved
    }

    /// Makes room for so many pages.
    ///
    /// # Errors
    /// [`Unpinned::NoMemory`].
    pub fn reserve(&mut self, pages: usize) -> Result<(), Unpinned> {
        self.pieces.try_reserve_exact(pages).map_err(|_| Unpinned::NoMemory)
    }

    /// Pins one buffer more, behind those that there are.
    ///
    /// # Errors
    /// [`Unpinned`]; some of its pages may be pinned then.
    pub fn add(
        &mut self,
        space: &AddressSpace,
        span: Span,
        access: Access,
    ) -> Result<(), Unpinned> {
        let end = span.address.checked_add(span.length).ok_or(Unpinned::Address)?;
        if end > USER_END {
            return Err(Unpinned::Address);
        }
        let mut at = span.address;
        while at < end {
            let page = at - at % PAGE_U64;
            let length = (end - at).min(page + PAGE_U64 - at);
            let frame = space.space.pin(page, access).ok_or(Unpinned::Fault(at, access))?;
            self.pieces.try_reserve(1).map_err(|_| Unpinned::NoMemory)?;
            let start = u32::try_from(self.length).map_err(|_| Unpinned::Address)?;
            let (offset, bytes) = ((at - page) as u16, length as u16);
            self.pieces.push(Piece { frame, start, offset, length: bytes });
            self.length += length as usize;
            at += length;
        }
        Ok(())
    }

    /// Whether all that it consists of begins at and is as long as a multiple of so many bytes, a
    /// power of two.
    #[must_use]
    pub fn is_aligned(&self, to: u16) -> bool {
        let odd = |number| number & to.saturating_sub(1) != 0;
        !self.pieces.iter().any(|piece| odd(piece.offset) || odd(piece.length))
    }

    /// From a place on, what of so many bytes lies in so many pieces, as a device takes it: whole
    /// blocks. With how many bytes that is. `None` where it is none, or the heap has no room.
    #[must_use]
    pub fn for_device(
        &self,
        at: usize,
        bytes: usize,
        most: usize,
        block: usize,
    ) -> Option<(DiskMemory, usize)> {
        let (mut memory, mut count, mut total, mut room) = (DiskMemory::none(), 0, 0, true);
        self.pieces(at, bytes, |frame, offset, length| {
            if count < most && room {
                let piece = vortex_machine::Piece::new(frame.clone(), offset, length);
                room = piece.is_some_and(|piece| memory.add(piece));
                count += 1;
                total += length;
            }
        });
        let whole = total - total.checked_rem(block)?;
        if whole == 0 || !room {
            return None;
        }
        let memory = if whole == total { Some(memory) } else { memory.part(0, whole) };
        Some((memory?, whole))
    }

    /// From a place on, what of so many bytes lies in so many pieces, to be held for the network.
    /// False where the heap has no room.
    #[must_use]
    pub fn hold(&self, at: usize, bytes: usize, most: usize, held: &mut Held) -> bool {
        let (mut count, mut room) = (0, true);
        self.pieces(at, bytes, |frame, offset, length| {
            if count < most && room {
                let piece = vortex_machine::Piece::new(frame.clone(), offset, length);
                room = piece.is_some_and(|piece| held.add(piece));
                count += 1;
            }
        });
        room
    }

    /// The frame of the first byte, and the place in it: for words of memory.
    #[must_use]
    pub fn first(&self) -> Option<(&Frame, usize)> {
        self.pieces.first().map(|piece| (&piece.frame, usize::from(piece.offset)))
    }

    fn pieces(&self, at: usize, length: usize, mut each: impl FnMut(&Frame, usize, usize)) {
        let (rest, mut skip) = self.from(at);
        let mut left = length;
        for piece in rest {
            let (offset, length) = (usize::from(piece.offset), usize::from(piece.length));
            let take = (length - skip).min(left);
            if take == 0 {
                return;
            }
            each(&piece.frame, offset + skip, take);
            left -= take;
            skip = 0;
        }
    }

    /// The pieces from the one on in which a place is, and how far behind its beginning that is.
    /// It is not looked for from the front: a large buffer is moved a page at a time.
    fn from(&self, at: usize) -> (&[Piece], usize) {
        let first = self.pieces.partition_point(|piece| piece.end() <= at);
        let rest = self.pieces.get(first..).unwrap_or_default();
        (rest, rest.first().map_or(0, |piece| at.saturating_sub(piece.start as usize)))
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
        let end = zero_in(bytes);
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
