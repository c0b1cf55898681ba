//! Pages on their way to the disk, on the bill of who has made them dirty.

use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_grid::{At, Labels, Outcome};
use vortex_units::{ActivityId, Bytes};

use super::piece::clear_behind;
use super::waiting::Waits;
use super::{Cx, FileCache, Heard, Next, PIECES};
use crate::cache::{CachedFile, Dirtied, PageFrame, State};
use crate::fcr::Piece;
use crate::requests::{CacheRequest, Mail, Stage, Task};

/// Dirty pages looked at in one run.
const LOOKS: u32 = 16;
/// Files of an activity looked at in one run, and written: beside that there is more to do in it.
const FILES: usize = 16;
const OWN: usize = 6;

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Makes pieces of the dirty pages that are meant, from where the walk is. Whether there
    /// may be more.
    pub(super) fn collect(
        &mut self,
        task: &mut Task<F>,
        is_meant: impl Fn(&Dirtied) -> bool,
        cx: &mut Cx<'_, M>,
    ) -> bool {
        let file = task.file.clone();
        let mut pieces = core::mem::take(&mut task.job().pieces);
        let (mut at, mut looks, mut more) = (task.job().at, LOOKS, true);
        let (mut begun, mut given_up): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        let old = self.age();
        file.with(|inner| {
            while looks > 0 && pieces.len() < PIECES {
                looks = looks.saturating_sub(1);
                let Some(&number) = inner.dirty.range(at..).next() else {
                    more = false;
                    return;
                };
                at = number.saturating_add(1);
                let Some(page) = inner.pages.get_mut(number) else { continue };
                let Some(dirtied) = page.dirtied else { continue };
                if page.state == State::Blank {
                    // Who was to write it has not: it is as if it had never been prepared.
                    if page.users == 0 && cx.now().saturating_sub(dirtied.since) > old {
                        inner.pages.remove(number);
                        inner.dirty.remove(&number);
                        given_up.push(dirtied.by);
                    }
                    continue;
                }
                if page.state != State::Dirty || !is_meant(&dirtied) {
                    continue;
                }
                page.state = State::Writing;
                if page.scribbled && !page.mapped && page.users == 0 {
                    page.scribbled = false;
                    clear_behind(page.frame.as_ref(), number, file.size());
                }
                inner.dirty.remove(&number);
                begun.push((number, dirtied.by));
                let each = file.blocks_a_page();
                let first = number.saturating_mul(each);
                let mut last = None;
                for (block, place) in (first..).zip(page.places) {
                    if place == 0 {
                        continue;
                    }
                    let size = file.block_size();
                    if !pieces.last_mut().is_some_and(|piece| piece.grow(block, place, size)) {
                        pieces.push(Piece::new(true, block, place, dirtied.by));
                    }
                    if last != Some(pieces.len()) {
                        last = Some(pieces.len());
                        page.parts = page.parts.saturating_add(1);
                    }
                }
            }
        });
        let number = file.number();
        for who in given_up {
            self.uncount(number, who, cx);
        }
        task.job().begun |= !begun.is_empty();
        for (_, who) in &begun {
            if let Some(dirtier) = self.dirtier(number, *who) {
                dirtier.writing = dirtier.writing.saturating_add(1);
            }
        }
        for (page, _) in begun {
            if file.with(|inner| inner.pages.get(page).is_some_and(|page| page.parts == 0)) {
                self.part_ends(&file, page, Bytes::ZERO, None, cx);
                self.wake_pages(number, page, page.saturating_add(1), cx);
            }
        }
        let job = task.job();
        (job.pieces, job.at) = (pieces, at);
        more
    }

    fn dirtier(&mut self, number: u32, who: ActivityId) -> Option<&mut super::work::Dirtier> {
        self.works.get_mut(&number)?.dirtiers.get_mut(&who)
    }

    /// All of a page has gone to the disk, or could not. What it says of that as Linux does it:
    /// the page is clean, and whoever syncs or closes the file is told, once each open file.
    /// Only where the disk was never asked, for want of memory, it stays dirty.
    pub(super) fn written(&mut self, file: &Arc<CachedFile<F>>, number: u32, cx: &mut Cx<'_, M>) {
        let now = cx.now();
        let (old, new) = file.with(|inner| {
            let round = inner.round;
            let Some(page) = inner.pages.get_mut(number) else { return (None, None) };
            let error = page.error.take();
            let Some(old) = page.dirtied.take() else { return (None, None) };
            let again = page.again.take();
            let never_asked = error.is_some_and(|error| !Self::is_the_disks(error));
            let held = Dirtied { by: old.by, round, since: now };
            let new = match again {
                _ if never_asked => Some(old),
                Some(again) => Some(again),
                None => (page.users > 0 || page.mapped).then_some(held),
            };
            page.state = if new.is_some() { State::Dirty } else { State::Clean };
            page.dirtied = new;
            if let Some(new) = new {
                inner.dirty.insert(number);
                inner.owe(new.round);
            }
            inner.owe_not(old.round);
            if let Some(error) = error.filter(|_| !never_asked) {
                inner.note_error(error);
            }
            (Some(old), new)
        });
        if let Some(new) = new {
            self.count(file.number(), new.by, new.since);
        }
        let Some(old) = old else { return };
        if let Some(dirtier) = self.dirtier(file.number(), old.by) {
            dirtier.writing = dirtier.writing.saturating_sub(1);
            dirtier.since = new.filter(|new| new.by == old.by).map_or(now, |new| new.since);
        }
        self.uncount(file.number(), old.by, cx);
    }

    /// Writes an activity's pages of a file, and tells EXT2R then.
    pub(super) fn write_back(
        &mut self,
        task: &mut Task<F>,
        of: ActivityId,
        heard: Heard,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let number = task.file.number();
        loop {
            match task.stage {
                Stage::Begin => {
                    if !self.enter(task) {
                        return self.wait(task, Waits::Gate, cx);
                    }
                    task.stage = Stage::Sending;
                }
                Stage::Sending => {
                    let meant = |dirtied: &Dirtied| dirtied.by == of;
                    if let Some(waits) = self.take_back(task, meant, cx) {
                        return waits;
                    }
                    let more = self.collect(task, meant, cx);
                    self.send(task, cx);
                    if more || !task.job().pieces.is_empty() {
                        return Outcome::Continue(At::beginning());
                    }
                    task.stage = Stage::Waiting;
                    self.leave(task, cx);
                }
                Stage::Waiting => {
                    if self.dirtier(number, of).is_some_and(|dirtier| dirtier.writing > 0) {
                        return self.wait(task, Waits::ANY, cx);
                    }
                    task.stage = Stage::Closing;
                }
                Stage::Closing => match self.tell(task, true, cx) {
                    Some(next) => return next,
                    None => task.stage = Stage::Last,
                },
                _ => {
                    self.told(task, heard, cx);
                    return self.done(task, cx);
                }
            }
        }
    }

    /// The request that was on its way for somebody's pages is at its end. What has become
    /// dirty behind its back is still so: who waits for that asks anew.
    pub(super) fn end_write_back(&mut self, number: u32, of: ActivityId, cx: &mut Cx<'_, M>) {
        self.wake(number, Waits::ANY, cx);
        self.wake_starved(of, cx);
        self.wake_dirty(of, cx);
        let Some(dirtier) = self.dirtier(number, of) else { return };
        dirtier.busy = false;
        if dirtier.pages > 0 {
            return;
        }
        if let Some(work) = self.works.get_mut(&number) {
            work.dirtiers.remove(&of);
        }
        if let Some(account) = self.accounts.get_mut(&of) {
            account.files.remove(&number);
        }
        self.account_ends(of);
    }

    /// Whether an activity has dirty pages of a file that were written to, as far as one look
    /// tells.
    fn has_written(&self, number: u32, of: ActivityId) -> bool {
        let Some(file) = self.wiring.files.numbered(number) else { return false };
        file.with(|inner| {
            let mut dirty = inner.dirty.iter();
            let its = |page: &u32| {
                let page = inner.pages.get(*page);
                page.is_some_and(|page| {
                    page.state == State::Dirty && page.dirtied.is_some_and(|it| it.by == of)
                })
            };
            dirty.by_ref().take(LOOKS as usize).any(its) || dirty.next().is_some()
        })
    }

    /// An activity that runs now has its own dirty pages written. Whether any are on their way.
    pub(super) fn write_own(&mut self, cx: &mut Cx<'_, M>) -> bool {
        let who = cx.activity();
        let Some(port) = self.wiring.ports.get().map(|ports| ports.cache) else { return false };
        let Some(account) = self.accounts.get(&who) else { return false };
        let numbers: Vec<u32> = account.files.iter().take(FILES).copied().collect();
        let (mut sends, mut busy) = (OWN, false);
        for number in numbers {
            let Some(file) = self.wiring.files.numbered(number) else { continue };
            let written = self.has_written(number, who);
            let Some(dirtier) = self.dirtier(number, who) else { continue };
            busy |= dirtier.busy;
            if dirtier.busy || !written || sends == 0 {
                continue;
            }
            let request = CacheRequest::write_back(file, who);
            if cx.send(port, Labels::NONE, request).is_err() {
                return busy;
            }
            sends = sends.saturating_sub(1);
            (dirtier.busy, dirtier.asked, busy) = (true, cx.now(), true);
        }
        busy
    }
}
