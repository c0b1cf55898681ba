//! What stands before and behind a command's data while a device works on it: parts of pages
//! that are used again and again. As many as were ever wanted at the same time are kept.

use alloc::vec::Vec;

use crate::memory::Memory;

/// Bytes of a slot: the request's head, and from the middle on the answer's.
pub const SLOT: usize = 256;
/// Where the answer's is.
pub const ANSWER_AT: usize = 128;
const PAGE: usize = 4096;

/// The slots that nobody has.
pub struct Slots<B> {
    free: Vec<B>,
}

impl<B: Memory> Slots<B> {
    pub const fn new() -> Self {
        Self { free: Vec::new() }
    }

    /// One; `None` where there is no memory.
    pub fn take(&mut self) -> Option<B> {
        if self.free.is_empty() {
            self.free.try_reserve(PAGE / SLOT).ok()?;
            let page = B::own(PAGE)?;
            let parts = (0..PAGE / SLOT).map(|at| page.part(at.saturating_mul(SLOT), SLOT));
            self.free.extend(parts.flatten());
        }
        self.free.pop()
    }

    /// One back.
    pub fn give_back(&mut self, slot: B) {
        if self.free.try_reserve(1).is_ok() {
            self.free.push(slot);
        }
    }
}
