//! A file's size is set.
//!
//! What is behind the end in its last page becomes zeros, in the cache and on the disk, so that
//! a file that grows again shows nothing of what it was. A file that grows is told to EXT2R
//! when its data is on the disk, as after a write; one that shrinks, at once.

use vortex_abi::Errno;
use vortex_grid::{At, Outcome};

use super::claim::{Claim, Left};
use super::fetch::Look;
use super::piece::clear_behind;
use super::showing::{Asked, Taken};
use super::waiting::Waits;
use super::{Cx, FileCache, Heard, Next};
use crate::cache::{PAGE_BYTES, PageFrame, page_of, pages_for};
use crate::names::Times;
use crate::requests::{Answer, Mail, Operation, Stage, Task};
use crate::shown::Shown;

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    pub(super) fn truncate(
        &mut self,
        task: &mut Task<F>,
        size: u64,
        heard: Heard,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        match task.stage {
            Stage::Begin | Stage::Easing | Stage::Claiming => self.fetch_end(task, size, cx),
            Stage::Asked => match heard {
                Some(Ok(Answer::Runs(runs))) => {
                    self.install(task, &runs, None, cx);
                    self.send(task, cx);
                    task.stage = Stage::Waiting;
                    self.look_at_end(task, size, cx)
                }
                Some(Err(error)) => self.failed(task, error, cx),
                _ => self.failed(task, Errno::EIO, cx),
            },
            Stage::Sending | Stage::Waiting => self.look_at_end(task, size, cx),
            Stage::Closing | Stage::Alone => self.cut(task, size, cx),
            Stage::Last => {
                if let Some(Err(error)) = heard {
                    return self.failed(task, error, cx);
                }
                self.told(task, heard, cx);
                self.done(task, cx)
            }
        }
    }

    /// The page in which the end of the file is, the new or the old, whichever comes first.
    fn end_page(task: &Task<F>, size: u64) -> Option<u32> {
        let end = size.min(task.file.size());
        (size != task.file.size() && !end.is_multiple_of(PAGE_BYTES)).then(|| page_of(end))
    }

    fn fetch_end(&mut self, task: &mut Task<F>, size: u64, cx: &mut Cx<'_, M>) -> Next<M, F> {
        if !self.enter(task) {
            return self.wait(task, Waits::Gate, cx);
        }
        let Some(page) = Self::end_page(task, size) else { return self.close_for(task, size, cx) };
        match self.claim(task, page, &mut Left::new(), cx) {
            Claim::Claimed => {}
            Claim::Has | Claim::Coming => return self.look_at_end(task, size, cx),
            Claim::Busy => return self.again(task, cx),
            Claim::NoMemory => return self.starve(task, cx),
        }
        let each = task.file.blocks_a_page();
        let (ino, block) = (task.file.id().ino, page.saturating_mul(each));
        let map = Operation::Map { ino, block, count: each, wanted: None };
        match self.ask_for(task, map, Stage::Asked, cx) {
            Ok(next) => next,
            Err(error) => self.failed(task, error, cx),
        }
    }

    fn look_at_end(&mut self, task: &mut Task<F>, size: u64, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let Some(page) = Self::end_page(task, size) else { return self.close_for(task, size, cx) };
        match Self::look(task, page, page.saturating_add(1), cx) {
            Look::There => self.close_for(task, size, cx),
            Look::Failed(error) => self.failed(task, error, cx),
            Look::Gone => self.again(task, cx),
            Look::Coming => {
                self.lend(task, page, page.saturating_add(1), cx);
                task.stage = Stage::Waiting;
                self.wait(task, Waits::Pages(page, page.saturating_add(1)), cx)
            }
        }
    }

    fn close_for(&mut self, task: &mut Task<F>, size: u64, cx: &mut Cx<'_, M>) -> Next<M, F> {
        task.stage = Stage::Closing;
        self.cut(task, size, cx)
    }

    fn cut(&mut self, task: &mut Task<F>, size: u64, cx: &mut Cx<'_, M>) -> Next<M, F> {
        if let Some(waits) = self.have_alone(task, cx) {
            return waits;
        }
        let file = task.file.clone();
        if task.stage == Stage::Closing {
            // It may have gone again while others were inside.
            if let Some(page) = Self::end_page(task, size)
                && !file.has(page)
            {
                self.open(task, cx);
                return self.again(task, cx);
            }
            if size > file.size() {
                // Nobody gets that page to write to meanwhile.
                file.with(|inner| inner.set_to = size);
                if let Some(waits) = self.take_end(task, cx) {
                    return waits;
                }
            }
            let end = size.min(file.size());
            task.job().begun = size < file.size();
            file.with(|inner| {
                file.set_size(inner, size);
                inner.set_to = 0;
            });
            let page = page_of(end);
            if !end.is_multiple_of(PAGE_BYTES) {
                file.with(|inner| {
                    let frame = inner.pages.get(page).and_then(|page| page.frame.as_ref());
                    clear_behind(frame, page, end);
                });
                self.mark(&file, page, cx.activity(), cx.now());
            }
            task.stage = Stage::Alone;
        }
        // Whoever shows what is behind the end does not any more.
        if task.job().begun {
            match self.ask_showing(task, Shown::From(pages_for(size)), cx) {
                Asked::Answers(asked) => {
                    task.job().begun = false;
                    return Outcome::Pending(asked, At::routine::<Taken>());
                }
                Asked::Nobody => task.job().begun = false,
                // It is cut already: when there is room.
                Asked::NoRoom => return Outcome::Continue(At::beginning()),
            }
        }
        if self.drop_from(task, pages_for(size), cx) {
            return Outcome::Continue(At::beginning());
        }
        let (told, reached) = file.with(|inner| (inner.told, inner.reached));
        if size >= told && size >= reached {
            // It has grown: that is told when the rest of it is on the disk.
            return self.done(task, cx);
        }
        // What EXT2R has said before does not go beyond what is on the disk.
        let size = size.min(told.max(size));
        file.with(|inner| {
            inner.reached = size;
            inner.forget_places(size, file.block_size());
        });
        task.job().told = Some(size);
        let (ino, times) = (file.id().ino, Times::default());
        let cut = Operation::Describe { ino, size: Some(size), cut: true, times };
        match self.ask_for(task, cut, Stage::Last, cx) {
            Ok(next) => next,
            Err(error) => self.failed(task, error, cx),
        }
    }
}
