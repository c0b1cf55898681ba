//! The timers of timer_create(2): they send a signal when a clock has come so far.
//!
//! A timer has one signal at a time: what expires while it still waits is counted as an
//! overrun. Timers are not inherited, and go when another program takes the process's place.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use vortex_abi::linux::general::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID,
    TIMER_ABSTIME,
};
use vortex_abi::{Errno, Process as P};
use vortex_grid::{Labels, Outcome};
use vortex_units::{Bytes, Cycles, Nanos};

use super::direct::{clock_of, timespec as to_timespec};
use super::processes::{Pid, Process, ThreadState};
use super::request::{ProcessCall, ProcessRequest};
use super::resource::{Cx, Next, Processes};
use super::signals::{Info, Signal};
use crate::bill::{Charged, ObjectKind};
use crate::files::timespec;

/// The most timers that a process has.
const MOST: usize = 1024;

/// A process's timer: whose, and its number there.
pub type TimerId = (Pid, i32);

/// A timer.
struct Timer {
    clock: i32,
    /// What it sends, with which value; nothing for one that is only asked.
    sends: Option<(Signal, u64)>,
    /// To which thread alone.
    thread: Option<Arc<ThreadState>>,
    deadline: Option<Cycles>,
    interval: Cycles,
    /// Tells its expiries apart from those of before.
    number: u64,
    /// How often the expiry that was told last came more than once.
    overruns: i32,
    /// The same of the one before it: what is asked for while the last one's signal waits.
    before: i32,
    /// It, on its activity's bill.
    _bill: Charged,
}

/// What a timer takes.
const TIMER: Bytes = Bytes::new(256);

/// All timers.
#[derive(Default)]
pub(super) struct Timers {
    all: BTreeMap<TimerId, Timer>,
    /// The numbers that are taken, a bit each.
    taken: BTreeMap<Pid, [u64; MOST / u64::BITS as usize]>,
    number: u64,
}

impl Timers {
    /// A process has ended, or runs another program: some of its timers go. True if it has
    /// more.
    pub fn drop_some(&mut self, pid: Pid, most: usize) -> bool {
        for _ in 0..most {
            let Some((&id, _)) = self.all.range((pid, 0)..=(pid, i32::MAX)).next() else {
                return false;
            };
            self.all.remove(&id);
            self.give(id);
        }
        true
    }

    /// The lowest number that is free, for a new timer.
    fn take(&mut self, pid: Pid) -> Result<TimerId, Errno> {
        let taken = self.taken.entry(pid).or_default();
        for (place, word) in (0..).zip(taken.iter_mut()) {
            let bit = word.trailing_ones();
            if bit < u64::BITS {
                *word |= 1 << bit;
                return Ok((pid, place * u64::BITS as i32 + bit as i32));
            }
        }
        Err(Errno::EAGAIN)
    }

    /// A number is free again.
    fn give(&mut self, (pid, number): TimerId) {
        let Some(taken) = self.taken.get_mut(&pid) else { return };
        let bits = u64::BITS as i32;
        if let Ok(place) = usize::try_from(number / bits)
            && let Some(word) = taken.get_mut(place)
        {
            *word &= !(1 << (number % bits));
        }
        if taken.iter().all(|&word| word == 0) {
            self.taken.remove(&pid);
        }
    }
}

/// A `struct sigevent`: its value, signal, kind of notification and thread.
fn event(bytes: &[u8; 64]) -> (u64, i32, i32, i32) {
    let (value, rest) = bytes.split_at(8);
    let half = |at: usize| {
        let bytes = rest.get(at..at + 4).and_then(|half| half.try_into().ok());
        bytes.map_or(0, i32::from_le_bytes)
    };
    (value.try_into().map_or(0, u64::from_le_bytes), half(0), half(4), half(8))
}

/// Two `struct timespec`: the interval and the value.
fn setting(bytes: &[u8; 32]) -> Result<(u64, u64), Errno> {
    let (interval, value) = bytes.split_at(16);
    let time = |bytes: &[u8]| timespec(bytes.try_into().map_err(|_| Errno::EINVAL)?);
    Ok((time(interval)?, time(value)?))
}

impl Processes {
    /// One of the five calls.
    pub(super) fn timer_call(&mut self, call: &ProcessCall, cx: &mut Cx<'_>) -> Result<u64, Errno> {
        let pid = call.thread.process.pid;
        match call.call {
            P::TimerCreate { clock, event: given, .. } => {
                self.create_timer(call, clock, given.is_some())
            }
            P::TimerSettime { timer, flags, old, .. } => {
                let (interval, value) = setting(&call.operands.bytes_of::<32>(0)?)?;
                let before = self.timer_setting((pid, timer), cx)?;
                self.set_timer((pid, timer), (interval, value), flags as u32, cx)?;
                if old.is_some() {
                    call.operands.give(1, &before)?;
                }
                Ok(0)
            }
            P::TimerGettime { timer, .. } => {
                call.operands.give(0, &self.timer_setting((pid, timer), cx)?)?;
                Ok(0)
            }
            P::TimerGetoverrun { timer: id } => {
                let timer = self.timers.all.get(&(pid, id)).ok_or(Errno::EINVAL)?;
                // Of the signal that was taken last (POSIX), though another waits already.
                let waits = timer.sends.is_some_and(|(signal, _)| match &timer.thread {
                    Some(thread) => thread.pending.lock().has_timer(signal, id),
                    None => call.thread.process.pending.lock().has_timer(signal, id),
                });
                Ok(if waits { timer.before } else { timer.overruns } as u64)
            }
            P::TimerDelete { timer } => {
                self.timers.all.remove(&(pid, timer)).ok_or(Errno::EINVAL)?;
                self.timers.give((pid, timer));
                Ok(0)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn create_timer(&mut self, call: &ProcessCall, clock: i32, given: bool) -> Result<u64, Errno> {
        match u32::try_from(clock).map_err(|_| Errno::EINVAL)? {
            CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME => {}
            // Clocks of what was used have interval timers only.
            _ if clock_of(&self.system, clock, Cycles::ZERO).is_some() => {
                return Err(Errno::EOPNOTSUPP);
            }
            _ => return Err(Errno::EINVAL),
        }
        let activity = call.thread.process.activity;
        let _bill = Charged::new(activity, ObjectKind::Signal, TIMER).ok_or(Errno::EAGAIN)?;
        let id = self.timers.take(call.thread.process.pid)?;
        let (sends, thread) = if given {
            let (value, signal, kind, tid) = event(&call.operands.bytes_of::<64>(0)?);
            let signal = || Signal::new(signal).ok_or(Errno::EINVAL);
            match u32::try_from(kind).map_err(|_| Errno::EINVAL)? {
                SIGEV_NONE => (None, None),
                SIGEV_SIGNAL => (Some((signal()?, value)), None),
                SIGEV_THREAD_ID => {
                    let thread = call.thread.process.threads.lock().get(Pid(tid));
                    (Some((signal()?, value)), Some(thread.ok_or(Errno::EINVAL)?))
                }
                _ => return Err(Errno::EINVAL),
            }
        } else {
            (Some((Signal::ALRM, id.1 as u64)), None)
        };
        call.operands.give(1, &id.1.to_le_bytes())?;
        let (interval, number) = (Cycles::ZERO, 0);
        let timer = Timer {
            clock,
            sends,
            thread,
            deadline: None,
            interval,
            number,
            overruns: 0,
            before: 0,
            _bill,
        };
        self.timers.all.insert(id, timer);
        Ok(0)
    }

    /// What is left of a timer, as a `struct itimerspec`.
    fn timer_setting(&self, id: TimerId, cx: &Cx<'_>) -> Result<[u8; 32], Errno> {
        let timer = self.timers.all.get(&id).ok_or(Errno::EINVAL)?;
        let mut deadline = timer.deadline;
        if timer.sends.is_none() && !timer.interval.is_zero() {
            // Of one that only is asked, nobody has set the next time.
            while let Some(at) = deadline.filter(|at| *at <= cx.now()) {
                let periods = (cx.now() - at).get() / timer.interval.get() + 1;
                deadline = Some(at + Cycles::new(timer.interval.get().saturating_mul(periods)));
            }
        }
        let left = deadline.map_or(Cycles::ZERO, |at| at.saturating_sub(cx.now()));
        let mut bytes = [0; 32];
        let (interval, value) = bytes.split_at_mut(16);
        interval.copy_from_slice(&to_timespec(self.system.clock.nanos(timer.interval)));
        value.copy_from_slice(&to_timespec(self.system.clock.nanos(left)));
        Ok(bytes)
    }

    fn set_timer(
        &mut self,
        id: TimerId,
        (interval, value): (u64, u64),
        flags: u32,
        cx: &mut Cx<'_>,
    ) -> Result<(), Errno> {
        let clock = self.system.clock;
        let timer = self.timers.all.get_mut(&id).ok_or(Errno::EINVAL)?;
        let left = if flags & TIMER_ABSTIME != 0 && value != 0 {
            let now = clock_of(&self.system, timer.clock, cx.now()).ok_or(Errno::EINVAL)?;
            value.saturating_sub(now.get())
        } else {
            value
        };
        self.timers.number += 1;
        timer.number = self.timers.number;
        timer.interval = clock.cycles(Nanos::new(interval));
        timer.deadline = (value != 0).then(|| clock.after(cx.now(), Nanos::new(left)));
        (timer.overruns, timer.before) = (0, 0);
        self.await_timer(id, cx);
        Ok(())
    }

    fn await_timer(&mut self, id: TimerId, cx: &mut Cx<'_>) {
        let (Some(timer), Some(ports)) = (self.timers.all.get(&id), self.system.ports.get()) else {
            return;
        };
        if let (Some(deadline), Some(_)) = (timer.deadline, timer.sends) {
            let left = self.system.clock.until(deadline, cx.now());
            let request = ProcessRequest::Timer(id, timer.number);
            let _ = cx.after(left, ports.process, Labels::NONE, request);
        }
    }

    /// A timer's time has come, if it is still the same.
    pub(super) fn expire_timer(&mut self, id: TimerId, number: u64, cx: &mut Cx<'_>) -> Next {
        let process = self.records.process(id.0);
        let timer = self.timers.all.get_mut(&id).filter(|timer| timer.number == number);
        let (Some(process), Some(timer)) = (process, timer) else { return Outcome::Done };
        let Some(deadline) = timer.deadline else { return Outcome::Done };
        let interval = timer.interval.get();
        let late = cx.now().saturating_sub(deadline).get();
        let missed = late.checked_div(interval);
        timer.deadline = missed.map(|missed| {
            let next = interval.saturating_mul(missed.saturating_add(1));
            deadline.saturating_add(Cycles::new(next))
        });
        let missed = i32::try_from(missed.unwrap_or(0)).unwrap_or(i32::MAX);
        if let Some((signal, value)) = timer.sends {
            let thread = timer.thread.clone();
            let waits = |process: &Process| match &thread {
                Some(thread) => thread.pending.lock().overrun(signal, id.1, missed),
                None => process.pending.lock().overrun(signal, id.1, missed),
            };
            match waits(&process) {
                Some(overruns) => timer.overruns = overruns,
                None => {
                    timer.before = core::mem::replace(&mut timer.overruns, missed);
                    let info = Info::timer(signal, id.1, missed, value);
                    let _ = self.post(&process, info, thread.as_ref(), cx);
                }
            }
        }
        self.await_timer(id, cx);
        Outcome::Done
    }
}
