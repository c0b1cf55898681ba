//! A file's pieces that nobody has taken yet, by number and by where they are in the file.

use alloc::collections::BTreeMap;

use super::Piece;

/// Blocks of a piece at most: 32 KB of 1 KiB each.
const MOST_BLOCKS: u32 = 32;

/// They.
#[derive(Default)]
pub struct Queued {
    pieces: BTreeMap<u64, Piece>,
    places: BTreeMap<(u32, u64), ()>,
}

impl Queued {
    /// One more.
    pub fn add(&mut self, piece: Piece) {
        self.places.insert((piece.block, piece.number), ());
        self.pieces.insert(piece.number, piece);
    }

    /// One is taken, if nobody has.
    pub fn take(&mut self, number: u64) -> Option<Piece> {
        let piece = self.pieces.remove(&number)?;
        self.places.remove(&(piece.block, number));
        Some(piece)
    }

    /// One, to be changed but for where it is.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Piece> {
        self.pieces.get_mut(&number)
    }

    /// Those that may touch, or overlap, these blocks.
    pub fn near(&self, first: u32, end: u32) -> impl Iterator<Item = &Piece> {
        let from = (first.saturating_sub(MOST_BLOCKS), 0);
        let near = self.places.range(from..=(end.max(first), u64::MAX));
        near.filter_map(|((_, number), ())| self.pieces.get(number))
    }

    /// The oldest first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Piece> {
        self.pieces.values_mut()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}
