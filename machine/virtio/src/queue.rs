//! The split virtqueue. A chain is one descriptor of the ring, which names a table of its own
//! with the chain's segments (`VIRTIO_F_INDIRECT_DESC`): so a queue of so many descriptors has
//! as many requests in flight, whatever their segments.
//!
//! Its pages: the first has the descriptors; the second the available ring and, behind it, the
//! used ring; the others the tables. No two of them need lie side by side.

use core::fmt;
use core::sync::atomic::{Ordering, fence};

use alloc::vec::Vec;

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// The most segments of a chain.
pub const MOST_SEGMENTS: usize = 16;
/// The most chains of a queue: their descriptors fill a page.
const MOST: u16 = 256;
const DESCRIPTOR: usize = 16;
const TABLE: usize = MOST_SEGMENTS * DESCRIPTOR;
const TABLES_A_PAGE: usize = PAGE / TABLE;
/// Which page is what.
const DESCRIPTORS: usize = 0;
const RINGS: usize = 1;
const TABLES: usize = 2;
/// In the page of the rings.
const AVAILABLE: usize = 0;
const USED: usize = 1024;
/// In either ring.
const FLAGS: usize = 0;
const INDEX: usize = 2;
const ENTRIES: usize = 4;
/// Flags of a descriptor.
const NEXT: u16 = 1;
const DEVICE_WRITES: u16 = 2;
const INDIRECT: u16 = 4;
/// A flag of either ring: the other side need not be told.
const DO_NOT_TELL: u16 = 1;

/// Pages that driver and device share: little-endian, and changed by the device at any time.
/// What is not in them reads as zero, and is not written.
pub trait Shared {
    /// Two bytes.
    fn get16(&self, page: usize, at: usize) -> u16;
    /// Four bytes.
    fn get32(&self, page: usize, at: usize) -> u32;
    /// Writes two bytes.
    fn put16(&self, page: usize, at: usize, value: u16);
    /// Writes four bytes.
    fn put32(&self, page: usize, at: usize, value: u32);
    /// Writes eight bytes.
    fn put64(&self, page: usize, at: usize, value: u64);
    /// Where the device finds a page.
    fn address(&self, page: usize) -> u64;
}

/// A part of a chain: memory side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where the device finds it.
    pub address: u64,
    /// Bytes.
    pub length: u32,
    /// The device writes it; those come after all that it reads.
    pub device_writes: bool,
}

/// A chain that was not taken, with its payload.
#[derive(Debug)]
pub enum Refused<P> {
    /// As many are in flight as there can be.
    Full(P),
    /// More segments than a chain can have, or none.
    Segments(P),
}

/// A chain that the device is done with.
#[derive(Debug, PartialEq, Eq)]
pub struct Done<P> {
    /// What was given with it.
    pub payload: P,
    /// Bytes that the device says it has written: no more than it was given room for.
    pub written: u32,
}

/// The device has said what cannot be: nothing is known any more of what it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device names what it was not given")
    }
}

struct Chain<P> {
    payload: P,
    room: u32,
}

/// The queue.
pub struct SplitQueue<M, P> {
    memory: M,
    size: u16,
    chains: Vec<Option<Chain<P>>>,
    free: Vec<u16>,
    /// How many chains were ever given to the device, and taken back.
    given: u16,
    taken: u16,
    broken: bool,
}

/// How many pages a queue of so many chains has.
#[must_use]
pub fn pages(size: u16) -> usize {
    usize::from(size).div_ceil(TABLES_A_PAGE).saturating_add(TABLES)
}

impl<M: Shared, P> SplitQueue<M, P> {
    /// A queue of so many chains, a power of two up to 256, in so many [`pages`] of zeros.
    /// `None` where that is not so, or the heap has no room.
    #[must_use]
    pub fn new(memory: M, size: u16) -> Option<Self> {
        if size > MOST || !size.is_power_of_two() {
            return None;
        }
        let (mut chains, mut free) = (Vec::new(), Vec::new());
        chains.try_reserve_exact(usize::from(size)).ok()?;
        free.try_reserve_exact(usize::from(size)).ok()?;
        chains.resize_with(usize::from(size), || None);
        free.extend((0..size).rev());
        Some(Self { memory, size, chains, free, given: 0, taken: 0, broken: false })
    }

    /// The largest size of a queue that offers so many.
    #[must_use]
    pub fn size_of(offered: u16) -> u16 {
        match offered.min(MOST) {
            0 => 0,
            some => 1_u16.checked_shl(some.ilog2()).unwrap_or(0),
        }
    }

    /// Where the device finds the descriptors, the available ring and the used ring.
    #[must_use]
    pub fn places(&self) -> [u64; 3] {
        let rings = self.memory.address(RINGS);
        [
            self.memory.address(DESCRIPTORS),
            rings.saturating_add(AVAILABLE as u64),
            rings.saturating_add(USED as u64),
        ]
    }

    /// How many chains the device has.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.given.wrapping_sub(self.taken)
    }

    /// How many it can have.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Whether it can be given one more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Gives the device a chain. Whether it must be told.
    ///
    /// # Errors
    /// [`Refused`], with the payload.
    pub fn give(
        &mut self,
        segments: impl IntoIterator<Item = Segment>,
        payload: P,
    ) -> Result<bool, Refused<P>> {
        let Some(&head) = self.free.last() else { return Err(Refused::Full(payload)) };
        let (page, table) = table(head);
        let (mut count, mut room, mut last) = (0_usize, 0_u32, None);
        for segment in segments {
            if count == MOST_SEGMENTS {
                return Err(Refused::Segments(payload));
            }
            let at = table.saturating_add(count.saturating_mul(DESCRIPTOR));
            if let Some((at, flags)) = last {
                self.memory.put16(page, at, flags | NEXT);
            }
            let flags = if segment.device_writes { DEVICE_WRITES } else { 0 };
            self.describe((page, at), (segment.address, segment.length), flags);
            count = count.saturating_add(1);
            // Where the next one is, for what is behind this one.
            self.memory.put16(page, at.saturating_add(14), count as u16);
            last = Some((at.saturating_add(12), flags));
            if segment.device_writes {
                room = room.saturating_add(segment.length);
            }
        }
        if count == 0 {
            return Err(Refused::Segments(payload));
        }
        let place = usize::from(head).saturating_mul(DESCRIPTOR);
        let start = self.memory.address(page).saturating_add(table as u64);
        let length = count.saturating_mul(DESCRIPTOR) as u32;
        self.describe((DESCRIPTORS, place), (start, length), INDIRECT);
        self.free.pop();
        if let Some(chain) = self.chains.get_mut(usize::from(head)) {
            *chain = Some(Chain { payload, room });
        }
        self.memory.put16(RINGS, self.entry(AVAILABLE, self.given, 2), head);
        self.given = self.given.wrapping_add(1);
        // The entry before the index that covers it.
        fence(Ordering::SeqCst);
        self.memory.put16(RINGS, AVAILABLE.saturating_add(INDEX), self.given);
        // The index before the look at whether the device wants to be told of it: else neither
        // side might.
        fence(Ordering::SeqCst);
        Ok(self.memory.get16(RINGS, USED.saturating_add(FLAGS)) & DO_NOT_TELL == 0)
    }

    fn describe(&self, (page, at): (usize, usize), (address, length): (u64, u32), flags: u16) {
        self.memory.put64(page, at, address);
        self.memory.put32(page, at.saturating_add(8), length);
        self.memory.put16(page, at.saturating_add(12), flags);
    }

    /// Where the entry of a ring is that has so many before it.
    fn entry(&self, ring: usize, before: u16, bytes: usize) -> usize {
        let place = usize::from(before & self.size.wrapping_sub(1));
        ring.saturating_add(ENTRIES).saturating_add(place.saturating_mul(bytes))
    }

    /// Takes back a chain that the device is done with, if there is one.
    ///
    /// # Errors
    /// [`Broken`], from then on always.
    pub fn take(&mut self) -> Result<Option<Done<P>>, Broken> {
        if self.broken {
            return Err(Broken);
        }
        let index = self.memory.get16(RINGS, USED.saturating_add(INDEX));
        let waiting = index.wrapping_sub(self.taken);
        if waiting == 0 {
            return Ok(None);
        }
        // The index before what it covers.
        fence(Ordering::SeqCst);
        let at = self.entry(USED, self.taken, 8);
        let head = self.memory.get32(RINGS, at);
        let written = self.memory.get32(RINGS, at.saturating_add(4));
        let known = waiting <= self.in_flight();
        let place = usize::try_from(head).ok().filter(|_| known);
        let chain = place.and_then(|place| self.chains.get_mut(place)).and_then(Option::take);
        let (Some(chain), Ok(head)) = (chain, u16::try_from(head)) else {
            self.broken = true;
            return Err(Broken);
        };
        self.taken = self.taken.wrapping_add(1);
        // There is room: it came out of there.
        self.free.push(head);
        Ok(Some(Done { payload: chain.payload, written: written.min(chain.room) }))
    }

    /// Asks the device not to tell of what it is done with. It may all the same.
    pub fn be_quiet(&self) {
        self.memory.put16(RINGS, AVAILABLE.saturating_add(FLAGS), DO_NOT_TELL);
    }

    /// Asks it to tell again. True if it may have been done with something before it heard:
    /// then that is to be taken first.
    #[must_use]
    pub fn listen(&self) -> bool {
        self.memory.put16(RINGS, AVAILABLE.saturating_add(FLAGS), 0);
        fence(Ordering::SeqCst);
        self.broken || self.memory.get16(RINGS, USED.saturating_add(INDEX)) != self.taken
    }

    /// Whether the device has said what cannot be.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// What the device has.
    pub fn payloads(&self) -> impl Iterator<Item = &P> {
        self.chains.iter().flatten().map(|chain| &chain.payload)
    }

    /// Takes back all that the device has. It must have been stopped: it could write to what
    /// is freed then. The queue cannot be used any more.
    pub fn take_all(&mut self) -> impl Iterator<Item = P> + '_ {
        self.broken = true;
        self.free.clear();
        self.chains.iter_mut().filter_map(|chain| Some(chain.take()?.payload))
    }
}

/// The page of a chain's table, and the place there.
fn table(head: u16) -> (usize, usize) {
    let head = usize::from(head);
    let page = TABLES.saturating_add(head / TABLES_A_PAGE);
    (page, (head % TABLES_A_PAGE).saturating_mul(TABLE))
}
