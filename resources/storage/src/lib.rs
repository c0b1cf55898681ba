//! Disks: the lower half of storage (§3.3.1, §4.5, Table 2), from volumes down to a device's
//! ring, without hardware.
//!
//! Each of these is a resource of the grid, and they talk by requests alone:
//!
//! - [`Volumes`] (the paper's SR): disks and their partitions, by name; blocks of them.
//! - [`Scsi`] (SCSIR): finds disks; makes commands of blocks, and errors of sense codes.
//! - [`Translator`] (SDRWR): makes of a command what a driver hands its device.
//! - [`Driver`] (DRWR): fills a device's ring, and rejects what has no room there.
//! - [`Interrupts`] (DIR): takes from the ring what is done, on the bill of who asked for it.
//!
//! They are written against any message type that carries their requests ([`Mail`]), any
//! memory that a device can reach ([`Memory`]) and any device ([`DeviceQueue`]): so the same
//! code runs in the kernel and, with a simulated disk, in the tests.
//!
//! # Invariants
//! - What a device says is not trusted: a wrong answer is an error to who asked, and of a
//!   device that names what it was not given nothing is believed any more.
//! - Every request is answered once, whatever the device does, by the time it is given up.
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod bytes;
mod channel;
mod driver;
mod error;
mod interrupts;
mod memory;
mod partition;
mod probe;
mod register;
mod requests;
mod scsi;
mod scsir;
mod service;
mod slots;
mod translator;
mod virtio_scsi;
mod volume;
mod volumes;
mod wiring;

pub use address::Address;
pub use channel::{
    COMPLETION, COMPLETION_TIME, Channel, DeviceQueue, Given, PREDICTION, QUEUE_LENGTH,
    SERVICE_TIME, Ticket,
};
pub use driver::Driver;
pub use error::StorageError;
pub use interrupts::Interrupts;
pub use memory::Memory;
pub use requests::{
    CommandRequest, DeviceRequest, InterruptRequest, Mail, Operation, Reply, ScsiRequest,
    VolumeRequest,
};
pub use scsi::Command;
pub use scsir::Scsi;
pub use translator::Translator;
pub use volume::{Volume, VolumeId};
pub use volumes::Volumes;
pub use wiring::{Ports, Wiring};

/// The most bytes of one request to a disk (§4.5).
pub const MOST_BYTES: usize = 32 * 1024;
/// The most pieces that its memory may lie in.
pub const MOST_PIECES: usize = 12;

#[cfg(test)]
mod tests;
