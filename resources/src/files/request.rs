//! What the file resource is asked for.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::sync::atomic::Ordering;

use vortex_abi as abi;
use vortex_files::{Arm, Climb, Dev, OpenId, Table, WINDOW, Walks};
use vortex_machine::PAGE;
use vortex_memory::Order;
use vortex_units::{ActivityId, Bytes, Cycles};

use super::aio::AioOpen;
use super::disks::{Asked, Transfer};
use super::following::Following;
use super::poll::Polling;
use super::sockets::Parcel;
use super::tables::Files;
use super::waits::Then;
use crate::memory::AddressSpace;
use crate::network::{Socket, SocketId};
use crate::process::{Operands, Pid, Process, Shape, ThreadState};

/// Names the descriptors and the place of one process, or of several that share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilesId(pub u64);

/// A system call, as the stub prepares it.
pub struct FileCall {
    /// Which.
    pub call: abi::Files,
    /// What it works on.
    pub operands: Operands,
    /// How that is divided, if it is about a message.
    pub shape: Shape,
    /// Whose it is.
    pub thread: Arc<ThreadState>,
    /// Whose descriptors.
    pub files: FilesId,
    /// Whose memory it works on, where that is not its thread's any more.
    pub space: Option<Arc<AddressSpace>>,
    /// Until when it waits, if it was made before.
    pub deadline: Option<Cycles>,
    /// Whether that time is over.
    pub expired: bool,
    /// Bytes that were moved when it was made before, for other parts of its buffer.
    pub before: u64,
    /// Bytes already written.
    pub(super) done: usize,
    /// What it has opened, and waits for the other end of.
    pub(super) opening: Option<OpenId>,
    /// How far its walks have come.
    pub(super) walks: RefCell<Walks>,
    /// How far it has gone up from the current directory.
    pub(super) climb: Option<Climb>,
    /// What it waits for of a disk.
    pub(super) transfer: Option<Transfer>,
    /// By what number.
    pub(super) waits_for: u64,
    /// A message that is longer than is copied in one run.
    pub(super) parcel: Option<Box<Parcel>>,
    /// How far it has looked at many descriptors.
    pub(super) polling: Option<Box<Polling>>,
    /// From where in a file TCPR was given what it is to send.
    pub(super) from_file: Option<FromFile>,
    /// A connection that it has closed, and waits for until all has arrived.
    pub(super) lingers: Option<Arc<Socket>>,
    /// It has moved its bytes, and waits for what follows.
    pub(super) following: Option<Box<Following>>,
}

/// Where bytes of a file are that TCPR sends.
pub(super) struct FromFile {
    /// The open file that is to be moved behind them, if it is.
    pub open: Option<OpenId>,
    pub at: u64,
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
            shape: Shape::default(),
            thread,
            files,
            space: None,
            deadline: None,
            expired: false,
            before: 0,
            done: 0,
            opening: None,
            walks: RefCell::default(),
            climb: None,
            transfer: None,
            waits_for: 0,
            parcel: None,
            polling: None,
            from_file: None,
            lingers: None,
            following: None,
        }
    }
}

/// The most bytes that one call moves, as Linux cuts all counts.
pub const MAX_RW_COUNT: u64 = 0x7fff_f000;
/// What is pinned at once of a buffer that is written from (`abi/calls.toml`).
const WRITTEN: usize = 2 << 20;

impl FileCall {
    /// Whether it reads or writes, and is done with what was pinned of its buffer, which is not
    /// all: of what gives or takes all that is asked for, it is made again for the rest.
    pub(super) fn has_rest(&self, done: usize) -> bool {
        use abi::Files as F;
        // Of many buffers it is not known here how many bytes they have.
        let (pinned, all) = match self.call {
            F::Read { count, .. } | F::Pread64 { count, .. } => (WINDOW, count),
            F::Readv { .. } | F::Preadv { .. } | F::Preadv2 { .. } => (WINDOW, MAX_RW_COUNT),
            F::Write { count, .. } | F::Pwrite64 { count, .. } => (WRITTEN, count),
            F::Writev { .. } | F::Pwritev { .. } | F::Pwritev2 { .. } => (WRITTEN, MAX_RW_COUNT),
            F::Getrandom { count, .. } => (WINDOW, count),
            _ => return false,
        };
        done >= pinned && self.before.saturating_add(done as u64) < all.min(MAX_RW_COUNT)
    }

    /// Whether it ends here with what it has by now, for its thread is interrupted: of what never
    /// ends on its own, after a page or more as on Linux.
    pub(super) fn is_cut_short(&self) -> bool {
        let reached = self.reached();
        let thread = &self.thread;
        reached > 0
            && reached.is_multiple_of(PAGE as u64)
            && (thread.interrupted.load(Ordering::Acquire) || thread.process.is_ending())
    }

    /// How far its own buffers, or what it copies, have come.
    pub(super) fn reached(&self) -> u64 {
        self.before.saturating_add(self.done as u64)
    }

    /// What becomes of it after a wait. One that has opened what others see goes on itself, and
    /// one that has closed something; its path is not wanted again.
    pub(super) fn then(&mut self) -> Then {
        let (opening, lingers) = (self.opening.take(), self.lingers.take());
        if opening.is_some() || lingers.is_some() {
            let operands = Operands::default();
            let whole = Self::new(self.call, operands, self.thread.clone(), self.files);
            return Then::Here(Box::new(Self { opening, lingers, ..whole }));
        }
        use abi::Files as F;
        match (self.call, self.done) {
            // What goes on here begins at the first byte: a call that is made for the rest of its
            // buffer is made again.
            (F::Read { .. } | F::Readv { .. } | F::Write { .. } | F::Writev { .. }, 0)
                if self.before == 0 =>
            {
                Then::GoesOn
            }
            (_, 0) => Then::Again,
            (_, done) => Then::Rest(done),
        }
    }
}

/// To the file resource.
pub enum FileRequest {
    /// A system call.
    Call(Box<FileCall>),
    /// AIOR asks for a descriptor.
    Aio(Box<AioOpen>),
    /// A call waits for a disk: what that is asked for, and the number of the wait.
    Disk(Asked, u64),
    /// New descriptors, the console as the first three.
    New,
    /// A copy for a child, or one more user of the same.
    Fork {
        /// Of which.
        from: FilesId,
        /// Descriptors are shared (`CLONE_FILES`).
        share: bool,
        /// What is copied so far.
        copy: Option<Box<Table>>,
    },
    /// A user of these descriptors has ended.
    Drop(FilesId),
    /// Descriptors of nobody's any more.
    Dispose(Option<Box<Files>>),
    /// A program takes another's place: what is to be closed then is, from a descriptor on.
    Exec(FilesId, usize),
    /// What waits were for that are over is still to be forgotten.
    Forget,
    /// There are still some to be woken.
    Wake,
    /// A file to be run.
    Image {
        /// By whose descriptors.
        files: FilesId,
        /// By this process.
        process: Option<Arc<Process>>,
        /// Which.
        path: Vec<u8>,
        /// How far the walk to it has come.
        walks: Box<RefCell<Walks>>,
        /// Open, while its pages are being listed.
        open: Option<OpenId>,
    },
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
        /// What is kept of it until it is made again.
        walks: Box<RefCell<Walks>>,
    },
    /// A disk's file system is to be the root: which disk, and what is kept of this until it is
    /// made again.
    Root(Dev, Box<RefCell<Walks>>),
    /// The machine ends: what is mounted is unmounted.
    End,
    /// A disk's file system is to be asked: the number of the question, and what it is.
    Ask(u64, &'static str),
    /// Nobody shows some file on a disk any more.
    Unmapped,
    /// A signal ends this thread's wait.
    Cancel(Pid),
    /// A wait's time is over.
    Timeout(Pid, u64),
    /// A timer's time has come.
    Timer(Arm),
    /// A signal was sent to a process that reads signals.
    Signalled(Pid),
    /// A socket of the network is ready for something.
    Ready(SocketId),
    /// There are still sockets that have no descriptor any more.
    CloseSockets,
    /// Something was typed at the console.
    Input,
    /// Contents of files that were removed are still to be freed.
    Reap,
    /// Frames of files that this activity alone had mapped, and has no more, are wanted back
    /// (§3.2).
    GiveBack(ActivityId),
    /// The frame of a file's page is asked back, which no space shows any more.
    Reclaim(Order),
    /// The frame of a page of a file on a disk is asked back.
    ReclaimCached(Order),
}

impl FileRequest {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Call(call) => call.call.name(),
            Self::Aio(_) => "open for aio",
            Self::Disk(..) => "ask a disk",
            Self::Ask(_, name) => name,
            Self::Root(..) => "root",
            Self::End => "end",
            Self::New => "new",
            Self::Fork { .. } => "fork",
            Self::Drop(_) => "drop",
            Self::Dispose(_) => "dispose",
            Self::Exec(..) => "exec",
            Self::Forget => "forget",
            Self::Wake => "wake",
            Self::Unmapped => "unmapped",
            Self::Image { .. } => "image",
            Self::Map { .. } => "map",
            Self::Cancel(_) => "cancel",
            Self::Timeout(..) => "timeout",
            Self::Timer(_) => "timer",
            Self::Signalled(_) => "signalled",
            Self::Ready(_) => "ready",
            Self::CloseSockets => "close sockets",
            Self::Input => "input",
            Self::Reap => "reap",
            Self::GiveBack(_) => "give back",
            Self::Reclaim(_) => "reclaim",
            Self::ReclaimCached(_) => "reclaim from the cache",
        }
    }

    pub(crate) fn size(&self) -> Bytes {
        match self {
            Self::Call(call) => Bytes::new(call.operands.bytes() as u64),
            _ => Bytes::ZERO,
        }
    }
}
