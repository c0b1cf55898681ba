//! A SCSI host by virtio (1.2, 5.6): what stands before and behind a command's data.

use crate::address::Address;
use crate::bytes::{at, put};
use crate::error::StorageError;
use crate::scsi::{Cdb, Sense, status};

/// Bytes of a request's head.
pub const REQUEST: usize = 51;
/// Bytes of an answer's head, with the sense.
pub const ANSWER: usize = 108;
const SENSE: usize = 96;

/// What the host says of a command (`response`).
const OK: u8 = 0;
const ABORTED: u8 = 2;
const BAD_TARGET: u8 = 3;
const INCORRECT_LUN: u8 = 12;

/// A request's head.
#[must_use]
pub fn request(address: Address, tag: u64, cdb: &Cdb) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    put(&mut bytes, 0, address.encoded());
    put(&mut bytes, 8, tag.to_le_bytes());
    // Behind it: a simple task, no priority, no reference number.
    put(&mut bytes, 19, *cdb);
    bytes
}

/// Bytes of what the host is asked about commands that it has (`virtio_scsi_ctrl_tmf`).
pub const CONTROL: usize = 24;

/// That a command is to be aborted: ABORT TASK, by the unit and the command's number. Both words
/// for that are zeros.
#[must_use]
pub fn abort(address: Address, tag: u64) -> [u8; CONTROL] {
    let mut bytes = [0; CONTROL];
    put(&mut bytes, 8, address.encoded());
    put(&mut bytes, 16, tag.to_le_bytes());
    bytes
}

/// What an answer's head says: how many bytes were not moved.
///
/// # Errors
/// Why the command failed.
pub fn answer(bytes: &[u8; ANSWER]) -> Result<u32, StorageError> {
    let length = u32::from_le_bytes(at(bytes, 0)) as usize;
    let residual = u32::from_le_bytes(at(bytes, 4));
    let [said, response] = at(bytes, 10);
    match response {
        OK => {}
        ABORTED => return Err(StorageError::Timeout),
        BAD_TARGET | INCORRECT_LUN => return Err(StorageError::NoTarget),
        other => return Err(StorageError::Host(other)),
    }
    match said {
        status::GOOD => Ok(residual),
        status::CHECK_CONDITION => {
            let all: [u8; SENSE] = at(bytes, 12);
            let sense = Sense::parse(all.get(..length.min(SENSE)).unwrap_or_default());
            Err(sense.map_or(StorageError::Status(said), StorageError::Sense))
        }
        other => Err(StorageError::Status(other)),
    }
}
