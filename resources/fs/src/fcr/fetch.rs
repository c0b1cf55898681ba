//! Pages that are to be there: those asked for, and those that will be (read-ahead).

use vortex_abi::Errno;
use vortex_grid::{At, Message, Outcome};

use super::waiting::Waits;
use super::{Cx, FileCache, Heard, Next, Piece};
use crate::cache::{Page, PageFrame, Reader, State, pages_for};
use crate::requests::{Answer, BLOCK_PAGES, Kind, Mail, Operation, Stage, Task};

/// Pages that one run claims at most.
pub(super) const CLAIMS: usize = 16;
/// Pages that are fetched with one that a program has touched, those before and behind it in
/// the same block.
const AROUND: u32 = BLOCK_PAGES;

/// What became of a claim.
pub(super) enum Claim {
    /// The page is this task's to fetch.
    Claimed,
    /// Somebody has it: it is there, or on its way.
    Has,
    /// Somebody is writing into it, and nobody may read it before.
    Busy,
    NoMemory,
}

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
            Stage::Asked => match heard {
                Some(Ok(Answer::Runs(runs))) => {
                    self.install(task, &runs, None, cx);
                    self.send_pieces(task, cx)
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
            return self.begin_fault(task, page, last, cx);
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
        for page in first..ahead.min(last).max(end) {
            if task.job().claimed.len() >= CLAIMS {
                if page < end {
                    task.kind = Kind::Fetch { first, end: page };
                }
                break;
            }
            match self.claim(task, page, cx) {
                Claim::Claimed | Claim::Has if page < end => super::pins::pin(task, page),
                Claim::Claimed | Claim::Has => {}
                // Being written into this moment.
                Claim::Busy if page < end => {
                    // What it has claimed is not claimed twice, in another order.
                    self.abandon(task, Errno::EIO, cx);
                    return self.again(task, cx);
                }
                Claim::NoMemory if page == first => return self.starve(task, cx),
                // Those before are there soon; whoever wants more asks again.
                Claim::NoMemory if page < end => {
                    task.kind = Kind::Fetch { first, end: page };
                    break;
                }
                Claim::Busy | Claim::NoMemory => break,
            }
        }
        if let Some(mark) = mark {
            task.file.with(|inner| inner.pages.get_mut(mark).map(|page| page.marks = true));
        }
        self.ask_claimed(task, cx)
    }

    /// A page that a program has touched is claimed first, then those around it that are absent
    /// and for which there is memory.
    fn begin_fault(
        &mut self,
        task: &mut Task<F>,
        page: u32,
        last: u32,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let before = task.job().claimed.len();
        match self.claim(task, page, cx) {
            Claim::Claimed | Claim::Has => super::pins::pin(task, page),
            Claim::Busy => return self.again(task, cx),
            Claim::NoMemory => return self.starve(task, cx),
        }
        if task.job().claimed.len() > before && task.tries == 0 {
            let first = page.saturating_sub(page % AROUND);
            for other in first..first.saturating_add(AROUND).min(last) {
                if other != page && matches!(self.claim(task, other, cx), Claim::NoMemory) {
                    break;
                }
            }
            task.job().claimed.sort_unstable();
            self.follow_faults(task, first, first.saturating_add(AROUND).min(last), cx);
        }
        self.ask_claimed(task, cx)
    }

    /// Who touches one block after the other has the next fetched too, as who reads in order:
    /// by requests of their own, so that nobody waits for them.
    fn follow_faults(&mut self, task: &Task<F>, first: u32, end: u32, cx: &mut Cx<'_, M>) {
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
    fn ask_claimed(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
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

    /// Claims a page, if it is absent.
    pub(super) fn claim(&mut self, task: &mut Task<F>, number: u32, cx: &Cx<'_, M>) -> Claim {
        Self::forget_failed(task, number);
        if task.job().claimed.try_reserve(1).is_err() {
            return Claim::NoMemory;
        }
        let has = task.file.with(|inner| {
            let page = inner.pages.get_mut(number)?;
            if page.state != State::Blank {
                return Some(Claim::Has);
            }
            if page.users > 0 {
                return Some(Claim::Busy);
            }
            // Somebody was to write it whole, and somebody else wants it before.
            page.state = State::Fetching;
            inner.dirty.remove(&number);
            Some(Claim::Claimed)
        });
        let has = match has {
            Some(Claim::Claimed) | None => has,
            Some(other) => return other,
        };
        if has.is_none() {
            let who = cx.activity();
            let name = task.file.name(number);
            let frame = match self.frame_for(who, name) {
                Some(frame) => frame,
                // What whoever asks has waited for.
                None => match task.spare.take() {
                    Some(spare) if self.bring(who, name, &spare) => spare,
                    _ => return Claim::NoMemory,
                },
            };
            let now = cx.now();
            let payer = (who, cx.root());
            let (put, first) = task.file.with(|inner| {
                let (serial, first) = (inner.next_serial(), inner.pages.len() == 0);
                (inner.pages.insert(number, Page::claimed(frame, payer, serial, now)), first)
            });
            if !put {
                return Claim::NoMemory;
            }
            if first {
                // Who has only looked it up keeps nothing of it for others.
                self.wiring.files.goes_to_user(&task.file);
            }
        }
        let owner = task.file.with(|inner| inner.pages.get(number).map(|page| page.owner));
        if let Some(owner) = owner {
            self.comes(owner);
        }
        task.job().claimed.push(number);
        Claim::Claimed
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

    /// Sends the pieces that a task has made, some in a run.
    pub(super) fn send_pieces(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        self.send(task, cx);
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
