//! DRWR: puts requests into a device's ring. It knows nothing of what they say.
//!
//! What has no room is rejected, and with it DRWR is suspended as a whole until DIR has made
//! some: then its scheduler chooses anew. A request's bytes are on record when the ring takes
//! it; how long it took, and how many were before it, when it is done (§2.2).

use alloc::sync::Arc;
use core::cell::Cell;

use vortex_grid::policy::Record;
use vortex_grid::{Context, Outcome, Resource, Scope};

use crate::channel::{Given, PREDICTION, SERVICE_TIME, Ticket};
use crate::error::StorageError;
use crate::memory::Memory;
use crate::requests::{DeviceRequest, Mail, Reply, counted};
use crate::wiring::Wiring;

/// The resource.
pub struct Driver<M, B> {
    wiring: Arc<Wiring<M, B>>,
}

/// What becomes of a request.
enum Became {
    Given,
    NoRoom,
    Failed(StorageError),
}

impl<M: Mail<B>, B: Memory> Driver<M, B> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, B>>) -> Self {
        Self { wiring }
    }

    fn put(&self, request: &mut DeviceRequest<B>, cx: &mut Context<'_, M>) -> Became {
        let wiring = self.wiring.clone();
        let Some(channel) = wiring.channel(cx.core()) else {
            return Became::Failed(StorageError::Broken);
        };
        channel.with(|inner| {
            if inner.broken {
                return Became::Failed(StorageError::Broken);
            }
            if !inner.queue.has_room() {
                inner.starved = true;
                inner.full = inner.full.saturating_add(1);
                return Became::NoRoom;
            }
            let Some(kept) = cx.keep() else { return Became::Failed(StorageError::NoMemory) };
            let (ahead, given) = (inner.queue.in_flight(), &mut inner.service);
            // Which way most of it goes.
            let writes = request.writes.bytes() < request.reads.bytes();
            let span = (request.position, u64::from(request.count));
            let predicted = request.unit.map(|unit| given.given(unit, writes, span, request.bytes));
            let name = request.unit.map(|unit| (unit, request.tag));
            let aborted = Cell::new(false);
            let ticket = Ticket { kept, since: cx.now(), ahead, predicted, name, aborted };
            let reads = core::mem::replace(&mut request.reads, B::none());
            let writes = core::mem::replace(&mut request.writes, B::none());
            let refused = match inner.queue.give(reads, writes, ticket) {
                Given::Yes => {
                    inner.most = inner.most.max(inner.queue.in_flight());
                    cx.moved(counted(request.bytes));
                    if let Some((_, time)) = predicted {
                        let mut record = Record::new(PREDICTION);
                        let _ = record.set(SERVICE_TIME, time.get());
                        cx.record(record);
                    }
                    return Became::Given;
                }
                Given::Full(ticket) | Given::Never(ticket) => ticket,
            };
            // It would have had room: what it is cannot be given, now or later.
            let reply = Reply::<B>::Device(Err(StorageError::TooMuch));
            let _ = cx.answer(refused.kept, Some(reply));
            Became::Given
        })
    }
}

impl<M: Mail<B>, B: Memory> Resource<M> for Driver<M, B> {
    type Request = DeviceRequest<B>;
    type Reply = Reply<B>;
    const FAN_OUT: u32 = 0;

    fn handle(
        &mut self,
        request: &mut DeviceRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Self> {
        match self.put(request, cx) {
            Became::Given => Outcome::Kept,
            Became::NoRoom => Outcome::Rejected(cx.rejection(Scope::Device)),
            Became::Failed(error) => Outcome::Reply(Reply::Device(Err(error))),
        }
    }
}
