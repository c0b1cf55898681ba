//! A core's table of labels, in pieces: a table that grows moves all that it has, and that
//! work would be done in one go, in whosever run it happens to be (law 5).

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashMap;

use super::Map;
use crate::binding::Label;

const PIECES: usize = 256;

/// What is known of labels.
pub(super) struct Shards<V> {
    pieces: Box<[Map<Label, V>]>,
    len: usize,
    /// The piece that [`Self::retain_some`] looks at next.
    next: usize,
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        let pieces = (0..PIECES).map(|_| Map::default()).collect::<Vec<_>>();
        Shards { pieces: pieces.into_boxed_slice(), len: 0, next: 0 }
    }
}

/// Which piece a label is in: neighbours are not in the same.
#[inline]
const fn piece(label: &Label) -> usize {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let bits = label.affinity ^ ((label.instance.index() as u64) << 32);
    ((bits ^ ((label.activity.index() as u64) << 48)).wrapping_mul(ODD) >> 56) as usize
}

impl<V> Shards<V> {
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn get(&self, label: &Label) -> Option<&V> {
        self.pieces.get(piece(label))?.get(label)
    }

    #[inline]
    pub fn get_mut(&mut self, label: &Label) -> Option<&mut V> {
        self.pieces.get_mut(piece(label))?.get_mut(label)
    }

    pub fn contains_key(&self, label: &Label) -> bool {
        self.get(label).is_some()
    }

    pub fn insert(&mut self, label: Label, value: V) {
        if let Some(piece) = self.pieces.get_mut(piece(&label))
            && piece.insert(label, value).is_none()
        {
            self.len = self.len.saturating_add(1);
        }
    }

    pub fn remove(&mut self, label: &Label) {
        if let Some(piece) = self.pieces.get_mut(piece(label))
            && piece.remove(label).is_some()
        {
            self.len = self.len.saturating_sub(1);
        }
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&Label) -> bool) {
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
}
