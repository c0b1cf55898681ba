//! What concerns a file as a whole: that it ends, and that pages of it do.

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome};

use super::waiting::Waits;
use super::{Cx, FileCache, Heard, Next};
use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Ask, CacheReply, CacheRequest, Ext2Reply, Mail, Operation, Stage, Task};

/// Pages dropped in one run.
const DROPS: u32 = 20;

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Drops pages of a file that a task has alone, from one on, some in a run. Whether there
    /// are more.
    pub(super) fn drop_from(&mut self, task: &Task<F>, first: u32, cx: &mut Cx<'_, M>) -> bool {
        let mut gone = alloc::vec::Vec::new();
        let more = task.file.with(|inner| {
            for _ in 0..DROPS {
                let Some(number) = inner.pages.next(first) else { return false };
                inner.drop_page(number, &mut gone);
            }
            inner.pages.next(first).is_some()
        });
        let number = task.file.number();
        for who in gone {
            self.uncount(number, who, cx);
        }
        more
    }

    /// Nobody has the file any more: its pages go, and then it.
    pub(super) fn release(
        &mut self,
        task: &mut Task<F>,
        heard: Heard,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        if task.stage == Stage::Last {
            return match heard {
                Some(Err(error)) => self.failed(task, error, cx),
                _ => self.done(task, cx),
            };
        }
        if let Some(waits) = self.have_alone(task, cx) {
            return waits;
        }
        // Nobody finds it any more, and what is under way leaves it as it is.
        task.file.with(|inner| inner.gone = true);
        if self.drop_from(task, 0, cx) {
            return Outcome::Continue(At::beginning());
        }
        self.wiring.files.forget(&task.file);
        // Who waits for its pages finds that there is nothing to wait for.
        self.wake(task.file.number(), Waits::ANY, cx);
        let release = Operation::Release(task.file.id().ino);
        match self.ask_for(task, release, Stage::Last, cx) {
            Ok(next) => next,
            Err(error) => self.failed(task, error, cx),
        }
    }
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// A file system ends: all of it is written first, then its files are forgotten, and EXT2R
    /// marks it as in order.
    pub(super) fn unmount(
        &mut self,
        mount: MountId,
        synced: &mut bool,
        (number, page): (&mut u32, &mut u32),
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let failed = |error| Outcome::Reply(CacheReply::Done(Err(error)));
        if !*synced {
            let Some(ports) = self.wiring.ports.get() else { return failed(Errno::EIO) };
            let all = CacheRequest::sync_all(Some(mount));
            return match cx.request(ports.cache, Labels::NONE, all) {
                Ok(trigger) => Outcome::Pending(trigger, At::routine::<AllSynced>()),
                Err(_) => failed(Errno::ENOMEM),
            };
        }
        if let Some(file) = self.wiring.files.next(*number, Some(mount)) {
            if file.number() != *number {
                (*number, *page) = (file.number(), 0);
            }
            if !super::evict::drop_clean(&file, (page, u32::MAX), &mut false, |_| true) {
                // What was read ahead, or for who has ended meanwhile, is on its way still.
                if self.works.contains_key(number) {
                    *page = 0;
                    let waits = self.wait_at(*number, Waits::Over, cx);
                    return waits.unwrap_or_else(|| failed(Errno::ENOMEM));
                }
                if file.pages() > 0 {
                    return failed(Errno::EBUSY);
                }
                file.with(|inner| inner.gone = true);
                self.wiring.files.forget(&file);
            }
            return Outcome::Continue(At::beginning());
        }
        match self.ask(mount, Operation::Unmount, cx) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Synced>()),
            Err(error) => failed(error),
        }
    }
}

/// All files of a file system that ends are synced.
struct AllSynced;

impl<M: Mail<F>, F: PageFrame> Continuation<M, FileCache<M, F>> for AllSynced {
    fn resume(
        cache: &mut FileCache<M, F>,
        request: &mut CacheRequest<F>,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let Ask::Unmount(mount, synced, number, page) = &mut request.0 else {
            return Outcome::Done;
        };
        match cx.reply::<CacheReply>() {
            Ok(Some(CacheReply::Done(Ok(())))) => {
                *synced = true;
                cache.unmount(*mount, synced, (number, page), cx)
            }
            Ok(Some(reply)) => Outcome::Reply(reply),
            Ok(None) => Outcome::Reply(CacheReply::Done(Err(Errno::EIO))),
            Err(_) => Outcome::Reply(CacheReply::Done(Err(Errno::ENOMEM))),
        }
    }
}

/// EXT2R has synced what it has.
pub(super) struct Synced;

impl<M: Mail<F>, F: PageFrame> Continuation<M, FileCache<M, F>> for Synced {
    fn resume(_: &mut FileCache<M, F>, _: &mut CacheRequest<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        Outcome::Reply(CacheReply::Done(match cx.reply::<Ext2Reply>() {
            Ok(Some(answer)) => answer.map(|_| ()),
            Ok(None) => Err(Errno::EIO),
            Err(_) => Err(Errno::ENOMEM),
        }))
    }
}
