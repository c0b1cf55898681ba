//! Pages that are absent are claimed: by one, who has them fetched or writes them; some in a run.

use vortex_abi::Errno;
use vortex_grid::{At, Outcome};

use super::pins::pin;
use super::{Cx, FileCache, Next};
use crate::cache::{Page, PageFrame, State, pages_for};
use crate::requests::{BLOCK_PAGES, Kind, Mail, Stage, Task};

/// Pages that are claimed at most, before it is asked where they are.
pub(super) const CLAIMS: usize = 16;
/// Pages that are fetched with one that a program has touched, those before and behind it in
/// the same block.
pub(super) const AROUND: u32 = BLOCK_PAGES;

/// What may be done in one run, in looks at pages that could go for others: a page that is
/// claimed is worth so many, and as many are looked at for it as [`super::aside::LOOKS`].
const RUN: u32 = 150;
const CLAIM: u32 = 10;

/// What became of a claim.
pub(super) enum Claim {
    /// The page is this task's to fetch.
    Claimed,
    /// Somebody has it: it is there.
    Has,
    /// Or on its way.
    Coming,
    /// Somebody is writing into it, and nobody may read it before.
    Busy,
    NoMemory,
}

/// What may still be done in this run.
pub(super) struct Left(u32);

impl Left {
    /// All.
    pub(super) const fn new() -> Self {
        Self(RUN)
    }

    /// Whether one more page may be claimed, whatever that takes.
    pub(super) const fn has_one(&self) -> bool {
        self.0 >= CLAIM.saturating_add(super::aside::LOOKS)
    }

    /// So many pages were looked at.
    pub(super) fn looked(&mut self, looks: u32) {
        self.0 = self.0.saturating_sub(looks);
    }
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Claims what a task is about and what is to be read ahead, from where it has come to. Then it
    /// is asked where that is.
    pub(super) fn claim_ahead(&mut self, task: &mut Task<F>, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let (first, end) = task.kind.pages();
        let end = end.min(pages_for(task.file.size()));
        let (from, upto) = (task.job().at, task.job().upto);
        let mut left = Left::new();
        for page in from..upto {
            if task.job().claimed.len() >= CLAIMS {
                if page < end {
                    task.kind = Kind::Fetch { first, end: page };
                }
                break;
            }
            if !left.has_one() {
                return Self::claim_on(task, page);
            }
            match self.claim(task, page, &mut left, cx) {
                Claim::Claimed | Claim::Has | Claim::Coming if page < end => pin(task, page),
                Claim::Claimed | Claim::Has | Claim::Coming => {}
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
        if let Some(mark) = task.job().mark.take() {
            task.file.with(|inner| inner.pages.get_mut(mark).map(|page| page.marks = true));
        }
        self.ask_claimed(task, cx)
    }

    /// A page that a program has touched is claimed first, then those around it that are absent
    /// and for which there is memory.
    pub(super) fn begin_fault(
        &mut self,
        task: &mut Task<F>,
        page: u32,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let (before, mut left) = (task.job().claimed.len(), Left::new());
        match self.claim(task, page, &mut left, cx) {
            Claim::Claimed | Claim::Has | Claim::Coming => pin(task, page),
            Claim::Busy => return self.again(task, cx),
            Claim::NoMemory => return self.starve(task, cx),
        }
        if task.job().claimed.len() == before || task.tries > 0 {
            return self.ask_claimed(task, cx);
        }
        let first = page.saturating_sub(page % AROUND);
        let last = pages_for(task.file.size());
        let job = task.job();
        (job.at, job.upto) = (first, first.saturating_add(AROUND).min(last));
        self.claim_around(task, page, &mut left, cx)
    }

    /// Those around it, from where it has come to.
    pub(super) fn claim_around(
        &mut self,
        task: &mut Task<F>,
        page: u32,
        left: &mut Left,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let (from, upto) = (task.job().at, task.job().upto);
        for other in from..upto {
            if !left.has_one() {
                return Self::claim_on(task, other);
            }
            let claims = other != page;
            if claims && matches!(self.claim(task, other, left, cx), Claim::NoMemory) {
                break;
            }
        }
        task.job().claimed.sort_unstable();
        self.follow_faults(task, page.saturating_sub(page % AROUND), upto, cx);
        self.ask_claimed(task, cx)
    }

    /// A task goes on to claim from this page on, in another run.
    pub(super) fn claim_on(task: &mut Task<F>, page: u32) -> Next<M, F> {
        task.job().at = page;
        task.stage = Stage::Claiming;
        Outcome::Continue(At::beginning())
    }

    /// Claims a page, if it is absent.
    pub(super) fn claim(
        &mut self,
        task: &mut Task<F>,
        number: u32,
        left: &mut Left,
        cx: &Cx<'_, M>,
    ) -> Claim {
        if task.job().claimed.try_reserve(1).is_err() {
            return Claim::NoMemory;
        }
        let found = task.file.with(|inner| {
            let page = inner.pages.get_mut(number)?;
            match page.state {
                // It failed before, and is asked for anew.
                State::Failed(..) => {
                    inner.pages.remove(number);
                    None
                }
                State::Blank if page.users > 0 => Some(Err(Claim::Busy)),
                // Somebody was to write it whole, and somebody else wants it before.
                State::Blank => {
                    page.state = State::Fetching;
                    let owner = page.owner;
                    inner.dirty.remove(&number);
                    Some(Ok(owner))
                }
                State::Fetching => Some(Err(Claim::Coming)),
                State::Clean | State::Dirty | State::Writing => Some(Err(Claim::Has)),
            }
        });
        let owner = match found {
            Some(Ok(owner)) => owner,
            Some(Err(other)) => return other,
            None => {
                if !self.make_page(task, number, left, cx) {
                    return Claim::NoMemory;
                }
                cx.activity()
            }
        };
        self.comes(owner);
        task.job().claimed.push(number);
        Claim::Claimed
    }

    /// A page that is to be fetched comes to be. False where there is no memory for it.
    fn make_page(
        &mut self,
        task: &mut Task<F>,
        number: u32,
        left: &mut Left,
        cx: &Cx<'_, M>,
    ) -> bool {
        left.looked(CLAIM);
        let who = cx.activity();
        let name = task.file.name(number);
        let frame = match self.frame_for(who, name, left) {
            Some(frame) => frame,
            // What whoever asks has waited for.
            None => match task.spare.take() {
                Some(spare) if self.bring(who, name, &spare) => spare,
                _ => return false,
            },
        };
        let now = cx.now();
        let payer = (who, cx.root());
        let (put, first) = task.file.with(|inner| {
            let (serial, first) = (inner.next_serial(), inner.pages.len() == 0);
            (inner.pages.insert(number, Page::claimed(frame, payer, serial, now)), first)
        });
        if put && first {
            // Who has only looked it up keeps nothing of it for others.
            self.wiring.files.goes_to_user(&task.file);
        }
        put
    }
}
