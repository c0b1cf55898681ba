//! Moving bytes from and to a caller, whose memory is never a slice.

use alloc::vec::Vec;
use core::any::Any;

use crate::Errno;

/// The most that one call moves; a longer one is cut short, and its caller goes on.
pub const WINDOW: usize = 64 * 1024;

/// Where read bytes go.
pub trait Sink {
    /// How many more it takes.
    fn room(&self) -> usize;

    /// Takes all of these, at most [`Sink::room`] of them, or fails and has taken none.
    ///
    /// # Errors
    /// `EFAULT` where the memory is not the caller's.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Errno>;

    /// Takes all of these over, to be moved on from there; it gives them back if it does not do
    /// so.
    ///
    /// # Errors
    /// The bytes.
    fn keep(&mut self, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        Err(bytes)
    }

    /// Takes a part of a page of whoever keeps what is in files: how many bytes it took. `None`
    /// where this knows no such pages: then the bytes are put.
    fn put_from(&mut self, page: &dyn Any, within: usize, bytes: usize) -> Option<usize> {
        let _ = (page, within, bytes);
        None
    }
}

/// Where written bytes come from.
pub trait Source {
    /// How many are left.
    fn left(&self) -> usize;

    /// Fills this with the next bytes, at most [`Source::left`] of them, or fails and has
    /// given none.
    ///
    /// # Errors
    /// `EFAULT` where the memory is not the caller's.
    fn take(&mut self, bytes: &mut [u8]) -> Result<(), Errno>;

    /// Gives all that is left away, if it has that by itself.
    fn give(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Fills a part of a page of whoever keeps what is in files: how many it gave. `None` where
    /// this knows no such pages: then bytes are taken.
    fn take_into(&mut self, page: &dyn Any, within: usize, bytes: usize) -> Option<usize> {
        let _ = (page, within, bytes);
        None
    }
}

/// A source of which only so many bytes are taken.
pub(crate) struct Limited<'a> {
    /// Where they come from.
    pub source: &'a mut dyn Source,
    /// How many more.
    pub most: usize,
}

impl Source for Limited<'_> {
    fn left(&self) -> usize {
        self.source.left().min(self.most)
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), Errno> {
        self.source.take(bytes)?;
        self.most = self.most.saturating_sub(bytes.len());
        Ok(())
    }

    fn take_into(&mut self, page: &dyn Any, within: usize, bytes: usize) -> Option<usize> {
        let gave = self.source.take_into(page, within, bytes.min(self.most))?;
        self.most = self.most.saturating_sub(gave);
        Some(gave)
    }
}

/// A sink in the kernel's own memory, with a bound.
#[derive(Debug, Default)]
pub struct Collect {
    bytes: Vec<u8>,
    room: usize,
}

impl Collect {
    /// Takes this many.
    #[must_use]
    pub const fn new(room: usize) -> Self {
        Self { bytes: Vec::new(), room }
    }

    /// What it took.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Sink for Collect {
    fn room(&self) -> usize {
        self.room
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.room = self.room.checked_sub(bytes.len()).ok_or(Errno::EFAULT)?;
        self.bytes.try_reserve(bytes.len()).map_err(|_| Errno::ENOMEM)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl Source for &[u8] {
    fn left(&self) -> usize {
        self.len()
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), Errno> {
        let (head, tail) = self.split_at_checked(bytes.len()).ok_or(Errno::EFAULT)?;
        bytes.copy_from_slice(head);
        *self = tail;
        Ok(())
    }
}
