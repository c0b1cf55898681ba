//! A queue that belongs to one core.

use core::fmt;

use cordyceps::List;

use crate::Parcel;
use crate::node::Node;

/// Parcels in order. Pushing and popping never allocate.
pub struct Fifo<T>(List<Node<T>>);

// SAFETY: the list owns its nodes outright; sending it sends them, which `T: Send` allows.
unsafe impl<T: Send> Send for Fifo<T> {}

impl<T> Fifo<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self(List::new())
    }

    /// How many parcels are queued.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Queues behind the last.
    pub fn push_back(&mut self, parcel: Parcel<T>) {
        self.0.push_back(parcel);
    }

    /// Queues before the first: where a request goes that was taken and given back.
    pub fn push_front(&mut self, parcel: Parcel<T>) {
        self.0.push_front(parcel);
    }

    /// Takes the first.
    pub fn pop_front(&mut self) -> Option<Parcel<T>> {
        self.0.pop_front()
    }

    /// Looks at the first.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.0.front().map(|node| node.get_ref().value())
    }

    /// Looks at all, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(Node::value)
    }

    /// Looks at all with the right to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(Node::value_mut)
    }

    /// Takes the one that `position` others precede.
    pub fn remove(&mut self, position: usize) -> Option<Parcel<T>> {
        if position == 0 {
            return self.pop_front();
        }
        if position >= self.len() {
            return None;
        }
        let mut cursor = self.0.cursor_front_mut();
        for _ in 0..position {
            cursor.move_next();
        }
        cursor.remove_current()
    }

    /// Takes all that `wanted` picks, both parts keeping their order.
    #[must_use]
    pub fn extract(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Self {
        let mut taken = Self::new();
        for _ in 0..self.len() {
            let Some(parcel) = self.pop_front() else { break };
            if wanted(&parcel) {
                taken.push_back(parcel);
            } else {
                self.push_back(parcel);
            }
        }
        taken
    }

    /// Moves all of `other` behind the last, in constant time.
    pub fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Fifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fifo({})", self.len())
    }
}
