//! FCR: the cache of files' pages (§2.3, §4.3, §4.5; footnotes 13 and 17).
//!
//! A request about a file is a [`Task`]: it looks at the file's pages, does the next step, and
//! is kept by the file until what it waits for may be so; then it looks again. What the disk is
//! asked for is a [`Piece`] each, a request of FCR's own on the bill of whoever caused it.
//!
//! FCR has one core (decision 0108): what waits for a page is found by any activity's piece.
//!
//! # Invariants
//! - A page that is absent is claimed before it is asked for, and is claimed by one: so that
//!   there is one fetch, and whoever comes later waits for it.
//! - Who reads or writes a file is inside; what changes what EXT2R knows of it has it alone
//!   (footnote 17). Nobody who is inside waits for somebody who is to have it alone.
//! - A page that waits for the disk stays until the disk has answered.

mod accounts;
mod aside;
mod claim;
mod evict;
mod fetch;
mod gate;
mod hand;
mod install;
pub(crate) mod piece;
mod pins;
mod prepare;
mod queued;
mod send;
mod showing;
mod sync;
mod tick;
mod truncate;
mod waiting;
mod whole;
mod work;
mod write;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_grid::{
    At, Context, Continuation, Frequency, Kept, Labels, Message, Outcome, Resource, Trigger,
};
use vortex_units::ActivityId;

use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{
    Answer, Ask, CacheReply, CacheRequest, Caller, Ext2Reply, Ext2Request, Kind, Mail, Operation,
    Stage, Task,
};
use crate::wiring::Wiring;

use accounts::Account;
pub(crate) use piece::Piece;
pub use piece::{FETCH, FETCH_BYTES, FETCH_TIME};
use work::Work;

/// The resource.
pub struct FileCache<M: Message, F: PageFrame> {
    wiring: Arc<Wiring<M, F>>,
    /// What goes on with a file, by its number.
    works: BTreeMap<u32, Work<M>>,
    accounts: BTreeMap<ActivityId, Account<M>>,
    /// What is to be done on other activities' bills.
    kicks: VecDeque<tick::Kick>,
    /// From which file on those are looked for that can be forgotten.
    forgets: u32,
    /// The infrastructure's request that sees to that, while there is nothing to do.
    daemon: Option<Kept<M>>,
    waker: waiting::Waker<M>,
    /// The last piece's number.
    pieces: u64,
    frequency: Frequency,
}

type Cx<'a, M> = Context<'a, M>;
type Next<M, F> = Outcome<M, FileCache<M, F>>;
/// What EXT2R has said, if this run began with that.
type Heard = Option<Result<Answer, Errno>>;

/// How often a task begins anew because what it found is gone again.
const TRIES: u8 = 16;
/// Requests of one run, and pieces that are sent in one.
const SENDS: usize = 12;
const PIECES: usize = 8;

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// The instance of its core, whose clock has this rate.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, F>>, frequency: Frequency) -> Self {
        Self {
            wiring,
            works: BTreeMap::new(),
            accounts: BTreeMap::new(),
            kicks: VecDeque::new(),
            forgets: 0,
            daemon: None,
            waker: waiting::Waker::default(),
            pieces: 0,
            frequency,
        }
    }

    /// The next step of a task.
    fn step(&mut self, task: &mut Task<F>, heard: Heard, cx: &mut Cx<'_, M>) -> Next<M, F> {
        match task.kind {
            Kind::Fetch { .. } | Kind::Fault { .. } | Kind::Ahead { .. } => {
                self.fetch(task, heard, cx)
            }
            Kind::Prepare { .. } => self.prepare(task, heard, cx),
            Kind::Truncate { size } => self.truncate(task, size, heard, cx),
            Kind::Sync { data_only, lasts } => self.sync(task, (data_only, lasts), heard, cx),
            Kind::WriteBack { of } => self.write_back(task, of, heard, cx),
            Kind::Evict { first, end } => self.evict(task, (first, end), cx),
            Kind::Release => self.release(task, heard, cx),
        }
    }

    /// Asks EXT2R, and waits.
    fn ask(
        &self,
        mount: MountId,
        operation: Operation,
        cx: &mut Cx<'_, M>,
    ) -> Result<Trigger, Errno> {
        let ports = self.wiring.ports.get().ok_or(Errno::EIO)?;
        let request = Ext2Request::operate(mount, Caller::default(), operation);
        cx.request(ports.ext2, Labels::NONE, request).map_err(|_| Errno::ENOMEM)
    }

    /// A task asks EXT2R; it goes on at this stage.
    fn ask_for(
        &mut self,
        task: &mut Task<F>,
        operation: Operation,
        then: Stage,
        cx: &mut Cx<'_, M>,
    ) -> Result<Next<M, F>, Errno> {
        let trigger = self.ask(task.file.id().mount, operation, cx)?;
        task.stage = then;
        Ok(Outcome::Pending(trigger, At::routine::<Answered>()))
    }

    /// A task is done.
    fn finish(&mut self, task: &mut Task<F>, reply: CacheReply, cx: &mut Cx<'_, M>) -> Next<M, F> {
        pins::unpin(task);
        self.leave(task, cx);
        self.open(task, cx);
        if let Kind::WriteBack { of } = task.kind {
            self.end_write_back(task.file.number(), of, cx);
        }
        self.works_end(task.file.number(), cx);
        Outcome::Reply(reply)
    }

    fn done(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        if task.tray.is_some() {
            return self.hand_over(task, cx);
        }
        self.finish(task, CacheReply::Done(Ok(())), cx)
    }

    fn failed(&mut self, task: &mut Task<F>, error: Errno, cx: &mut Cx<'_, M>) -> Next<M, F> {
        self.abandon(task, error, cx);
        let reply = match task.kind {
            Kind::Prepare { .. } => CacheReply::Prepared(Err(error)),
            _ => CacheReply::Done(Err(error)),
        };
        self.finish(task, reply, cx)
    }

    /// Begins anew, when the schedulers let it.
    fn again(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        pins::unpin(task);
        task.tries = task.tries.saturating_add(1);
        if task.tries > TRIES {
            return self.failed(task, Errno::ENOMEM, cx);
        }
        task.stage = Stage::Begin;
        Outcome::Continue(At::beginning())
    }
}

impl<M: Mail<F>, F: PageFrame> Resource<M> for FileCache<M, F> {
    type Request = CacheRequest<F>;
    type Reply = CacheReply;
    /// Pieces, and who is woken or asked beside.
    const FAN_OUT: u32 = SENDS as u32 + 2;

    fn handle(&mut self, request: &mut CacheRequest<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        match &mut request.0 {
            Ask::Task(task) => self.step(task, None, cx),
            Ask::Piece(file, number, piece) => self.begin_piece(file, *number, piece, cx),
            Ask::SyncAll(of, at) => self.sync_all(*of, at, cx),
            Ask::EvictActivity(who, at) => self.evict_activity(*who, at, cx),
            Ask::Unmount(mount, synced, number, page) => {
                self.unmount(*mount, synced, (number, page), cx)
            }
            Ask::Reclaim(name, tries) => self.reclaim(*name, tries, cx),
            Ask::Tick(at) => self.tick(at, cx),
            Ask::Wake => self.wake_more(cx),
        }
    }
}

/// EXT2R has answered.
struct Answered;

impl<M: Mail<F>, F: PageFrame> Continuation<M, FileCache<M, F>> for Answered {
    fn resume(
        cache: &mut FileCache<M, F>,
        request: &mut CacheRequest<F>,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let heard = match cx.reply::<Ext2Reply>() {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(Errno::EIO),
            Err(_) => Err(Errno::ENOMEM),
        };
        match &mut request.0 {
            Ask::Task(task) => cache.step(task, Some(heard), cx),
            _ => Outcome::Done,
        }
    }
}
