//! The process resource (PR): the process tree, and what waits for processes, threads and
//! time. It is at home on one core, and owns what it knows.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_abi::{self as abi, Errno};
use vortex_grid::{At, Context, Labels, Outcome, Resource};
use vortex_units::{Cycles, Nanos};

use super::futex::Wake;
use super::limits::Limits;
use super::posting::{self, Alarm};
use super::processes::{Pid, Process, ThreadState};
use super::records::Records;
use super::request::{ProcessCall, ProcessRequest};
use super::signals::Info;
use super::subactivities::{SubActivity, resume};
use super::timers::Timers;
use super::waiting::{For, Waits};
use crate::aio::AioRequest;
use crate::files::FileRequest;
use crate::{Answer, Mail, System};

/// Threads interrupted in one run.
const SLICE: usize = 6;
/// Numbers wrap here, as Linux's `pid_max` on 64 bits.
pub const PID_MAX: i32 = 4_194_304;

/// The resource.
pub struct Processes {
    pub(super) system: Arc<System>,
    pub(super) records: Records,
    /// All threads, by their numbers.
    pub(super) threads: BTreeMap<Pid, Arc<ThreadState>>,
    pub(super) waits: Waits,
    pub(super) alarms: BTreeMap<Pid, Alarm>,
    pub(super) alarm_number: u64,
    pub(super) timers: Timers,
    /// By their handles.
    pub(super) subactivities: BTreeMap<u64, SubActivity>,
    last: i32,
}

pub(super) type Next = Outcome<Mail, Processes>;
pub(super) type Cx<'a> = Context<'a, Mail>;

impl Resource<Mail> for Processes {
    type Request = ProcessRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 11;

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
                    Some(rest) => {
                        *request = rest;
                        Outcome::Continue(At::beginning())
                    }
                    None => Outcome::Done,
                }
            }
            ProcessRequest::Orphans(pid) => {
                if self.orphan_some(*pid, cx) {
                    Outcome::Continue(At::beginning())
                } else {
                    Outcome::Done
                }
            }
            ProcessRequest::Changed(parent, from) => {
                match self.waits.child_changed(*parent, *from, cx) {
                    Some(next) => {
                        *from = next;
                        Outcome::Continue(At::beginning())
                    }
                    None => Outcome::Done,
                }
            }
            ProcessRequest::Interrupt(process, from, spared) => {
                if from.0 == 0 && process.is_ending() && process.go_on() {
                    // It was stopped, and a thread that runs yet has ended it.
                    resume(process, cx);
                }
                let threads = process.threads.lock().from(*from, SLICE);
                for thread in threads.iter().filter(|thread| Some(thread.tid) != *spared) {
                    if spared.is_some() {
                        thread.doom();
                    }
                    self.interrupt(thread, cx);
                }
                match threads.last() {
                    Some(last) if threads.len() == SLICE => {
                        *from = Pid(last.tid.0.saturating_add(1));
                        Outcome::Continue(At::beginning())
                    }
                    _ => Outcome::Done,
                }
            }
            ProcessRequest::Look(process, signal, from) => {
                match self.look(&process.clone(), *signal, *from, cx) {
                    Some(next) => {
                        *from = next;
                        Outcome::Continue(At::beginning())
                    }
                    None => Outcome::Done,
                }
            }
            ProcessRequest::Timer(id, number) => self.expire_timer(*id, *number, cx),
            ProcessRequest::Alarm(pid, number) => self.ring(*pid, *number, cx),
            ProcessRequest::Key(group, signal, from) => {
                let (group, info) =
                    (Some(*group).filter(|group| *group != 0), Info::kernel(*signal));
                let targets = self.records.from(group, *from, posting::SLICE);
                for process in &targets {
                    let _ = self.post(process, info, None, cx);
                }
                match targets.last() {
                    Some(last) if targets.len() == posting::SLICE => {
                        *from = Pid(last.pid.0.saturating_add(1));
                        Outcome::Continue(At::beginning())
                    }
                    _ => Outcome::Done,
                }
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
            ProcessRequest::Left(seat) => {
                if let Some(seat) = seat.take() {
                    let activity = seat.activity;
                    drop(seat);
                    self.review(activity, cx);
                }
                Outcome::Done
            }
            ProcessRequest::Shrink(activity) => {
                Outcome::Reply(Answer::Shrunk(self.shrink(*activity, cx)))
            }
            ProcessRequest::Notify(process, info) => {
                let process = process.clone();
                if process.count.load(Ordering::Acquire) > 0 {
                    // Where too many wait already, it is lost, as Linux's.
                    let _ = self.post(&process, **info, None, cx);
                }
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
            records: Records::default(),
            threads: BTreeMap::new(),
            waits: Waits::default(),
            alarms: BTreeMap::new(),
            alarm_number: 0,
            timers: Timers::default(),
            subactivities: BTreeMap::new(),
            last: 0,
        }
    }

    /// A number that no process or thread has.
    pub(super) fn number(&mut self) -> Pid {
        loop {
            self.last = if self.last >= PID_MAX { 300 } else { self.last + 1 };
            let number = Pid(self.last);
            if self.records.get(number).is_none() && !self.threads.contains_key(&number) {
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
            P::Getpriority { which, who } => self.priority(call, (which, who)),
            P::Setpriority { which, who, nice } => self.set_priority(call, (which, who), nice),
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
            P::Begin { .. } => reply(self.begin_elsewhere(call, cx)),
            P::SubactivityCreate { share, processes, threads, requests } => {
                let most = |limit| (limit != 0).then_some(limit);
                let limits = Limits { processes: most(processes), threads: most(threads) };
                reply(self.create_subactivity(call, (share, requests), limits, cx))
            }
            P::SubactivityBind { handle, thread } => {
                reply(self.bind_thread(call, handle, thread, cx))
            }
            P::SubactivityClose { handle } => reply(self.close_subactivity(call, handle, cx)),
            P::RtSigtimedwait { .. } => {
                let deadline = call.deadline;
                self.wait(call, For::default(), deadline, cx)
            }
        }
    }

    pub(super) fn find(&self, call: &ProcessCall, pid: i32) -> Result<Arc<Process>, Errno> {
        let pid = if pid == 0 { call.thread.process.pid } else { Pid(pid) };
        self.records.process(pid).ok_or(Errno::ESRCH)
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
            if thread.waits_for_operations.swap(false, Ordering::SeqCst) {
                let _ = cx.send(ports.aio, Labels::NONE, AioRequest::Cancel(thread.tid));
                return;
            }
            let _ = cx.send(ports.files, Labels::NONE, FileRequest::Cancel(thread.tid));
        }
    }
}

/// A call's answer.
pub(super) fn reply(result: Result<u64, Errno>) -> Next {
    Outcome::Reply(Answer::Call(result))
}
