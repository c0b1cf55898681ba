//! Why something did not become of a request to a disk.

use vortex_abi::Errno;

use crate::scsi::Sense;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// There is no such volume.
    NoVolume,
    /// Nobody answers at this address.
    NoTarget,
    /// Blocks that the volume does not have, or not whole ones.
    Range,
    /// More at once than a request may be.
    TooMuch,
    /// No memory, or no room for a request.
    NoMemory,
    /// The disk says so.
    Sense(Sense),
    /// The disk ended it with a status that says nothing more.
    Status(u8),
    /// It moved less than it was asked to, and did not say why.
    Short,
    /// Its host could not carry it out (`virtio_scsi_cmd_resp.response`).
    Host(u8),
    /// The device is not to be used any more.
    Broken,
    /// It took too long and was given up.
    Timeout,
    /// What came back makes no sense.
    Answer,
}

impl StorageError {
    /// What a program is told.
    #[must_use]
    pub fn errno(self) -> Errno {
        match self {
            Self::NoVolume | Self::NoTarget => Errno::ENXIO,
            Self::Range => Errno::ENOSPC,
            Self::TooMuch => Errno::EINVAL,
            Self::NoMemory => Errno::ENOMEM,
            Self::Sense(sense) => sense.errno(),
            Self::Timeout => Errno::ETIMEDOUT,
            Self::Status(_) | Self::Short | Self::Host(_) | Self::Broken | Self::Answer => {
                Errno::EIO
            }
        }
    }
}
