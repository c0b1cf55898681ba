//! A page of file contents.

use crate::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bytes in a page.
pub const PAGE: usize = 4096;

#[derive(Clone)]
#[repr(C, align(4096))]
struct Frame([u8; PAGE]);

/// One page, aligned as the hardware's are, so that it can be mapped where it is.
///
/// A clone shares the memory. A write through a file to a page that has clones makes a new
/// page for the file: who holds a clone keeps the contents as they were.
#[derive(Clone)]
pub struct Page(Arc<Vec<Frame>>);

/// A page of nothing.
pub(crate) static ZEROS: [u8; PAGE] = [0; PAGE];

impl Page {
    pub(crate) fn zeroed() -> Result<Self, Errno> {
        Self::of(Frame([0; PAGE]))
    }

    fn of(frame: Frame) -> Result<Self, Errno> {
        let mut frames = Vec::new();
        frames.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
        frames.push(frame);
        Ok(Self(Arc::new(frames)))
    }

    /// The contents.
    #[must_use]
    pub fn bytes(&self) -> &[u8; PAGE] {
        self.0.first().map_or(&ZEROS, |frame| &frame.0)
    }

    pub(crate) fn bytes_mut(&mut self) -> Result<&mut [u8; PAGE], Errno> {
        if Arc::get_mut(&mut self.0).is_none() {
            *self = Self::of(Frame(*self.bytes()))?;
        }
        let frames = Arc::get_mut(&mut self.0).ok_or(Errno::ENOMEM)?;
        frames.first_mut().map(|frame| &mut frame.0).ok_or(Errno::ENOMEM)
    }
}
