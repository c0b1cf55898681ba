//! An operation, and all that there are.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use vortex_abi::{Errno, Fd, Span};
use vortex_fs::Tray;
use vortex_grid::{Kept, Labels};
use vortex_units::{ActivityId, Bytes};

use super::block::Event;
use super::list::ListId;
use super::owner::Key;
use super::waiters::Waiters;
use crate::Mail;
use crate::bill::{Charged, ObjectKind};
use crate::cache::{CacheFrame, CachedFile};
use crate::files::FilesId;
use crate::memory::Pinned;
use crate::process::ThreadState;

/// Names an operation: its place, and how many had that before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpId {
    place: u32,
    generation: u32,
}

impl OpId {
    /// The label of all that is asked for it, but of ASR: nobody else has it meanwhile.
    #[must_use]
    pub fn labels(self) -> Labels {
        Labels::flow(u64::from(self.place))
    }

    /// The number of the thread in whose name it reads and writes: none has a negative one.
    #[must_use]
    pub fn stand_in(self) -> i32 {
        -1 - self.place as i32
    }
}

/// What it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From the file to the program.
    Read,
    /// The other way.
    Write,
    /// What was written before is to be on the device; all, or the data only.
    Sync(bool),
}

/// The way that its data go.
pub enum Way {
    /// A file's pages, shown or copied.
    Cached {
        /// The file.
        file: Arc<CachedFile>,
        /// What FCR hands over.
        tray: Arc<Tray<CacheFrame>>,
    },
    /// By way of the file resource, through a descriptor of the operation's own.
    Moved {
        /// In whose table.
        files: FilesId,
        /// Which.
        fd: Fd,
        /// It has no place: a pipe.
        stream: bool,
    },
}

/// It.
pub struct Operation {
    /// Whose it is.
    pub of: Key,
    /// By which address it is known.
    pub block: u64,
    /// Where the result is written, until it is.
    pub told: Option<Pinned>,
    pub kind: Kind,
    /// The program's own descriptor.
    pub fd: i32,
    pub at: i64,
    pub buffer: Span,
    pub event: Event,
    pub way: Way,
    /// The pages of its window.
    pub window: Option<Range<usize>>,
    /// It has no window: bytes are copied here.
    pub copies: bool,
    /// Frames that are to be copied from.
    pub frames: Vec<CacheFrame>,
    /// Bytes that are moved, or shown.
    pub done: u64,
    /// Bytes that the sink is at.
    pub showing: u64,
    /// Where they are shown.
    pub shown: Option<u64>,
    /// How it has ended, if it has.
    pub result: Option<Result<u64, Errno>>,
    /// It is its turn, and it has begun.
    pub begun: bool,
    /// Its number among those of its descriptor that come one after the other.
    pub turn: u64,
    /// It is to end before its time.
    pub cancelled: bool,
    /// It waits for its turn.
    pub kept: Option<Kept<Mail>>,
    /// Who waits for its end.
    pub waiters: Waiters,
    /// Of which list it is.
    pub list: Option<ListId>,
    /// In whose name it reads and writes.
    pub stand_in: Option<Arc<ThreadState>>,
    /// The page that it waits for is one that FCR fetches.
    pub fetching: bool,
    /// Pages that had to be brought for it, to see that it gets on.
    pub faults: u32,
    /// What it takes of the kernel's memory.
    pub _bill: Charged,
}

/// What an operation takes of the kernel's memory, with its places in tables.
const SIZE: u64 = size_of::<Operation>() as u64 + 192;

impl Operation {
    /// Room for one more on this bill.
    pub fn charge(activity: ActivityId) -> Option<Charged> {
        Charged::new(activity, ObjectKind::Open, Bytes::new(SIZE))
    }

    /// Whether it is one of those on its descriptor that come one after the other.
    pub fn is_in_turn(&self) -> bool {
        matches!(self.way, Way::Moved { .. })
    }
}

struct Place {
    generation: u32,
    operation: Option<Box<Operation>>,
}

/// All of them.
#[derive(Default)]
pub struct Operations {
    places: Vec<Place>,
    free: Vec<u32>,
}

impl Operations {
    /// One more; `None` where the heap has no room.
    pub fn add(&mut self, operation: Operation) -> Option<OpId> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = u32::try_from(self.places.len()).ok()?;
                self.places.try_reserve(1).ok()?;
                // So that none is lost when it is given back.
                self.free.try_reserve(self.places.len() + 1).ok()?;
                self.places.push(Place { generation: 0, operation: None });
                place
            }
        };
        let at = self.places.get_mut(place as usize)?;
        at.operation = Some(Box::new(operation));
        Some(OpId { place, generation: at.generation })
    }

    /// One of them.
    pub fn get(&self, id: OpId) -> Option<&Operation> {
        let place = self.places.get(id.place as usize)?;
        place.operation.as_deref().filter(|_| place.generation == id.generation)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: OpId) -> Option<&mut Operation> {
        let place = self.places.get_mut(id.place as usize)?;
        let same = place.generation == id.generation;
        place.operation.as_deref_mut().filter(|_| same)
    }

    /// One is no more.
    pub fn remove(&mut self, id: OpId) -> Option<Box<Operation>> {
        let place = self.places.get_mut(id.place as usize)?;
        if place.generation != id.generation {
            return None;
        }
        let operation = place.operation.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.place);
        Some(operation)
    }
}
