//! The calls about limits, and what was consumed: getrlimit(2), prlimit(2), getrusage(2),
//! times(2).

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_units::{Cycles, Nanos};

use super::operands::Operands;
use super::processes::{Pid, Process};
use super::rlimits::{INFINITY, Limited, Pair};
use super::thread::Thread;
use crate::System;

/// Ticks of times(2) a second.
pub const TICKS: u64 = 100;

/// A process by its number; zero is the caller's own.
///
/// # Errors
/// `ESRCH` where there is none.
pub(super) fn process_of(
    thread: &Thread,
    system: &System,
    pid: i32,
) -> Result<Arc<Process>, Errno> {
    if pid == 0 || pid == thread.process().pid.0 {
        return Ok(thread.process().clone());
    }
    system.registry.get(Pid(pid)).ok_or(Errno::ESRCH)
}

/// Sets a limit, where it is enforced too.
pub(super) fn set_limit(
    process: &Process,
    system: &System,
    number: u32,
    pair: Pair,
) -> Result<(), Errno> {
    process.limits.set(number, pair)?;
    process.limits.bound(&process.memory().bounds);
    if number == Limited::Cpu as u32 {
        watch(process, system);
    }
    Ok(())
}

/// `RLIMIT_CPU` is watched from here on.
pub(super) fn watch(process: &Process, system: &System) {
    let Ok(pair) = process.limits.get(Limited::Cpu as u32) else { return };
    let cycles = |seconds: u64| {
        let nanos = seconds.max(1).saturating_mul(1_000_000_000);
        (seconds != INFINITY).then(|| system.clock.cycles(Nanos::new(nanos)))
    };
    process.timers.limit(cycles(pair.soft), cycles(pair.hard));
}

/// prlimit64(2): what a process sets of another, if it may.
pub(super) fn prlimit(
    (own, process): (&Process, &Process),
    system: &System,
    operands: &Operands,
    number: u32,
    (new, old): (bool, bool),
) -> Result<u64, Errno> {
    let before = process.limits.get(number)?;
    if new {
        if !own.may_change(process) {
            return Err(Errno::EPERM);
        }
        let pair = Pair::from_bytes(&operands.bytes_of::<16>(0)?);
        set_limit(process, system, number, pair)?;
    }
    if old {
        operands.give(1, &before.to_bytes())?;
    }
    Ok(0)
}

/// A `struct rusage`: time in user mode, and pages that were brought in.
pub(super) fn usage(used: Nanos, (minor, major): (u64, u64)) -> [u8; 144] {
    let mut bytes = [0; 144];
    let mut put = |at: usize, value: u64| {
        if let Some(place) = bytes.get_mut(at..at + 8) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    };
    put(0, used.get() / 1_000_000_000);
    put(8, used.get() % 1_000_000_000 / 1_000);
    put(64, minor);
    put(72, major);
    bytes
}

/// times(2): the answer, in ticks since the machine began.
pub(super) fn times(
    process: &Process,
    system: &System,
    operands: Option<&Operands>,
    now: Cycles,
) -> Result<u64, Errno> {
    let ticks = |nanos: Nanos| nanos.get() / (1_000_000_000 / TICKS);
    if let Some(operands) = operands {
        let used = |cycles: u64| ticks(system.clock.nanos(Cycles::new(cycles))).to_le_bytes();
        let own = used(process.used.load(Ordering::Relaxed));
        let children = used(process.used_by_children.load(Ordering::Relaxed));
        // User, system, and the same of the children that were waited for.
        let mut bytes = [0; 32];
        for (place, value) in bytes.chunks_exact_mut(16).zip([own, children]) {
            if let Some(place) = place.get_mut(..8) {
                place.copy_from_slice(&value);
            }
        }
        operands.give(0, &bytes)?;
    }
    Ok(ticks(system.clock.since_start(now)))
}
