//! Faults, as ASR serves them: a page is made at once, or waits for memory.
//!
//! ```text
//!  fault ──► mended ───────────────────────────────────────────────► answered
//!    │ no memory                                                        ▲
//!    │ (or it is on a disk: read, and put there) ───────────────────────┤
//!    ├──► files that nobody has mapped are forgotten ──► mended ────────┤
//!    ├──► waits at the memory multiplexor, a few times ──► mended ──────┤
//!    ├──► who is beyond its soft limit ends, it waits again ────────────┤
//!    └──► there is none ────────────────────────────────────────────────┘
//! ```

use alloc::boxed::Box;

use vortex_abi::Errno;
use vortex_grid::{At, Context, Continuation, Labels, Outcome};
use vortex_machine::{Access, Frame, PAGE, Use};
use vortex_units::{ActivityId, Frames};

use super::asr::{AddressSpaces, FaultError, MemoryRequest};
use super::huge::{Filled, Filling};
use super::mend::{By, Mend, Reading, Wanted, bring_back, mend};
use super::orders::transferred;
use super::room::with_room;
use super::space::AddressSpace;
use crate::cache::{CacheFrame, CacheReply, CacheRequest};
use crate::files::FileRequest;
use crate::process::ProcessRequest;
use crate::storage::VolumeRequest;
use crate::{Answer, Mail};

type Left = Outcome<Mail, AddressSpaces>;

/// The files' frames that nobody needed have been given back.
struct HasBack;

impl Continuation<Mail, AddressSpaces> for HasBack {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Fault { space, address, access, short, .. } = request else {
            return Outcome::Done;
        };
        let mended = mend_for(space, (*address, *access, *short), cx);
        let left = spaces.mended(request, mended, cx);
        spaces.served(request, left, cx)
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
        let MemoryRequest::Fault { space, address, access, short, .. } = request else {
            return Outcome::Done;
        };
        let mended =
            with_room(&spaces.system, cx, |cx| mend_for(space, (*address, *access, *short), cx));
        let left = spaces.mended(request, mended, cx);
        spaces.served(request, left, cx)
    }
}

/// Another activity had more than it should, and a process of it ends: what that had comes
/// back by and by.
struct Shrunk;

impl Continuation<Mail, AddressSpaces> for Shrunk {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let ends = matches!(cx.reply::<Answer>(), Ok(Some(Answer::Shrunk(true))));
        let MemoryRequest::Fault { space, address, access, waited, short, .. } = request else {
            return Outcome::Done;
        };
        let mended = mend_for(space, (*address, *access, *short), cx);
        let left = if ends {
            waited.renew();
            spaces.mended(request, mended, cx)
        } else {
            match mended {
                Ok(Some(unread)) => spaces.read(request, unread, cx),
                Ok(None) => Outcome::Reply(Answer::Fault(Ok(()))),
                Err(error) => Outcome::Reply(Answer::Fault(Err(error))),
            }
        };
        spaces.served(request, left, cx)
    }
}

/// A page was read from the swap volume's disk, or cannot be.
struct HasRead;

impl Continuation<Mail, AddressSpaces> for HasRead {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Fault { space, address, reading, .. } = request else {
            return Outcome::Done;
        };
        let good = transferred(cx);
        let mended = match reading.take().filter(|_| good) {
            Some(reading) => bring_back(space, *address, *reading).map(|given| {
                cx.allocated(Frames::new(given));
                None
            }),
            None => Err(FaultError::Device),
        };
        let left = spaces.mended(request, mended, cx);
        spaces.served(request, left, cx)
    }
}

/// FCR has fetched a page of a file, or cannot.
struct HasFetched;

impl Continuation<Mail, AddressSpaces> for HasFetched {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let fetched = match cx.reply::<CacheReply>() {
            Ok(Some(CacheReply::Done(Ok(())))) => Ok(None),
            Ok(Some(CacheReply::Done(Err(Errno::ENOMEM)))) | Err(_) => Err(FaultError::NoMemory),
            _ => Err(FaultError::Device),
        };
        // The thread touches the page again.
        let left = spaces.mended(request, fetched, cx);
        spaces.served(request, left, cx)
    }
}

/// What is still to be done for a fault.
enum Wants {
    /// The page is leaving, and some core may still change it: again, in a further run.
    Again,
    /// From the swap volume.
    Disk(VolumeRequest, Box<Reading>),
    /// A page of a file, and memory for it.
    File(Wanted, Frame),
}

/// The same, if there is anything.
type Unread = Option<Wants>;

/// Mends a fault on request, as far as can be done at once. Where it is short of memory for a
/// page of a file that FCR is to fetch, it has that here; else the thread asks FCR itself.
fn mend_for(
    space: &AddressSpace,
    (address, access, short): (u64, Access, bool),
    cx: &mut Context<'_, Mail>,
) -> Result<Unread, FaultError> {
    match mend(space, address, access, By::Asr)? {
        Mend::Done(given) => cx.allocated(Frames::new(given)),
        Mend::Late if space.away.has(address & !(PAGE as u64 - 1)) => {
            return Ok(Some(Wants::Again));
        }
        // The thread touches it again, and faults again if it must.
        Mend::Late => {}
        Mend::Read(request, reading) => return Ok(Some(Wants::Disk(request, reading))),
        Mend::Fetch(_) if !short => {}
        Mend::Fetch(wanted) => {
            let frame = Frame::zeroed_for(space.space.owner(), Use::Cache);
            return Ok(Some(Wants::File(wanted, frame.ok_or(FaultError::NoMemory)?)));
        }
    }
    if !space.space.is_current() {
        // A copy took the place of a shared frame: other threads of the process must not
        // see the old one.
        poke(space, cx);
    }
    Ok(None)
}

/// Goes on with what comes at once for a fault, or begins with it: 2 MiB, cleared a slice a run.
fn go_on(filling: &mut Option<Box<Filling>>, space: &AddressSpace, address: u64) -> Filled {
    let Some(begun) = filling else {
        *filling = Filling::begin(space, address).map(Box::new);
        return if filling.is_some() { Filled::More } else { Filled::Gone };
    };
    if begun.clear() {
        return Filled::More;
    }
    filling.take().map_or(Filled::Gone, |filling| filling.put(space))
}

/// Makes the cores that may still use what was taken from a space look: on the bill of
/// whoever has it taken.
pub(super) fn poke(space: &AddressSpace, cx: &mut Context<'_, Mail>) {
    for core in space.space.behind() {
        cx.poke(core);
    }
}

impl AddressSpaces {
    /// Mends a fault from its beginning.
    pub(super) fn fault(&self, request: &mut MemoryRequest, cx: &mut Context<'_, Mail>) -> Left {
        let MemoryRequest::Fault { space, address, access, filling, short, .. } = request else {
            return Outcome::Done;
        };
        match go_on(filling, space, *address) {
            Filled::More => return Outcome::Continue(At::beginning()),
            Filled::Done(given) => {
                cx.allocated(Frames::new(given));
                return Outcome::Reply(Answer::Fault(Ok(())));
            }
            Filled::Gone => {}
        }
        let mended = mend_for(space, (*address, *access, *short), cx);
        let short = matches!(mended, Err(FaultError::NoMemory));
        if short && let Some(left) = self.ask_back(space.space.owner(), cx) {
            return left;
        }
        match mended {
            Ok(Some(unread)) => self.read(request, unread, cx),
            Ok(None) => Outcome::Reply(Answer::Fault(Ok(()))),
            Err(error) => Outcome::Reply(Answer::Fault(Err(error))),
        }
    }

    /// Asks storage, or FCR, for a page, and waits.
    fn read(&self, request: &mut MemoryRequest, wants: Wants, cx: &mut Context<'_, Mail>) -> Left {
        let MemoryRequest::Fault { reading, .. } = request else { return Outcome::Done };
        let (asks, reads) = match wants {
            Wants::Again => return Outcome::Continue(At::beginning()),
            Wants::Disk(asks, reads) => (asks, reads),
            Wants::File(Wanted { file, page, .. }, frame) => {
                cx.allocated(Frames::new(1));
                let fault = CacheRequest::fault(file, page, Some(CacheFrame(frame)));
                let ports = self.system.file_systems.get().and_then(|wiring| wiring.ports.get());
                return match ports.map(|ports| cx.request(ports.cache, Labels::NONE, fault)) {
                    Some(Ok(trigger)) => Outcome::Pending(trigger, At::routine::<HasFetched>()),
                    _ => Outcome::Reply(Answer::Fault(Err(FaultError::Device))),
                };
            }
        };
        let ports = self.system.disks.get().and_then(|disks| disks.wiring.ports.get());
        let asked = ports.map(|ports| cx.request(ports.volumes, Labels::NONE, asks));
        match asked {
            Some(Ok(trigger)) => {
                *reading = Some(reads);
                Outcome::Pending(trigger, At::routine::<HasRead>())
            }
            _ => Outcome::Reply(Answer::Fault(Err(FaultError::Device))),
        }
    }

    /// An activity gets no more memory: what is only kept in case it is wanted again goes
    /// first. `None` where that cannot be asked for.
    fn ask_back(&self, of: ActivityId, cx: &mut Context<'_, Mail>) -> Option<Left> {
        let ports = self.system.ports.get()?;
        let trigger = cx.request(ports.files, Labels::NONE, FileRequest::GiveBack(of)).ok()?;
        Some(Outcome::Pending(trigger, At::routine::<HasBack>()))
    }

    /// A fault is mended, or waits for memory.
    fn mended(
        &self,
        request: &mut MemoryRequest,
        mended: Result<Unread, FaultError>,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let mended = match mended {
            Ok(Some(unread)) => return self.read(request, unread, cx),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let MemoryRequest::Fault { waited, space, .. } = request else { return Outcome::Done };
        // Who pays for the space's memory, whoever of its process's threads faults.
        let owner = space.space.owner();
        if mended == Err(FaultError::NoMemory)
            && let Some(room) = waited.wait(&self.system, owner, cx)
        {
            return Outcome::Pending(room, At::routine::<HasRoom>());
        }
        if mended == Err(FaultError::NoMemory)
            && let Some(memory) = vortex_machine::multiplexor()
            && let Some(over) = memory.in_the_way(owner)
            && let Some(ports) = self.system.ports.get()
            && let Ok(ends) = cx.request(ports.process, Labels::NONE, ProcessRequest::Shrink(over))
        {
            return Outcome::Pending(ends, At::routine::<Shrunk>());
        }
        Outcome::Reply(Answer::Fault(mended))
    }
}
