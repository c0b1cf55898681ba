//! An operation is begun: what its control block says is taken over, and what it reads or writes
//! is found, while the caller waits. What the caller does with its descriptor afterwards does
//! not change it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_abi::{Aio, Errno, Files};
use vortex_grid::{At, Labels, Outcome};

use super::block::{self, Block};
use super::list::Listing;
use super::operation::{Kind, OpId, Operation, Way};
use super::owner::{MOST, Owner};
use super::request::{AioCall, AioRequest, Stage};
use super::resource::{AsyncIo, Cx, Next, Opened, reply};
use super::waiters::Waiters;
use crate::files::{AioOpen, AioOpened, AioWant, FileCall, FileRequest, FilesId};
use crate::memory::Pinned;
use crate::process::{Operands, Pid, ThreadState};

/// An operation that is wanted.
pub(super) struct Wanted {
    /// Its control block's address.
    pub address: u64,
    pub pinned: Pinned,
    pub block: Block,
    pub kind: Kind,
    /// The list that it is of.
    pub list: Option<Box<Listing>>,
}

impl AsyncIo {
    /// aio_read, aio_write and aio_fsync.
    pub(super) fn submit(&mut self, call: &mut AioCall, cx: &mut Cx<'_>) -> Result<Next, Errno> {
        const O_DSYNC: i32 = 0o10_000;
        const O_SYNC: i32 = 0o4_010_000;
        let (kind, address) = match call.call {
            Aio::AioRead { block } => (Kind::Read, block.0.address),
            Aio::AioWrite { block } => (Kind::Write, block.0.address),
            Aio::AioFsync { operation: O_SYNC, block } => (Kind::Sync(false), block.0.address),
            Aio::AioFsync { operation: O_DSYNC, block } => (Kind::Sync(true), block.0.address),
            _ => return Err(Errno::EINVAL),
        };
        let pinned = call.operands.take_buffer(0)?;
        let block = Block::of(&pinned)?;
        self.want(call, Wanted { address, pinned, block, kind, list: None }, cx)
    }

    /// Asks the file resource what an operation is about.
    pub(super) fn want(
        &mut self,
        call: &mut AioCall,
        wanted: Wanted,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Errno> {
        let key = call.key();
        let mut table = None;
        if let Some(owner) = self.owners.get(&key) {
            table = owner.tables.first().copied();
            match owner.operations.get(&wanted.address).copied() {
                Some(id) if self.operations.get(id).is_some_and(|it| it.result.is_none()) => {
                    return Err(Errno::EINVAL);
                }
                // Its result was not taken, and nobody wants it any more.
                Some(id) => self.forget(id, cx),
                None if owner.operations.len() >= MOST => return Err(Errno::EAGAIN),
                None => {}
            }
        }
        let shows = wanted.kind == Kind::Read && wanted.block.at >= 0;
        let want = match shows && wanted.block.buffer.length > 0 {
            true => AioWant::Pages,
            false => AioWant::Descriptor,
        };
        let files = call.thread.process.files;
        let open = AioOpen { files, table, fd: wanted.block.fd, want };
        let request = FileRequest::Aio(Box::new(open));
        let trigger = cx.request(self.ports()?.files, Labels::NONE, request);
        let trigger = trigger.map_err(|_| Errno::EAGAIN)?;
        call.stage = Stage::Opening(Box::new(wanted));
        Ok(Outcome::Pending(trigger, At::routine::<Opened>()))
    }

    /// It is known: the operation is begun.
    pub(super) fn opened(
        &mut self,
        call: &mut AioCall,
        mut wanted: Wanted,
        opened: Result<AioOpened, Errno>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let list = wanted.list.take();
        let begun = opened.and_then(|opened| self.begin(call, wanted, opened, &list, cx));
        match list {
            None => reply(begun.map(|()| 0)),
            Some(list) => self.listed(call, list, begun, cx),
        }
    }

    fn begin(
        &mut self,
        call: &AioCall,
        wanted: Wanted,
        opened: AioOpened,
        list: &Option<Box<Listing>>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Errno> {
        let key = call.key();
        let process = call.thread.process.clone();
        let owner = self
            .owners
            .entry(key)
            .or_insert_with(|| Owner::new(process.clone(), call.space.clone()));
        let Wanted { address, pinned, block, kind, .. } = wanted;
        let way = match opened {
            AioOpened::Pages(file) => Way::Cached { file, tray: Arc::default() },
            AioOpened::Descriptor(files, fd, has_places) => {
                if !owner.tables.contains(&files) {
                    owner.tables.push(files);
                }
                Way::Moved { files, fd, stream: !has_places }
            }
            AioOpened::There => return Err(Errno::EAGAIN),
        };
        let own = match way {
            Way::Moved { files, fd, .. } => Some((files, fd)),
            Way::Cached { .. } => None,
        };
        let Some(bill) = Operation::charge(process.activity) else {
            self.close(own, call, cx);
            return Err(Errno::EAGAIN);
        };
        let list = list.as_ref().map(|list| list.id);
        let operation = Operation {
            of: key,
            block: address,
            told: Some(pinned),
            kind,
            fd: block.fd,
            at: block.at,
            buffer: block.buffer,
            event: block.event,
            way,
            window: None,
            copies: false,
            frames: Vec::new(),
            done: 0,
            showing: 0,
            shown: None,
            result: None,
            begun: false,
            turn: 0,
            cancelled: false,
            kept: None,
            waiters: Waiters::default(),
            list,
            stand_in: None,
            fetching: false,
            faults: 0,
            _bill: bill,
        };
        let in_turn = operation.is_in_turn();
        let Some(id) = self.operations.add(operation) else {
            self.close(own, call, cx);
            return Err(Errno::EAGAIN);
        };
        let sent = self.own().and_then(|own| {
            cx.send(own, id.labels(), AioRequest::Run(id)).map_err(|_| Errno::EAGAIN)
        });
        if let Err(error) = sent {
            drop(self.operations.remove(id));
            self.close(own, call, cx);
            return Err(error);
        }
        if let Some(operation) = self.operations.get_mut(id)
            && let Some(pinned) = &operation.told
        {
            block::begun(pinned);
            if in_turn {
                let tid = Pid(id.stand_in());
                operation.stand_in = Some(ThreadState::stand_in(tid, process));
            }
        }
        if let Some(owner) = self.owners.get_mut(&key) {
            owner.operations.insert(address, id);
            if in_turn {
                let turn = owner.line_up(block.fd, id);
                if let Some(operation) = self.operations.get_mut(id) {
                    operation.turn = turn;
                }
            }
        }
        if let Some(list) = list {
            self.lists.one_more(list);
        }
        Ok(())
    }

    /// A descriptor of an operation's own is not needed.
    fn close(&self, own: Option<(FilesId, vortex_abi::Fd)>, call: &AioCall, cx: &mut Cx<'_>) {
        if let Some((files, fd)) = own {
            self.close_own(files, fd, call.thread.clone(), cx);
        }
    }

    /// The same, in this thread's name. If even that finds no room, it is closed with all others
    /// of its table.
    pub(super) fn close_own(
        &self,
        files: FilesId,
        fd: vortex_abi::Fd,
        thread: Arc<ThreadState>,
        cx: &mut Cx<'_>,
    ) {
        let Some(ports) = self.system.ports.get() else { return };
        let close = FileCall::new(Files::Close { fd }, Operands::default(), thread, files);
        let _ = cx.send(ports.files, Labels::NONE, FileRequest::Call(Box::new(close)));
    }

    /// An operation whose result nobody takes any more.
    pub(super) fn forget(&mut self, id: OpId, cx: &mut Cx<'_>) {
        let Some(operation) = self.operations.remove(id) else { return };
        let key = operation.of;
        if let Some(owner) = self.owners.get_mut(&key)
            && owner.operations.get(&operation.block) == Some(&id)
        {
            owner.operations.remove(&operation.block);
        }
        if let Some(pages) = operation.window.clone() {
            self.send_clear(key, pages, cx);
        }
    }
}
