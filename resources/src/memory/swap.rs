//! The swap resource's volume (SR, §3.2): what is kept there cannot be made again from
//! elsewhere.
//!
//! # Invariants
//! - A place is free, or one [`Place`] names it; its contents do not change once they are
//!   written, so that a fork's copies share it.
//! - An activity has no more places than its part: who swaps does not keep others from it. Nor
//!   more than its kernel objects may take: each is on its bill.
//! - What the device will not take stays in memory, with its place: nothing is lost by a
//!   failed write. A failed read concerns who reads.
//!
//! A device of memory answers at once. A disk is asked by requests to storage: then whoever
//! writes or reads a page sends what it is told to, waits, and says what has become of it. What
//! is on its way to the disk is read from memory: nobody waits for its arrival.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use spin::Mutex;
use vortex_machine::{Frame, PAGE, Piece, Use};
use vortex_storage::Memory;
use vortex_units::{ActivityId, Bytes};

use crate::bill::{Charged, ObjectKind};
use crate::storage::{DiskMemory, Operation, Volume as DiskVolume, VolumeId, VolumeRequest};

/// What pages are written to: blocks of a page's size.
pub trait Device: Send + Sync {
    /// How many blocks there are.
    fn blocks(&self) -> u32;

    /// Fills a frame with what a block has.
    ///
    /// # Errors
    /// [`DeviceError`]; the frame may have been changed.
    fn read(&self, block: u32, into: &Frame) -> Result<(), DeviceError>;

    /// Writes a frame to a block.
    ///
    /// # Errors
    /// [`DeviceError`]; the block may have been changed.
    fn write(&self, block: u32, from: &Frame) -> Result<(), DeviceError>;
}

/// The device could not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceError;

/// What a volume is on.
enum Backing {
    /// Nothing: it has no places.
    Nowhere,
    Memory(Box<dyn Device>),
    /// A volume of storage's: so many of its blocks are a page.
    Disk(VolumeId, u64),
}

/// The volume.
pub struct Volume {
    backing: Backing,
    free: Mutex<Vec<u32>>,
    /// Places in use, by activity.
    used: Vec<AtomicU32>,
    /// Who had no place since its kernel objects have all that they may.
    short: Vec<AtomicBool>,
    part: u32,
}

/// A page that is kept, or a place for one.
#[derive(Debug)]
pub struct Place {
    volume: Arc<Volume>,
    number: u32,
    owner: ActivityId,
    /// Its contents do not change any more.
    written: AtomicBool,
    kept: Mutex<Kept>,
    _bill: Charged,
}

/// What a place takes of the kernel's memory: it is on its activity's bill, for which a whole page
/// leaves.
const PLACE: Bytes = Bytes::new(size_of::<Place>() as u64 + 16);

/// What of a place is in memory.
#[derive(Debug)]
enum Kept {
    Nothing,
    /// What is on its way to the device, or what that would not take.
    Leaving(Frame),
    /// What was read ahead: the device has it too.
    Ahead(Frame),
}

/// How a page is written.
pub enum Write {
    /// At once. Whether its frame is free then; else it is kept itself.
    Done(bool),
    /// By this request. Its frame is the caller's until that is answered
    /// ([`Place::written`]).
    Ask(VolumeRequest, Frame),
}

/// How a page is read.
pub enum Read {
    /// At once: this is it.
    Here(Frame),
    /// It was read ahead: this is it.
    Ahead(Frame),
    /// By this request: then it is in this frame.
    Ask(VolumeRequest, Frame),
}

/// Why a page that is kept cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Some core may still change it; or, for who must not wait for a disk, it is on one.
    NotYet,
    /// The activity gets no frame for it.
    NoMemory,
    /// The device has failed.
    Device,
}

/// Tells the multiplexor whether pages of an activity can leave.
fn set_stuck(activity: ActivityId, stuck: bool) {
    if let Some(memory) = vortex_machine::multiplexor() {
        for of in [Use::Page, Use::Shared, Use::Overlay] {
            memory.set_stuck(of.account(activity), stuck);
        }
    }
}

impl Volume {
    /// One on this device, for so many activities beside the infrastructure; `None` where the
    /// heap has no room for its lists.
    #[must_use]
    pub fn new(device: Box<dyn Device>, activities: usize) -> Option<Arc<Self>> {
        let blocks = device.blocks();
        Self::on(Backing::Memory(device), blocks, activities)
    }

    /// One on a volume of storage's, as far as it has whole pages. `None` where it has none, or
    /// the heap has no room.
    #[must_use]
    pub fn on_disk(id: VolumeId, disk: &DiskVolume, activities: usize) -> Option<Arc<Self>> {
        /// A list of the free ones is in memory.
        const MOST: u64 = 1 << 22;
        let pages = (disk.bytes() / PAGE as u64).min(MOST);
        let each = (PAGE as u64).checked_div(u64::from(disk.block_size))?;
        let pages = u32::try_from(pages).ok().filter(|pages| *pages > 0 && each > 0)?;
        Self::on(Backing::Disk(id, each), pages, activities)
    }

    /// None, for so many activities: only what they give up can leave.
    #[must_use]
    pub fn none(activities: usize) -> Option<Arc<Self>> {
        Self::on(Backing::Nowhere, 0, activities)
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !matches!(self.backing, Backing::Nowhere)
    }

    fn on(backing: Backing, blocks: u32, activities: usize) -> Option<Arc<Self>> {
        let (mut free, mut used, mut short) = (Vec::new(), Vec::new(), Vec::new());
        free.try_reserve_exact(blocks as usize).ok()?;
        used.try_reserve_exact(activities + 1).ok()?;
        short.try_reserve_exact(activities + 1).ok()?;
        free.extend((0..blocks).rev());
        used.resize_with(activities + 1, AtomicU32::default);
        short.resize_with(activities + 1, AtomicBool::default);
        let part = blocks / u32::try_from(activities.max(1)).ok()?;
        Some(Arc::new(Self { backing, free: Mutex::new(free), used, short, part }))
    }

    /// A place for a page of an activity; `None` where its part is used up, or its kernel objects
    /// have all that they may.
    #[must_use]
    pub fn place(self: &Arc<Self>, activity: ActivityId) -> Option<Place> {
        let Some(bill) = Charged::leaving(activity, ObjectKind::Region, PLACE) else {
            if let Some(short) = self.short.get(activity.index()) {
                set_stuck(activity, true);
                short.store(true, Ordering::Release);
            }
            return None;
        };
        let place = self.take(activity, bill);
        if place.is_none() {
            // Of its pages only those are asked for that it has given up, until it has room again;
            // which it may have meanwhile.
            set_stuck(activity, true);
            if self.has_room(activity) {
                set_stuck(activity, false);
            }
        }
        place
    }

    /// Somebody waits for memory: who had no place for want of kernel memory may have some now.
    pub(super) fn look_again(&self) {
        for (place, short) in (0..).zip(&self.short) {
            if short.load(Ordering::Relaxed) && short.swap(false, Ordering::AcqRel) {
                set_stuck(ActivityId::new(place, 0), false);
            }
        }
    }

    fn take(self: &Arc<Self>, activity: ActivityId, bill: Charged) -> Option<Place> {
        let owner = activity.index();
        let used = self.used.get(owner)?;
        let update = |now: u32| (now < self.part).then_some(now + 1);
        used.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).ok()?;
        match self.free.lock().pop() {
            Some(number) => Some(Place {
                volume: self.clone(),
                number,
                owner: activity,
                written: AtomicBool::new(false),
                kept: Mutex::new(Kept::Nothing),
                _bill: bill,
            }),
            None => {
                used.fetch_sub(1, Ordering::AcqRel);
                None
            }
        }
    }

    /// The volume of storage's that it is on.
    #[must_use]
    pub fn disk(&self) -> Option<VolumeId> {
        match self.backing {
            Backing::Nowhere | Backing::Memory(_) => None,
            Backing::Disk(volume, _) => Some(volume),
        }
    }

    /// Whether an activity has a place left.
    #[must_use]
    pub fn has_room(&self, activity: ActivityId) -> bool {
        let used = self.used.get(activity.index());
        used.is_some_and(|used| used.load(Ordering::Acquire) < self.part)
    }

    /// Pages that are kept.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.iter().map(|used| u64::from(used.load(Ordering::Relaxed))).sum()
    }
}

impl Place {
    /// What storage is asked for, to move this frame.
    fn request(
        &self,
        (volume, each): (VolumeId, u64),
        operation: Operation,
        frame: &Frame,
    ) -> Option<VolumeRequest> {
        let mut data = DiskMemory::none();
        let whole = Piece::new(frame.clone(), 0, PAGE)?;
        let block = u64::from(self.number).checked_mul(each)?;
        data.add(whole).then_some(VolumeRequest::Blocks { volume, operation, block, data })
    }

    /// Keeps a page's contents, which nobody can change any more. Before anybody else has
    /// the place.
    #[must_use]
    pub fn write(&self, page: Frame) -> Write {
        match &self.volume.backing {
            Backing::Nowhere => Write::Done(self.written(page, false)),
            Backing::Memory(device) => {
                let taken = device.write(self.number, &page).is_ok();
                Write::Done(self.written(page, taken))
            }
            Backing::Disk(volume, each) => {
                match self.request((*volume, *each), Operation::Write, &page) {
                    Some(request) => {
                        *self.kept.lock() = Kept::Leaving(page.clone());
                        self.written.store(true, Ordering::Release);
                        Write::Ask(request, page)
                    }
                    None => Write::Done(self.written(page, false)),
                }
            }
        }
    }

    /// The device has taken the contents, or has not. Whether the frame is free then; else it
    /// is kept itself.
    #[must_use]
    pub fn written(&self, page: Frame, taken: bool) -> bool {
        let kept = if taken { Kept::Nothing } else { Kept::Leaving(page.clone()) };
        let before = core::mem::replace(&mut *self.kept.lock(), kept);
        self.written.store(true, Ordering::Release);
        // Its last handle: then the frame is free.
        drop((before, page));
        taken
    }

    /// The contents, in a frame of the activity for this use.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, owner: ActivityId, of: Use) -> Result<Read, ReadError> {
        if !self.written.load(Ordering::Acquire) {
            return Err(ReadError::NotYet);
        }
        // What was read ahead is for the place's activity, and one of its spaces.
        if owner == self.owner
            && of == Use::Page
            && let Some(frame) = self.take_ahead(|_| true)
        {
            return Ok(Read::Ahead(frame));
        }
        let frame = Frame::zeroed_for(owner, of).ok_or(ReadError::NoMemory)?;
        if let Kept::Leaving(kept) | Kept::Ahead(kept) = &*self.kept.lock() {
            frame.copy_from(kept);
            return Ok(Read::Here(frame));
        }
        self.read_into(frame)
    }

    /// The contents, in a frame that is to be kept here ([`Place::keep_ahead`]), for a page of the
    /// place's activity. `None` where they are in memory, may still change, or there is no frame.
    pub(super) fn read_ahead(&self) -> Option<Result<Read, ReadError>> {
        let is_away = || matches!(*self.kept.lock(), Kept::Nothing);
        if !self.written.load(Ordering::Acquire) || !is_away() {
            return None;
        }
        Some(self.read_into(Frame::zeroed_for(self.owner, Use::Page)?))
    }

    fn read_into(&self, frame: Frame) -> Result<Read, ReadError> {
        match &self.volume.backing {
            Backing::Nowhere => Err(ReadError::Device),
            Backing::Memory(device) => {
                device.read(self.number, &frame).map_err(|_| ReadError::Device)?;
                Ok(Read::Here(frame))
            }
            Backing::Disk(volume, each) => {
                let request = self.request((*volume, *each), Operation::Read, &frame);
                Ok(Read::Ask(request.ok_or(ReadError::NoMemory)?, frame))
            }
        }
    }
}

impl Place {
    /// What was read ahead, until it is needed or its frame is asked back.
    pub(super) fn keep_ahead(&self, frame: Frame) {
        let kept = &mut *self.kept.lock();
        if matches!(kept, Kept::Nothing) {
            *kept = Kept::Ahead(frame);
        }
    }

    /// The frame that was read ahead, if it is `meant`: the place has none any more.
    pub(super) fn take_ahead(&self, meant: impl FnOnce(&Frame) -> bool) -> Option<Frame> {
        let kept = &mut *self.kept.lock();
        match core::mem::replace(kept, Kept::Nothing) {
            Kept::Ahead(frame) if meant(&frame) => Some(frame),
            other => {
                *kept = other;
                None
            }
        }
    }

    /// Whether it was read ahead.
    #[must_use]
    pub(super) fn is_ahead(&self) -> bool {
        matches!(*self.kept.lock(), Kept::Ahead(_))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // There is room: it was taken out.
        self.volume.free.lock().push(self.number);
        if let Some(used) = self.volume.used.get(self.owner.index())
            && used.fetch_sub(1, Ordering::AcqRel) >= self.volume.part
        {
            set_stuck(self.owner, false);
        }
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Volume({} pages for each, {} used)", self.part, self.used())
    }
}
