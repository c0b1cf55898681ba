//! A table whose keys are never mistaken: a key outlives its value and then names nothing.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use crate::Errno;

/// Names a value in the table of its kind.
///
/// The place is reused, the generation not within 2^32 lives of the place.
pub struct Key<T> {
    index: u32,
    generation: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation, kind: PhantomData }
    }

    /// As one number, for messages that carry none of our types.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// Back from [`Key::to_bits`]; a made-up number names nothing or the wrong thing, never
    /// memory.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self::new(bits as u32, (bits >> 32) as u32)
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}

impl<T> Eq for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// Places that lie together: the table grows by so many, and none is ever moved.
const PIECE: usize = 64;

/// The table.
pub(crate) struct Slab<T> {
    pieces: Vec<Vec<Place<T>>>,
    /// Places that were ever used.
    used: usize,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub const fn new() -> Self {
        Self { pieces: Vec::new(), used: 0, free: Vec::new() }
    }

    pub fn insert(&mut self, value: T) -> Result<Key<T>, Errno> {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.place_mut(index)
        {
            place.value = Some(value);
            return Ok(Key::new(index, place.generation));
        }
        let index = u32::try_from(self.used).map_err(|_| Errno::ENFILE)?;
        self.free.try_reserve(self.used.saturating_add(1)).map_err(|_| Errno::ENOMEM)?;
        if self.used.is_multiple_of(PIECE) {
            let mut piece = Vec::new();
            piece.try_reserve_exact(PIECE).map_err(|_| Errno::ENOMEM)?;
            self.pieces.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.pieces.push(piece);
        }
        let piece = self.pieces.last_mut().ok_or(Errno::ENOMEM)?;
        piece.push(Place { generation: 0, value: Some(value) });
        self.used = self.used.saturating_add(1);
        Ok(Key::new(index, 0))
    }

    fn place(&self, index: u32) -> Option<&Place<T>> {
        let index = index as usize;
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    fn place_mut(&mut self, index: u32) -> Option<&mut Place<T>> {
        let index = index as usize;
        self.pieces.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    pub fn get(&self, key: Key<T>) -> Option<&T> {
        let place = self.place(key.index)?;
        if place.generation == key.generation { place.value.as_ref() } else { None }
    }

    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let place = self.place_mut(key.index)?;
        if place.generation == key.generation { place.value.as_mut() } else { None }
    }

    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let place = self.place_mut(key.index)?;
        if place.generation != key.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    pub fn len(&self) -> usize {
        self.used.saturating_sub(self.free.len())
    }
}
