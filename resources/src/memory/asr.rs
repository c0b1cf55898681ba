//! The address space resource (ASR, §3.2): regions of zeros, of files, or shared; faults, copy on
//! write, shootdown.
//!
//! Requests of one space have its number as their label: so they are served in order, on
//! one core, as far as they are of one sender and activity. Of the others (forks, and threads
//! that are bound to sub-activities) one is served at a time (`turn.rs`).

use alloc::boxed::Box;
use alloc::sync::Arc;

use vortex_abi::{self as abi, Errno};
use vortex_grid::{At, Context, Continuation, Labels, Outcome, Resource, Scope};
use vortex_machine::{Access, MapError};
use vortex_units::Frames;

use super::ahead::Ahead;
use super::bring::Bring;
use super::calls;
use super::faults::poke;
use super::huge::Filling;
use super::mend::Reading;
use super::orders::Reclaim;
use super::pages::{Made, clear, populate, show, sweep};
use super::regions::Backing;
use super::remap;
use super::room::Patience;
use super::shown_files::TakeShown;
use super::shown_orders::ReclaimShown;
use super::space::AddressSpace;
use super::turn::Order;
use super::unneeded::{Leaving, PagedOut, Unneeded};
use super::windows::Windowing;
use crate::cache::CachedFile;
use crate::files::{FileRequest, FilesId};
use crate::graves::free_some;
use crate::{Answer, Mail, System};

/// To ASR.
pub enum MemoryRequest {
    /// A thread has touched a page that it may not, or not yet.
    Fault {
        /// Where.
        space: Arc<AddressSpace>,
        /// The address.
        address: u64,
        /// For what.
        access: Access,
        /// How often it has waited for memory.
        waited: Patience,
        /// What is read for it from the swap volume.
        reading: Option<Box<Reading>>,
        /// 2 MiB that are being cleared for it.
        filling: Option<Box<Filling>>,
        /// FCR had no memory for the page, which is of a file.
        short: bool,
    },
    /// A system call.
    Call {
        /// Of whom.
        space: Arc<AddressSpace>,
        /// The caller's descriptors.
        files: FilesId,
        /// Which.
        call: abi::Memory,
        /// How far it has come.
        stage: Stage,
        /// What is to be done then, and whether what was done has failed.
        rest: Option<Box<Rest>>,
    },
    /// A copy for a child; pages are shared until one of both writes them.
    Copy {
        /// Of what.
        from: Arc<AddressSpace>,
        /// What is made so far.
        to: Option<Arc<AddressSpace>>,
        /// From where on regions are still to be copied; nothing when they are.
        regions: Option<u64>,
        /// From where on pages are.
        at: u64,
        /// The page that both will write to next: the thread's stack.
        hot: u64,
        /// How often it has waited for memory.
        waited: Patience,
    },
    /// The space has no user any more: its frames are given back.
    Release {
        /// Which.
        space: Arc<AddressSpace>,
        /// From where on.
        at: u64,
        /// Since when ([`vortex_files::MapWatch::leaves`]).
        since: u32,
    },
    /// A program sees what was read of a file, or does not any more.
    Window(Box<Windowing>),
    /// A frame of a page is asked back.
    Reclaim(Reclaim),
    /// A frame of a page is asked back that spaces show, of a file or of shared memory.
    ReclaimShown(ReclaimShown),
    /// Pages of a file on a disk are taken from all who show them.
    TakeShown(Box<TakeShown>),
    /// A page of a file in memory has left, and the file resource needs it.
    Bring(Box<Bring>),
    /// Pages that are with the swap resource will be needed.
    Ahead(Box<Ahead>),
}

impl MemoryRequest {
    /// A page of a space is to be had for this.
    pub(crate) fn fault(space: Arc<AddressSpace>, address: u64, access: Access) -> Self {
        let (waited, reading, filling) = (Patience::default(), None, None);
        Self::Fault { space, address, access, waited, reading, filling, short: false }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Fault { .. } => "fault",
            Self::Call { call, .. } => call.name(),
            Self::Copy { .. } => "copy",
            Self::Release { .. } => "release",
            Self::Window(windowing) => windowing.name(),
            Self::Reclaim(_) => "reclaim",
            Self::ReclaimShown(_) => "reclaim a shown",
            Self::TakeShown(_) => "take a shown",
            Self::Bring(_) => "bring back",
            Self::Ahead(_) => "read ahead",
        }
    }

    /// The space that it is about, if it is to have that for itself.
    fn space(&self) -> Option<&AddressSpace> {
        match self {
            Self::Fault { space, .. }
            | Self::Call { space, .. }
            | Self::Release { space, .. }
            | Self::Copy { from: space, .. } => Some(space),
            Self::Window(windowing) => Some(&windowing.space),
            Self::Reclaim(_) | Self::ReclaimShown(_) | Self::TakeShown(_) => None,
            Self::Bring(_) | Self::Ahead(_) => None,
        }
    }
}

/// What is left of a call beside what it is about now.
#[derive(Default)]
pub struct Rest {
    /// The file that it maps, while it looks for room.
    file: Option<Box<Mapping>>,
    /// The rest of it.
    call: Option<abi::Memory>,
    /// What its earlier parts answer, if that is no success.
    answer: Option<u64>,
    /// The file that is being synced, and how many errors it had before.
    pub(super) syncing: Option<(Arc<CachedFile>, u32)>,
    /// How often it has waited for memory.
    pub(super) waited: Patience,
    /// Pages that leave because the program says so.
    pub(super) leaving: Leaving,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, Default)]
pub enum Stage {
    /// Nothing is done.
    #[default]
    New,
    /// There is no room for what is to be mapped above this address.
    Placing(u64),
    /// Pages from the first address to the second are still to be taken away; what is
    /// answered then.
    Unmapping(u64, u64, u64),
    /// Pages from the first address to the second are still to be shown so far away too;
    /// what is answered when they are gone from where they were.
    Moving(u64, u64, i64, u64),
    /// All that are in memory are; those with the swap resource from the first address to the
    /// second are still to be there instead.
    Shifting(u64, u64, i64, u64),
    /// Pages from the first address to the second are still to be taken away, before others
    /// are shown there; where that is.
    Emptying(u64, u64, u64),
    /// Pages from the first address to the second are still to be made, for this; what is
    /// answered then.
    Populating(u64, u64, Access, u64),
    /// Pages from the first address to the second are still to be told to be unneeded, so; what
    /// is answered then.
    Unneeding(u64, u64, Unneeded, u64),
    /// Pages are still to get these rights.
    Protecting(u64, u64, Access),
    /// Files that are shown from the first address to the second are still to be synced.
    Syncing(u64, u64),
    /// What lies on disks from the first address to the second is still to be asked for, as it
    /// will be needed; what is answered then.
    Wanting(u64, u64, u64),
    /// Other cores must have seen the change; what is answered then.
    Settling(u64),
}

/// What a file is for `mmap`.
#[derive(Debug)]
pub struct Mapping {
    /// Where contents come from; the place of the first byte is the call's.
    pub backing: Backing,
    /// Whether the memory may be made writable.
    pub may_write: bool,
}

/// Why a fault is the thread's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// There is nothing (`SEGV_MAPERR`).
    Unmapped,
    /// Not for that (`SEGV_ACCERR`).
    Forbidden,
    /// Behind the end of a file (`BUS_ADRERR`).
    Beyond,
    /// The swap volume's device cannot read it (`BUS_ADRERR`).
    Device,
    /// Memory has run out.
    NoMemory,
}

/// The resource, as one core has it.
pub struct AddressSpaces {
    /// What all share.
    pub system: Arc<System>,
}

type Left = Outcome<Mail, AddressSpaces>;

/// The file resource has told what is to be mapped.
struct HasFile;

impl Continuation<Mail, AddressSpaces> for HasFile {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Call { space, call, stage, rest, .. } = request else {
            return Outcome::Done;
        };
        let left = match cx.reply::<Answer>() {
            Ok(Some(Answer::Mapped(Ok(file)))) => {
                rest.get_or_insert_default().file = Some(Box::new(file));
                spaces.call(space, call, stage, rest, cx)
            }
            Ok(Some(Answer::Mapped(Err(error)))) => Outcome::Reply(Answer::Call(Err(error))),
            _ => Outcome::Reply(Answer::Call(Err(Errno::EAGAIN))),
        };
        spaces.served(request, left, cx)
    }
}

impl Resource<Mail> for AddressSpaces {
    type Request = MemoryRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 4;

    fn handle(&mut self, request: &mut MemoryRequest, cx: &mut Context<'_, Mail>) -> Left {
        let (order, core) = (Order(cx.activity(), cx.sender()), cx.core());
        if request.space().is_some_and(|space| !space.turn.enter(order, core)) {
            return Outcome::Rejected(cx.rejection(Scope::Label));
        }
        let left = self.serve(request, cx);
        self.served(request, left, cx)
    }
}

impl AddressSpaces {
    /// Whether it has ended or goes on, its space is left or stays taken.
    pub(super) fn served(
        &self,
        request: &MemoryRequest,
        left: Left,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        if let Outcome::Done | Outcome::Reply(_) = left
            && self.system.maps.is_to_tell()
        {
            self.tell_files(cx);
        }
        if let Outcome::Done | Outcome::Reply(_) = left
            && let Some(space) = request.space()
            && let Some((activity, core)) = space.turn.leave()
            && let Some(ports) = self.system.ports.get()
        {
            // Room for it was reserved: it is the last of the declared sends.
            let labels = Labels::flow(space.number);
            let _ = cx.resume(ports.memory, Scope::Label, activity, labels, core);
        }
        left
    }

    /// The file resource is to see that nobody shows some file any more.
    #[cold]
    fn tell_files(&self, cx: &mut Context<'_, Mail>) {
        let told =
            self.system.ports.get().is_some_and(|ports| {
                cx.send(ports.files, Labels::NONE, FileRequest::Unmapped).is_ok()
            });
        if !told {
            self.system.maps.is_not_told();
        }
    }

    fn serve(&mut self, request: &mut MemoryRequest, cx: &mut Context<'_, Mail>) -> Left {
        match request {
            MemoryRequest::Fault { .. } => self.fault(request, cx),
            MemoryRequest::Call { space, files, call, stage, rest } => {
                match calls::file_of(call, stage).filter(|_| rest.is_none()) {
                    Some(file) => self.ask_file(*files, file, cx),
                    None => self.call(space, call, stage, rest, cx),
                }
            }
            MemoryRequest::Copy { .. } => self.copy(request, cx),
            MemoryRequest::Release { space, at, since } => {
                let left = release(space, at);
                if matches!(left, Outcome::Done) {
                    self.system.maps.has_left(*since);
                }
                left
            }
            MemoryRequest::Window(windowing) => Self::window(windowing, cx),
            MemoryRequest::Reclaim(order) => self.reclaim(order, cx),
            MemoryRequest::ReclaimShown(order) => self.reclaim_shown(order, cx),
            MemoryRequest::TakeShown(take) => self.take_shown(take, cx),
            MemoryRequest::Bring(bring) => self.bring(bring, cx),
            MemoryRequest::Ahead(ahead) => self.ahead(ahead, cx),
        }
    }
}

impl AddressSpaces {
    fn ask_file(&self, files: FilesId, file: calls::File, cx: &mut Context<'_, Mail>) -> Left {
        let failed = || Outcome::Reply(Answer::Call(Err(Errno::EAGAIN)));
        let Some(ports) = self.system.ports.get() else { return failed() };
        let calls::File { fd, shared, write } = file;
        let walks = Box::default();
        let request = FileRequest::Map { files, fd, shared, write, walks };
        match cx.request(ports.files, Labels::NONE, request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<HasFile>()),
            Err(_) => failed(),
        }
    }

    pub(super) fn call(
        &self,
        space: &AddressSpace,
        call: &mut abi::Memory,
        stage: &mut Stage,
        rest: &mut Option<Box<Rest>>,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        match *stage {
            Stage::New if !space.may_map(call) => {
                return Outcome::Reply(Answer::Call(Err(Errno::ENOMEM)));
            }
            Stage::New | Stage::Placing(_) => {
                let below = if let Stage::Placing(end) = *stage { Some(end) } else { None };
                if below.is_none()
                    && let Some((first, then)) = calls::parts(space, call)
                {
                    *call = first;
                    rest.get_or_insert_default().call = Some(then);
                }
                let mut none = None;
                let file = rest.as_mut().map_or(&mut none, |rest| &mut rest.file);
                match calls::begin(space, *call, file, below) {
                    Ok(next) => {
                        space.changed();
                        space.recount_mappings();
                        *stage = next;
                    }
                    Err(error) => return Outcome::Reply(Answer::Call(Err(error))),
                }
            }
            Stage::Unmapping(at, end, answer) => match sweep(space, at, end, None) {
                Some(at) => *stage = Stage::Unmapping(at, end, answer),
                None => *stage = Stage::Settling(answer),
            },
            Stage::Moving(at, end, distance, answer) => match show(space, at, end, distance) {
                Ok(Some(at)) => {
                    if let Some(rest) = rest {
                        rest.waited.renew();
                    }
                    *stage = Stage::Moving(at, end, distance, answer);
                }
                Ok(None) => *stage = remap::shown(call, answer),
                // What was shown of this slice is shown again then: it is the same.
                Err(MapError::NoMemory) if let Some(room) = self.wait_to_move(space, rest, cx) => {
                    return room;
                }
                Err(_) => {
                    *stage = remap::not_moved(space, call, answer);
                    space.changed();
                    space.recount_mappings();
                }
            },
            Stage::Shifting(at, end, distance, answer) => {
                match space.away.shift(at, end, distance) {
                    Some(at) => *stage = Stage::Shifting(at, end, distance, answer),
                    None => {
                        *stage = remap::moved(space, call, answer);
                        space.changed();
                        space.recount_mappings();
                    }
                }
            }
            Stage::Emptying(at, end, place) => match sweep(space, at, end, None) {
                Some(at) => *stage = Stage::Emptying(at, end, place),
                None => *stage = remap::emptied(call, place),
            },
            Stage::Populating(at, end, access, answer) => {
                let (made, given) = populate(space, at, end, access);
                cx.allocated(Frames::new(given));
                match made {
                    Made::Some(at) => *stage = Stage::Populating(at, end, access, answer),
                    Made::Fetch(at, wanted) => {
                        *stage = Stage::Populating(at, end, access, answer);
                        return self.fetch_made(wanted, answer, cx);
                    }
                    Made::All => return Outcome::Reply(Answer::Call(Ok(answer))),
                }
            }
            Stage::Wanting(at, end, answer) => match self.want(space, at, end, cx) {
                Some(at) => *stage = Stage::Wanting(at, end, answer),
                None => *stage = Stage::Settling(answer),
            },
            Stage::Unneeding(at, end, Unneeded::Soon, answer) => {
                match self.page_out(space, (at, end), rest.get_or_insert_default(), cx) {
                    PagedOut::Some(at) => {
                        *stage = Stage::Unneeding(at, end, Unneeded::Soon, answer);
                    }
                    PagedOut::Waits(left) => return left,
                    PagedOut::All => *stage = Stage::Settling(answer),
                }
            }
            Stage::Unneeding(at, end, how, answer) => match self.unneed(space, at, end, how) {
                Some(at) => *stage = Stage::Unneeding(at, end, how, answer),
                None => *stage = Stage::Settling(answer),
            },
            Stage::Protecting(at, end, access) => match sweep(space, at, end, Some(access)) {
                Some(at) => *stage = Stage::Protecting(at, end, access),
                None => *stage = Stage::Settling(0),
            },
            Stage::Syncing(at, end) => match space.regions.lock().of_disk(at, end) {
                Some((file, next)) => {
                    *stage = Stage::Syncing(next, end);
                    return self.sync(file, rest.get_or_insert_default(), cx);
                }
                None => *stage = Stage::Settling(0),
            },
            Stage::Settling(_) => {
                if !space.space.is_current() {
                    poke(space, cx);
                }
            }
        }
        if let Stage::Settling(answer) = *stage
            && space.space.is_current()
            && !free_some()
        {
            if let Some(rest) = rest
                && let Some(next) = rest.call.take()
            {
                // The next part.
                rest.answer = rest.answer.or(Some(answer).filter(|&answer| failed(answer)));
                (*call, *stage) = (next, Stage::New);
                return Outcome::Continue(At::beginning());
            }
            let answer = rest.as_ref().and_then(|rest| rest.answer).unwrap_or(answer);
            match calls::wanted(call, answer) {
                Some((end, access)) => *stage = Stage::Populating(answer, end, access, answer),
                None => return Outcome::Reply(Answer::Call(Ok(answer))),
            }
        }
        Outcome::Continue(At::beginning())
    }
}

/// Whether this answer is an error.
fn failed(answer: u64) -> bool {
    const ERRORS: u64 = 4095;
    answer > u64::MAX - ERRORS
}

fn release(space: &AddressSpace, at: &mut u64) -> Left {
    let next = clear(space, *at);
    // In user mode nobody is with this space any more: what waits can go.
    let gone = space.space.is_current();
    match next {
        Some(next) => {
            *at = next;
            Outcome::Continue(At::beginning())
        }
        None if !gone => Outcome::Continue(At::beginning()),
        None => Outcome::Done,
    }
}
