//! Futexes.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::{Res, sys, time};

/// Waits while the word has a value. `operation` is FUTEX_WAIT or FUTEX_WAIT_BITSET, with
/// its flags.
pub fn wait_with(
    word: &AtomicU32,
    operation: i32,
    value: u32,
    time: Option<libc::timespec>,
    bits: u32,
) -> Res {
    let time = time.as_ref().map_or(std::ptr::null(), |time| time as *const libc::timespec);
    // SAFETY: the kernel reads the word and the time.
    unsafe { sys!(libc::SYS_futex, word.as_ptr(), operation, value, time, 0, bits) }
}

/// Waits while the word has a value, among processes.
pub fn wait(word: &AtomicU32, value: u32, time: Option<Duration>) -> Res {
    wait_with(word, libc::FUTEX_WAIT, value, time.map(time::spec), 0)
}

/// Waits while the word has a value, among threads.
pub fn wait_private(word: &AtomicU32, value: u32, time: Option<Duration>) -> Res {
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    wait_with(word, operation, value, time.map(time::spec), 0)
}

/// Wakes some, among processes.
pub fn wake(word: &AtomicU32, most: u32) -> Res {
    wake_with(word, libc::FUTEX_WAKE, most, 0)
}

/// Wakes some, among threads.
pub fn wake_private(word: &AtomicU32, most: u32) -> Res {
    wake_with(word, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, most, 0)
}

/// Wakes some with FUTEX_WAKE or FUTEX_WAKE_BITSET.
pub fn wake_with(word: &AtomicU32, operation: i32, most: u32, bits: u32) -> Res {
    // SAFETY: the word's address is its name only.
    unsafe { sys!(libc::SYS_futex, word.as_ptr(), operation, most, 0, 0, bits) }
}

/// Wakes some and moves others to another word: FUTEX_REQUEUE, or FUTEX_CMP_REQUEUE which
/// wants the first word to have a value.
pub fn requeue(
    from: &AtomicU32,
    operation: i32,
    wake: u32,
    most: u32,
    to: &AtomicU32,
    value: u32,
) -> Res {
    // SAFETY: the kernel reads the first word; the other is a name only.
    unsafe { sys!(libc::SYS_futex, from.as_ptr(), operation, wake, most, to.as_ptr(), value) }
}

/// A futex call on an address that need not be one.
pub fn at(address: usize, operation: i32, value: u32) -> Res {
    // SAFETY: the operations used here read the word at most.
    unsafe { sys!(libc::SYS_futex, address, operation, value, 0, 0, 0) }
}
