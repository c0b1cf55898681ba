//! READ_DONE (§3.3.1): the frames of pages that were read go to who asked for them.

use vortex_abi::Errno;
use vortex_grid::{Labels, Outcome};

use super::fetch::reader;
use super::{Cx, FileCache, Next};
use crate::cache::{Page, PageFrame, State, pages_for};
use crate::requests::{CacheReply, CacheRequest, Mail, Task};

/// Up to where a stream is to be fetched, and whose reader is to ask for more.
type Followed = (u32, Option<u32>);

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Hands over what a task that begins is about, if all of it is there, and what is to be
    /// read ahead too: nothing else is to be done then, and it need not be inside for it.
    /// Otherwise what the file's streams have said, if they were asked.
    pub(super) fn hand_at_once(
        &mut self,
        task: &mut Task<F>,
        cx: &mut Cx<'_, M>,
    ) -> Result<Next<M, F>, Option<Followed>> {
        let is_open = |work: &super::Work<M>| !work.closed;
        let begins = task.tries == 0 && !task.inside;
        let enters = self.works.get(&task.file.number()).is_none_or(is_open);
        let (true, true, Some(tray)) = (begins, enters, &task.tray) else { return Err(None) };
        let last = pages_for(task.file.size());
        let (first, end) = task.kind.pages();
        let end = end.min(last);
        let reader = reader(cx);
        let followed = task.file.with(|inner| {
            let pages = &mut inner.pages;
            if inner.gone || !pages.are_all(first, end, Page::is_valid) {
                return Err(None);
            }
            let (ahead, mark) = inner.streams.follow(reader, (first, end), last);
            // On its way counts.
            let comes = |page: &Page<F>| page.is_valid() || page.state == State::Fetching;
            if !pages.are_all(end, ahead.min(last), comes) {
                return Err(Some((ahead, mark)));
            }
            let count = end.saturating_sub(first) as usize;
            let mut more = None;
            let filled = tray.fill(
                count,
                (first..end).map_while(|number| take(pages.get_mut(number)?, number, &mut more)),
            );
            if let Some(page) = mark.and_then(|mark| pages.get_mut(mark)) {
                page.marks = true;
            }
            Ok((filled, more))
        });
        let (filled, more) = followed?;
        if !filled {
            return Ok(self.failed(task, Errno::ENOMEM, cx));
        }
        self.ask_for_more(task, more, cx);
        Ok(Outcome::Reply(CacheReply::Done(Ok(()))))
    }

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
                take(page, number, &mut ahead)
            });
            (tray.fill(count, frames), ahead)
        });
        if !filled {
            return self.failed(task, Errno::ENOMEM, cx);
        }
        self.ask_for_more(task, ahead, cx);
        self.finish(task, CacheReply::Done(Ok(())), cx)
    }

    /// Who reads in order has come to a page that is marked.
    fn ask_for_more(&self, task: &Task<F>, ahead: Option<u32>, cx: &mut Cx<'_, M>) {
        if let Some(page) = ahead
            && let Some(ports) = self.wiring.ports.get()
        {
            // Another time, where there is no room.
            let request = CacheRequest::ahead(task.file.clone(), page);
            let _ = cx.send(ports.cache, Labels::NONE, request);
        }
    }
}

/// A page's frame, for who reads it; notes where more is to be asked for.
fn take<F: PageFrame>(page: &mut Page<F>, number: u32, ahead: &mut Option<u32>) -> Option<F> {
    page.used = true;
    if core::mem::take(&mut page.marks) {
        *ahead = Some(number);
    }
    page.frame.clone()
}
