//! The words of a control block that the kernel writes, and the copy from a window.

use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use libc::{aiocb, c_int};

const ERROR: usize = 112;
const RESULT: usize = 120;
const WINDOW: usize = 136;

/// A word of a block.
///
/// # Safety
/// The block must be one, and stay for as long as the word is used.
unsafe fn word<'a>(block: *const aiocb, at: usize) -> &'a AtomicU64 {
    // SAFETY: within the block, which is aligned for it; kernel and threads use it as an atomic.
    unsafe { AtomicU64::from_ptr(block.cast_mut().cast::<u8>().wrapping_add(at).cast()) }
}

/// How an operation stands.
///
/// # Safety
/// As [`fetch`].
pub unsafe fn error(block: *const aiocb) -> c_int {
    // SAFETY: within the block, which is aligned for it.
    let error: &AtomicI32 =
        unsafe { AtomicI32::from_ptr(block.cast_mut().cast::<u8>().wrapping_add(ERROR).cast()) };
    error.load(Ordering::Acquire)
}

/// How an operation stands; if it has ended, what it has read is in its buffer then.
///
/// # Safety
/// The block must be one with which an operation was begun on Vortex.
pub unsafe fn fetch(block: *const aiocb) -> c_int {
    // SAFETY: as the caller promises.
    let error = unsafe { error(block) };
    if error != 0 {
        return error;
    }
    // SAFETY: as the caller promises.
    let window = unsafe { word(block, WINDOW) };
    let from = window.load(Ordering::Acquire);
    if from != 0 {
        // SAFETY: as the caller promises.
        let count = unsafe { word(block, RESULT) }.load(Ordering::Relaxed) as usize;
        // SAFETY: as the caller promises.
        let to = unsafe { (*block).aio_buf }.cast::<u8>();
        // SAFETY: the kernel shows so many bytes there until the result is taken, and the buffer
        // has room for them: it is the operation's.
        unsafe { ptr::copy_nonoverlapping(from as *const u8, to, count) };
        // Others who come need not. Who comes meanwhile copies the same.
        window.store(0, Ordering::Release);
    }
    0
}

/// Says where an operation's bytes are, or are to go.
pub fn buffer(block: &mut aiocb, bytes: &mut [u8], at: i64) {
    block.aio_buf = bytes.as_mut_ptr().cast();
    block.aio_nbytes = bytes.len();
    block.aio_offset = at;
}
