//! Sense: why a command failed (SPC-4, 4.5), in its fixed and its descriptor form.

use vortex_abi::Errno;

use crate::bytes::at;

/// A sense key with its additional code and qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// The key, below 16.
    pub key: u8,
    /// The additional sense code.
    pub code: u8,
    /// Its qualifier.
    pub qualifier: u8,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The command was carried out all the same.
    Done,
    /// It is made again: the disk only had something to say, or something came between.
    Again,
    /// It failed.
    Failed,
}

const NO_SENSE: u8 = 0x0;
const RECOVERED: u8 = 0x1;
const NOT_READY: u8 = 0x2;
const ILLEGAL_REQUEST: u8 = 0x5;
const UNIT_ATTENTION: u8 = 0x6;
const DATA_PROTECT: u8 = 0x7;
const ABORTED: u8 = 0xb;

impl Sense {
    /// What these bytes say; `None` where they are no sense.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (key, code, qualifier) = match bytes.first()? & 0x7f {
            0x70 | 0x71 => (2, 12, 13),
            0x72 | 0x73 => (1, 2, 3),
            _ => return None,
        };
        let byte = |place| at::<1>(bytes, place)[0];
        // Sense may end before the additional code: then that is zero.
        (bytes.len() > key).then(|| Self {
            key: byte(key) & 0xf,
            code: byte(code),
            qualifier: byte(qualifier),
        })
    }

    /// What is to be done.
    #[must_use]
    pub fn advice(self) -> Advice {
        const BECOMING_READY: (u8, u8) = (0x04, 0x01);
        match self.key {
            NO_SENSE | RECOVERED => Advice::Done,
            UNIT_ATTENTION | ABORTED => Advice::Again,
            NOT_READY if (self.code, self.qualifier) == BECOMING_READY => Advice::Again,
            _ => Advice::Failed,
        }
    }

    /// What a program is told.
    #[must_use]
    pub fn errno(self) -> Errno {
        const OUT_OF_RANGE: u8 = 0x21;
        match (self.key, self.code) {
            (ILLEGAL_REQUEST, OUT_OF_RANGE) => Errno::ENOSPC,
            (ILLEGAL_REQUEST, _) => Errno::EOPNOTSUPP,
            (DATA_PROTECT, 0x27) => Errno::EROFS,
            (NOT_READY, 0x3a) => Errno::ENOMEDIUM,
            _ => Errno::EIO,
        }
    }
}
