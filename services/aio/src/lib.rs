//! POSIX asynchronous I/O for programs (§4.3).
//!
//! On Vortex these are the kernel's own calls. What was read of a file on a disk the kernel lets
//! the program see, through a window, and it is copied from there to its buffer here, by whoever
//! asks for the operation's state first: in user mode, on the program's own bill. On Linux the C
//! library does it all, with threads.
//!
//! A control block is the C libraries' `struct aiocb`. The kernel writes into it how the
//! operation stands, where both C libraries keep that: so nothing has to be asked for as long as
//! it is under way.
//!
//! What is read is in the buffer when [`error`], [`suspend`] or [`take`] has said that the
//! operation has ended. A handler of the signal of `SIGEV_SIGNAL` asks one of them first; with
//! `SIGEV_THREAD`, which is done here, it is there.

mod operation;
mod state;
mod thread;

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use libc::{aiocb, c_int, sigevent, timespec};
use vortex_guest::{Errno, Res, errno, sys};

pub use operation::{Operation, begin_all, wait_any};
pub use state::{buffer, fetch};

const READ: i64 = 22020;
const WRITE: i64 = 22021;
const FSYNC: i64 = 22022;
const ERROR: i64 = 22023;
const RETURN: i64 = 22024;
const SUSPEND: i64 = 22025;
const CANCEL: i64 = 22026;
const LIST: i64 = 22027;

/// Whether the kernel is Vortex: one that is not knows no such call.
pub fn is_vortex() -> bool {
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    let known = match KNOWN.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: no operation is known by this address, and nothing is read from there.
            let answer = unsafe { sys!(ERROR, 0) };
            let known = if answer == Err(Errno(libc::ENOSYS)) { 1 } else { 2 };
            KNOWN.store(known, Ordering::Relaxed);
            known
        }
        known => known,
    };
    known == 2
}

/// A control block for a descriptor: nothing to be moved yet, and nothing to be told.
pub fn block(fd: c_int) -> aiocb {
    // SAFETY: numbers and null pointers alone.
    let mut block: aiocb = unsafe { std::mem::zeroed() };
    block.aio_fildes = fd;
    block.aio_sigevent.sigev_notify = libc::SIGEV_NONE;
    block
}

fn c(answer: c_int) -> Res<()> {
    if answer == 0 { Ok(()) } else { Err(errno::last()) }
}

/// Begins a read.
///
/// # Safety
/// Until the operation has ended and its result is taken, the block and its buffer must stay, and
/// nothing else may be done with them.
pub unsafe fn read(block: *mut aiocb) -> Res<()> {
    if !is_vortex() {
        // SAFETY: as the caller promises.
        return c(unsafe { libc::aio_read(block) });
    }
    // SAFETY: the kernel does with block and buffer what the caller promises to let it.
    let begins = |block: *mut aiocb| unsafe { sys!(READ, block) };
    // SAFETY: as the caller promises.
    unsafe { thread::begin(block, begins) }
}

/// Begins a write.
///
/// # Safety
/// As [`read`].
pub unsafe fn write(block: *mut aiocb) -> Res<()> {
    if !is_vortex() {
        // SAFETY: as the caller promises.
        return c(unsafe { libc::aio_write(block) });
    }
    // SAFETY: the kernel does with block and buffer what the caller promises to let it.
    let begins = |block: *mut aiocb| unsafe { sys!(WRITE, block) };
    // SAFETY: as the caller promises.
    unsafe { thread::begin(block, begins) }
}

/// Begins to put on its device what was written before.
///
/// # Safety
/// As [`read`].
pub unsafe fn fsync(operation: c_int, block: *mut aiocb) -> Res<()> {
    if !is_vortex() {
        // SAFETY: as the caller promises.
        return c(unsafe { libc::aio_fsync(operation, block) });
    }
    // SAFETY: the kernel does with block and buffer what the caller promises to let it.
    let begins = |block: *mut aiocb| unsafe { sys!(FSYNC, operation, block) };
    // SAFETY: as the caller promises.
    unsafe { thread::begin(block, begins) }
}

/// How an operation stands: `EINPROGRESS`, or its error, or zero; then what was read is in its
/// buffer.
///
/// # Safety
/// The block must be one with which an operation was begun.
pub unsafe fn error(block: *const aiocb) -> c_int {
    if !is_vortex() {
        // SAFETY: as the caller promises.
        return unsafe { libc::aio_error(block) };
    }
    // SAFETY: as the caller promises.
    unsafe { fetch(block) }
}

/// Takes the result of an operation that has ended: so many bytes.
///
/// # Errors
/// The operation's.
///
/// # Safety
/// As [`error`].
pub unsafe fn take(block: *mut aiocb) -> Res<usize> {
    if !is_vortex() {
        // SAFETY: as the caller promises.
        let error = unsafe { libc::aio_error(block) };
        // SAFETY: as the caller promises.
        let result = unsafe { libc::aio_return(block) };
        return if error == 0 { Ok(result as usize) } else { Err(Errno(error)) };
    }
    // SAFETY: as the caller promises.
    unsafe { fetch(block) };
    // SAFETY: the kernel knows the operation by this address, and reads nothing there.
    unsafe { sys!(RETURN, block) }
}

/// Waits until one of these has ended; null ones are passed over.
///
/// # Errors
/// `EAGAIN`: the time is over. `EINTR`.
///
/// # Safety
/// Each must be null, or as for [`error`].
pub unsafe fn suspend(list: &[*const aiocb], limit: Option<Duration>) -> Res<()> {
    let time = limit.map(|limit| timespec {
        tv_sec: limit.as_secs() as _,
        tv_nsec: limit.subsec_nanos().into(),
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    if !is_vortex() {
        // SAFETY: as the caller promises.
        return c(unsafe { libc::aio_suspend(list.as_ptr(), list.len() as c_int, time) });
    }
    let ended = |block: &&*const aiocb| {
        // SAFETY: as the caller promises.
        !block.is_null() && unsafe { fetch(**block) } != libc::EINPROGRESS
    };
    if list.iter().any(|block| ended(&block)) {
        return Ok(());
    }
    // SAFETY: the kernel reads the list and the time.
    unsafe { sys!(SUSPEND, list.as_ptr(), list.len(), time) }?;
    for block in list.iter().filter(|block| !block.is_null()) {
        // SAFETY: as the caller promises.
        unsafe { fetch(*block) };
    }
    Ok(())
}

/// Ends an operation before its time, or all on a descriptor where none is given: `AIO_CANCELED`,
/// `AIO_NOTCANCELED`, or `AIO_ALLDONE`.
///
/// # Errors
/// `EBADF`, `EINVAL`.
///
/// # Safety
/// As [`error`], if one is given.
pub unsafe fn cancel(fd: c_int, block: *mut aiocb) -> Res<c_int> {
    if !is_vortex() {
        // SAFETY: as the caller promises.
        let answer = unsafe { libc::aio_cancel(fd, block) };
        return if answer < 0 { Err(errno::last()) } else { Ok(answer) };
    }
    // SAFETY: the kernel knows the operation by this address, and reads nothing there.
    unsafe { sys!(CANCEL, fd, block) }.map(|answer| answer as c_int)
}

/// Begins what these say (`aio_lio_opcode`), and waits for all of it (`LIO_WAIT`) or tells when
/// all of it has ended, by a signal or nothing.
///
/// # Errors
/// `EIO`: some failed. `EAGAIN`: some could not be begun. `EINVAL`, `EINTR`, `EFAULT`.
///
/// # Safety
/// Each must be null, or as for [`read`].
pub unsafe fn list(mode: c_int, list: &[*mut aiocb], event: Option<&sigevent>) -> Res<()> {
    let event = event.map_or(std::ptr::null(), std::ptr::from_ref);
    if !is_vortex() {
        let (all, count) = (list.as_ptr(), list.len() as c_int);
        // SAFETY: as the caller promises.
        return c(unsafe { libc::lio_listio(mode, all, count, event.cast_mut()) });
    }
    // SAFETY: the kernel reads the list and the event, and begins what the blocks say.
    let done = unsafe { sys!(LIST, mode, list.as_ptr(), list.len(), event) };
    if mode == libc::LIO_WAIT {
        for block in list.iter().filter(|block| !block.is_null()) {
            // SAFETY: as the caller promises.
            unsafe { fetch(*block) };
        }
    }
    done.map(|_| ())
}
