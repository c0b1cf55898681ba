//! What was written is to be on the medium; and what EXT2R is told of a file.

use vortex_abi::Errno;
use vortex_grid::{At, Labels, Outcome};

use super::waiting::Waits;
use super::{Cx, FileCache, Heard, Next, TRIES};
use crate::cache::{CachedFile, Dirtied, PAGE_BYTES, PageFrame, page_of};
use crate::names::{MountId, Times};
use crate::requests::{CacheReply, CacheRequest, Kind, Mail, Operation, Stage, Task};

/// Files looked at in one run.
const FILES: u32 = 32;

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    pub(super) fn sync(
        &mut self,
        task: &mut Task<F>,
        (data_only, lasts): (bool, bool),
        heard: Heard,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        loop {
            match task.stage {
                Stage::Begin
                | Stage::Easing
                | Stage::Claiming
                | Stage::Sending
                | Stage::Waiting => {
                    if let Some(next) = self.write_round(task, cx) {
                        return next;
                    }
                    task.stage = Stage::Closing;
                }
                Stage::Closing => match self.tell(task, !data_only, cx) {
                    Some(next) => return next,
                    None => task.stage = Stage::Alone,
                },
                Stage::Alone => {
                    // Unless nothing was told, this is the answer.
                    if heard.is_some() || task.job().told.is_some() {
                        self.told(task, heard.clone(), cx);
                    }
                    self.open(task, cx);
                    if !lasts {
                        return self.done(task, cx);
                    }
                    let sync = Operation::Sync(task.file.id().ino);
                    return match self.ask_for(task, sync, Stage::Last, cx) {
                        Ok(next) => next,
                        Err(error) => self.failed(task, error, cx),
                    };
                }
                Stage::Asked | Stage::Last => {
                    if let Some(Err(error)) = heard {
                        task.file.with(|inner| inner.note_error(error));
                    }
                    return self.done(task, cx);
                }
            }
        }
    }

    /// Has everything written that is dirty now. `None` when it is; else what the task returns
    /// with until then.
    pub(super) fn write_round(
        &mut self,
        task: &mut Task<F>,
        cx: &mut Cx<'_, M>,
    ) -> Option<Next<M, F>> {
        if task.stage == Stage::Begin {
            task.job().round = task.file.with(|inner| {
                let round = inner.round;
                inner.round = round.saturating_add(1);
                round
            });
            task.stage = Stage::Waiting;
        }
        let round = task.job().round;
        if task.stage == Stage::Waiting {
            if !task.file.with(|inner| inner.owes(round)) {
                return None;
            }
            if !self.enter(task) {
                return Some(self.wait(task, Waits::Gate, cx));
            }
            task.stage = Stage::Sending;
            let job = task.job();
            (job.at, job.taken, job.begun) = (0, 0, false);
        }
        let number = task.file.number();
        let mine = self.mine(number, cx);
        let meant = |it: &Dirtied| it.round <= round && mine.contains(&it.by);
        if let Some(waits) = self.take_back(task, meant, cx) {
            return Some(waits);
        }
        let more = self.collect(task, meant, cx);
        self.send(task, cx);
        if more || !task.job().pieces.is_empty() {
            return Some(Outcome::Continue(At::beginning()));
        }
        self.leave(task, cx);
        task.stage = Stage::Waiting;
        if task.job().begun {
            // Memory that is not there does not come by asking for ever.
            task.tries = task.tries.saturating_add(1);
            if task.tries > TRIES {
                return Some(self.failed(task, Errno::ENOMEM, cx));
            }
        }
        self.kick(number, Some(cx.activity()), cx);
        if !task.file.with(|inner| inner.owes(round)) {
            return None;
        }
        Some(self.wait(task, Waits::ANY, cx))
    }

    /// Whose pages of a file are written on the bill of who runs now: its own, and those of
    /// whom could not be asked to.
    fn mine(&self, number: u32, cx: &Cx<'_, M>) -> alloc::vec::Vec<vortex_units::ActivityId> {
        let mut mine = alloc::vec![cx.activity()];
        if let Some(work) = self.works.get(&number) {
            let refused = work.dirtiers.iter().filter(|(_, it)| it.refused);
            mine.extend(refused.map(|(who, _)| *who));
        }
        mine
    }

    /// Tells EXT2R what it does not know of a file, while nobody reads or writes it (footnote
    /// 17). `None` when there is nothing to be told; else what the task returns with, and the
    /// answer comes at the next stage.
    pub(super) fn tell(
        &mut self,
        task: &mut Task<F>,
        times_too: bool,
        cx: &mut Cx<'_, M>,
    ) -> Option<Next<M, F>> {
        if task.file.with(|inner| inner.gone) || !is_news(&task.file, times_too) {
            self.open(task, cx);
            return None;
        }
        if let Some(waits) = self.have_alone(task, cx) {
            return Some(waits);
        }
        let (size, cut, gone) = drop_unwritten(&task.file);
        for who in gone {
            self.uncount(task.file.number(), who, cx);
        }
        let (times, size) = task.file.with(|inner| {
            let size = (size != inner.told || cut).then_some(size);
            if size.is_none() && !times_too {
                return (Times::default(), None);
            }
            inner.touched = None;
            (core::mem::take(&mut inner.times), size)
        });
        if size.is_none() && times == Times::default() {
            // The rest of it is on its way to the disk, and told then.
            self.open(task, cx);
            return None;
        }
        task.job().told = size;
        let ino = task.file.id().ino;
        let next = match task.kind {
            Kind::Sync { .. } => Stage::Alone,
            _ => Stage::Last,
        };
        Some(match self.ask_for(task, Operation::Describe { ino, size, cut, times }, next, cx) {
            Ok(next) => next,
            Err(error) => {
                task.file.with(|inner| inner.note_error(error));
                self.failed(task, error, cx)
            }
        })
    }

    /// EXT2R has been told, if it was to be.
    pub(super) fn told(&mut self, task: &mut Task<F>, heard: Heard, _: &mut Cx<'_, M>) {
        let size = task.job().told.take();
        task.file.with(|inner| match heard {
            Some(Ok(_)) => inner.told = size.unwrap_or(inner.told),
            Some(Err(error)) => inner.note_error(error),
            None => {}
        });
    }

    /// Has file after file written, and then what EXT2R has: that, and one flush for all of it, is
    /// what makes it last.
    pub(super) fn sync_all(
        &mut self,
        of: Option<MountId>,
        at: &mut u32,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let Some(ports) = self.wiring.ports.get() else { return self.sync_metadata(of, cx) };
        let is_news =
            |file: &CachedFile<F>| is_news(file, true) || file.with(|inner| !inner.owed.is_empty());
        let mut looks = FILES;
        let file = loop {
            let file = self.wiring.files.next(*at, of);
            let Some(file) = file else { return self.sync_metadata(of, cx) };
            *at = file.number().saturating_add(1);
            if is_news(&file) {
                break file;
            }
            looks = looks.saturating_sub(1);
            if looks == 0 {
                return Outcome::Continue(At::beginning());
            }
        };
        // Its answer says nothing that the file does not know.
        match cx.request(ports.cache, Labels::NONE, CacheRequest::settle(file)) {
            Ok(trigger) => Outcome::Pending(trigger, At::beginning()),
            Err(_) => Outcome::Reply(CacheReply::Done(Err(Errno::ENOMEM))),
        }
    }

    fn sync_metadata(&self, of: Option<MountId>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        // Without a mount it is EXT2R that knows all of them.
        let mount = of.unwrap_or(MountId::ALL);
        match self.ask(mount, Operation::SyncAll, cx) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<super::whole::Synced>()),
            Err(error) => Outcome::Reply(CacheReply::Done(Err(error))),
        }
    }
}

/// Whether EXT2R does not know all of a file.
fn is_news<F: PageFrame>(file: &CachedFile<F>, times_too: bool) -> bool {
    let size = file.size();
    file.with(|inner| {
        let times = times_too && inner.touched.is_some();
        times || inner.told != size || is_beyond(inner.reached, size, file.block_size())
    })
}

/// Whether blocks behind a file's end were allocated.
fn is_beyond(reached: u64, size: u64, block: u32) -> bool {
    let block = u64::from(block).max(1);
    reached > size.div_ceil(block).saturating_mul(block)
}

/// Pages that were prepared and never written, behind the file's end, are given up. The size
/// that EXT2R may be told (up to which everything is on the disk), whether blocks behind it are
/// to be freed, and whose pages these were.
fn drop_unwritten<F: PageFrame>(
    file: &CachedFile<F>,
) -> (u64, bool, alloc::vec::Vec<vortex_units::ActivityId>) {
    let mut gone = alloc::vec::Vec::new();
    let (size, cut) = file.with(|inner| {
        let size = file.size();
        // Only what lies wholly on the disk counts; the rest is told when it does.
        let from = page_of(inner.told.min(size));
        let first = inner.dirty.range(from..).next().copied();
        let safe = first.map_or(size, |page| {
            u64::from(page).saturating_mul(PAGE_BYTES).max(inner.told).min(size)
        });
        // Blocks that somebody fills this moment are the file's in a moment.
        let grows = inner.is_growing();
        if safe < size || grows || !is_beyond(inner.reached, size, file.block_size()) {
            return (safe, false);
        }
        let end = crate::cache::pages_for(size);
        let behind = core::iter::successors(inner.pages.next(end), |page| {
            inner.pages.next(page.checked_add(1)?)
        });
        let behind: alloc::vec::Vec<u32> = behind.collect();
        let held = |page: &u32| inner.pages.get(*page).is_some_and(|page| page.users > 0);
        if behind.iter().any(held) {
            return (size, false);
        }
        for number in behind {
            inner.drop_page(number, &mut gone);
        }
        inner.reached = size;
        inner.forget_places(size, file.block_size());
        (size, true)
    });
    (size, cut, gone)
}
