//! The pages of a file, by number.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;

use vortex_units::ActivityId;

use super::page::Page;

/// Pages that lie together: 128 KiB of a file.
const CHUNK: u32 = 32;

struct Chunk<F> {
    pages: Vec<Option<Page<F>>>,
    present: u32,
}

impl<F> Chunk<F> {
    /// Makes places up to this one: of a file of a page one, of a longer one all at once soon.
    /// False where the heap has no room.
    fn reach(&mut self, at: usize) -> bool {
        let (has, wants) = (self.pages.len(), at.saturating_add(1));
        if wants <= has {
            return true;
        }
        let wants = wants.next_power_of_two().min(CHUNK as usize);
        if self.pages.try_reserve_exact(wants.saturating_sub(has)).is_err() {
            return false;
        }
        self.pages.resize_with(wants, || None);
        true
    }
}

/// The table.
pub struct Table<F> {
    chunks: BTreeMap<u32, Chunk<F>>,
    present: usize,
    /// Whose page is the first, and whether that may be another now.
    payer: Option<ActivityId>,
    changed: bool,
}

impl<F> Table<F> {
    /// What a table with a page takes of the heap: a node of the map of chunks, which has room for
    /// eleven, and the page's place.
    pub const FIRST: usize =
        size_of::<Option<Page<F>>>() + 11 * (size_of::<Chunk<F>>() + size_of::<u32>()) + 16;

    pub const fn new() -> Self {
        Self { chunks: BTreeMap::new(), present: 0, payer: None, changed: false }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.present
    }

    /// Who pays for the table: whose page is the first.
    pub fn payer(&self) -> Option<ActivityId> {
        self.payer
    }

    /// Who has paid for it since this was asked last, and who does now; pages of one chunk are
    /// looked at, where any has come or gone.
    pub fn payers(&mut self) -> (Option<ActivityId>, Option<ActivityId>) {
        let before = self.payer;
        if core::mem::take(&mut self.changed) {
            let first = self.chunks.first_key_value();
            let page = first.and_then(|(_, chunk)| chunk.pages.iter().flatten().next());
            self.payer = page.map(|page| page.payer);
        }
        (before, self.payer)
    }

    #[inline]
    pub fn get(&self, page: u32) -> Option<&Page<F>> {
        let chunk = self.chunks.get(&(page / CHUNK))?;
        chunk.pages.get((page % CHUNK) as usize)?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, page: u32) -> Option<&mut Page<F>> {
        let chunk = self.chunks.get_mut(&(page / CHUNK))?;
        chunk.pages.get_mut((page % CHUNK) as usize)?.as_mut()
    }

    /// Whether all pages of a range are there, and are as `is` says.
    pub fn are_all(&self, first: u32, end: u32, is: impl Fn(&Page<F>) -> bool) -> bool {
        (first..end).all(|number| self.get(number).is_some_and(&is))
    }

    /// Puts one there. False where the heap has no room.
    #[must_use]
    pub fn insert(&mut self, page: u32, of: Page<F>) -> bool {
        let chunk = match self.chunks.entry(page / CHUNK) {
            Entry::Occupied(chunk) => chunk.into_mut(),
            Entry::Vacant(free) => free.insert(Chunk { pages: Vec::new(), present: 0 }),
        };
        let at = (page % CHUNK) as usize;
        if !chunk.reach(at) {
            if chunk.present == 0 {
                self.chunks.remove(&(page / CHUNK));
            }
            return false;
        }
        let Some(place) = chunk.pages.get_mut(at) else { return false };
        self.changed = true;
        if place.replace(of).is_none() {
            chunk.present = chunk.present.saturating_add(1);
            self.present = self.present.saturating_add(1);
        }
        true
    }

    pub fn remove(&mut self, page: u32) -> Option<Page<F>> {
        let number = page / CHUNK;
        let chunk = self.chunks.get_mut(&number)?;
        let taken = chunk.pages.get_mut((page % CHUNK) as usize)?.take()?;
        chunk.present = chunk.present.saturating_sub(1);
        self.present = self.present.saturating_sub(1);
        self.changed = true;
        if chunk.present == 0 {
            self.chunks.remove(&number);
        }
        Some(taken)
    }

    /// Looks at pages from `at` on, which follows, to before `end`, some of them: those go of
    /// which `goes` says so. Whether there are more.
    pub fn sweep(
        &mut self,
        at: &mut u32,
        end: u32,
        looks: u32,
        mut goes: impl FnMut(&mut Page<F>) -> bool,
    ) -> bool {
        let mut left = looks;
        while left > 0 {
            let Some((number, chunk)) = self.chunks.range_mut(*at / CHUNK..).next() else {
                return false;
            };
            let (number, start) = (*number, number.saturating_mul(CHUNK));
            if start >= end {
                return false;
            }
            let skip = at.saturating_sub(start) as usize;
            let mut next = start.checked_add(CHUNK).filter(|&next| next < end);
            for (page, place) in (start..).zip(&mut chunk.pages).skip(skip) {
                if page >= end {
                    break;
                }
                if left == 0 {
                    next = Some(page);
                    break;
                }
                let Some(there) = place else { continue };
                left = left.saturating_sub(1);
                if goes(there) {
                    *place = None;
                    chunk.present = chunk.present.saturating_sub(1);
                    self.present = self.present.saturating_sub(1);
                    self.changed = true;
                }
            }
            if chunk.present == 0 {
                self.chunks.remove(&number);
            }
            let Some(next) = next else { return false };
            *at = next;
        }
        true
    }

    /// Shows the pages of a range.
    pub fn each(&self, first: u32, end: u32, mut show: impl FnMut(u32, &Page<F>)) {
        for (number, chunk) in self.chunks.range(first / CHUNK..=end / CHUNK) {
            let start = number.saturating_mul(CHUNK);
            for (number, page) in (start..).zip(&chunk.pages) {
                if let Some(page) = page
                    && (first..end).contains(&number)
                {
                    show(number, page);
                }
            }
        }
    }

    /// The first page from a number on, if there is one.
    pub fn next(&self, from: u32) -> Option<u32> {
        for (number, chunk) in self.chunks.range(from / CHUNK..) {
            let start = number.saturating_mul(CHUNK);
            let skip = from.saturating_sub(start) as usize;
            let found = chunk.pages.iter().skip(skip).position(Option::is_some);
            if let Some(at) = found.and_then(|at| u32::try_from(at.saturating_add(skip)).ok()) {
                return Some(start.saturating_add(at));
            }
        }
        None
    }
}
