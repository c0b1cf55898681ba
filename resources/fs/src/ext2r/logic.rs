//! What EXT2R asks of a file system's logic, which knows neither a grid nor a disk.

use alloc::boxed::Box;

use vortex_abi::Errno;
use vortex_units::ActivityId;

use crate::names::Time;
use crate::requests::{Answer, Operation};

/// Why a transaction has not come to its end. Whoever does what this says calls it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This block must be there first.
    Fetch(u32),
    /// It has done as much as may be done in one run.
    Again,
    /// Something must be written first.
    Flush,
    /// It fails.
    Error(Errno),
}

/// For whom a transaction is.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// Who pays.
    pub activity: ActivityId,
    /// Whose what is created will be.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// What time it is.
    pub now: Time,
}

/// A block on its way to the disk.
#[derive(Debug)]
pub struct Write {
    /// Which.
    pub block: u32,
    /// Its contents.
    pub bytes: Box<[u8]>,
    /// Who has changed it, and pays.
    pub by: ActivityId,
}

/// What is to be written next.
#[derive(Debug)]
pub enum Next {
    /// This block; any number may be under way.
    Write(Write),
    /// What was written is to be on the medium.
    Flush,
    /// There may be more: as much was looked at as may be in one run.
    Again,
    /// Nothing, until something changes or what is under way ends.
    Nothing,
}

/// How much that somebody has changed is not written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owes {
    /// It can wait.
    Little,
    /// It is to be written.
    Much,
    /// No more is to be changed before some of it is.
    TooMuch,
}

/// A file system that is mounted.
pub trait Logic: Send {
    /// A transaction for `who`: to its end, or as far as it comes.
    ///
    /// # Errors
    /// [`Stop`].
    fn run(&mut self, who: &Who, operation: &Operation) -> Result<Answer, Stop>;

    /// A block that was wanted is there, on the bill of `who`.
    fn fetched(&mut self, who: ActivityId, block: u32, bytes: &[u8]);

    /// What is to be written next; if `urgent`, only what somebody waits for.
    fn next_write(&mut self, urgent: bool) -> Next;

    /// The block behind one that is to be written, if it is to be written too, may be now, and is
    /// on the same bill.
    fn next_behind(&mut self, block: u32, by: ActivityId) -> Option<Write> {
        let _ = (block, by);
        None
    }

    /// A block is written, or could not be.
    fn written(&mut self, block: u32, result: Result<(), Errno>);

    /// What was written before a flush began is on the medium, or may not be.
    fn flushed(&mut self, result: Result<(), Errno>);

    /// How much of what is on the bill of `who` is to be written, and has to stay until then.
    fn owes(&self, who: ActivityId) -> Owes {
        let _ = who;
        Owes::Little
    }

    /// Somebody waits until less is to be written: what is written is to stay, too.
    fn press(&mut self) {}

    /// What changes from now on is of another round: the one that ends, where there are any.
    fn close_round(&mut self) -> Option<u64> {
        None
    }

    /// Whether all that had changed when a round was closed is written and stays.
    ///
    /// # Errors
    /// `EIO` when a write has failed.
    fn is_written(&self, round: u64) -> Result<bool, Errno> {
        let _ = round;
        Ok(false)
    }

    /// It was unmounted: gives up what it has in memory, a slice at a time. Whether there is more.
    fn dissolve(&mut self) -> bool {
        false
    }
}
