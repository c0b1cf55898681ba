//! Messages that are longer than is copied in one run (law 5): gathered before they are sent,
//! handed out after they were received, a piece at a time.

use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_files::{Sink, Source};
use vortex_units::{ActivityId, Bytes};

use super::super::streams::Cursor;
use crate::bill::{Charged, ObjectKind};
use crate::memory::Pinned;

/// Bytes that are copied in one run.
pub(super) const PIECE: usize = 32 << 10;

/// A message on its way through a call, on the bill of who makes it.
pub struct Parcel {
    bytes: Vec<u8>,
    /// Bytes that were handed out.
    at: usize,
    /// How many are, or are gathered, and what the call returns then.
    count: usize,
    pub(super) answer: usize,
    _bill: Charged,
}

impl Parcel {
    /// Of a message of so many bytes, of which none is gathered.
    pub(super) fn gathering(activity: ActivityId, count: usize) -> Result<Self, Errno> {
        let size = Bytes::new(count as u64);
        let bill = Charged::new(activity, ObjectKind::Open, size).ok_or(Errno::ENOBUFS)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(count).map_err(|_| Errno::ENOBUFS)?;
        Ok(Self { bytes, at: 0, count, answer: 0, _bill: bill })
    }

    /// Of one that was received, of which so many bytes are handed out.
    pub(super) fn received(
        activity: ActivityId,
        bytes: Vec<u8>,
        (count, answer): (usize, usize),
    ) -> Self {
        let size = Bytes::new(bytes.len() as u64);
        // It was on another's bill until now, and cannot be refused.
        let bill = Charged::there(activity, ObjectKind::Open, size);
        Self { bytes, at: 0, count, answer, _bill: bill }
    }

    /// Takes in a piece more. True when all is there.
    pub(super) fn gather(&mut self, from: &Pinned) -> bool {
        let at = self.bytes.len();
        let end = self.count.min(at + PIECE);
        self.bytes.resize(end, 0);
        from.read(at, self.bytes.get_mut(at..).unwrap_or_default());
        end == self.count
    }

    /// Hands out a piece more. True when all is.
    pub(super) fn hand_out(&mut self, to: &Pinned) -> bool {
        let end = self.count.min(self.at + PIECE);
        to.write(self.at, self.bytes.get(self.at..end).unwrap_or_default());
        self.at = end;
        end == self.count
    }
}

impl Source for Parcel {
    fn left(&self) -> usize {
        self.bytes.len()
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), Errno> {
        let some = self.bytes.get(..bytes.len()).ok_or(Errno::EFAULT)?;
        bytes.copy_from_slice(some);
        Ok(())
    }

    fn give(&mut self) -> Option<Vec<u8>> {
        Some(core::mem::take(&mut self.bytes))
    }
}

/// Where a message goes that is received: to its place, or for a while here.
pub(super) struct Inbox<'a> {
    pub cursor: Cursor<'a>,
    pub kept: Option<Vec<u8>>,
}

impl Sink for Inbox<'_> {
    fn room(&self) -> usize {
        self.cursor.room()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.cursor.put(bytes)
    }

    fn keep(&mut self, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        self.kept = Some(bytes);
        Ok(())
    }
}
