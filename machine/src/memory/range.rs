//! Work on the pages of a range: a visit goes from leaf table to leaf table, and looks at a
//! line of entries at a time, so that what has no frames costs next to nothing.

use super::table::{ENTRIES, Entry, LINE, Table, USER_END, is_empty};
use super::{Frame, PAGE};

const PAGE_U64: u64 = PAGE as u64;
/// What one leaf table maps.
const LEAF: u64 = ENTRIES * PAGE_U64;

/// The most pages whose frames are worked on under one lock.
pub(super) const MOST: usize = 64;
/// The most lines and holes that are passed over.
const LOOKS: usize = 256;

/// Entries that were taken out, or are to be put in, with their pages.
#[derive(Debug)]
pub(super) struct Batch {
    entries: [(u64, Entry); MOST],
    count: usize,
}

impl Batch {
    pub fn new() -> Self {
        Self { entries: [(0, Entry::NONE); MOST], count: 0 }
    }

    /// Takes one in more: a visit of [`MOST`] pages has room for all.
    pub fn push(&mut self, page: u64, entry: Entry) {
        if let Some(place) = self.entries.get_mut(self.count) {
            *place = (page, entry);
            self.count += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All, and none is left.
    pub fn drain(&mut self) -> impl Iterator<Item = (u64, Entry)> + '_ {
        let count = core::mem::take(&mut self.count);
        self.entries.iter().take(count).copied()
    }

    /// Their frames.
    pub fn frames(&mut self) -> impl Iterator<Item = Frame> + '_ {
        self.drain().filter_map(|(_, entry)| entry.into_frame())
    }
}

impl Table {
    /// Hands the pages that have frames to `each`, which says what becomes of their entry;
    /// after [`MOST`] pages, or [`LOOKS`] lines without any, it stops. Where to go on, if not
    /// at the end.
    pub(super) fn visit(
        &mut self,
        at: u64,
        end: u64,
        mut each: impl FnMut(u64, Entry) -> Entry,
    ) -> Option<u64> {
        let (mut at, end) = (at, end.min(USER_END));
        let (mut left, mut looks) = (MOST, LOOKS);
        while at < end {
            let leaf = match self.leaf(at) {
                Ok(leaf) => leaf,
                Err(_) if looks == 0 => return Some(at),
                Err(next) => {
                    looks -= 1;
                    at = next;
                    continue;
                }
            };
            let stop = end.min((at / LEAF + 1) * LEAF);
            while at < stop {
                if left == 0 || looks == 0 {
                    return Some(at);
                }
                let index = at / PAGE_U64 % ENTRIES;
                if index.is_multiple_of(LINE) && is_empty(leaf, index) {
                    looks -= 1;
                    at += LINE * PAGE_U64;
                    continue;
                }
                let entry = Self::read(leaf, at);
                if !entry.is_none() {
                    left -= 1;
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
