//! Storage (the paper's SR): disks and their partitions by name, and blocks of them, whatever
//! technology is beneath.

use alloc::sync::Arc;

use vortex_grid::{At, Context, Continuation, Outcome, Resource};
use vortex_units::Bytes;

use crate::error::StorageError;
use crate::memory::Memory;
use crate::register;
use crate::requests::{Mail, Operation, Reply, ScsiRequest, VolumeRequest, counted};
use crate::volume::{Volume, VolumeId};
use crate::wiring::Wiring;

/// The resource.
pub struct Volumes<M, B> {
    pub(crate) wiring: Arc<Wiring<M, B>>,
}

/// Where on the disk some blocks of a volume are.
fn place(
    volume: &Volume,
    operation: Operation,
    block: u64,
    bytes: Bytes,
) -> Result<u64, StorageError> {
    if operation == Operation::Flush {
        return Ok(0);
    }
    let size = u64::from(volume.block_size);
    let count = bytes.get().checked_div(size).unwrap_or(0);
    let end = block.checked_add(count).ok_or(StorageError::Range)?;
    if end > volume.blocks || count.saturating_mul(size) != bytes.get() {
        return Err(StorageError::Range);
    }
    block.checked_add(volume.first).ok_or(StorageError::Range)
}

impl<M: Mail<B>, B: Memory> Volumes<M, B> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, B>>) -> Self {
        Self { wiring }
    }

    /// Sends blocks on to the disk that they are of.
    fn pass_on(
        &self,
        (id, operation, block): (VolumeId, Operation, u64),
        data: B,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Self> {
        let fail = |data, error| Outcome::Reply(Reply::Data(data, Err(error)));
        let Some(volume) = self.wiring.volume(id) else {
            return fail(data, StorageError::NoVolume);
        };
        let block = match place(&volume, operation, block, data.bytes()) {
            Ok(block) => block,
            Err(error) => return fail(data, error),
        };
        cx.moved(counted(data.bytes()));
        let Volume { address, block_size, .. } = volume;
        let request = ScsiRequest::Blocks { address, block_size, operation, block, data, tries: 0 };
        let Some(port) = self.wiring.ports.get().map(|ports| ports.scsi) else {
            return fail(B::none(), StorageError::Broken);
        };
        match cx.request(port, cx.labels(), request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Passed>()),
            Err(_) => fail(B::none(), StorageError::NoMemory),
        }
    }
}

impl<M: Mail<B>, B: Memory> Resource<M> for Volumes<M, B> {
    type Request = VolumeRequest<B>;
    type Reply = Reply<B>;
    const FAN_OUT: u32 = 1;

    fn handle(
        &mut self,
        request: &mut VolumeRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Self> {
        match request {
            VolumeRequest::Register(disk) => register::go_on(self, disk, cx),
            VolumeRequest::Blocks { volume, operation, block, data } => {
                let data = core::mem::replace(data, B::none());
                self.pass_on((*volume, *operation, *block), data, cx)
            }
        }
    }
}

/// The disk has answered.
struct Passed;

impl<M: Mail<B>, B: Memory> Continuation<M, Volumes<M, B>> for Passed {
    fn resume(
        _: &mut Volumes<M, B>,
        _: &mut VolumeRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Volumes<M, B>> {
        Outcome::Reply(match cx.reply::<Reply<B>>() {
            Ok(Some(reply @ Reply::Data(..))) => reply,
            Ok(_) => Reply::Data(B::none(), Err(StorageError::Answer)),
            Err(_) => Reply::Data(B::none(), Err(StorageError::NoMemory)),
        })
    }
}
