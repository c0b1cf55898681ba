//! Sockets of `AF_INET`, at 127.0.0.1.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::{Res, socket, sys};

/// Bytes of an address.
const LENGTH: u32 = 16;

/// An address as the kernel has it.
pub fn address(ip: Ipv4Addr, port: u16) -> Vec<u8> {
    let mut bytes = (libc::AF_INET as u16).to_le_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend(ip.octets());
    bytes.resize(LENGTH as usize, 0);
    bytes
}

/// This port of this machine.
pub fn here(port: u16) -> Vec<u8> {
    address(Ipv4Addr::LOCALHOST, port)
}

/// What the bytes of an address say; `None` where they are none.
pub fn said(bytes: &[u8]) -> Option<SocketAddrV4> {
    match *bytes {
        [2, 0, p, q, a, b, c, d, ..] => {
            Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p, q])))
        }
        _ => None,
    }
}

/// The machine's own network is up from now on, where it has to be said so.
pub fn up() -> Res<()> {
    let fd = socket::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as u16;
    request[16..18].copy_from_slice(&flags.to_le_bytes());
    // SAFETY: the kernel reads the request.
    let set = unsafe { sys!(libc::SYS_ioctl, fd, libc::SIOCSIFFLAGS, request.as_ptr()) };
    crate::fd::close(fd)?;
    set.map(drop)
}

/// The address of a socket, or of its other end.
pub fn name(fd: i32, other: bool) -> Res<SocketAddrV4> {
    let call = if other { libc::SYS_getpeername } else { libc::SYS_getsockname };
    let (mut bytes, mut length) = ([0_u8; 16], LENGTH);
    // SAFETY: the kernel writes within the array and to the length.
    unsafe { sys!(call, fd, bytes.as_mut_ptr(), &raw mut length) }?;
    Ok(said(&bytes).unwrap_or(SocketAddrV4::new(Ipv4Addr::BROADCAST, 0)))
}

/// Its port.
pub fn port(fd: i32) -> u16 {
    name(fd, false).map_or(0, |name| name.port())
}

/// An option that is a number.
pub fn option(fd: i32, level: i32, option: i32) -> Res<i32> {
    let (mut value, mut length) = (0_i32, 4_u32);
    // SAFETY: the kernel writes to the two numbers.
    unsafe { sys!(libc::SYS_getsockopt, fd, level, option, &raw mut value, &raw mut length) }?;
    Ok(value)
}

/// An option of several numbers.
pub fn long_option(fd: i32, level: i32, option: i32, most: u32) -> Res<Vec<u8>> {
    let (mut value, mut length) = ([0_u8; 64], most.min(64));
    // SAFETY: the kernel writes within the array and to the length.
    unsafe { sys!(libc::SYS_getsockopt, fd, level, option, value.as_mut_ptr(), &raw mut length) }?;
    Ok(value[..(length as usize).min(64)].to_vec())
}

/// Sets one, to these bytes.
pub fn set_option(fd: i32, level: i32, option: i32, value: &[u8]) -> Res {
    // SAFETY: the kernel reads the slice.
    unsafe { sys!(libc::SYS_setsockopt, fd, level, option, value.as_ptr(), value.len()) }
}

/// Takes a connection, and is told from where.
pub fn accept(fd: i32, flags: i32) -> Res<(i32, SocketAddrV4)> {
    let (mut bytes, mut length) = ([0_u8; 16], LENGTH);
    // SAFETY: the kernel writes within the array and to the length.
    let made = unsafe { sys!(libc::SYS_accept4, fd, bytes.as_mut_ptr(), &raw mut length, flags) }?;
    Ok((made as i32, said(&bytes).unwrap_or(SocketAddrV4::new(Ipv4Addr::BROADCAST, 0))))
}

/// What was received.
pub struct Message {
    /// What the call returned.
    pub count: usize,
    /// The bytes, in as many parts as there was room for.
    pub parts: Vec<String>,
    /// From where, if that was told.
    pub from: Option<SocketAddrV4>,
    /// Flags.
    pub flags: i32,
}

/// Receives into parts of these lengths.
pub fn receive(fd: i32, parts: &[usize], flags: i32) -> Res<Message> {
    let mut room: Vec<_> = parts.iter().map(|length| vec![0_u8; *length]).collect();
    let vectors: Vec<_> = room
        .iter_mut()
        .map(|part| libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() })
        .collect();
    let mut from = [0_u8; 16];
    // SAFETY: all zeros are a header of nothing.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = from.as_mut_ptr().cast();
    header.msg_namelen = LENGTH;
    header.msg_iov = vectors.as_ptr().cast_mut();
    header.msg_iovlen = vectors.len() as _;
    // SAFETY: the kernel writes to the header and to what it names: vectors that live on.
    let count = unsafe { sys!(libc::SYS_recvmsg, fd, &raw mut header, flags) }?;
    let mut left = count;
    let parts = room.iter().map(|part| {
        let some = left.min(part.len());
        left -= some;
        crate::out::text(&part[..some])
    });
    let parts = parts.collect();
    let told = header.msg_namelen > 0;
    let from = if told { said(&from) } else { None };
    Ok(Message { count, parts, from, flags: header.msg_flags })
}

/// Sends these parts as one message, to an address if one is given.
pub fn send(fd: i32, parts: &[&[u8]], to: Option<&[u8]>, flags: i32) -> Res {
    let vectors: Vec<_> = parts
        .iter()
        .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() })
        .collect();
    // SAFETY: all zeros are a header of nothing.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(to) = to {
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len() as u32;
    }
    header.msg_iov = vectors.as_ptr().cast_mut();
    header.msg_iovlen = vectors.len() as _;
    // SAFETY: the kernel reads the header and what it names.
    unsafe { sys!(libc::SYS_sendmsg, fd, &raw const header, flags) }
}

/// Copies from a file to a socket, from a place that is told where it has come to.
pub fn send_file(to: i32, from: i32, at: &mut i64, count: usize) -> Res {
    // SAFETY: the kernel reads and writes the place.
    unsafe { sys!(libc::SYS_sendfile, to, from, std::ptr::from_mut(at), count) }
}
