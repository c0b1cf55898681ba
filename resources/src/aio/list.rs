//! lio_listio: many operations are begun, one after the other, and waited for or not.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use vortex_abi::{Errno, Span};
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_machine::Access;

use super::block::{BLOCK, Block, Event};
use super::operation::Kind;
use super::owner::Key;
use super::request::{AioCall, AioRequest, Stage};
use super::resource::{AsyncIo, Cx, Next, again, reply};
use super::submit::Wanted;
use super::suspend::{LIST, Then, Waiter};
use crate::memory::{MemoryRequest, Patience, Unpinned, pin};
use crate::{Answer, Mail};

/// Pages that a call's control blocks may need.
const FAULTS: u32 = 4096;

/// Names a list.
pub type ListId = u64;

/// How far a call has come.
pub struct Listing {
    pub(super) id: ListId,
    /// The next entry.
    at: u32,
    waits: bool,
    /// All are begun, or one could not be.
    begun: bool,
    faults: u32,
}

/// A list whose operations have not all ended.
struct List {
    of: Key,
    left: u32,
    failed: bool,
    /// More may come.
    open: bool,
    event: Event,
    waiter: Option<Waiter>,
}

/// Those that there are.
#[derive(Default)]
pub(super) struct Lists {
    by_number: BTreeMap<ListId, List>,
    number: ListId,
}

impl Lists {
    /// An operation is of this list.
    pub fn one_more(&mut self, id: ListId) {
        if let Some(list) = self.by_number.get_mut(&id) {
            list.left = list.left.saturating_add(1);
        }
    }
}

const READ: i32 = 0;
const WRITE: i32 = 1;

impl AsyncIo {
    pub(super) fn list(
        &mut self,
        call: &mut AioCall,
        (mode, count, has_event): (i32, u32, bool),
        cx: &mut Cx<'_>,
    ) -> Result<Next, Errno> {
        const WAIT: i32 = 0;
        const NOWAIT: i32 = 1;
        if let Stage::Listing(listing) = core::mem::take(&mut call.stage) {
            return Ok(self.list_on(call, listing, cx));
        }
        if !matches!(mode, WAIT | NOWAIT) || count > LIST {
            return Err(Errno::EINVAL);
        }
        let event = match has_event && mode == NOWAIT {
            true => Event::of(&call.operands.bytes_of::<64>(1)?)?,
            false => Event::None,
        };
        self.lists.number += 1;
        let id = self.lists.number;
        let of = call.key();
        let list = List { of, left: 0, failed: false, open: true, event, waiter: None };
        self.lists.by_number.insert(id, list);
        let waits = mode == WAIT;
        let listing = Listing { id, at: 0, waits, begun: false, faults: 0 };
        Ok(self.list_on(call, Box::new(listing), cx))
    }

    /// The next entry.
    fn list_on(&mut self, call: &mut AioCall, mut listing: Box<Listing>, cx: &mut Cx<'_>) -> Next {
        let vortex_abi::Aio::LioListio { count, .. } = call.call else {
            return reply(Err(Errno::EINVAL));
        };
        if listing.begun {
            return self.list_ends(call, listing, cx);
        }
        let address = loop {
            if listing.at >= count {
                listing.begun = true;
                return self.list_ends(call, listing, cx);
            }
            let mut bytes = [0; 8];
            match call.operands.buffer(0) {
                Ok(list) => list.read(listing.at as usize * 8, &mut bytes),
                Err(_) => return self.listed(call, listing, Err(Errno::EFAULT), cx),
            };
            match u64::from_le_bytes(bytes) {
                0 => listing.at += 1,
                address => break address,
            }
        };
        let pinned = match pin(&call.space, Span::new(address, BLOCK), Access::Write) {
            Ok(pinned) => pinned,
            Err(Unpinned::Fault(address, access)) if listing.faults < FAULTS => {
                listing.faults += 1;
                return self.bring(call, listing, (address, access), cx);
            }
            Err(_) => return self.listed(call, listing, Err(Errno::EFAULT), cx),
        };
        let block = match Block::of(&pinned) {
            Ok(block) => block,
            Err(error) => return self.listed(call, listing, Err(error), cx),
        };
        let kind = match block.opcode {
            READ => Kind::Read,
            WRITE => Kind::Write,
            // LIO_NOP, and what nobody knows.
            _ => {
                listing.at += 1;
                call.stage = Stage::Listing(listing);
                return again();
            }
        };
        let id = listing.id;
        let back = Listing { id, ..*listing };
        let wanted = Wanted { address, pinned, block, kind, list: Some(listing) };
        match self.want(call, wanted, cx) {
            Ok(next) => next,
            Err(error) => self.listed(call, Box::new(back), Err(error), cx),
        }
    }

    /// The page of a control block is not there.
    fn bring(
        &mut self,
        call: &mut AioCall,
        listing: Box<Listing>,
        (address, access): (u64, Access),
        cx: &mut Cx<'_>,
    ) -> Next {
        let space = call.space.clone();
        let labels = Labels::flow(space.number);
        let waited = Patience::default();
        // Of a file on a disk ASR has it fetched itself.
        let (reading, filling, short) = (None, None, true);
        let fault =
            MemoryRequest::Fault { space, address, access, waited, reading, filling, short };
        let asked = self.ports().map(|ports| cx.request(ports.memory, labels, fault));
        match asked {
            Ok(Ok(trigger)) => {
                call.stage = Stage::Listing(listing);
                Outcome::Pending(trigger, At::routine::<Brought>())
            }
            _ => self.listed(call, listing, Err(Errno::EAGAIN), cx),
        }
    }

    /// An entry's operation is begun, or cannot be: then no more are, and those that are go on.
    pub(super) fn listed(
        &mut self,
        call: &mut AioCall,
        mut listing: Box<Listing>,
        begun: Result<(), Errno>,
        cx: &mut Cx<'_>,
    ) -> Next {
        match begun {
            Ok(()) => {
                listing.at += 1;
                call.stage = Stage::Listing(listing);
                again()
            }
            Err(error) => {
                self.close_list(listing.id, cx);
                // POSIX: some could not be begun for want of something.
                let faults = matches!(error, Errno::EFAULT | Errno::EINVAL);
                reply(Err(if faults { error } else { Errno::EAGAIN }))
            }
        }
    }

    /// No more operations come to a list.
    fn close_list(&mut self, id: ListId, cx: &mut Cx<'_>) {
        if let Some(list) = self.lists.by_number.get_mut(&id) {
            list.open = false;
        }
        self.list_over(id, cx);
    }

    /// All are begun: the call is done, or waits for them.
    fn list_ends(&mut self, call: &mut AioCall, listing: Box<Listing>, cx: &mut Cx<'_>) -> Next {
        let id = listing.id;
        if !listing.waits {
            self.close_list(id, cx);
            return reply(Ok(0));
        }
        let Some(list) = self.lists.by_number.get_mut(&id) else { return reply(Err(Errno::EIO)) };
        if list.left == 0 {
            let failed = list.failed;
            self.lists.by_number.remove(&id);
            return reply(if failed { Err(Errno::EIO) } else { Ok(0) });
        }
        list.waiter = Some(self.waits.begin(call.thread.tid, Then::Again));
        call.stage = Stage::Listing(listing);
        let next = self.wait(call, cx).unwrap_or_else(|error| reply(Err(error)));
        if let Outcome::Reply(_) = next {
            // Nobody waits for it any more.
            self.close_list(id, cx);
        }
        next
    }

    /// An operation of a list has ended.
    pub(super) fn one_less(&mut self, id: ListId, failed: bool, cx: &mut Cx<'_>) {
        if let Some(list) = self.lists.by_number.get_mut(&id) {
            list.left = list.left.saturating_sub(1);
            list.failed |= failed;
        }
        self.list_over(id, cx);
    }

    /// If all of a list have ended, whoever waits for that is told.
    fn list_over(&mut self, id: ListId, cx: &mut Cx<'_>) {
        let Some(list) = self.lists.by_number.get_mut(&id).filter(|list| list.left == 0) else {
            return;
        };
        if let Some(waiter) = list.waiter.take() {
            // It takes the list away itself, unless a signal has made it go.
            if self.waits.of(waiter.tid) == Some(waiter) {
                self.wake(waiter, cx);
                return;
            }
            list.open = false;
        }
        let List { of, event, open, .. } = *list;
        if !open {
            self.lists.by_number.remove(&id);
            self.notify(of, event, cx);
        }
    }
}

/// The page of a control block is there, or cannot be.
struct Brought;

impl Continuation<Mail, AsyncIo> for Brought {
    fn resume(aio: &mut AsyncIo, request: &mut AioRequest, cx: &mut Cx<'_>) -> Next {
        let AioRequest::Call(call) = request else { return Outcome::Done };
        let brought = matches!(cx.reply::<Answer>(), Ok(Some(Answer::Fault(Ok(())))));
        let Stage::Listing(listing) = core::mem::take(&mut call.stage) else {
            return reply(Err(Errno::EIO));
        };
        if brought {
            aio.list_on(call, listing, cx)
        } else {
            aio.listed(call, listing, Err(Errno::EFAULT), cx)
        }
    }
}
