//! READ_DONE (§3.3.1): the frames of pages that were read go to who asked for them.

use vortex_abi::Errno;
use vortex_grid::Labels;

use super::{Cx, FileCache, Next};
use crate::cache::{PageFrame, pages_for};
use crate::requests::{CacheReply, CacheRequest, Mail, Task};

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Hands over what is there of what a task is about, up to the first page that is not; and
    /// sees to it that those behind come in time, where somebody reads in order.
    pub(super) fn hand_over(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let Some(tray) = task.tray.clone() else { return self.failed(task, Errno::EIO, cx) };
        let (first, end) = task.kind.pages();
        let end = end.min(pages_for(task.file.size()));
        let count = end.saturating_sub(first) as usize;
        let (filled, ahead) = task.file.with(|inner| {
            let mut ahead = None;
            let frames = (first..end).map_while(|number| {
                let page = inner.pages.get_mut(number).filter(|page| page.is_valid())?;
                page.used = true;
                if core::mem::take(&mut page.marks) {
                    ahead = Some(number);
                }
                page.frame.clone()
            });
            (tray.fill(count, frames), ahead)
        });
        if !filled {
            return self.failed(task, Errno::ENOMEM, cx);
        }
        if let Some(page) = ahead
            && let Some(ports) = self.wiring.ports.get()
        {
            // Another time, where there is no room.
            let request = CacheRequest::ahead(task.file.clone(), page);
            let _ = cx.send(ports.cache, Labels::NONE, request);
        }
        self.finish(task, CacheReply::Done(Ok(())), cx)
    }
}
