//! What address spaces need of the machine that they are on.

use core::sync::atomic::AtomicU32;

use vortex_memory::{Account, FrameId, ResourceId};
use vortex_units::ActivityId;

use crate::Leftover;

/// The most cores that a machine can have.
pub const MAX_CORES: usize = 64;

/// What a frame is for: who has it, in the words of the multiplexor's accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A page of an address space (ASR).
    Page,
    /// A page table.
    Table,
    /// A page of a file that was run or mapped (FCR).
    File,
    /// The kernel's heap.
    Heap,
    /// What is set aside for pages that left memory (SR).
    Swap,
    /// A page of memory that several processes share (ASR).
    Shared,
    /// A page of a file that is mapped: allocated as [`Use::File`], and directed to ASR.
    Mapping,
    /// A page of a file that processes change by mapping it.
    Overlay,
    /// What a device and its driver share: rings, and the words beside a request's data.
    Device,
    /// A page of a file on a disk (FCR).
    Cache,
}

impl Use {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Page,
        Self::Table,
        Self::File,
        Self::Heap,
        Self::Swap,
        Self::Shared,
        Self::Mapping,
        Self::Overlay,
        Self::Device,
        Self::Cache,
    ];

    /// The multiplexor's name for it.
    #[must_use]
    pub const fn resource(self) -> ResourceId {
        ResourceId::nth(self as u8)
    }

    /// The account for an activity's frames of this use.
    #[must_use]
    pub const fn account(self, activity: ActivityId) -> Account {
        Account { activity, resource: self.resource() }
    }
}

/// Physical memory, and the machine that it is in. There is one of each kind: nothing here
/// takes a value, so that a handle of a frame is no more than its address.
///
/// # Safety
/// - [`Physical::pointer`] of an address within a frame that was allocated and not given back
///   is valid for reads and writes up to the frame's end, by whoever has a handle.
/// - [`Physical::allocate`] returns addresses of whole frames of [`crate::PAGE`] bytes,
///   aligned to as much, below 2^52, that nobody else has until they are given back; and for
///   these [`Physical::count`] is a counter of their own.
/// - At [`Physical::kernel_root`] there is a page table of which nobody changes the upper half.
pub unsafe trait Physical: Sized + 'static {
    /// Frames that nobody has any more, until they are given back together: when it is
    /// dropped.
    type Returned: Default;

    /// The kernel's pointer to a physical address.
    fn pointer<T>(physical: u64) -> *mut T;

    /// A frame for an activity: its physical address. `None` where it gets none.
    fn allocate(owner: ActivityId, of: Use) -> Option<u64>;

    /// As many frames side by side as 2 MiB are, at a multiple of that: the first one's physical
    /// address. Each is given back by itself.
    fn allocate_huge(owner: ActivityId, of: Use) -> Option<u64>;

    /// How many handles the frame has that is at this address.
    fn count(physical: u64) -> Option<&'static AtomicU32>;

    /// The frame is nobody's any more.
    fn give_back(physical: u64, returned: &mut Self::Returned);

    /// An activity has the frame too, and is charged for it; where it `must` have it, with what
    /// it has waited for. False where it gets no more.
    fn share(physical: u64, activity: ActivityId, must: bool) -> bool;

    /// Names the frame of a page for whoever has to find it when it is asked back.
    fn name(frame: FrameId, name: u64);

    /// The page table whose upper half every other has too.
    fn kernel_root() -> u64;

    /// How many cores there are, [`MAX_CORES`] at most.
    fn cores() -> usize;

    /// Where tables wait that are too many to be freed at once.
    fn leftover() -> &'static Leftover<Self>;
}
