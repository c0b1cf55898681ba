//! A file whose pages are kept: what file calls copy from and to, without a request where the
//! pages are there.
//!
//! # Invariants
//! - The lock is a leaf lock, held for a look or a mark. Bytes are copied outside of it: who
//!   reads has a handle of the page's memory, who writes has its page held (`users`), so that
//!   it neither leaves nor becomes clean before the bytes are in it.
//! - FCR alone claims pages, and alone moves one from one state to another; file calls look,
//!   hold, and mark.
//! - Bytes of a page behind the file's end are zeros.
//! - The file's size here is what programs see. What is told to EXT2R follows, when the data
//!   is on the disk.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_abi::Errno;
use vortex_units::{ActivityId, Bytes};

use super::frame::{Bills, PAGE_BYTES, PageFrame, PageName};
use super::openers::Openers;
use super::page::{BLOCKS, Dirtied, Fetched, Page, State};
use super::streams::Streams;
use super::table::Table;
use crate::names::{FileId, Time, Times};

/// A file with its pages.
pub struct CachedFile<F> {
    id: FileId,
    number: u32,
    pub(super) block: u32,
    pub(super) bills: Arc<dyn Bills>,
    pub(super) size: AtomicU64,
    pub(super) inner: Mutex<Inner<F>>,
}

/// What is beneath the lock.
pub(crate) struct Inner<F> {
    pub pages: Table<F>,
    /// Those to be written, but for what is being written.
    pub dirty: BTreeSet<u32>,
    /// A sync begins a new one, and waits for what is owed of those before.
    pub round: u64,
    /// How many pages that are dirty or being written are of each round.
    pub owed: BTreeMap<u64, u32>,
    /// The size that EXT2R knows.
    pub told: u64,
    /// Blocks are allocated to here, or not far behind.
    pub reached: u64,
    pub times: Times,
    /// When it was written to by a mapping, if it was since its times were set.
    pub mapped: Option<Time>,
    /// Who has changed times that EXT2R does not know.
    pub touched: Option<ActivityId>,
    /// How many errors there were in writing it, and the last.
    pub errors: u32,
    pub error: Option<Errno>,
    pub streams: Streams,
    /// Who pays for what is kept of it: changed beneath the lock of the table of files too.
    pub(super) payer: ActivityId,
    pub(super) openers: Openers,
    /// Writes under way that make it longer, and to where at most.
    pub(super) growing: u16,
    pub(super) grows_to: u64,
    /// Somebody who has it alone makes it longer, to here.
    pub set_to: u64,
    /// Nothing is kept of it any more.
    pub gone: bool,
    serial: u32,
}

/// What a read has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Reading {
    /// Bytes that were there. Fewer than asked for before the file's end: the page behind them
    /// is to be fetched.
    pub bytes: usize,
    /// The reader has come so far in a stream that [`crate::CacheRequest::ahead`] is to be sent
    /// with this page, so that the next ones are there in time.
    pub ahead: Option<u32>,
}

/// Pages that one look finds.
const BATCH: usize = 8;

impl<F: PageFrame> CachedFile<F> {
    /// A file without pages, on somebody's bill.
    pub(crate) fn new(
        id: FileId,
        number: u32,
        block: u32,
        size: u64,
        (payer, bills): (ActivityId, Arc<dyn Bills>),
    ) -> Self {
        bills.charge(payer, Bytes::new(Self::PRICE));
        let inner = Inner {
            pages: Table::new(),
            dirty: BTreeSet::new(),
            round: 0,
            owed: BTreeMap::new(),
            told: size,
            reached: size,
            times: Times::default(),
            mapped: None,
            touched: None,
            errors: 0,
            error: None,
            streams: Streams::new(),
            payer,
            openers: Openers::new(),
            growing: 0,
            grows_to: 0,
            set_to: 0,
            gone: false,
            serial: 0,
        };
        let (size, inner) = (AtomicU64::new(size), Mutex::new(inner));
        Self { id, number, block, bills, size, inner }
    }

    /// Which file.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// What its pages are named by.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Bytes of a block of its file system: 1,024, 2,048 or 4,096.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.block
    }

    /// Bytes of it.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Whether a page's contents are there.
    #[must_use]
    pub fn has(&self, page: u32) -> bool {
        self.inner.lock().pages.get(page).is_some_and(Page::is_valid)
    }

    /// A page's memory, to be mapped; `None` where its contents are not there. Who maps it so
    /// that programs can write to it holds it ([`Self::hold`]).
    #[must_use]
    pub fn frame(&self, page: u32) -> Option<F> {
        let mut inner = self.inner.lock();
        let page = inner.pages.get_mut(page).filter(|page| page.is_valid())?;
        page.used = true;
        page.frame.clone()
    }

    /// The memory of the pages of a range that are there, to be shown beside one that is wanted.
    pub fn frames(&self, first: u32, end: u32, mut each: impl FnMut(u32, &F)) {
        let inner = self.inner.lock();
        inner.pages.each(first, end.max(first), |number, page| {
            if let Some(frame) = page.frame.as_ref().filter(|_| page.is_valid()) {
                each(number, frame);
            }
        });
    }

    /// What was recorded when a page was fetched (§2.3).
    #[must_use]
    pub fn fetched(&self, page: u32) -> Option<Fetched> {
        self.inner.lock().pages.get(page).filter(|page| page.is_valid()).map(|page| page.fetched)
    }

    /// How many pages are kept.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.inner.lock().pages.len()
    }

    /// The first pages of a range that are not there: which, and how many in a row.
    #[must_use]
    pub fn next_missing(&self, first: u32, end: u32) -> Option<(u32, u32)> {
        let inner = self.inner.lock();
        let there = |page: &u32| inner.pages.get(*page).is_some_and(Page::is_valid);
        let from = (first..end).find(|page| !there(page))?;
        let to = (from..end).find(there).unwrap_or(end);
        Some((from, to.saturating_sub(from)))
    }

    /// Gives the bytes from a place on to `sink`, a part of a page at a time (the page, where in
    /// it, how many), as far as they are there, no further than the file's end, and until it
    /// says that it took less.
    pub fn read(
        &self,
        at: u64,
        most: usize,
        sink: &mut dyn FnMut(&F, usize, usize) -> usize,
    ) -> Reading {
        let end = at.saturating_add(most as u64).min(self.size());
        let (mut reading, mut at) = (Reading::default(), at);
        while at < end {
            let mut frames: [Option<F>; BATCH] = [const { None }; BATCH];
            let last = last_page(end);
            let missing = {
                let mut inner = self.inner.lock();
                let mut pages = page_of(at)..=last;
                frames.iter_mut().zip(&mut pages).any(|(place, number)| {
                    let page = inner.pages.get_mut(number).filter(|page| page.is_valid());
                    let Some(page) = page else { return true };
                    page.used = true;
                    if core::mem::take(&mut page.marks) {
                        reading.ahead = Some(number);
                    }
                    place.clone_from(&page.frame);
                    false
                })
            };
            for frame in frames.iter().flatten() {
                let within = (at % PAGE_BYTES) as usize;
                let left = PAGE_BYTES.saturating_sub(within as u64).min(end.saturating_sub(at));
                let took = sink(frame, within, left as usize).min(left as usize);
                at = at.saturating_add(took as u64);
                reading.bytes = reading.bytes.saturating_add(took);
                if (took as u64) < left {
                    return reading;
                }
            }
            if missing {
                break;
            }
        }
        reading
    }

    /// Which of a page's blocks bytes of it are in.
    pub(crate) fn blocks_of(&self, within: usize, bytes: usize) -> (usize, usize) {
        let block = (self.block as usize).max(1);
        let first = within.checked_div(block).unwrap_or(0);
        let end = within.saturating_add(bytes).div_ceil(block);
        (first, end.min(BLOCKS))
    }

    /// A page's memory, for a mapping by which programs can write to it: the page stays dirty
    /// until nobody shows it any more, as far as the cache knows. It must have been made ready
    /// ([`crate::CacheRequest::map_write`]); `None` where it is not, or not any more. What is
    /// written while the disk is given the page is on the bill of `who`.
    #[must_use]
    pub fn hold(&self, number: u32, who: ActivityId) -> Option<F> {
        let mut inner = self.inner.lock();
        let blocks = self.blocks_to_end(&inner, number);
        let round = inner.round;
        let page = inner.pages.get_mut(number).filter(|page| page.takes(blocks, false))?;
        let frame = page.frame.clone()?;
        (page.mapped, page.scribbled, page.used) = (true, true, true);
        if page.state == State::Writing && page.again.is_none() {
            page.again = page.dirtied.map(|before| Dirtied { by: who, round, ..before });
        }
        Some(frame)
    }

    /// Whether [`Self::hold`] would give a page.
    #[must_use]
    pub fn is_ready(&self, number: u32) -> bool {
        let inner = self.inner.lock();
        let blocks = self.blocks_to_end(&inner, number);
        inner.pages.get(number).is_some_and(|page| page.takes(blocks, false))
    }

    /// Nobody shows a page any more by which programs can write to it, unless somebody beside
    /// the cache has it: what was written is in it.
    pub fn let_go(&self, number: u32) {
        let mut inner = self.inner.lock();
        if let Some(page) = inner.pages.get_mut(number) {
            page.let_go();
        }
    }

    /// The blocks of a page up to the file's end, or to where that is about to be.
    fn blocks_to_end(&self, inner: &Inner<F>, page: u32) -> (usize, usize) {
        let start = u64::from(page).saturating_mul(PAGE_BYTES);
        let left = self.end(inner).saturating_sub(start).min(PAGE_BYTES);
        self.blocks_of(0, left as usize)
    }

    /// Where the file ends, or is about to.
    fn end(&self, inner: &Inner<F>) -> u64 {
        let grows_to = if inner.growing > 0 { inner.grows_to } else { 0 };
        self.size().max(grows_to).max(inner.set_to)
    }

    /// The same, for who makes a page of it ready to be written to by a mapping.
    pub(crate) fn ends(&self) -> u64 {
        self.end(&self.inner.lock())
    }

    /// How many errors in writing it there were: what an open file begins with.
    #[must_use]
    pub fn errors(&self) -> u32 {
        self.inner.lock().errors
    }

    /// Whether it could not be written since `seen` errors: each open file is told once (as
    /// Linux's errseq has it).
    ///
    /// # Errors
    /// The last one's.
    pub fn check(&self, seen: &mut u32) -> Result<(), Errno> {
        let inner = self.inner.lock();
        if core::mem::replace(seen, inner.errors) == inner.errors {
            return Ok(());
        }
        inner.error.map_or(Ok(()), Err)
    }

    /// New times, which EXT2R is told when the file's data is.
    pub fn touch(&self, who: ActivityId, times: Times) {
        let mut inner = self.inner.lock();
        inner.times.take_over(times);
        inner.touched = Some(who);
    }

    /// The same, as whoever asks has them be: not when anybody writes by a mapping any more.
    pub fn set_times(&self, who: ActivityId, times: Times) {
        self.inner.lock().mapped = None;
        self.touch(who, times);
    }

    /// When it was written to by a mapping, if it was since its times were set: the first time
    /// after a page of it went to the disk.
    #[must_use]
    pub fn mapped(&self) -> Option<Time> {
        self.inner.lock().mapped
    }

    /// Times that EXT2R does not know yet.
    #[must_use]
    pub fn times(&self) -> Times {
        self.inner.lock().times
    }

    /// A page's name.
    pub(crate) fn name(&self, page: u32) -> PageName {
        PageName { file: self.number, page }
    }

    /// Sets the size beneath the lock.
    pub(crate) fn set_size(&self, _: &mut Inner<F>, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// All of its pages, for a test that fails.
    #[cfg(test)]
    pub fn describe(&self) -> std::string::String {
        let inner = self.inner.lock();
        let mut all = std::string::String::new();
        let mut at = 0;
        while let Some(number) = inner.pages.next(at) {
            at = number + 1;
            let page = inner.pages.get(number).unwrap();
            let (state, users, pins, parts) = (page.state, page.users, page.pins, page.parts);
            all += &std::format!("{number}: {state:?} {users} {pins} {parts}\n");
        }
        all
    }

    /// How many blocks a page has.
    pub(crate) fn blocks_a_page(&self) -> u32 {
        (PAGE_BYTES as u32).checked_div(self.block).unwrap_or(1).max(1)
    }
}

impl<F: PageFrame> Inner<F> {
    /// Whether anybody writes this moment what makes it longer.
    pub fn is_growing(&self) -> bool {
        self.growing > 0
    }

    /// A file of this size is to grow to there. The page in which it ends, if programs can
    /// write to that by a mapping, and blocks of it that come to the file have no places.
    pub fn gap(&mut self, size: u64, to: u64, block: u32) -> Option<u32> {
        let number = page_of(size);
        let page = self.pages.get_mut(number).filter(|page| page.mapped)?;
        let start = u64::from(number).saturating_mul(PAGE_BYTES);
        let bytes = to.saturating_sub(start).min(PAGE_BYTES);
        let end = bytes.div_ceil(u64::from(block).max(1)) as usize;
        let within = !size.is_multiple_of(PAGE_BYTES);
        (within && to > size && !page.is_backed((0, end)) && !page.let_go()).then_some(number)
    }
}

impl<F> Inner<F> {
    /// The next page's number of its own.
    pub fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// A page of this round is to be written.
    pub fn owe(&mut self, round: u64) {
        let owed = self.owed.entry(round).or_default();
        *owed = owed.saturating_add(1);
    }

    /// It is not any more.
    pub fn owe_not(&mut self, round: u64) {
        if let Some(owed) = self.owed.get_mut(&round) {
            *owed = owed.saturating_sub(1);
            if *owed == 0 {
                self.owed.remove(&round);
            }
        }
    }

    /// Whether something of a round, or one before, is still to be written.
    pub fn owes(&self, round: u64) -> bool {
        self.owed.first_key_value().is_some_and(|(first, _)| *first <= round)
    }

    /// Blocks behind the end of a file that is cut are not its any more: its last page forgets
    /// where they were.
    pub fn forget_places(&mut self, size: u64, block: u32) {
        let within = size % PAGE_BYTES;
        let kept = within.div_ceil(u64::from(block).max(1)) as usize;
        let last = self.pages.get_mut(page_of(size)).filter(|_| within > 0);
        let Some(last) = last else { return };
        last.places.iter_mut().skip(kept).for_each(|place| *place = 0);
    }

    /// Forgets a page, whatever it is at. If it was to be written, notes whose it was.
    pub fn drop_page(&mut self, number: u32, gone: &mut Vec<ActivityId>) {
        let Some(page) = self.pages.remove(number) else { return };
        self.dirty.remove(&number);
        let Some(dirtied) = page.dirtied else { return };
        gone.push(dirtied.by);
        if matches!(page.state, State::Dirty | State::Writing) {
            self.owe_not(dirtied.round);
        }
    }

    /// Writing it has failed.
    pub fn note_error(&mut self, error: Errno) {
        self.errors = self.errors.wrapping_add(1);
        self.error = Some(error);
    }
}

/// The page that a place is in.
pub(crate) fn page_of(at: u64) -> u32 {
    u32::try_from(at / PAGE_BYTES).unwrap_or(u32::MAX)
}

/// The last page before an end that is not zero.
fn last_page(end: u64) -> u32 {
    page_of(end.saturating_sub(1))
}

/// How many pages so many bytes take.
pub(crate) fn pages_for(size: u64) -> u32 {
    u32::try_from(size.div_ceil(PAGE_BYTES)).unwrap_or(u32::MAX)
}
