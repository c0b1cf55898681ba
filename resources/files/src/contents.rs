//! The contents of a regular file: pages where something was written, holes elsewhere.
//!
//! Invariants: what is beyond the size reads as zero when the file grows again, so a page
//! holds no other bytes there; every page is charged to the owner noted beside it. Where
//! there is an overlay, its pages are the file's, and ours below them stand for nothing.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::accounts::{Accounts, Kept};
use crate::caller::Caller;
use crate::mounted::Ask;
use crate::moving::{Sink, Source, WINDOW};
use crate::overlay::{Over, Overlay, Shown, Versions};
use crate::page::{PAGE, Page, ZEROS};
use crate::{Errno, Owner};

/// The size of a page as offsets count.
pub(crate) const STEP: u64 = PAGE as u64;

/// The greatest size of a file.
pub(crate) const MAX_SIZE: u64 = i64::MAX as u64;

struct Held {
    page: Page,
    owner: Owner,
}

/// A page of the overlay has left, and a call needs it: no call answers with this.
pub(crate) const LEFT: Errno = Errno::EXDEV;

/// Pages that are looked at in one go for a hole.
const LOOKS: usize = 512;

/// Where a page is, or a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Here.
    At(u64),
    /// Not before this offset.
    Behind(u64),
}

/// The most that one write moves: a page that is made costs more than one that is read.
const WRITTEN: usize = 4 * PAGE;
/// Bytes that are copied out of an overlay at once.
const PIECE: usize = 512;
/// And into one.
const WRITTEN_OVER: usize = 256;

#[derive(Default)]
pub(crate) struct Contents {
    pages: BTreeMap<u64, Held>,
    size: u64,
    /// How often it was changed.
    changes: u64,
    pub overlay: Option<Arc<dyn Overlay>>,
    /// What programs have mapped for themselves of it, or run.
    pub versions: Option<Arc<dyn Versions>>,
}

/// What is cut off a file.
#[derive(Default)]
pub(crate) struct Cut {
    /// Its pages, to be freed in slices.
    pub pages: Contents,
    /// What programs may still show of that.
    pub shown: Option<Shown>,
}

/// Where an offset falls: its page, the place within, how far to the page's end.
fn split(offset: u64) -> (u64, usize, usize) {
    let within = (offset % STEP) as usize;
    (offset / STEP, within, PAGE.saturating_sub(within))
}

/// Writes bytes into a page that the overlay has.
fn write_over(
    overlay: &dyn Overlay,
    index: u64,
    (mut within, mut span): (usize, usize),
    source: &mut dyn Source,
) -> Result<(), Errno> {
    let mut copy = [0; WRITTEN_OVER];
    while span > 0 {
        let part = copy.get_mut(..span.min(WRITTEN_OVER)).ok_or(Errno::EFAULT)?;
        source.take(part)?;
        if !overlay.write(index, within, part) {
            return Err(LEFT);
        }
        (within, span) = (within.saturating_add(part.len()), span.saturating_sub(part.len()));
    }
    Ok(())
}

/// The first page that starts at or after an offset.
fn page_after(offset: u64) -> u64 {
    offset.div_ceil(STEP)
}

impl Contents {
    /// Where no program maps it any more, none counts as one that may write to it so.
    pub fn settle_mappings(&self) {
        // The tree has one.
        if let Some(overlay) = self.overlay.as_ref().filter(|one| Arc::strong_count(one) == 1) {
            overlay.unmapped();
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// How often it was changed; `None` where programs change it unseen.
    pub fn changes(&self) -> Option<u64> {
        self.overlay.is_none().then_some(self.changes)
    }

    fn change(&mut self) {
        self.changes = self.changes.wrapping_add(1);
    }

    /// A page as it is now, the overlay's first.
    pub fn current(&self, index: u64) -> Result<Option<Page>, Errno> {
        if let Some(overlay) = &self.overlay {
            let mut page = Page::zeroed()?;
            match overlay.read(index, 0, page.bytes_mut()?) {
                Over::Here => return Ok(Some(page)),
                Over::Nothing => {}
                Over::Left => return Err(LEFT),
            }
        }
        Ok(self.page(index).cloned())
    }

    /// The first page that there is from this one on, as it is now; with its number.
    ///
    /// # Errors
    /// With the number of the page.
    pub fn next(&self, from: u64) -> Result<Option<(u64, Page)>, (u64, Errno)> {
        let Some(index) = self.first_from(from) else { return Ok(None) };
        let page = self.current(index).map_err(|error| (index, error))?;
        Ok(page.map(|page| (index, page)))
    }

    /// What a call fails with: where the page at this place has left, it is asked for.
    pub fn left(&self, caller: &Caller<'_>, at: u64, error: Errno) -> Errno {
        match &self.overlay {
            Some(overlay) if error == LEFT => {
                caller.ask(Ask::Bring { overlay: overlay.number(), page: at / STEP })
            }
            _ => error,
        }
    }

    fn page(&self, index: u64) -> Option<&Page> {
        self.pages.get(&index).map(|held| &held.page)
    }

    /// Copies out from `offset`; a fault after the first page cuts the result short.
    pub fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize, Errno> {
        let rest = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = rest.min(sink.room()).min(WINDOW);
        let mut done = 0_usize;
        while done < wanted {
            let (index, within, span) = split(offset.saturating_add(done as u64));
            let mut span = span.min(wanted.saturating_sub(done));
            let mut copy = [0; PIECE];
            let over = self.overlay.as_ref().map_or(Over::Nothing, |overlay| {
                let piece = copy.get_mut(..span.min(PIECE)).unwrap_or_default();
                overlay.read(index, within, piece)
            });
            if over == Over::Left {
                if done == 0 {
                    return Err(LEFT);
                }
                break;
            }
            let part = if over == Over::Here {
                span = span.min(PIECE);
                copy.get(..span)
            } else {
                let bytes = self.page(index).map_or(&ZEROS, Page::bytes);
                bytes.get(within..within.saturating_add(span))
            };
            match sink.put(part.unwrap_or_default()) {
                Ok(()) => done = done.saturating_add(span),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Copies in at `offset`; whatever stops it after the first page cuts the result short.
    pub fn write(
        &mut self,
        offset: u64,
        source: &mut dyn Source,
        owner: Owner,
        accounts: &mut Accounts,
    ) -> Result<usize, Errno> {
        let wanted = source.left().min(WRITTEN);
        if wanted == 0 {
            return Ok(0);
        }
        if offset >= MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let rest = usize::try_from(MAX_SIZE.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = wanted.min(rest);
        let mut done = 0_usize;
        while done < wanted {
            let at = offset.saturating_add(done as u64);
            let (index, within, span) = split(at);
            let span = span.min(wanted.saturating_sub(done));
            match self.write_in_page(index, within, span, source, owner, accounts) {
                Ok(()) => {
                    done = done.saturating_add(span);
                    let end = at.saturating_add(span as u64);
                    // Before it is so long: who has mapped it for itself does not see what is there.
                    if let Some(versions) = &self.versions {
                        versions.wrote(at, end);
                    }
                    self.grow(end);
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write_in_page(
        &mut self,
        index: u64,
        within: usize,
        span: usize,
        source: &mut dyn Source,
        owner: Owner,
        accounts: &mut Accounts,
    ) -> Result<(), Errno> {
        if let Some(overlay) = &self.overlay {
            match overlay.read(index, within, &mut []) {
                // A page below it would stand for nothing.
                Over::Here => return write_over(&**overlay, index, (within, span), source),
                Over::Left => return Err(LEFT),
                Over::Nothing => {}
            }
        }
        let made = !self.pages.contains_key(&index);
        let bytes = self.make(index, owner, accounts)?.bytes_mut()?;
        let part = bytes.get_mut(within..within.saturating_add(span)).ok_or(Errno::EFAULT)?;
        let copied = source.take(part);
        if copied.is_ok()
            && let Some(overlay) = &self.overlay
        {
            let bytes = self.page(index).map_or(&ZEROS, Page::bytes);
            let part = bytes.get(within..within.saturating_add(span)).unwrap_or_default();
            if !overlay.write(index, within, part) {
                // What is written below it stands for nothing.
                return Err(LEFT);
            }
        }
        if copied.is_err() {
            if made {
                self.drop_page(index, accounts);
            } else {
                self.clear_beyond_size(index);
            }
        }
        copied
    }

    fn grow(&mut self, size: u64) {
        self.change();
        if size > self.size {
            self.size = size;
            if let Some(overlay) = &self.overlay {
                overlay.resize(size);
            }
            if let Some(versions) = &self.versions {
                versions.resize(size);
            }
        }
    }

    /// The page, made if it is not there.
    fn make(
        &mut self,
        index: u64,
        owner: Owner,
        accounts: &mut Accounts,
    ) -> Result<&mut Page, Errno> {
        self.change();
        match self.pages.entry(index) {
            alloc::collections::btree_map::Entry::Occupied(entry) => Ok(&mut entry.into_mut().page),
            alloc::collections::btree_map::Entry::Vacant(entry) => {
                accounts.count(owner, STEP)?;
                match Page::charged(accounts.bill_of(owner, Kept::Tree)) {
                    Ok(page) => Ok(&mut entry.insert(Held { page, owner }).page),
                    Err(error) => {
                        accounts.discount(owner, STEP);
                        Err(error)
                    }
                }
            }
        }
    }

    fn drop_page(&mut self, index: u64, accounts: &mut Accounts) {
        self.change();
        if let Some(held) = self.pages.remove(&index) {
            accounts.discount(held.owner, STEP);
        }
    }

    fn clear_beyond_size(&mut self, index: u64) {
        let (last, within, _) = split(self.size);
        let from = if index == last { within } else { 0 };
        if index >= last {
            self.clear_in_page(index, from, PAGE);
        }
    }

    /// False, with nothing done, where the page has left and this is not its end.
    fn clear_in_page(&mut self, index: u64, from: usize, to: usize) -> bool {
        self.change();
        let overlay = self.overlay.as_ref();
        if !overlay.is_none_or(|overlay| overlay.clear(index, from, to)) {
            return false;
        }
        if let Some(held) = self.pages.get_mut(&index)
            && let Ok(bytes) = held.page.bytes_mut()
            && let Some(part) = bytes.get_mut(from..to)
        {
            part.fill(0);
        }
        true
    }

    /// Sets the size; what is cut off is returned. Pages allocated beyond the old size stay
    /// when it grows: they hold zeros.
    pub fn resize(&mut self, size: u64) -> Cut {
        let mut cut = Cut::default();
        // At an equal size too: what was allocated beyond it goes, as in tmpfs.
        if size <= self.size {
            cut.pages.pages = self.pages.split_off(&page_after(size));
            let (last, within, _) = split(size);
            if within > 0 {
                self.clear_in_page(last, within, PAGE);
            }
        }
        self.change();
        self.size = size;
        let overlay = self.overlay.as_ref();
        let versions = self.versions.as_ref();
        let shown = Shown {
            overlay: overlay.and_then(|overlay| Some((overlay.number(), overlay.resize(size)?))),
            versions: versions.and_then(|all| Some((all.number(), all.resize(size)?))),
        };
        cut.shown = (shown != Shown::default()).then_some(shown);
        cut
    }

    /// Frees up to `budget` pages of contents that are no longer a file's; whether some
    /// are left.
    pub fn reap(&mut self, budget: &mut usize, accounts: &mut Accounts) -> bool {
        while *budget > 0 {
            let Some((_, held)) = self.pages.pop_last() else { return false };
            accounts.discount(held.owner, STEP);
            *budget = budget.saturating_sub(1);
        }
        !self.pages.is_empty()
    }

    /// Makes pages for a range, at most `most` of them; up to which offset it came.
    pub fn allocate(
        &mut self,
        from: u64,
        to: u64,
        most: usize,
        owner: Owner,
        accounts: &mut Accounts,
    ) -> Result<u64, Errno> {
        let mut at = from;
        for _ in 0..most {
            if at >= to {
                break;
            }
            let (index, _, span) = split(at);
            self.make(index, owner, accounts)?;
            at = at.saturating_add(span as u64).min(to);
        }
        Ok(at)
    }

    /// Makes a hole: frees at most `most` whole pages, clears the parts of pages; up to
    /// which offset it came.
    ///
    /// # Errors
    /// The page there has left: its place.
    pub fn punch(
        &mut self,
        from: u64,
        to: u64,
        most: usize,
        accounts: &mut Accounts,
    ) -> Result<u64, u64> {
        let (first, start, _) = split(from);
        let (last, end, _) = split(to);
        if first == last {
            return if self.clear_in_page(first, start, end) { Ok(to) } else { Err(from) };
        }
        if start > 0 {
            self.clear_in_page(first, start, PAGE);
        }
        let mut at = page_after(from);
        for _ in 0..most {
            let Some(index) = self.first_from(at).filter(|&index| index < last) else {
                return if end == 0 || self.clear_in_page(last, 0, end) { Ok(to) } else { Err(to) };
            };
            self.drop_page(index, accounts);
            if let Some(overlay) = &self.overlay {
                overlay.clear(index, 0, PAGE);
            }
            at = index.saturating_add(1);
        }
        let next = self.first_from(at);
        Ok(next.map_or(to, |index| index.saturating_mul(STEP).clamp(from, to)))
    }

    /// The first page that there is from this one on, here or in the overlay.
    fn first_from(&self, from: u64) -> Option<u64> {
        let own = self.pages.range(from..).next().map(|(&index, _)| index);
        let over = self.overlay.as_ref().and_then(|overlay| overlay.next(from));
        own.into_iter().chain(over).min()
    }

    /// The next offset with a page, or without one, at or after `from`; the end counts as
    /// a hole. Where very many pages have no hole between them: up to where that is known.
    pub fn seek(&self, from: u64, data: bool) -> Result<Sought, Errno> {
        if from >= self.size {
            return Err(Errno::ENXIO);
        }
        let first = from / STEP;
        if data {
            let (index, _) = self.pages.range(first..).next().ok_or(Errno::ENXIO)?;
            let found = index.saturating_mul(STEP).max(from);
            return if found < self.size { Ok(Sought::At(found)) } else { Err(Errno::ENXIO) };
        }
        let mut expected = first;
        for (looks, (index, _)) in self.pages.range(first..).enumerate() {
            if *index != expected {
                break;
            }
            if looks == LOOKS {
                return Ok(Sought::Behind(expected.saturating_mul(STEP).min(self.size)));
            }
            expected = expected.saturating_add(1);
        }
        Ok(Sought::At(expected.saturating_mul(STEP).clamp(from, self.size)))
    }
}
