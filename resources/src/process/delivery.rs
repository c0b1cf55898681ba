//! Signals on their way to a thread: what TR does with them before the thread enters user
//! mode again.

use vortex_abi::{Errno, Span};
use vortex_grid::{At, Continuation, Labels, Outcome, Scope};
use vortex_machine::{Access, Fault, FaultKind};

use super::direct::timespec;
use super::request::ProcessRequest;
use super::signals::frame::{self, Delivery, Format};
use super::signals::restart::{Interrupted, Resumed, resume, resumed};
use super::signals::{Action, Cause, Delivered, Disposition, Info, Signal, SignalSet};
use super::thread::Thread;
use super::threads::{Cx, FAULTS, Next, ThreadReady, Threads};
use crate::Mail;
use crate::memory::{FaultError, Unpinned, pin};

/// How a call takes it to be interrupted, by its number (signal(7)).
pub(super) fn interruption(number: u64, timeout: u64, limited: bool) -> Interrupted {
    const POLL: u64 = 7;
    const PAUSE: u64 = 34;
    const NANOSLEEP: u64 = 35;
    const SIGSUSPEND: u64 = 130;
    const FUTEX: u64 = 202;
    const CLOCK_NANOSLEEP: u64 = 230;
    const PPOLL: u64 = 271;
    const SELECT: u64 = 23;
    const PSELECT6: u64 = 270;
    const EPOLL_WAIT: u64 = 232;
    const EPOLL_PWAIT: u64 = 281;
    const EPOLL_PWAIT2: u64 = 441;
    // What it has begun goes on, and is not begun again.
    const LIO_LISTIO: u64 = 22027;
    match number {
        LIO_LISTIO | EPOLL_WAIT | EPOLL_PWAIT | EPOLL_PWAIT2 => Interrupted::Eintr,
        // At a socket for which a time is set.
        0 | 1 | 19 | 20 | 42..=47 | 288 | 299 | 307 if limited => Interrupted::Eintr,
        NANOSLEEP | CLOCK_NANOSLEEP | POLL => Interrupted::RestartUnlessHandler,
        FUTEX if timeout != 0 => Interrupted::RestartUnlessHandler,
        PAUSE | SIGSUSPEND | PPOLL | SELECT | PSELECT6 => Interrupted::NoHandler,
        _ => Interrupted::Restart,
    }
}

/// How this machine lays out a thread's vector state.
pub(super) fn format(thread: &Thread) -> Format {
    let features = vortex_machine::features();
    Format {
        xsave: features.xsave,
        parts: features.vector_parts,
        size: thread.context.vector_state().len(),
    }
}

impl Thread {
    /// The next signal that it does not block: its own first, then its process's.
    fn next_signal(&mut self) -> Option<Info> {
        let own = self.state.pending.lock().take(self.blocked);
        own.or_else(|| self.process().pending.lock().take(self.blocked))
    }

    /// Whether there is one.
    pub(super) fn has_signal(&self) -> bool {
        self.state.pending.lock().peek(self.blocked).is_some()
            || self.process().pending.lock().peek(self.blocked).is_some()
    }

    /// Sets what it blocks, for all to see.
    pub(super) fn block(&mut self, blocked: SignalSet) {
        self.blocked = blocked;
        self.state.set_blocked(blocked);
    }

    /// A handler will run: what becomes of the call that was interrupted.
    fn resume_call(&mut self, action: &Action) {
        let Some(interrupted) = self.interrupted.take() else { return };
        let registers = *self.context.registers();
        let resumed = resumed(interrupted, Some(action));
        if resumed == Resumed::Fail {
            self.leave_rest();
        }
        self.context.set_registers(resume(registers, registers.rax, resumed));
        self.settle();
    }

    /// A sleep that is cut short says what was left of it.
    fn leave_rest(&mut self) {
        const NANOSLEEP: u64 = 35;
        const CLOCK_NANOSLEEP: u64 = 230;
        let registers = self.context.registers();
        let address = match registers.rax {
            NANOSLEEP => registers.rsi,
            CLOCK_NANOSLEEP if registers.rsi == 0 => registers.r10,
            _ => 0,
        };
        self.rest = self.deadline.filter(|_| address != 0).map(|deadline| (address, deadline));
    }

    /// Builds and writes the frame of the handler that is to run.
    fn write_frame(&mut self, info: &Info, action: &Action) -> Result<(), Option<Unpinned>> {
        vortex_machine::save_vectors(&mut self.context);
        let built = frame::build(&Delivery {
            registers: self.context.registers(),
            vectors: self.context.vector_state(),
            format: format(self),
            blocked: self.blocked,
            restored: self.restored.unwrap_or(self.blocked),
            stack: self.stack,
            signal: info.signal,
            action,
            info,
            trap: self.trap,
        })
        .map_err(|_| None)?;
        let span = Span::new(built.address, built.bytes.len() as u64);
        pin(&self.space, span, Access::Write).map_err(Some)?.write(0, &built.bytes);
        self.context.set_registers(built.registers);
        self.restored = None;
        self.stack = built.stack;
        self.block(built.blocked);
        Ok(())
    }
}

impl Threads {
    /// Delivers what waits. `None` if the thread can enter user mode then.
    pub(super) fn deliver(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Option<Next> {
        loop {
            let thread = ready.thread.as_mut()?;
            if let Some((info, action)) = thread.delivering.take() {
                if let Some(next) = self.handle_signal(ready, info, action, cx) {
                    return Some(next);
                }
                continue;
            }
            let Some(info) = thread.next_signal() else { break };
            let delivered = thread.process().actions.lock().deliver(info.signal);
            match delivered {
                Delivered::Ignored => {}
                Delivered::Handler(action) => {
                    thread.resume_call(&action);
                    thread.delivering = Some((info, action));
                }
                Delivered::Default(Disposition::Stop) => {
                    thread.process().stop(info.signal);
                    return Some(self.stop(ready, cx));
                }
                Delivered::Default(_) => return Some(self.kill(ready, info.signal.number(), cx)),
            }
        }
        let thread = ready.thread.as_mut()?;
        let interrupted = thread.interrupted.take()?;
        // No handler runs: the call is made once more, with what is left of its time.
        if let Some(blocked) = thread.restored.take() {
            thread.block(blocked);
        }
        Some(match resumed(interrupted, None) {
            Resumed::Repeat | Resumed::Rest => self.call(ready, cx),
            Resumed::Fail => self.finish(ready, Err(Errno::EINTR), cx),
        })
    }

    /// Prepares the handler of one signal. `None` when that is done.
    fn handle_signal(
        &mut self,
        ready: &mut ThreadReady,
        info: Info,
        action: Action,
        cx: &mut Cx<'_>,
    ) -> Option<Next> {
        let thread = ready.thread.as_mut()?;
        let mut written = Ok(());
        if let Some((address, deadline)) = thread.rest {
            let left = self.system.clock.nanos(deadline.saturating_sub(cx.now()));
            match pin(&thread.space, Span::new(address, 16), Access::Write) {
                Ok(pinned) => {
                    pinned.write(0, &timespec(left));
                    thread.rest = None;
                }
                Err(unpinned @ Unpinned::Fault(..)) => written = Err(Some(unpinned)),
                Err(_) => thread.rest = None,
            }
        }
        if written.is_ok() {
            written = thread.write_frame(&info, &action);
        }
        match written {
            Ok(()) => {
                thread.faults = 0;
                None
            }
            Err(Some(Unpinned::Fault(address, access))) if thread.faults < FAULTS => {
                thread.faults += 1;
                thread.delivering = Some((info, action));
                Some(self.mend(ready, address, access, At::routine::<FrameMended>(), cx))
            }
            // No stack for the handler.
            Err(_) => Some(self.kill(ready, Signal::SEGV.number(), cx)),
        }
    }

    /// The process is stopped: so its thread resource is suspended on this core, and with
    /// all of an activity's processes its client at the multiplexor (§3.4). PR resumes it;
    /// a resumption since this run began is not lost.
    pub(super) fn stop(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let (Some(ports), Some(thread)) = (self.system.ports.get(), &mut ready.thread) else {
            return Outcome::Done;
        };
        let process = thread.process().clone();
        if process.is_ending() {
            // It has begun to end since it was looked at: nobody would resume it any more.
            return self.end(ready, cx);
        }
        vortex_machine::save_vectors(&mut thread.context);
        if process.stop_is_news() {
            // Room for it was reserved: it is a declared send.
            let _ = cx.send(ports.process, Labels::NONE, ProcessRequest::Stopped(process));
        }
        Outcome::Rejected(cx.rejection(Scope::Device))
    }

    /// What the thread has done is a signal to it.
    pub(super) fn raise(
        &mut self,
        ready: &mut ThreadReady,
        cause: Cause,
        address: u64,
        cx: &mut Cx<'_>,
    ) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        let info = Info::fault(cause, address);
        let mut blocked = thread.blocked;
        thread.process().actions.lock().force(info.signal, &mut blocked);
        thread.block(blocked);
        // Of a standard signal one at most waits: there is room.
        let _ = thread.state.pending.lock().add(info);
        self.run(ready, cx)
    }

    /// A fault that is the thread's own.
    pub(super) fn raise_fault(
        &mut self,
        ready: &mut ThreadReady,
        fault: Fault,
        cx: &mut Cx<'_>,
    ) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        thread.trap = thread.trap.after(&fault);
        let cause = if fault.kind == FaultKind::FloatingPoint {
            vortex_machine::save_vectors(&mut thread.context);
            Cause::floating_point(thread.context.vector_state())
        } else {
            Cause::of(fault.kind, false)
        };
        self.raise(ready, cause, fault.address, cx)
    }

    /// A page fault that ASR has not mended.
    pub(super) fn raise_page_fault(
        &mut self,
        ready: &mut ThreadReady,
        error: FaultError,
        cx: &mut Cx<'_>,
    ) -> Next {
        let Some(thread) = &mut ready.thread else { return Outcome::Done };
        let Some(fault) = thread.fault.take() else {
            return self.kill(ready, Signal::KILL.number(), cx);
        };
        thread.trap = thread.trap.after(&fault);
        match error {
            FaultError::Unmapped => self.raise(ready, Cause::SEGV_MAPERR, fault.address, cx),
            FaultError::Forbidden => self.raise(ready, Cause::SEGV_ACCERR, fault.address, cx),
            FaultError::Beyond | FaultError::Device => {
                self.raise(ready, Cause::BUS_ADRERR, fault.address, cx)
            }
            FaultError::NoMemory => {
                note_no_memory(thread);
                self.kill(ready, Signal::KILL.number(), cx)
            }
        }
    }
}

/// A program ends because its activity gets no more memory: said on the console.
fn note_no_memory(thread: &Thread) {
    let process = thread.process();
    let name = process.name().0;
    let name = alloc::string::String::from_utf8_lossy(&name);
    let pid = process.pid.0;
    let text = alloc::format!("vortex: {name} ({pid}) ends: its activity has no memory left\r\n");
    vortex_machine::console_write(text.as_bytes());
}

/// A page of the handler's stack is there, or will not be.
struct FrameMended;

impl Continuation<Mail, Threads> for FrameMended {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        match threads.touched(ready, At::routine::<Self>(), cx) {
            Ok(Ok(())) => threads.run(ready, cx),
            Ok(Err(_)) => threads.kill(ready, Signal::SEGV.number(), cx),
            Err(waits) => waits,
        }
    }
}
