//! execve: another program takes the process's place.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_units::ActivityId;

use super::begin::base_name;
use super::resource::{Cx, Extra, Next, ProcessCall, ProcessRequest, Processes, reply};
use super::waiting::For;
use crate::files::{FileRequest, Image};
use crate::memory::{LoadError, Program, load};
use crate::{Answer, Mail};

/// Interpreters of interpreters, at most.
const DEPTH: u32 = 4;

struct HasImage;

impl Continuation<Mail, Processes> for HasImage {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Call(call) = request else { return Outcome::Done };
        match cx.reply::<Answer>() {
            Ok(Some(Answer::Image(Ok(image)))) => processes.take_place(call, *image, cx),
            Ok(Some(Answer::Image(Err(error)))) => reply(Err(error)),
            _ => reply(Err(Errno::EIO)),
        }
    }
}

/// A path, and an argument.
type Interpreter = (Vec<u8>, Option<Vec<u8>>);

/// The interpreter that a script names in its first line, and that line's argument.
fn interpreter(image: &Image) -> Option<Result<Interpreter, Errno>> {
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
            for thread in process.threads.lock().iter() {
                let other = thread.tid != call.thread.tid;
                thread.doomed.store(other, Ordering::Release);
            }
            if let Some(ports) = self.system.ports.get() {
                let _ = cx.send(
                    ports.process,
                    Labels::NONE,
                    ProcessRequest::Interrupt(process.clone(), 0),
                );
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
        let request =
            FileRequest::Image(call.thread.process.files, Some(call.thread.process.clone()), path);
        match cx.request(ports.files, Labels::NONE, request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<HasImage>()),
            Err(_) => reply(Err(Errno::EAGAIN)),
        }
    }

    /// Loads a program with a key for its own random numbers.
    pub(super) fn load(
        &mut self,
        image: Image,
        path: &[u8],
        arguments: &[Vec<u8>],
        environment: &[Vec<u8>],
        owner: ActivityId,
    ) -> Result<Program, Errno> {
        let mut random = [0; 16];
        self.system.random.lock().fill(&mut random);
        let image = Arc::new(image);
        load(image, path, arguments, environment, random, owner).map_err(|error| match error {
            LoadError::Format | LoadError::Segment => Errno::ENOEXEC,
            LoadError::Interpreter => Errno::ENOENT,
            LoadError::Arguments => Errno::E2BIG,
            LoadError::NoMemory => Errno::ENOMEM,
        })
    }

    fn take_place(&mut self, call: &mut ProcessCall, image: Image, cx: &mut Cx<'_>) -> Next {
        match interpreter(&image) {
            None => {}
            Some(Err(error)) => return reply(Err(error)),
            Some(Ok((name, argument))) => {
                let Extra::Strings(arguments, _, depth) = &mut call.extra else {
                    return reply(Err(Errno::EINVAL));
                };
                *depth += 1;
                if *depth > DEPTH {
                    return reply(Err(Errno::ELOOP));
                }
                let mut all = Vec::new();
                all.push(name.clone());
                all.extend(argument);
                all.push(image.path);
                all.extend(arguments.drain(..).skip(1));
                *arguments = all;
                return self.ask_image(call, name, cx);
            }
        }
        let Extra::Strings(arguments, environment, _) =
            core::mem::replace(&mut call.extra, Extra::None)
        else {
            return reply(Err(Errno::EINVAL));
        };
        let (path, found) = (image.path.clone(), image.found.clone());
        let owner = call.thread.process.activity;
        let program = match self.load(image, &path, &arguments, &environment, owner) {
            Ok(program) => program,
            Err(error) => return reply(Err(error)),
        };
        let process = &call.thread.process;
        *process.program.lock() = (base_name(&path), found);
        process.actions.lock().after_exec();
        let old = {
            program.space.users.fetch_add(1, Ordering::AcqRel);
            core::mem::replace(&mut *process.space.lock(), program.space.clone())
        };
        self.leave_memory(&old, process.pid, cx);
        if let Some(ports) = self.system.ports.get() {
            let _ = cx.send(ports.files, Labels::NONE, FileRequest::Exec(process.files));
        }
        Outcome::Reply(Answer::Program(Ok(Box::new(program))))
    }
}
