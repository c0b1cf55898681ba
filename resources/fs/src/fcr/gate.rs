//! Who may be at a file: any number who read or write it, or one who changes what EXT2R knows
//! of it (footnote 17).

use vortex_abi::Errno;
use vortex_grid::Outcome;

use super::waiting::Waits;
use super::{Cx, FileCache, Next};
use crate::cache::PageFrame;
use crate::requests::{Mail, Task};

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// A task enters, if it may.
    pub(super) fn enter(&mut self, task: &mut Task<F>) -> bool {
        if task.inside {
            return true;
        }
        let work = self.works.entry(task.file.number()).or_default();
        if work.closed {
            return false;
        }
        work.inside = work.inside.saturating_add(1);
        task.inside = true;
        true
    }

    /// It is not inside any more.
    pub(super) fn leave(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) {
        if core::mem::take(&mut task.inside) {
            self.one_less(task.file.number(), cx);
        }
    }

    pub(super) fn one_more(&mut self, number: u32) {
        let work = self.works.entry(number).or_default();
        work.inside = work.inside.saturating_add(1);
    }

    pub(super) fn one_less(&mut self, number: u32, cx: &mut Cx<'_, M>) {
        let Some(work) = self.works.get_mut(&number) else { return };
        work.inside = work.inside.saturating_sub(1);
        if work.inside == 0 {
            self.wake(number, Waits::Idle, cx);
        }
    }

    /// A task is to have the file alone: nobody enters any more. False where another has, or
    /// will have, it.
    pub(super) fn close(&mut self, task: &mut Task<F>) -> bool {
        if task.alone {
            return true;
        }
        let work = self.works.entry(task.file.number()).or_default();
        if work.closed {
            return false;
        }
        work.closed = true;
        task.alone = true;
        true
    }

    pub(super) fn is_idle(&self, number: u32) -> bool {
        self.works.get(&number).is_none_or(|work| work.inside == 0)
    }

    /// It has not any more.
    pub(super) fn open(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) {
        if core::mem::take(&mut task.alone) {
            let number = task.file.number();
            task.file.with(|inner| inner.set_to = 0);
            if let Some(work) = self.works.get_mut(&number) {
                work.closed = false;
            }
            self.wake(number, Waits::Gate, cx);
        }
    }

    /// A task has the file alone, or waits for that: then what it returns with.
    pub(super) fn have_alone(
        &mut self,
        task: &mut Task<F>,
        cx: &mut Cx<'_, M>,
    ) -> Option<Next<M, F>> {
        self.leave(task, cx);
        if !self.close(task) {
            return Some(self.wait(task, Waits::Gate, cx));
        }
        if !self.is_idle(task.file.number()) {
            return Some(self.wait(task, Waits::Idle, cx));
        }
        None
    }

    /// The file keeps the task until what it waits for may be so.
    pub(super) fn wait(
        &mut self,
        task: &mut Task<F>,
        what: Waits,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        match self.wait_at(task.file.number(), what, cx) {
            Some(kept) => kept,
            None => self.failed(task, Errno::ENOMEM, cx),
        }
    }

    /// The same for what is no task. `None` where there is no memory.
    pub(super) fn wait_at(
        &mut self,
        number: u32,
        what: Waits,
        cx: &mut Cx<'_, M>,
    ) -> Option<Next<M, F>> {
        let work = self.works.entry(number).or_default();
        let Some(kept) = cx.keep() else {
            self.works_end(number, cx);
            return None;
        };
        work.waits.add(what, kept);
        Some(Outcome::Kept)
    }

    /// Forgets a file with which nothing goes on.
    pub(super) fn works_end(&mut self, number: u32, cx: &mut Cx<'_, M>) {
        if self.works.get(&number).is_some_and(super::work::Work::is_over) {
            self.wake(number, Waits::Over, cx);
            if self.works.get(&number).is_some_and(|work| work.waits.is_empty()) {
                self.works.remove(&number);
            }
        }
    }
}
