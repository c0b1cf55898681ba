//! Many strings, one behind the other, each with its zero: arguments and environments. They lie
//! in pieces, so that none is ever moved.

use alloc::vec::Vec;

/// Bytes of a piece: so many that two megabytes are freed in one run (law 5).
const PIECE: usize = 8192;

/// Memory has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// The strings.
#[derive(Debug, Default)]
pub struct Strings {
    pieces: Vec<Vec<u8>>,
    count: usize,
    bytes: usize,
    /// Bytes of the first, with its zero.
    first: usize,
}

impl Strings {
    /// These.
    ///
    /// # Errors
    /// `NoMemory`.
    pub fn of<'a>(strings: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NoMemory> {
        let mut all = Self::default();
        for string in strings {
            all.add(string)?;
            all.end()?;
        }
        Ok(all)
    }

    /// Adds bytes to the last string.
    ///
    /// # Errors
    /// `NoMemory`.
    pub fn add(&mut self, mut bytes: &[u8]) -> Result<(), NoMemory> {
        while !bytes.is_empty() {
            let room = match self.pieces.last() {
                Some(piece) if piece.len() < PIECE => PIECE - piece.len(),
                _ => {
                    let mut piece = Vec::new();
                    piece.try_reserve_exact(PIECE).map_err(|_| NoMemory)?;
                    self.pieces.try_reserve(1).map_err(|_| NoMemory)?;
                    self.pieces.push(piece);
                    PIECE
                }
            };
            let (some, rest) = bytes.split_at(room.min(bytes.len()));
            if let Some(piece) = self.pieces.last_mut() {
                piece.extend_from_slice(some);
            }
            self.bytes += some.len();
            bytes = rest;
        }
        Ok(())
    }

    /// The last string is whole; what is added then is another.
    ///
    /// # Errors
    /// `NoMemory`.
    pub fn end(&mut self) -> Result<(), NoMemory> {
        self.add(&[0])?;
        if self.count == 0 {
            self.first = self.bytes;
        }
        self.count += 1;
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Their bytes, with the zeros.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the first, with its zero.
    #[must_use]
    pub fn first(&self) -> usize {
        self.first
    }

    /// Frees what lies before this place: nobody asks for it again.
    pub fn forget(&mut self, before: usize) {
        let done = self.pieces.iter_mut().take(before / PIECE).rev();
        done.take_while(|piece| piece.capacity() > 0).for_each(|piece| *piece = Vec::new());
    }

    /// At most so many bytes from this place on, as far as they lie in one piece; none at the
    /// end.
    #[must_use]
    pub fn piece(&self, at: usize, most: usize) -> &[u8] {
        let piece = self.pieces.get(at / PIECE).map_or(&[][..], Vec::as_slice);
        let rest = piece.get(at % PIECE..).unwrap_or_default();
        rest.get(..most.min(rest.len())).unwrap_or_default()
    }
}

/// Where the first zero is.
#[must_use]
pub fn zero_in(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    for word in bytes.chunks_exact(8) {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        if word.wrapping_sub(LOW) & !word & (LOW << 7) != 0 {
            break;
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|&byte| byte == 0).map(|place| at + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_lie_one_behind_the_other_over_pieces() {
        let long = alloc::vec![b'x'; 2 * PIECE];
        let strings = Strings::of([&b"one"[..], &long, b""]).unwrap();
        assert_eq!((strings.count(), strings.first()), (3, 4));
        assert_eq!(strings.bytes(), 4 + 2 * PIECE + 1 + 1);
        let mut all = Vec::new();
        while let piece @ [_, ..] = strings.piece(all.len(), 1000) {
            all.extend_from_slice(piece);
        }
        assert_eq!(all.len(), strings.bytes());
        assert!(all.starts_with(b"one\0xxx") && all.ends_with(b"x\0\0"));
    }

    #[test]
    fn the_first_zero_is_found_wherever_it_is() {
        for length in 0..40 {
            for place in 0..length {
                let mut bytes = alloc::vec![0x81_u8; length];
                bytes[place] = 0;
                assert_eq!(zero_in(&bytes), Some(place));
            }
            assert_eq!(zero_in(&alloc::vec![1; length]), None);
        }
    }
}
