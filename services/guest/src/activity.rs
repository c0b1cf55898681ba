//! Activities: calls of Vortex's own, which Linux has not.

use std::ffi::CString;

use crate::{Errno, Res, sys};

const CREATE: i64 = 22017;
const BIND: i64 = 22018;
const CLOSE: i64 = 22019;
const ENTITLE: i64 = 22028;
const BEGIN: i64 = 22029;
const RECORD: i64 = 22030;
const RECORDED: i64 = 22031;
const CHANGE: i64 = 22033;

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

/// A share as the configuration writes it, such as `50` or `0.25`, in hundredths.
pub fn hundredths(text: &str) -> Option<u32> {
    let (units, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if units.is_empty() || rest.len() > 2 || !digits(units) || !digits(rest) {
        return None;
    }
    let rest: u32 = format!("{rest:0<2}").parse().ok()?;
    units.parse::<u32>().ok()?.checked_mul(100)?.checked_add(rest)
}

/// Gives an activity this share, in hundredths, at a resource, on this core or on all: by right
/// (`control="all"`) only.
pub fn entitle(activity: &str, resource: &str, core: Option<u16>, share: u32) -> Res<()> {
    let string = |text: &str| CString::new(text).map_err(|_| Errno(libc::EINVAL));
    let (activity, resource) = (string(activity)?, string(resource)?);
    let core = core.map_or(-1, i32::from);
    // SAFETY: the kernel reads both strings up to their zeros, and writes nothing.
    unsafe { sys!(ENTITLE, activity.as_ptr(), resource.as_ptr(), core, share) }.map(|_| ())
}

/// Changes a scheduler, or what an activity has there, as these lines of names and values say it:
/// by right (`control="all"`) only. Why it is not done is said, where more is known than the error.
pub fn change(order: &str) -> Result<(), (Errno, String)> {
    let order = CString::new(order).map_err(|_| (Errno(libc::EINVAL), String::new()))?;
    let mut why = [0_u8; 1024];
    // SAFETY: the kernel reads the string up to its zero, and writes within the array.
    let changed = unsafe { sys!(CHANGE, order.as_ptr(), why.as_mut_ptr(), why.len()) }.map(|_| ());
    changed.map_err(|error| {
        let said = why.split(|byte| *byte == 0).next().unwrap_or_default();
        (error, String::from_utf8_lossy(said).into_owned())
    })
}

/// Has every core record what it runs for so long: by right (`performance="all"`) only. On how
/// many cores. It does not wait.
pub fn record(milliseconds: u32) -> Res<usize> {
    // SAFETY: the call names no memory.
    unsafe { sys!(RECORD, milliseconds) }
}

/// Takes a piece of what a core recorded, from this event on: as many bytes as it has. Behind the
/// last event it frees that.
pub fn recorded(core: u16, from: u32, buffer: &mut [u8]) -> Res<usize> {
    // SAFETY: the kernel writes within the slice.
    unsafe { sys!(RECORDED, core, from, buffer.as_mut_ptr(), buffer.len()) }
}

/// Begins a process in another activity, with these words, its path first, and this environment:
/// by right (`control="all"`) only.
pub fn begin(activity: &str, words: &[&str], environment: &[&str]) -> Res<()> {
    let activity = CString::new(activity).map_err(|_| Errno(libc::EINVAL))?;
    // After the words an empty one, then the environment.
    let all = words.iter().chain(&[""]).chain(environment);
    if words.contains(&"") || words.iter().chain(environment).any(|word| word.contains('\0')) {
        return Err(Errno(libc::EINVAL));
    }
    let bytes: Vec<u8> = all.flat_map(|word| word.bytes().chain([0])).collect();
    // SAFETY: the kernel reads the string up to its zero and the bytes, and writes nothing.
    unsafe { sys!(BEGIN, activity.as_ptr(), bytes.as_ptr(), bytes.len()) }.map(|_| ())
}
