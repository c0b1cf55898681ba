//! Tables of labels in pieces: a table that grows moves all that it has, and that work would
//! be done in one go, in whosever run it happens to be (law 5).

use ::core::hash::Hash;
use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashMap;

const PIECES: usize = 256;

/// A table that is all moved when it grows.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// A label, or what else has a table in pieces.
pub(crate) trait Key: Eq + Hash {
    /// A number that few others have: it tells the piece.
    fn bits(&self) -> u64;
}

/// What is known of labels.
pub(crate) struct Shards<K, V> {
    pieces: Box<[Map<K, V>]>,
    len: usize,
    /// The piece that [`Self::retain_some`] looks at next.
    next: usize,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let pieces = (0..PIECES).map(|_| Map::default()).collect::<Vec<_>>();
        Shards { pieces: pieces.into_boxed_slice(), len: 0, next: 0 }
    }
}

/// Which piece a label is in: neighbours are not in the same.
#[inline]
fn piece(label: &impl Key) -> usize {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    (label.bits().wrapping_mul(ODD) >> 56) as usize
}

impl<K: Key, V> Shards<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn get(&self, label: &K) -> Option<&V> {
        self.pieces.get(piece(label))?.get(label)
    }

    #[inline]
    pub fn get_mut(&mut self, label: &K) -> Option<&mut V> {
        self.pieces.get_mut(piece(label))?.get_mut(label)
    }

    pub fn contains_key(&self, label: &K) -> bool {
        self.get(label).is_some()
    }

    pub fn insert(&mut self, label: K, value: V) {
        if let Some(piece) = self.pieces.get_mut(piece(&label))
            && piece.insert(label, value).is_none()
        {
            self.len = self.len.saturating_add(1);
        }
    }

    pub fn remove(&mut self, label: &K) {
        if let Some(piece) = self.pieces.get_mut(piece(label))
            && piece.remove(label).is_some()
        {
            self.len = self.len.saturating_sub(1);
        }
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        for piece in &mut self.pieces {
            piece.retain(|label, _| keep(label));
        }
        self.len = self.pieces.iter().map(HashMap::len).sum();
    }

    /// Forgets of one piece, the next each time, what is not to be kept.
    pub fn retain_some(&mut self, keep: impl Fn(&V) -> bool) {
        if let Some(piece) = self.pieces.get_mut(self.next) {
            let before = piece.len();
            piece.retain(|_, value| keep(value));
            self.len = self.len.saturating_sub(before.saturating_sub(piece.len()));
        }
        self.next = (self.next + 1) % PIECES;
    }

    pub fn clear(&mut self) {
        for piece in &mut self.pieces {
            piece.clear();
        }
        self.len = 0;
    }

    /// How many the fullest piece has.
    #[cfg(test)]
    pub fn longest(&self) -> usize {
        self.pieces.iter().map(HashMap::len).max().unwrap_or(0)
    }
}
