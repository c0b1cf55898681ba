//! What file calls write into the pages of a file that are prepared for that, and how the file
//! grows by it.

use vortex_units::{ActivityId, Cycles};

use super::file::{CachedFile, page_of};
use super::frame::{PAGE, PAGE_BYTES, PageFrame};
use super::page::{Dirtied, State};
use core::sync::atomic::Ordering;

impl<F: PageFrame> CachedFile<F> {
    /// Lets `source` write into the pages from a place on, a part of a page at a time, as far as
    /// they are prepared, and until it says that it gave less; how many bytes. The file grows where they are behind its end. What is
    /// written is to be paid for by `who`, unless it goes to the disk with what somebody wrote
    /// to the page before.
    pub fn write(
        &self,
        who: ActivityId,
        now: Cycles,
        at: u64,
        most: usize,
        source: &mut dyn FnMut(&F, usize, usize) -> usize,
    ) -> usize {
        let end = at.saturating_add(most as u64);
        let (start, mut at) = (at, at);
        while at < end {
            let within = (at % PAGE_BYTES) as usize;
            let part = PAGE_BYTES.saturating_sub(within as u64).min(end.saturating_sub(at));
            let Some(taken) = self.take(page_of(at), within, part as usize) else {
                break;
            };
            let gave = source(&taken.frame, within, taken.bytes).min(taken.bytes);
            let wrote =
                Wrote { by: who, since: now, bytes: gave, end: at.saturating_add(gave as u64) };
            at = wrote.end;
            let less = gave < taken.bytes;
            self.put_back(taken, wrote);
            if less {
                break;
            }
        }
        at.saturating_sub(start) as usize
    }

    /// Holds a page for writing: so many bytes of it as have places on the disk. Not where the
    /// file grows over blocks that have none, and that a program can write to by a mapping then.
    fn take(&self, number: u32, within: usize, bytes: usize) -> Option<Taken<F>> {
        let (first, end) = self.blocks_of(within, bytes);
        let inner = &mut *self.inner.lock();
        let page = inner.pages.get(number)?;
        let places = page.places.get(first..end)?;
        let backed = places.iter().take_while(|place| **place != 0).count();
        let bytes = if backed < places.len() {
            let end = first.saturating_add(backed).saturating_mul(self.block as usize);
            end.saturating_sub(within)
        } else {
            bytes
        };
        if backed == 0 || !page.takes((first, first.saturating_add(backed)), bytes == PAGE) {
            return None;
        }
        let start = u64::from(number).saturating_mul(PAGE_BYTES);
        let to = start.saturating_add(within as u64).saturating_add(bytes as u64);
        let grows = to > self.size();
        if grows && inner.gap(self.size(), to, self.block).is_some() {
            return None;
        }
        let page = inner.pages.get_mut(number)?;
        let (frame, serial) = (page.frame.clone()?, page.serial);
        page.users = page.users.checked_add(1)?;
        page.used = true;
        if grows {
            inner.grows_to = if inner.growing == 0 { to } else { inner.grows_to.max(to) };
            inner.growing = inner.growing.saturating_add(1);
        }
        Some(Taken { number, serial, frame, bytes, grows })
    }

    /// Lets a page go that was written to; the file grows over what was.
    fn put_back(&self, taken: Taken<F>, wrote: Wrote) {
        let Taken { number, serial, grows, .. } = taken;
        let Wrote { by, since, bytes, end } = wrote;
        let mut inner = self.inner.lock();
        inner.growing = inner.growing.saturating_sub(u16::from(grows));
        let round = inner.round;
        let page = inner.pages.get_mut(number).filter(|page| page.serial == serial);
        // Without it the file was cut meanwhile.
        let Some(page) = page else { return };
        page.users = page.users.saturating_sub(1);
        if bytes > 0 && end > self.size() {
            self.size.store(end, Ordering::Release);
        }
        match page.state {
            State::Writing if page.again.is_none() => {
                page.again = Some(Dirtied { by, round, since });
            }
            // Written whole: it is counted already, for who has prepared it.
            State::Blank if bytes == PAGE => {
                page.state = State::Dirty;
                if let Some(dirtied) = &mut page.dirtied {
                    dirtied.round = round;
                    inner.owe(round);
                }
            }
            _ => {}
        }
    }
}

/// A page that is being written to.
struct Taken<F> {
    number: u32,
    serial: u32,
    frame: F,
    /// How many bytes of it may be.
    bytes: usize,
    /// The file grows over them.
    grows: bool,
}

/// What was written to a page.
struct Wrote {
    by: ActivityId,
    since: Cycles,
    bytes: usize,
    /// Where it ends in the file.
    end: u64,
}
