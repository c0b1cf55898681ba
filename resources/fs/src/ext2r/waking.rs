//! Those whose transactions waited look again: some in a run, however many they are.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use vortex_grid::{At, Kept, Labels, Outcome};
use vortex_units::ActivityId;

use super::{After, Cx, Ext2};
use crate::cache::PageFrame;
use crate::requests::{Ext2Request, Mail};

/// How many in one run.
const WOKEN: usize = 24;

/// Those who are to look again, and on whose bill that is done.
pub(super) struct Waking<M> {
    lists: VecDeque<(ActivityId, Vec<Kept<M>>)>,
    /// A request of the infrastructure's is on its way that sees to them.
    asked: bool,
}

impl<M> Default for Waking<M> {
    fn default() -> Self {
        Self { lists: VecDeque::new(), asked: false }
    }
}

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    /// They look again: some at once, the others in runs of a request of the infrastructure's, so
    /// that nobody waits for what somebody in debt would do.
    pub(super) fn look_again(&mut self, mut all: Vec<Kept<M>>, cx: &mut Cx<'_, M>) {
        while some_look(&mut all, cx) {
            let room = self.waking.lists.try_reserve(1).is_ok();
            if room
                && !self.waking.asked
                && let Some(ports) = self.wiring.ports.get()
            {
                let (own, wake) = (ActivityId::INFRASTRUCTURE, Ext2Request::Wake);
                self.waking.asked = cx.send_for(own, ports.ext2, Labels::NONE, wake).is_ok();
            }
            if room && self.waking.asked {
                self.waking.lists.push_back((cx.activity(), all));
                return;
            }
            // There is no room to do it later.
        }
    }

    /// The rest of them, some in a run.
    pub(super) fn wake_more(&mut self, cx: &mut Cx<'_, M>) -> After<M, F> {
        let Some((by, mut all)) = self.waking.lists.pop_front() else {
            self.waking.asked = false;
            return Outcome::Done;
        };
        cx.bill_run(by);
        if some_look(&mut all, cx) {
            self.waking.lists.push_back((by, all));
        }
        Outcome::Continue(At::beginning())
    }
}

/// Some of them look again. Whether there are more.
fn some_look<M: Mail<F>, F: PageFrame>(all: &mut Vec<Kept<M>>, cx: &mut Cx<'_, M>) -> bool {
    for _ in 0..WOKEN {
        let Some(kept) = all.pop() else { return false };
        // Kept here, by this resource.
        let _ = cx.go_on(kept, At::<M, Ext2<M, F>>::beginning());
    }
    !all.is_empty()
}
