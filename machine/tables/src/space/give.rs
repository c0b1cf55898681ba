//! Pages that a program does not need: given up, or only not soon again.

use vortex_memory::FrameId;

use super::Space;
use crate::frame::{Frame, PAGE};
use crate::physical::Physical;
use crate::range::{Batch, Work};
use crate::table::Entry;

impl<M: Physical> Space<M> {
    /// What is in these pages need not be kept, as far as they are nowhere else and nobody writes to
    /// them from now on: as many as the work allows, each told. A write counts that comes after
    /// [`Space::is_current`] has said that all cores know. Where to go on, if not at the end.
    pub fn give_up(
        &self,
        at: u64,
        end: u64,
        work: &mut Work,
        mut each: impl FnMut(FrameId),
    ) -> Option<u64> {
        let inner = &mut *self.inner.lock();
        let mut any = false;
        let next = inner.table.visit(at, end, work, |_, entry| {
            if !entry.is_sole() {
                return entry;
            }
            any = true;
            entry.id().into_iter().for_each(&mut each);
            entry.given_up()
        });
        if any {
            // A core that has noted a write would not note another.
            self.advance();
        }
        next
    }

    /// The use of these pages so far is forgotten, as far as they are nowhere else: as
    /// [`Space::give_up`].
    pub fn forget_use(
        &self,
        at: u64,
        end: u64,
        work: &mut Work,
        mut each: impl FnMut(FrameId),
    ) -> Option<u64> {
        let mut batch = Batch::new();
        let inner = &mut *self.inner.lock();
        let next = inner.table.visit(at, end, work, |page, entry| {
            batch.push(page, entry);
            entry
        });
        for (page, entry) in batch.drain().filter(|(_, entry)| entry.is_sole()) {
            inner.table.forget_access(page);
            entry.id().into_iter().for_each(&mut each);
        }
        next
    }

    /// Takes this frame from its page as [`Space::withdraw`], if it was given up there and nobody has
    /// written to it since: when no core can reach it any more, nothing of it is missed.
    pub fn withdraw_given_up(
        &self,
        page: u64,
        frame: FrameId,
        holds: impl FnOnce() -> bool,
    ) -> Option<Frame<M>> {
        let inner = &mut *self.inner.lock();
        let page = page & !(PAGE as u64 - 1);
        let entry = inner.table.get(page);
        if !entry.is_at(frame) || !entry.is_given_up() || !entry.is_sole() || !holds() {
            return None;
        }
        let leaf = inner.table.leaf(page).ok()?;
        // A processor may write to it in between, and says so in the entry: of what it notes there
        // nothing is lost, for the entry is taken as it is.
        let taken = inner.table.take_out(leaf, page);
        if !taken.is_given_up() {
            inner.table.write(leaf, page, Entry::NONE, taken.taken_back());
            return None;
        }
        self.advance();
        taken.into_frame()
    }
}
