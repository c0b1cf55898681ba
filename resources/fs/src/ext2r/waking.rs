//! Those whose transactions waited look again, some in a run, however many they are; and writers
//! are made: by a request of the infrastructure's, since only its runs may send what is nobody
//! else's, and so that nobody waits for what somebody in debt would do.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use vortex_grid::{At, Kept, Labels, Outcome};
use vortex_units::ActivityId;

use super::write::{BATCH, Writing};
use super::{After, Cx, Ext2};
use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Ext2Request, Mail};

/// How many in one run.
const WOKEN: usize = 24;

/// The request, and what it is to do.
pub(super) struct Daemon<M> {
    /// Those who are to look again, and on whose bill that is done.
    lists: VecDeque<(ActivityId, Vec<Kept<M>>)>,
    /// A file system wants a writer.
    makes: bool,
    /// It, while there is nothing to do.
    kept: Option<Kept<M>>,
    /// It is on its way, or at it.
    runs: bool,
}

impl<M> Default for Daemon<M> {
    fn default() -> Self {
        Self { lists: VecDeque::new(), makes: false, kept: None, runs: false }
    }
}

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    /// The request is made, where there is none: in a run of the infrastructure's.
    pub(super) fn make_daemon(&mut self, cx: &mut Cx<'_, M>) {
        if !self.has_daemon()
            && let Some(ports) = self.wiring.ports.get()
        {
            let sent = cx.send(ports.ext2, Labels::NONE, Ext2Request::Wake);
            self.daemon.runs = sent.is_ok();
        }
    }

    fn has_daemon(&self) -> bool {
        self.daemon.runs || self.daemon.kept.is_some()
    }

    fn go_on_with_daemon(&mut self, cx: &mut Cx<'_, M>) {
        if let Some(kept) = self.daemon.kept.take() {
            // Kept here, by this resource.
            let _ = cx.go_on(kept, At::<M, Self>::beginning());
        }
    }

    /// A file system wants a writer.
    pub(super) fn want_writer(&mut self, cx: &mut Cx<'_, M>) {
        self.daemon.makes = true;
        self.go_on_with_daemon(cx);
    }

    /// They look again: some at once, the others later.
    pub(super) fn look_again(&mut self, mut all: Vec<Kept<M>>, cx: &mut Cx<'_, M>) {
        while Self::some_look(&mut all, cx) {
            if self.has_daemon() && self.daemon.lists.try_reserve(1).is_ok() {
                self.daemon.lists.push_back((cx.activity(), all));
                return self.go_on_with_daemon(cx);
            }
            // There is nobody, or no room, to do it later.
        }
    }

    /// What there is to do, some in a run; then it is kept until there is more.
    pub(super) fn wake_more(&mut self, cx: &mut Cx<'_, M>) -> After<M, F> {
        self.daemon.runs = true;
        if core::mem::take(&mut self.daemon.makes) {
            self.make_writers(cx);
            return Outcome::Continue(At::beginning());
        }
        let Some((by, mut all)) = self.daemon.lists.pop_front() else {
            self.daemon.kept = cx.keep();
            self.daemon.runs = false;
            return if self.has_daemon() { Outcome::Kept } else { Outcome::Done };
        };
        cx.bill_run(by);
        if Self::some_look(&mut all, cx) {
            self.daemon.lists.push_back((by, all));
        }
        Outcome::Continue(At::beginning())
    }

    /// Writers of some file systems that have none and want one.
    fn make_writers(&mut self, cx: &mut Cx<'_, M>) {
        let Some(port) = self.wiring.ports.get().map(|ports| ports.ext2) else { return };
        let wants = self.mounts.iter().filter(|(_, mount)| mount.wants_writer());
        let mut ids: Vec<MountId> = wants.map(|(id, _)| *id).collect();
        self.daemon.makes = ids.len() > BATCH;
        ids.truncate(BATCH);
        for id in ids {
            let sent = cx.send(port, Labels::NONE, Ext2Request::WriteBack(Writing::of(id)));
            if let Some(mount) = self.mounts.get_mut(&id) {
                // Where there is no room, the next tick tries again.
                mount.has_writer = sent.is_ok();
            }
        }
    }

    /// Some of them look again. Whether there are more.
    fn some_look(all: &mut Vec<Kept<M>>, cx: &mut Cx<'_, M>) -> bool {
        for _ in 0..WOKEN {
            let Some(kept) = all.pop() else { return false };
            // Kept here, by this resource.
            let _ = cx.go_on(kept, At::<M, Self>::beginning());
        }
        !all.is_empty()
    }
}
