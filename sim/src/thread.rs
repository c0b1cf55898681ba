//! The thread resource (TR): an instance a process, whose threads run programs.
//!
//! A thread-ready request is dispatched into user mode until the thread computes no more,
//! its timeslice ends, or the core is wanted elsewhere. At the end of a slice it is sent
//! anew, behind the process's other threads; interrupted earlier, the thread keeps its place
//! and the rest of its slice.

use std::sync::Arc;

use vortex_config::Step;
use vortex_grid::{At, Context, Continuation, Labels, Outcome, Resource, SendError};
use vortex_units::{Cycles, Micros, Nanos};

use crate::clock::Clock;
use crate::door::{Door, Ports};
use crate::message::{SimMessage, ThreadDone, ThreadReady, WorkDone, WorkRequest};
use crate::tally::Tally;

/// Steps that a thread takes in one run without leaving the kernel.
const STEPS: u32 = 16;

/// What is the same for all threads of a workload.
pub(crate) struct Program {
    /// The place of `resource.thread` in the configuration.
    pub resource: u32,
    pub steps: Vec<Step>,
    pub stop: Option<Cycles>,
    pub timeslice: Cycles,
    pub ports: Ports,
    pub tally: Tally,
}

/// The part of a process's thread resource that serves one core.
pub(crate) struct Thread {
    pub program: Arc<Program>,
    pub clock: Clock,
}

type Left = Outcome<SimMessage, Thread>;
type Cx<'a> = Context<'a, SimMessage>;

impl Resource<SimMessage> for Thread {
    type Request = ThreadReady;
    type Reply = ThreadDone;
    const FAN_OUT: u32 = 4;

    fn handle(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Left {
        self.serve(cx);
        ready.slice = self.program.timeslice;
        self.run(ready, cx)
    }
}

/// Back from user mode.
struct Back;

impl Continuation<SimMessage, Thread> for Back {
    fn resume(thread: &mut Thread, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Left {
        thread.serve(cx);
        let used = thread.clock.take_user();
        ready.left = ready.left.saturating_sub(used);
        ready.slice = ready.slice.saturating_sub(used);
        if ready.left.is_zero() {
            ready.step += 1;
            return thread.run(ready, cx);
        }
        if ready.slice.is_zero() { thread.expire(ready, cx) } else { thread.yield_core() }
    }
}

/// Dispatched again with the rest of the slice.
struct Again;

impl Continuation<SimMessage, Thread> for Again {
    fn resume(thread: &mut Thread, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Left {
        thread.serve(cx);
        thread.run(ready, cx)
    }
}

/// The call is done.
struct Answered;

impl Continuation<SimMessage, Thread> for Answered {
    fn resume(thread: &mut Thread, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Left {
        thread.serve(cx);
        if cx.reply::<WorkDone>().is_err() {
            thread.program.tally.fail(cx.activity());
        }
        ready.slice = thread.program.timeslice;
        thread.run(ready, cx)
    }
}

impl Thread {
    fn serve(&self, cx: &Cx<'_>) {
        self.clock.serve(cx.now(), self.program.resource, cx.activity());
    }

    /// Takes steps until one leaves the run.
    fn run(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Left {
        let program = self.program.clone();
        for _ in 0..STEPS {
            if ready.slice.is_zero() {
                return self.expire(ready, cx);
            }
            let Some(step) = program.steps.get(usize::from(ready.step)) else {
                if program.stop.is_some_and(|stop| cx.now() >= stop) || program.steps.is_empty() {
                    return Outcome::Done;
                }
                ready.step = 0;
                continue;
            };
            match *step {
                Step::Compute(span) => {
                    if ready.left.is_zero() {
                        ready.left = ready.random.draw(span);
                    }
                    if !ready.left.is_zero() {
                        // What user time there was before belongs to an earlier entry.
                        let _ = self.clock.take_user();
                        let limit = ready.left.min(ready.slice);
                        return Outcome::Enter(limit, At::routine::<Back>());
                    }
                    ready.step += 1;
                }
                Step::Sleep(span) => return self.sleep(ready, span, cx),
                Step::Call { resource, bytes } => {
                    let Some(to) = self.port(resource.index()) else { return Outcome::Done };
                    let labels = Labels::flow(ready.thread);
                    match to.request(cx, labels, WorkRequest::new(bytes, None)) {
                        Ok(trigger) => {
                            ready.step += 1;
                            return Outcome::Pending(trigger, At::routine::<Answered>());
                        }
                        Err(error) => return self.no_room(error, cx),
                    }
                }
                Step::Send { resource, bytes } => {
                    let Some(to) = self.port(resource.index()) else { return Outcome::Done };
                    let labels = Labels::flow(ready.thread);
                    match to.send(cx, labels, WorkRequest::new(bytes, None)) {
                        Ok(()) => ready.step += 1,
                        Err(error) => return self.no_room(error, cx),
                    }
                }
            }
        }
        self.yield_core()
    }

    fn port(&self, resource: usize) -> Option<Door> {
        self.program.ports.get()?.get(resource).copied().flatten()
    }

    /// The run has sent all that it may: the next one goes on.
    fn no_room(&self, error: SendError, cx: &Cx<'_>) -> Left {
        if error != SendError::FanOut {
            self.program.tally.fail(cx.activity());
        }
        self.yield_core()
    }

    /// Back to the multiplexor, at the head of the queue.
    fn yield_core(&self) -> Left {
        Outcome::Continue(At::routine::<Again>())
    }

    /// The slice is over: behind the other threads of the process.
    fn expire(&self, ready: &ThreadReady, cx: &mut Cx<'_>) -> Left {
        match cx.send(ready.own, Labels::affinity(ready.thread), *ready) {
            Ok(()) => Outcome::Done,
            Err(error) => self.no_room(error, cx),
        }
    }

    fn sleep(&self, ready: &ThreadReady, span: Nanos, cx: &mut Cx<'_>) -> Left {
        let span = Micros::new(span.get().div_ceil(1_000));
        let next = ThreadReady { step: ready.step + 1, ..*ready };
        match cx.after(span, ready.own, Labels::affinity(ready.thread), next) {
            Ok(()) => Outcome::Done,
            Err(error) => self.no_room(error, cx),
        }
    }
}
