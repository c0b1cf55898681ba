//! A page of file contents.

use crate::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bytes in a page.
pub const PAGE: usize = 4096;

// `Copy`, so that a page is copied from where it is to the heap: a kernel's stack has no room
// for several of them.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Frame([u8; PAGE]);

/// One page, aligned as the hardware's are, so that it can be mapped where it is.
///
/// A clone shares the memory. A write through a file to a page that has clones makes a new
/// page for the file: who holds a clone keeps the contents as they were.
#[derive(Clone)]
pub struct Page(Arc<Vec<Frame>>);

/// A page of nothing.
static ZERO: Frame = Frame([0; PAGE]);
/// Its bytes.
pub(crate) static ZEROS: [u8; PAGE] = [0; PAGE];

impl Page {
    pub(crate) fn zeroed() -> Result<Self, Errno> {
        Self::of(&ZERO)
    }

    fn of(frame: &Frame) -> Result<Self, Errno> {
        let mut frames = Vec::new();
        frames.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
        frames.extend_from_slice(core::slice::from_ref(frame));
        Ok(Self(Arc::new(frames)))
    }

    /// The contents.
    #[must_use]
    pub fn bytes(&self) -> &[u8; PAGE] {
        self.0.first().map_or(&ZEROS, |frame| &frame.0)
    }

    pub(crate) fn bytes_mut(&mut self) -> Result<&mut [u8; PAGE], Errno> {
        if Arc::get_mut(&mut self.0).is_none() {
            *self = Self::of(self.0.first().unwrap_or(&ZERO))?;
        }
        let frames = Arc::get_mut(&mut self.0).ok_or(Errno::ENOMEM)?;
        frames.first_mut().map(|frame| &mut frame.0).ok_or(Errno::ENOMEM)
    }
}
