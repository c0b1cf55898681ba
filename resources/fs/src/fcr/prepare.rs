//! Bytes that are going to be written: their pages get blocks, and what of them stays is there.
//!
//! A page that was there before is held until EXT2R has answered, and one that was not is
//! claimed: so that nobody else finds a block that has just got its place, and reads there
//! what was never the file's.

use vortex_abi::Errno;
use vortex_grid::{At, Outcome};
use vortex_units::{ActivityId, Cycles};

use super::claim::{CLAIMS, Claim, Left};
use super::fetch::FEW;
use super::install::{any_kept, first_without, place_page};
use super::pins::{pin, unpin};
use super::waiting::Waits;
use super::{Cx, FileCache, Heard, Next};
use crate::cache::{CachedFile, Dirtied, PAGE_BYTES, Page, PageFrame, State, page_of, pages_for};
use crate::names::Times;
use crate::requests::{Answer, CacheReply, Kind, Mail, Operation, Run, Stage, Task};

/// Blocks whose places are asked for at once.
const BLOCKS: u32 = 32;
/// How often who has too much unwritten waits for less.
const WAITS: u8 = 16;

/// What a prepared range is.
#[derive(Clone, Copy)]
struct Range {
    from: u64,
    to: u64,
    first: u32,
    end: u32,
}

fn range<F>(task: &Task<F>) -> Range {
    let (from, to) = match task.kind {
        Kind::Prepare { from, to } => (from, to),
        _ => (0, 0),
    };
    let (first, end) = task.kind.pages();
    Range { from, to, first, end }
}

/// The page in which the file ends, if it ends in the middle of one and is to grow from behind
/// that, and this is seen to first: what is behind its end there is to be zeros on the disk too;
/// and what is between has places, if programs can write to it by a mapping.
fn ends_before<F: PageFrame>(task: &mut Task<F>) -> Option<u32> {
    let (size, from) = (task.file.size(), range(task).from);
    let last = page_of(size);
    if from <= size || size.is_multiple_of(PAGE_BYTES) || task.job().begun {
        return None;
    }
    (last < page_of(from) || has_gap(task)).then_some(last)
}

/// Whether there are such blocks without places.
fn has_gap<F: PageFrame>(task: &Task<F>) -> bool {
    let (size, from, block) = (task.file.size(), range(task).from, task.file.block_size());
    !task.maps && task.file.with(|inner| inner.gap(size, from, block)).is_some()
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    pub(super) fn prepare(
        &mut self,
        task: &mut Task<F>,
        heard: Heard,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        match task.stage {
            Stage::Begin => self.begin_prepare(task, cx),
            // Whatever it has heard: what fails, fails when it is done.
            Stage::Easing => {
                task.stage = Stage::Begin;
                self.begin_prepare(task, cx)
            }
            Stage::Claiming => self.claim_prepared(task, cx),
            Stage::Asked => self.hear_prepare(task, heard, cx),
            Stage::Sending => self.send_pieces(task, cx),
            _ => self.look_prepared(task, cx),
        }
    }

    fn begin_prepare(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let Range { from, to, first, end } = range(task);
        if from >= to {
            return self.finish(task, CacheReply::Prepared(Ok(to)), cx);
        }
        if let Some(waits) = self.wait_for_less(task, cx) {
            return waits;
        }
        if let Some(waits) = self.ease(task, cx) {
            return waits;
        }
        if !self.enter(task) {
            return self.wait(task, Waits::Gate, cx);
        }
        let ends = ends_before(task);
        let (first, end) = ends.map_or((first, end), |page| (page, page.saturating_add(1)));
        let fetching = |page: &Page<F>| page.state == State::Fetching;
        let coming = task
            .file
            .with(|inner| (first..end).any(|page| inner.pages.get(page).is_some_and(fetching)));
        if coming {
            self.lend(task, first, end, cx);
            return self.wait(task, Waits::Pages(first, end), cx);
        }
        if let Some(page) = ends {
            match self.claim(task, page, &mut Left::new(), cx) {
                Claim::Claimed => {}
                Claim::Has | Claim::Coming => pin(task, page),
                Claim::Busy => return self.again(task, cx),
                Claim::NoMemory => return self.starve(task, cx),
            }
            let gap = has_gap(task).then(|| self.fill_gap(task, page));
            return self.ask_prepare(task, page, end, gap, cx);
        }
        task.job().at = first;
        self.claim_prepared(task, cx)
    }

    /// Claims what is to be written, from where it has come to.
    fn claim_prepared(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let Range { from, first, end, .. } = range(task);
        let most = most_claims(task.file.blocks_a_page());
        let mut left = Left::new();
        for page in task.job().at..end {
            if !left.has_one() {
                return Self::claim_on(task, page);
            }
            let claimed = match task.job().claimed.len() < most {
                true => self.claim(task, page, &mut left, cx),
                false => Claim::NoMemory,
            };
            match claimed {
                Claim::Claimed => {}
                Claim::Has => pin(task, page),
                Claim::Busy => {
                    self.abandon(task, Errno::EIO, cx);
                    return self.again(task, cx);
                }
                Claim::NoMemory if page == first => return self.starve(task, cx),
                Claim::Coming if page == first => return self.again(task, cx),
                // The one that somebody has claimed since this was begun is another's to wait for.
                Claim::NoMemory | Claim::Coming => {
                    let to = u64::from(page).saturating_mul(PAGE_BYTES);
                    task.kind = Kind::Prepare { from, to };
                    break;
                }
            }
        }
        let end = range(task).end;
        let wanted = wanted(task);
        if task.job().claimed.is_empty() && self.all_backed(task, wanted) {
            return self.look_prepared(task, cx);
        }
        self.ask_prepare(task, first, end, Some(wanted), cx)
    }

    /// The blocks of the page in which a file ends, up to where it is written next.
    fn fill_gap(&self, task: &Task<F>, page: u32) -> (u32, u32) {
        let start = u64::from(page).saturating_mul(PAGE_BYTES);
        let to = range(task).from.min(start.saturating_add(PAGE_BYTES));
        task.file.with(|inner| inner.reached = inner.reached.max(to));
        let block = u64::from(task.file.block_size()).max(1);
        (of(start.checked_div(block)), of(Some(to.div_ceil(block))))
    }

    fn ask_prepare(
        &mut self,
        task: &mut Task<F>,
        first: u32,
        end: u32,
        wanted: Option<(u32, u32)>,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let each = task.file.blocks_a_page();
        let (ino, block) = (task.file.id().ino, first.saturating_mul(each));
        let count = end.saturating_sub(first).saturating_mul(each);
        let map = Operation::Map { ino, block, count, wanted };
        match self.ask_for(task, map, Stage::Asked, cx) {
            Ok(next) => next,
            Err(error) => self.failed(task, error, cx),
        }
    }

    /// An activity with too many dirty pages waits until there are fewer, and nobody else does;
    /// from half of that on they are written.
    fn wait_for_less(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Option<Next<M, F>> {
        let who = cx.activity();
        let (dirty, most) = (self.dirty(who), self.most_dirty(who));
        let writes = dirty.saturating_mul(2) >= most && self.write_own(cx);
        // Pages that are prepared and not written yet are not waited for; those that a mapping
        // holds stay dirty, however often they are written.
        if dirty < most || !writes || task.job().waited >= WAITS {
            return None;
        }
        task.job().waited = task.job().waited.saturating_add(1);
        self.leave(task, cx);
        let account = self.accounts.entry(who).or_default();
        let room = account.waiting.try_reserve(1).is_ok();
        let Some(kept) = room.then(|| cx.keep()).flatten() else {
            return Some(self.failed(task, Errno::ENOMEM, cx));
        };
        account.waiting.push_back(kept);
        Some(Outcome::Kept)
    }

    /// The same where too much of what EXT2R has changed for it is not written: before it is
    /// inside, so that nobody waits with it.
    fn ease(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Option<Next<M, F>> {
        let owes = self.wiring.owing.owes(task.file.id().mount, cx.activity());
        if !owes || core::mem::replace(&mut task.job().eased, true) {
            return None;
        }
        self.leave(task, cx);
        self.ask_for(task, Operation::Ease, Stage::Easing, cx).ok()
    }

    /// Whether these blocks have places already, as far as their pages know.
    fn all_backed(&self, task: &mut Task<F>, (from, end): (u32, u32)) -> bool {
        let each = task.file.blocks_a_page();
        task.file.with(|inner| {
            (from..end).all(|block| {
                let page = block.checked_div(each).and_then(|page| inner.pages.get(page));
                let within = block.checked_rem(each).unwrap_or(0) as usize;
                page.is_some_and(|page| page.is_backed((within, within.saturating_add(1))))
            })
        })
    }

    fn hear_prepare(&mut self, task: &mut Task<F>, heard: Heard, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let Range { from, .. } = range(task);
        let block = task.file.block_size();
        let (first, end) = wanted(task);
        let pages = task.kind.pages();
        let many = pages.1.saturating_sub(pages.0) > FEW as u32;
        let runs = match heard {
            Some(Ok(Answer::Runs(runs))) => runs,
            // Not all of it has room: perhaps less has.
            Some(Err(Errno::ENOSPC)) if end.saturating_sub(first) > 1 && !task.maps => {
                self.abandon(task, Errno::ENOSPC, cx);
                let half = first.saturating_add(end.saturating_sub(first) / 2);
                let to = u64::from(half).saturating_mul(u64::from(block));
                task.kind = Kind::Prepare { from, to };
                task.stage = Stage::Begin;
                return Outcome::Continue(At::beginning());
            }
            Some(Err(error)) => return self.failed(task, error, cx),
            _ => return self.failed(task, Errno::EIO, cx),
        };
        if ends_before(task).is_some() {
            self.place_pinned(task, &runs);
            self.install(task, &runs, None, cx);
            return self.send_pieces(task, cx);
        }
        if let Some(without) = first_without(&runs, first, end) {
            // A page that is mapped is written to anywhere.
            if without == first || task.maps {
                return self.failed(task, Errno::ENOSPC, cx);
            }
            let to = u64::from(without).saturating_mul(u64::from(block));
            task.kind = Kind::Prepare { from, to };
        }
        self.install_prepared(task, &runs, cx);
        self.send_installed(task, many, cx)
    }

    /// Pages that have stayed for a task get their places.
    fn place_pinned(&self, task: &mut Task<F>, runs: &[Run]) -> alloc::vec::Vec<(u32, u32)> {
        let each = task.file.blocks_a_page();
        let pinned = core::mem::take(&mut task.job().pinned);
        for &(number, serial) in &pinned {
            task.file.with(|inner| {
                let page = inner.pages.get_mut(number).filter(|page| page.serial == serial);
                if let Some(page) = page {
                    page.pins = page.pins.saturating_sub(1);
                    place_page(page, number, runs, each);
                }
            });
        }
        pinned
    }

    /// All that is prepared becomes dirty, or will be when the rest of it has come.
    fn install_prepared(&mut self, task: &mut Task<F>, runs: &[Run], cx: &mut Cx<'_, M>) {
        let (who, now) = (cx.activity(), cx.now());
        let Range { from, to, .. } = range(task);
        let each = task.file.blocks_a_page();
        let file = task.file.clone();
        for (number, _) in self.place_pinned(task, runs) {
            if u64::from(number).saturating_mul(PAGE_BYTES) < to {
                self.mark(&file, number, who, now);
            }
        }
        let whole = (pages_for(from), page_of(to));
        let claimed = task.job().claimed.clone();
        for &number in claimed.iter().filter(|number| **number < pages_for(to)) {
            let new = file.with(|inner| {
                let round = inner.round;
                let page = inner.pages.get_mut(number)?;
                let new = page.dirtied.is_none();
                page.dirtied.get_or_insert(Dirtied { by: who, round, since: now });
                new.then_some(())
            });
            if new.is_some() {
                self.count(file.number(), who, now);
            }
        }
        self.install(task, runs, Some(whole), cx);
        for number in claimed {
            if (whole.0..whole.1).contains(&number) {
                let first = number.saturating_mul(each);
                let blank = any_kept(runs, first, first.saturating_add(each));
                if let Some(owner) = become_written(&file, number, blank, now) {
                    self.came(owner, cx);
                }
            }
        }
        file.with(|inner| inner.reached = inner.reached.max(to));
    }

    /// Whether all that was asked for is there now.
    pub(super) fn look_prepared(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        unpin(task);
        let end_page = ends_before(task);
        let Range { to, first, end, .. } = range(task);
        let (first, end) = end_page.map_or((first, end), |page| (page, page.saturating_add(1)));
        let found = task.file.with(|inner| {
            let mut coming = false;
            for number in first..end {
                match inner.pages.get(number).map(|page| page.state) {
                    Some(State::Fetching) => coming = true,
                    Some(State::Failed(error, _)) => return Err(Some(error)),
                    Some(_) => {}
                    None => return Err(None),
                }
            }
            Ok(coming)
        });
        match found {
            Ok(true) => {
                task.stage = Stage::Waiting;
                return self.wait(task, Waits::Pages(first, end), cx);
            }
            Ok(false) => {}
            Err(Some(error)) => return self.failed(task, error, cx),
            Err(None) => return self.again(task, cx),
        }
        let (who, now) = (cx.activity(), cx.now());
        let file = task.file.clone();
        for number in first..end {
            self.mark(&file, number, who, now);
        }
        if let Some(page) = end_page {
            let size = file.size();
            file.with(|inner| {
                // Who writes there now makes the file longer.
                let idle = inner.pages.get(page).filter(|page| page.users == 0);
                let frame = idle.and_then(|page| page.frame.as_ref());
                super::piece::clear_behind(frame, page, size);
            });
            task.job().begun = true;
            task.stage = Stage::Begin;
            return Outcome::Continue(At::beginning());
        }
        if task.maps {
            let now = Some(self.wiring.time(cx.now()));
            let times = Times { accessed: None, modified: now, changed: now };
            task.file.touch(cx.activity(), times);
            task.file.with(|inner| inner.mapped = now);
        }
        self.finish(task, CacheReply::Prepared(Ok(to)), cx)
    }

    /// A page is going to be written to. If the disk is being given it, without the places that
    /// it may have got since, it goes once more, whether or not it is written to then.
    pub(super) fn mark(&mut self, file: &CachedFile<F>, number: u32, who: ActivityId, now: Cycles) {
        let marked = file.with(|inner| {
            let round = inner.round;
            let Some(page) = inner.pages.get_mut(number) else { return false };
            if page.state == State::Writing {
                page.again.get_or_insert(Dirtied { by: who, round, since: now });
            }
            if page.state != State::Clean || page.places.iter().all(|place| *place == 0) {
                return false;
            }
            page.state = State::Dirty;
            page.dirtied = Some(Dirtied { by: who, round, since: now });
            inner.dirty.insert(number);
            inner.owe(round);
            true
        });
        if marked {
            self.count(file.number(), who, now);
        }
    }
}

/// A page that is written in whole is not fetched: it may be written to, and read when it was,
/// or at once where there was nothing before.
fn become_written<F: PageFrame>(
    file: &CachedFile<F>,
    number: u32,
    blank: bool,
    now: Cycles,
) -> Option<ActivityId> {
    file.with(|inner| {
        let page = inner.pages.get_mut(number).filter(|page| page.state == State::Fetching)?;
        let owner = page.owner;
        page.fetched.time = now.saturating_sub(page.fetched.time);
        page.state = if blank { State::Blank } else { State::Dirty };
        let round = page.dirtied.map(|dirtied| dirtied.round);
        inner.dirty.insert(number);
        if let Some(round) = round.filter(|_| !blank) {
            inner.owe(round);
        }
        Some(owner)
    })
}

/// Pages that are claimed before it is asked where they are, by the blocks of each: what takes long of a page is each
/// of its blocks.
fn most_claims(each: u32) -> usize {
    (BLOCKS.checked_div(each).unwrap_or(0) as usize).clamp(1, CLAIMS)
}

/// The blocks that are to have places.
fn wanted<F: PageFrame>(task: &Task<F>) -> (u32, u32) {
    let Range { from, to, .. } = range(task);
    let block = u64::from(task.file.block_size()).max(1);
    (of(from.checked_div(block)), of(Some(to.div_ceil(block))))
}

/// A block's number.
fn of(block: Option<u64>) -> u32 {
    block.and_then(|block| u32::try_from(block).ok()).unwrap_or(u32::MAX)
}
