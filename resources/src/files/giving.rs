//! Pages of files that are asked back.

use vortex_fs::PageName;
use vortex_grid::{At, Continuation, Outcome};
use vortex_memory::Order;
use vortex_units::ActivityId;

use super::calls::Cx;
use super::image_pages::Pages;
use super::request::FileRequest;
use super::resource::{FileSystem, Next};
use crate::Mail;
use crate::cache::{CacheReply, CacheRequest};
use crate::memory::{go, refusal};

impl FileSystem {
    /// Passes an order for a page of a file on a disk on to FCR, who has allocated it.
    pub(super) fn give_up_cached(&mut self, order: Order, cx: &mut Cx<'_>) -> Next {
        if cx.activity() == ActivityId::INFRASTRUCTURE {
            cx.bill_run(order.bill);
        }
        let request = CacheRequest::reclaim(PageName::of_cookie(order.cookie.0));
        match self.ask_cache(request, cx) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<GivenUp>()),
            Err(_) => {
                self.has_answered(order, false, cx);
                Outcome::Done
            }
        }
    }

    fn has_answered(&mut self, order: Order, given: bool, cx: &mut Cx<'_>) {
        if !given && let Some(memory) = vortex_machine::multiplexor() {
            // One that has ended meanwhile is nobody's.
            let _ended = memory.answer(order.id, refusal(order));
        }
        go(&self.system, order.place, cx);
    }

    /// Serves an order of the memory multiplexor for a page that no space shows any more: the
    /// frame is given back, if no call or fault has got it meanwhile.
    pub(super) fn give_up(&mut self, order: Order, cx: &mut Cx<'_>) {
        if cx.activity() == ActivityId::INFRASTRUCTURE {
            cx.bill_run(order.bill);
        }
        let Some(memory) = vortex_machine::multiplexor() else { return };
        let given =
            Pages::of(order.cookie.0).is_some_and(|(pages, page)| pages.give_up(page, order.frame));
        if !given {
            // One that has ended meanwhile is nobody's.
            let _ended = memory.answer(order.id, refusal(order));
        }
        go(&self.system, order.place, cx);
    }
}

/// FCR has answered.
struct GivenUp;

impl Continuation<Mail, FileSystem> for GivenUp {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::ReclaimCached(order) = request else { return Outcome::Done };
        let given = matches!(cx.reply::<CacheReply>(), Ok(Some(CacheReply::Reclaimed(true))));
        files.has_answered(*order, given, cx);
        Outcome::Done
    }
}
