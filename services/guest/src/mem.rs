//! Memory: mappings whose bytes may be touched although that may fault.

use std::arch::asm;
use std::sync::atomic::AtomicU32;

use crate::{Errno, Res, out, sys};

/// A page's size.
pub const PAGE: usize = 4096;

/// Memory that can be read.
pub const READ: i32 = libc::PROT_READ;
/// Memory that can be read and written.
pub const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;
/// Private memory of no file.
pub const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// A range of addresses that a program has for itself: every change of it, and every
/// touch, stays within and is the program's own affair. It stays when this is dropped.
#[derive(Clone, Copy)]
pub struct Region {
    start: usize,
    length: usize,
}

impl Region {
    /// Maps memory of no file.
    pub fn anonymous(length: usize, protection: i32) -> Self {
        Self::must(length, protection, ANONYMOUS)
    }

    /// Maps memory of no file that children share.
    pub fn shared(length: usize) -> Self {
        Self::must(length, BOTH, libc::MAP_SHARED | libc::MAP_ANONYMOUS)
    }

    fn must(length: usize, protection: i32, flags: i32) -> Self {
        match Self::map(length, protection, flags, -1, 0) {
            Ok(region) => region,
            Err(error) => out::fail(&format!("no memory: {error}")),
        }
    }

    /// Maps where there is room.
    pub fn map(length: usize, protection: i32, flags: i32, fd: i32, offset: i64) -> Res<Self> {
        let flags = flags & !libc::MAP_FIXED;
        // SAFETY: without MAP_FIXED a mapping takes the place of nothing.
        let start = unsafe { sys!(libc::SYS_mmap, 0, length, protection, flags, fd, offset) }?;
        Ok(Self { start, length })
    }

    /// Maps over a part of this region, with flags beside MAP_FIXED.
    pub fn map_over(&self, at: usize, length: usize, protection: i32, flags: i32) -> Res<Self> {
        let start = self.part(at, length);
        let flags = ANONYMOUS | flags;
        // SAFETY: it replaces a part of this region only.
        let start =
            unsafe { sys!(libc::SYS_mmap, start, length, protection, flags, usize::MAX, 0) }?;
        Ok(Self { start, length })
    }

    fn part(&self, at: usize, length: usize) -> usize {
        assert!(at + length <= self.length, "within the region");
        self.start + at
    }

    /// Where it begins.
    pub fn start(&self) -> usize {
        self.start
    }

    /// How long it is.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Unmaps a part.
    pub fn unmap(&self, at: usize, length: usize) -> Res {
        // SAFETY: a part of this region only.
        unsafe { sys!(libc::SYS_munmap, self.part(at, length), length) }
    }

    /// Changes a part's protection.
    pub fn protect(&self, at: usize, length: usize, protection: i32) -> Res {
        // SAFETY: a part of this region only.
        unsafe { sys!(libc::SYS_mprotect, self.part(at, length), length, protection) }
    }

    /// Advises about a part.
    pub fn advise(&self, at: usize, length: usize, advice: i32) -> Res {
        // SAFETY: a part of this region only, whose contents are plain bytes.
        unsafe { sys!(libc::SYS_madvise, self.part(at, length), length, advice) }
    }

    /// Writes a part to its file.
    pub fn sync(&self, at: usize, length: usize, flags: i32) -> Res {
        // SAFETY: it changes no memory.
        unsafe { sys!(libc::SYS_msync, self.part(at, length), length, flags) }
    }

    /// Makes it longer or shorter.
    pub fn remap(&self, length: usize, flags: i32) -> Res<Self> {
        // SAFETY: this region only, which the caller forgets for the new one.
        let start = unsafe { sys!(libc::SYS_mremap, self.start, self.length, length, flags) }?;
        Ok(Self { start, length })
    }

    /// Makes it longer or shorter in place of the beginning of another.
    pub fn remap_over(&self, length: usize, flags: i32, over: &Self) -> Res<Self> {
        let place = over.part(0, length);
        // SAFETY: these two regions only; the caller forgets what was there.
        let start =
            unsafe { sys!(libc::SYS_mremap, self.start, self.length, length, flags, place) }?;
        Ok(Self { start, length })
    }

    /// Asks for it to be moved to an address where it cannot go.
    pub fn remap_to(&self, length: usize, place: usize) -> Res {
        assert!(
            !place.is_multiple_of(PAGE) || (self.start..self.start + self.length).contains(&place),
            "an address that is refused"
        );
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: it is refused.
        unsafe { sys!(libc::SYS_mremap, self.start, self.length, length, flags, place) }
    }

    /// Reads a byte; a fault where there is none to read.
    pub fn get(&self, at: usize) -> u8 {
        load(self.part(at, 1))
    }

    /// Reads a byte for the fault alone.
    pub fn touch(&self, at: usize) {
        touch(self.part(at, 1));
    }

    /// Writes a byte; a fault where none can be written.
    pub fn put(&self, at: usize, byte: u8) {
        let address = self.part(at, 1);
        // SAFETY: the region's bytes are reached by instructions of this kind alone, so that
        // no reference is contradicted; a fault is a signal, for which the caller is ready.
        unsafe { asm!("mov [{}], {}", in(reg) address, in(reg_byte) byte, options(nostack)) };
    }

    /// Writes the same byte all over.
    pub fn fill(&self, byte: u8) {
        (0..self.length).for_each(|at| self.put(at, byte));
    }

    /// Writes bytes at a place.
    pub fn put_all(&self, at: usize, bytes: &[u8]) {
        bytes.iter().enumerate().for_each(|(n, byte)| self.put(at + n, *byte));
    }

    /// Reads text at a place.
    pub fn text(&self, at: usize, length: usize) -> String {
        let bytes: Vec<u8> = (at..at + length).map(|at| self.get(at)).collect();
        out::text(&bytes)
    }

    /// Whether a whole part holds one byte.
    pub fn all(&self, at: usize, length: usize, byte: u8) -> bool {
        (at..at + length).all(|at| self.get(at) == byte)
    }

    /// The n-th word, to be shared between threads and processes. The region must be mapped
    /// readable and writable, and stays so.
    pub fn word(&self, n: usize) -> &'static AtomicU32 {
        let address = self.part(n * 4, 4);
        // SAFETY: the caller leaves the region mapped; atomics may be shared.
        unsafe { AtomicU32::from_ptr(address as *mut u32) }
    }

    /// Jumps to a place in it, as a function without arguments.
    pub fn enter(&self, at: usize) {
        let address = self.part(at, 1);
        // SAFETY: there stands code that returns at once, or a fault is what is wanted.
        unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
    }

    /// Reads from a descriptor into a part.
    pub fn read(&self, fd: i32, at: usize, length: usize) -> Res {
        // SAFETY: the kernel writes within this region only.
        unsafe { sys!(libc::SYS_read, fd, self.part(at, length), length) }
    }

    /// Writes a part to a descriptor.
    pub fn write(&self, fd: i32, at: usize, length: usize) -> Res {
        // SAFETY: the kernel reads this region.
        unsafe { sys!(libc::SYS_write, fd, self.part(at, length), length) }
    }
}

/// Reads a byte at any address; a fault where there is none to read.
pub fn load(address: usize) -> u8 {
    let byte: u8;
    // SAFETY: a read changes nothing; a fault is a signal, for which the caller is ready.
    unsafe { asm!("mov {}, [{}]", out(reg_byte) byte, in(reg) address, options(nostack)) };
    byte
}

/// Reads a byte at any address for the fault alone.
pub fn touch(address: usize) {
    let _ = load(address);
}

/// `mmap` that must fail, for its error.
pub fn refused(
    length: usize,
    protection: i32,
    flags: i32,
    fd: i32,
    offset: i64,
) -> Res<&'static str> {
    Region::map(length, protection, flags, fd, offset).map(|region| {
        let _ = region.unmap(0, region.length);
        "mapped"
    })
}

/// The call `brk`: the end of the program's data after it.
///
/// # Safety
///
/// Memory that this takes away must not be in use.
pub unsafe fn brk(end: usize) -> usize {
    // SAFETY: the caller's.
    unsafe { sys!(libc::SYS_brk, end) }.unwrap_or(0)
}

/// `munmap`, `mprotect` and `madvise` with arguments that are wrong and change nothing.
pub fn wrong(
    number: i64,
    region: &Region,
    off: usize,
    length: usize,
    more: i32,
) -> Result<usize, Errno> {
    // SAFETY: the address is within the region, off a page's border, or past its end; a
    // kernel that accepts it changes this region and what follows it.
    unsafe { sys!(number, region.start + off, length, more) }
}
