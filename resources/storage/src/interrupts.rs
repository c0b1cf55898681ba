//! DIR: takes out of a device's ring what it is done with (§3.3.2).
//!
//! The interrupt is the infrastructure's, for nobody knows yet whose requests are done. A run
//! takes some of them, and each part of the run is billed to the activity whose request it was.
//! The device does not interrupt while there is something to take.

use alloc::sync::Arc;

use vortex_grid::policy::{Record, RecordKind};
use vortex_grid::{At, Context, Labels, Outcome, Resource, Scope};
use vortex_units::{ActivityId, Bytes, Cycles, Micros};

use crate::address::Address;
use crate::channel::{COMPLETION, COMPLETION_TIME, Channel, QUEUE_LENGTH, SERVICE_TIME, Ticket};
use crate::error::StorageError;
use crate::memory::Memory;
use crate::requests::{InterruptRequest, Mail, Reply};
use crate::service::Done;
use crate::virtio_scsi::abort;
use crate::wiring::Wiring;

/// Requests taken in one run.
const BATCH: u32 = 8;
/// How often it is looked whether a request takes too long, or an interrupt was missed.
const TICK: Micros = Micros::new(1_000_000);
/// How long a device may take for a request. Then it is asked to end that one; and if even that
/// does not help, nothing is expected of it any more.
const ABORTED: Micros = Micros::new(30_000_000);
const PATIENCE: Micros = Micros::new(60_000_000);
/// Requests that it is asked to end at a time.
const ABORTS: usize = 8;

/// The resource.
pub struct Interrupts<M, B> {
    wiring: Arc<Wiring<M, B>>,
    patience: Cycles,
    aborted: Cycles,
}

/// What a look at the ring found.
enum Taken<M> {
    Nothing,
    One(Ticket<M>, Bytes),
    Broken,
}

type Cx<'a, M> = Context<'a, M>;

/// By how much a prediction was wrong.
fn correction(done: Done) -> Option<Record> {
    let mut record = Record::new(RecordKind::CORRECTION);
    let (took, predicted) = (done.took, done.predicted);
    let _ = record.set(SERVICE_TIME, took.get().abs_diff(predicted.get()));
    match took < predicted {
        true => Some(record.credited()),
        false => (took > predicted).then_some(record),
    }
}

impl<M: Mail<B>, B: Memory> Interrupts<M, B> {
    /// The instance of a core, whose clock has this rate.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, B>>, frequency: vortex_grid::Frequency) -> Self {
        let (patience, aborted) = (frequency.cycles(PATIENCE), frequency.cycles(ABORTED));
        Self { wiring, patience, aborted }
    }

    /// A request is done.
    fn finish(ticket: Ticket<M>, written: Bytes, correction: Option<Record>, cx: &mut Cx<'_, M>) {
        let Ticket { kept, since, ahead, .. } = ticket;
        if let Some(part) = cx.unbilled() {
            // Room for each is declared.
            let _ = cx.bill(part, kept.activity());
        }
        let mut record = Record::new(COMPLETION);
        // A record has room for two.
        let _ = record.set(COMPLETION_TIME, cx.now().saturating_sub(since).get());
        let _ = record.set(QUEUE_LENGTH, u64::from(ahead));
        cx.record_later(&kept, record);
        if let Some(correction) = correction {
            cx.record_later(&kept, correction);
        }
        // Kept on this core: the queue is its own.
        let _ = cx.answer(kept, Some(Reply::<B>::Device(Ok(written))));
    }

    fn take(channel: &Channel<M, B>) -> Taken<M> {
        channel.with(|inner| {
            if inner.broken {
                return Taken::Nothing;
            }
            match inner.queue.take() {
                Ok(Some((ticket, written))) => Taken::One(ticket, written),
                Ok(None) => Taken::Nothing,
                Err(_) => Taken::Broken,
            }
        })
    }

    /// Takes some; true if there may be more.
    fn drain(&self, channel: &Channel<M, B>, cx: &mut Cx<'_, M>) -> bool {
        let mut all = [const { None }; BATCH as usize];
        let (mut more, mut broken) = (true, false);
        for place in &mut all {
            match Self::take(channel) {
                Taken::One(ticket, written) => *place = Some((ticket, written)),
                Taken::Nothing => more = false,
                Taken::Broken => (more, broken) = (false, true),
            }
            if !more {
                break;
            }
        }
        let mut times = Self::times(channel, &all, cx.now());
        for (ticket, written) in all.into_iter().flatten() {
            let correction = match ticket.predicted {
                Some(_) => times.next().and_then(correction),
                None => None,
            };
            Self::finish(ticket, written, correction, cx);
        }
        if broken {
            self.give_up(channel, StorageError::Broken, cx);
        }
        more
    }

    /// How long the device took for each of these for which that was predicted, in their order.
    fn times(
        channel: &Channel<M, B>,
        all: &[Option<(Ticket<M>, Bytes)>],
        now: Cycles,
    ) -> impl Iterator<Item = Done> + use<M, B> {
        let mut times = [const { None }; BATCH as usize];
        let predicted = all.iter().flatten().filter_map(|(ticket, _)| {
            let (like, predicted) = ticket.predicted?;
            Some(Done { like, since: ticket.since, predicted, took: Cycles::ZERO })
        });
        for (place, done) in times.iter_mut().zip(predicted) {
            *place = Some(done);
        }
        channel.with(|inner| inner.service.finished(&mut times, now));
        times.into_iter().flatten()
    }

    /// The device is not used any more; what it had fails.
    #[cold]
    fn give_up(&self, channel: &Channel<M, B>, why: StorageError, cx: &mut Cx<'_, M>) {
        let left = channel.with(|inner| {
            inner.broken = true;
            inner.queue.stop()
        });
        self.wiring.tell(format_args!("a disk controller is cut off: {why:?}"));
        for ticket in left {
            let _ = cx.answer(ticket.kept, Some(Reply::<B>::Device(Err(why))));
        }
        // What waits for room is told that there will never be any.
        self.resume(channel, cx);
    }

    /// DRWR goes on, if it waits for room.
    fn resume(&self, channel: &Channel<M, B>, cx: &mut Cx<'_, M>) {
        if channel.with(|inner| core::mem::replace(&mut inner.starved, false))
            && let Some(ports) = self.wiring.ports.get()
        {
            let all = ActivityId::INFRASTRUCTURE;
            // Declared.
            let _ = cx.resume(ports.driver, Scope::Device, all, Labels::NONE, channel.core());
        }
    }

    fn serve(&mut self, channel: &Channel<M, B>, cx: &mut Cx<'_, M>) -> Outcome<M, Self> {
        let more = self.drain(channel, cx);
        self.resume(channel, cx);
        if more {
            return Outcome::Continue(At::beginning());
        }
        let missed = channel.with(|inner| {
            let missed = !inner.broken && inner.queue.listen();
            if missed {
                inner.queue.be_quiet();
            }
            inner.asked = missed;
            missed
        });
        if missed { Outcome::Continue(At::beginning()) } else { Outcome::Done }
    }

    /// Whether the device takes too long for something. What it takes long for it is asked to
    /// end, by itself (SAM's ABORT TASK).
    fn is_late(&self, channel: &Channel<M, B>, cx: &Cx<'_, M>) -> bool {
        let now = cx.now();
        let mut names = [None; ABORTS];
        let late = channel.with(|inner| {
            let mut late = false;
            let mut places = names.iter_mut();
            inner.queue.each(&mut |ticket| {
                let took = now.saturating_sub(ticket.since);
                late |= took > self.patience;
                if took > self.aborted
                    && !ticket.aborted.get()
                    && ticket.name.is_some()
                    && let Some(place) = places.next()
                {
                    *place = ticket.name;
                    ticket.aborted.set(true);
                }
            });
            for (unit, tag) in names.iter().flatten() {
                // Else it waits until all is given up.
                let _told = inner.queue.tell(&abort(Address::numbered(*unit), *tag));
            }
            late
        });
        for (unit, _) in names.into_iter().flatten() {
            let Address { target, unit } = Address::numbered(unit);
            self.wiring.tell(format_args!("a command of {target}:{unit} is aborted"));
        }
        late
    }
}

impl<M: Mail<B>, B: Memory> Resource<M> for Interrupts<M, B> {
    type Request = InterruptRequest;
    type Reply = Reply<B>;
    /// A bill for each that is done, DRWR's resumption, and the next tick.
    const FAN_OUT: u32 = BATCH.saturating_add(2);

    fn handle(&mut self, request: &mut InterruptRequest, cx: &mut Cx<'_, M>) -> Outcome<M, Self> {
        let wiring = self.wiring.clone();
        let Some(channel) = wiring.channel(cx.core()) else { return Outcome::Done };
        if *request == InterruptRequest::Tick {
            if let Some(ports) = wiring.ports.get() {
                let next = InterruptRequest::Tick;
                if cx.after(TICK, ports.interrupts, Labels::NONE, next).is_err() {
                    wiring.tell(format_args!("a disk controller is not watched any more"));
                }
            }
            if self.is_late(channel, cx) {
                self.give_up(channel, StorageError::Timeout, cx);
            }
            // What comes now is served as an interrupt.
            *request = InterruptRequest::Interrupt;
        }
        self.serve(channel, cx)
    }
}
