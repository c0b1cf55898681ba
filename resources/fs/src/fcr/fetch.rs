//! Pages that are to be there: those asked for, and those that will be (read-ahead).

use vortex_abi::Errno;
use vortex_grid::{At, Message, Outcome};

use super::claim::{AROUND, Left};
use super::waiting::Waits;
use super::{Cx, FileCache, Heard, Next, Piece};
use crate::cache::{PageFrame, Reader, State, pages_for};
use crate::requests::{Answer, Kind, Mail, Operation, Stage, Task};

/// Pages that get their places in the run in which they are sent for, at most.
pub(super) const FEW: usize = 2;

/// What a look at pages found.
pub(super) enum Look {
    /// All are there.
    There,
    /// One is on its way.
    Coming,
    /// One was there, or on its way, and is not.
    Gone,
    Failed(Errno),
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    pub(super) fn fetch(
        &mut self,
        task: &mut Task<F>,
        heard: Heard,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        match task.stage {
            Stage::Begin => self.begin_fetch(task, cx),
            Stage::Claiming => match task.kind {
                Kind::Fault { page } => self.claim_around(task, page, &mut Left::new(), cx),
                _ => self.claim_ahead(task, cx),
            },
            Stage::Asked => match heard {
                Some(Ok(Answer::Runs(runs))) => {
                    let many = task.job().claimed.len() > FEW;
                    self.install(task, &runs, None, cx);
                    self.send_installed(task, many, cx)
                }
                Some(Err(error)) => self.failed(task, error, cx),
                _ => self.failed(task, Errno::EIO, cx),
            },
            Stage::Sending => self.send_pieces(task, cx),
            _ => self.look_fetched(task, cx),
        }
    }

    fn begin_fetch(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let followed = match self.hand_at_once(task, cx) {
            Ok(next) => return next,
            Err(followed) => followed,
        };
        if !self.enter(task) {
            return self.wait(task, Waits::Gate, cx);
        }
        if task.tray.is_some() && task.file.with(|inner| inner.gone) {
            // Closed and without a name since it was asked for: its inode may be another's.
            return self.failed(task, Errno::EBADF, cx);
        }
        let last = pages_for(task.file.size());
        let (first, end) = task.kind.pages();
        let end = end.min(last);
        if first >= end {
            return self.done(task, cx);
        }
        if let Kind::Fault { page } = task.kind {
            return self.begin_fault(task, page, cx);
        }
        let (ahead, mark) = match followed {
            Some(followed) => followed,
            None if task.tries == 0 => {
                let reader = reader(cx);
                task.file.with(|inner| inner.streams.follow(reader, (first, end), last))
            }
            // Who begins anew is followed already.
            None => (end, None),
        };
        let job = task.job();
        (job.at, job.upto, job.mark) = (first, ahead.min(last).max(end), mark);
        self.claim_ahead(task, cx)
    }

    /// Who touches one block after the other has the next fetched too, as who reads in order:
    /// by requests of their own, so that nobody waits for them.
    pub(super) fn follow_faults(
        &mut self,
        task: &Task<F>,
        first: u32,
        end: u32,
        cx: &mut Cx<'_, M>,
    ) {
        let Some(ports) = self.wiring.ports.get() else { return };
        let (reader, last) = (reader(cx), pages_for(task.file.size()));
        let (ahead, _) = task.file.with(|inner| inner.streams.follow(reader, (first, end), last));
        let mut next = end;
        // Only whole blocks: what is less comes with the page that is touched.
        while next < last && next.saturating_add(AROUND) <= ahead {
            let request = crate::CacheRequest::soon(task.file.clone(), next);
            // Where there is no room, another time.
            if cx.send(ports.cache, vortex_grid::Labels::NONE, request).is_err() {
                return;
            }
            next = next.saturating_add(AROUND);
        }
    }

    /// Asks where the pages that a task has claimed are on the disk.
    pub(super) fn ask_claimed(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        match self.span(task) {
            Some((block, count)) => {
                let ino = task.file.id().ino;
                let map = Operation::Map { ino, block, count, wanted: None };
                match self.ask_for(task, map, Stage::Asked, cx) {
                    Ok(next) => next,
                    Err(error) => self.failed(task, error, cx),
                }
            }
            None => self.look_fetched(task, cx),
        }
    }

    /// The blocks of what a task has claimed, from the first to the last.
    pub(super) fn span(&self, task: &mut Task<F>) -> Option<(u32, u32)> {
        let each = task.file.blocks_a_page();
        let claimed = &task.job().claimed;
        let (first, last) = (*claimed.first()?, *claimed.last()?);
        let pages = last.saturating_sub(first).saturating_add(1);
        Some((first.saturating_mul(each), pages.saturating_mul(each)))
    }

    /// What is to be said of the pages that were asked for.
    fn look_fetched(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        if matches!(task.kind, Kind::Ahead { .. }) {
            return self.done(task, cx);
        }
        let (first, end) = task.kind.pages();
        let end = end.min(pages_for(task.file.size()));
        match Self::look(task, first, end, cx) {
            Look::There => self.done(task, cx),
            Look::Failed(error) => self.failed(task, error, cx),
            Look::Gone => self.again(task, cx),
            Look::Coming => {
                self.lend(task, first, end, cx);
                task.stage = Stage::Waiting;
                self.wait(task, Waits::Pages(first, end), cx)
            }
        }
    }

    pub(super) fn look(task: &Task<F>, first: u32, end: u32, cx: &Cx<'_, M>) -> Look {
        let waited = task.stage == Stage::Waiting;
        task.file.with(|inner| {
            let mut look = Look::There;
            for number in first..end {
                let Some(page) = inner.pages.get(number) else { return Look::Gone };
                match page.state {
                    State::Fetching => look = Look::Coming,
                    State::Failed(error, who) => {
                        let mine = who == cx.activity() || Self::is_the_disks(error);
                        return if waited && mine { Look::Failed(error) } else { Look::Gone };
                    }
                    State::Blank => return Look::Gone,
                    State::Clean | State::Dirty | State::Writing => {}
                }
            }
            look
        })
    }

    /// Whoever waits for what another has asked for, and what has not gone to storage yet,
    /// lends it its own place (§2.3): the piece is asked for in its own name too, and whichever
    /// request runs first takes it, on its own bill.
    pub(super) fn lend(&mut self, task: &Task<F>, first: u32, end: u32, cx: &mut Cx<'_, M>) {
        let Some(work) = self.works.get_mut(&task.file.number()) else { return };
        let Some(ports) = self.wiring.ports.get() else { return };
        let who = cx.activity();
        let each = task.file.blocks_a_page();
        let near = work.queued.near(first.saturating_mul(each), end.saturating_mul(each));
        let wanted =
            |piece: &&Piece| piece.overlaps(first, end, each) && piece.by != who && !piece.lent;
        let numbers: alloc::vec::Vec<u64> =
            near.filter(wanted).take(super::SENDS).map(|piece| piece.number).collect();
        for number in numbers {
            let request = crate::CacheRequest::piece(task.file.clone(), number);
            let lent = cx.send(ports.cache, vortex_grid::Labels::NONE, request).is_ok();
            if let Some(piece) = work.queued.get_mut(number) {
                piece.lent = lent;
            }
        }
    }

    /// The same when its pages have just got their places: in a run of its own if they are many.
    pub(super) fn send_installed(
        &mut self,
        task: &mut Task<F>,
        many: bool,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        if many {
            task.stage = Stage::Sending;
            return Outcome::Continue(At::beginning());
        }
        self.send_pieces(task, cx)
    }

    /// Sends the pieces that a task has made, some in a run.
    pub(super) fn send_pieces(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        self.send(task, cx);
        // Who has looked before they were sent, in a run before, has not lent them its place.
        if matches!(task.stage, Stage::Sending) {
            self.wake_all_pages(task, cx);
        }
        if !task.job().pieces.is_empty() {
            task.stage = Stage::Sending;
            return Outcome::Continue(At::beginning());
        }
        task.stage = Stage::Waiting;
        match task.kind {
            Kind::Prepare { .. } => self.look_prepared(task, cx),
            _ => self.look_fetched(task, cx),
        }
    }
}

/// Who reads: the activity as a whole, however it is divided.
pub(super) fn reader<M: Message>(cx: &Cx<'_, M>) -> Reader {
    Reader { who: cx.root(), now: cx.now() }
}
