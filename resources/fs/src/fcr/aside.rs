//! Memory for pages: where an activity gets none, a clean page of its own goes first (§3.2).

use vortex_abi::Errno;
use vortex_grid::{At, Outcome};
use vortex_units::ActivityId;

use super::claim::Left;
use super::{Cx, FileCache, Next};
use crate::cache::{PageFrame, PageName};
use crate::requests::{Mail, Stage, Task};

/// Pages looked at for one to go.
pub(super) const LOOKS: u32 = 64;
/// Names in a line that is not looked through.
const SHORT: usize = 64;

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// A frame for a page of a file; `None` where there is none, and nothing clean to go for it.
    pub(super) fn frame_for(
        &mut self,
        who: ActivityId,
        name: PageName,
        left: &mut Left,
    ) -> Option<F> {
        let mut looks = LOOKS;
        let frame = loop {
            let frame = self.wiring.frames.allocate(who, name);
            if frame.is_some() || !self.make_room(who, &mut looks) {
                break frame;
            }
        };
        left.looked(LOOKS.saturating_sub(looks));
        let frame = frame?;
        self.line_up(who, name).then_some(frame)
    }

    /// A frame that was brought along becomes a page's. False where there is no room for it in
    /// the line.
    pub(super) fn bring(&mut self, who: ActivityId, name: PageName, frame: &F) -> bool {
        self.wiring.frames.name(frame, name);
        self.line_up(who, name)
    }

    /// An activity's page is the last in its line.
    fn line_up(&mut self, who: ActivityId, name: PageName) -> bool {
        let account = self.accounts.entry(who).or_default();
        if account.clock.try_reserve(1).is_err() {
            return false;
        }
        account.clock.push_back(name);
        self.prune(who);
        true
    }

    /// Names of pages that are gone leave the line: two are looked at for each that comes, so
    /// that it is not longer than twice what there is.
    fn prune(&mut self, who: ActivityId) {
        for _ in 0..2 {
            let Some(account) = self.accounts.get_mut(&who) else { return };
            if account.clock.len() < SHORT {
                return;
            }
            let Some(name) = account.clock.pop_front() else { return };
            let file = self.wiring.files.numbered(name.file);
            let is_its = |page: &crate::cache::Page<F>| page.owner == who;
            let stays = file.is_some_and(|file| {
                file.with(|inner| inner.pages.get(name.page).is_some_and(is_its))
            });
            if stays && let Some(account) = self.accounts.get_mut(&who) {
                // Its own place: nothing is allocated.
                account.clock.push_back(name);
            }
        }
    }

    /// One of an activity's clean pages goes, if one is found: one that was not used since it
    /// was looked at last, as long as there is such a one among the first.
    fn make_room(&mut self, who: ActivityId, looks: &mut u32) -> bool {
        while *looks > 0 {
            *looks = looks.saturating_sub(1);
            let Some(account) = self.accounts.get_mut(&who) else { return false };
            let Some(name) = account.clock.pop_front() else { return false };
            let Some(file) = self.wiring.files.numbered(name.file) else { continue };
            let (kept, went) = file.with(|inner| {
                let Some(page) = inner.pages.get_mut(name.page) else { return (false, false) };
                if page.owner != who {
                    return (false, false);
                }
                let spared = core::mem::take(&mut page.used) && *looks > LOOKS / 2;
                let stays = spared || !page.is_idle();
                if stays {
                    return (true, false);
                }
                inner.pages.remove(name.page);
                (false, true)
            });
            if kept && let Some(account) = self.accounts.get_mut(&who) {
                // Its own place: nothing is allocated.
                account.clock.push_back(name);
            }
            if went {
                return true;
            }
        }
        false
    }

    /// A task got no memory at all: it waits until something of its activity's is written, or
    /// fails.
    pub(super) fn starve(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let who = cx.activity();
        task.tries = task.tries.saturating_add(1);
        let coming = self.accounts.get(&who).map_or(0, |account| account.coming);
        let has_more = self.accounts.get(&who).is_some_and(|account| !account.clock.is_empty());
        let waits = self.dirty(who) > 0 || coming > 0;
        if task.tries > super::TRIES || !(waits || has_more) {
            return self.failed(task, Errno::ENOMEM, cx);
        }
        // Nobody waits inside for what others must come in to do.
        super::pins::unpin(task);
        self.leave(task, cx);
        task.stage = Stage::Begin;
        if !waits {
            // Not all of its pages were looked at.
            return Outcome::Continue(At::beginning());
        }
        let writes = self.write_own(cx);
        if !writes && coming == 0 {
            // Nothing is on its way that could be waited for.
            return self.failed(task, Errno::ENOMEM, cx);
        }
        let account = self.accounts.entry(who).or_default();
        let room = account.starved.try_reserve(1).is_ok();
        let Some(kept) = room.then(|| cx.keep()).flatten() else {
            return self.failed(task, Errno::ENOMEM, cx);
        };
        account.starved.push_back(kept);
        Outcome::Kept
    }

    /// Whether a page that was claimed and cannot be had any more may be asked for anew by
    /// whoever waits: all but what the disk has said.
    pub(super) fn is_the_disks(error: Errno) -> bool {
        error != Errno::ENOMEM && error != Errno::ENOSPC
    }
}
