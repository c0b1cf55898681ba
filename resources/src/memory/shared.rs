//! Memory that several processes share: a page is made when one of them touches it first.
//!
//! # Invariants
//! A page that was made stays the same frame for as long as the object lives, so that all
//! who map it see one memory.

use alloc::collections::BTreeMap;
use core::fmt;

use spin::Mutex;
use vortex_machine::Frame;

/// It. Its regions hold it; their backing says from which page on they show it.
#[derive(Default)]
pub struct Shared {
    frames: Mutex<BTreeMap<u64, Frame>>,
}

impl Shared {
    /// The frame of this page; `None` where memory has run out.
    #[must_use]
    pub fn frame(&self, page: u64) -> Option<Frame> {
        let mut frames = self.frames.lock();
        if let Some(frame) = frames.get(&page) {
            return Some(frame.clone());
        }
        let frame = Frame::zeroed()?;
        frames.insert(page, frame.clone());
        Some(frame)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} pages)", self.frames.lock().len())
    }
}
