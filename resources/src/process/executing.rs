//! execve: another program takes the process's place.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_machine::Access;
use vortex_units::ActivityId;

use super::begin::base_name;
use super::processes::{Pid, Process};
use super::request::{Extra, Found, ProcessCall, ProcessRequest, Taking};
use super::resource::{Cx, Next, Processes, reply};
use super::rlimits::Rlimits;
use super::waiting::For;
use crate::files::{FileRequest, Image};
use crate::memory::{
    AddressSpace, FaultError, Given, LoadError, Loading, MemoryRequest, Patience, Strings, Words,
    interpreter, load, with_room,
};
use crate::{Answer, Mail};

/// Scripts that are interpreters of scripts, at most.
const DEPTH: u32 = 4;
/// Timers that go in one run.
const TIMERS: usize = 16;

struct HasImage;

impl Continuation<Mail, Processes> for HasImage {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Call(call) = request else { return Outcome::Done };
        match cx.reply::<Answer>() {
            Ok(Some(Answer::Image(Ok(image)))) => processes.found(call, image, cx),
            Ok(Some(Answer::Image(Err(error)))) => reply(Err(error)),
            _ => reply(Err(Errno::EIO)),
        }
    }
}

/// A path, and an argument.
type Script = (Vec<u8>, Option<Vec<u8>>);

/// The interpreter that a script names in its first line, and that line's argument.
fn script(image: &Image) -> Option<Result<Script, Errno>> {
    let mut line = [0; 256];
    let read = image.read(0, &mut line);
    let line = line.get(..read)?.strip_prefix(b"#!")?;
    let end = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
    let line = line.get(..end)?.trim_ascii();
    let split = line.iter().position(|byte| b" \t".contains(byte));
    let (name, argument) = match split {
        Some(at) => (line.get(..at)?, line.get(at..).map(|rest| rest.trim_ascii().to_vec())),
        None => (line, None),
    };
    Some(if name.is_empty() { Err(Errno::ENOEXEC) } else { Ok((name.to_vec(), argument)) })
}

impl Processes {
    pub(super) fn execute(&mut self, call: &ProcessCall, cx: &mut Cx<'_>) -> Next {
        let process = call.thread.process.clone();
        if process.count.load(Ordering::Acquire) > 1 {
            // First the other threads end.
            call.thread.doomed.store(false, Ordering::Release);
            if let Some(ports) = self.system.ports.get() {
                let others =
                    ProcessRequest::Interrupt(process.clone(), Pid(0), Some(call.thread.tid));
                let _ = cx.send(ports.process, Labels::NONE, others);
            }
            call.thread.interrupted.store(false, Ordering::SeqCst);
            let alone = For { alone_in: Some(process.pid), ..For::default() };
            return self.wait(call, alone, None, cx);
        }
        match call.operands.string(0) {
            Ok(path) => self.ask_image(call, path.to_vec(), cx),
            Err(error) => reply(Err(error)),
        }
    }

    fn ask_image(&mut self, call: &ProcessCall, path: Vec<u8>, cx: &mut Cx<'_>) -> Next {
        let Some(ports) = self.system.ports.get() else { return reply(Err(Errno::EAGAIN)) };
        let process = call.thread.process.clone();
        let files = process.files;
        let request = FileRequest::Image {
            files,
            process: Some(process),
            path,
            walks: Box::default(),
            open: None,
        };
        match cx.request(ports.files, Labels::NONE, request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<HasImage>()),
            Err(_) => reply(Err(Errno::EAGAIN)),
        }
    }

    /// Loads a program with a key for its own random numbers; its stack is only begun.
    pub(super) fn load(
        &mut self,
        (image, interpreter): (&Arc<Image>, Option<&Arc<Image>>),
        words: &mut Words,
        owner: ActivityId,
        process: Option<&Process>,
    ) -> Result<Loading, LoadError> {
        let own = Rlimits::default();
        let limits = process.map_or(&own, |process| &process.limits);
        let fixed = !self.system.randomize || process.is_some_and(Process::is_fixed);
        // Not held over the loading: other cores want random bytes too.
        let random = &self.system.random;
        let mut key = [0; 16];
        random.lock().fill(&mut key);
        let mut word = || random.lock().word();
        let places = if fixed { None } else { Some(&mut word as &mut dyn FnMut() -> u64) };
        load(image, interpreter, &image.path, Given { words, key, places, limits, owner })
    }

    /// A file is there: a script, a program, or the interpreter that one wants.
    fn found(&mut self, call: &mut ProcessCall, image: Box<Image>, cx: &mut Cx<'_>) -> Next {
        let Extra::Exec(exec) = &mut call.extra else { return reply(Err(Errno::EINVAL)) };
        if let Some(program) = exec.program.take() {
            return self.take_place(call, *program, Some(*image), cx);
        }
        match script(&image) {
            None => {}
            Some(Err(error)) => return reply(Err(error)),
            Some(Ok((name, argument))) => {
                exec.depth += 1;
                if exec.depth > DEPTH {
                    return reply(Err(Errno::ELOOP));
                }
                let mut before = Vec::new();
                before.push(name.clone());
                before.extend(argument);
                before.push(image.path);
                before.extend(exec.before.drain(..).skip(1));
                exec.before = before;
                return self.ask_image(call, name, cx);
            }
        }
        match interpreter(&image) {
            Err(error) => reply(Err(errno(error))),
            Ok(None) => self.take_place(call, *image, None, cx),
            Ok(Some(path)) => {
                exec.program = Some(image);
                self.ask_image(call, path, cx)
            }
        }
    }

    /// All files of the program are there.
    fn take_place(
        &mut self,
        call: &mut ProcessCall,
        mut image: Image,
        interpreter: Option<Image>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let Extra::Exec(exec) = &mut call.extra else { return reply(Err(Errno::EINVAL)) };
        let name = (base_name(&image.path), image.found.clone());
        // The process has it, not its pages: they go when there is time for it.
        let running = image.running.take();
        let before = core::mem::take(&mut exec.before);
        if !before.is_empty() {
            match Strings::of(before.iter().map(Vec::as_slice)) {
                Ok(before) => exec.words.before = Some(before),
                Err(_) => return reply(Err(Errno::ENOMEM)),
            }
        }
        let (image, interpreter) = (Arc::new(image), interpreter.map(Arc::new));
        exec.found = Some(Found { image, interpreter, name, running });
        self.load_found(call, cx)
    }

    /// The program is loaded, or waits for memory; its stack is written in further runs.
    fn load_found(&mut self, call: &mut ProcessCall, cx: &mut Cx<'_>) -> Next {
        let process = &call.thread.process;
        let Extra::Exec(exec) = &mut call.extra else { return reply(Err(Errno::EINVAL)) };
        let Some(found) = &exec.found else { return reply(Err(Errno::EINVAL)) };
        let files = (&found.image, found.interpreter.as_ref());
        match self.load(files, &mut exec.words, process.activity, Some(process)) {
            Ok(loading) => {
                let Some(Found { name, running, .. }) = exec.found.take() else {
                    return reply(Err(Errno::EINVAL));
                };
                let waited = Patience::default();
                let taking = Taking { loading, program: None, name, running, waited };
                call.extra = Extra::Load(Box::new(taking));
                Outcome::Continue(At::routine::<Filled>())
            }
            Err(error) => {
                // A page that left while its program was laid out: it had too little room too.
                let short = matches!(error, LoadError::NoMemory | LoadError::Away(_));
                match short.then(|| exec.waited.wait(&self.system, process.activity, cx)) {
                    Some(Some(room)) => Outcome::Pending(room, At::routine::<HasRoom>()),
                    _ => reply(Err(errno(error))),
                }
            }
        }
    }

    /// More of the stack is written; when all is, the program takes the process's place.
    fn fill(&mut self, call: &mut ProcessCall, cx: &mut Cx<'_>) -> Next {
        let Extra::Load(taking) = &mut call.extra else { return reply(Err(Errno::EINVAL)) };
        let program = match taking.loading.go_on() {
            Ok(None) => {
                taking.waited.renew();
                return Outcome::Continue(At::routine::<Filled>());
            }
            Ok(Some(program)) => program,
            Err(LoadError::Away(page)) => return self.bring(call, page, cx),
            Err(error) => {
                let owner = call.thread.process.activity;
                if let Some(room) = taking.waited.wait(&self.system, owner, cx) {
                    return Outcome::Pending(room, At::routine::<HasRoom>());
                }
                return self.not_filled(call, errno(error), cx);
            }
        };
        let process = &call.thread.process;
        if let Err(error) = self.bill_mappings(&program.space, process.activity) {
            self.give_back(&program.space, cx);
            return reply(Err(error));
        }
        // From here on it is the process's program; but first what it is not to have is closed.
        let swept = self.system.ports.get().and_then(|ports| {
            cx.request(ports.files, Labels::NONE, FileRequest::Exec(process.files, 0)).ok()
        });
        taking.program = Some(program);
        match swept {
            Some(trigger) => Outcome::Pending(trigger, At::routine::<Swept>()),
            None => self.begin_program(call, cx),
        }
    }

    /// A page of the new program has left, and is to be written to: ASR brings it.
    fn bring(&mut self, call: &mut ProcessCall, address: u64, cx: &mut Cx<'_>) -> Next {
        let Extra::Load(taking) = &mut call.extra else { return reply(Err(Errno::EINVAL)) };
        let space = taking.loading.space().clone();
        let labels = Labels::flow(space.number);
        let asked = self.system.ports.get().map(|ports| {
            let fault = MemoryRequest::fault(space, address, Access::Write);
            cx.request(ports.memory, labels, fault)
        });
        match asked {
            Some(Ok(trigger)) => Outcome::Pending(trigger, At::routine::<Brought>()),
            _ => self.not_filled(call, Errno::ENOMEM, cx),
        }
    }

    /// The program does not begin.
    fn not_filled(&mut self, call: &mut ProcessCall, error: Errno, cx: &mut Cx<'_>) -> Next {
        if let Extra::Load(taking) = &call.extra {
            let space = taking.loading.space().clone();
            self.give_back(&space, cx);
        }
        reply(Err(error))
    }

    /// The program takes the process's place.
    fn begin_program(&mut self, call: &mut ProcessCall, cx: &mut Cx<'_>) -> Next {
        if self.timers.drop_some(call.thread.process.pid, TIMERS) {
            return Outcome::Continue(At::routine::<Swept>());
        }
        let Extra::Load(taking) = core::mem::replace(&mut call.extra, Extra::None) else {
            return reply(Err(Errno::EINVAL));
        };
        let Taking { program, name, running, .. } = *taking;
        let Some(program) = program else { return reply(Err(Errno::EINVAL)) };
        let process = call.thread.process.clone();
        *process.program.lock() = name;
        *process.running.lock() = running;
        process.actions.lock().after_exec();
        self.close_subactivities(process.pid, cx);
        let old = {
            program.space.users.fetch_add(1, Ordering::AcqRel);
            let before = core::mem::replace(&mut *process.space.lock(), program.space.clone());
            program.space.faults.go_on(&before.faults);
            before
        };
        self.end_operations(&process, &old, cx);
        self.leave_memory(&old, process.pid, cx);
        Outcome::Reply(Answer::Program(Ok(Box::new(program))))
    }

    /// Memory of a program that does not begin.
    pub(super) fn give_back(&mut self, space: &Arc<AddressSpace>, cx: &mut Cx<'_>) {
        space.users.fetch_add(1, Ordering::AcqRel);
        self.leave_memory(space, Pid(0), cx);
    }
}

/// What the program is not to have is closed.
struct Swept;

impl Continuation<Mail, Processes> for Swept {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Call(call) = request else { return Outcome::Done };
        processes.begin_program(call, cx)
    }
}

/// What was waited for is there, or there is nothing to be had.
struct HasRoom;

impl Continuation<Mail, Processes> for HasRoom {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Call(call) = request else { return Outcome::Done };
        let system = processes.system.clone();
        with_room(&system, cx, |cx| match call.extra {
            Extra::Exec(_) => processes.load_found(call, cx),
            _ => processes.fill(call, cx),
        })
    }
}

/// A page that had left is there again, or cannot be had.
struct Brought;

impl Continuation<Mail, Processes> for Brought {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Call(call) = request else { return Outcome::Done };
        match cx.reply::<Answer>() {
            Ok(Some(Answer::Fault(Ok(())))) => processes.fill(call, cx),
            Ok(Some(Answer::Fault(Err(FaultError::Device)))) => {
                processes.not_filled(call, Errno::EIO, cx)
            }
            _ => processes.not_filled(call, Errno::ENOMEM, cx),
        }
    }
}

/// More of the stack is to be written.
struct Filled;

impl Continuation<Mail, Processes> for Filled {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Call(call) = request else { return Outcome::Done };
        processes.fill(call, cx)
    }
}

/// What execve(2) says of it.
pub(super) fn errno(error: LoadError) -> Errno {
    match error {
        LoadError::Format | LoadError::Segment => Errno::ENOEXEC,
        LoadError::Library => Errno::ELIBBAD,
        LoadError::Arguments => Errno::E2BIG,
        LoadError::NoMemory | LoadError::Away(_) => Errno::ENOMEM,
    }
}
