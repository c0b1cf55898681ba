//! An indexed heap: clients by key, the smallest first, each reachable by its identifier.
//!
//! Four children a node: half the depth of a binary heap, and the four keys compared on
//! the way down lie side by side. Key and identifier are one number, so that one comparison
//! orders by key and, among equal ones, by identifier: a decision depends on the keys alone
//! and not on how the heap came to be.
//!
//! # Guarantees
//! Every change takes at most `4 · log4(n) + 4` comparisons; the rest none.
//! [`Heap::exchange`] is one way down where taking out and putting in would be two.
//! Room is made in [`Heap::admit`]; nothing else allocates.
//!
//! # Invariants
//! `places[id]` is where `id` stands in `entries`, or `NOWHERE`; no entry is smaller than
//! its parent.

use alloc::vec::Vec;

use vortex_grid::policy::ClientId;

#[cfg(test)]
mod tests;

const CHILDREN: usize = 4;
const NOWHERE: u32 = u32::MAX;

/// How many bits of an entry are the client's.
const OF_CLIENT: u32 = u32::BITS;

/// What clients are ordered by: a number of 96 bits, with room for the client beneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u128);

impl Key {
    /// The key that has these for its upper 96 bits; the others do not count.
    #[inline]
    pub(crate) const fn of_upper(bits: u128) -> Self {
        Self(bits >> OF_CLIENT << OF_CLIENT)
    }

    /// A number first, and among those with the same, another.
    #[inline]
    pub(crate) const fn of_pair(first: u32, second: u64) -> Self {
        Self((first as u128) << 96 | (second as u128) << OF_CLIENT)
    }

    /// The second number of a pair.
    #[inline]
    pub(crate) const fn second(self) -> u64 {
        (self.0 >> OF_CLIENT) as u64
    }

    /// The upper 96 bits, the others zero.
    #[inline]
    pub(crate) const fn upper(self) -> u128 {
        self.0
    }
}

/// A client and its key, in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry(u128);

impl Entry {
    /// Not before any other.
    pub(crate) const LAST: Self = Self(u128::MAX);

    #[inline]
    pub(crate) const fn new(id: ClientId, key: Key) -> Self {
        Self(key.0 | id.get() as u128)
    }

    #[inline]
    pub(crate) const fn id(self) -> ClientId {
        ClientId::new(self.0 as u32)
    }

    #[inline]
    pub(crate) const fn key(self) -> Key {
        Key::of_upper(self.0)
    }

    /// Whether its key is smaller, not only its identifier; anything is before nothing.
    #[inline]
    pub(crate) fn is_well_before(self, other: Option<Self>) -> bool {
        other.is_none_or(|other| self.0 | ((1 << OF_CLIENT) - 1) < other.0)
    }

    /// Whether its key is at most the upper 96 bits of these, the others being set.
    #[inline]
    pub(crate) const fn within(self, bits: u128) -> bool {
        self.0 <= bits
    }
}

pub(crate) struct Heap {
    entries: Vec<Entry>,
    places: Vec<u32>,
    /// Entries looked at, for the tests of growth.
    #[cfg(test)]
    pub(crate) steps: u64,
}

impl Heap {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            places: Vec::new(),
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Makes room for a client. One that was not admitted is passed over by [`Self::set`].
    pub(crate) fn admit(&mut self, id: ClientId) {
        if self.places.len() <= id.index() {
            self.places.resize(id.index() + 1, NOWHERE);
            self.entries.reserve(self.places.len() - self.entries.len());
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<Entry> {
        self.entries.first().copied()
    }

    #[inline]
    pub(crate) fn contains(&self, id: ClientId) -> bool {
        self.places.get(id.index()).is_some_and(|place| *place != NOWHERE)
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let first = self.first()?;
        self.forget(first);
        if let Some(last) = self.entries.pop()
            && !self.entries.is_empty()
        {
            self.sink(0, last);
        }
        Some(first)
    }

    /// Takes out the smallest of those in the heap and `entry`, which is not in it, and
    /// keeps the others.
    #[inline]
    pub(crate) fn exchange(&mut self, entry: Entry) -> Entry {
        match self.first() {
            Some(first) if first < entry => {
                self.forget(first);
                self.sink(0, entry);
                first
            }
            _ => entry,
        }
    }

    /// Puts the client in, or gives it another key.
    #[inline]
    pub(crate) fn set(&mut self, id: ClientId, key: Key) {
        let entry = Entry::new(id, key);
        match self.places.get(id.index()) {
            None => {}
            Some(&NOWHERE) => {
                let end = self.entries.len();
                self.entries.push(entry);
                self.rise(end, entry);
            }
            Some(&place) => self.settle(place as usize, entry),
        }
    }

    /// Takes the client out. False if it was not in.
    #[inline]
    pub(crate) fn remove(&mut self, id: ClientId) -> bool {
        let Some(slot) = self.places.get_mut(id.index()) else { return false };
        if *slot == NOWHERE {
            return false;
        }
        let place = core::mem::replace(slot, NOWHERE) as usize;
        // The last entry fills the gap, unless it is itself what leaves.
        if let Some(last) = self.entries.pop()
            && place < self.entries.len()
        {
            self.settle(place, last);
        }
        true
    }

    #[inline]
    fn forget(&mut self, entry: Entry) {
        if let Some(place) = self.places.get_mut(entry.id().index()) {
            *place = NOWHERE;
        }
    }

    /// Finds the place of `entry`, from a gap at `place` that may be too high or too low.
    #[inline(never)]
    fn settle(&mut self, place: usize, entry: Entry) {
        let above = place.wrapping_sub(1) / CHILDREN;
        match self.entries.get(above) {
            Some(&parent) if entry < parent && place > 0 => self.rise(place, entry),
            _ => self.sink(place, entry),
        }
    }

    /// Moves the gap up until `entry` fits into it.
    #[inline]
    fn rise(&mut self, mut gap: usize, entry: Entry) {
        while gap > 0 {
            let above = (gap - 1) / CHILDREN;
            match self.entries.get(above) {
                Some(&parent) if entry < parent => self.put(gap, parent),
                _ => break,
            }
            gap = above;
        }
        self.put(gap, entry);
    }

    /// Moves the gap down until `entry` fits into it.
    #[inline]
    fn sink(&mut self, mut gap: usize, entry: Entry) {
        loop {
            let first = gap * CHILDREN + 1;
            let Some(rest) = self.entries.get(first..) else { break };
            let (least, index) = match rest.first_chunk::<CHILDREN>() {
                // Two and two, and then the two that are left: the comparisons of a pair do not
                // wait for each other.
                Some(&[a, b, c, d]) => {
                    let left = if b < a { (b, 1) } else { (a, 0) };
                    let right = if d < c { (d, 3) } else { (c, 2) };
                    if right.0 < left.0 { right } else { left }
                }
                None => match rest.iter().copied().zip(0..).min() {
                    Some(least) => least,
                    None => break,
                },
            };
            #[cfg(test)]
            {
                self.steps += rest.len().min(CHILDREN) as u64;
            }
            if entry < least {
                break;
            }
            self.put(gap, least);
            gap = first + index;
        }
        self.put(gap, entry);
    }

    #[inline]
    fn put(&mut self, place: usize, entry: Entry) {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        if let (Some(slot), Some(index)) =
            (self.entries.get_mut(place), self.places.get_mut(entry.id().index()))
        {
            *slot = entry;
            // An identifier is a `u32`, so there are never more places than that.
            *index = place as u32;
        }
    }
}
