//! What each activity has in the cache: how much is dirty, and which pages are to go first.

use alloc::collections::{BTreeSet, VecDeque};

use vortex_grid::Kept;
use vortex_units::{ActivityId, Cycles};

use super::work::Dirtier;
use super::{Cx, FileCache};
use crate::cache::{PageFrame, PageName};
use crate::requests::Mail;

/// What an activity may have dirty at least, and at most, in pages.
const LEAST: u64 = 4;
const MOST: u64 = 8192;

/// An activity's.
pub struct Account<M> {
    /// Pages that are to be written, or will be.
    pub dirty: u64,
    /// The files that they are of.
    pub files: BTreeSet<u32>,
    /// Requests that wait until fewer are.
    pub waiting: VecDeque<Kept<M>>,
    /// Requests that wait until a page can be given up for theirs.
    pub starved: VecDeque<Kept<M>>,
    /// Pages on its bill that are on their way.
    pub coming: u64,
    /// Its pieces that storage has.
    pub below: u32,
    /// And requests of others that wait until it has fewer.
    pub held: VecDeque<Kept<M>>,
    /// Pages on its bill, in the order in which they came; those used since go round.
    pub clock: VecDeque<PageName>,
}

impl<M> Default for Account<M> {
    fn default() -> Self {
        let (waiting, starved, clock) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let (files, held) = (BTreeSet::new(), VecDeque::new());
        Self { dirty: 0, coming: 0, below: 0, files, held, waiting, starved, clock }
    }
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// How many pages of an activity may be dirty: a quarter of what it may have.
    pub(super) fn most_dirty(&self, who: ActivityId) -> u64 {
        let most = self.wiring.frames.most(who).unwrap_or(u64::MAX);
        (most / 4).clamp(LEAST, MOST)
    }

    pub(super) fn dirty(&self, who: ActivityId) -> u64 {
        self.accounts.get(&who).map_or(0, |account| account.dirty)
    }

    /// A page of a file is to be written on somebody's bill.
    pub(super) fn count(&mut self, number: u32, who: ActivityId, now: Cycles) {
        let account = self.accounts.entry(who).or_default();
        account.dirty = account.dirty.saturating_add(1);
        account.files.insert(number);
        let work = self.works.entry(number).or_default();
        let new =
            Dirtier { pages: 0, writing: 0, since: now, busy: false, asked: now, refused: false };
        let dirtier = work.dirtiers.entry(who).or_insert(new);
        dirtier.pages = dirtier.pages.saturating_add(1);
    }

    /// It is not any more. Whether there may be room for one who waits.
    pub(super) fn uncount(&mut self, number: u32, who: ActivityId, cx: &mut Cx<'_, M>) {
        let most = self.most_dirty(who);
        if let Some(work) = self.works.get_mut(&number)
            && let Some(dirtier) = work.dirtiers.get_mut(&who)
        {
            dirtier.pages = dirtier.pages.saturating_sub(1);
            // Who is busy comes back for it.
            if dirtier.pages == 0 && !dirtier.busy {
                work.dirtiers.remove(&who);
            }
            if !work.dirtiers.contains_key(&who)
                && let Some(account) = self.accounts.get_mut(&who)
            {
                account.files.remove(&number);
            }
        }
        let Some(account) = self.accounts.get_mut(&who) else { return };
        account.dirty = account.dirty.saturating_sub(1);
        let fewer = account.dirty.saturating_mul(4) <= most.saturating_mul(3);
        self.wake_starved(who, cx);
        if fewer {
            self.wake_dirty(who, cx);
        }
        self.account_ends(who);
    }

    /// A page on an activity's bill is on its way.
    pub(super) fn comes(&mut self, who: ActivityId) {
        let account = self.accounts.entry(who).or_default();
        account.coming = account.coming.saturating_add(1);
    }

    /// It is not any more: who waits for memory may have that.
    pub(super) fn came(&mut self, who: ActivityId, cx: &mut Cx<'_, M>) {
        let Some(account) = self.accounts.get_mut(&who) else { return };
        account.coming = account.coming.saturating_sub(1);
        self.wake_starved(who, cx);
        self.account_ends(who);
    }

    pub(super) fn account_ends(&mut self, who: ActivityId) {
        let over = |account: &Account<M>| {
            let nobody = account.waiting.is_empty() && account.starved.is_empty();
            let nothing = account.dirty == 0 && account.coming == 0 && account.below == 0;
            nothing && nobody && account.held.is_empty() && account.clock.is_empty()
        };
        if self.accounts.get(&who).is_some_and(over) {
            self.accounts.remove(&who);
        }
    }
}
