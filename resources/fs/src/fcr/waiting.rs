//! Who waits at a file, found by what for, and how all of them look again: some in a run, however
//! many they are.
//!
//! # Invariants
//! - Who comes to wait after others were to look again does not look again for that: numbers are
//!   given in the order of coming.

use alloc::collections::{BTreeMap, VecDeque};

use vortex_grid::{At, Kept, Labels, Outcome};
use vortex_units::ActivityId;

use super::{Cx, FileCache, Next};
use crate::cache::PageFrame;
use crate::requests::{CacheRequest, MOST_PAGES, Mail};

/// Those that look again, or are passed over, in one run.
const LOOKS: usize = 24;

/// For what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// That it may enter, or have the file alone.
    Gate,
    /// That nobody is inside.
    Idle,
    /// That one of these pages is at another state.
    Pages(u32, u32),
    /// That nothing goes on with the file any more.
    Over,
}

impl Waits {
    /// That any page is.
    pub const ANY: Self = Self::Pages(0, u32::MAX);
}

/// They.
pub struct Waiting<M> {
    /// For a few pages, by the first of them and when they came: with the page behind the last.
    pages: BTreeMap<(u32, u64), (u32, Kept<M>)>,
    /// For any.
    any: VecDeque<(u64, Kept<M>)>,
    gate: VecDeque<(u64, Kept<M>)>,
    idle: VecDeque<(u64, Kept<M>)>,
    over: VecDeque<(u64, Kept<M>)>,
    came: u64,
}

impl<M> Default for Waiting<M> {
    fn default() -> Self {
        let (any, gate) = (VecDeque::new(), VecDeque::new());
        let (idle, over) = (VecDeque::new(), VecDeque::new());
        Self { pages: BTreeMap::new(), any, gate, idle, over, came: 0 }
    }
}

/// Those who waited when this was made are to look again.
pub struct Wake {
    what: Waits,
    upto: u64,
    /// How far the lists of pages have been looked through.
    at: (u32, u64),
}

impl<M> Waiting<M> {
    /// One more waits.
    pub fn add(&mut self, what: Waits, kept: Kept<M>) {
        self.came = self.came.saturating_add(1);
        let number = self.came;
        match what {
            Waits::Pages(first, end) if end.saturating_sub(first) <= MOST_PAGES => {
                self.pages.insert((first, number), (end, kept));
            }
            what => self.line(what).push_back((number, kept)),
        }
    }

    fn line(&mut self, what: Waits) -> &mut VecDeque<(u64, Kept<M>)> {
        match what {
            Waits::Gate => &mut self.gate,
            Waits::Idle => &mut self.idle,
            Waits::Over => &mut self.over,
            Waits::Pages(..) => &mut self.any,
        }
    }

    /// All who wait for this now.
    pub fn all(&self, what: Waits) -> Wake {
        let first = match what {
            Waits::Pages(first, _) => first.saturating_sub(MOST_PAGES),
            _ => 0,
        };
        Wake { what, upto: self.came, at: (first, 0) }
    }

    /// Some of them, who do not wait any more. `None` when there are no more of them.
    fn take(&mut self, wake: &mut Wake, looks: &mut usize) -> Option<Kept<M>> {
        let upto = wake.upto;
        let line = self.line(wake.what);
        if line.front().is_some_and(|(number, _)| *number <= upto) {
            *looks = looks.saturating_sub(1);
            return line.pop_front().map(|(_, kept)| kept);
        }
        let Waits::Pages(first, end) = wake.what else { return None };
        while *looks > 0 && wake.at < (end, 0) {
            let next = self.pages.range(wake.at..(end, 0)).next();
            let (&(page, number), &(behind, _)) = next?;
            *looks = looks.saturating_sub(1);
            wake.at = (page, number.saturating_add(1));
            if number <= upto && behind > first {
                return self.pages.remove(&(page, number)).map(|(_, kept)| kept);
            }
        }
        None
    }

    /// Whether there is nobody, but for those who wait for just that.
    pub fn is_quiet(&self) -> bool {
        let lines = [&self.any, &self.gate, &self.idle];
        self.pages.is_empty() && lines.into_iter().all(VecDeque::is_empty)
    }

    /// Whether there is nobody at all.
    pub fn is_empty(&self) -> bool {
        self.is_quiet() && self.over.is_empty()
    }
}

/// Those of whom some have still to look again.
pub(super) enum Woken {
    /// At a file.
    File(u32, Wake),
    /// Of an activity: so many of those that wait for fewer dirty pages, or for memory.
    Dirty(ActivityId, usize),
    Starved(ActivityId, usize),
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Those who wait for such a thing look again.
    pub(super) fn wake(&mut self, number: u32, what: Waits, cx: &mut Cx<'_, M>) {
        let Some(work) = self.works.get(&number) else { return };
        let wake = work.waits.all(what);
        self.look_again(Woken::File(number, wake), cx);
    }

    /// So many of an activity that wait for memory.
    pub(super) fn wake_starved(&mut self, who: ActivityId, cx: &mut Cx<'_, M>) {
        let count = self.accounts.get(&who).map_or(0, |account| account.starved.len());
        self.look_again(Woken::Starved(who, count), cx);
    }

    /// So many of an activity that wait for fewer dirty pages.
    pub(super) fn wake_dirty(&mut self, who: ActivityId, cx: &mut Cx<'_, M>) {
        let count = self.accounts.get(&who).map_or(0, |account| account.waiting.len());
        self.look_again(Woken::Dirty(who, count), cx);
    }

    /// Some at once, and the others in runs of a request of the infrastructure's, on the bill of
    /// who runs now: nobody waits for what somebody in debt would do.
    fn look_again(&mut self, mut woken: Woken, cx: &mut Cx<'_, M>) {
        while self.some_look(&mut woken, cx) {
            if self.waker.is_there() && self.waker.lists.try_reserve(1).is_ok() {
                self.waker.lists.push_back((cx.activity(), woken));
                if let Some(kept) = self.waker.kept.take() {
                    // Kept here, by this resource.
                    let _ = cx.go_on(kept, At::<M, Self>::beginning());
                }
                return;
            }
            // There is nobody, or no room, to do it later.
        }
    }

    /// Some of them look again. Whether there may be more.
    fn some_look(&mut self, woken: &mut Woken, cx: &mut Cx<'_, M>) -> bool {
        let mut looks = LOOKS;
        while looks > 0 {
            let kept = match woken {
                Woken::File(number, wake) => {
                    let Some(work) = self.works.get_mut(number) else { return false };
                    match work.waits.take(wake, &mut looks) {
                        Some(kept) => kept,
                        None => return looks == 0,
                    }
                }
                Woken::Dirty(who, left) | Woken::Starved(who, left) if *left == 0 => {
                    let who = *who;
                    self.account_ends(who);
                    return false;
                }
                Woken::Dirty(who, left) => {
                    (*left, looks) = (left.saturating_sub(1), looks.saturating_sub(1));
                    let account = self.accounts.get_mut(who);
                    let Some(kept) = account.and_then(|it| it.waiting.pop_front()) else {
                        return false;
                    };
                    kept
                }
                Woken::Starved(who, left) => {
                    (*left, looks) = (left.saturating_sub(1), looks.saturating_sub(1));
                    let account = self.accounts.get_mut(who);
                    let Some(kept) = account.and_then(|it| it.starved.pop_front()) else {
                        return false;
                    };
                    kept
                }
            };
            // Kept here, by this resource.
            let _ = cx.go_on(kept, At::<M, Self>::beginning());
        }
        true
    }

    /// The rest of those who are to look again, some in a run; then it is kept until there are
    /// more.
    pub(super) fn wake_more(&mut self, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let Some((by, mut woken)) = self.waker.lists.pop_front() else {
            self.waker.kept = cx.keep();
            self.waker.runs = false;
            return if self.waker.is_there() { Outcome::Kept } else { Outcome::Done };
        };
        self.waker.runs = true;
        cx.bill_run(by);
        if self.some_look(&mut woken, cx) {
            self.waker.lists.push_back((by, woken));
        } else if let Woken::File(number, _) = woken {
            self.works_end(number, cx);
        }
        Outcome::Continue(At::beginning())
    }

    /// The infrastructure's request that sees to those who look again is made, where there is
    /// none: in a run of the infrastructure's.
    pub(super) fn make_waker(&mut self, cx: &mut Cx<'_, M>) {
        if !self.waker.is_there()
            && let Some(ports) = self.wiring.ports.get()
        {
            let sent = cx.send(ports.cache, Labels::NONE, CacheRequest::wake());
            self.waker.runs = sent.is_ok();
        }
    }
}

/// The infrastructure's request that has those look again whom nobody else has, and who they are.
pub(super) struct Waker<M> {
    lists: VecDeque<(ActivityId, Woken)>,
    /// It, while there is nobody.
    kept: Option<Kept<M>>,
    /// It is on its way, or at it.
    runs: bool,
}

impl<M> Default for Waker<M> {
    fn default() -> Self {
        Self { lists: VecDeque::new(), kept: None, runs: false }
    }
}

impl<M> Waker<M> {
    fn is_there(&self) -> bool {
        self.runs || self.kept.is_some()
    }
}
