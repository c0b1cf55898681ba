//! Pages of files in memory that have left, and that the file resource needs: for a call that
//! reads or writes the file, which waits meanwhile and is made again.

use alloc::boxed::Box;
use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_grid::{At, Context, Continuation, Labels, Outcome};

use super::asr::{AddressSpaces, MemoryRequest};
use super::orders::transferred;
use super::room::{Patience, with_room};
use super::shared::{Coming, Had, Shared};
use super::swap::ReadError;
use crate::storage::VolumeRequest;
use crate::{Answer, Mail};

type Left = Outcome<Mail, AddressSpaces>;

/// Such a page.
pub struct Bring {
    shared: Option<Arc<Shared>>,
    page: u64,
    waited: Patience,
    coming: Option<Coming>,
}

impl MemoryRequest {
    /// A page of the memory with this number is needed.
    pub(crate) fn bring(number: u64, page: u64) -> Self {
        let (waited, coming) = (Patience::default(), None);
        Self::Bring(Box::new(Bring { shared: Shared::numbered(number), page, waited, coming }))
    }
}

fn answer(result: Result<u64, Errno>) -> Left {
    Outcome::Reply(Answer::Call(result))
}

impl AddressSpaces {
    /// Brings it back, on the bill of who needs it.
    pub(super) fn bring(&self, bring: &mut Bring, cx: &mut Context<'_, Mail>) -> Left {
        // Else nobody has the file any more.
        let Some(shared) = &bring.shared else { return answer(Ok(0)) };
        match shared.frame(bring.page, cx.activity(), true) {
            Ok(Had::Frame(_)) => answer(Ok(0)),
            Ok(Had::Asks(asks, coming)) => self.ask_brought(bring, asks, coming, cx),
            Err(ReadError::NotYet) => Outcome::Continue(At::beginning()),
            Err(ReadError::Device) => answer(Err(Errno::EIO)),
            Err(ReadError::NoMemory) => match bring.waited.wait(&self.system, cx.activity(), cx) {
                Some(room) => Outcome::Pending(room, At::routine::<HasRoom>()),
                None => answer(Err(Errno::ENOMEM)),
            },
        }
    }

    fn ask_brought(
        &self,
        bring: &mut Bring,
        asks: VolumeRequest,
        coming: Coming,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let ports = self.system.disks.get().and_then(|disks| disks.wiring.ports.get());
        match ports.map(|ports| cx.request(ports.volumes, Labels::NONE, asks)) {
            Some(Ok(trigger)) => {
                bring.coming = Some(coming);
                Outcome::Pending(trigger, At::routine::<HasRead>())
            }
            _ => answer(Err(Errno::EIO)),
        }
    }
}

/// What was waited for is there, or there is nothing to be had.
struct HasRoom;

impl Continuation<Mail, AddressSpaces> for HasRoom {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Bring(bring) = request else { return Outcome::Done };
        with_room(&spaces.system, cx, |cx| spaces.bring(bring, cx))
    }
}

/// Storage has read it, or could not.
struct HasRead;

impl Continuation<Mail, AddressSpaces> for HasRead {
    fn resume(
        _: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Bring(bring) = request else { return Outcome::Done };
        let good = transferred(cx);
        match bring.coming.take().filter(|_| good) {
            Some(coming) => {
                coming.arrive();
                answer(Ok(0))
            }
            None => answer(Err(Errno::EIO)),
        }
    }
}
