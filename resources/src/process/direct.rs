//! The calls that are functions: they cannot interfere with scheduling (§3.4).

use core::sync::atomic::Ordering;

use vortex_abi::linux::general::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID,
};
use vortex_abi::{Direct, Errno, Span};
use vortex_machine::Access;
use vortex_units::{CoreId, Cycles, Nanos};

use super::delivery::format;
use super::identity;
use super::limit_calls::{self, prlimit, process_of, set_limit, usage};
use super::operands::{Operands, Unready};
use super::processes::Pid;
use super::rlimits::Pair;
use super::signals::frame::{ReturnError, parse_return};
use super::signals::{Action, How, Signal, SignalSet, Stack};
use super::stub::Prepared;
use super::thread::Thread;
use crate::System;
use crate::memory::{Unpinned, pin};

/// A program's parts lie always at the same places.
pub const ADDR_NO_RANDOMIZE: u32 = 0x004_0000;
/// What this kernel says that it is.
pub const RELEASE: &str = "6.1.0-vortex";
/// And in which version.
pub const VERSION: &str = "#1 Vortex";

/// What a call does to its thread beside returning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The thread ends.
    ExitThread(i32),
    /// All its process's threads do.
    ExitProcess(i32),
    /// It lets others run.
    Yield,
}

/// Whether a call may change what its thread does next beside what it returns, or its
/// registers beside the integer ones.
pub fn changes_course(call: &Direct) -> bool {
    matches!(
        call,
        Direct::ArchPrctl { .. }
            | Direct::Exit { .. }
            | Direct::ExitGroup { .. }
            | Direct::SchedYield
            | Direct::RtSigreturn
            | Direct::RtSigprocmask { .. }
    )
}

/// The answer of the calls that ask who the caller is: the shortest way of all.
#[inline]
pub fn own_number(thread: &Thread, call: &Direct) -> Option<u64> {
    Some(match call {
        Direct::Getpid => thread.process().pid.0 as u64,
        Direct::Gettid => thread.state.tid.0 as u64,
        Direct::Getppid => thread.process().parent.load(Ordering::Relaxed) as u64,
        Direct::Getpgrp => thread.process().group.load(Ordering::Relaxed) as u64,
        Direct::Getuid | Direct::Getgid | Direct::Geteuid | Direct::Getegid => 0,
        _ => return None,
    })
}

/// Makes a direct call.
///
/// # Errors
/// [`Unready`] where a buffer is not there.
pub fn make(
    thread: &mut Thread,
    call: Direct,
    system: &System,
    now: Cycles,
    core: CoreId,
) -> Result<Prepared, Unready> {
    let operands = Operands::prepare(&thread.space, call.operands())?;
    let tid = thread.state.tid.0 as u64;
    let give = |place, bytes: &[u8]| operands.give(place, bytes).map(|()| 0);
    let result = match call {
        Direct::Exit { status } => return Ok(Prepared::Effect(Effect::ExitThread(status))),
        Direct::ExitGroup { status } => return Ok(Prepared::Effect(Effect::ExitProcess(status))),
        Direct::SchedYield => return Ok(Prepared::Effect(Effect::Yield)),
        Direct::Getpid
        | Direct::Gettid
        | Direct::Getppid
        | Direct::Getpgrp
        | Direct::Getuid
        | Direct::Getgid
        | Direct::Geteuid
        | Direct::Getegid => own_number(thread, &call).ok_or(Errno::ENOSYS),
        Direct::Setuid { user: id } | Direct::Setgid { group: id } => {
            if id == 0 {
                Ok(0)
            } else {
                Err(Errno::EINVAL)
            }
        }
        Direct::Setreuid { real, effective } | Direct::Setregid { real, effective } => {
            identity::become_one(&[real, effective])
        }
        Direct::Setresuid { real, effective, saved }
        | Direct::Setresgid { real, effective, saved } => {
            identity::become_one(&[real, effective, saved])
        }
        Direct::Getresuid { .. } | Direct::Getresgid { .. } => {
            give(0, &[0; 4])?;
            give(1, &[0; 4])?;
            give(2, &[0; 4])
        }
        Direct::Getgroups { size, .. } => identity::groups(size),
        Direct::Setgroups { size, .. } => identity::set_groups(size),
        Direct::SchedGetPriorityMax { policy } => identity::priorities(policy).map(|it| it.1),
        Direct::SchedGetPriorityMin { policy } => identity::priorities(policy).map(|it| it.0),
        Direct::SchedGetscheduler { pid } => {
            is_thread(thread, system, pid).map(|()| identity::OTHER as u64)
        }
        Direct::SchedGetparam { pid, parameters } => {
            parameters.ok_or(Errno::EINVAL)?;
            is_thread(thread, system, pid)?;
            give(0, &[0; 4])
        }
        Direct::SchedSetparam { pid, parameters } => {
            parameters.ok_or(Errno::EINVAL)?;
            is_thread(thread, system, pid)?;
            identity::set_policy(identity::OTHER, i32::from_le_bytes(operands.bytes_of::<4>(0)?))
        }
        Direct::SchedSetscheduler { pid, policy, parameters } => {
            parameters.ok_or(Errno::EINVAL)?;
            is_thread(thread, system, pid)?;
            identity::set_policy(policy, i32::from_le_bytes(operands.bytes_of::<4>(0)?))
        }
        Direct::SchedRrGetInterval { pid, .. } => {
            is_thread(thread, system, pid)?;
            give(0, &timespec(system.clock.nanos(thread.process().slice(system.timeslice))))
        }
        Direct::SetTidAddress { address } => {
            thread.clear_tid = address;
            Ok(tid)
        }
        Direct::GetRobustList { tid: of, .. } => {
            let own = of == 0 || of == thread.state.tid.0;
            if own {
                operands.give(0, &thread.robust.to_le_bytes())?;
                operands.give(1, &24u64.to_le_bytes()).map(|()| 0)
            } else {
                Err(Errno::ESRCH)
            }
        }
        Direct::SetRobustList { head, length } => {
            const SIZE: u64 = 24;
            if length == SIZE {
                thread.robust = head;
                Ok(0)
            } else {
                Err(Errno::EINVAL)
            }
        }
        Direct::ArchPrctl { operation, address } => arch_prctl(thread, operation, address)?,
        Direct::ClockGettime { clock, .. } => {
            match thread_clock(thread, system, clock, system.steady(now)) {
                Some(value) => give(0, &timespec(value)),
                None => Err(Errno::EINVAL),
            }
        }
        Direct::ClockGetres { clock, time } => match clock_of(system, clock, now) {
            Some(_) if time.is_some() => give(0, &timespec(Nanos::new(1))),
            Some(_) => Ok(0),
            None => Err(Errno::EINVAL),
        },
        Direct::Gettimeofday { time, .. } => {
            let time_of_day = real_time(system, system.steady(now));
            let mut bytes = timespec(time_of_day);
            let micros = time_of_day.get() % 1_000_000_000 / 1_000;
            if let Some(place) = bytes.get_mut(8..) {
                place.copy_from_slice(&micros.to_le_bytes());
            }
            if time.is_some() { give(0, &bytes) } else { Ok(0) }
        }
        Direct::Time { time } => {
            let seconds = real_time(system, system.steady(now)).get() / 1_000_000_000;
            if time.is_some() {
                operands.give(0, &seconds.to_le_bytes()).map(|()| seconds)
            } else {
                Ok(seconds)
            }
        }
        Direct::Uname { .. } => give(0, &uname()),
        Direct::Sysinfo { .. } => give(0, &sysinfo(system, now)),
        Direct::Getrusage { who, .. } => {
            const RUSAGE_CHILDREN: i32 = -1;
            const RUSAGE_THREAD: i32 = 1;
            let process = thread.process();
            let faults = match who {
                RUSAGE_CHILDREN => (0, 0),
                _ => thread.space.faults.get(),
            };
            let used = match who {
                0 => Cycles::new(process.used.load(Ordering::Relaxed)),
                RUSAGE_CHILDREN => Cycles::new(process.used_by_children.load(Ordering::Relaxed)),
                RUSAGE_THREAD => thread.state.used(),
                _ => return Err(Unready::Error(Errno::EINVAL)),
            };
            give(0, &usage(system.clock.nanos(used), faults))
        }
        Direct::Times { times } => {
            let operands = times.is_some().then_some(&operands);
            limit_calls::times(thread.process(), system, operands, now)
        }
        Direct::Getrlimit { resource, .. } => {
            give(0, &thread.process().limits.get(resource)?.to_bytes())
        }
        Direct::Setrlimit { resource, .. } => {
            let pair = Pair::from_bytes(&operands.bytes_of::<16>(0)?);
            set_limit(thread.process(), system, resource, pair).map(|()| 0)
        }
        Direct::Prlimit64 { pid, resource, new, old } => {
            let process = process_of(thread, system, pid)?;
            let asked = (new.is_some(), old.is_some());
            prlimit((thread.process(), &process), system, &operands, resource, asked)
        }
        Direct::SchedGetaffinity { pid, size, mask } => {
            thread_exists(thread, system, pid)?;
            affinity(thread, system, size, mask)?
        }
        Direct::SchedSetaffinity { pid, .. } => set_affinity(thread, system, pid, &operands),
        Direct::Getcpu { core: at, node } => {
            if at.is_some() {
                give(0, &u32::from(core.get()).to_le_bytes())?;
            }
            if node.is_some() { give(1, &[0; 4]) } else { Ok(0) }
        }
        Direct::Prctl { operation, argument } => prctl(thread, operation, argument)?,
        Direct::Personality { persona } => Ok(personality(thread, persona)),
        Direct::RtSigaction { signal, new, old, size } => {
            set_action(thread, &operands, (signal, new.is_some(), old.is_some(), size))
        }
        Direct::RtSigprocmask { how, new, old, size } => {
            set_mask(thread, &operands, (how, new.is_some(), old.is_some(), size))
        }
        Direct::RtSigpending { size, .. } => {
            let waiting = thread.state.pending.lock().set();
            let all = waiting.union(thread.process().pending.lock().set());
            let told = all.intersection(thread.blocked).bits();
            if size > 8 { Err(Errno::EINVAL) } else { give(0, &told.to_le_bytes()) }
        }
        Direct::Sigaltstack { new, old } => {
            set_stack(thread, &operands, new.is_some(), old.is_some())
        }
        Direct::RtSigreturn => return Ok(signal_return(thread)),
    };
    Ok(Prepared::Done(result))
}

impl From<Errno> for Unready {
    fn from(error: Errno) -> Self {
        Self::Error(error)
    }
}

/// A `struct timespec`.
#[must_use]
pub fn timespec(time: Nanos) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (seconds, nanos) = (time.get() / 1_000_000_000, time.get() % 1_000_000_000);
    let (left, right) = bytes.split_at_mut(8);
    left.copy_from_slice(&seconds.to_le_bytes());
    right.copy_from_slice(&nanos.to_le_bytes());
    bytes
}

fn real_time(system: &System, now: Cycles) -> Nanos {
    Nanos::new(system.clock.epoch.get().saturating_add(system.clock.since_start(now).get()))
}

/// What a clock says to this thread: two of them are its own.
fn thread_clock(thread: &Thread, system: &System, clock: i32, now: Cycles) -> Option<Nanos> {
    let used = match u32::try_from(clock).ok()? {
        CLOCK_PROCESS_CPUTIME_ID => Cycles::new(thread.process().used.load(Ordering::Relaxed)),
        CLOCK_THREAD_CPUTIME_ID => thread.state.used(),
        _ => return clock_of(system, clock, now),
    };
    Some(system.clock.nanos(used))
}

/// What a clock says.
#[must_use]
pub fn clock_of(system: &System, clock: i32, now: Cycles) -> Option<Nanos> {
    match u32::try_from(clock).ok()? {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Some(real_time(system, now)),
        CLOCK_MONOTONIC
        | CLOCK_MONOTONIC_COARSE
        | CLOCK_MONOTONIC_RAW
        | CLOCK_BOOTTIME
        | CLOCK_PROCESS_CPUTIME_ID
        | CLOCK_THREAD_CPUTIME_ID => Some(system.clock.since_start(now)),
        _ => None,
    }
}

fn arch_prctl(
    thread: &mut Thread,
    operation: i32,
    address: u64,
) -> Result<Result<u64, Errno>, Unready> {
    const ARCH_SET_GS: i32 = 0x1001;
    const ARCH_SET_FS: i32 = 0x1002;
    const ARCH_GET_FS: i32 = 0x1003;
    const ARCH_GET_GS: i32 = 0x1004;
    let base = match operation {
        ARCH_SET_FS => return Ok(set(thread.context.set_fs_base(address))),
        ARCH_SET_GS => return Ok(set(thread.context.set_gs_base(address))),
        ARCH_GET_FS => thread.context.fs_base(),
        ARCH_GET_GS => thread.context.gs_base(),
        _ => return Ok(Err(Errno::EINVAL)),
    };
    pin(&thread.space, Span::new(address, 8), Access::Write)?.write(0, &base.to_le_bytes());
    Ok(Ok(0))
}

fn set(fits: bool) -> Result<u64, Errno> {
    if fits { Ok(0) } else { Err(Errno::EPERM) }
}

/// A `struct utsname`: six fields of 65 bytes.
fn uname() -> [u8; 390] {
    let mut bytes = [0; 390];
    let fields = ["Linux", "vortex", RELEASE, VERSION, "x86_64", "(none)"];
    for (place, field) in bytes.chunks_exact_mut(65).zip(fields) {
        for (byte, letter) in place.iter_mut().zip(field.bytes()) {
            *byte = letter;
        }
    }
    bytes
}

/// A `struct sysinfo`.
fn sysinfo(system: &System, now: Cycles) -> [u8; 112] {
    let mut bytes = [0; 112];
    let (all, free) = vortex_machine::memory_counters();
    let mut put = |at: usize, value: u64| {
        if let Some(place) = bytes.get_mut(at..at + 8) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    };
    put(0, system.clock.since_start(now).get() / 1_000_000_000);
    put(32, all.get() * 4096);
    put(40, free.get() * 4096);
    put(80, u64::from(system.processes.load(Ordering::Relaxed)));
    if let Some(place) = bytes.get_mut(104..108) {
        place.copy_from_slice(&1u32.to_le_bytes());
    }
    bytes
}

/// The same for calls that take no negative number.
fn is_thread(thread: &Thread, system: &System, pid: i32) -> Result<(), Errno> {
    if pid < 0 { Err(Errno::EINVAL) } else { thread_exists(thread, system, pid) }
}

/// Whether there is a thread with this number: one of the caller's process, or the first of
/// another.
fn thread_exists(thread: &Thread, system: &System, pid: i32) -> Result<(), Errno> {
    let own = || thread.process().threads.lock().get(Pid(pid)).is_some();
    if pid == 0 || own() {
        return Ok(());
    }
    process_of(thread, system, pid).map(|_| ())
}

/// The cores that there are, as a mask.
fn cores(system: &System) -> u64 {
    if system.cores >= 64 { u64::MAX } else { (1 << system.cores) - 1 }
}

/// sched_setaffinity(2): where threads run is for the load sharing to say. What would keep
/// one from a core is refused.
fn set_affinity(
    thread: &Thread,
    system: &System,
    pid: i32,
    operands: &Operands,
) -> Result<u64, Errno> {
    thread_exists(thread, system, pid)?;
    let mut bytes = [0; 8];
    operands.buffer(0)?.read(0, &mut bytes);
    match u64::from_le_bytes(bytes) & cores(system) {
        0 => Err(Errno::EINVAL),
        mask if mask == cores(system) => Ok(0),
        _ => Err(Errno::EPERM),
    }
}

fn affinity(
    thread: &Thread,
    system: &System,
    size: u64,
    mask: u64,
) -> Result<Result<u64, Errno>, Unready> {
    let bytes = u64::from(system.cores.div_ceil(64)) * 8;
    if size < bytes || !size.is_multiple_of(8) {
        return Ok(Err(Errno::EINVAL));
    }
    let mask = pin(&thread.space, Span::new(mask, bytes), Access::Write)?;
    mask.write(0, &cores(system).to_le_bytes());
    Ok(Ok(bytes))
}

/// personality(2): what was asked for before. Of all that Linux knows there is one that has an
/// effect; all are kept.
fn personality(thread: &Thread, persona: u32) -> u64 {
    const ASK: u32 = u32::MAX;
    let word = &thread.process().personality;
    let before = match persona {
        ASK => word.load(Ordering::Relaxed),
        persona => word.swap(persona, Ordering::Relaxed),
    };
    u64::from(before)
}

fn prctl(thread: &Thread, operation: i32, argument: u64) -> Result<Result<u64, Errno>, Unready> {
    const PR_SET_PDEATHSIG: i32 = 1;
    const PR_SET_NAME: i32 = 15;
    const PR_GET_NAME: i32 = 16;
    const PR_SET_THP_DISABLE: i32 = 41;
    const PR_GET_THP_DISABLE: i32 = 42;
    match operation {
        // None is what a process has; another is not sent, and so not accepted.
        PR_SET_PDEATHSIG if argument == 0 => Ok(Ok(0)),
        PR_SET_THP_DISABLE => {
            let process = thread.process();
            process.limits.set_small(argument != 0);
            process.limits.bound(&process.memory().bounds);
            Ok(Ok(0))
        }
        PR_GET_THP_DISABLE if argument == 0 => Ok(Ok(thread.process().limits.is_small().into())),
        PR_SET_NAME => {
            let name =
                crate::memory::read_string(&thread.space, argument, 4096)?.unwrap_or_default();
            let name = name.get(..name.len().min(15)).unwrap_or_default();
            thread.process().program.lock().0 = name.into();
            Ok(Ok(0))
        }
        PR_GET_NAME => {
            let mut bytes = [0; 16];
            for (byte, letter) in
                bytes.iter_mut().zip(thread.process().name().0.into_iter().take(15))
            {
                *byte = letter;
            }
            pin(&thread.space, Span::new(argument, 16), Access::Write)?.write(0, &bytes);
            Ok(Ok(0))
        }
        _ => Ok(Err(Errno::EINVAL)),
    }
}

/// rt_sigaction(2).
fn set_action(
    thread: &Thread,
    operands: &Operands,
    (signal, new, old, size): (i32, bool, bool, u64),
) -> Result<u64, Errno> {
    let signal = Signal::new(signal).ok_or(Errno::EINVAL)?;
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let process = thread.process();
    let mut actions = process.actions.lock();
    let mut before = actions.get(signal);
    if new {
        let action = Action::from_bytes(&operands.bytes_of::<32>(0)?);
        let discarded;
        (before, discarded) = actions.set(signal, action)?;
        drop(actions);
        if !discarded.is_empty() {
            process.pending.lock().discard(discarded);
            process.threads.lock().each(|thread| thread.pending.lock().discard(discarded));
        }
    }
    if old { operands.give(1, &before.to_bytes()).map(|()| 0) } else { Ok(0) }
}

/// rt_sigprocmask(2).
fn set_mask(
    thread: &mut Thread,
    operands: &Operands,
    (how, new, old, size): (i32, bool, bool, u64),
) -> Result<u64, Errno> {
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let before = thread.blocked;
    if new {
        let set = SignalSet::from_bits(u64::from_le_bytes(operands.bytes_of::<8>(0)?));
        thread.block(before.changed(How::new(how)?, set));
    }
    if old { operands.give(1, &before.bits().to_le_bytes()).map(|()| 0) } else { Ok(0) }
}

/// sigaltstack(2).
fn set_stack(thread: &mut Thread, operands: &Operands, new: bool, old: bool) -> Result<u64, Errno> {
    let before = thread.stack;
    let rsp = thread.context.registers().rsp;
    if new {
        let given = Stack::from_bytes(&operands.bytes_of::<24>(0)?);
        thread.stack = before.changed(given, rsp)?;
    }
    if old { operands.give(1, &before.report(rsp)).map(|()| 0) } else { Ok(0) }
}

/// rt_sigreturn(2).
fn signal_return(thread: &mut Thread) -> Prepared {
    let space = thread.space.clone();
    let read = |address, bytes: &mut [u8]| {
        let span = Span::new(address, bytes.len() as u64);
        pin(&space, span, Access::Read).map(|pinned| {
            pinned.read(0, bytes);
        })
    };
    let registers = *thread.context.registers();
    match parse_return(&registers, &thread.stack, format(thread), read) {
        Ok(returned) => {
            thread.context.set_registers(returned.registers);
            thread.stack = returned.stack;
            thread.block(returned.blocked);
            if thread.context.set_vector_state(&returned.vectors) {
                Prepared::Returned
            } else {
                Prepared::Bad
            }
        }
        Err(ReturnError::Unread(unpinned @ Unpinned::Fault(..))) => unpinned.into(),
        Err(_) => Prepared::Bad,
    }
}
