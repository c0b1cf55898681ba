//! On whose behalf something is done, and who pays for memory.

use vortex_abi::Errno;

/// Who pays: the kernel's tag for an activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payer(u64);

impl Payer {
    /// The payer with this tag.
    #[must_use]
    pub const fn new(tag: u64) -> Self {
        Self(tag)
    }

    /// The tag.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A time: seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds. Inodes of 128 bytes hold 32 bits of them.
    pub seconds: i64,
    /// Nanoseconds, below a thousand million; lost where the inode has no room for them.
    pub nanoseconds: u32,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// Pays for the memory and for the writes that come of it.
    pub payer: Payer,
    /// Owns what is created; 0 may use the blocks that are reserved.
    pub uid: u32,
    /// The group of what is created, unless the directory gives it its own.
    pub gid: u32,
    /// Now.
    pub now: Time,
}

/// Counts memory. A refusal ends the operation with that error, and changes nothing.
pub trait Accounts {
    /// So many bytes more.
    ///
    /// # Errors
    /// As the accounts decide: `ENOMEM`, `EDQUOT`.
    fn charge(&mut self, payer: Payer, bytes: usize) -> Result<(), Errno>;

    /// So many bytes less; they were charged to the same payer.
    fn credit(&mut self, payer: Payer, bytes: usize);

    /// Whether so many bytes more are as much as one may have while there is nothing else to be
    /// given up; where they are not, clean blocks of its own go first.
    fn has_room(&self, _payer: Payer, _bytes: usize) -> bool {
        true
    }
}

/// Nobody counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Free;

impl Accounts for Free {
    fn charge(&mut self, _: Payer, _: usize) -> Result<(), Errno> {
        Ok(())
    }

    fn credit(&mut self, _: Payer, _: usize) {}
}
