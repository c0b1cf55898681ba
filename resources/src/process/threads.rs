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

use vortex_abi::{self as abi, Errno, Span};
use vortex_grid::{At, Context, Continuation, Labels, Outcome, Resource};
use vortex_machine::{Access, Exit, Fault, FaultKind, UserContext};
use vortex_units::{Cycles, Frames};

use super::delivery::interruption;
use super::direct::Effect;
use super::pinning::REST;
use super::request::ProcessRequest;
use super::signals::{Cause, Stack};
use super::stub::{self, Prepared};
use super::thread::Thread;
use crate::aio::AioRequest;
use crate::files::FileRequest;
use crate::memory::{MemoryRequest, Program, Stage, Unpinned, mend_here, pin};
use crate::{Answer, Mail, System};

/// Direct calls in one run: then the core is given back.
const CALLS: u32 = 16;
/// Faults for one system call before its buffer is taken to be a bad one.
pub(super) const FAULTS: u32 = 1024;

/// Faults mended for one system call in one run.
const MENDS: u32 = 8;

const SIGKILL: i32 = 9;

/// A thread is ready.
pub struct ThreadReady {
    pub(super) thread: Option<Box<Thread>>,
    /// Why it has left user mode.
    exit: Option<Exit>,
    /// When: the run began when it entered.
    left_at: Cycles,
    /// Direct calls since it was dispatched.
    calls: u32,
    /// The call that it made last, by its number.
    asked: u64,
}

impl ThreadReady {
    /// A request for this thread's resource.
    #[must_use]
    pub fn new(thread: Box<Thread>) -> Self {
        Self { thread: Some(thread), exit: None, left_at: Cycles::ZERO, calls: 0, asked: u64::MAX }
    }

    /// The thread that is to enter user mode.
    pub fn thread(&mut self) -> Option<&mut Thread> {
        self.thread.as_deref_mut()
    }

    /// What it is about: the call that its thread has made last.
    pub(crate) fn name(&self) -> &'static str {
        abi::name(self.asked).unwrap_or("no call")
    }

    /// Says how the thread has left and when, and how long it ran.
    pub fn left(&mut self, exit: Exit, ran: Cycles, at: Cycles) {
        self.exit = Some(exit);
        self.left_at = at;
        if let Some(thread) = &mut self.thread {
            thread.state.ran(ran);
            thread.slice = thread.slice.saturating_sub(ran);
        }
    }
}

/// What a fault was for.
pub(super) fn access_of(kind: FaultKind) -> Access {
    match kind {
        FaultKind::Page { write: true, .. } => Access::Write,
        FaultKind::Page { execute: true, .. } => Access::Execute,
        _ => Access::Read,
    }
}

/// Nobody waits for a thread.
pub struct ThreadDone;

/// The resource: an instance a process, as one core has it.
pub struct Threads {
    /// What all share.
    pub system: Arc<System>,
}

pub(super) type Next = Outcome<Mail, Threads>;
pub(super) type Cx<'a> = Context<'a, Mail>;

impl Resource<Mail> for Threads {
    type Request = ThreadReady;
    type Reply = ThreadDone;
    const FAN_OUT: u32 = 2;

    fn handle(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        if let Some(thread) = &mut ready.thread {
            thread.slice = thread.process().slice(self.system.timeslice);
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
        if let Some(thread) = &mut ready.thread {
            cx.allocated(core::mem::take(&mut thread.given));
        }
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
        let answer = cx.reply::<Answer>();
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        let result = match answer {
            Ok(Some(Answer::Call(Ok(more)))) if thread.done > 0 && more >= REST => {
                thread.done = thread.done.saturating_add(more);
                return threads.call(ready, cx);
            }
            Ok(Some(Answer::Call(result))) => result,
            Ok(Some(Answer::Failed(error))) => {
                thread.waited.end();
                Err(error)
            }
            Ok(Some(Answer::Again(deadline, expired))) => {
                (thread.deadline, thread.expired) = (deadline, expired);
                return threads.call(ready, cx);
            }
            Ok(Some(Answer::GoOn(done))) => {
                thread.done = thread.done.saturating_add(done);
                // Its buffer was good so far, however many of its pages had left memory.
                thread.faults = 0;
                thread.waited.renew();
                return threads.call(ready, cx);
            }
            // What is done already is what it returns.
            Ok(Some(Answer::Interrupted(_))) if thread.done > 0 => Ok(0),
            Ok(Some(Answer::Interrupted(deadline))) if thread.is_taking() => {
                // One of those it takes may have come, though it blocks them.
                thread.deadline = deadline;
                thread.state.interrupted.store(false, Ordering::SeqCst);
                return threads.call(ready, cx);
            }
            Ok(Some(Answer::Interrupted(deadline))) => {
                let registers = thread.context.registers();
                thread.interrupted =
                    Some(interruption(registers.rax, registers.r10, deadline.is_some()));
                thread.deadline = deadline;
                return threads.run(ready, cx);
            }
            Ok(Some(Answer::Program(Ok(program)))) => return threads.begin(ready, *program, cx),
            Ok(Some(Answer::Program(Err(error)))) => Err(error),
            _ => Err(Errno::EIO),
        };
        threads.finish(ready, result, cx)
    }
}

/// A page that a thread or its call has touched is there, or will not be.
struct Mended;

impl Continuation<Mail, Threads> for Mended {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        match threads.touched(ready, At::routine::<Self>(), cx) {
            Ok(Ok(())) => threads.run(ready, cx),
            Ok(Err(error)) => threads.raise_page_fault(ready, error, cx),
            Err(waits) => waits,
        }
    }
}

/// More of a call is to be prepared.
struct CallMore;

impl Continuation<Mail, Threads> for CallMore {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        threads.call(ready, cx)
    }
}

/// A page that a call needs is there, or will not be.
struct CallMended;

impl Continuation<Mail, Threads> for CallMended {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        match threads.touched(ready, At::routine::<Self>(), cx) {
            Ok(Ok(())) => threads.call(ready, cx),
            Ok(Err(_)) => threads.unreached(ready, cx),
            Err(waits) => waits,
        }
    }
}

impl Threads {
    /// Lets the thread enter user mode, unless it is to end.
    pub(super) fn run(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        if (thread.process().is_ending() || thread.state.turned.load(Ordering::Acquire))
            && let Some(next) = self.turn(ready, cx)
        {
            return next;
        }
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        // First the flag, then the look: what comes in between is seen, or sets the flag.
        thread.state.interrupted.store(false, Ordering::SeqCst);
        if thread.process().is_due()
            && let Some(ports) = self.system.ports.get()
        {
            let request = ProcessRequest::Used(thread.process().clone());
            let _ = cx.send(ports.process, Labels::NONE, request);
        }
        if thread.process().is_stopped() {
            return self.stop(ready, cx);
        }
        if (thread.interrupted.is_some() || thread.delivering.is_some() || thread.has_signal())
            && let Some(next) = self.deliver(ready, cx)
        {
            return next;
        }
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        if thread.set_tid != 0 {
            let at = Span::new(thread.set_tid, 4);
            match pin(&thread.space, at, Access::Write) {
                Ok(pinned) => {
                    pinned.write(0, &thread.state.tid.0.to_le_bytes());
                    thread.set_tid = 0;
                }
                Err(Unpinned::Fault(address, access)) => {
                    return self.mend(ready, address, access, At::routine::<Mended>(), cx);
                }
                Err(_) => thread.set_tid = 0,
            }
        }
        if thread.slice.is_zero() {
            return self.expire(ready, cx);
        }
        Outcome::Enter(thread.slice, At::routine::<Left>())
    }

    /// The core is given back: at the end of the slice behind the other threads, else at
    /// the head with the rest of it.
    pub(super) fn yielded(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        ready.calls = 0;
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        vortex_machine::save_vectors(&mut thread.context);
        if thread.slice.is_zero() || thread.process().is_ending() {
            return self.expire(ready, cx);
        }
        Outcome::Continue(At::routine::<Again>())
    }

    fn expire(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let Some(mut thread) = ready.thread.take() else { return Outcome::Done };
        vortex_machine::save_vectors(&mut thread.context);
        let labels = Labels::affinity(thread.state.tid.0 as u64);
        // Room for it was reserved: it is a declared send, and has no dependency label.
        let own = thread.seat.port;
        let _ = cx.send(own, labels, ThreadReady::new(thread));
        Outcome::Done
    }

    /// A system call: its stub, then the call itself or its request.
    pub(super) fn call(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        if thread.process().is_ending() {
            return self.end(ready, cx);
        }
        let Some(ports) = self.system.ports.get() else { return Outcome::Done };
        ready.asked = thread.context.registers().rax;
        let (now, core) = (cx.now().max(ready.left_at), cx.core());
        let mut prepared = stub::prepare(thread, &self.system, now, core);
        for _ in 0..MENDS {
            // Most pages that a call needs can be had at once.
            let Prepared::Fault(address, access) = prepared else { break };
            let Some(given) = mend_here(&thread.space, address, access) else { break };
            cx.allocated(Frames::new(given));
            if thread.gathering.is_some() || thread.pinning.is_some() {
                // It goes on where it was, with a run of its own.
                prepared = Prepared::More;
                break;
            }
            prepared = stub::prepare(thread, &self.system, now, core);
        }
        if thread.restored.is_some() && thread.has_signal() {
            // With its own mask the call does not even begin to wait.
            let number = thread.context.registers().rax;
            thread.interrupted = Some(interruption(number, 0, false));
            return self.run(ready, cx);
        }
        let trigger = match prepared {
            Prepared::Done(result) => {
                ready.calls += 1;
                let many = ready.calls >= CALLS;
                return match self.finish(ready, result, cx) {
                    Outcome::Enter(..) if many => self.yielded(ready, cx),
                    next => next,
                };
            }
            Prepared::Effect(effect) => return self.effect(ready, effect, cx),
            Prepared::Returned => {
                thread.settle();
                return self.run(ready, cx);
            }
            Prepared::More => {
                vortex_machine::save_vectors(&mut thread.context);
                return Outcome::Continue(At::routine::<CallMore>());
            }
            Prepared::Bad => return self.raise(ready, Cause::PROTECTION, 0, cx),
            Prepared::Fault(address, access) => {
                thread.faults += 1;
                if thread.faults > FAULTS {
                    return self.finish(ready, Err(Errno::EFAULT), cx);
                }
                return self.mend(ready, address, access, At::routine::<CallMended>(), cx);
            }
            Prepared::Memory(call) => {
                let space = thread.space.clone();
                let labels = Labels::flow(space.number);
                let files = thread.process().files;
                let request =
                    MemoryRequest::Call { space, files, call, stage: Stage::New, rest: None };
                cx.request(ports.memory, labels, request)
            }
            Prepared::Files(call) => {
                // A thread's calls are in order since it waits for each; nobody else's wait for it.
                cx.request(ports.files, Labels::NONE, FileRequest::Call(call))
            }
            Prepared::Process(call) => {
                cx.request(ports.process, Labels::NONE, ProcessRequest::Call(call))
            }
            Prepared::Aio(call) => cx.request(ports.aio, Labels::NONE, AioRequest::Call(call)),
            Prepared::Monitor(request) => cx.request(ports.monitor, Labels::NONE, request),
        };
        vortex_machine::save_vectors(&mut thread.context);
        match trigger {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Answered>()),
            Err(_) => self.finish(ready, Err(Errno::EAGAIN), cx),
        }
    }

    /// A buffer of a call is not there: the call fails, or is made without it first.
    fn unreached(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        match &mut ready.thread {
            Some(thread) if !thread.unreachable && stub::goes_without(thread) => {
                thread.unreachable = true;
                thread.pinning = None;
                self.call(ready, cx)
            }
            _ => self.finish(ready, Err(Errno::EFAULT), cx),
        }
    }

    fn effect(&mut self, ready: &mut ThreadReady, effect: Effect, cx: &mut Cx<'_>) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        let status = |status: i32| (status & 0xff) << 8;
        match effect {
            Effect::ExitProcess(code) => {
                thread.process().end(status(code));
                self.end(ready, cx)
            }
            Effect::ExitThread(code) => {
                if thread.process().count.load(Ordering::Acquire) == 1 {
                    thread.process().end(status(code));
                }
                self.end(ready, cx)
            }
            Effect::Yield => {
                thread.context.set_result(0);
                thread.slice = Cycles::ZERO;
                self.yielded(ready, cx)
            }
        }
    }

    /// The call returns.
    pub(super) fn finish(
        &mut self,
        ready: &mut ThreadReady,
        result: Result<u64, Errno>,
        cx: &mut Cx<'_>,
    ) -> Next {
        if let Err(error) = result
            && let Some(waits) = self.make_room(ready, error, cx)
        {
            return waits;
        }
        if let Some(thread) = &mut ready.thread {
            let result = match (thread.done, result) {
                (0, result) => result,
                (done, result) => Ok(done.saturating_add(result.unwrap_or(0))),
            };
            thread.settle();
            (thread.gathering, thread.pinning) = (None, None);
            if let Some(blocked) = thread.restored.take() {
                thread.block(blocked);
            }
            thread.context.set_result(match result {
                Ok(value) => value,
                Err(error) => error.as_result(),
            });
        }
        self.run(ready, cx)
    }

    /// Another program has taken the place of the thread's.
    fn begin(&mut self, ready: &mut ThreadReady, program: Program, cx: &mut Cx<'_>) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        match UserContext::new(program.entry, program.stack) {
            Some(context) => {
                thread.context = context;
                thread.space = program.space;
                (thread.clear_tid, thread.robust) = (0, 0);
                thread.stack = Stack::default();
                thread.settle();
                self.run(ready, cx)
            }
            None => self.kill(ready, SIGKILL, cx),
        }
    }

    fn fault(&mut self, ready: &mut ThreadReady, fault: Fault, cx: &mut Cx<'_>) -> Next {
        let FaultKind::Page { .. } = fault.kind else {
            return self.raise_fault(ready, fault, cx);
        };
        let access = access_of(fault.kind);
        if let Some(thread) = &mut ready.thread {
            thread.fault = Some(fault);
        }
        self.mend(ready, fault.address, access, At::routine::<Mended>(), cx)
    }

    /// The process ends by a signal.
    pub(super) fn kill(&mut self, ready: &mut ThreadReady, signal: i32, cx: &mut Cx<'_>) -> Next {
        if let Some(thread) = &ready.thread {
            thread.process().end(signal);
        }
        self.end(ready, cx)
    }
}
