//! Pages leave: of one file, of one activity (footnote 13), or one by the memory multiplexor's
//! order (§3.2).

use vortex_grid::{At, Outcome};
use vortex_units::ActivityId;

use super::waiting::Waits;
use super::{Cx, FileCache, Next};
use crate::cache::{CachedFile, Page, PageFrame, PageName, State};
use crate::requests::{CacheReply, Mail, Stage, Task, Walk};

/// Pages looked at in one run.
const LOOKS: u32 = 64;
/// How often an order waits until its page is written.
const TRIES: u8 = 3;

/// What a page that is to leave is at.
enum Leaves {
    Gone,
    /// It must be written first.
    Dirty,
    /// Somebody has it, or it is on its way.
    Used,
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Writes what is dirty of a file and on the bill of who asks, and drops of these pages what
    /// is on it and no program is shown: what others use is theirs to keep.
    pub(super) fn evict(
        &mut self,
        task: &mut Task<F>,
        (first, end): (u32, u32),
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        if task.stage != Stage::Last {
            if let Some(next) = self.write_round(task, cx) {
                return next;
            }
            task.stage = Stage::Last;
            task.job().at = first;
        }
        let (mut at, who) = (task.job().at, cx.activity());
        let is_meant = |page: &Page<F>| page.owner == who && !page.is_shown();
        let more = drop_clean(&task.file, (&mut at, end), &mut false, is_meant);
        task.job().at = at;
        if more {
            return Outcome::Continue(At::beginning());
        }
        self.done(task, cx)
    }

    /// Drops what is on an activity's bill, file by file; what is dirty when it is written.
    pub(super) fn evict_activity(
        &mut self,
        who: ActivityId,
        at: &mut Walk,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let Some(file) = self.wiring.files.next(at.file, None) else {
            // What is left in its line is of pages that are gone.
            if let Some(account) = self.accounts.get_mut(&who) {
                account.clock.clear();
            }
            self.account_ends(who);
            return Outcome::Reply(CacheReply::Done(Ok(())));
        };
        let number = file.number();
        if number != at.file {
            *at = Walk { file: number, ..Walk::default() };
        }
        if drop_clean(&file, (&mut at.page, u32::MAX), &mut at.dirty, |page| {
            page.owner == who && !page.is_shown()
        }) {
            return Outcome::Continue(At::beginning());
        }
        if core::mem::take(&mut at.dirty) && at.tries < TRIES {
            (at.page, at.tries) = (0, at.tries.saturating_add(1));
            if self.have_written(number, cx)
                && let Some(waits) = self.wait_at(number, Waits::ANY, cx)
            {
                return waits;
            }
        }
        *at = Walk { file: number.saturating_add(1), ..Walk::default() };
        if number == u32::MAX {
            return Outcome::Reply(CacheReply::Done(Ok(())));
        }
        Outcome::Continue(At::beginning())
    }

    /// One page leaves: at once if it is clean, or when it is written.
    pub(super) fn reclaim(
        &mut self,
        name: PageName,
        tries: &mut u8,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let answer = |given| Outcome::Reply(CacheReply::Reclaimed(given));
        let Some(file) = self.wiring.files.numbered(name.file) else { return answer(true) };
        let leaves = file.with(|inner| {
            let Some(page) = inner.pages.get_mut(name.page) else { return Leaves::Gone };
            page.let_go();
            if page.is_idle() {
                inner.pages.remove(name.page);
                return Leaves::Gone;
            }
            let dirty = matches!(page.state, State::Dirty | State::Writing);
            if dirty && page.users == 0 && !page.is_shown() { Leaves::Dirty } else { Leaves::Used }
        });
        match leaves {
            Leaves::Gone => {
                self.forget_bare(&file);
                answer(true)
            }
            Leaves::Dirty if *tries < TRIES => {
                *tries = tries.saturating_add(1);
                if !self.have_written(name.file, cx) {
                    return answer(false);
                }
                let page = Waits::Pages(name.page, name.page.saturating_add(1));
                self.wait_at(name.file, page, cx).unwrap_or_else(|| answer(false))
            }
            Leaves::Dirty | Leaves::Used => answer(false),
        }
    }
}

/// Drops pages that are meant and that nobody uses, from one on to before another, some in a
/// run; notes whether any of them must be written before. Whether there are more to look at.
pub(super) fn drop_clean<F: PageFrame>(
    file: &CachedFile<F>,
    (at, end): (&mut u32, u32),
    dirty: &mut bool,
    is_meant: impl Fn(&Page<F>) -> bool,
) -> bool {
    file.with(|inner| {
        inner.pages.sweep(at, end, LOOKS, |page| {
            if !is_meant(page) {
                return false;
            }
            *dirty |= matches!(page.state, State::Dirty | State::Writing);
            page.is_idle()
        })
    })
}
