//! Sockets of `AF_UNIX`.

use crate::{Res, sys};

/// The address of a name in the tree, or with a zero at its beginning of an abstract one.
pub fn address(name: &str) -> Vec<u8> {
    let mut address = (libc::AF_UNIX as u16).to_le_bytes().to_vec();
    address.extend(name.as_bytes());
    if !name.starts_with('\0') && !name.is_empty() {
        address.push(0);
    }
    address
}

/// Makes a socket.
pub fn socket(family: i32, kind: i32, protocol: i32) -> Res<i32> {
    // SAFETY: plain numbers.
    unsafe { sys!(libc::SYS_socket, family, kind, protocol) }.map(|fd| fd as i32)
}

/// Makes a pair.
pub fn pair(kind: i32) -> Res<(i32, i32)> {
    let mut pair = [0_i32; 2];
    // SAFETY: the kernel writes two numbers into the array.
    unsafe { sys!(libc::SYS_socketpair, libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) }?;
    Ok((pair[0], pair[1]))
}

/// Gives it a name.
pub fn bind(fd: i32, address: &[u8]) -> Res {
    // SAFETY: the kernel reads the slice.
    unsafe { sys!(libc::SYS_bind, fd, address.as_ptr(), address.len()) }
}

/// Lets connections wait at it.
pub fn listen(fd: i32, backlog: i32) -> Res {
    // SAFETY: plain numbers.
    unsafe { sys!(libc::SYS_listen, fd, backlog) }
}

/// Connects it.
pub fn connect(fd: i32, address: &[u8]) -> Res {
    // SAFETY: the kernel reads the slice.
    unsafe { sys!(libc::SYS_connect, fd, address.as_ptr(), address.len()) }
}

/// Takes a connection.
pub fn accept(fd: i32, flags: i32) -> Res<i32> {
    // SAFETY: no address is asked for.
    unsafe { sys!(libc::SYS_accept4, fd, 0, 0, flags) }.map(|fd| fd as i32)
}

/// Sends bytes, to an address if one is given.
pub fn send(fd: i32, bytes: &[u8], flags: i32, to: Option<&[u8]>) -> Res {
    let (place, length) = to.map_or((std::ptr::null(), 0), |to| (to.as_ptr(), to.len()));
    // SAFETY: the kernel reads the slices.
    unsafe { sys!(libc::SYS_sendto, fd, bytes.as_ptr(), bytes.len(), flags, place, length) }
}

/// Receives at most so many bytes, as text, and from whom.
pub fn receive(fd: i32, most: usize, flags: i32) -> Res<String> {
    let (mut bytes, mut from, mut length) = (vec![0_u8; most], [0_u8; 128], 128_u32);
    // SAFETY: the kernel writes within the slices and to the length.
    let got = unsafe {
        sys!(
            libc::SYS_recvfrom,
            fd,
            bytes.as_mut_ptr(),
            most,
            flags,
            from.as_mut_ptr(),
            &raw mut length
        )
    }?;
    let text = crate::out::text(&bytes[..got.min(most)]);
    let from = crate::out::text(&from[..(length as usize).min(128)]);
    Ok(if from.is_empty() { format!("{got} {text}") } else { format!("{got} {text} from {from}") })
}

/// Ends a direction.
pub fn shutdown(fd: i32, how: i32) -> Res {
    // SAFETY: plain numbers.
    unsafe { sys!(libc::SYS_shutdown, fd, how) }
}

/// The name of it, or of the other end, as printable text.
pub fn name(fd: i32, other: bool) -> Res<String> {
    let call = if other { libc::SYS_getpeername } else { libc::SYS_getsockname };
    let (mut bytes, mut length) = ([0_u8; 128], 128_u32);
    // SAFETY: the kernel writes within the array and to the length.
    unsafe { sys!(call, fd, bytes.as_mut_ptr(), &raw mut length) }?;
    Ok(crate::out::text(&bytes[..(length as usize).min(128)]))
}

/// An option that is a number.
pub fn option(fd: i32, option: i32) -> Res<i32> {
    let (mut value, mut length) = (0_i32, 4_u32);
    // SAFETY: the kernel writes to the two numbers.
    unsafe {
        sys!(libc::SYS_getsockopt, fd, libc::SOL_SOCKET, option, &raw mut value, &raw mut length)
    }?;
    Ok(value)
}

/// Sets one, to these bytes.
pub fn set_option(fd: i32, option: i32, value: &[u8]) -> Res {
    // SAFETY: the kernel reads the slice.
    unsafe { sys!(libc::SYS_setsockopt, fd, libc::SOL_SOCKET, option, value.as_ptr(), value.len()) }
}

/// Who is at the other end: process, user, group.
pub fn peer(fd: i32) -> Res<[i32; 3]> {
    let (mut value, mut length) = ([0_i32; 3], 12_u32);
    // SAFETY: the kernel writes to the array and the number.
    unsafe {
        sys!(
            libc::SYS_getsockopt,
            fd,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            value.as_mut_ptr(),
            &raw mut length
        )
    }?;
    Ok(value)
}

fn header(parts: &[libc::iovec], control: &[u8]) -> libc::msghdr {
    // SAFETY: all zeros are a header of nothing.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = parts.as_ptr().cast_mut();
    header.msg_iovlen = parts.len() as _;
    header.msg_control = control.as_ptr().cast_mut().cast();
    header.msg_controllen = control.len() as _;
    header
}

fn vector(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

/// A control message.
pub fn control(kind: i32, words: &[i32]) -> Vec<u8> {
    let mut bytes = (16 + 4 * words.len() as u64).to_le_bytes().to_vec();
    bytes.extend(libc::SOL_SOCKET.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// Sends bytes and control messages.
pub fn send_message(fd: i32, bytes: &[u8], control: &[u8], flags: i32) -> Res {
    let parts = [vector(bytes)];
    let header = header(&parts, control);
    // SAFETY: the kernel reads the header and what it names.
    unsafe { sys!(libc::SYS_sendmsg, fd, &raw const header, flags) }
}

/// A message with what came along.
pub struct Message {
    /// Bytes.
    pub text: String,
    /// Control messages: each's kind and its words.
    pub control: Vec<(i32, Vec<i32>)>,
    /// Flags.
    pub flags: i32,
}

/// Receives bytes and control messages, at most so many of each.
pub fn receive_message(fd: i32, most: usize, room: usize, flags: i32) -> Res<Message> {
    let (bytes, control) = (vec![0_u8; most], vec![0_u8; room]);
    let parts = [vector(&bytes)];
    let mut header = header(&parts, &control);
    // SAFETY: the kernel writes to the header and to what it names: vectors that live on.
    let got = unsafe { sys!(libc::SYS_recvmsg, fd, &raw mut header, flags) }?;
    let mut rest = &control[..(header.msg_controllen as usize).min(room)];
    let mut all = Vec::new();
    while rest.len() >= 16 {
        let word = |at: usize| rest[at..at + 4].try_into().map_or(0, i32::from_le_bytes);
        let length = (word(0) as usize).clamp(16, rest.len());
        all.push((word(12), (16..length).step_by(4).map(word).collect()));
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    let text = crate::out::text(&bytes[..got.min(most)]);
    Ok(Message { text, control: all, flags: header.msg_flags })
}

/// Sends several messages at once.
pub fn send_many(fd: i32, messages: &[&[u8]], flags: i32) -> Res<(usize, Vec<u32>)> {
    let parts: Vec<_> = messages.iter().map(|bytes| [vector(bytes)]).collect();
    many(libc::SYS_sendmmsg, fd, &parts, flags)
}

/// Receives several at once, each of at most so many bytes: their lengths.
pub fn receive_many(fd: i32, count: usize, most: usize, flags: i32) -> Res<(usize, Vec<u32>)> {
    let room = vec![0_u8; count * most];
    let parts: Vec<_> = room.chunks(most).map(|bytes| [vector(bytes)]).collect();
    many(libc::SYS_recvmmsg, fd, &parts, flags)
}

fn many(call: i64, fd: i32, parts: &[[libc::iovec; 1]], flags: i32) -> Res<(usize, Vec<u32>)> {
    let all = parts.iter().map(|parts| libc::mmsghdr { msg_hdr: header(parts, &[]), msg_len: 0 });
    let mut all: Vec<_> = all.collect();
    // SAFETY: the kernel reads and writes the headers and what they name.
    let done = unsafe { sys!(call, fd, all.as_mut_ptr(), all.len(), flags, 0) }?;
    Ok((done, all[..done].iter().map(|message| message.msg_len).collect()))
}
