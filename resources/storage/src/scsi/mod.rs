//! SCSI as far as disks go: SPC-4 and SBC-3.

mod answers;
mod command;
mod sense;

pub use answers::{Capacity, Inquiry, units};
pub use command::{Cdb, Command, Way};
pub use sense::{Advice, Sense};

/// Statuses (SAM-5, 5.3).
pub mod status {
    /// All is well.
    pub const GOOD: u8 = 0x00;
    /// There is sense.
    pub const CHECK_CONDITION: u8 = 0x02;
    /// Not now.
    pub const BUSY: u8 = 0x08;
    /// Too many at once.
    pub const TASK_SET_FULL: u8 = 0x28;
}
