//! fork, vfork and clone: a thread, or a process that copies or borrows its parent's memory.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_abi::linux::general::{
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_FILES, CLONE_FS, CLONE_NEWNS, CLONE_SETTLS,
    CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK, CLONE_VM,
};
use vortex_abi::{Errno, Process as P};
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_machine::PAGE;

use super::limit_calls;
use super::processes::{Pid, Process, ThreadState};
use super::records::Record;
use super::request::{Child, Extra, ProcessCall, ProcessRequest};
use super::resource::{Cx, Next, Processes, reply};
use super::rlimits::Limited;
use super::seat::Seat;
use super::signals::Stack;
use super::thread::Thread;
use super::waiting::For;
use crate::files::{FileRequest, FilesId};
use crate::memory::{AddressSpace, MemoryRequest, Patience};
use crate::{Answer, Mail};

/// What is asked of a clone.
#[derive(Clone, Copy, Default)]
struct Wanted {
    flags: u64,
    stack: u64,
    parent_tid: bool,
    child_tid: u64,
    tls: u64,
}

impl Wanted {
    fn of(call: &ProcessCall) -> Self {
        match call.call {
            P::Vfork => Self { flags: u64::from(CLONE_VM | CLONE_VFORK), ..Self::default() },
            P::Clone { flags, stack, child_tid, tls, .. } => {
                Self { flags, stack, child_tid, tls, parent_tid: call.operands.buffer(0).is_ok() }
            }
            _ => Self::default(),
        }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & u64::from(flag) != 0
    }
}

struct HasSpace;

impl Continuation<Mail, Processes> for HasSpace {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Call(call) = request else { return Outcome::Done };
        match cx.reply::<Answer>() {
            Ok(Some(Answer::Space(Ok(space)))) => {
                // From here on the call's space is the child's.
                call.space = space;
                processes.copy_files(call, cx)
            }
            Ok(Some(Answer::Space(Err(error)))) => reply(Err(error)),
            _ => reply(Err(Errno::EAGAIN)),
        }
    }
}

struct HasFiles;

impl Continuation<Mail, Processes> for HasFiles {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Call(call) = request else { return Outcome::Done };
        match cx.reply::<Answer>() {
            Ok(Some(Answer::Files(Ok(files)))) => match processes.new_child(call, files, cx) {
                Ok(next) => next,
                Err(error) => processes.not_made(call, Some(files), error, cx),
            },
            Ok(Some(Answer::Files(Err(error)))) => processes.not_made(call, None, error, cx),
            _ => processes.not_made(call, None, Errno::EAGAIN, cx),
        }
    }
}

impl Processes {
    pub(super) fn clone(&mut self, call: &mut ProcessCall, cx: &mut Cx<'_>) -> Next {
        let wanted = Wanted::of(call);
        let alone = wanted.has(CLONE_THREAD) && !wanted.has(CLONE_SIGHAND)
            || wanted.has(CLONE_SIGHAND) && !wanted.has(CLONE_VM)
            || wanted.has(CLONE_FS) && wanted.has(CLONE_NEWNS);
        if alone {
            return reply(Err(Errno::EINVAL));
        }
        let own = call.thread.process.limits.soft(Limited::Processes);
        if !self.may_grow(call.thread.process.activity, own, !wanted.has(CLONE_THREAD)) {
            return reply(Err(Errno::EAGAIN));
        }
        let is_process = !wanted.has(CLONE_THREAD);
        if !Self::has_memory_for(call.thread.process.activity, is_process) {
            return reply(Err(Errno::ENOMEM));
        }
        if wanted.has(CLONE_THREAD) {
            let made = self.new_thread(call, &wanted, cx);
            return reply(made);
        }
        if wanted.has(CLONE_VM) {
            return self.copy_files(call, cx);
        }
        let Some(ports) = self.system.ports.get() else { return reply(Err(Errno::EAGAIN)) };
        let from = call.space.clone();
        let labels = Labels::flow(from.number);
        let hot = match &call.extra {
            Extra::Child(child) => child.context.registers().rsp & !(PAGE as u64 - 1),
            _ => 0,
        };
        let waited = Patience::default();
        let copy = MemoryRequest::Copy { from, to: None, regions: Some(0), at: 0, hot, waited };
        match cx.request(ports.memory, labels, copy) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<HasSpace>()),
            Err(_) => reply(Err(Errno::EAGAIN)),
        }
    }

    fn copy_files(&mut self, call: &ProcessCall, cx: &mut Cx<'_>) -> Next {
        let Some(ports) = self.system.ports.get() else { return reply(Err(Errno::EAGAIN)) };
        let share = Wanted::of(call).has(CLONE_FILES);
        let request = FileRequest::Fork { from: call.thread.process.files, share, copy: None };
        match cx.request(ports.files, Labels::NONE, request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<HasFiles>()),
            Err(_) => self.not_made(call, None, Errno::EAGAIN, cx),
        }
    }

    /// A child cannot be made: its memory and its descriptors, as far as there are any, are
    /// given back.
    fn not_made(
        &mut self,
        call: &ProcessCall,
        files: Option<FilesId>,
        error: Errno,
        cx: &mut Cx<'_>,
    ) -> Next {
        if let (Some(files), Some(ports)) = (files, self.system.ports.get()) {
            let _ = cx.send(ports.files, Labels::NONE, FileRequest::Drop(files));
        }
        // A copy has had no user yet; memory that was to be shared has others.
        call.space.users.fetch_add(1, Ordering::AcqRel);
        self.leave_memory(&call.space, Pid(0), cx);
        reply(Err(error))
    }

    /// What the child gets: as its parent's, but for what the call says.
    fn inherited(call: &mut ProcessCall, wanted: &Wanted) -> Result<Child, Errno> {
        let Extra::Child(mut child) = core::mem::replace(&mut call.extra, Extra::None) else {
            return Err(Errno::EINVAL);
        };
        let mut registers = *child.context.registers();
        registers.rax = 0;
        if wanted.stack != 0 {
            registers.rsp = wanted.stack;
        }
        child.context.set_registers(registers);
        if wanted.has(CLONE_SETTLS) && !child.context.set_fs_base(wanted.tls) {
            return Err(Errno::EPERM);
        }
        if wanted.has(CLONE_VM) && !wanted.has(CLONE_VFORK) {
            child.stack = Stack::default();
        }
        Ok(*child)
    }

    /// A thread with what it has inherited.
    fn thread_of(state: Arc<ThreadState>, seat: Arc<Seat>, child: Child) -> Box<Thread> {
        let mut thread = Thread::new(state, seat, child.context);
        thread.block(child.blocked);
        thread.stack = child.stack;
        thread
    }

    fn dress(thread: &mut Thread, call: &ProcessCall, wanted: &Wanted, tid: Pid) {
        if wanted.has(CLONE_CHILD_CLEARTID) {
            thread.clear_tid = wanted.child_tid;
        }
        if wanted.has(CLONE_CHILD_SETTID) {
            thread.set_tid = wanted.child_tid;
        }
        if wanted.parent_tid {
            let _ = call.operands.give(0, &tid.0.to_le_bytes());
        }
    }

    fn new_thread(
        &mut self,
        call: &mut ProcessCall,
        wanted: &Wanted,
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        let process = call.thread.process.clone();
        if process.is_ending() {
            return Err(Errno::EAGAIN);
        }
        // It is bound as its maker is.
        let seat = self.seat_beside(&call.thread)?;
        let child = Self::inherited(call, wanted)?;
        let tid = self.number();
        let state = ThreadState::new(tid, process.clone(), seat.clone());
        let activity = seat.activity;
        let mut thread = Self::thread_of(state, seat, child);
        Self::dress(&mut thread, call, wanted, tid);
        if let Err(error) = self.ready(thread, cx) {
            process.threads.lock().remove(tid);
            process.all_threads.fetch_sub(1, Ordering::AcqRel);
            process.count.fetch_sub(1, Ordering::AcqRel);
            return Err(error);
        }
        self.count_bound(&process, activity, true);
        Ok(tid.0 as u64)
    }

    fn new_child(
        &mut self,
        call: &mut ProcessCall,
        files: FilesId,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Errno> {
        let wanted = Wanted::of(call);
        let parent = call.thread.process.clone();
        let child = Self::inherited(call, &wanted)?;
        // It is begun where the thread is bound that makes it.
        let base = call.thread.seat.lock().as_ref().map_or(parent.base, |seat| seat.activity);
        if !self.takes_process(base) {
            return Err(Errno::EAGAIN);
        }
        let own = self.thread_resource(base, cx)?;
        let pid = self.number();
        let space: Arc<AddressSpace> = call.space.clone();
        let group = parent.group.load(Ordering::Relaxed);
        let process = self.new_process(
            (pid, Seat::new(base, own)),
            (parent.pid, group),
            parent.activity,
            space,
            files,
            parent.name(),
        );
        let process = Process { began: cx.now(), ..process.inheriting(&parent) };
        let process = Arc::new(process);
        limit_calls::watch(&process, &self.system);
        let seat = self.seat_in(&process, base, own).unwrap_or_else(|_| process.seat.clone());
        let state = ThreadState::new(pid, process.clone(), seat.clone());
        let mut thread = Self::thread_of(state, seat, child);
        Self::dress(&mut thread, call, &wanted, pid);
        let vfork = wanted.has(CLONE_VFORK);
        let borrowed_from = vfork.then_some(call.thread.tid);
        self.records.insert(pid, Record::new(process.clone(), parent.pid, borrowed_from));
        self.system.registry.add(process.clone());
        self.system.processes.fetch_add(1, Ordering::AcqRel);
        self.count_process(base, true);
        if let Err(error) = self.ready(thread, cx) {
            self.records.remove(pid);
            process.all_threads.fetch_sub(1, Ordering::AcqRel);
            self.system.registry.remove(pid);
            self.system.processes.fetch_sub(1, Ordering::AcqRel);
            call.space.users.fetch_sub(1, Ordering::AcqRel);
            cx.remove(own);
            self.count_process(base, false);
            return Err(error);
        }
        // A vfork's parent goes on when the child has left its memory.
        Ok(match vfork {
            true => self.wait(call, For::default(), None, cx),
            false => reply(Ok(pid.0 as u64)),
        })
    }
}
