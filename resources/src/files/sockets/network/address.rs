//! Addresses of `AF_INET`, as programs have them (`struct sockaddr_in`).

use core::net::{Ipv4Addr, SocketAddrV4};

use vortex_abi::Errno;

/// The family's number, and that of none.
const INET: u16 = 2;
const NONE: u16 = 0;
/// Bytes of an address.
const LENGTH: usize = 16;

/// An address, or none (`AF_UNSPEC`).
pub(super) fn read(bytes: &[u8]) -> Result<Option<SocketAddrV4>, Errno> {
    let [low, high, ..] = *bytes else { return Err(Errno::EINVAL) };
    let family = u16::from_le_bytes([low, high]);
    if family == NONE {
        return Ok(None);
    }
    let Some(&[_, _, p, q, a, b, c, d, _, _, _, _, _, _, _, _]) = bytes.get(..LENGTH) else {
        return Err(Errno::EINVAL);
    };
    let address = SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p, q]));
    if family == INET { Ok(Some(address)) } else { Err(Errno::EAFNOSUPPORT) }
}

/// An address as bytes; one that is not known is all zeros.
pub(super) fn bytes(address: Option<SocketAddrV4>) -> [u8; LENGTH] {
    let address = address.unwrap_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
    let [low, high] = INET.to_le_bytes();
    let [p, q] = address.port().to_be_bytes();
    let [a, b, c, d] = address.ip().octets();
    [low, high, p, q, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
}
