//! The contents of a file on a disk, as far as they are in memory.

use alloc::sync::Arc;
use core::any::Any;

use super::ask::Change;
use crate::{Errno, Owner, Sink, Source, Time};

/// It. Whoever implements it is who caches files; others may fetch pages, and take them away,
/// at any time.
pub trait Cached: Any + Send + Sync {
    /// Bytes of the file.
    fn size(&self) -> u64;

    /// Copies out from a place on: up to the file's end, the first page that is not there, or
    /// as much as the sink has room for, but at most `most`. How many bytes.
    ///
    /// # Errors
    /// The sink's, if it took nothing.
    fn read(&self, at: u64, most: usize, sink: &mut dyn Sink) -> Result<usize, Errno>;

    /// Copies in from a place on: up to the first page that is not prepared, or as much as
    /// there is, but at most `most`. The file is at least so long then. What is written is on
    /// the bill of `by`, from then on. How many bytes.
    ///
    /// # Errors
    /// The source's, if it gave nothing.
    fn write(
        &self,
        at: u64,
        most: usize,
        source: &mut dyn Source,
        by: (Owner, Time),
    ) -> Result<usize, Errno>;

    /// Somebody has opened it, or mapped it: what is kept of it may be on that one's bill.
    fn opened(&self, _by: Owner) {}

    /// And has it open no more, or once less.
    fn closed(&self, _by: Owner) {}

    /// One who has it open, if this one has not.
    fn opener_beside(&self, _who: Owner) -> Option<Owner> {
        None
    }

    /// How many errors there were in writing it: what an open file begins with.
    fn errors(&self) -> u32;

    /// Whether it could not be written since `seen` errors: each open file is told once, as by
    /// Linux.
    ///
    /// # Errors
    /// The last one's.
    fn check(&self, seen: &mut u32) -> Result<(), Errno>;

    /// The file's times were set, on this bill: those that a write has left to be told later do
    /// not count any more.
    fn stamp(&self, by: Owner, change: &Change);

    /// When a program has written to it last by a mapping, if one has since its times were set.
    fn mapped(&self) -> Option<Time> {
        None
    }

    /// Whether a reader has come so far that more is to be fetched before it is read: from
    /// which place on. Said once.
    fn ahead(&self) -> Option<u64> {
        None
    }

    /// The same, for who knows what it is.
    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}
