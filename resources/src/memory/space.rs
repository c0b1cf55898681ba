//! An address space as the kernel knows it: regions, and the machine's tables.
//!
//! # Invariants
//! ASR alone changes regions, and says so ([`AddressSpace::changed`]) before it works on
//! pages. Who looks a region up elsewhere puts a page there only if nothing was changed
//! since, which it asks under the tables' lock ([`Layout`]).

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use spin::Mutex;
use vortex_abi::Span;
use vortex_machine::{Access, PAGE, Space};
use vortex_units::ActivityId;

use super::away::Away;
use super::bounds::Bounds;
use super::mend::{By, Mend, mend};
use super::regions::{Region, Regions};
use super::turn::Turn;
use crate::quota::Held;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// All spaces, by their activity's place and their number: a frame that is asked back is
/// named by its space.
static SPACES: Mutex<BTreeMap<(usize, u64), Weak<AddressSpace>>> = Mutex::new(BTreeMap::new());

/// An address space.
pub struct AddressSpace {
    /// Names it: the affinity label of its requests at ASR.
    pub number: u64,
    /// The machine's tables.
    pub space: Arc<Space>,
    /// Whose requests ASR serves for it.
    pub(super) turn: Turn,
    /// What may be where. Changed by ASR only; a leaf lock for those who read elsewhere.
    pub regions: Mutex<Regions>,
    /// Its pages that are with the swap resource.
    pub away: Away,
    /// Faults that were mended.
    pub faults: Faults,
    /// From where on its pages' use is looked at next.
    pub(super) looked: AtomicU64,
    /// How often regions were changed.
    layout: AtomicU64,
    /// Where its windows lie (`windows.rs`); zero where there were none.
    pub(super) windows: AtomicU64,
    /// Its regions, on its activity's bill.
    pub mappings: Mutex<Held>,
    /// How many processes have it.
    pub users: AtomicU32,
    /// The beginning and the end of the heap (`brk`).
    pub heap: Mutex<(u64, u64)>,
    /// Where the program's arguments were put.
    pub arguments: Mutex<Span>,
    /// How much there may be.
    pub bounds: Bounds,
}

impl AddressSpace {
    /// An empty one, on this activity's bill; `None` where memory has run out.
    #[must_use]
    pub fn new(owner: ActivityId) -> Option<Arc<Self>> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let space = Arc::new(Space::new(owner, number)?);
        let new = Arc::new(Self {
            number,
            space,
            turn: Turn::default(),
            regions: Mutex::new(Regions::default()),
            away: Away::of(owner),
            faults: Faults::default(),
            looked: AtomicU64::new(0),
            layout: AtomicU64::new(0),
            windows: AtomicU64::new(0),
            mappings: Mutex::default(),
            users: AtomicU32::new(0),
            heap: Mutex::new((0, 0)),
            arguments: Mutex::new(Span::new(0, 0)),
            bounds: Bounds::default(),
        });
        SPACES.lock().insert((owner.index(), number), Arc::downgrade(&new));
        Some(new)
    }

    /// The space of an activity with this number, if it is still there.
    #[must_use]
    pub(super) fn of(owner: ActivityId, number: u64) -> Option<Arc<Self>> {
        SPACES.lock().get(&(owner.index(), number))?.upgrade()
    }

    /// The first space of an activity with this number or a higher one.
    #[must_use]
    pub(super) fn first(owner: ActivityId, number: u64) -> Option<Arc<Self>> {
        let all = SPACES.lock();
        let own = all.range((owner.index(), number)..=(owner.index(), u64::MAX));
        own.filter_map(|(_, space)| space.upgrade()).next()
    }

    /// The region of an address, and where it begins.
    #[must_use]
    pub fn region(&self, address: u64) -> Option<(u64, Region)> {
        self.regions.lock().find(address)
    }

    /// How the regions are now, for who puts pages by what it looks up next.
    #[must_use]
    pub fn layout(&self) -> Layout<'_> {
        Layout { space: self, changes: self.layout.load(Ordering::SeqCst) }
    }

    /// Regions were changed.
    pub(super) fn changed(&self) {
        self.layout.fetch_add(1, Ordering::SeqCst);
    }

    /// Writes into pages that may be written, making those that are missing. For a space
    /// that no thread runs in yet. Where it fails, it may be done again from its beginning.
    ///
    /// # Errors
    /// `Unfilled`, which says what is missing.
    pub fn fill(&self, mut address: u64, mut bytes: &[u8]) -> Result<(), Unfilled> {
        while !bytes.is_empty() {
            let page = address & !(PAGE as u64 - 1);
            match mend(self, page, Access::Write, By::Asr) {
                Ok(Mend::Done(_)) => {}
                Ok(Mend::Late | Mend::Read(..) | Mend::Fetch(_)) => {
                    return Err(Unfilled::Away(page));
                }
                Err(_) => return Err(Unfilled::NoMemory),
            }
            // It may have left anew.
            let frame = self.space.pin(page, Access::Write).ok_or(Unfilled::Away(page))?;
            let written = frame.write((address - page) as usize, bytes);
            address += written as u64;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Copies bytes out, as far as their pages are there, and no more than this.
    #[must_use]
    pub fn peek(&self, span: Span, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = span.address;
        let end = span.address.saturating_add(span.length.min(most as u64));
        let mut piece = [0; 256];
        while at < end {
            let Some((frame, _)) = self.space.get(at) else { break };
            let offset = (at % PAGE as u64) as usize;
            let length = usize::try_from(end - at).unwrap_or(PAGE).min(piece.len());
            let read = frame.read(offset, piece.get_mut(..length).unwrap_or_default());
            bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
            at += read as u64;
        }
        bytes
    }

    /// Whether the page's frame may be used so as it is.
    #[must_use]
    pub fn has(&self, page: u64, access: Access) -> bool {
        self.space.pin(page, access).is_some()
    }
}

/// Why a space cannot be filled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// Memory has run out, or it may not.
    NoMemory,
    /// This page of it has left, or comes from a disk: ASR brings it by a fault.
    Away(u64),
}

/// How many faults were mended (getrusage(2)).
#[derive(Debug, Default)]
pub struct Faults {
    minor: AtomicU64,
    major: AtomicU64,
}

impl Faults {
    pub(super) fn count(&self, major: bool) {
        let counter = if major { &self.major } else { &self.minor };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Those of pages in memory, or of none, and those of pages that had left it.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.minor.load(Ordering::Relaxed), self.major.load(Ordering::Relaxed))
    }

    /// A program takes another's place: what that had counts on.
    pub fn go_on(&self, before: &Self) {
        let (minor, major) = before.get();
        self.minor.fetch_add(minor, Ordering::Relaxed);
        self.major.fetch_add(major, Ordering::Relaxed);
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        SPACES.lock().remove(&(self.space.owner().index(), self.number));
    }
}

impl AddressSpace {
    /// The first of all spaces from this place in their order on: by activity, then by number.
    #[must_use]
    pub(super) fn after(owner: usize, number: u64) -> Option<Arc<Self>> {
        let all = SPACES.lock();
        all.range((owner, number)..).filter_map(|(_, space)| space.upgrade()).next()
    }
}

/// How the regions of a space were at some time.
#[derive(Clone, Copy)]
pub struct Layout<'a> {
    space: &'a AddressSpace,
    changes: u64,
}

impl Layout<'_> {
    /// Whether they still are so.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.space.layout.load(Ordering::SeqCst) == self.changes
    }
}
