//! The page table of a process: which frame is at which page, with what rights.
//!
//! # Invariants
//! - Every leaf entry that is not zero owns one count of its frame, whether the processor
//!   may use it (present) or it is only kept (no access).
//! - No entry is writable and executable.
//! - The upper half is the kernel's, the same in every table, and not the programs' to use.

use x86_64::structures::paging::PageTableFlags as Flags;

use super::{Frame, PAGE, pointer};

/// The first address that no program can have: the lower half, less its last page, so that
/// no instruction ends at the hole (SYSRET).
pub const USER_END: u64 = 0x7fff_ffff_f000;

const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const PAGE_U64: u64 = PAGE as u64;
/// Software's own bit: the entry holds a frame that the program may not reach now.
const KEPT: Flags = Flags::BIT_9;
/// Pages that one leaf table maps.
const LEAF: u64 = 512;

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

/// The tables of the programs' half.
#[derive(Debug)]
pub(crate) struct Table {
    root: Frame,
}

impl Table {
    /// An empty table; `None` where there is no frame for it.
    pub fn new(kernel_root: u64) -> Option<Self> {
        let root = Frame::zeroed()?;
        for index in 256..512u64 {
            // SAFETY: an entry of the kernel's root, which never changes after boot.
            let entry = unsafe { pointer::<u64>(kernel_root + index * 8).read() };
            // SAFETY: an entry of the new root, which nobody else uses yet.
            unsafe { pointer::<u64>(root.physical() + index * 8).write(entry) };
        }
        Some(Self { root })
    }

    pub fn root(&self) -> u64 {
        self.root.physical()
    }

    /// The leaf entry of a page: made where it is wanted and missing.
    fn leaf(&mut self, address: u64, make: bool) -> Result<Option<*mut u64>, MapError> {
        if address >= USER_END || !address.is_multiple_of(PAGE_U64) {
            return Err(MapError::Address);
        }
        let mut table = self.root.physical();
        for depth in (2..=4u32).rev() {
            let index = (address >> (12 + 9 * (depth - 1))) & 511;
            let entry = pointer::<u64>(table + index * 8);
            // SAFETY: an entry of a table that this one owns; `&mut self` keeps others away.
            let mut value = unsafe { entry.read_volatile() };
            if value == 0 {
                if !make {
                    return Ok(None);
                }
                let made = Frame::zeroed().ok_or(MapError::NoMemory)?.into_entry();
                let flags = Flags::PRESENT | Flags::WRITABLE | Flags::USER_ACCESSIBLE;
                value = made | flags.bits();
                // SAFETY: the same entry.
                unsafe { entry.write_volatile(value) };
            }
            table = value & ADDRESS;
        }
        Ok(Some(pointer(table + ((address >> 12) & 511) * 8)))
    }

    fn read(&mut self, address: u64) -> Option<(*mut u64, u64)> {
        let entry = self.leaf(address, false).ok()??;
        // SAFETY: an entry of a table that this one owns.
        let value = unsafe { entry.read_volatile() };
        (value != 0).then_some((entry, value))
    }

    /// Puts a frame at a page; returns what was there.
    pub fn map(
        &mut self,
        address: u64,
        frame: Frame,
        access: Access,
    ) -> Result<Option<Frame>, MapError> {
        let Some(entry) = self.leaf(address, true)? else { return Err(MapError::NoMemory) };
        // SAFETY: an entry of a table that this one owns.
        let old = unsafe { entry.read_volatile() };
        // SAFETY: the same entry; the processor reads it whole.
        unsafe { entry.write_volatile(frame.into_entry() | access.flags().bits()) };
        Ok(take(old))
    }

    /// Takes the frame away from a page.
    pub fn unmap(&mut self, address: u64) -> Option<Frame> {
        let (entry, value) = self.read(address)?;
        // SAFETY: an entry of a table that this one owns.
        unsafe { entry.write_volatile(0) };
        take(value)
    }

    /// Changes the rights of a page. True if it had more before.
    pub fn protect(&mut self, address: u64, access: Access) -> bool {
        let Some((entry, value)) = self.read(address) else { return false };
        // SAFETY: an entry of a table that this one owns.
        unsafe { entry.write_volatile(value & ADDRESS | access.flags().bits()) };
        !access.allows(Access::of(value))
    }

    /// The frame at a page, and its rights.
    pub fn get(&mut self, address: u64) -> Option<(Frame, Access)> {
        let (_, value) = self.read(address)?;
        // SAFETY: the entry owns a count, so the frame is not free; what is made here is
        // forgotten, so that the entry keeps its own.
        let owned = core::mem::ManuallyDrop::new(unsafe { Frame::from_entry(value & ADDRESS) });
        Some(((*owned).clone(), Access::of(value)))
    }

    /// Whether the entry's frame has no other handle.
    pub fn is_sole(&mut self, address: u64) -> bool {
        // The clone is one more.
        self.read(address).is_some_and(|(_, value)| {
            // SAFETY: as in `get`.
            let owned = core::mem::ManuallyDrop::new(unsafe { Frame::from_entry(value & ADDRESS) });
            owned.is_sole()
        })
    }

    /// The first page at or after this address that has a frame, before `end`. Looks at
    /// no more than one leaf table: `Err` says where to go on.
    pub fn next(&mut self, address: u64, end: u64) -> Result<Option<u64>, u64> {
        let stop = (((address >> 12) / LEAF + 1) * LEAF) << 12;
        let mut at = address;
        if let Ok(Some(_)) = self.leaf(at, false) {
            while at < stop.min(end) {
                if self.read(at).is_some() {
                    return Ok(Some(at));
                }
                at += PAGE_U64;
            }
        }
        if stop >= end { Ok(None) } else { Err(self.skip(stop, end)) }
    }

    /// The next address at or after this one that a table of the third level covers.
    fn skip(&self, mut address: u64, end: u64) -> u64 {
        while address < end {
            let mut table = self.root.physical();
            let mut hole = 0;
            for depth in (3..=4u32).rev() {
                let index = (address >> (12 + 9 * (depth - 1))) & 511;
                // SAFETY: an entry of a table that this one owns.
                let value = unsafe { pointer::<u64>(table + index * 8).read_volatile() };
                if value == 0 {
                    hole = 1u64 << (12 + 9 * (depth - 1));
                    break;
                }
                table = value & ADDRESS;
            }
            if hole == 0 {
                return address;
            }
            address = (address / hole + 1) * hole;
        }
        end
    }
}

/// The frame that a leaf entry owned.
fn take(entry: u64) -> Option<Frame> {
    if entry == 0 {
        return None;
    }
    // SAFETY: the callers have overwritten the entry: its count is this handle's now.
    Some(unsafe { Frame::from_entry(entry & ADDRESS) })
}

impl Drop for Table {
    fn drop(&mut self) {
        free(self.root.physical(), 4);
    }
}

/// Frees what a table of this depth names, below the kernel's half of the root.
fn free(table: u64, depth: u32) {
    let entries = if depth == 4 { 256 } else { 512 };
    for index in 0..entries {
        // SAFETY: an entry of a table that is being dropped: no processor uses it.
        let value = unsafe { pointer::<u64>(table + index * 8).read() };
        if value == 0 {
            continue;
        }
        if depth > 1 {
            free(value & ADDRESS, depth - 1);
        }
        // SAFETY: the entry owned a count and is not used any more.
        drop(unsafe { Frame::from_entry(value & ADDRESS) });
    }
}
