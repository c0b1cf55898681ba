//! Pages of files that are asked back.

use vortex_memory::{Answer as Given, Order};
use vortex_units::ActivityId;

use super::calls::Cx;
use super::image::Pages;
use super::resource::FileSystem;
use crate::memory::go;

impl FileSystem {
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
            let _ended = memory.answer(order.id, Given::Refused);
        }
        go(&self.system, order.place, cx);
    }
}
