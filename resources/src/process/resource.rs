//! The process resource (PR): the process tree, and what waits for processes, threads and
//! time. It is at home on one core, and owns what it knows.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::{self as abi, Errno};
use vortex_grid::{At, Context, Labels, Outcome, Resource};
use vortex_machine::{Poker, UserContext};
use vortex_units::Cycles;

use super::begin::Start;
use super::operands::Operands;
use super::processes::{Pid, Process, ThreadState};
use super::waiting::{Key, Waits};
use crate::files::FileRequest;
use crate::memory::{AddressSpace, MemoryRequest};
use crate::{Answer, Mail, System};

/// Threads interrupted in one run.
const SLICE: usize = 6;
/// Numbers wrap here, as Linux's `pid_max` on 64 bits.
const PID_MAX: i32 = 4_194_304;

/// What some calls bring beside operands.
pub enum Extra {
    /// Nothing.
    None,
    /// Registers for a child.
    Context(Box<UserContext>),
    /// Arguments and environment of a program, and how many interpreters were put before
    /// the arguments.
    Strings(Vec<Vec<u8>>, Vec<Vec<u8>>, u32),
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
    Ended(Arc<ThreadState>, Option<[Key; 2]>),
    /// All threads of a process must look up from what they do.
    Interrupt(Arc<Process>, usize),
    /// A wait's time is over.
    Timeout(Pid, u64),
}

/// A process, alive or not yet waited for.
pub(super) struct Record {
    pub process: Arc<Process>,
    pub parent: Pid,
    pub zombie: bool,
    /// The thread that waits until this process leaves its memory (vfork).
    pub borrowed_from: Option<Pid>,
}

/// The resource.
pub struct Processes {
    pub(super) system: Arc<System>,
    pub(super) poker: Poker,
    pub(super) records: BTreeMap<Pid, Record>,
    pub(super) waits: Waits,
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
                for key in futexes.take().into_iter().flatten() {
                    self.waits.wake(&key, 1, u32::MAX, cx);
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
    pub fn new(system: Arc<System>, poker: Poker) -> Self {
        Self { system, poker, records: BTreeMap::new(), waits: Waits::default(), last: 0 }
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
            P::Pause | P::RtSigsuspend { .. } => self.wait(call, None, None, cx),
            P::Kill { pid, signal } => {
                let result = self.kill(call, Pid(pid), signal, cx);
                reply(result)
            }
            P::Tkill { tid, signal } | P::Tgkill { tid, signal, .. } => {
                let result = self.kill_thread(Pid(tid), signal, cx);
                reply(result)
            }
            P::Setpgid { pid, group } => reply(self.set_group(call, pid, group)),
            P::Getpgid { pid } => reply(
                self.find(call, pid).map(|process| process.group.load(Ordering::Relaxed) as u64),
            ),
            P::Getsid { pid } => reply(
                self.find(call, pid).map(|process| process.group.load(Ordering::Relaxed) as u64),
            ),
            P::Setsid => {
                let process = &call.thread.process;
                process.group.store(process.pid.0, Ordering::Relaxed);
                reply(Ok(process.pid.0 as u64))
            }
        }
    }

    fn find(&self, call: &ProcessCall, pid: i32) -> Result<Arc<Process>, Errno> {
        let pid = if pid == 0 { call.thread.process.pid } else { Pid(pid) };
        self.records.get(&pid).map(|record| record.process.clone()).ok_or(Errno::ESRCH)
    }

    fn set_group(&self, call: &ProcessCall, pid: i32, group: i32) -> Result<u64, Errno> {
        let process = self.find(call, pid)?;
        if group < 0 {
            return Err(Errno::EINVAL);
        }
        let group = if group == 0 { process.pid.0 } else { group };
        process.group.store(group, Ordering::Relaxed);
        Ok(0)
    }

    fn kill(
        &mut self,
        call: &ProcessCall,
        pid: Pid,
        signal: i32,
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        if !(0..=64).contains(&signal) {
            return Err(Errno::EINVAL);
        }
        let process = if pid.0 > 0 {
            self.records.get(&pid).map(|record| record.process.clone()).ok_or(Errno::ESRCH)?
        } else {
            call.thread.process.clone()
        };
        self.end_by(&process, signal, cx);
        Ok(0)
    }

    fn kill_thread(&mut self, tid: Pid, signal: i32, cx: &mut Cx<'_>) -> Result<u64, Errno> {
        let of =
            |record: &Record| record.process.threads.lock().iter().any(|thread| thread.tid == tid);
        let process =
            self.records.values().find(|record| of(record)).map(|record| record.process.clone());
        let process = process.ok_or(Errno::ESRCH)?;
        self.end_by(&process, signal, cx);
        Ok(0)
    }

    /// A signal that nobody handles.
    fn end_by(&mut self, process: &Arc<Process>, signal: i32, cx: &mut Cx<'_>) {
        const IGNORED: [i32; 6] = [0, 17, 18, 19, 23, 28];
        if IGNORED.contains(&signal) || !process.end(signal) {
            return;
        }
        let Some(ports) = self.system.ports.get() else { return };
        let _ = cx.send(ports.process, Labels::NONE, ProcessRequest::Interrupt(process.clone(), 0));
    }

    /// Makes a thread look up: it does not wait any more, and leaves user mode.
    fn interrupt(&mut self, thread: &ThreadState, cx: &mut Cx<'_>) {
        thread.interrupted.store(true, Ordering::SeqCst);
        if self.waits.cancel(thread.tid, cx) {
            return;
        }
        match thread.core() {
            // Only a thread that runs on another core now is worth an interrupt (§3.4).
            Some(core) if core != cx.core() => self.poker.poke(core),
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
        if process.count.fetch_sub(1, Ordering::AcqRel) > 1 {
            return process.is_ending().then_some(process);
        }
        let ports = self.system.ports.get()?;
        let _ = cx.send(ports.files, Labels::NONE, FileRequest::Drop(process.files));
        self.leave_memory(&process.memory(), process.pid, cx);
        let pid = process.pid;
        // Its children are nobody's any more; those that have ended are forgotten.
        self.records.retain(|_, record| {
            let orphan = record.parent == pid;
            if orphan {
                record.parent = Pid(0);
                record.process.parent.store(1, Ordering::Relaxed);
            }
            !(orphan && record.zombie)
        });
        let parent = self.records.get(&pid).map_or(Pid(0), |record| record.parent);
        if parent == Pid(0) {
            self.records.remove(&pid);
        } else if let Some(record) = self.records.get_mut(&pid) {
            record.zombie = true;
            self.waits.child_ended(parent, cx);
        }
        if self.system.processes.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The machine may have nothing more to do: its first core looks.
            self.poker.poke(vortex_units::CoreId::new(0));
        }
        None
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
