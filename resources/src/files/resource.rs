//! The file resource: owns the root file system and every process's descriptors.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi as abi;
use vortex_abi::Errno;
use vortex_files::{
    At as PathAt, Caller, Effects, Fd, NoProc, Object, OpenId, Opened, Owner, Place, ProcSource,
    Root, Table, Time, USUAL_LIMIT, WaitKey,
};
use vortex_grid::{At, Context, Labels, Outcome, Port, Resource};
use vortex_units::{Bytes, Cycles};

use super::image::Image;
use super::images::Images;
use super::locks::LockWait;
use super::proc::ProcView;
use super::terminal::Terminal;
use super::waits::{Over, Waits};
use crate::memory::{Backing, Mapping, Shared};
use crate::process::signals::Signal;
use crate::process::{INFINITY, Limited, Operands, Pid, Process, ProcessRequest, ThreadState};
use crate::{Answer, Mail, System};

/// Names the descriptors and the place of one process, or of several that share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilesId(pub u64);

/// A system call, as the stub prepares it.
pub struct FileCall {
    /// Which.
    pub call: abi::Files,
    /// What it works on.
    pub operands: Operands,
    /// Whose it is.
    pub thread: Arc<ThreadState>,
    /// Whose descriptors.
    pub files: FilesId,
    /// Until when it waits, if it was made before.
    pub deadline: Option<Cycles>,
    /// Whether that time is over.
    pub expired: bool,
    /// Bytes already written.
    pub(super) done: usize,
    /// What it has opened, and waits for the other end of.
    pub(super) opening: Option<OpenId>,
}

impl FileCall {
    /// A call made for the first time, or again.
    #[must_use]
    pub fn new(
        call: abi::Files,
        operands: Operands,
        thread: Arc<ThreadState>,
        files: FilesId,
    ) -> Self {
        Self {
            call,
            operands,
            thread,
            files,
            deadline: None,
            expired: false,
            done: 0,
            opening: None,
        }
    }
}

impl FileCall {
    /// The call itself, where it has opened what others see. Its path is not wanted again.
    fn go_on_here(&mut self) -> Option<Box<Self>> {
        let opening = Some(self.opening.take()?);
        let operands = Operands::default();
        let whole = Self::new(self.call, operands, self.thread.clone(), self.files);
        Some(Box::new(Self { opening, ..whole }))
    }
}

/// To the file resource.
pub enum FileRequest {
    /// A system call.
    Call(Box<FileCall>),
    /// New descriptors, the console as the first three.
    New,
    /// A copy for a child, or one more user of the same.
    Fork {
        /// Of which.
        from: FilesId,
        /// Descriptors are shared (`CLONE_FILES`).
        share: bool,
    },
    /// A user of these descriptors has ended.
    Drop(FilesId),
    /// A program takes another's place: what is to be closed then is.
    Exec(FilesId),
    /// A file to be run, by this process.
    Image(FilesId, Option<Arc<Process>>, Vec<u8>),
    /// A file to be mapped.
    Map {
        /// By whose descriptors.
        files: FilesId,
        /// Which.
        fd: abi::Fd,
        /// As one memory of all who map it so.
        shared: bool,
        /// What is written is to reach the file.
        write: bool,
    },
    /// A signal ends this thread's wait.
    Cancel(Pid),
    /// A wait's time is over.
    Timeout(Pid, u64),
    /// Something was typed at the console.
    Input,
    /// Contents of files that were removed are still to be freed.
    Reap,
    /// Frames of files that nobody has mapped are wanted back (§3.2).
    GiveBack,
}

impl FileRequest {
    pub(crate) fn size(&self) -> Bytes {
        match self {
            Self::Call(call) => Bytes::new(call.operands.bytes() as u64),
            _ => Bytes::ZERO,
        }
    }
}

/// Descriptors and place.
pub(super) struct Files {
    pub table: Table,
    pub place: Place,
    users: u32,
}

/// The resource. It is at home on one core.
pub struct FileSystem {
    pub(super) root: Root,
    pub(super) files: BTreeMap<FilesId, Files>,
    pub(super) waits: Waits,
    pub(super) effects: Effects,
    pub(super) terminal: Terminal,
    /// Who waits for whose lock.
    pub(super) lock_waits: BTreeMap<Pid, LockWait>,
    pub(super) system: Arc<System>,
    /// The memory of files that are mapped to be shared, by their inodes' numbers.
    shared: BTreeMap<u64, Weak<Shared>>,
    /// Files that were run or mapped.
    images: Images,
    own: Option<Port<FileSystem>>,
    last: u64,
}

/// How a call ended, or that it waits.
pub(super) enum Done {
    /// It returns this.
    Value(u64),
    /// It waits for one of these, at most until then.
    Wait(Vec<WaitKey>, Option<Cycles>),
    /// A piece of it is done: it goes on.
    More,
}

type Next = Outcome<Mail, FileSystem>;
type Cx<'a> = Context<'a, Mail>;

impl Resource<Mail> for FileSystem {
    type Request = FileRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 2;

    fn handle(&mut self, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let next = match request {
            FileRequest::Call(call) => self.call(call, cx),
            FileRequest::New => Outcome::Reply(Answer::Files(self.fresh(cx))),
            FileRequest::Fork { from, share } => {
                Outcome::Reply(Answer::Files(self.fork(*from, *share)))
            }
            FileRequest::Drop(files) => {
                self.release(*files);
                self.system.open.store(self.root.counted_in_all(), Ordering::Relaxed);
                Outcome::Done
            }
            FileRequest::Exec(files) => {
                if let Some(files) = self.files.get_mut(files) {
                    files.table.sweep(&mut self.root, &mut self.effects);
                }
                Outcome::Done
            }
            FileRequest::Image(files, process, path) => {
                let image = self.image(*files, process.as_deref(), path, cx);
                Outcome::Reply(Answer::Image(image.map(Box::new)))
            }
            FileRequest::Map { files, fd, shared, write } => {
                Outcome::Reply(Answer::Mapped(self.mapping(*files, *fd, *shared, *write, cx)))
            }
            FileRequest::Cancel(tid) => {
                self.cancel(*tid, cx);
                Outcome::Done
            }
            FileRequest::Timeout(tid, number) => {
                self.waits.expire(*tid, *number, cx);
                Outcome::Done
            }
            FileRequest::Input => {
                if self.input(cx) {
                    Outcome::Continue(At::beginning())
                } else {
                    Outcome::Done
                }
            }
            FileRequest::GiveBack => {
                // A file in each run: it may have many pages.
                if self.images.give_back() {
                    Outcome::Continue(At::beginning())
                } else {
                    Outcome::Reply(Answer::Call(Ok(0)))
                }
            }
            FileRequest::Reap => {
                if self.root.reap(64) {
                    Outcome::Continue(At::beginning())
                } else {
                    Outcome::Done
                }
            }
        };
        self.wake_all(cx);
        next
    }
}

impl FileSystem {
    /// The resource around this tree.
    #[must_use]
    pub fn new(root: Root, system: Arc<System>) -> Self {
        Self {
            root,
            files: BTreeMap::new(),
            waits: Waits::default(),
            effects: Effects::new(),
            terminal: Terminal::default(),
            lock_waits: BTreeMap::new(),
            system,
            shared: BTreeMap::new(),
            images: Images::default(),
            own: None,
            last: 0,
        }
    }

    fn own(&mut self) -> Option<Port<FileSystem>> {
        if self.own.is_none() {
            self.own = self.system.ports.get().map(|ports| ports.files);
        }
        self.own
    }

    pub(super) fn time(&self, now: Cycles) -> Time {
        let nanos = self.system.clock.epoch.get() + self.system.clock.since_start(now).get();
        Time::new((nanos / 1_000_000_000) as i64, (nanos % 1_000_000_000) as u32)
    }

    /// Runs an operation with the caller that it needs.
    pub(super) fn with<T>(
        &mut self,
        call: &FileCall,
        cx: &Cx<'_>,
        operation: impl FnOnce(&mut Root, &Caller<'_>, &mut Effects) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let asks = Some((&*call.thread.process, call.thread.tid));
        self.with_files(call.files, asks, cx, operation)
    }

    /// The same for these descriptors; `/proc` is empty without a process.
    fn with_files<T>(
        &mut self,
        files: FilesId,
        asks: Option<(&Process, Pid)>,
        cx: &Cx<'_>,
        operation: impl FnOnce(&mut Root, &Caller<'_>, &mut Effects) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let now = self.time(cx.now());
        let files = self.files.get(&files).ok_or(Errno::EBADF)?;
        let process = asks.map(|(process, _)| process);
        let view = asks.map(|(process, tid)| ProcView {
            process,
            tid,
            files: &self.files,
            system: &self.system,
            now: cx.now(),
        });
        let proc: &dyn ProcSource = match &view {
            Some(view) => view,
            None => &NoProc,
        };
        let owner = Owner::new(cx.activity().index() as u64);
        let largest = process.map_or(u64::MAX, |process| process.limits.soft(Limited::FileSize));
        let caller = Caller { table: &files.table, place: &files.place, proc, owner, largest, now };
        operation(&mut self.root, &caller, &mut self.effects)
    }

    fn call(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Next {
        match self.perform(call, cx) {
            Ok(Done::Value(value)) => Outcome::Reply(Answer::Call(Ok(value))),
            Err(error) => Outcome::Reply(Answer::Call(Err(Self::failed(call, error)))),
            Ok(Done::More) => Outcome::Continue(At::beginning()),
            Ok(Done::Wait(keys, deadline)) => self.wait(call, keys, deadline, cx),
        }
    }

    /// A call fails: one that would make a file too large is told so by a signal too.
    fn failed(call: &FileCall, error: Errno) -> Errno {
        let limited = || call.thread.process.limits.soft(Limited::FileSize) != INFINITY;
        if error == Errno::EFBIG && limited() {
            call.thread.raise(Signal::XFSZ);
        }
        error
    }

    /// The descriptors of a call, limited as its process is now.
    pub(super) fn limited(&mut self, call: &FileCall) -> Result<&mut Files, Errno> {
        let files = self.files.get_mut(&call.files).ok_or(Errno::EBADF)?;
        let most = call.thread.process.limits.soft(Limited::Descriptors);
        files.table.set_limit(u32::try_from(most).unwrap_or(u32::MAX));
        Ok(files)
    }

    /// Keeps a call that would block. Whoever sets the thread's flag first and sends the
    /// cancellation then is seen either here or by the cancellation.
    fn wait(
        &mut self,
        call: &mut FileCall,
        keys: Vec<WaitKey>,
        deadline: Option<Cycles>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let tid = call.thread.tid;
        if call.thread.interrupted.load(Ordering::Acquire) {
            self.lock_waits.remove(&tid);
            return Outcome::Reply(self.interrupted(call, deadline));
        }
        let Some(kept) = cx.keep() else {
            self.lock_waits.remove(&tid);
            return Outcome::Reply(Answer::Call(Err(Errno::ENOMEM)));
        };
        let begun = (call.go_on_here(), call.done);
        let number = self.waits.add(tid, kept, keys, deadline, begun);
        if let (Some(deadline), Some(own)) = (deadline, self.own()) {
            let left = self.system.clock.until(deadline, cx.now());
            let request = FileRequest::Timeout(tid, number);
            if cx.after(left, own, Labels::NONE, request).is_err() {
                self.cancel(tid, cx);
            }
        }
        Outcome::Kept
    }

    /// What a call whose wait is ended by a signal answers.
    fn interrupted(&mut self, call: &FileCall, deadline: Option<Cycles>) -> Answer {
        if let Some(open) = call.opening {
            self.root.close(open, &mut self.effects);
        }
        match call.done {
            0 => Answer::Interrupted(deadline),
            done => Answer::Call(Ok(done as u64)),
        }
    }

    /// Ends a thread's wait for a signal's sake.
    fn cancel(&mut self, tid: Pid, cx: &mut Cx<'_>) {
        let Some(over) = self.end_wait(tid) else { return };
        let answer = match (over.begun, over.done) {
            (Some(call), _) => self.interrupted(&call, over.deadline),
            (None, 0) => Answer::Interrupted(over.deadline),
            (None, done) => Answer::Call(Ok(done as u64)),
        };
        let _ = cx.answer(over.kept, Some(answer));
    }

    /// Takes away what is known of a thread's wait, if it has one: it is to be answered.
    fn end_wait(&mut self, tid: Pid) -> Option<Over> {
        self.lock_waits.remove(&tid);
        self.waits.remove(tid)
    }

    /// Wakes all for whom something has changed, and those for whom these change something.
    fn wake_all(&mut self, cx: &mut Cx<'_>) {
        loop {
            let wakes = self.effects.wakes().to_vec();
            self.effects.clear();
            if wakes.is_empty() {
                return;
            }
            for key in wakes {
                self.wake(key, cx);
            }
        }
    }

    /// Lets all who wait for this try again.
    fn wake(&mut self, key: WaitKey, cx: &mut Cx<'_>) {
        for tid in self.waits.waiting(key) {
            let Some(over) = self.end_wait(tid) else { continue };
            let Some(mut call) = over.begun else {
                let answer = match over.done {
                    0 => Answer::Again(over.deadline, false),
                    done => Answer::GoOn(done as u64),
                };
                let _ = cx.answer(over.kept, Some(answer));
                continue;
            };
            let done = loop {
                match self.perform(&mut call, cx) {
                    Ok(Done::More) => {}
                    done => break done,
                }
            };
            let result = match done {
                Ok(Done::Wait(keys, deadline)) => {
                    self.waits.add(tid, over.kept, keys, deadline, (Some(call), 0));
                    continue;
                }
                Ok(Done::Value(value)) => Ok(value),
                Ok(Done::More) => Ok(call.done as u64),
                Err(error) => Err(error),
            };
            let _ = cx.answer(over.kept, Some(Answer::Call(result)));
        }
    }

    /// Takes what the console's device has; true if there may be more.
    fn input(&mut self, cx: &mut Cx<'_>) -> bool {
        let mut bytes = [0; 64];
        let count = vortex_machine::console_read(&mut bytes);
        let interrupt = self.terminal.typed(bytes.get(..count).unwrap_or_default());
        if interrupt && let Some(ports) = self.system.ports.get() {
            let request = ProcessRequest::Key(self.terminal.foreground, Signal::INT);
            let _ = cx.send(ports.process, Labels::NONE, request);
        }
        if self.terminal.is_readable() {
            self.wake(super::streams::CONSOLE, cx);
        }
        count == bytes.len()
    }

    fn fresh(&mut self, cx: &Cx<'_>) -> Result<FilesId, Errno> {
        let now = self.time(cx.now());
        let owner = Owner::new(cx.activity().index() as u64);
        let mut files =
            Files { table: Table::new(USUAL_LIMIT), place: self.root.place(), users: 1 };
        let caller = Caller {
            table: &files.table,
            place: &files.place,
            proc: &vortex_files::NoProc,
            owner,
            largest: u64::MAX,
            now,
        };
        let at = PathAt::cwd(b"/dev/console");
        const READ_WRITE: u32 = 2;
        let Opened::Ready(open) = self.root.open(&caller, at, READ_WRITE, 0, &mut self.effects)?
        else {
            return Err(Errno::EIO);
        };
        let first = files.table.install(open, false)?;
        for _ in 1..3 {
            let _: Fd = files.table.duplicate(&mut self.root, first, Fd::new(0), false)?;
        }
        Ok(self.take_in(files))
    }

    fn take_in(&mut self, mut files: Files) -> FilesId {
        self.last += 1;
        files.table.set_owner(self.last);
        let id = FilesId(self.last);
        self.files.insert(id, files);
        id
    }

    fn fork(&mut self, from: FilesId, share: bool) -> Result<FilesId, Errno> {
        let files = self.files.get_mut(&from).ok_or(Errno::EBADF)?;
        if share {
            files.users += 1;
            return Ok(from);
        }
        let table = files.table.fork(&mut self.root)?;
        let place = self.root.fork_place(&files.place);
        Ok(self.take_in(Files { table, place, users: 1 }))
    }

    fn release(&mut self, id: FilesId) {
        let Some(files) = self.files.get_mut(&id) else { return };
        files.users = files.users.saturating_sub(1);
        if files.users > 0 {
            return;
        }
        if let Some(mut files) = self.files.remove(&id) {
            files.table.close_all(&mut self.root, &mut self.effects);
            self.root.drop_place(files.place, &mut self.effects);
            self.forget_lock_waits(id.0);
        }
    }

    /// The pages of a file that is to be run.
    fn image(
        &mut self,
        id: FilesId,
        process: Option<&Process>,
        path: &[u8],
        cx: &Cx<'_>,
    ) -> Result<Image, Errno> {
        let mut images = core::mem::take(&mut self.images);
        let asks = process.map(|process| (process, process.pid));
        let image = self.with_files(id, asks, cx, |root, caller, effects| {
            let open = root.open_executable(caller, PathAt::cwd(path), 0)?;
            let image = Self::pages(&mut images, root, caller, open, path);
            let running = root.node(open).and_then(|node| root.run(&node));
            root.close(open, effects);
            Ok(image?.run_as(running?))
        });
        self.images = images;
        image
    }

    /// What a descriptor is for `mmap`: its file as it is now.
    fn mapping(
        &mut self,
        id: FilesId,
        fd: abi::Fd,
        shared: bool,
        write: bool,
        cx: &Cx<'_>,
    ) -> Result<Mapping, Errno> {
        let mut known = core::mem::take(&mut self.shared);
        let mut images = core::mem::take(&mut self.images);
        let mapping = self.with_files(id, None, cx, |root, caller, _| {
            let open = caller.table.get(Fd::new(fd.0))?;
            let object = root.object(open)?;
            let (reads, writes) = root.rights(open)?;
            if object == Object::Other && !reads && !writes {
                return Err(Errno::EBADF);
            }
            if !reads || write && !writes {
                return Err(Errno::EACCES);
            }
            if object != Object::File {
                return Err(Errno::ENODEV);
            }
            if !shared {
                let image = Arc::new(Self::pages(&mut images, root, caller, open, b"")?);
                return Ok(Mapping { backing: Backing::Mapped(image, 0), may_write: true });
            }
            let node = root.node(open)?;
            let number = root.attributes(caller, &node)?.number;
            let memory = match known.get(&number).and_then(Weak::upgrade) {
                Some(memory) => memory,
                None => {
                    let memory =
                        Arc::new(Shared::of(Self::pages(&mut images, root, caller, open, b"")?));
                    root.overlay(&node, memory.clone())?;
                    known.retain(|_, memory| memory.strong_count() > 0);
                    known.insert(number, Arc::downgrade(&memory));
                    memory
                }
            };
            Ok(Mapping { backing: Backing::Shared(memory, 0), may_write: writes })
        });
        self.shared = known;
        self.images = images;
        mapping
    }

    /// An open file as it is now.
    fn pages(
        images: &mut Images,
        root: &Root,
        caller: &Caller<'_>,
        open: OpenId,
        path: &[u8],
    ) -> Result<Image, Errno> {
        let node = root.node(open)?;
        let size = root.attributes(caller, &node)?.size;
        let pages = images.of(root, &node, size)?;
        let found = root.path_of_open(open).unwrap_or_else(|_| path.to_vec());
        Ok(Image::new(path.to_vec(), found, pages))
    }
}
