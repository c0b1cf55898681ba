//! The thread resource (TR, §3.4): a thread that is ready is a request, and runs when that
//! is dispatched, until its timeslice ends, the core is wanted, or it asks for something.
//!
//! ```text
//!            ┌────────── Again ◄── interrupted, or waits ended ──┐
//!  ready ──► handle ──► Enter ──► Left ─┬─ call, direct ─► Enter │
//!                                       ├─ call, request ─► Pending ─► Answered
//!                                       ├─ fault ─────────► Pending ─► Mended
//!                                       └─ slice over ────► ready again, behind the others
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_grid::{At, Context, Continuation, Labels, Outcome, Port, Resource, Trigger};
use vortex_machine::{Access, Exit, Fault, FaultKind};
use vortex_units::Cycles;

use super::direct::Effect;
use super::processes::Process;
use super::resource::ProcessRequest;
use super::stub::{self, Prepared};
use super::thread::Thread;
use crate::memory::{FaultError, MemoryRequest};
use crate::{Answer, Mail, System};

/// Direct calls in one run: then the core is given back.
const CALLS: u32 = 16;
/// Faults for one system call before its buffer is taken to be a bad one.
const FAULTS: u32 = 64;

/// A thread is ready.
pub struct ThreadReady {
    thread: Option<Box<Thread>>,
    own: Port<Threads>,
    /// Why it has left user mode.
    exit: Option<Exit>,
    /// Direct calls since it was dispatched.
    calls: u32,
}

impl ThreadReady {
    /// A request for this thread's resource.
    #[must_use]
    pub fn new(thread: Box<Thread>, own: Port<Threads>) -> Self {
        Self { thread: Some(thread), own, exit: None, calls: 0 }
    }

    /// The thread that is to enter user mode.
    pub fn thread(&mut self) -> Option<&mut Thread> {
        self.thread.as_deref_mut()
    }

    /// Says how the thread has left, and how long it ran.
    pub fn left(&mut self, exit: Exit, ran: Cycles) {
        self.exit = Some(exit);
        if let Some(thread) = &mut self.thread {
            thread.slice = thread.slice.saturating_sub(ran);
        }
    }
}

/// Nobody waits for a thread.
pub struct ThreadDone;

/// The resource: an instance an activity, as one core has it.
pub struct Threads {
    /// What all share.
    pub system: Arc<System>,
}

type Next = Outcome<Mail, Threads>;
type Cx<'a> = Context<'a, Mail>;

impl Resource<Mail> for Threads {
    type Request = ThreadReady;
    type Reply = ThreadDone;
    const FAN_OUT: u32 = 2;

    fn handle(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        if let Some(thread) = &mut ready.thread {
            thread.slice = self.system.timeslice;
        }
        self.run(ready, cx)
    }
}

/// Dispatched again, with the rest of its slice.
struct Again;

impl Continuation<Mail, Threads> for Again {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        threads.run(ready, cx)
    }
}

/// Back from user mode.
struct Left;

impl Continuation<Mail, Threads> for Left {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        match ready.exit.take() {
            Some(Exit::Call) => threads.call(ready, cx),
            Some(Exit::Fault(fault)) => threads.fault(ready, fault, cx),
            Some(Exit::Expired | Exit::Interrupted) | None => threads.yielded(ready, cx),
        }
    }
}

/// A call's answer has come.
struct Answered;

impl Continuation<Mail, Threads> for Answered {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let answer = match cx.reply::<Answer>() {
            Ok(Some(Answer::Call(answer))) => answer,
            _ => Err(Errno::EIO),
        };
        if let Some(thread) = &mut ready.thread {
            thread.context.set_result(match answer {
                Ok(value) => value,
                Err(error) => error.as_result(),
            });
        }
        threads.run(ready, cx)
    }
}

/// A page that a thread or its call has touched is there, or will not be.
struct Mended;

impl Continuation<Mail, Threads> for Mended {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        match cx.reply::<Answer>() {
            Ok(Some(Answer::Fault(Ok(())))) => threads.run(ready, cx),
            Ok(Some(Answer::Fault(Err(error)))) => threads.segmentation_fault(ready, error, cx),
            _ => threads.segmentation_fault(ready, FaultError::NoMemory, cx),
        }
    }
}

/// A page that a call needs is there, or will not be.
struct CallMended;

impl Continuation<Mail, Threads> for CallMended {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        match cx.reply::<Answer>() {
            Ok(Some(Answer::Fault(Ok(())))) => threads.call(ready, cx),
            _ => threads.failed(ready, Errno::EFAULT, cx),
        }
    }
}

impl Threads {
    /// Lets the thread enter user mode, unless it is to end.
    fn run(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        if thread.process.is_ending() {
            return self.end(ready, cx);
        }
        if thread.slice.is_zero() {
            return self.expire(ready, cx);
        }
        Outcome::Enter(thread.slice, At::routine::<Left>())
    }

    /// The core is given back: at the end of the slice behind the other threads, else at
    /// the head with the rest of it.
    fn yielded(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        ready.calls = 0;
        let ended = ready.thread.as_ref().is_none_or(|thread| thread.slice.is_zero());
        if ended { self.expire(ready, cx) } else { Outcome::Continue(At::routine::<Again>()) }
    }

    fn expire(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let Some(thread) = ready.thread.take() else { return Outcome::Done };
        let labels = Labels::affinity(thread.tid.0 as u64);
        // Room for it was reserved: it is a declared send.
        match cx.send(ready.own, labels, ThreadReady::new(thread, ready.own)) {
            Ok(()) => Outcome::Done,
            Err(_) => Outcome::Done,
        }
    }

    /// A system call: its stub, then the call itself or its request.
    fn call(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        ready.calls += 1;
        match stub::prepare(thread, &self.system, cx.now()) {
            Prepared::Done(result) => {
                thread.faults = 0;
                thread.context.set_result(match result {
                    Ok(value) => value,
                    Err(error) => error.as_result(),
                });
                if ready.calls >= CALLS {
                    return self.yielded(ready, cx);
                }
                self.run(ready, cx)
            }
            Prepared::Effect(Effect::ExitThread(status)) => {
                if thread.process.threads.load(Ordering::Acquire) == 1 {
                    thread.process.end((status & 0xff) << 8);
                }
                self.end(ready, cx)
            }
            Prepared::Effect(Effect::ExitProcess(status)) => {
                thread.process.end((status & 0xff) << 8);
                self.end(ready, cx)
            }
            Prepared::Fault(address, access) => {
                thread.faults += 1;
                if thread.faults > FAULTS {
                    return self.failed(ready, Errno::EFAULT, cx);
                }
                match self.ask_fault(ready, address, access, cx) {
                    Some(trigger) => Outcome::Pending(trigger, At::routine::<CallMended>()),
                    None => self.failed(ready, Errno::ENOMEM, cx),
                }
            }
            Prepared::Memory(call) => {
                thread.faults = 0;
                let Some(ports) = self.system.ports.get() else { return Outcome::Done };
                let space = thread.process.space.clone();
                let labels = Labels::flow(space.number);
                let request = MemoryRequest::Call { space, call, stage: Default::default() };
                let trigger = cx.request(ports.memory, labels, request);
                self.wait(ready, trigger.ok(), cx)
            }
            Prepared::Console(request) => {
                thread.faults = 0;
                let Some(ports) = self.system.ports.get() else { return Outcome::Done };
                let labels = Labels::flow(thread.process.pid.0 as u64);
                let trigger = cx.request(ports.console, labels, request);
                self.wait(ready, trigger.ok(), cx)
            }
        }
    }

    fn wait(&mut self, ready: &mut ThreadReady, trigger: Option<Trigger>, cx: &mut Cx<'_>) -> Next {
        match trigger {
            Some(trigger) => Outcome::Pending(trigger, At::routine::<Answered>()),
            None => self.failed(ready, Errno::EAGAIN, cx),
        }
    }

    fn failed(&mut self, ready: &mut ThreadReady, error: Errno, cx: &mut Cx<'_>) -> Next {
        if let Some(thread) = &mut ready.thread {
            thread.faults = 0;
            thread.context.set_result(error.as_result());
        }
        self.run(ready, cx)
    }

    fn ask_fault(
        &self,
        ready: &ThreadReady,
        address: u64,
        access: Access,
        cx: &mut Cx<'_>,
    ) -> Option<Trigger> {
        let ports = self.system.ports.get()?;
        let space = ready.thread.as_ref()?.process.space.clone();
        let labels = Labels::flow(space.number);
        cx.request(ports.memory, labels, MemoryRequest::Fault { space, address, access }).ok()
    }

    fn fault(&mut self, ready: &mut ThreadReady, fault: Fault, cx: &mut Cx<'_>) -> Next {
        if let FaultKind::Page { write, execute, .. } = fault.kind {
            let access = match (write, execute) {
                (true, _) => Access::Write,
                (_, true) => Access::Execute,
                _ => Access::Read,
            };
            return match self.ask_fault(ready, fault.address, access, cx) {
                Some(trigger) => Outcome::Pending(trigger, At::routine::<Mended>()),
                None => self.segmentation_fault(ready, FaultError::NoMemory, cx),
            };
        }
        const SIGSEGV: i32 = 11;
        self.kill(ready, SIGSEGV, cx)
    }

    fn segmentation_fault(
        &mut self,
        ready: &mut ThreadReady,
        error: FaultError,
        cx: &mut Cx<'_>,
    ) -> Next {
        const SIGSEGV: i32 = 11;
        const SIGKILL: i32 = 9;
        let signal = if error == FaultError::NoMemory { SIGKILL } else { SIGSEGV };
        self.kill(ready, signal, cx)
    }

    /// The process ends by a signal.
    fn kill(&mut self, ready: &mut ThreadReady, signal: i32, cx: &mut Cx<'_>) -> Next {
        if let Some(thread) = &ready.thread {
            thread.process.end(signal);
        }
        self.end(ready, cx)
    }

    /// The thread ends; the last one's process is handed to PR.
    fn end(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let Some(thread) = ready.thread.take() else { return Outcome::Done };
        let process: Arc<Process> = thread.process.clone();
        drop(thread);
        if process.threads.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(ports) = self.system.ports.get()
        {
            let labels = Labels::flow(process.pid.0 as u64);
            let _ = cx.send(ports.process, labels, ProcessRequest::Ended(process));
        }
        Outcome::Done
    }
}
