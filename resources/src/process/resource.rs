//! The process resource (PR): the process tree, and what waits for processes, threads and
//! time. It is at home on one core, and owns what it knows.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::{self as abi, Errno};
use vortex_grid::{At, Context, Labels, Outcome, Resource};
use vortex_machine::UserContext;
use vortex_units::{Cycles, Nanos};

use super::begin::Start;
use super::cpu_timers::Which;
use super::futex::{Key, Wake};
use super::futexes::Waking;
use super::operands::Operands;
use super::posting::Alarm;
use super::processes::{Pid, Process, ThreadState};
use super::signals::{Ended, Info, Signal, SignalSet, Stack};
use super::timers::{TimerId, Timers};
use super::waiting::{For, Waits};
use crate::files::{FileRequest, Image};
use crate::memory::{AddressSpace, MemoryRequest};
use crate::{Answer, Mail, System};

/// Threads interrupted in one run.
const SLICE: usize = 6;
/// Numbers wrap here, as Linux's `pid_max` on 64 bits.
pub const PID_MAX: i32 = 4_194_304;

/// What some calls bring beside operands.
pub enum Extra {
    /// Nothing.
    None,
    /// What a child gets of its parent's thread.
    Child(Box<Child>),
    /// What a program is begun with.
    Exec(Box<Exec>),
    /// How far a futex's wake has come.
    Futex(Waking),
}

/// What a program is begun with.
#[derive(Default)]
pub struct Exec {
    /// Its arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Its environment.
    pub environment: Vec<Vec<u8>>,
    /// How many interpreters of scripts were put before the arguments.
    pub depth: u32,
    /// The program, while the interpreter that it wants to be loaded by is asked for.
    pub program: Option<Box<Image>>,
}

/// What a child gets of its parent's thread.
pub struct Child {
    /// Its registers.
    pub context: UserContext,
    /// What it blocks.
    pub blocked: SignalSet,
    /// Its stack for handlers.
    pub stack: Stack,
}

/// A system call, as the stub prepares it.
pub struct ProcessCall {
    /// Which.
    pub call: abi::Process,
    /// What it works on.
    pub operands: Operands,
    /// Whose it is.
    pub thread: Arc<ThreadState>,
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// Until when it waits, if it was made before.
    pub deadline: Option<Cycles>,
    /// Whether that time is over.
    pub expired: bool,
    /// What else it brings.
    pub extra: Extra,
}

/// To PR.
pub enum ProcessRequest {
    /// Begin a process with a program.
    Start(Box<Start>),
    /// A system call.
    Call(Box<ProcessCall>),
    /// A thread has ended; futexes there are to be woken.
    Ended(Arc<ThreadState>, Vec<Key>),
    /// All threads of a process must look up from what they do.
    Interrupt(Arc<Process>, usize),
    /// A wait's time is over.
    Timeout(Pid, u64),
    /// A timer's time has come.
    Timer(TimerId, u64),
    /// A process's alarm rings.
    Alarm(Pid, u64),
    /// A signal to many processes.
    Post(Vec<Arc<Process>>, Info),
    /// A key of the terminal signals this process group; all processes if it has none.
    Key(i32, Signal),
    /// A thread has found this process stopped.
    Stopped(Arc<Process>),
    /// A process has used so much time that something is due.
    Used(Arc<Process>),
}

/// A process, alive or not yet waited for.
pub(super) struct Record {
    pub process: Arc<Process>,
    pub parent: Pid,
    pub zombie: bool,
    /// A stop or a going on that the parent has not waited for: its status, and whether it
    /// goes on.
    pub report: Option<(i32, bool)>,
    /// The thread that waits until this process leaves its memory (vfork).
    pub borrowed_from: Option<Pid>,
}

/// The resource.
pub struct Processes {
    pub(super) system: Arc<System>,
    pub(super) records: BTreeMap<Pid, Record>,
    pub(super) waits: Waits,
    pub(super) alarms: BTreeMap<Pid, Alarm>,
    pub(super) alarm_number: u64,
    pub(super) timers: Timers,
    last: i32,
}

pub(super) type Next = Outcome<Mail, Processes>;
pub(super) type Cx<'a> = Context<'a, Mail>;

impl Resource<Mail> for Processes {
    type Request = ProcessRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 8;

    fn handle(&mut self, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        match request {
            ProcessRequest::Start(start) => self.start(start, cx),
            ProcessRequest::Call(call) => self.call(call, cx),
            ProcessRequest::Ended(thread, futexes) => {
                for _ in 0..SLICE {
                    let Some(key) = futexes.pop() else { break };
                    // Any bits match, so the first step finds whoever waits.
                    if let Ok(wake) = Wake::new(key, 1, u32::MAX) {
                        self.waits.wake(wake, cx);
                    }
                }
                if !futexes.is_empty() {
                    return Outcome::Continue(At::beginning());
                }
                let thread = thread.clone();
                match self.ended(&thread, cx) {
                    Some(process) => {
                        *request = ProcessRequest::Interrupt(process, 0);
                        Outcome::Continue(At::beginning())
                    }
                    None => Outcome::Done,
                }
            }
            ProcessRequest::Interrupt(process, done) => {
                if *done == 0 && process.is_ending() && process.go_on() {
                    // It was stopped, and a thread that runs yet has ended it.
                    cx.resume_everywhere(process.own);
                }
                let threads: Vec<_> =
                    process.threads.lock().iter().skip(*done).take(SLICE).cloned().collect();
                for thread in &threads {
                    self.interrupt(thread, cx);
                }
                *done += threads.len();
                if threads.len() == SLICE {
                    Outcome::Continue(At::beginning())
                } else {
                    Outcome::Done
                }
            }
            ProcessRequest::Timer(id, number) => self.expire_timer(*id, *number, cx),
            ProcessRequest::Alarm(pid, number) => self.ring(*pid, *number, cx),
            ProcessRequest::Post(targets, info) => {
                let (targets, info) = (core::mem::take(targets), *info);
                self.post_all(targets, info, cx);
                Outcome::Done
            }
            ProcessRequest::Key(group, signal) => {
                let (group, info) = (*group, Info::kernel(*signal));
                let meant = |record: &&Record| {
                    group == 0 || record.process.group.load(Ordering::Relaxed) == group
                };
                let targets =
                    self.records.values().filter(meant).map(|record| record.process.clone());
                let targets = targets.collect();
                self.post_all(targets, info, cx);
                Outcome::Done
            }
            ProcessRequest::Stopped(process) => {
                let process = process.clone();
                self.stopped(&process, cx);
                Outcome::Done
            }
            ProcessRequest::Used(process) => {
                let process = process.clone();
                self.used(&process, cx);
                Outcome::Done
            }
            ProcessRequest::Timeout(tid, number) => {
                self.waits.expire(*tid, *number, cx);
                Outcome::Done
            }
        }
    }
}

impl Processes {
    /// The resource, for the core that it is at home on.
    #[must_use]
    pub fn new(system: Arc<System>) -> Self {
        Self {
            system,
            records: BTreeMap::new(),
            waits: Waits::default(),
            alarms: BTreeMap::new(),
            alarm_number: 0,
            timers: Timers::default(),
            last: 0,
        }
    }

    /// A number that no process or thread has.
    pub(super) fn number(&mut self) -> Pid {
        loop {
            self.last = if self.last >= PID_MAX { 300 } else { self.last + 1 };
            if !self.records.contains_key(&Pid(self.last)) {
                return Pid(self.last);
            }
        }
    }

    fn call(&mut self, call: &mut ProcessCall, cx: &mut Cx<'_>) -> Next {
        use abi::Process as P;
        match call.call {
            P::Fork | P::Vfork | P::Clone { .. } => self.clone(call, cx),
            P::Execve { .. } => self.execute(call, cx),
            P::Wait4 { pid, options, .. } => self.wait_for_child(call, pid, options, cx),
            P::Futex { .. } => self.futex(call, cx),
            P::Nanosleep { .. } | P::ClockNanosleep { .. } => self.sleep(call, cx),
            P::Pause | P::RtSigsuspend { .. } => self.wait(call, For::default(), None, cx),
            P::Kill { pid, signal } => self.kill(call, pid, signal, cx),
            P::Tkill { tid, signal } => {
                let sent = self.kill_thread(call, None, tid, signal, cx);
                reply(sent)
            }
            P::Tgkill { pid, tid, signal } => {
                let sent = self.kill_thread(call, Some(pid), tid, signal, cx);
                reply(sent)
            }
            P::Alarm { seconds } => {
                let clock = self.system.clock;
                let value = clock.cycles(Nanos::new(u64::from(seconds) * 1_000_000_000));
                let (left, _) = self.set_alarm(&call.thread.process, value, Cycles::ZERO, cx);
                reply(Ok(clock.nanos(left).get().div_ceil(1_000_000_000)))
            }
            P::Setitimer { which, .. } | P::Getitimer { which, .. } => {
                let told = self.interval_timer(call, which, cx);
                reply(told)
            }
            P::TimerCreate { .. }
            | P::TimerSettime { .. }
            | P::TimerGettime { .. }
            | P::TimerGetoverrun { .. }
            | P::TimerDelete { .. } => {
                let done = self.timer_call(call, cx);
                reply(done)
            }
            P::Getpriority { which, who } => reply(self.priority(call, (which, who))),
            P::Setpriority { which, who, nice } => {
                reply(self.set_priority(call, (which, who), nice))
            }
            P::Setpgid { pid, group } => reply(self.set_group(call, pid, group)),
            P::Getpgid { pid } => reply(
                self.find(call, pid).map(|process| process.group.load(Ordering::Relaxed) as u64),
            ),
            P::Getsid { pid } => reply(
                self.find(call, pid).map(|process| process.session.load(Ordering::Relaxed) as u64),
            ),
            P::Setsid => reply(self.new_session(call)),
            P::Waitid { kind, id, options, .. } => self.wait_id(call, (kind, id), options, cx),
            P::RtSigqueueinfo { pid, signal, .. } => {
                let sent = self.queue(call, (pid, None, signal), cx);
                reply(sent)
            }
            P::RtTgsigqueueinfo { pid, tid, signal, .. } => {
                let sent = self.queue(call, (pid, Some(tid), signal), cx);
                reply(sent)
            }
            P::RtSigtimedwait { .. } => {
                let deadline = call.deadline;
                self.wait(call, For::default(), deadline, cx)
            }
        }
    }

    fn find(&self, call: &ProcessCall, pid: i32) -> Result<Arc<Process>, Errno> {
        let pid = if pid == 0 { call.thread.process.pid } else { Pid(pid) };
        self.records.get(&pid).map(|record| record.process.clone()).ok_or(Errno::ESRCH)
    }

    /// setpgid(2).
    fn set_group(&self, call: &ProcessCall, pid: i32, group: i32) -> Result<u64, Errno> {
        if group < 0 || pid < 0 {
            return Err(Errno::EINVAL);
        }
        let caller = &call.thread.process;
        let process = self.find(call, pid)?;
        let child =
            self.records.get(&process.pid).is_some_and(|record| record.parent == caller.pid);
        if process.pid != caller.pid && !child {
            return Err(Errno::ESRCH);
        }
        let session = process.session.load(Ordering::Relaxed);
        if session == process.pid.0 || session != caller.session.load(Ordering::Relaxed) {
            return Err(Errno::EPERM);
        }
        let group = if group == 0 { process.pid.0 } else { group };
        let exists = self.records.values().any(|record| {
            let process = &record.process;
            process.group.load(Ordering::Relaxed) == group
                && process.session.load(Ordering::Relaxed) == session
        });
        if group != process.pid.0 && !exists {
            return Err(Errno::EPERM);
        }
        process.group.store(group, Ordering::Relaxed);
        Ok(0)
    }

    /// setsid(2).
    fn new_session(&self, call: &ProcessCall) -> Result<u64, Errno> {
        let process = &call.thread.process;
        let pid = process.pid.0;
        let leads =
            self.records.values().any(|record| record.process.group.load(Ordering::Relaxed) == pid);
        if leads {
            return Err(Errno::EPERM);
        }
        process.group.store(pid, Ordering::Relaxed);
        process.session.store(pid, Ordering::Relaxed);
        Ok(pid as u64)
    }

    /// A process has used so much time that signals are due.
    fn used(&mut self, process: &Arc<Process>, cx: &mut Cx<'_>) {
        let again = self.system.clock.cycles(Nanos::new(1_000_000_000));
        let due = process.timers.take(process.used.load(Ordering::Relaxed), again);
        let signals = [
            (due.virtual_timer, Signal::VTALRM),
            (due.profiling, Signal::PROF),
            (due.soft, Signal::XCPU),
            (due.hard, Signal::KILL),
        ];
        for (_, signal) in signals.into_iter().filter(|(due, _)| *due) {
            let _ = self.post(process, Info::kernel(signal), None, cx);
        }
    }

    /// setitimer(2) and getitimer(2).
    fn interval_timer(
        &mut self,
        call: &ProcessCall,
        which: i32,
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        let of = match which {
            0 => None,
            1 => Some(Which::Virtual),
            2 => Some(Which::Profiling),
            _ => return Err(Errno::EINVAL),
        };
        let clock = self.system.clock;
        let process = call.thread.process.clone();
        let used = process.used.load(Ordering::Relaxed);
        let set = matches!(call.call, abi::Process::Setitimer { .. });
        let new = matches!(call.call, abi::Process::Setitimer { new: Some(_), .. });
        let (value, interval) = if new {
            let bytes = call.operands.bytes_of::<32>(0)?;
            let (interval, value) = bytes.split_at(16);
            let (interval, value) = (timeval(interval)?, timeval(value)?);
            let (value, interval) = (clock.cycles(value), clock.cycles(interval));
            match of {
                None => self.set_alarm(&process, value, interval, cx),
                Some(which) => process.timers.set(which, used, value, interval),
            }
        } else {
            match of {
                None => self.alarm_of(process.pid, cx.now()),
                Some(which) => process.timers.get(which, used),
            }
        };
        let mut bytes = [0; 32];
        for (place, span) in bytes.chunks_exact_mut(16).zip([interval, value]) {
            let nanos = clock.nanos(span).get();
            let (seconds, micros) = place.split_at_mut(8);
            seconds.copy_from_slice(&(nanos / 1_000_000_000).to_le_bytes());
            micros.copy_from_slice(&(nanos % 1_000_000_000 / 1_000).to_le_bytes());
        }
        if call.operands.buffer(usize::from(set)).is_ok() {
            call.operands.give(usize::from(set), &bytes)?;
        }
        Ok(0)
    }

    /// Makes a thread look up: it does not wait any more, and leaves user mode.
    pub(super) fn interrupt(&mut self, thread: &ThreadState, cx: &mut Cx<'_>) {
        thread.interrupted.store(true, Ordering::SeqCst);
        if self.waits.cancel(thread.tid, cx) {
            return;
        }
        match thread.core() {
            // Only a thread that runs on another core now is worth an interrupt (§3.4).
            Some(core) if core != cx.core() => cx.poke(core),
            _ => {}
        }
        if let Some(ports) = self.system.ports.get() {
            let _ = cx.send(ports.files, Labels::NONE, FileRequest::Cancel(thread.tid));
        }
    }

    /// A thread has ended. Returns the process if others of it must be told to.
    fn ended(&mut self, thread: &Arc<ThreadState>, cx: &mut Cx<'_>) -> Option<Arc<Process>> {
        let process = thread.process.clone();
        process.threads.lock().retain(|other| other.tid != thread.tid);
        // It does not count any more where it was bound.
        cx.unbind(process.own, thread.tid.0 as u64);
        let left = process.count.fetch_sub(1, Ordering::AcqRel) - 1;
        if left > 0 {
            if left == 1 {
                // An execve(2) may wait to be alone.
                self.waits.alone(process.pid, cx);
            }
            return process.is_ending().then_some(process);
        }
        // Its last thread's request has ended: nothing is there any more.
        cx.remove(process.own);
        let ports = self.system.ports.get()?;
        let _ = cx.send(ports.files, Labels::NONE, FileRequest::Drop(process.files));
        self.leave_memory(&process.memory(), process.pid, cx);
        self.alarms.remove(&process.pid);
        self.timers.drop_all(process.pid);
        drop(process.running.lock().take());
        self.orphan_children(process.pid);
        self.bury(&process, cx);
        if self.system.processes.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The machine may have nothing more to do: its first core looks.
            cx.poke(vortex_units::CoreId::new(0));
        }
        None
    }

    /// The children of an ended process are nobody's; those that have ended are forgotten.
    fn orphan_children(&mut self, pid: Pid) {
        let registry = &self.system.registry;
        self.records.retain(|&child, record| {
            let orphan = record.parent == pid;
            if orphan {
                record.parent = Pid(0);
                record.process.parent.store(1, Ordering::Relaxed);
            }
            let gone = orphan && record.zombie;
            if gone {
                registry.remove(child);
            }
            !gone
        });
    }

    /// Nobody waits for this process any more.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.records.remove(&pid);
        self.system.registry.remove(pid);
    }

    /// An ended process waits for its parent, if that wants to know.
    fn bury(&mut self, process: &Arc<Process>, cx: &mut Cx<'_>) {
        let status = process.status.load(Ordering::Acquire);
        let how = match Signal::new(status & 0x7f) {
            Some(signal) => Ended::Killed(signal),
            None => Ended::Exited((status >> 8) as u8),
        };
        let parent = self.records.get(&process.pid).map_or(Pid(0), |record| record.parent);
        let wants = self.records.get(&parent);
        let wants = wants.is_some_and(|record| !record.process.actions.lock().forgets_children());
        if let Some(record) = self.records.get_mut(&process.pid) {
            record.zombie = true;
        }
        self.changed(process, how, cx);
        if !wants {
            self.forget(process.pid);
        }
    }

    /// A process does not use its memory any more.
    pub(super) fn leave_memory(&mut self, space: &Arc<AddressSpace>, pid: Pid, cx: &mut Cx<'_>) {
        if let Some(waiting) =
            self.records.get_mut(&pid).and_then(|record| record.borrowed_from.take())
        {
            self.waits.finish(waiting, Answer::Call(Ok(pid.0 as u64)), cx);
        }
        if space.users.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let Some(ports) = self.system.ports.get() else { return };
        let labels = Labels::flow(space.number);
        // Its frames are given back by ASR, a slice at a time.
        let _ =
            cx.send(ports.memory, labels, MemoryRequest::Release { space: space.clone(), at: 0 });
    }
}

/// A call's answer.
pub(super) fn reply(result: Result<u64, Errno>) -> Next {
    Outcome::Reply(Answer::Call(result))
}

/// A `struct timeval`.
fn timeval(bytes: &[u8]) -> Result<Nanos, Errno> {
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
        bytes.map_or(-1, i64::from_le_bytes)
    };
    match (u64::try_from(word(0)), word(8)) {
        (Ok(seconds), micros @ 0..1_000_000) => Ok(Nanos::new(
            seconds.saturating_mul(1_000_000_000).saturating_add(micros as u64 * 1_000),
        )),
        _ => Err(Errno::EINVAL),
    }
}
