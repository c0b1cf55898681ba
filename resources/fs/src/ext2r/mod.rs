//! EXT2R: names, inodes and where files' blocks are (§4.5, Table 2).
//!
//! A request is a transaction of the file system's logic. It runs to its end, or stops for a
//! block that is not there, and is called again when it is. Whoever wants a block that is being
//! fetched waits for that one fetch.
//!
//! What transactions have changed is written by a request of the infrastructure's for each file
//! system, in the logic's order, each block on the bill of who has changed it.
//!
//! EXT2R has one core (decision 0108): what it changes is of all files at once.

mod fetch;
mod logic;
mod mounting;
mod mounts;
mod owing;
mod real;
mod waking;
mod write;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_grid::{At, Context, Message, Outcome, Resource};

use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Answer, Caller, Ext2Reply, Ext2Request, Mail, Operating, Operation};
use crate::wiring::Wiring;

pub use logic::{Logic, Next, Owes, Stop, Who, Write};
pub use mounting::Mounting;
use mounts::Mount;
pub use owing::Owing;
use waking::Daemon;
pub use write::Writing;

type Cx<'a, M> = Context<'a, M>;
type After<M, F> = Outcome<M, Ext2<M, F>>;

/// How often a transaction may be stopped because something must be written first.
const STOPS: u32 = 4096;
/// How often a sync of one file may be, before it is enough that all is written that had changed.
const PATIENCE: u32 = 8;

/// The resource.
pub struct Ext2<M: Message, F: PageFrame> {
    wiring: Arc<Wiring<M, F>>,
    mounts: BTreeMap<MountId, Mount<M>>,
    daemon: Daemon<M>,
    /// The last that was given a name.
    last: u32,
}

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    /// The instance of its core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, F>>) -> Self {
        Self { wiring, mounts: BTreeMap::new(), daemon: Daemon::default(), last: 0 }
    }

    /// One transaction, as far as it comes now.
    fn operate(&mut self, operating: &mut Operating, cx: &mut Cx<'_, M>) -> After<M, F> {
        let Operating { mount: id, caller, operation, since, round, stops, wants, .. } = operating;
        let id = *id;
        if id == MountId::ALL {
            return self.operate_all(operating, cx);
        }
        if matches!(**operation, Operation::Ease) {
            return self.ease(operating, cx);
        }
        let unmounts = matches!(**operation, Operation::Unmount);
        let Some(mount) = self.mounts.get_mut(&id).filter(|mount| unmounts || !mount.gone) else {
            return Outcome::Reply(Err(Errno::ENODEV));
        };
        let since = *since.get_or_insert(mount.flushes);
        let who = who(&self.wiring, caller, cx);
        let ran = match round.map(|round| mount.logic.is_written(round)) {
            Some(Ok(true)) => Ok(Answer::Done),
            Some(Err(error)) => Err(Stop::Error(error)),
            Some(Ok(false)) if matches!(**operation, Operation::SyncAll) => Err(Stop::Flush),
            Some(Ok(false)) | None => mount.logic.run(&who, operation),
        };
        match ran {
            Ok(answer) => match **operation {
                Operation::Unmount if mount.dissolve() => Outcome::Continue(At::beginning()),
                Operation::Unmount => {
                    self.wake_writer(id, cx);
                    self.let_go_on(id, true, cx);
                    self.mounts.remove(&id);
                    self.wiring.unmount(id);
                    Outcome::Reply(Ok(answer))
                }
                Operation::Sync(_) | Operation::SyncAll if mount.flushed <= since => {
                    // What files have written to the disk has to stay there too.
                    self.flush(id, cx)
                }
                _ => {
                    if owing::changes(operation) {
                        self.has_changed(id, cx);
                    }
                    Outcome::Reply(Ok(answer))
                }
            },
            Err(Stop::Error(error)) => Outcome::Reply(Err(error)),
            Err(Stop::Again) => Outcome::Continue(At::beginning()),
            Err(Stop::Fetch(block)) => {
                *wants = block;
                self.fetch(id, block, cx)
            }
            Err(Stop::Flush) => {
                *stops = stops.saturating_add(1);
                if *stops > STOPS {
                    return Outcome::Reply(Err(Errno::EIO));
                }
                if needs_round(operation, *stops) {
                    *round = round.or_else(|| mount.logic.close_round());
                    mount.press();
                }
                self.wait_for_writes(id, cx)
            }
        }
    }

    /// The same for one file system after the other.
    fn operate_all(&mut self, operating: &mut Operating, cx: &mut Cx<'_, M>) -> After<M, F> {
        // What is being unmounted is brought out by that.
        let mut rest = self.mounts.range(operating.next..);
        let next = rest.find(|(_, mount)| !mount.gone).map(|(id, _)| *id);
        let Some(id) = next else { return Outcome::Reply(Ok(Answer::Done)) };
        operating.next = MountId(id.0.saturating_add(1));
        let one = Ext2Request::operate(id, operating.caller, (*operating.operation).clone());
        let Some(ports) = self.wiring.ports.get() else { return Outcome::Reply(Err(Errno::EIO)) };
        match cx.request(ports.ext2, vortex_grid::Labels::NONE, one) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<mounts::OneOfAll>()),
            Err(_) => Outcome::Reply(Err(Errno::ENOMEM)),
        }
    }
}

impl<M: Mail<F>, F: PageFrame> Resource<M> for Ext2<M, F> {
    type Request = Ext2Request;
    type Reply = Ext2Reply;
    /// Blocks on their way, or writers; the next tick, and the daemon.
    const FAN_OUT: u32 = write::BATCH as u32 + 2;

    fn handle(&mut self, request: &mut Ext2Request, cx: &mut Cx<'_, M>) -> After<M, F> {
        match request {
            Ext2Request::Mount(mounting) => self.mount(mounting, cx),
            Ext2Request::Operate(operating) => self.operate(operating, cx),
            Ext2Request::WriteBack(writing) => self.write_back(writing, cx),
            Ext2Request::Tick => self.tick(cx),
            Ext2Request::Wake => self.wake_more(cx),
        }
    }
}

/// Whether it waits for all that had changed by now, and not for what others change after that:
/// a directory's sync too, if they go on changing it.
const fn needs_round(operation: &Operation, stops: u32) -> bool {
    match operation {
        Operation::SyncAll => true,
        Operation::Sync(_) => stops > PATIENCE,
        _ => false,
    }
}

/// For whom a transaction is.
fn who<M: Mail<F>, F: PageFrame>(wiring: &Wiring<M, F>, caller: &Caller, cx: &Cx<'_, M>) -> Who {
    let now = caller.now.unwrap_or_else(|| wiring.time(cx.now()));
    Who { activity: cx.activity(), user: caller.user, group: caller.group, now }
}
