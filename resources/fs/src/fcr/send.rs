//! Pieces are sent: to FCR's own queue, on the bill of who runs.

use vortex_abi::Errno;
use vortex_grid::Labels;
use vortex_units::Bytes;

use super::waiting::Waits;
use super::{Cx, FileCache, PIECES};
use crate::cache::{PageFrame, State};
use crate::fcr::Piece;
use crate::requests::{CacheRequest, Mail, Task};

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Sends some of a task's pieces. What cannot be sent fails.
    pub(super) fn send(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) {
        let count = task.job().pieces.len().min(PIECES);
        let some: alloc::vec::Vec<Piece> = task.job().pieces.drain(..count).collect();
        for piece in some {
            if !self.send_piece(task, piece, cx) {
                self.not_sent(task, &piece, cx);
            }
        }
    }

    fn send_piece(&mut self, task: &Task<F>, mut piece: Piece, cx: &mut Cx<'_, M>) -> bool {
        let Some(ports) = self.wiring.ports.get() else { return false };
        let port = ports.cache;
        self.pieces = self.pieces.wrapping_add(1);
        (piece.number, piece.since) = (self.pieces, cx.now());
        let number = task.file.number();
        let work = self.works.entry(number).or_default();
        let request = CacheRequest::piece(task.file.clone(), piece.number);
        if cx.send(port, Labels::NONE, request).is_err() {
            return false;
        }
        work.queued.add(piece);
        self.one_more(number);
        true
    }

    fn not_sent(&mut self, task: &Task<F>, piece: &Piece, cx: &mut Cx<'_, M>) {
        let (first, end) = piece.pages(task.file.blocks_a_page());
        for page in first..end {
            self.part_ends(&task.file, page, Bytes::ZERO, Some(Errno::ENOMEM), cx);
        }
        self.wake_pages(task.file.number(), first, end, cx);
    }

    /// A task ends with an error: what it has begun comes to an end too.
    pub(super) fn abandon(&mut self, task: &mut Task<F>, _: Errno, cx: &mut Cx<'_, M>) {
        super::pins::unpin(task);
        let Some(job) = task.job.as_deref_mut() else { return };
        let claimed = core::mem::take(&mut job.claimed);
        let pieces = core::mem::take(&mut job.pieces);
        let file = task.file.clone();
        for piece in pieces {
            self.not_sent(task, &piece, cx);
        }
        if claimed.is_empty() {
            return;
        }
        for number in claimed {
            let who = file.with(|inner| {
                let page = inner.pages.get(number)?;
                if page.state != State::Fetching || page.parts > 0 {
                    return None;
                }
                let page = inner.pages.remove(number)?;
                Some((page.owner, page.dirtied))
            });
            let Some((owner, dirtied)) = who else { continue };
            if let Some(dirtied) = dirtied {
                self.uncount(file.number(), dirtied.by, cx);
            }
            self.came(owner, cx);
        }
        self.wake(file.number(), Waits::ANY, cx);
    }
}
