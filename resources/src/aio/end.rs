//! A process, or the program that it has run, has ended: its operations end with it.

use vortex_grid::{Labels, Outcome};

use super::operation::OpId;
use super::owner::Key;
use super::resource::{AsyncIo, Cx, Next, again};
use crate::files::FileRequest;

/// Operations that are ended in one run.
const SLICE: usize = 3;

impl AsyncIo {
    /// Ends some of its operations, from a control block on. What is under way ends as soon as it
    /// can, and is forgotten then; nothing is told to anybody.
    pub(super) fn end(&mut self, key: Key, from: &mut u64, cx: &mut Cx<'_>) -> Next {
        let Some(owner) = self.owners.get_mut(&key) else { return Outcome::Done };
        owner.ended = true;
        let mut some = [None; SLICE];
        let mut rest = owner.operations.range(*from..);
        some.iter_mut().for_each(|place| *place = rest.next().map(|(at, id)| (*at, *id)));
        for (at, id) in some.into_iter().flatten() {
            self.end_one(id, cx);
            *from = at.saturating_add(1);
        }
        if some.iter().all(Option::is_some) {
            return again();
        }
        self.end_owner(key, cx);
        Outcome::Done
    }

    fn end_one(&mut self, id: OpId, cx: &mut Cx<'_>) {
        let ended = self.operations.get(id).is_none_or(|operation| operation.result.is_some());
        // Settled, it is forgotten.
        if ended {
            self.forget(id, cx);
        } else {
            self.end_early(id, cx);
        }
    }

    /// A process that has ended is forgotten when its operations have ended too.
    pub(super) fn end_owner(&mut self, key: Key, cx: &mut Cx<'_>) {
        let Some(owner) = self.owners.get_mut(&key) else { return };
        if !owner.ended || !owner.operations.is_empty() {
            return;
        }
        let tables = core::mem::take(&mut owner.tables);
        self.owners.remove(&key);
        if let Some(ports) = self.system.ports.get() {
            for files in tables {
                let _ = cx.send(ports.files, Labels::NONE, FileRequest::Drop(files));
            }
        }
    }
}
