//! Pipes, and waiting for descriptors.

use std::time::Duration;

use crate::{Res, sys};

/// A pipe: where it is read, where it is written.
#[derive(Clone, Copy)]
pub struct Pipe {
    /// The end to read.
    pub out: i32,
    /// The end to write.
    pub into: i32,
}

/// Makes a pipe.
pub fn pipe(flags: i32) -> Res<Pipe> {
    let mut ends = [0_i32; 2];
    // SAFETY: the kernel writes two numbers into the array.
    unsafe { sys!(libc::SYS_pipe2, ends.as_mut_ptr(), flags) }?;
    Ok(Pipe { out: ends[0], into: ends[1] })
}

/// Makes a pipe, where one cannot be missing.
pub fn plain() -> Pipe {
    match pipe(0) {
        Ok(pipe) => pipe,
        Err(error) => crate::out::fail(&format!("no pipe: {error}")),
    }
}

/// An entry of `poll`.
pub fn entry(fd: i32, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

/// Waits for events; the time in milliseconds, negative for ever.
pub fn poll(entries: &mut [libc::pollfd], timeout: i32) -> Res {
    // SAFETY: the kernel reads and writes the slice.
    unsafe { sys!(libc::SYS_poll, entries.as_mut_ptr(), entries.len(), timeout) }
}

/// Waits for events with a mask of signals in force meanwhile.
pub fn ppoll(entries: &mut [libc::pollfd], time: Option<Duration>, mask: Option<u64>) -> Res {
    let mut spec = time.map(crate::time::spec);
    let spec = spec.as_mut().map_or(std::ptr::null_mut(), |spec| spec as *mut libc::timespec);
    let mask = mask.as_ref().map_or(std::ptr::null(), |mask| mask as *const u64);
    // SAFETY: the kernel reads and writes the slice and the time, and reads the mask.
    unsafe { sys!(libc::SYS_ppoll, entries.as_mut_ptr(), entries.len(), spec, mask, 8) }
}

/// Events by name.
pub fn events(bits: i16) -> String {
    let names = [
        (libc::POLLIN, "in"),
        (libc::POLLOUT, "out"),
        (libc::POLLERR, "err"),
        (libc::POLLHUP, "hup"),
        (libc::POLLNVAL, "nval"),
        (libc::POLLRDHUP, "rdhup"),
    ];
    let set: Vec<_> = names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, n)| *n).collect();
    if set.is_empty() { "none".into() } else { set.join("+") }
}
