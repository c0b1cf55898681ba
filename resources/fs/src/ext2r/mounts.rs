//! File systems that are mounted, and who waits at them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Kept, Labels, Outcome};
use vortex_storage::{Memory, Operation as Does, Reply, VolumeRequest};

use super::owing::Waiters;
use super::{After, Cx, Ext2, Logic};
use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Answer, Ext2Reply, Ext2Request, Mail};
use crate::wiring::Mounted;

/// One.
pub struct Mount<M> {
    pub logic: Box<dyn Logic>,
    /// Blocks that are being fetched, and who waits for them beside who has asked.
    pub fetching: BTreeMap<u32, Vec<Kept<M>>>,
    /// Who waits until something is written.
    pub waiting: Vec<Kept<M>>,
    /// Who waits until it owes less.
    pub easing: Waiters<M>,
    /// Flushes that have begun, and the last of them that has ended well.
    pub flushes: u64,
    pub flushed: u64,
    /// A flush has ended, and what it has made to last is taken note of: then those who wait look
    /// again.
    pub settles: bool,
    /// It is unmounted, and what is left of it is given up.
    pub gone: bool,
    /// The request that writes, while it has nothing to do; whether there is one.
    pub writer: Option<Kept<M>>,
    pub has_writer: bool,
    /// There was something for it to do.
    pub asks_writer: bool,
    /// Everything that is dirty is to be written, not only what somebody waits for.
    pub all: bool,
    /// What was dirty when time had passed, while it is not written.
    pub due: Option<u64>,
}

impl<M> Mount<M> {
    pub fn new(logic: Box<dyn Logic>) -> Self {
        let (fetching, waiting, easing) = (BTreeMap::new(), Vec::new(), Waiters::new());
        Self {
            logic,
            fetching,
            waiting,
            easing,
            flushes: 0,
            flushed: 0,
            settles: false,
            gone: false,
            writer: None,
            has_writer: false,
            asks_writer: false,
            all: false,
            due: None,
        }
    }

    /// Everything that is dirty now is to be written and to stay.
    pub fn press(&mut self) {
        self.all = true;
        self.logic.press();
    }

    /// A flush has ended, and somebody waits for more still.
    pub fn is_behind(&mut self) -> bool {
        let logic = &self.logic;
        self.due = self.due.filter(|round| logic.is_written(*round) == Ok(false));
        self.due.is_some() || !self.easing.is_empty()
    }

    /// Whether a writer is to be made.
    pub fn wants_writer(&self) -> bool {
        self.asks_writer && !self.has_writer && !self.gone
    }

    /// It is unmounted: nobody finds it any more, and what is left of it is given up, some in a
    /// run. Whether there is more.
    pub fn dissolve(&mut self) -> bool {
        self.gone = true;
        self.logic.dissolve()
    }
}

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    /// Serves a file system whose logic is ready.
    pub(crate) fn serve(&mut self, id: MountId, on: Mounted, logic: Box<dyn Logic>) {
        self.wiring.mount(id, on);
        self.mounts.insert(id, Mount::new(logic));
    }

    /// What a transaction waited for may be so: all of them look again.
    pub(super) fn wake(&mut self, id: MountId, cx: &mut Cx<'_, M>) {
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        let waited = core::mem::take(&mut mount.waiting);
        self.look_again(waited, cx);
    }

    /// A sync ends with what files have written being on the medium, on its own bill.
    pub(super) fn flush(&mut self, id: MountId, cx: &mut Cx<'_, M>) -> After<M, F> {
        let mounted = self.wiring.mounted(id).zip(self.wiring.ports.get());
        let Some((mounted, ports)) = mounted else { return Outcome::Reply(Err(Errno::ENODEV)) };
        let (volume, operation, data) = (mounted.volume, Does::Flush, F::Memory::none());
        let request = VolumeRequest::Blocks { volume, operation, block: 0, data };
        match cx.request(ports.volumes, Labels::NONE, request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Flushed>()),
            Err(_) => Outcome::Reply(Err(Errno::ENOMEM)),
        }
    }
}

/// What storage says of something that carries no data.
pub(super) fn result<B: Memory>(
    reply: Result<Option<Reply<B>>, vortex_grid::ReplyError>,
) -> Result<(), Errno> {
    match reply {
        Ok(Some(Reply::Data(_, result))) => result.map_err(|error| error.errno()),
        Ok(_) => Err(Errno::EIO),
        Err(_) => Err(Errno::ENOMEM),
    }
}

/// What was written is on the medium.
struct Flushed;

impl<M: Mail<F>, F: PageFrame> Continuation<M, Ext2<M, F>> for Flushed {
    fn resume(_: &mut Ext2<M, F>, _: &mut Ext2Request, cx: &mut Cx<'_, M>) -> After<M, F> {
        let result = result(cx.reply::<Reply<F::Memory>>());
        Outcome::Reply(result.map(|()| Answer::Done))
    }
}

/// One of all file systems is done with.
pub(super) struct OneOfAll;

impl<M: Mail<F>, F: PageFrame> Continuation<M, Ext2<M, F>> for OneOfAll {
    fn resume(ext2: &mut Ext2<M, F>, request: &mut Ext2Request, cx: &mut Cx<'_, M>) -> After<M, F> {
        let Ext2Request::Operate(operating) = request else { return Outcome::Done };
        let error = match cx.reply::<Ext2Reply>() {
            Ok(Some(answer)) => answer.err(),
            Ok(None) => Some(Errno::EIO),
            Err(_) => Some(Errno::ENOMEM),
        };
        operating.failed = operating.failed.or(error);
        let failed = operating.failed;
        match (ext2.operate_all(operating, cx), failed) {
            (Outcome::Reply(Ok(_)), Some(error)) => Outcome::Reply(Err(error)),
            (next, _) => next,
        }
    }
}
