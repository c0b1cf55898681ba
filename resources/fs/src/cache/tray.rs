//! What FCR hands over: the frames of pages that were read, in their order.
//!
//! Who asks has the tray, and takes from it when FCR has answered. A frame in it stays what it
//! is: a page that leaves the file meanwhile, because that is cut, is the file's no more, and
//! whoever has its frame still sees what the file had.

use alloc::vec::Vec;

use spin::Mutex;

/// It.
pub struct Tray<F>(Mutex<Vec<F>>);

impl<F> Default for Tray<F> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<F> Tray<F> {
    /// What is on it, which is not there any more then.
    pub fn take(&self) -> Vec<F> {
        core::mem::take(&mut *self.0.lock())
    }

    /// Puts these there in place of what was. False where the heap has no room.
    pub(crate) fn fill(&self, count: usize, frames: impl Iterator<Item = F>) -> bool {
        let mut all = Vec::new();
        if all.try_reserve_exact(count).is_err() {
            return false;
        }
        all.extend(frames.take(count));
        *self.0.lock() = all;
        true
    }
}
