//! SDRWR: between storage's requests and those that all drivers take (§4.5). Here is what a
//! SCSI command looks like to a virtio host.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use vortex_grid::{At, Context, Continuation, Outcome, Resource};
use vortex_units::Bytes;

use crate::error::StorageError;
use crate::memory::Memory;
use crate::requests::{CommandRequest, DeviceRequest, Mail, Reply, counted};
use crate::scsi::Way;
use crate::slots::{ANSWER_AT, Slots};
use crate::virtio_scsi::{ANSWER, REQUEST, answer, request};
use crate::wiring::Wiring;
use crate::{MOST_BYTES, MOST_PIECES};

/// What no host says of a command.
const NOT_SAID: u8 = 0xff;

/// The resource.
pub struct Translator<M, B> {
    wiring: Arc<Wiring<M, B>>,
    slots: Slots<B>,
}

/// The number of a command, different for all.
static TAG: AtomicU64 = AtomicU64::new(1);

impl<M: Mail<B>, B: Memory> Translator<M, B> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, B>>) -> Self {
        Self { wiring, slots: Slots::new() }
    }

    /// What the driver is asked for.
    fn translate(
        &mut self,
        command: &mut CommandRequest<B>,
    ) -> Result<DeviceRequest<B>, StorageError> {
        let bytes = command.data.bytes();
        if bytes > Bytes::new(MOST_BYTES as u64) || command.data.pieces() > MOST_PIECES {
            return Err(StorageError::TooMuch);
        }
        let head = self.slots.take().ok_or(StorageError::NoMemory)?;
        let (reads, writes) = (head.part(0, REQUEST), head.part(ANSWER_AT, ANSWER));
        command.head = Some(head);
        let (Some(mut reads), Some(mut writes)) = (reads, writes) else {
            return Err(StorageError::NoMemory);
        };
        let tag = TAG.fetch_add(1, Ordering::Relaxed);
        reads.write(&request(command.address, tag, &command.command.encoded()));
        // What another command was answered here is not this one's.
        writes.write(&[NOT_SAID; ANSWER]);
        let joined = match command.command.way() {
            Way::No => bytes.is_zero(),
            Way::Out => reads.join(&command.data),
            Way::In => writes.join(&command.data),
        };
        let (position, count) = command.command.span();
        let unit = command.command.is_of_blocks().then(|| command.address.number());
        joined
            .then_some(DeviceRequest { reads, writes, bytes, position, count, unit, tag })
            .ok_or(StorageError::NoMemory)
    }

    /// What the host has answered.
    fn answered(
        command: &CommandRequest<B>,
        reply: Result<Bytes, StorageError>,
    ) -> Result<(), StorageError> {
        let written = reply?;
        if written < Bytes::new(ANSWER as u64) {
            return Err(StorageError::Answer);
        }
        let mut bytes = [0; ANSWER];
        let head = command.head.as_ref().and_then(|head| head.part(ANSWER_AT, ANSWER));
        let read = head.map_or(0, |head| head.read(&mut bytes));
        if read < ANSWER {
            return Err(StorageError::Answer);
        }
        let residual = answer(&bytes)?;
        // Only what says of itself how long it is may be shorter than asked for.
        let whole = command.command.moves_blocks();
        if whole && residual != 0 { Err(StorageError::Short) } else { Ok(()) }
    }

    fn end(
        &mut self,
        command: &mut CommandRequest<B>,
        result: Result<(), StorageError>,
    ) -> Outcome<M, Self> {
        if let Some(head) = command.head.take() {
            self.slots.give_back(head);
        }
        let data = core::mem::replace(&mut command.data, B::none());
        Outcome::Reply(Reply::Data(data, result))
    }
}

impl<M: Mail<B>, B: Memory> Resource<M> for Translator<M, B> {
    type Request = CommandRequest<B>;
    type Reply = Reply<B>;
    const FAN_OUT: u32 = 1;

    fn handle(
        &mut self,
        command: &mut CommandRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Self> {
        let Some(driver) = self.wiring.ports.get().map(|ports| ports.driver) else {
            return self.end(command, Err(StorageError::Broken));
        };
        let request = match self.translate(command) {
            Ok(request) => request,
            Err(error) => return self.end(command, Err(error)),
        };
        cx.moved(counted(request.bytes));
        match cx.request(driver, cx.labels(), request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Answered>()),
            Err(_) => self.end(command, Err(StorageError::NoMemory)),
        }
    }
}

/// The device is done with a command.
struct Answered;

impl<M: Mail<B>, B: Memory> Continuation<M, Translator<M, B>> for Answered {
    fn resume(
        resource: &mut Translator<M, B>,
        command: &mut CommandRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Translator<M, B>> {
        let reply = match cx.reply::<Reply<B>>() {
            Ok(Some(Reply::Device(result))) => result,
            Ok(_) => Err(StorageError::Answer),
            Err(_) => {
                // The device may have it still: the head is not used again.
                command.head = None;
                Err(StorageError::NoMemory)
            }
        };
        let result = Translator::<M, B>::answered(command, reply);
        resource.end(command, result)
    }
}
