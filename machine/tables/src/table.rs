//! The page table of a process: which frame is at which page, with what rights.
//!
//! # Invariants
//! - Every leaf entry that is not zero owns one count of its frame, whether the processor
//!   may use it (present) or it is only kept (no access).
//! - No entry is writable and executable.
//! - An entry whose page is given up stays so only as it is: whoever writes it anew takes the page
//!   back, since the processor may have noted a use of it meanwhile.
//! - The upper half is the kernel's, the same in every table, and not the programs' to use.
//! - Where an entry of a directory maps 2 MiB at once, the leaf table is there too, out of the
//!   processor's sight, with an entry for each page: whoever reads finds it, and whoever
//!   changes one first has the processor read it ([`Table::split`]).

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicU64, Ordering};

use vortex_memory::FrameId;
use vortex_units::ActivityId;
use x86_64::structures::paging::PageTableFlags as Flags;

use crate::frame::{Frame, Freed, PAGE};
use crate::huge::HUGE;
use crate::physical::{Physical, Use};
use crate::range::Work;

/// The first address that no program can have: the lower half, less its last page, so that
/// no instruction ends at the hole (SYSRET).
pub const USER_END: u64 = 0x7fff_ffff_f000;

pub(crate) const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const PAGE_U64: u64 = PAGE as u64;
/// Software's own bit: the entry holds a frame that the program may not reach now.
const KEPT: Flags = Flags::BIT_9;
/// And another: the program does not need what is in the page, unless it has written to it since.
const GIVEN_UP: Flags = Flags::BIT_10;
/// What the processor says of the use of a page.
pub(crate) const USED: u64 = Flags::ACCESSED.union(Flags::DIRTY).bits();
/// Entries of a table.
pub(crate) const ENTRIES: u64 = 512;

/// What a program may do with a page. Never write and execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing; the page keeps its frame.
    None,
    /// Read.
    Read,
    /// Read and write.
    Write,
    /// Read and execute.
    Execute,
}

/// Why a page could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Not a page of the programs' half.
    Address,
    /// No frame for a table.
    NoMemory,
}

impl Access {
    fn flags(self) -> Flags {
        let user = Flags::PRESENT | Flags::USER_ACCESSIBLE;
        match self {
            Self::None => KEPT | Flags::NO_EXECUTE,
            Self::Read => user | Flags::NO_EXECUTE,
            Self::Write => user | Flags::WRITABLE | Flags::NO_EXECUTE,
            Self::Execute => user,
        }
    }

    fn of(entry: u64) -> Self {
        let flags = Flags::from_bits_truncate(entry);
        if !flags.contains(Flags::PRESENT) {
            Self::None
        } else if flags.contains(Flags::WRITABLE) {
            Self::Write
        } else if flags.contains(Flags::NO_EXECUTE) {
            Self::Read
        } else {
            Self::Execute
        }
    }

    /// Whether a program may do all that `other` says.
    #[must_use]
    pub fn allows(self, other: Self) -> bool {
        match other {
            Self::None => true,
            Self::Read => self != Self::None,
            wanted => self == wanted,
        }
    }
}

/// A leaf entry: a frame, which it owns a count of, and what the program may do with it.
pub(crate) struct Entry<M: Physical>(u64, PhantomData<fn() -> M>);

impl<M: Physical> Clone for Entry<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Physical> Copy for Entry<M> {}

impl<M: Physical> PartialEq for Entry<M> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<M: Physical> fmt::Debug for Entry<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:#x})", self.0)
    }
}

impl<M: Physical> Entry<M> {
    /// No frame.
    pub const NONE: Self = Self::from(0);

    const fn from(value: u64) -> Self {
        Self(value, PhantomData)
    }

    /// With this frame.
    pub fn of(frame: Frame<M>, access: Access) -> Self {
        Self::from(frame.into_entry() | access.flags().bits())
    }

    /// As it stands in a table.
    pub const fn bits(self) -> u64 {
        self.0
    }

    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    pub fn access(self) -> Access {
        Access::of(self.0)
    }

    /// The same frame with other rights, and used as it was.
    #[inline]
    pub fn with(self, access: Access) -> Self {
        Self::from(self.0 & (ADDRESS | USED) | access.flags().bits())
    }

    /// The same, used so too.
    #[inline]
    pub fn also_used(self, used: u64) -> Self {
        if self.is_none() { self } else { Self::from(self.0 | used) }
    }

    /// The same, given up: as if nobody had used it.
    pub fn given_up(self) -> Self {
        Self::from(self.0 & !USED | GIVEN_UP.bits())
    }

    /// The same, not given up.
    #[inline]
    pub fn taken_back(self) -> Self {
        Self::from(self.0 & !GIVEN_UP.bits())
    }

    /// Whether it was given up, and not written to since.
    pub fn is_given_up(self) -> bool {
        self.0 & GIVEN_UP.bits() != 0 && !self.is_modified()
    }

    /// Whether the frame has no other handle.
    #[inline]
    pub fn is_sole(self) -> bool {
        self.borrow().is_sole()
    }

    /// The name of its frame; `None` if it has none.
    pub fn id(self) -> Option<FrameId> {
        (!self.is_none()).then(|| self.borrow().id())
    }

    /// Whether this frame is its.
    pub fn is_at(self, frame: FrameId) -> bool {
        self.id() == Some(frame)
    }

    /// Whether a program has used the page since that was forgotten.
    pub fn is_accessed(self) -> bool {
        self.0 & Flags::ACCESSED.bits() != 0
    }

    /// Whether a program has written to the page since it is there.
    pub fn is_modified(self) -> bool {
        self.0 & Flags::DIRTY.bits() != 0
    }

    /// A handle of its frame more.
    #[inline]
    pub fn frame(self) -> Frame<M> {
        (*self.borrow()).clone()
    }

    /// Whether this is its frame.
    pub fn is_of(self, frame: &Frame<M>) -> bool {
        !self.is_none() && *self.borrow() == *frame
    }

    fn borrow(self) -> ManuallyDrop<Frame<M>> {
        // SAFETY: the entry owns a count, so the frame is not free; what is made here is
        // never dropped, so that the entry keeps its own.
        ManuallyDrop::new(unsafe { Frame::from_entry(self.0 & ADDRESS) })
    }

    /// The frame that it owned, now that it stands in no table any more.
    #[inline]
    pub fn into_frame(self) -> Option<Frame<M>> {
        if self.is_none() {
            return None;
        }
        // SAFETY: it was taken out of its table: its count is this handle's now.
        Some(unsafe { Frame::from_entry(self.0 & ADDRESS) })
    }
}

/// The tables of the programs' half.
pub(crate) struct Table<M: Physical> {
    root: Frame<M>,
    /// Whose its own frames are.
    owner: ActivityId,
    /// Pages that have frames.
    pub(crate) pages: u64,
    /// All tables below the root.
    tables: Vec<u64>,
    /// Where 2 MiB are mapped at once, in order, and the leaf table that there is for them.
    pub(crate) huge: Vec<(u64, u64)>,
}

impl<M: Physical> Table<M> {
    /// An empty table; `None` where there is no frame for it.
    pub fn new(kernel_root: u64, owner: ActivityId) -> Option<Self> {
        let root = Frame::<M>::zeroed_for(owner, Use::Table)?;
        for index in 256..512u64 {
            // SAFETY: an entry of the kernel's root, which never changes after boot.
            let entry = unsafe { M::pointer::<u64>(kernel_root + index * 8).read() };
            // SAFETY: an entry of the new root, which nobody else uses yet.
            unsafe { M::pointer::<u64>(root.physical() + index * 8).write(entry) };
        }
        Some(Self { root, owner, pages: 0, tables: Vec::new(), huge: Vec::new() })
    }

    pub fn root(&self) -> u64 {
        self.root.physical()
    }

    /// The leaf table that covers an address; where there is none, the next address that
    /// one may cover.
    #[inline]
    pub(crate) fn leaf(&self, address: u64) -> Result<u64, u64> {
        let mut table = self.root.physical();
        for depth in (2..=4u32).rev() {
            let span = 1u64 << (12 + 9 * (depth - 1));
            let index = address / span % ENTRIES;
            // SAFETY: an entry of a table that this one owns.
            let value = unsafe { M::pointer::<u64>(table + index * 8).read_volatile() };
            if value == 0 {
                return Err((address / span + 1) * span);
            }
            if depth == 2 && value & HUGE != 0 {
                return Ok(self.hidden(address));
            }
            table = value & ADDRESS;
        }
        Ok(table)
    }

    /// The same, made where it is missing.
    #[inline]
    fn make_leaf(&mut self, address: u64) -> Result<u64, MapError> {
        let mut table = self.root.physical();
        for depth in (2..=4u32).rev() {
            let index = (address >> (12 + 9 * (depth - 1))) % ENTRIES;
            let entry = M::pointer::<u64>(table + index * 8);
            // SAFETY: an entry of a table that this one owns; `&mut self` keeps others away.
            let mut value = unsafe { entry.read_volatile() };
            if value == 0 {
                self.tables.try_reserve(1).map_err(|_| MapError::NoMemory)?;
                let made = Frame::<M>::zeroed_for(self.owner, Use::Table)
                    .ok_or(MapError::NoMemory)?
                    .into_entry();
                self.tables.push(made);
                let flags = Flags::PRESENT | Flags::WRITABLE | Flags::USER_ACCESSIBLE;
                value = made | flags.bits();
                // SAFETY: the same entry.
                unsafe { entry.write_volatile(value) };
            }
            if depth == 2 && value & HUGE != 0 {
                return Ok(self.hidden(address));
            }
            table = value & ADDRESS;
        }
        Ok(table)
    }

    /// The entry of a page; none where there is not even a table.
    #[inline]
    pub fn get(&self, page: u64) -> Entry<M> {
        // What is above is the kernel's, whose tables are of another form.
        if page >= USER_END {
            return Entry::NONE;
        }
        let used = self.used(page);
        self.leaf(page).map_or(Entry::NONE, |leaf| Self::read(leaf, page).also_used(used))
    }

    #[inline]
    pub(crate) fn read(leaf: u64, page: u64) -> Entry<M> {
        let entry = M::pointer::<u64>(leaf + page / PAGE_U64 % ENTRIES * 8);
        // SAFETY: an entry of a leaf table, which the caller has got from its table.
        Entry::from(unsafe { entry.read_volatile() })
    }

    /// Writes the entry of a page in its leaf table; what it was is forgotten.
    #[inline]
    pub(crate) fn write(&mut self, leaf: u64, page: u64, before: Entry<M>, entry: Entry<M>) {
        self.split(page);
        let place = M::pointer::<u64>(leaf + page / PAGE_U64 % ENTRIES * 8);
        // SAFETY: an entry of a leaf table of this one; the processor reads it whole.
        unsafe { place.write_volatile(entry.0) };
        self.pages += u64::from(!entry.is_none());
        self.pages -= u64::from(!before.is_none());
    }

    /// Takes the entry of a page out of its leaf table: as it is at that moment, whatever
    /// processors have noted in it since it was looked at.
    pub(crate) fn take_out(&mut self, leaf: u64, page: u64) -> Entry<M> {
        self.split(page);
        let place = M::pointer::<u64>(leaf + page / PAGE_U64 % ENTRIES * 8);
        // SAFETY: an aligned entry of a leaf table of this one, which processors change atomically
        // too.
        let entry = unsafe { AtomicU64::from_ptr(place) };
        let before = Entry::from(entry.swap(Entry::<M>::NONE.0, Ordering::AcqRel));
        self.pages -= u64::from(!before.is_none());
        before
    }

    /// Forgets that a page was used.
    ///
    /// Of 2 MiB that are mapped at once it is forgotten with the last page.
    pub fn forget_access(&mut self, page: u64) {
        let place = match self.directory(page).filter(|_| self.is_huge(page)) {
            Some(place) if page / PAGE_U64 % ENTRIES == ENTRIES - 1 => place,
            Some(_) => return,
            None => {
                let Ok(leaf) = self.leaf(page) else { return };
                M::pointer::<u64>(leaf + page / PAGE_U64 % ENTRIES * 8)
            }
        };
        // SAFETY: an aligned entry of a table of this one, which processors change atomically
        // too.
        let entry = unsafe { AtomicU64::from_ptr(place) };
        entry.fetch_and(!Flags::ACCESSED.bits(), Ordering::Relaxed);
    }

    /// A page that was given up is not any more.
    pub fn take_back(&mut self, page: u64) {
        let Ok(leaf) = self.leaf(page) else { return };
        let place = M::pointer::<u64>(leaf + page / PAGE_U64 % ENTRIES * 8);
        // SAFETY: an aligned entry of a leaf table of this one, which processors change atomically
        // too.
        let entry = unsafe { AtomicU64::from_ptr(place) };
        entry.fetch_and(!GIVEN_UP.bits(), Ordering::Relaxed);
    }

    /// How many pages have a frame.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// The leaf table of a page that is to get a frame, made if it is missing.
    ///
    /// # Errors
    /// [`MapError`].
    #[inline]
    pub fn leaf_for(&mut self, page: u64) -> Result<u64, MapError> {
        if page >= USER_END || !page.is_multiple_of(PAGE_U64) {
            return Err(MapError::Address);
        }
        self.make_leaf(page)
    }

    /// Puts a frame at a page; returns what was there.
    ///
    /// # Errors
    /// [`MapError`]; then nothing has changed.
    #[inline]
    pub fn map(&mut self, page: u64, entry: Entry<M>) -> Result<Entry<M>, MapError> {
        let leaf = self.leaf_for(page)?;
        let before = Self::read(leaf, page);
        self.write(leaf, page, before, entry);
        Ok(before)
    }
}

impl<M: Physical> Drop for Table<M> {
    fn drop(&mut self) {
        let mut freed = Freed::<M>::default();
        let mut at = Some(0);
        while let Some(from) = at.filter(|_| self.pages > 0) {
            // Nobody uses the tables any more: what is left of pages goes at once.
            at = self.visit(from, USER_END, &mut Work::default(), |_, entry| {
                entry.into_frame().into_iter().for_each(|frame| freed.add(frame));
                Entry::NONE
            });
        }
        drop(freed);
        M::leftover().take(core::mem::take(&mut self.tables));
    }
}

/// Whether so many pages from this one on lie in one leaf table, and are programs'.
pub(crate) fn lie_in_one(page: u64, count: usize) -> bool {
    let room = ENTRIES - page / PAGE_U64 % ENTRIES;
    count as u64 <= room
        && USER_END.checked_sub(page).is_some_and(|rest| count as u64 <= rest / PAGE_U64)
}

/// Entries that lie in one line of the cache.
pub(crate) const LINE: u64 = 8;

/// Whether all entries of the line that begins there are none.
pub(crate) fn is_empty<M: Physical>(table: u64, index: u64) -> bool {
    let line = M::pointer::<u64>(table + index * 8);
    let read = |place| {
        // SAFETY: an entry of a table that the caller has, in a line that lies within it.
        unsafe { line.wrapping_add(place).read_volatile() }
    };
    (0..LINE as usize).fold(0, |all, place| all | read(place)) == 0
}
