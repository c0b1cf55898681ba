//! A device's queue, in frames, and what is in them given by frames: safe, whatever the floors
//! above and the device do.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use vortex_units::{ActivityId, Bytes};
use vortex_virtio::{Broken, PAGE as SHARED_PAGE, Refused, Segment, Shared, SplitQueue, pages};

use super::Control;
use crate::memory::{Frame, PAGE, Use, Window, pointer};

const _: () = assert!(PAGE == SHARED_PAGE);

/// A part of a frame.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The frame.
    pub frame: Frame,
    /// Where in it.
    pub offset: u16,
    /// How many bytes.
    pub length: u16,
}

impl Piece {
    /// A part of a frame; `None` where it is not within it, or is nothing.
    #[must_use]
    pub fn new(frame: Frame, offset: usize, length: usize) -> Option<Self> {
        let end = offset.checked_add(length)?;
        let (offset, length) = (u16::try_from(offset).ok()?, u16::try_from(length).ok()?);
        (end <= PAGE && length > 0).then_some(Self { frame, offset, length })
    }

    fn segment(&self, device_writes: bool) -> Option<Segment> {
        let (offset, length) = (usize::from(self.offset), usize::from(self.length));
        let whole = length > 0 && offset + length <= PAGE;
        let address = self.frame.physical() + u64::from(self.offset);
        whole.then_some(Segment { address, length: u32::from(self.length), device_writes })
    }
}

/// Memory that a device reads or writes: parts of frames, which are held meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    pieces: Vec<Piece>,
}

impl Buffer {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    /// One piece more behind the others. False where the heap has no room.
    #[must_use]
    pub fn add(&mut self, piece: Piece) -> bool {
        let room = self.pieces.try_reserve(1).is_ok();
        if room {
            self.pieces.push(piece);
        }
        room
    }

    /// Another handle of a part; `None` where it is not within, or the heap has no room.
    #[must_use]
    pub fn part(&self, at: usize, bytes: usize) -> Option<Self> {
        let (mut skip, mut left, mut part) = (at, bytes, Self::new());
        for piece in &self.pieces {
            let length = usize::from(piece.length);
            if skip >= length {
                skip -= length;
                continue;
            }
            let take = (length - skip).min(left);
            if take == 0 {
                break;
            }
            let piece = Piece::new(piece.frame.clone(), usize::from(piece.offset) + skip, take)?;
            part.add(piece).then_some(())?;
            left -= take;
            skip = 0;
        }
        (left == 0).then_some(part)
    }

    /// What another has, behind this. False where the heap has no room.
    #[must_use]
    pub fn join(&mut self, other: &Self) -> bool {
        let room = self.pieces.try_reserve(other.pieces.len()).is_ok();
        if room {
            self.pieces.extend(other.pieces.iter().cloned());
        }
        room
    }

    /// How many pieces.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> Bytes {
        Bytes::new(self.pieces.iter().map(|piece| u64::from(piece.length)).sum())
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Copies out from the start; returns how many bytes there were.
    pub fn read(&self, mut bytes: &mut [u8]) -> usize {
        let mut done = 0;
        for piece in &self.pieces {
            let length = usize::from(piece.length).min(bytes.len());
            let (head, tail) = bytes.split_at_mut(length);
            done += piece.frame.read(usize::from(piece.offset), head);
            bytes = tail;
        }
        done
    }

    /// Copies in from the start; returns how many bytes had room.
    pub fn write(&self, mut bytes: &[u8]) -> usize {
        let mut done = 0;
        for piece in &self.pieces {
            let (head, tail) = bytes.split_at(usize::from(piece.length).min(bytes.len()));
            done += piece.frame.write(usize::from(piece.offset), head);
            bytes = tail;
        }
        done
    }
}

/// The frames of a queue.
#[derive(Debug)]
pub(super) struct Pages(Vec<Frame>);

impl Pages {
    pub fn new(size: u16) -> Option<Self> {
        let mut frames = Vec::new();
        frames.try_reserve_exact(pages(size)).ok()?;
        for _ in 0..pages(size) {
            frames.push(Frame::zeroed_for(ActivityId::INFRASTRUCTURE, Use::Device)?);
        }
        Some(Self(frames))
    }

    fn place<T>(&self, page: usize, at: usize) -> Option<*mut T> {
        let within = at.checked_add(size_of::<T>())? <= PAGE && at.is_multiple_of(size_of::<T>());
        let frame = self.0.get(page).filter(|_| within)?;
        Some(pointer::<T>(frame.physical() + at as u64))
    }

    fn get<T: Default>(&self, page: usize, at: usize) -> T {
        // SAFETY: aligned and within a frame of ours; all bytes are a `T`, an integer.
        self.place::<T>(page, at).map_or_else(T::default, |place| unsafe { place.read_volatile() })
    }

    fn put<T>(&self, page: usize, at: usize, value: T) {
        if let Some(place) = self.place::<T>(page, at) {
            // SAFETY: aligned and within a frame of ours, which no reference names.
            unsafe { place.write_volatile(value) };
        }
    }
}

impl Shared for Pages {
    fn get16(&self, page: usize, at: usize) -> u16 {
        self.get(page, at)
    }
    fn get32(&self, page: usize, at: usize) -> u32 {
        self.get(page, at)
    }
    fn put16(&self, page: usize, at: usize, value: u16) {
        self.put(page, at, value);
    }
    fn put32(&self, page: usize, at: usize, value: u32) {
        self.put(page, at, value);
    }
    fn put64(&self, page: usize, at: usize, value: u64) {
        self.put(page, at, value);
    }
    fn address(&self, page: usize) -> u64 {
        self.0.get(page).map_or(0, Frame::physical)
    }
}

/// What the device has: its memory, and whatever its driver wants to know when it is done.
pub(super) struct Given<T> {
    reads: Buffer,
    writes: Buffer,
    ticket: T,
}

/// What was given, back.
#[derive(Debug)]
pub struct Completion<T> {
    /// What the device was to read.
    pub reads: Buffer,
    /// What it was to write.
    pub writes: Buffer,
    /// What came with it.
    pub ticket: T,
    /// Bytes that it says it has written.
    pub written: Bytes,
}

/// Why something was not given to the device.
#[derive(Debug)]
pub enum NotGiven<T> {
    /// It has as much as it can have.
    Full(Completion<T>),
    /// It is not to have any more: it is broken, or what it is given is too much at once.
    Never(Completion<T>),
}

impl<T> Given<T> {
    fn back(self, written: u32) -> Completion<T> {
        let Self { reads, writes, ticket } = self;
        Completion { reads, writes, ticket, written: Bytes::new(u64::from(written)) }
    }
}

/// A queue of a device.
pub struct VirtQueue<T> {
    ring: SplitQueue<Pages, Given<T>>,
    bell: Window,
    number: u16,
    control: Arc<Control>,
}

impl<T> fmt::Debug for VirtQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtQueue({} of {} in flight)", self.ring.in_flight(), self.ring.size())
    }
}

impl<T> VirtQueue<T> {
    pub(super) fn new(
        ring: SplitQueue<Pages, Given<T>>,
        bell: Window,
        number: u16,
        control: Arc<Control>,
    ) -> Self {
        Self { ring, bell, number, control }
    }

    /// How many requests it has room for.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.ring.size()
    }

    /// How many the device has.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.ring.in_flight()
    }

    /// Gives the device a request: what it reads, and what it writes.
    ///
    /// # Errors
    /// [`NotGiven`], with all of it.
    pub fn give(&mut self, reads: Buffer, writes: Buffer, ticket: T) -> Result<(), NotGiven<T>> {
        let given = Given { reads, writes, ticket };
        let mut segments = [None; vortex_virtio::MOST_SEGMENTS];
        let all = given.reads.pieces.iter().map(|piece| piece.segment(false));
        let all = all.chain(given.writes.pieces.iter().map(|piece| piece.segment(true)));
        for (count, segment) in all.enumerate() {
            match segments.get_mut(count) {
                Some(place) if segment.is_some() => *place = segment,
                _ => return Err(NotGiven::Never(given.back(0))),
            }
        }
        if self.ring.is_broken() || self.control.is_gone() {
            return Err(NotGiven::Never(given.back(0)));
        }
        match self.ring.give(segments.into_iter().flatten(), given) {
            Ok(true) => self.bell.write16(0, self.number),
            Ok(false) => {}
            Err(Refused::Full(given)) => return Err(NotGiven::Full(given.back(0))),
            Err(Refused::Segments(given)) => return Err(NotGiven::Never(given.back(0))),
        }
        Ok(())
    }

    /// Takes back a request that the device is done with.
    ///
    /// # Errors
    /// [`Broken`]: then it is to be [`Self::stop`]ped.
    pub fn take(&mut self) -> Result<Option<Completion<T>>, Broken> {
        if self.control.is_gone() {
            return Err(Broken);
        }
        let done = self.ring.take()?;
        Ok(done.map(|done| done.payload.back(done.written)))
    }

    /// Looks at what came with what the device has.
    pub fn tickets(&self) -> impl Iterator<Item = &T> {
        self.ring.payloads().map(|given| &given.ticket)
    }

    /// Whether it has room for a request more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.ring.has_room()
    }

    /// Asks the device not to interrupt.
    pub fn be_quiet(&self) {
        self.ring.be_quiet();
    }

    /// Asks it to interrupt again. True if there is something to be taken already.
    #[must_use]
    pub fn listen(&self) -> bool {
        self.ring.listen()
    }

    /// Cuts the whole device off from memory and takes back what this queue has given it.
    pub fn stop(&mut self) -> Vec<Completion<T>> {
        self.control.cut_off();
        self.ring.take_all().map(|given| given.back(0)).collect()
    }
}

impl<T> Drop for VirtQueue<T> {
    fn drop(&mut self) {
        // The device knows the frames of the rings.
        self.control.cut_off();
    }
}
