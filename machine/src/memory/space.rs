//! The address space of a process, as the cores that run its threads share it.
//!
//! A change that takes rights away must reach every core that may have the old ones in its
//! TLB. Cores in the kernel look at the space's *generation* before they enter user mode
//! again; cores in user mode with the space are named by [`Space::behind`], to be poked.
//! Frames taken away wait in limbo until no core can reach them any more.
//!
//! # Invariants
//! - A core writes the generation that it has loaded into its place before it enters user
//!   mode, and looks at the generation once more afterwards: so either it sees a change, or
//!   whoever changed sees it.
//! - A frame leaves limbo when no core is in user mode with an older generation.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_units::CoreId;

use super::table::{Access, MapError, Table};
use super::{Frame, PAGE};
use crate::cpu::MAX_CORES;
use crate::statics;

/// An address space. Changes are short, and each locks for itself.
pub struct Space {
    root: u64,
    inner: Mutex<Inner>,
    generation: AtomicU64,
    /// The generation with which each core is in user mode; zero if it is not.
    inside: [AtomicU64; MAX_CORES],
}

struct Inner {
    table: Table,
    limbo: Vec<(u64, Frame)>,
    /// Pages that have a frame.
    held: u64,
}

impl Space {
    /// An empty one; `None` where there is no frame for its root.
    #[must_use]
    pub fn new() -> Option<Self> {
        let table = Table::new(statics::kernel_root.load(Ordering::Relaxed))?;
        Some(Self {
            root: table.root(),
            inner: Mutex::new(Inner { table, limbo: Vec::new(), held: 0 }),
            generation: AtomicU64::new(1),
            inside: [const { AtomicU64::new(0) }; MAX_CORES],
        })
    }

    /// Puts a frame at a page. What was there is gone for all cores once
    /// [`Space::is_current`] says so.
    ///
    /// # Errors
    /// [`MapError`]; then nothing has changed.
    pub fn map(&self, page: u64, frame: Frame, access: Access) -> Result<(), MapError> {
        let inner = &mut *self.inner.lock();
        inner.limbo.try_reserve(1).map_err(|_| MapError::NoMemory)?;
        if let Some(old) = inner.table.map(page, frame, access)? {
            inner.limbo.push((self.advance(), old));
        } else {
            inner.held += 1;
        }
        Ok(())
    }

    /// Takes the frame of a page away; false if there is none, or no memory to remember it.
    pub fn unmap(&self, page: u64) -> bool {
        let inner = &mut *self.inner.lock();
        if inner.limbo.try_reserve(1).is_err() {
            return false;
        }
        match inner.table.unmap(page) {
            Some(old) => {
                inner.limbo.push((self.advance(), old));
                inner.held = inner.held.saturating_sub(1);
                true
            }
            None => false,
        }
    }

    /// How many pages have a frame.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.inner.lock().held
    }

    /// Changes the rights of a page that has a frame.
    pub fn protect(&self, page: u64, access: Access) {
        if self.inner.lock().table.protect(page, access) {
            self.advance();
        }
    }

    /// The frame at a page, if the program may use it so. It stays as long as the handle.
    #[must_use]
    pub fn pin(&self, page: u64, access: Access) -> Option<Frame> {
        let (frame, has) = self.get(page)?;
        has.allows(access).then_some(frame)
    }

    /// The frame at a page, and its rights.
    #[must_use]
    pub fn get(&self, page: u64) -> Option<(Frame, Access)> {
        self.inner.lock().table.get(page & !(PAGE as u64 - 1))
    }

    /// Whether the page's frame is nowhere else.
    #[must_use]
    pub fn is_sole(&self, page: u64) -> bool {
        self.inner.lock().table.is_sole(page)
    }

    /// The first page from this address on, before `end`, that has a frame; looks at a
    /// bounded number.
    ///
    /// # Errors
    /// Where to go on.
    pub fn next(&self, page: u64, end: u64) -> Result<Option<u64>, u64> {
        self.inner.lock().table.next(page, end)
    }

    fn advance(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether every core has all changes, and frees what waited for that.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let generation = self.generation.load(Ordering::SeqCst);
        let oldest = self.oldest();
        let freed: Vec<_> = {
            let mut inner = self.inner.lock();
            let split = inner.limbo.partition_point(|(made, _)| *made <= oldest);
            inner.limbo.drain(..split).collect()
        };
        drop(freed);
        oldest >= generation
    }

    fn oldest(&self) -> u64 {
        let inside = self.inside.iter().map(|inside| inside.load(Ordering::SeqCst));
        inside.filter(|&generation| generation != 0).min().unwrap_or(u64::MAX)
    }

    /// The cores that are in user mode with an older state: to be poked.
    pub fn behind(&self) -> impl Iterator<Item = CoreId> + '_ {
        let generation = self.generation.load(Ordering::SeqCst);
        self.inside.iter().enumerate().filter_map(move |(core, inside)| {
            let has = inside.load(Ordering::SeqCst);
            (has != 0 && has < generation).then(|| CoreId::new(core as u16))
        })
    }

    pub(crate) fn root(&self) -> u64 {
        self.root
    }

    /// This core is about to enter user mode. Returns the generation that its TLB must
    /// have.
    pub(crate) fn enter(&self, core: usize) -> u64 {
        let Some(inside) = self.inside.get(core) else { return 0 };
        let mut generation = self.generation.load(Ordering::SeqCst);
        loop {
            inside.store(generation, Ordering::SeqCst);
            let now = self.generation.load(Ordering::SeqCst);
            if now == generation {
                return generation;
            }
            generation = now;
        }
    }

    /// This core has left user mode.
    pub(crate) fn leave(&self, core: usize) {
        if let Some(inside) = self.inside.get(core) {
            inside.store(0, Ordering::Release);
        }
    }
}

impl core::fmt::Debug for Space {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Space({:#x})", self.root)
    }
}
