//! Work on the pages of a range: a visit goes from leaf table to leaf table, and looks at a
//! line of entries at a time, so that what has no frames costs next to nothing.

use crate::frame::{Frame, PAGE};
use crate::physical::Physical;
use crate::table::{ENTRIES, Entry, LINE, Table, USER_END, is_empty};

const PAGE_U64: u64 = PAGE as u64;
/// What one leaf table maps.
const LEAF: u64 = ENTRIES * PAGE_U64;

/// The most pages whose frames are worked on in one run.
pub(crate) const MOST: usize = 64;
/// The most lines and holes that are passed over in one.
const LOOKS: usize = 256;
/// What it weighs, beside the pages, to come to one more leaf table: a copy needs one too.
const TABLE: usize = 15;
/// And what, beside the looks, to come to one more range.
const RANGE: usize = 8;

/// How much may still be done in one run of a handler (law 5).
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pages: usize,
    looks: usize,
}

impl Default for Work {
    fn default() -> Self {
        Self { pages: MOST, looks: LOOKS }
    }
}

impl Work {
    /// For no more than so many pages, of which there is one at least.
    pub(crate) fn of_pages(most: usize) -> Self {
        // The first page of a table weighs what the table does, too.
        Self { pages: most.saturating_add(TABLE).min(MOST), looks: LOOKS }
    }

    /// Nothing more: the rest is another run's.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.pages == 0 || self.looks == 0
    }

    /// Whether any page was worked on.
    #[must_use]
    pub fn has_worked(&self) -> bool {
        self.pages < MOST
    }

    /// Another range is begun.
    pub fn begin_range(&mut self) {
        self.looks = self.looks.saturating_sub(RANGE);
    }
}

/// Entries that were taken out, or are to be put in, with their pages.
pub(crate) struct Batch<M: Physical> {
    entries: [(u64, Entry<M>); MOST],
    count: usize,
}

impl<M: Physical> Batch<M> {
    pub fn new() -> Self {
        Self { entries: [(0, Entry::NONE); MOST], count: 0 }
    }

    /// Takes one in more: a run's work of [`MOST`] pages has room for all.
    pub fn push(&mut self, page: u64, entry: Entry<M>) {
        if let Some(place) = self.entries.get_mut(self.count) {
            *place = (page, entry);
            self.count += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All, and none is left.
    pub fn drain(&mut self) -> impl Iterator<Item = (u64, Entry<M>)> + '_ {
        let count = core::mem::take(&mut self.count);
        self.entries.iter().take(count).copied()
    }

    /// Their frames.
    pub fn frames(&mut self) -> impl Iterator<Item = Frame<M>> + '_ {
        self.drain().filter_map(|(_, entry)| entry.into_frame())
    }
}

impl<M: Physical> Table<M> {
    /// Hands the pages that have frames to `each`, which says what becomes of their entry, as
    /// far as the work goes. Where to go on, if not at the end.
    pub(crate) fn visit(
        &mut self,
        at: u64,
        end: u64,
        work: &mut Work,
        mut each: impl FnMut(u64, Entry<M>) -> Entry<M>,
    ) -> Option<u64> {
        let (mut at, end) = (at, end.min(USER_END));
        while at < end {
            if work.is_done() {
                return Some(at);
            }
            let leaf = match self.leaf(at) {
                Ok(leaf) => leaf,
                Err(next) => {
                    work.looks -= 1;
                    at = next;
                    continue;
                }
            };
            let used = self.used(at);
            let stop = end.min((at / LEAF + 1) * LEAF);
            let mut weight = TABLE + 1;
            while at < stop {
                if work.is_done() {
                    return Some(at);
                }
                let index = at / PAGE_U64 % ENTRIES;
                if index.is_multiple_of(LINE) && is_empty::<M>(leaf, index) {
                    work.looks -= 1;
                    at += LINE * PAGE_U64;
                    continue;
                }
                let entry = Self::read(leaf, at).also_used(used);
                if !entry.is_none() {
                    work.pages = work.pages.saturating_sub(weight);
                    weight = 1;
                    let after = each(at, entry);
                    if after != entry {
                        self.write(leaf, at, entry, after);
                    }
                }
                at += PAGE_U64;
            }
        }
        None
    }
}
