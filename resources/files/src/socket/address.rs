//! Addresses of `AF_UNIX`, as programs give and get them.

use alloc::vec::Vec;

use crate::Errno;

/// `AF_UNIX`.
pub(crate) const UNIX: u16 = 1;
/// `AF_UNSPEC`.
const UNSPECIFIED: u16 = 0;
/// The family's bytes, and `struct sockaddr_un` as a whole.
const FAMILY: usize = 2;
const WHOLE: usize = 110;

/// What an address names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// Nothing: `bind` makes a name then.
    Unnamed,
    /// To end that a datagram socket has somewhere to send to.
    Nowhere,
    /// A name in the tree.
    Path(&'a [u8]),
    /// A name of the activity's own, with the zero at its beginning.
    Abstract(&'a [u8]),
}

impl<'a> Address<'a> {
    /// # Errors
    /// `EINVAL`: none of this family.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Errno> {
        let (family, path) = bytes.split_first_chunk::<FAMILY>().ok_or(Errno::EINVAL)?;
        match (u16::from_le_bytes(*family), path) {
            (UNSPECIFIED, _) => Ok(Self::Nowhere),
            (UNIX, []) => Ok(Self::Unnamed),
            (UNIX, _) if bytes.len() > WHOLE => Err(Errno::EINVAL),
            (UNIX, [0, ..]) => Ok(Self::Abstract(path)),
            (UNIX, _) => Ok(Self::Path(path.split(|&byte| byte == 0).next().unwrap_or(path))),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// The address of a socket with this name, or with none.
pub(crate) fn of_name(name: Option<&[u8]>) -> Vec<u8> {
    let mut address = UNIX.to_le_bytes().to_vec();
    address.extend_from_slice(name.unwrap_or_default());
    address
}
