//! The stub (§3.4): from a thread's registers to a call without pointers, to be made
//! directly or sent as a request.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use vortex_abi::linux::general::{
    F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, F_SETLKW, FUTEX_CMD_MASK,
    FUTEX_CMP_REQUEUE, FUTEX_LOCK_PI, FUTEX_REQUEUE, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE_OP,
};
use vortex_abi::{self as abi, Call, Errno, Span};
use vortex_machine::Access;
use vortex_units::{CoreId, Cycles, Nanos};

use super::direct::{self, Effect};
use super::gathering::Gathering;
use super::messages::{self, Shape, Wanted};
use super::operands::{Operands, Unready};
use super::pinning::{pin_wanted, rest, rest_of};
use super::request::{Child, Exec, Extra, ProcessCall};
use super::selecting::Select;
use super::signals::SignalSet;
use super::thread::Thread;
use crate::System;
use crate::aio::AioCall;
use crate::files::{FileCall, timespec};
use crate::memory::{Unpinned, pin};
use crate::monitor::{MonitorRequest, Wants};

/// A call, ready to be made or made.
pub enum Prepared {
    /// It was made.
    Done(Result<u64, Errno>),
    /// It changes what becomes of the thread.
    Effect(Effect),
    /// The thread has returned from a handler: all its registers are set.
    Returned,
    /// It would return from what is no handler's frame.
    Bad,
    /// A page that it needs must be there first.
    Fault(u64, Access),
    /// There is more to be prepared than in one run.
    More,
    /// A request to ASR.
    Memory(abi::Memory),
    /// A request to the file resource.
    Files(Box<FileCall>),
    /// A request to PR.
    Process(Box<ProcessCall>),
    /// A request to AIOR.
    Aio(Box<AioCall>),
    /// A request to the monitor.
    Monitor(MonitorRequest),
}

impl From<Unready> for Prepared {
    fn from(unready: Unready) -> Self {
        match unready {
            Unready::Fault(address, access) => Self::Fault(address, access),
            Unready::Error(error) => Self::Done(Err(error)),
            // No call but those whose buffers are pinned in many runs has an array.
            Unready::Long => Self::Done(Err(Errno::EINVAL)),
        }
    }
}

impl From<Unpinned> for Prepared {
    fn from(unpinned: Unpinned) -> Self {
        Unready::from(unpinned).into()
    }
}

/// The number and the arguments of the call that a thread has made (System V ABI, A.2.1).
#[inline]
fn asked(thread: &Thread) -> (u64, [u64; 6]) {
    let r = thread.context.registers();
    (r.rax, [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9])
}

/// Decodes the call that a thread has made, copies its strings and pins its buffers.
pub fn prepare(thread: &mut Thread, system: &System, now: Cycles, core: CoreId) -> Prepared {
    let (number, arguments) = asked(thread);
    let Some(call) = abi::decode(number, &arguments) else {
        system.note_unknown(number, thread);
        return Prepared::Done(Err(Errno::ENOSYS));
    };
    let prepared = match call {
        Call::Direct(call) => direct::make(thread, call, system, now, core),
        Call::Memory(call) => Ok(Prepared::Memory(call)),
        Call::Files(call) => files(thread, call),
        Call::Process(call) => process(thread, system, now, call),
        Call::Aio(call) => aio(thread, call),
        Call::Monitor(call) => monitor(thread, &call),
    };
    prepared.unwrap_or_else(Into::into)
}

fn monitor(thread: &Thread, call: &abi::Monitor) -> Result<Prepared, Unready> {
    let wants = match *call {
        abi::Monitor::Performance { .. } => Wants::Sample,
        abi::Monitor::Entitle { core, share, .. } => {
            let core = match core {
                -1 => None,
                core => Some(CoreId::new(u16::try_from(core).map_err(|_| Errno::EINVAL)?)),
            };
            Wants::Share(core, share)
        }
        abi::Monitor::Change { .. } => Wants::Change,
        abi::Monitor::Record { milliseconds } => Wants::Record(milliseconds),
        abi::Monitor::Recorded { core, from, .. } => Wants::Recorded(core, from),
    };
    let operands = Operands::prepare(&thread.space, call.operands())?;
    Ok(Prepared::Monitor(MonitorRequest::new(operands, wants)))
}

/// The call blocks other signals while it waits.
fn swap_mask(thread: &mut Thread, operands: &Operands, place: usize) -> Result<(), Errno> {
    let mask = SignalSet::from_bits(u64::from_le_bytes(operands.bytes_of::<8>(place)?)).blockable();
    if thread.restored.is_none() {
        thread.restored = Some(thread.blocked);
    }
    thread.block(mask);
    Ok(())
}

/// Makes a call that is direct and only answers: `None`, with nothing done, for all others,
/// and where a buffer is not there.
pub fn make_directly(
    thread: &mut Thread,
    system: &System,
    now: Cycles,
    core: CoreId,
) -> Option<Result<u64, Errno>> {
    let (number, arguments) = asked(thread);
    let call = abi::decode_direct(number, &arguments)?;
    if let Some(own) = direct::own_number(thread, &call) {
        return Some(Ok(own));
    }
    if direct::changes_course(&call) {
        return None;
    }
    match direct::make(thread, call, system, now, core) {
        Ok(Prepared::Done(result)) => Some(result),
        _ => None,
    }
}

fn files(thread: &mut Thread, call: abi::Files) -> Result<Prepared, Unready> {
    let mut shape = Shape::default();
    let operands = match call {
        // What its argument is, its request says.
        abi::Files::Ioctl { request, argument, .. } => match ioctl_length(request) {
            Some(length) => {
                Operands::buffer_at(&thread.space, Span::new(argument, length), Access::Write)?
            }
            None => Operands::default(),
        },
        abi::Files::Fcntl { request, argument, .. } if is_lock(request) => {
            let told = matches!(request, F_GETLK | F_OFD_GETLK);
            let access = if told { Access::Write } else { Access::Read };
            Operands::buffer_at(&thread.space, Span::new(argument, 32), access)?
        }
        _ if messages::is_one(&call) => match message(thread, &call)? {
            Some((operands, its)) => {
                shape = its;
                operands
            }
            None => return Ok(Prepared::More),
        },
        _ => match Select::of(&call) {
            Some(select) => {
                let (operands, masked) = select.operands(&thread.space)?;
                if masked {
                    swap_mask(thread, &operands, 2)?;
                }
                operands
            }
            None if thread.done > 0 => match rest(thread, &call)? {
                Some(operands) => operands,
                None => return Ok(Prepared::More),
            },
            None => match pin_wanted(thread, call.operands())? {
                Some(operands) => operands,
                None => return Ok(Prepared::More),
            },
        },
    };
    match call {
        abi::Files::Ppoll { mask: Some(_), .. } => swap_mask(thread, &operands, 2)?,
        abi::Files::EpollPwait { mask: Some(_), size, .. }
        | abi::Files::EpollPwait2 { mask: Some(_), size, .. } => {
            if size != 8 {
                return Err(Unready::Error(Errno::EINVAL));
            }
            let place = if let abi::Files::EpollPwait { .. } = call { 1 } else { 2 };
            swap_mask(thread, &operands, place)?;
        }
        _ => {}
    }
    let mut call = FileCall::new(call, operands, thread.state.clone(), thread.process().files);
    call.deadline = thread.deadline;
    call.expired = thread.expired;
    call.before = thread.done;
    call.shape = shape;
    Ok(Prepared::Files(Box::new(call)))
}

/// What a call of a socket works on; `None` where not all is pinned yet.
fn message(thread: &mut Thread, call: &abi::Files) -> Result<Option<(Operands, Shape)>, Unready> {
    let wanted = Wanted::of(&thread.space, call, thread.done)?;
    let data = [wanted.data, None, None];
    let operands = match wanted.data {
        Some(operand) if wanted.skip > 0 => rest_of(thread, operand, wanted.skip)?,
        _ => pin_wanted(thread, data)?,
    };
    let Some(mut operands) = operands else { return Ok(None) };
    let shape = wanted.complete(&thread.space, &mut operands)?;
    Ok(Some((operands, shape)))
}

fn aio(thread: &Thread, call: abi::Aio) -> Result<Prepared, Unready> {
    let operands = Operands::prepare(&thread.space, call.operands())?;
    // AIOR is told when the process ends.
    thread.process().operates.store(true, Ordering::Release);
    let (state, space) = (thread.state.clone(), thread.space.clone());
    Ok(Prepared::Aio(Box::new(AioCall::new(call, operands, state, space, thread.deadline))))
}

/// Whether a thread's call has its effect even where its buffers are not: it fails when it
/// comes to them. All others fail before they begin.
pub(super) fn goes_without(thread: &Thread) -> bool {
    const READ: u64 = 0;
    const WRITE: u64 = 1;
    const WAIT4: u64 = 61;
    const WAITID: u64 = 247;
    matches!(thread.context.registers().rax, READ | WRITE | WAIT4 | WAITID)
}

/// The operands of a call; of one that goes without, those that can be had.
pub(super) fn prepare_or_without(
    thread: &Thread,
    wanted: [Option<abi::Operand>; 3],
    without: bool,
) -> Result<Operands, Unready> {
    match Operands::prepare(&thread.space, wanted) {
        Err(Unready::Error(Errno::EFAULT)) if without => {}
        Err(Unready::Fault(..)) if without && thread.unreachable => {}
        prepared => return prepared,
    }
    let mut some = Operands::default();
    for (place, operand) in wanted.into_iter().enumerate() {
        let mut alone = [None; 3];
        if let Some(wanted) = alone.get_mut(place) {
            *wanted = operand;
        }
        if let Ok(prepared) = Operands::prepare(&thread.space, alone) {
            some.take_in(prepared);
        }
    }
    Ok(some)
}

/// Whether a request of fcntl(2) takes a `struct flock`.
#[must_use]
pub fn is_lock(request: u32) -> bool {
    matches!(request, F_GETLK | F_SETLK | F_SETLKW | F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW)
}

/// Bytes at the pointer that a control request takes, if it takes one.
fn ioctl_length(request: u32) -> Option<u64> {
    match request {
        0x5401..=0x5404 => Some(36),
        0x5413 => Some(8),
        0x540f | 0x5410 | 0x5411 | 0x541b | 0x5421 => Some(4),
        // Of disks: BLKSSZGET and BLKPBSZGET; BLKGETSIZE, BLKGETSIZE64 and BLKBSZGET.
        0x1268 | 0x127b => Some(4),
        0x1260 | 0x8008_1272 | 0x8008_1270 => Some(8),
        _ => None,
    }
}

fn process(
    thread: &mut Thread,
    system: &System,
    now: Cycles,
    call: abi::Process,
) -> Result<Prepared, Unready> {
    let space = &thread.space;
    let (operands, extra) = match call {
        abi::Process::Fork | abi::Process::Vfork => (Operands::default(), copy(thread)?),
        abi::Process::Clone { flags, parent_tid, .. } => {
            const CLONE_PARENT_SETTID: u64 = 0x0010_0000;
            let operands = if flags & CLONE_PARENT_SETTID != 0 {
                Operands::buffer_at(space, Span::new(parent_tid, 4), Access::Write)?
            } else {
                Operands::default()
            };
            (operands, copy(thread)?)
        }
        abi::Process::Execve { arguments, environment, .. } => {
            let mut gathering = match thread.gathering.take() {
                Some(gathering) => gathering,
                None => {
                    let operands = Operands::prepare(space, call.operands())?;
                    Box::new(Gathering::new(operands, arguments, environment))
                }
            };
            match gathering.go_on(space) {
                Ok(true) => {}
                Ok(false) => {
                    thread.gathering = Some(gathering);
                    return Ok(Prepared::More);
                }
                Err(unready) => {
                    if let Unready::Fault(..) = unready {
                        thread.gathering = Some(gathering);
                    }
                    return Err(unready);
                }
            }
            let (operands, words) = gathering.done();
            (operands, Extra::Exec(Box::new(Exec { words, ..Exec::default() })))
        }
        abi::Process::Futex { word, operation, timeout, second, .. } => {
            let mut operands = Operands::buffer_at(space, Span::new(word, 4), Access::Write)?;
            match operation as u32 & FUTEX_CMD_MASK as u32 {
                FUTEX_WAIT | FUTEX_WAIT_BITSET | FUTEX_LOCK_PI if timeout != 0 => {
                    operands.set(1, pin(space, Span::new(timeout, 16), Access::Read)?);
                }
                FUTEX_REQUEUE | FUTEX_CMP_REQUEUE | FUTEX_WAKE_OP => {
                    operands.set(1, pin(space, Span::new(second, 4), Access::Write)?);
                }
                _ => {}
            }
            (operands, Extra::None)
        }
        _ => {
            let without = goes_without(thread);
            (prepare_or_without(thread, call.operands(), without)?, Extra::None)
        }
    };
    if let abi::Process::RtSigtimedwait { info, timeout, size, .. } = call {
        return take_signal(
            thread,
            system,
            now,
            operands,
            (info.is_some(), timeout.is_some(), size),
            call,
        );
    }
    if let abi::Process::RtSigsuspend { size, .. } = call {
        if size != 8 {
            return Err(Unready::Error(Errno::EINVAL));
        }
        swap_mask(thread, &operands, 0)?;
    }
    Ok(Prepared::Process(Box::new(ProcessCall {
        call,
        operands,
        thread: thread.state.clone(),
        space: thread.space.clone(),
        deadline: thread.deadline,
        expired: thread.expired,
        extra,
    })))
}

/// rt_sigtimedwait(2): takes a signal that waits, or waits for one.
fn take_signal(
    thread: &mut Thread,
    system: &System,
    now: Cycles,
    operands: Operands,
    (info, timeout, size): (bool, bool, u64),
    call: abi::Process,
) -> Result<Prepared, Unready> {
    if size != 8 {
        return Err(Unready::Error(Errno::EINVAL));
    }
    let set = SignalSet::from_bits(u64::from_le_bytes(operands.bytes_of::<8>(0)?)).blockable();
    let limit = match timeout {
        true => Some(timespec(&operands.bytes_of::<16>(2)?)?),
        false => None,
    };
    // First what it takes is known, then it looks: what comes later finds it waiting.
    thread.state.set_taking(set);
    let own = thread.state.pending.lock().take(set.complement());
    let taken = own.or_else(|| thread.process().pending.lock().take(set.complement()));
    let done = |thread: &Thread, result| {
        thread.state.set_taking(SignalSet::EMPTY);
        Ok(Prepared::Done(result))
    };
    if let Some(taken) = taken {
        if info {
            operands.give(1, &taken.to_bytes())?;
        }
        return done(thread, Ok(taken.signal.number() as u64));
    }
    if thread.expired || limit == Some(0) {
        return done(thread, Err(Errno::EAGAIN));
    }
    if thread.has_signal() {
        return done(thread, Err(Errno::EINTR));
    }
    let deadline =
        thread.deadline.or_else(|| limit.map(|nanos| now + system.clock.cycles(Nanos::new(nanos))));
    Ok(Prepared::Process(Box::new(ProcessCall {
        call,
        operands: Operands::default(),
        thread: thread.state.clone(),
        space: thread.space.clone(),
        deadline,
        expired: false,
        extra: Extra::None,
    })))
}

/// A copy of the thread's registers, for its child.
fn copy(thread: &mut Thread) -> Result<Extra, Unready> {
    vortex_machine::save_vectors(&mut thread.context);
    let copy = thread.context.copy().ok_or(Unready::Error(Errno::ENOMEM))?;
    let child = Child { context: copy, blocked: thread.blocked, stack: thread.stack };
    Ok(Extra::Child(Box::new(child)))
}
