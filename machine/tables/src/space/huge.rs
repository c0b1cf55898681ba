//! Putting 2 MiB at once into a space.

use super::Space;
use crate::huge::Huge;
use crate::physical::Physical;
use crate::table::{Access, MapError};

impl<M: Physical> Space<M> {
    /// Whether nothing is in the 2 MiB that begin at this address, so that they could be mapped
    /// at once.
    #[must_use]
    pub fn is_free_for_huge(&self, page: u64) -> bool {
        self.inner.lock().table.is_free_for_huge(page)
    }

    /// Puts 2 MiB at once where nothing is. False, with nothing done, as [`Space::put`], or if
    /// something is there by now. Each page of them can go its own way later.
    ///
    /// # Errors
    /// [`MapError`]; then nothing has changed.
    pub fn put_huge(
        &self,
        page: u64,
        frames: Huge<M>,
        access: Access,
        holds: impl FnOnce() -> bool,
    ) -> Result<bool, MapError> {
        let inner = &mut *self.inner.lock();
        if !holds() || !inner.table.is_free_for_huge(page) {
            return Ok(false);
        }
        inner.table.map_huge(page, frames, access, |at| self.name(at))?;
        Ok(true)
    }

    /// Whether a page is mapped with its neighbours at once.
    #[must_use]
    pub fn is_huge(&self, page: u64) -> bool {
        self.inner.lock().table.is_huge(page)
    }
}
