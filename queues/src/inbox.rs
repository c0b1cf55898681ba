//! The inbox of a core: many senders, one receiver, no lock.

use core::fmt;

use cordyceps::TransferStack;

use crate::node::Node;
use crate::{Fifo, Parcel};

/// Parcels on their way to a core.
///
/// # Guarantees
/// - `push` is lock-free, allocates nothing and cannot be refused.
/// - Parcels of one sender arrive in the order in which it pushed them.
/// - What was pushed before `take_all` began, in the order that both cores agree on, is
///   taken by it.
pub struct Inbox<T>(TransferStack<Node<T>>);

// SAFETY: the stack hands a whole node from one core to another, which `T: Send` allows; it
// gives out no reference to a node that it holds, so nothing is shared.
unsafe impl<T: Send> Send for Inbox<T> {}
// SAFETY: as above; its methods touch the head atomically, and a node's link only before it
// is published or after it was taken whole.
unsafe impl<T: Send> Sync for Inbox<T> {}

impl<T> Inbox<T> {
    /// An empty inbox.
    #[must_use]
    pub fn new() -> Self {
        Self(TransferStack::new())
    }

    /// Hands a parcel over. True if the inbox was empty: the one sender that sees this is
    /// the one that has to wake the receiver.
    pub fn push(&self, parcel: Parcel<T>) -> bool {
        self.0.push_was_empty(parcel)
    }

    /// Takes all that has arrived, oldest first.
    #[must_use]
    pub fn take_all(&self) -> Fifo<T> {
        let mut arrived = self.0.take_all();
        let mut ordered = Fifo::new();
        while let Some(parcel) = arrived.pop() {
            ordered.push_front(parcel);
        }
        ordered
    }

    /// Whether nothing has arrived, as far as this core can see now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}
