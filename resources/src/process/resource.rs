//! The process resource (PR): begins programs, and takes their ends in.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32};

use vortex_abi::Errno;
use vortex_grid::{Context, Labels, Outcome, Resource};
use vortex_machine::UserContext;

use super::processes::Process;
use super::thread::Thread;
use super::threads::ThreadReady;
use crate::memory::{LoadError, MemoryRequest, load};
use crate::{Answer, Mail, System};

/// A program to be begun.
pub struct Start {
    /// Its bytes.
    pub image: &'static [u8],
    /// Its path.
    pub path: Vec<u8>,
    /// Its arguments, its name first.
    pub arguments: Vec<Vec<u8>>,
    /// Its environment.
    pub environment: Vec<Vec<u8>>,
}

/// To PR.
pub enum ProcessRequest {
    /// Begin a process with a program.
    Start(alloc::boxed::Box<Start>),
    /// The last thread of the process has ended.
    Ended(Arc<Process>),
}

/// The resource, as one core has it.
pub struct Processes {
    /// What all share.
    pub system: Arc<System>,
}

impl Resource<Mail> for Processes {
    type Request = ProcessRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 1;

    fn handle(
        &mut self,
        request: &mut ProcessRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        match request {
            ProcessRequest::Start(start) => {
                let begun = self.start(start, cx);
                Outcome::Reply(Answer::Call(begun))
            }
            ProcessRequest::Ended(process) => {
                self.system.processes.remove(process.pid);
                let space = process.space.clone();
                let Some(ports) = self.system.ports.get() else { return Outcome::Done };
                let labels = Labels::flow(space.number);
                // Its frames are given back by ASR, a slice at a time. Sending cannot fail
                // for want of room: it is declared.
                let _ = cx.send(ports.memory, labels, MemoryRequest::Release { space, at: 0 });
                Outcome::Done
            }
        }
    }
}

impl Processes {
    fn start(&self, start: &Start, cx: &mut Context<'_, Mail>) -> Result<u64, Errno> {
        let ports = self.system.ports.get().ok_or(Errno::EAGAIN)?;
        let threads = ports.threads_of(cx.activity()).ok_or(Errno::EAGAIN)?;
        let random = [0x56; 16];
        let program = load(start.image, &start.path, &start.arguments, &start.environment, random)
            .map_err(errno_of)?;
        let pid = self.system.processes.number();
        let process = Arc::new(Process {
            pid,
            activity: cx.activity(),
            space: program.space,
            threads: AtomicU32::new(1),
            ending: AtomicBool::new(false),
            status: AtomicI32::new(0),
        });
        let context = UserContext::new(program.entry, program.stack).ok_or(Errno::ENOMEM)?;
        let thread = Thread::new(pid, process.clone(), context).ok_or(Errno::ENOMEM)?;
        self.system.processes.insert(process);
        let labels = Labels::affinity(pid.0 as u64);
        cx.send(threads, labels, ThreadReady::new(thread, threads)).map_err(|_| Errno::EAGAIN)?;
        Ok(pid.0 as u64)
    }
}

fn errno_of(error: LoadError) -> Errno {
    match error {
        LoadError::Format | LoadError::Segment => Errno::ENOEXEC,
        LoadError::Interpreter => Errno::ENOENT,
        LoadError::Arguments => Errno::E2BIG,
        LoadError::NoMemory => Errno::ENOMEM,
    }
}
