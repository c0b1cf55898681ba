//! Pages that programs are shown, taken back where that must be: before they go to the disk, if
//! programs can write to them, and behind the end of a file that becomes shorter.
//!
//! A page to which a program can write by a mapping stays dirty (`Page::mapped`) until nobody
//! beside the cache has it. That is seen by its memory alone: whoever shows it, and a call that
//! works on it, has a handle of that. So nothing need be said where a mapping ends.

use alloc::vec::Vec;

use vortex_grid::{At, Continuation, Outcome, Trigger};

use super::{Cx, FileCache, Next};
use crate::cache::{Dirtied, PAGE_BYTES, PageFrame, page_of};
use crate::requests::{Ask, CacheRequest, Mail, Task};
use crate::shown::Shown;

/// Dirty pages looked at in one run: as many as are collected at least.
const LOOKS: u32 = 24;
/// Pages that are asked for together.
const PAGES: usize = 16;

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// The dirty pages that are meant, from where the walk is, are not to be written to by
    /// mappings while the disk is given them. `None` if they are not; else what the task returns
    /// with until those who show them have been asked. Pages that somebody keeps all the same
    /// are written, and stay dirty.
    pub(super) fn take_back(
        &mut self,
        task: &mut Task<F>,
        is_meant: impl Fn(&Dirtied) -> bool,
        cx: &mut Cx<'_, M>,
    ) -> Option<Next<M, F>> {
        let from = task.job().at.max(task.job().taken);
        let (pages, next) = task.file.with(|inner| {
            let (mut shown, mut next) = (Vec::new(), from);
            let mut looks = LOOKS;
            for &number in inner.dirty.range(from..) {
                if looks == 0 || shown.len() == PAGES {
                    break;
                }
                looks = looks.saturating_sub(1);
                next = number.saturating_add(1);
                let Some(page) = inner.pages.get_mut(number) else { continue };
                let meant = page.mapped && page.dirtied.as_ref().is_some_and(&is_meant);
                if meant && !page.let_go() && shown.try_reserve(1).is_ok() {
                    shown.push(number);
                }
            }
            (shown, next)
        });
        task.job().taken = next;
        if pages.is_empty() {
            return None;
        }
        match self.ask_showing(task, Shown::Pages(pages), cx) {
            Asked::Answers(asked) => Some(Outcome::Pending(asked, At::routine::<Taken>())),
            // They are written, and stay dirty.
            Asked::Nobody | Asked::NoRoom => None,
        }
    }

    /// A file is set to end further on than within its last page: who can write to that by a
    /// mapping is to ask anew, for the blocks that come to it have no places. `None` if nobody
    /// can; once in a task.
    pub(super) fn take_end(
        &mut self,
        task: &mut Task<F>,
        cx: &mut Cx<'_, M>,
    ) -> Option<Next<M, F>> {
        if task.job().taken > 0 {
            return None;
        }
        let size = task.file.size();
        let number = page_of(size);
        let written = task.file.with(|inner| {
            inner.pages.get_mut(number).is_some_and(|page| page.mapped && !page.let_go())
        });
        if !written || size.is_multiple_of(PAGE_BYTES) {
            return None;
        }
        match self.ask_showing(task, Shown::Pages(alloc::vec![number]), cx) {
            Asked::Answers(asked) => {
                task.job().taken = 1;
                Some(Outcome::Pending(asked, At::routine::<Taken>()))
            }
            Asked::Nobody => None,
            Asked::NoRoom => Some(Outcome::Continue(At::beginning())),
        }
    }

    /// Asks those who show a file's pages to programs.
    pub(super) fn ask_showing(&self, task: &Task<F>, what: Shown, cx: &mut Cx<'_, M>) -> Asked {
        let Some(showing) = self.wiring.showing.get() else { return Asked::Nobody };
        showing.take(task.file.clone(), what, cx).map_or(Asked::NoRoom, Asked::Answers)
    }
}

/// Whether those who show pages are asked.
pub(super) enum Asked {
    /// This fires when they have answered.
    Answers(Trigger),
    /// There is nobody who shows any.
    Nobody,
    /// They cannot be asked now.
    NoRoom,
}

/// Those who show pages have answered.
pub(super) struct Taken;

impl<M: Mail<F>, F: PageFrame> Continuation<M, FileCache<M, F>> for Taken {
    fn resume(
        cache: &mut FileCache<M, F>,
        request: &mut CacheRequest<F>,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        match &mut request.0 {
            Ask::Task(task) => cache.step(task, None, cx),
            _ => Outcome::Done,
        }
    }
}
