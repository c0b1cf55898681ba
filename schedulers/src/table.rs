//! The clients of one core's scheduler, by identifier.

use alloc::vec::Vec;

use vortex_grid::policy::ClientId;

/// Identifiers are dense from zero and reused, so a vector reaches each in one step.
pub(crate) struct Table<C>(Vec<Option<C>>);

impl<C> Table<C> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts a client in its place; the earlier one there is returned.
    pub(crate) fn insert(&mut self, id: ClientId, client: C) -> Option<C> {
        if self.0.len() <= id.index() {
            self.0.resize_with(id.index() + 1, || None);
        }
        self.0.get_mut(id.index()).and_then(|place| place.replace(client))
    }

    pub(crate) fn remove(&mut self, id: ClientId) -> Option<C> {
        self.0.get_mut(id.index()).and_then(Option::take)
    }

    #[inline]
    pub(crate) fn get(&self, id: ClientId) -> Option<&C> {
        self.0.get(id.index()).and_then(Option::as_ref)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: ClientId) -> Option<&mut C> {
        self.0.get_mut(id.index()).and_then(Option::as_mut)
    }
}
