//! Sub-activities: calls of Vortex's own, which Linux has not.

use crate::{Res, sys};

const CREATE: i64 = 22017;
const BIND: i64 = 22018;
const CLOSE: i64 = 22019;

/// Limits of a sub-activity; zero is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Processes that are begun in it.
    pub processes: u32,
    /// Threads in it.
    pub threads: u32,
    /// Requests that these have outstanding.
    pub requests: u32,
}

/// Makes a part of the caller's activity with so many thousandths of its shares: its handle.
pub fn create(thousandths: u32, limits: Limits) -> Res<u64> {
    let Limits { processes, threads, requests } = limits;
    // SAFETY: the call names no memory.
    unsafe { sys!(CREATE, thousandths, processes, threads, requests) }.map(|handle| handle as u64)
}

/// Binds a thread of the caller's process (0: the caller) to a part; handle 0 is none.
pub fn bind(handle: u64, tid: i32) -> Res {
    // SAFETY: the call names no memory.
    unsafe { sys!(BIND, handle, tid) }
}

/// Ends a part to which no thread is bound.
pub fn close(handle: u64) -> Res {
    // SAFETY: the call names no memory.
    unsafe { sys!(CLOSE, handle) }
}
