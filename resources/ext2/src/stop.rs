//! What stops an operation before it has changed anything.

use vortex_abi::Errno;

use crate::numbers::Block;

/// Why an operation did not come to its end. Nothing has been changed: whoever does what this
/// asks for calls again with the same arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It fails.
    Error(Errno),
    /// This block of metadata is needed: read it, and answer by [`Ext2::fetched`].
    ///
    /// [`Ext2::fetched`]: crate::Ext2::fetched
    Fetch(Block),
    /// As much has been done as fits a run; what was done is kept.
    Again,
    /// Something must be on the disk first: take writes from [`Ext2::next_write`] until one has
    /// been answered by [`Ext2::written`] or [`Ext2::flushed`].
    ///
    /// [`Ext2::next_write`]: crate::Ext2::next_write
    /// [`Ext2::written`]: crate::Ext2::written
    /// [`Ext2::flushed`]: crate::Ext2::flushed
    Flush,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Error(errno)
    }
}

/// Damage on the disk.
pub(crate) const DAMAGED: Stop = Stop::Error(Errno::EUCLEAN);

pub(crate) type Result<T> = core::result::Result<T, Stop>;
