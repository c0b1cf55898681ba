//! The file resource: owns the root file system and every process's descriptors.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_files::{Caller, Effects, NoProc, ProcSource, Root, Time, WaitKey, Walks};
use vortex_grid::{At, Context, Labels, Outcome, Port, Resource};
use vortex_units::Cycles;

use super::asks::{Asking, Became, Eased, For};
use super::disks::{Asked, DiskWait};
use super::images::Images;
use super::locks::LockWaits;
use super::proc::ProcView;
use super::request::{FileCall, FileRequest, FilesId};
use super::sockets::{NetAsked, Network};
use super::tables::Files;
use super::terminal::Terminal;
use super::waits::Waits;
use crate::bill::owner_of;
use crate::graves::free_some;
use crate::memory::Shared;
use crate::process::signals::Signal;
use crate::process::{INFINITY, Limited, Pid, Process};
use crate::{Answer, Mail, System};

/// The resource. It is at home on one core.
pub struct FileSystem {
    pub(super) root: Root,
    pub(super) files: BTreeMap<FilesId, Files>,
    pub(super) waits: Waits,
    pub(super) effects: Effects,
    pub(super) terminal: Terminal,
    /// What sockets of other families are asked of.
    pub(super) network: Network,
    /// Who waits for whose lock.
    pub(super) lock_waits: LockWaits,
    pub(super) system: Arc<System>,
    /// The memory of files that are mapped to be shared, by their inodes' numbers.
    pub(super) shared: BTreeMap<u64, Weak<Shared>>,
    /// Files that were run or mapped.
    pub(super) images: Images,
    own: Option<Port<FileSystem>>,
    pub(super) last: u64,
    /// A request is on its way that frees what was given up.
    reaping: bool,
    /// For what there are still some to be woken, of those whose waits are not after one.
    pub(super) waking: VecDeque<(WaitKey, u64)>,
    /// What has changed of what sets watch, and from which watch on these are to be told.
    pub(super) spreading: VecDeque<(WaitKey, u64)>,
    /// A request is on its way that wakes them.
    pub(super) wakes: bool,
    /// A request is on its way that forgets what waits were for that are over.
    forgets: bool,
    /// Why no disk's file system can be the root.
    pub(super) no_root: Option<Errno>,
    /// What is mounted is being unmounted, for the machine ends.
    ends: bool,
    /// What a disk's file system is asked, by numbers.
    pub(super) asks: BTreeMap<u64, Box<Asking>>,
    pub(super) ask_number: u64,
    /// Those that are done, and whose calls wait until less is unwritten.
    pub(super) easing: BTreeMap<u64, Eased>,
    /// What became of it, by thread.
    pub(super) answers: BTreeMap<Pid, Became>,
    /// The calls that wait for a disk, by the numbers of what they wait for.
    pub(super) disk_waits: BTreeMap<u64, DiskWait>,
    pub(super) disk_number: u64,
    /// The disks have their names.
    pub(super) attached: bool,
    /// Tables of descriptors that are being copied: nothing is changed in them meanwhile.
    pub(super) frozen: u32,
}

/// Pages of files that are gone, freed in one run.
const REAPED: usize = 32;

/// What is given up at sockets, and let go of in one run.
const BURIED: usize = 16;

/// How a call ended, or that it waits.
pub(super) enum Done {
    /// It returns this.
    Value(u64),
    /// It waits for one of these, at most until then.
    Wait(Vec<WaitKey>, Option<Cycles>),
    /// It waits for what it watches, at most until then.
    Watched(Option<Cycles>),
    /// A piece of it is done: it goes on.
    More,
    /// All of its buffer that was pinned is done: it is made again for the rest.
    Rest(u64),
    /// It waits for the network.
    Network(NetAsked),
    /// It waits for a disk.
    Disk(Asked),
    /// It waits for a disk's file system, and is done then.
    Ask(vortex_files::Ask),
}

pub(super) type Next = Outcome<Mail, FileSystem>;
type Cx<'a> = Context<'a, Mail>;

impl Resource<Mail> for FileSystem {
    type Request = FileRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 7;

    fn handle(&mut self, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let next = match request {
            FileRequest::Call(call) => self.call(call, cx),
            FileRequest::Aio(open) => {
                // Nothing changes in descriptors that are being copied, nor is one shared.
                if self.is_frozen(open.files) {
                    return Outcome::Continue(At::beginning());
                }
                Outcome::Reply(Answer::Opened(self.open_for_aio(open, cx)))
            }
            FileRequest::Disk(asked, number) => {
                let number = *number;
                self.ask_disk(asked, number, cx)
            }
            FileRequest::Ask(number, _) => {
                let number = *number;
                self.ask(number, cx)
            }
            FileRequest::Root(dev, walks) => {
                walks.get_mut().begin();
                let done = self.mount_root(*dev, walks, cx);
                if let Some(next) = self.stopped(walks.get_mut(), For::Root, cx) {
                    return next;
                }
                self.system.root_is_there(done);
                Outcome::Done
            }
            FileRequest::End => {
                // What programs had mapped goes after them.
                if self.root.is_unmapping() || self.root.has_unmapped() {
                    let _more = self.root.let_go_of_mapped();
                    return Outcome::Continue(At::beginning());
                }
                if self.root.end() {
                    self.ends = true;
                    Outcome::Done
                } else {
                    Outcome::Continue(At::beginning())
                }
            }
            FileRequest::New => Outcome::Reply(Answer::Files(self.fresh(cx))),
            FileRequest::Fork { from, share, copy } => {
                match self.fork(*from, *share, copy).transpose() {
                    Some(files) => Outcome::Reply(Answer::Files(files)),
                    None => Outcome::Continue(At::beginning()),
                }
            }
            FileRequest::Drop(files) => match self.release(*files) {
                Some(gone) => {
                    *request = FileRequest::Dispose(Some(Box::new(gone)));
                    Outcome::Continue(At::beginning())
                }
                None => Outcome::Done,
            },
            FileRequest::Dispose(gone) => {
                if self.dispose(gone) {
                    Outcome::Continue(At::beginning())
                } else {
                    self.system.open.store(self.root.counted_in_all(), Ordering::Relaxed);
                    Outcome::Done
                }
            }
            FileRequest::Exec(files, at) => match self.sweep(*files, *at) {
                Some(next) => {
                    *at = next;
                    Outcome::Continue(At::beginning())
                }
                None => Outcome::Reply(Answer::Call(Ok(0))),
            },
            FileRequest::Forget => {
                if self.waits.forget_some() {
                    return Outcome::Continue(At::beginning());
                }
                self.forgets = false;
                return Outcome::Done;
            }
            FileRequest::Wake => {
                self.wakes = false;
                Outcome::Done
            }
            // What a run leaves to be done sees to it.
            FileRequest::Unmapped => Outcome::Done,
            FileRequest::Image { files, process, path, walks, open } => {
                walks.get_mut().begin();
                let image = self.image(*files, process.as_deref(), path, (walks, open), cx);
                if let Some(next) = self.stopped(walks.get_mut(), For::Image(*open), cx) {
                    return next;
                }
                let image = image.transpose();
                let refused = self.root.take_refused();
                let failed = image.as_ref().and_then(|image| image.as_ref().err());
                let failed = failed.map(|error| (error, refused));
                let of = For::Image(*open);
                if let Some(next) = self.made_again(walks.get_mut(), failed, of, cx) {
                    return next;
                }
                match image {
                    Some(image) => Outcome::Reply(Answer::Image(image.map(Box::new))),
                    None => Outcome::Continue(At::beginning()),
                }
            }
            FileRequest::Map { files, fd, shared, write, walks } => {
                walks.get_mut().begin();
                let mapping = self.mapping(*files, *fd, *shared, *write, walks, cx);
                if let Some(next) = self.stopped(walks.get_mut(), For::Map, cx) {
                    return next;
                }
                match mapping.transpose() {
                    Some(mapping) => Outcome::Reply(Answer::Mapped(mapping)),
                    None => Outcome::Continue(At::beginning()),
                }
            }
            FileRequest::Cancel(tid) => {
                self.cancel(*tid, cx);
                Outcome::Done
            }
            FileRequest::Timeout(tid, number) => {
                self.waits.expire(*tid, *number, cx);
                Outcome::Done
            }
            FileRequest::Signalled(pid) => {
                self.wake_for(super::signals::key(*pid));
                Outcome::Done
            }
            FileRequest::Timer(arm) => {
                self.timer_fired(*arm, cx);
                Outcome::Done
            }
            FileRequest::CloseSockets => {
                self.close_sockets(true, cx);
                Outcome::Done
            }
            FileRequest::Ready(socket) => {
                self.network_ready(*socket);
                Outcome::Done
            }
            FileRequest::Input => {
                if self.input(cx) {
                    Outcome::Continue(At::beginning())
                } else {
                    Outcome::Done
                }
            }
            FileRequest::GiveBack(of) => {
                // A file in each run: it may have many pages.
                if self.images.give_back(*of) {
                    Outcome::Continue(At::beginning())
                } else {
                    Outcome::Reply(Answer::Call(Ok(0)))
                }
            }
            FileRequest::Reclaim(order) => {
                self.give_up(*order, cx);
                Outcome::Done
            }
            FileRequest::ReclaimCached(order) => {
                let order = *order;
                self.give_up_cached(order, cx)
            }
            FileRequest::Reap => {
                // All, whatever the first says.
                let (contents, rest) = (self.root.reap(REAPED), free_some());
                let buried = self.root.bury(BURIED, &mut self.effects);
                if contents || rest || buried {
                    self.wake_all(cx);
                    return Outcome::Continue(At::beginning());
                }
                self.reaping = false;
                return Outcome::Done;
            }
        };
        self.after(cx);
        next
    }
}

impl FileSystem {
    /// The resource around this tree.
    #[must_use]
    pub fn new(mut root: Root, system: Arc<System>) -> Self {
        root.watch_maps(system.maps.clone());
        Self {
            root,
            files: BTreeMap::new(),
            waits: Waits::default(),
            effects: Effects::new(),
            terminal: Terminal::default(),
            network: Network::default(),
            lock_waits: LockWaits::default(),
            system,
            shared: BTreeMap::new(),
            images: Images::default(),
            own: None,
            last: 0,
            reaping: false,
            waking: VecDeque::new(),
            spreading: VecDeque::new(),
            wakes: false,
            disk_waits: BTreeMap::new(),
            disk_number: 0,
            attached: false,
            frozen: 0,
            forgets: false,
            no_root: None,
            ends: false,
            asks: BTreeMap::new(),
            ask_number: 0,
            easing: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// What a run leaves to be done.
    pub(super) fn after(&mut self, cx: &mut Cx<'_>) {
        // A few at once, so that most see it done when their call returns.
        let buried = self.root.has_burials() && self.root.bury(BURIED, &mut self.effects);
        if (buried || self.root.has_doomed()) && !self.reaping {
            self.reap(cx);
        }
        if self.root.has_unmapped() {
            self.let_go_of_mapped(cx);
        }
        if self.root.has_later() {
            self.ask_later(cx);
        }
        if self.ends && self.asks.is_empty() && !self.root.has_later() {
            self.ends = false;
            self.system.have_unmounted();
        }
        self.keep_time(cx);
        self.wake_all(cx);
        if self.network.have_closing() {
            self.close_sockets(false, cx);
        }
        if self.waits.has_over() && !self.forgets {
            self.forget(cx);
        }
    }

    /// Files that nobody shows any more are not held any more; where there are more of them than
    /// one run looks at, another does.
    #[cold]
    fn let_go_of_mapped(&mut self, cx: &mut Cx<'_>) {
        if self.root.let_go_of_mapped()
            && let Some(own) = self.own()
        {
            // Where it cannot be sent, the next run goes on.
            let _ = cx.send(own, Labels::NONE, FileRequest::Unmapped);
        }
    }

    pub(super) fn own(&mut self) -> Option<Port<FileSystem>> {
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
        self.with_files(call.files, asks, Some(&call.walks), cx, operation)
    }

    /// The same for these descriptors; `/proc` is empty without a process.
    pub(super) fn with_files<T>(
        &mut self,
        files: FilesId,
        asks: Option<(&Process, Pid)>,
        walks: Option<&RefCell<Walks>>,
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
        let owner = owner_of(cx.root());
        let largest = process.map_or(u64::MAX, |process| process.limits.soft(Limited::FileSize));
        let (table, place) = (&files.table, &files.place);
        let pid = process.map_or(0, |process| process.pid.0);
        let caller = Caller { table, place, proc, owner, pid, largest, walks, now };
        operation(&mut self.root, &caller, &mut self.effects)
    }

    pub(super) fn call(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Next {
        call.walks.get_mut().begin();
        let done = self.perform(call, cx);
        if let Some(key) = call.walks.get_mut().take_wait() {
            return self.wait(call, Some([key].into()), None, cx);
        }
        if let Some(next) = self.stopped(call.walks.get_mut(), For::Call(call.thread.tid), cx) {
            return next;
        }
        let refused = self.root.take_refused();
        self.end_or_again(call, (done, refused), cx)
    }

    /// A call is done, or goes on as it says.
    pub(super) fn end_call(
        &mut self,
        call: &mut FileCall,
        done: Result<Done, Errno>,
        cx: &mut Cx<'_>,
    ) -> Next {
        match done {
            Ok(Done::Value(value)) => Outcome::Reply(Answer::Call(Ok(value))),
            Err(error) => Outcome::Reply(Answer::Call(Err(Self::failed(call, error)))),
            Ok(Done::Rest(done)) => Outcome::Reply(Answer::GoOn(done)),
            Ok(Done::More) => Outcome::Continue(At::beginning()),
            Ok(Done::Network(asked)) => self.ask_network(asked, cx),
            Ok(Done::Disk(asked)) => self.keep_for_disk(call, asked, cx),
            Ok(Done::Ask(ask)) if call.following.is_some() => self.ask_to_follow(call, ask, cx),
            Ok(Done::Ask(ask)) => self.keep_for_answer(For::Call(call.thread.tid), ask, cx),
            Ok(Done::Wait(keys, deadline)) => self.wait(call, Some(keys), deadline, cx),
            Ok(Done::Watched(deadline)) => self.wait(call, None, deadline, cx),
        }
    }

    /// A call fails: one that would make a file too large is told so by a signal too.
    pub(super) fn failed(call: &FileCall, error: Errno) -> Errno {
        let limited = || call.thread.process.limits.soft(Limited::FileSize) != INFINITY;
        // Of one that has done a part that is what it answers.
        if error == Errno::EFBIG && call.before == 0 && limited() {
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
    /// Contents of files are gone: they are freed in further runs, on the bill of whom they
    /// were given up for.
    #[cold]
    fn reap(&mut self, cx: &mut Cx<'_>) {
        if let Some(own) = self.own() {
            self.reaping = cx.send(own, Labels::NONE, FileRequest::Reap).is_ok();
        }
    }

    /// A wait for much is over.
    #[cold]
    fn forget(&mut self, cx: &mut Cx<'_>) {
        if let Some(own) = self.own() {
            self.forgets = cx.send(own, Labels::NONE, FileRequest::Forget).is_ok();
        }
    }
}
