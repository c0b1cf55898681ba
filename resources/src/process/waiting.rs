//! Threads that wait for a child, a futex, a signal or a time.
//!
//! # Invariants
//! A thread has at most one wait here, known by its number. A wait is answered exactly once.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::linux::general::{
    P_ALL, P_PGID, P_PID, TIMER_ABSTIME, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WUNTRACED,
};
use vortex_abi::{Errno, Process as P};
use vortex_grid::{Kept, Labels, Outcome};
use vortex_machine::Frame;
use vortex_units::{Cycles, Nanos};

use super::direct::clock_of;
use super::futex::{FutexTable, Key, Requeue, WaiterId, Wake};
use super::limit_calls::usage;
use super::processes::{Pid, ThreadState};
use super::records::Record;
use super::request::{ProcessCall, ProcessRequest};
use super::resource::{Cx, Next, Processes, reply};
use super::signals::{Ended, Info, Signal};
use crate::files::timespec;
use crate::{Answer, Mail};

/// The options of wait4(2): those below, and the four of clone's children.
const WAIT_OPTIONS: u32 = WNOHANG | WUNTRACED | WCONTINUED | 0xe000_0000;

struct Wait {
    kept: Kept<Mail>,
    number: u64,
    /// Its place among those who wait for futexes.
    futex: Option<WaiterId>,
    /// The process whose children it waits for.
    child_of: Option<Pid>,
    /// The process that it waits to be alone in.
    alone_in: Option<Pid>,
    deadline: Option<Cycles>,
}

/// A thread that waits for a futex. Its call keeps the frame of the word that it names; where
/// it was moved to another word, it has that one's: so that memory that several have does not
/// leave, and come back as a frame by which nobody is known.
struct Waiter(Pid, Option<Frame>);

/// The threads that wait.
#[derive(Default)]
pub struct Waits {
    by_thread: BTreeMap<Pid, Wait>,
    futexes: FutexTable<Waiter>,
    /// Those who wait for a child of a process.
    for_children: BTreeSet<(Pid, Pid)>,
    /// Who waits to be alone in a process.
    for_others: BTreeMap<Pid, Pid>,
    number: u64,
}

impl Waits {
    fn remove(&mut self, tid: Pid) -> Option<Wait> {
        let wait = self.by_thread.remove(&tid)?;
        if let Some(place) = wait.futex {
            self.futexes.cancel(place);
        }
        if let Some(parent) = wait.child_of {
            self.for_children.remove(&(parent, tid));
        }
        if let Some(process) = wait.alone_in {
            self.for_others.remove(&process);
        }
        Some(wait)
    }

    /// Ends a thread's wait with this answer. False if it has none.
    pub fn finish(&mut self, tid: Pid, answer: Answer, cx: &mut Cx<'_>) -> bool {
        match self.remove(tid) {
            Some(wait) => {
                let _ = cx.answer(wait.kept, Some(answer));
                true
            }
            None => false,
        }
    }

    /// A signal, or the end of its process, ends a thread's wait.
    pub fn cancel(&mut self, tid: Pid, cx: &mut Cx<'_>) -> bool {
        let deadline = self.by_thread.get(&tid).and_then(|wait| wait.deadline);
        self.finish(tid, Answer::Interrupted(deadline), cx)
    }

    /// A wait's time is over, if it is still the same.
    pub fn expire(&mut self, tid: Pid, number: u64, cx: &mut Cx<'_>) {
        if let Some(wait) = self.by_thread.get(&tid)
            && wait.number == number
        {
            let deadline = wait.deadline;
            self.finish(tid, Answer::Again(deadline, true), cx);
        }
    }

    /// One step of a wake: how many it was, and what is left to do.
    pub fn wake(&mut self, wake: Wake, cx: &mut Cx<'_>) -> (u64, Option<Wake>) {
        let Self { by_thread, futexes, .. } = self;
        let mut woken = 0;
        let rest = futexes.wake(wake, |Waiter(tid, _)| woken += end_futex(by_thread, tid, cx));
        (woken, rest)
    }

    /// One step of a requeue to a word of this frame: how many were woken or moved, and what is
    /// left to do.
    pub fn requeue(
        &mut self,
        requeue: Requeue,
        frame: Option<&Frame>,
        cx: &mut Cx<'_>,
    ) -> (u64, Option<Requeue>) {
        let Self { by_thread, futexes, .. } = self;
        let mut woken = 0;
        let (moved, rest) = futexes.requeue(
            requeue,
            |Waiter(tid, _)| woken += end_futex(by_thread, tid, cx),
            |waiter| waiter.1 = frame.cloned(),
        );
        (woken + u64::from(moved), rest)
    }

    /// This process has one thread only: an execve(2) that waits for that goes on.
    pub fn alone(&mut self, process: Pid, cx: &mut Cx<'_>) {
        if let Some(&tid) = self.for_others.get(&process) {
            self.finish(tid, Answer::Again(None, false), cx);
        }
    }

    /// A child of this process has changed its state: of those who wait for that, some look
    /// again, from a thread on. Which is the next, if there are more.
    pub fn child_changed(&mut self, parent: Pid, from: Pid, cx: &mut Cx<'_>) -> Option<Pid> {
        let rest = self.for_children.range((parent, from)..=(parent, Pid(i32::MAX)));
        let some: Vec<Pid> = rest.take(WOKEN + 1).map(|(_, tid)| *tid).collect();
        for &tid in some.iter().take(WOKEN) {
            self.finish(tid, Answer::Again(None, false), cx);
        }
        some.get(WOKEN).copied()
    }
}

/// A thread does not wait for a futex any more: it goes on, and counts as one.
fn end_futex(by_thread: &mut BTreeMap<Pid, Wait>, tid: Pid, cx: &mut Cx<'_>) -> u64 {
    if let Some(wait) = by_thread.remove(&tid) {
        let _ = cx.answer(wait.kept, Some(Answer::Call(Ok(0))));
    }
    1
}

/// Threads that wait for children, woken in one run.
const WOKEN: usize = 4;

/// Which children are waited for.
#[derive(Clone, Copy)]
enum Wanted {
    Any,
    One(Pid),
    Group(i32),
}

/// What there is of a process's children.
enum Found {
    /// This one has changed its state: so.
    Changed(Pid, i32),
    /// None has.
    NotYet,
    /// There are none.
    None,
}

/// How a child has changed, from what wait(2) says.
fn how_of(status: i32) -> Ended {
    let stopped = Signal::new(status >> 8).filter(|_| status & 0xff == 0x7f);
    match (stopped, Signal::new(status & 0x7f)) {
        _ if status == 0xffff => Ended::Continued,
        (Some(signal), _) => Ended::Stopped(signal),
        (None, Some(signal)) => Ended::Killed(signal),
        (None, None) => Ended::Exited((status >> 8) as u8),
    }
}

/// What a thread waits for, beside a time and a signal.
#[derive(Default)]
pub(super) struct For {
    pub futex: Option<(Key, u32)>,
    pub child_of: Option<Pid>,
    pub alone_in: Option<Pid>,
}

impl Processes {
    /// Keeps a call until what it waits for has come.
    pub(super) fn wait(
        &mut self,
        call: &ProcessCall,
        what: For,
        deadline: Option<Cycles>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let thread = call.thread.clone();
        self.keep(&thread, what, deadline, cx)
    }

    /// Keeps a thread's request until what it waits for has come. Whoever interrupts a
    /// thread sets its flag first: it is seen here, or the wait is found.
    pub(super) fn keep(
        &mut self,
        thread: &ThreadState,
        what: For,
        deadline: Option<Cycles>,
        cx: &mut Cx<'_>,
    ) -> Next {
        if thread.interrupted.load(Ordering::SeqCst) {
            return Outcome::Reply(Answer::Interrupted(deadline));
        }
        let tid = thread.tid;
        let For { futex, child_of, alone_in } = what;
        let futex =
            match futex.map(|(key, bits)| self.waits.futexes.wait(key, bits, Waiter(tid, None))) {
                Some(Err(error)) => return reply(Err(error)),
                Some(Ok(place)) => Some(place),
                None => None,
            };
        let Some(kept) = cx.keep() else {
            futex.map(|place| self.waits.futexes.cancel(place));
            return reply(Err(Errno::ENOMEM));
        };
        self.waits.number += 1;
        let number = self.waits.number;
        let wait = Wait { kept, number, futex, child_of, alone_in, deadline };
        if let Some(parent) = child_of {
            self.waits.for_children.insert((parent, tid));
        }
        if let Some(process) = alone_in {
            self.waits.for_others.insert(process, tid);
        }
        self.waits.by_thread.insert(tid, wait);
        if let Some(deadline) = deadline
            && let Some(ports) = self.system.ports.get()
        {
            let left = self.system.clock.until(deadline, cx.now());
            let request = ProcessRequest::Timeout(tid, number);
            if cx.after(left, ports.process, Labels::NONE, request).is_err() {
                self.waits.cancel(tid, cx);
            }
        }
        Outcome::Kept
    }

    /// When so many nanoseconds from now are over.
    pub(super) fn deadline(&self, nanos: u64, cx: &Cx<'_>) -> Cycles {
        self.system.clock.after(cx.now(), Nanos::new(nanos))
    }

    pub(super) fn sleep(&mut self, call: &ProcessCall, cx: &mut Cx<'_>) -> Next {
        if call.expired {
            return reply(Ok(0));
        }
        let deadline = match self.sleep_until(call, cx) {
            Ok(deadline) => deadline,
            Err(error) => return reply(Err(error)),
        };
        if deadline <= cx.now() {
            return reply(Ok(0));
        }
        self.wait(call, For::default(), Some(deadline), cx)
    }

    fn sleep_until(&self, call: &ProcessCall, cx: &Cx<'_>) -> Result<Cycles, Errno> {
        let nanos = timespec(&call.operands.bytes_of::<16>(0)?)?;
        if let Some(deadline) = call.deadline {
            return Ok(deadline);
        }
        match call.call {
            P::ClockNanosleep { clock, flags, .. } => {
                let now = clock_of(&self.system, clock, cx.now()).ok_or(Errno::EINVAL)?;
                let absolute = flags as u32 & TIMER_ABSTIME != 0;
                let left = if absolute { nanos.saturating_sub(now.get()) } else { nanos };
                Ok(self.deadline(left, cx))
            }
            _ => Ok(self.deadline(nanos, cx)),
        }
    }

    /// wait4(2).
    pub(super) fn wait_for_child(
        &mut self,
        call: &ProcessCall,
        pid: i32,
        options: u32,
        cx: &mut Cx<'_>,
    ) -> Next {
        if options & !WAIT_OPTIONS != 0 {
            return reply(Err(Errno::EINVAL));
        }
        let group = call.thread.process.group.load(Ordering::Relaxed);
        let wanted = match pid {
            -1 => Wanted::Any,
            0 => Wanted::Group(group),
            1.. => Wanted::One(Pid(pid)),
            _ => Wanted::Group(pid.wrapping_neg()),
        };
        match self.find_child(call, wanted, options | WEXITED) {
            Found::Changed(child, status) => {
                let used = self.take_report(call, child, false);
                let told = status.to_le_bytes();
                let usage = usage(self.system.clock.nanos(used), (0, 0));
                // Where they have no place the child is taken all the same.
                let P::Wait4 { status, usage: used, .. } = call.call else {
                    return reply(Err(Errno::EINVAL));
                };
                let given = |place, wanted: bool, bytes: &[u8]| {
                    if wanted { call.operands.give(place, bytes) } else { Ok(()) }
                };
                let all = given(0, status.is_some(), &told)
                    .and_then(|()| given(1, used.is_some(), &usage));
                reply(all.map(|()| child.0 as u64))
            }
            Found::None => reply(Err(Errno::ECHILD)),
            Found::NotYet if options & WNOHANG != 0 => reply(Ok(0)),
            Found::NotYet => {
                let own = call.thread.process.pid;
                self.wait(call, For { child_of: Some(own), ..For::default() }, None, cx)
            }
        }
    }

    /// waitid(2).
    pub(super) fn wait_id(
        &mut self,
        call: &ProcessCall,
        (kind, id): (i32, i32),
        options: u32,
        cx: &mut Cx<'_>,
    ) -> Next {
        const STATES: u32 = WEXITED | WUNTRACED | WCONTINUED;
        let known = STATES | WNOHANG | WNOWAIT | 0xe000_0000;
        let kind = u32::try_from(kind).unwrap_or(u32::MAX);
        if options & !known != 0
            || options & STATES == 0
            || kind > P_PGID
            || kind != P_ALL && id < 0
        {
            return reply(Err(Errno::EINVAL));
        }
        let own = &call.thread.process;
        let group = if id == 0 { own.group.load(Ordering::Relaxed) } else { id };
        let wanted = match kind {
            P_ALL => Wanted::Any,
            P_PID => Wanted::One(Pid(id)),
            _ => Wanted::Group(group),
        };
        let wants = matches!(call.call, P::Waitid { info: Some(_), .. });
        let give = |bytes: &[u8]| if wants { call.operands.give(0, bytes) } else { Ok(()) };
        match self.find_child(call, wanted, options) {
            Found::Changed(child, status) => {
                let how = how_of(status);
                self.take_report(call, child, options & WNOWAIT != 0);
                let told = Info::child(Signal::CHLD, child, 0, how, (0, 0)).to_bytes();
                reply(give(&told).map(|()| 0))
            }
            Found::None => reply(Err(Errno::ECHILD)),
            Found::NotYet if options & WNOHANG != 0 => reply(give(&[0; 128]).map(|()| 0)),
            Found::NotYet => {
                let own = own.pid;
                self.wait(call, For { child_of: Some(own), ..For::default() }, None, cx)
            }
        }
    }

    /// A child whose state has changed as these options ask for.
    fn find_child(&self, call: &ProcessCall, wanted: Wanted, options: u32) -> Found {
        let own = call.thread.process.pid;
        let change = |child: Pid| {
            let record = self.records.get(child).filter(|record| record.parent() == own)?;
            if record.is_zombie() {
                let status = record.process.status.load(Ordering::Acquire);
                return (options & WEXITED != 0).then_some((child, status));
            }
            let (status, goes_on) = record.report()?;
            let asked = options & if goes_on { WCONTINUED } else { WUNTRACED } != 0;
            asked.then_some((child, status))
        };
        let group = if let Wanted::Group(group) = wanted { Some(group) } else { None };
        let (found, any) = match wanted {
            Wanted::One(child) => {
                let is_child = |record: &Record| record.parent() == own;
                (change(child), self.records.get(child).is_some_and(is_child))
            }
            _ => (
                self.records.changed(own, group).find_map(change),
                self.records.has_child(own, group),
            ),
        };
        match found {
            Some((child, status)) => Found::Changed(child, status),
            None if any => Found::NotYet,
            None => Found::None,
        }
    }

    /// A child's change is told: it is not told again, unless it is to stay. Returns what
    /// the child has used.
    fn take_report(&mut self, call: &ProcessCall, child: Pid, stays: bool) -> Cycles {
        let Some(record) = self.records.get(child) else { return Cycles::ZERO };
        let (process, zombie) = (record.process.clone(), record.is_zombie());
        let used =
            process.used.load(Ordering::Relaxed) + process.used_by_children.load(Ordering::Relaxed);
        if !stays {
            self.records.set_report(child, None);
            if zombie {
                self.forget(child);
                call.thread.process.used_by_children.fetch_add(used, Ordering::Relaxed);
            }
        }
        Cycles::new(used)
    }
}
