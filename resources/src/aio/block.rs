//! Control blocks: `struct aiocb`, as glibc and musl lay it out on x86-64, and where the kernel
//! writes how an operation stands.
//!
//! ```text
//!   0 aio_fildes   4 aio_lio_opcode   8 aio_reqprio   16 aio_buf   24 aio_nbytes
//!  32 aio_sigevent  (value 32, signal 40, how 44)
//! 112 error: EINPROGRESS, and in the end 0 or the error   120 result
//! 128 aio_offset
//! 136 window: where what was read can be copied from, or 0
//! ```
//!
//! The words from 112 on are the C libraries' own, for the same purpose; 136 is reserved there.

use vortex_abi::{Errno, Span};

use crate::files::MAX_RW_COUNT;

use crate::memory::Pinned;
use crate::process::signals::Signal;

/// Bytes of one.
pub const BLOCK: u64 = 168;

const ERROR: usize = 112;
const RESULT: usize = 120;
const OFFSET: usize = 128;
const WINDOW: usize = 136;

/// What one says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The descriptor.
    pub fd: i32,
    /// `LIO_READ`, `LIO_WRITE` or `LIO_NOP`, for lists.
    pub opcode: i32,
    /// From or to where in the program's memory.
    pub buffer: Span,
    /// From or to where in the file.
    pub at: i64,
    /// What is to happen in the end.
    pub event: Event,
}

/// What is to happen when an operation has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Event {
    /// Nothing.
    #[default]
    None,
    /// This signal, with this value.
    Signal(Signal, u64),
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let piece = bytes.get(at..at.saturating_add(8)).and_then(|piece| piece.try_into().ok());
    piece.map_or(0, u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> i32 {
    let piece = bytes.get(at..at.saturating_add(4)).and_then(|piece| piece.try_into().ok());
    piece.map_or(0, i32::from_le_bytes)
}

impl Event {
    /// What a `struct sigevent` says.
    ///
    /// # Errors
    /// `EINVAL`. That a thread is to be begun (`SIGEV_THREAD`) is the library's to do.
    pub fn of(bytes: &[u8]) -> Result<Self, Errno> {
        const SIGNAL: i32 = 0;
        const NONE: i32 = 1;
        match half(bytes, 12) {
            NONE => Ok(Self::None),
            // A control block of zeros says so, and means nothing.
            SIGNAL if half(bytes, 8) == 0 => Ok(Self::None),
            SIGNAL => {
                let signal = Signal::new(half(bytes, 8)).ok_or(Errno::EINVAL)?;
                Ok(Self::Signal(signal, word(bytes, 0)))
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Block {
    /// What a control block says.
    ///
    /// # Errors
    /// `EINVAL`; `EFAULT` where there is none.
    pub fn of(pinned: &Pinned) -> Result<Self, Errno> {
        let mut bytes = [0; BLOCK as usize];
        if pinned.read(0, &mut bytes) < bytes.len() {
            return Err(Errno::EFAULT);
        }
        let event = bytes.get(32..96).unwrap_or_default();
        Ok(Self {
            fd: half(&bytes, 0),
            opcode: half(&bytes, 4),
            buffer: Span::new(word(&bytes, 16), word(&bytes, 24).min(MAX_RW_COUNT)),
            at: word(&bytes, OFFSET) as i64,
            event: Event::of(event)?,
        })
    }
}

/// Writes to a control block that its operation is under way.
pub fn begun(pinned: &Pinned) {
    pinned.write(WINDOW, &0u64.to_le_bytes());
    pinned.write(RESULT, &0u64.to_le_bytes());
    pinned.write(ERROR, &(Errno::EINPROGRESS.number()).to_le_bytes());
}

/// Writes that it has ended, how, and where what it read is to be copied from. The error comes
/// last: who sees that it is not under way sees all.
pub fn ended(pinned: &Pinned, result: Result<u64, Errno>, window: Option<u64>) {
    let (value, error) = match result {
        Ok(value) => (value, 0),
        Err(error) => (u64::MAX, error.number()),
    };
    pinned.write(WINDOW, &window.unwrap_or(0).to_le_bytes());
    pinned.write(RESULT, &value.to_le_bytes());
    pinned.write(ERROR, &error.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(how: i32, signal: i32, value: u64) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&value.to_le_bytes());
        bytes[8..12].copy_from_slice(&signal.to_le_bytes());
        bytes[12..16].copy_from_slice(&how.to_le_bytes());
        bytes
    }

    #[test]
    fn what_is_to_happen_is_nothing_or_a_signal() {
        assert_eq!(Event::of(&event(1, 0, 0)), Ok(Event::None));
        let signal = Signal::new(34).unwrap();
        assert_eq!(Event::of(&event(0, 34, 77)), Ok(Event::Signal(signal, 77)));
        assert_eq!(Event::of(&event(0, 0, 5)), Ok(Event::None));
        for (how, number) in [(0, -1), (0, 65), (2, 10), (4, 10), (9, 10), (-1, 10)] {
            assert_eq!(Event::of(&event(how, number, 0)), Err(Errno::EINVAL), "{how} {number}");
        }
    }
}
