//! Reading, writing and sharing open files by their descriptors.

use crate::{Res, sys, sys::NOWHERE};

/// Writes bytes.
pub fn write(fd: i32, bytes: &[u8]) -> Res {
    // SAFETY: the kernel reads the slice.
    unsafe { sys!(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) }
}

/// Writes from an address at which there is no memory.
pub fn write_from_nowhere(fd: i32, length: usize) -> Res {
    // SAFETY: the kernel reads at most, and what it reads stays within this process.
    unsafe { sys!(libc::SYS_write, fd, NOWHERE, length) }
}

/// Reads bytes.
pub fn read(fd: i32, bytes: &mut [u8]) -> Res {
    // SAFETY: the kernel writes within the slice.
    unsafe { sys!(libc::SYS_read, fd, bytes.as_mut_ptr(), bytes.len()) }
}

/// Reads to an address at which there is no memory.
pub fn read_to_nowhere(fd: i32, length: usize) -> Res {
    // SAFETY: nothing of this process is within `length` of an address that nobody can map,
    // for the lengths (below a page) that are asked for.
    unsafe { sys!(libc::SYS_read, fd, NOWHERE, length.min(64)) }
}

/// Reads once, at most `most` bytes, as printable text.
pub fn read_text(fd: i32, most: usize) -> Res<String> {
    let mut bytes = vec![0; most];
    let length = read(fd, &mut bytes)?;
    Ok(crate::out::text(&bytes[..length]))
}

/// Reads to the end.
pub fn read_all(fd: i32) -> Res<Vec<u8>> {
    let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match read(fd, &mut bytes)? {
            0 => return Ok(all),
            length => all.extend_from_slice(&bytes[..length]),
        }
    }
}

/// Writes bytes at a position.
pub fn pwrite(fd: i32, bytes: &[u8], at: i64) -> Res {
    // SAFETY: the kernel reads the slice.
    unsafe { sys!(libc::SYS_pwrite64, fd, bytes.as_ptr(), bytes.len(), at) }
}

/// Reads bytes from a position.
pub fn pread(fd: i32, bytes: &mut [u8], at: i64) -> Res {
    // SAFETY: the kernel writes within the slice.
    unsafe { sys!(libc::SYS_pread64, fd, bytes.as_mut_ptr(), bytes.len(), at) }
}

/// Writes several slices as one.
pub fn writev(fd: i32, parts: &[&[u8]]) -> Res {
    let parts: Vec<_> = parts.iter().map(|part| (part.as_ptr(), part.len())).map(vector).collect();
    // SAFETY: the kernel reads the vector and the slices in it.
    unsafe { sys!(libc::SYS_writev, fd, parts.as_ptr(), parts.len()) }
}

/// Reads into several slices in turn.
pub fn readv(fd: i32, parts: &mut [&mut [u8]]) -> Res {
    let parts = parts.iter_mut().map(|part| (part.as_ptr(), part.len()));
    let parts: Vec<_> = parts.map(vector).collect();
    // SAFETY: the kernel reads the vector and writes within the slices in it, which are
    // borrowed mutably.
    unsafe { sys!(libc::SYS_readv, fd, parts.as_ptr(), parts.len()) }
}

fn vector((base, length): (*const u8, usize)) -> libc::iovec {
    libc::iovec { iov_base: base.cast_mut().cast(), iov_len: length }
}

/// `writev` with a count of parts and no parts.
pub fn writev_count(fd: i32, count: isize) -> Res {
    // SAFETY: the kernel reads at most.
    unsafe { sys!(libc::SYS_writev, fd, NOWHERE, count) }
}

/// Moves the position.
pub fn seek(fd: i32, by: i64, from: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_lseek, fd, by, from) }
}

/// Closes.
pub fn close(fd: i32) -> Res {
    // SAFETY: no memory is named; descriptors are plain numbers in these programs.
    unsafe { sys!(libc::SYS_close, fd) }
}

/// Copies to the lowest free descriptor.
pub fn dup(fd: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_dup, fd) }
}

/// Copies to a descriptor.
pub fn dup2(fd: i32, to: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_dup2, fd, to) }
}

/// Copies to a descriptor, with flags.
pub fn dup3(fd: i32, to: i32, flags: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_dup3, fd, to, flags) }
}

/// `fcntl` with a number as its argument.
pub fn fcntl(fd: i32, command: i32, argument: i32) -> Res {
    // SAFETY: the commands used here take numbers.
    unsafe { sys!(libc::SYS_fcntl, fd, command, argument) }
}

/// `fcntl` that locks a range for writing, without waiting.
pub fn lock(fd: i32, start: i64, length: i64) -> Res<()> {
    let range = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    // SAFETY: the kernel reads the structure.
    unsafe { sys!(libc::SYS_fcntl, fd, libc::F_SETLK, &raw const range) }.map(drop)
}

/// `ioctl` that gives a number.
pub fn ioctl(fd: i32, request: usize) -> Res<i32> {
    // As large as the largest structure that a request used here fills.
    let mut answer = [0_i32; 64];
    // SAFETY: the kernel writes within the array.
    unsafe { sys!(libc::SYS_ioctl, fd, request, answer.as_mut_ptr()) }.map(|_| answer[0])
}

/// Copies within the kernel, from the source's position.
pub fn sendfile(to: i32, from: i32, count: usize) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_sendfile, to, from, 0, count) }
}

/// Sets the length.
pub fn truncate(fd: i32, length: i64) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_ftruncate, fd, length) }
}

/// Writes through to the device.
pub fn sync(fd: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_fsync, fd) }
}

/// Makes the folder the current one.
pub fn chdir(fd: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_fchdir, fd) }
}
