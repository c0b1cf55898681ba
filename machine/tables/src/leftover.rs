//! Tables of spaces that are gone: of a large one they are too many to be freed where it ends,
//! which is whenever the last core has loaded another.

use alloc::vec::Vec;
use core::marker::PhantomData;

use spin::Mutex;

use crate::frame::{Frame, Freed};
use crate::physical::Physical;

/// Freed where the space ends.
const FEW: usize = 32;
/// Freed in one run.
const SLICE: usize = 64;

/// Tables that no table names any more; each owns a count of its frame.
pub struct Leftover<M: Physical>(Mutex<Vec<Vec<u64>>>, PhantomData<fn() -> M>);

impl<M: Physical> Leftover<M> {
    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self(Mutex::new(Vec::new()), PhantomData)
    }

    /// A space is gone, and no core has it loaded.
    pub(crate) fn take(&self, mut tables: Vec<u64>) {
        Self::free(&mut tables, FEW);
        if tables.is_empty() {
            return;
        }
        let mut left = self.0.lock();
        if left.try_reserve(1).is_ok() {
            left.push(tables);
        } else {
            drop(left);
            Self::free(&mut tables, usize::MAX);
        }
    }

    /// Frees some of what spaces that are gone have left. True if there is more.
    pub fn free_some(&self) -> bool {
        let Some(mut tables) = self.0.lock().pop() else { return false };
        Self::free(&mut tables, SLICE);
        let mut left = self.0.lock();
        if !tables.is_empty() {
            // There is room: it was taken out of there.
            left.push(tables);
        }
        !left.is_empty()
    }

    fn free(tables: &mut Vec<u64>, most: usize) {
        let mut freed = Freed::<M>::default();
        for table in tables.drain(tables.len().saturating_sub(most)..) {
            // SAFETY: an entry owned it, which is in a table that is no more.
            freed.add(unsafe { Frame::from_entry(table) });
        }
    }
}
