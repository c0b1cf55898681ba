//! What lies at a socket: bytes that were sent together, with what came along.

use alloc::vec::Vec;

use super::garbage::Right;
use crate::Owner;
use crate::inode::InodeId;

/// Who a process is, as the other end may be told (`struct ucred`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process.
    pub pid: i32,
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
}

impl Credentials {
    /// Nobody is known.
    pub const NOBODY: Self = Self { pid: 0, user: u32::MAX, group: u32::MAX };

    /// It was not asked for when the message was sent; users that cannot be told are these.
    pub const UNKNOWN: Self = Self { pid: 0, user: 65534, group: 65534 };

    /// A process; all are the superuser's.
    #[must_use]
    pub const fn of(pid: i32) -> Self {
        Self { pid, user: 0, group: 0 }
    }

    /// As a program gets it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let words = [self.pid as u32, self.user, self.group];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// A packet.
pub(crate) struct Packet {
    pub bytes: Vec<u8>,
    /// What of it is read.
    pub start: usize,
    /// Who sent it: held, so that its name is known as long as anybody can ask for it.
    pub from: InodeId,
    /// Who pays, and how much.
    pub owner: Owner,
    pub cost: u64,
    /// Descriptors on their way.
    pub rights: Vec<Right>,
    pub sender: Option<Credentials>,
}

impl Packet {
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Whether two packets of a stream may be read as one by who is told the sender.
    pub fn goes_with(&self, sender: Option<Credentials>) -> bool {
        self.sender == sender
    }
}

/// What a packet of so many bytes counts, as Linux's buffers do: the bytes with what surrounds
/// them, in a block of a power of two, and the packet itself.
pub(crate) fn cost_of(bytes: usize) -> u64 {
    const AROUND: usize = 320;
    const LEAST: usize = 512;
    const ITSELF: u64 = 256;
    /// From here on bytes lie in pages.
    const PAGED: usize = 16 << 10;
    let whole = bytes.saturating_add(AROUND).max(LEAST);
    let block =
        if whole > PAGED { whole.next_multiple_of(4096) } else { whole.next_power_of_two() };
    ITSELF.saturating_add(block as u64)
}
