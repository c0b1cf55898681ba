//! Pipes: bytes in slots of a page, as Linux keeps them.
//!
//! A write of at most `PIPE_BUF` (a page) goes into one slot or onto the end of the last
//! one whole, or not at all: that is its atomicity. A slot is free again when all of it
//! has been read. Readers and writers are counted by the open files.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::accounts::{Accounts, Gone, Kept};
use crate::contents::STEP;
use crate::moving::{Sink, Source, WINDOW};
use crate::page::PAGE;
use crate::{Errno, Owner};

/// Slots of a new pipe: 64 KiB.
pub(crate) const SLOTS: usize = 16;
/// Slots that one write fills: its caller goes on.
const FILLED: usize = 11;
/// The most that `F_SETPIPE_SZ` may ask for.
const MOST_SLOTS: usize = 256;

struct Slot {
    bytes: Vec<u8>,
    start: usize,
    owner: Owner,
    /// It is read alone, and what is not read of it is lost.
    packet: bool,
}

impl Slot {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

pub(crate) struct Pipe {
    slots: VecDeque<Slot>,
    capacity: usize,
    /// It never had a name.
    pub anonymous: bool,
    pub readers: u32,
    pub writers: u32,
    /// How often it has been opened for reading, and for writing: an open that waits for
    /// its partner watches the other's number.
    pub reader_opens: u64,
    /// See `reader_opens`.
    pub writer_opens: u64,
}

impl Pipe {
    pub fn new(anonymous: bool) -> Self {
        Self {
            slots: VecDeque::new(),
            capacity: SLOTS,
            anonymous,
            readers: 0,
            writers: 0,
            reader_opens: 0,
            writer_opens: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.slots.len() >= self.capacity
    }

    pub fn buffered(&self) -> usize {
        self.slots.iter().fold(0, |sum, slot| slot.rest().len().saturating_add(sum))
    }

    pub fn size(&self) -> usize {
        self.capacity.saturating_mul(PAGE)
    }

    /// `F_SETPIPE_SZ`.
    pub fn resize(&mut self, bytes: u32) -> Result<usize, Errno> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes > 1 << 31 {
            return Err(Errno::EINVAL);
        }
        let slots = bytes.div_ceil(PAGE).max(1).next_power_of_two();
        if slots > MOST_SLOTS {
            return Err(Errno::EPERM);
        }
        if slots < self.slots.len() {
            return Err(Errno::EBUSY);
        }
        self.capacity = slots;
        Ok(self.size())
    }

    /// Moves out what there is; nothing of what could not be put is lost.
    pub fn read(&mut self, sink: &mut dyn Sink, accounts: &mut Accounts) -> Result<usize, Errno> {
        let wanted = sink.room().min(WINDOW);
        let mut done = 0_usize;
        while done < wanted {
            let Some(slot) = self.slots.front_mut() else { break };
            let span = slot.rest().len().min(wanted.saturating_sub(done));
            match sink.put(slot.rest().get(..span).unwrap_or_default()) {
                Ok(()) => {}
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            done = done.saturating_add(span);
            slot.start = slot.start.saturating_add(span);
            let packet = slot.packet;
            if packet || slot.rest().is_empty() {
                accounts.credit(slot.owner, Kept::Open, STEP);
                self.slots.pop_front();
            }
            if packet {
                break;
            }
        }
        Ok(done)
    }

    /// Moves in what fits, as packets or not; 0 when it is full.
    pub fn write(
        &mut self,
        source: &mut dyn Source,
        packets: bool,
        owner: Owner,
        accounts: &mut Accounts,
    ) -> Result<usize, Errno> {
        let wanted = source.left().min(WINDOW);
        // As on Linux a packet, too, is added to what is no packet, if it fits there.
        let mut done = self.merge(source, wanted % PAGE)?;
        for _ in 0..FILLED {
            if done >= wanted || self.is_full() {
                break;
            }
            let span = wanted.saturating_sub(done).min(PAGE);
            match self.fill_slot(source, (span, packets), owner, accounts) {
                Ok(()) => done = done.saturating_add(span),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Appends the part of a write that fills no page to the last slot, if it fits there.
    fn merge(&mut self, source: &mut dyn Source, part: usize) -> Result<usize, Errno> {
        let Some(slot) = self.slots.back_mut() else { return Ok(0) };
        let end = slot.bytes.len();
        let grown = end.saturating_add(part);
        if part == 0 || grown > PAGE || slot.packet {
            return Ok(0);
        }
        slot.bytes.resize(grown, 0);
        let copied = source.take(slot.bytes.get_mut(end..).unwrap_or_default());
        if let Err(error) = copied {
            slot.bytes.truncate(end);
            return Err(error);
        }
        Ok(part)
    }

    fn fill_slot(
        &mut self,
        source: &mut dyn Source,
        (span, packet): (usize, bool),
        owner: Owner,
        accounts: &mut Accounts,
    ) -> Result<(), Errno> {
        let mut bytes = Vec::new();
        self.slots.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        bytes.try_reserve_exact(PAGE).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(span, 0);
        source.take(&mut bytes)?;
        accounts.charge(owner, Kept::Open, STEP).map_err(|_| Errno::ENOMEM)?;
        self.slots.push_back(Slot { bytes, start: 0, owner, packet });
        Ok(())
    }

    /// Drops what nobody will read.
    pub fn clear(&mut self, accounts: &mut Accounts) {
        let mut gone = Gone::of(Kept::Open);
        for slot in self.slots.drain(..) {
            gone.add(accounts, slot.owner, STEP);
        }
        gone.end(accounts);
        self.capacity = SLOTS;
    }
}
