//! The calls that are functions: they cannot interfere with scheduling (§3.4).

use vortex_abi::linux::general::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME,
    CLOCK_REALTIME_COARSE,
};
use vortex_abi::{Direct, Errno, Out};
use vortex_machine::Access;
use vortex_units::{Cycles, Nanos};

use super::stub::Prepared;
use super::thread::Thread;
use crate::System;
use crate::memory::pin;

/// What a call does to its thread beside returning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The thread ends.
    ExitThread(i32),
    /// All its process's threads do.
    ExitProcess(i32),
}

/// Makes a direct call.
pub fn make(thread: &mut Thread, call: Direct, system: &System, now: Cycles) -> Prepared {
    let done = |value| Prepared::Done(Ok(value));
    match call {
        Direct::Getpid => done(thread.process.pid.0 as u64),
        Direct::Gettid => done(thread.tid.0 as u64),
        Direct::Exit { status } => Prepared::Effect(Effect::ExitThread(status)),
        Direct::ExitGroup { status } => Prepared::Effect(Effect::ExitProcess(status)),
        Direct::SetTidAddress { address } => {
            thread.clear_tid = address;
            done(thread.tid.0 as u64)
        }
        Direct::ArchPrctl { operation, address } => {
            Prepared::Done(arch_prctl(thread, operation, address))
        }
        Direct::ClockGettime { clock, time } => match clock_of(system, clock, now) {
            Some(value) => give(thread, time, &timespec(value)),
            None => Prepared::Done(Err(Errno::EINVAL)),
        },
    }
}

/// Writes a call's answer where the thread wants it.
fn give(thread: &Thread, out: Out, bytes: &[u8]) -> Prepared {
    match pin(&thread.process.space, out.0, Access::Write) {
        Ok(pinned) => {
            pinned.write(0, bytes);
            Prepared::Done(Ok(0))
        }
        Err(unpinned) => unpinned.into(),
    }
}

fn timespec(time: Nanos) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (seconds, nanos) = (time.get() / 1_000_000_000, time.get() % 1_000_000_000);
    let (left, right) = bytes.split_at_mut(8);
    left.copy_from_slice(&seconds.to_le_bytes());
    right.copy_from_slice(&nanos.to_le_bytes());
    bytes
}

fn clock_of(system: &System, clock: i32, now: Cycles) -> Option<Nanos> {
    let since = system.clock.since_start(now);
    match u32::try_from(clock).ok()? {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => {
            Some(Nanos::new(system.clock.epoch.get().saturating_add(since.get())))
        }
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_COARSE | CLOCK_MONOTONIC_RAW | CLOCK_BOOTTIME => {
            Some(since)
        }
        _ => None,
    }
}

fn arch_prctl(thread: &mut Thread, operation: i32, address: u64) -> Result<u64, Errno> {
    const ARCH_SET_GS: i32 = 0x1001;
    const ARCH_SET_FS: i32 = 0x1002;
    let set = match operation {
        ARCH_SET_FS => thread.context.set_fs_base(address),
        ARCH_SET_GS => thread.context.set_gs_base(address),
        _ => return Err(Errno::EINVAL),
    };
    if set { Ok(0) } else { Err(Errno::EPERM) }
}
