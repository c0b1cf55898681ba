//! Parts of an activity: sub-activities, for some of a process's threads.
//!
//! A part is an activity like any other, but that what it is entitled to is divided out of
//! its whole's, at every scheduler and in whole numbers: so the sum is at all times what the
//! whole alone would have, and who divides himself earns nothing (law 3). A part has no
//! parts.
//!
//! ```text
//!   divide ──► a part: whole w - p, part p ──► end: whole w - 1, part 1, while its last
//!                                              requests return ──► gone: whole w
//! ```
//!
//! # Invariants
//! - At each scheduler: what a whole has left + what its parts have = what it was created
//!   with. None of them is ever nothing.
//! - A core tells its policies before it lets anything more run ([`Post::reweigh`]); a part's
//!   client is made with what it has, after its whole's was told.
//!
//! [`Post::reweigh`]: crate::post::Post::reweigh

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_units::{ActivityId, Cycles};

use crate::activity::Activities;
use crate::context::{Context, Removed, SendError};
use crate::entitlement::{Entitlement, WHOLE};
use crate::kind::Family;
use crate::labels::Labels;
use crate::message::{Carries, Message, Port};
use crate::resource::Resource;
use crate::shared::Grid;

/// Parts that an activity may have at a time, those included whose last requests have not
/// returned.
const MOST: u32 = 15;
/// The fewest requests that a part, and what is left of its whole, may have outstanding.
const FEWEST: u32 = 32;
/// Parts that are gone of which it is remembered what they used.
const REMEMBERED: usize = 16;

/// What a part of an activity is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// So many thousandths of what the whole is entitled to, at every scheduler.
    pub thousandths: u32,
    /// The most requests that it may have outstanding, taken off its whole's; as many
    /// thousandths of them if `None`.
    pub nodes: Option<u32>,
}

/// Why an activity was not divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undivided {
    /// There is no such activity, or it is dying, or is itself a part.
    NoWhole,
    /// A part of nothing, or one with which nothing would be left of the whole.
    Share,
    /// It has as many parts as it may, or there are as many activities as there can be, or
    /// too few requests would be left for one of both.
    TooMany,
}

/// Of what an activity is a part, and what it was created with.
#[derive(Default)]
pub(crate) struct Root {
    /// The whole's place and generation, and one; zero for who is no part.
    of: AtomicU64,
    /// Which part it is, counted from one over all that its whole ever had.
    ordinal: AtomicU32,
    /// Its thousandths of its whole, and those that its own parts have.
    thousandths: AtomicU32,
    given: AtomicU32,
    /// Parts that it has, and has had.
    parts: AtomicU32,
    made: AtomicU32,
    /// Cycles that it had used when it was gone, as far as cores have closed their accounts.
    used: AtomicU64,
    /// The same of parts that it had, and of those together for which there was no place.
    gone: Mutex<Vec<(u32, Cycles)>>,
    gone_unnamed: AtomicU64,
    /// Nodes that were taken off its whole's.
    nodes: AtomicU32,
    /// What it was created with, of which its parts get theirs.
    whole: Mutex<Option<Arc<Entitlement>>>,
}

impl Root {
    pub fn begin(&self, whole: Arc<Entitlement>) {
        self.of.store(0, Ordering::Relaxed);
        self.parts.store(0, Ordering::Relaxed);
        self.made.store(0, Ordering::Relaxed);
        self.given.store(0, Ordering::Relaxed);
        self.used.store(0, Ordering::Relaxed);
        self.gone_unnamed.store(0, Ordering::Relaxed);
        self.gone.lock().clear();
        *self.whole.lock() = Some(whole);
    }

    /// Its parts get theirs of this from now on; it has none.
    pub fn begin_with(&self, whole: Arc<Entitlement>) {
        *self.whole.lock() = Some(whole);
    }

    pub fn end(&self) {
        self.of.store(0, Ordering::Relaxed);
        *self.whole.lock() = None;
    }

    fn of(&self) -> Option<ActivityId> {
        let of = self.of.load(Ordering::Acquire).checked_sub(1)?;
        Some(ActivityId::new((of >> 32) as u32, of as u32))
    }
}

impl Activities {
    /// The activity of which this one is a part; itself if it is none.
    #[must_use]
    pub fn root(&self, activity: ActivityId) -> ActivityId {
        self.place(activity).and_then(|place| place.root.of()).unwrap_or(activity)
    }

    /// Which part of which activity this one is, if it is one.
    #[must_use]
    pub fn part_of(&self, activity: ActivityId) -> Option<(ActivityId, u32)> {
        let root = &self.place(activity)?.root;
        Some((root.of()?, root.ordinal.load(Ordering::Relaxed)))
    }

    /// Which parts of the activity are gone and what each had used, the last few of them; and
    /// what all others had.
    #[must_use]
    pub fn gone_parts(&self, activity: ActivityId) -> (Vec<(u32, Cycles)>, Cycles) {
        self.place(activity).map_or((Vec::new(), Cycles::ZERO), |place| {
            let others = place.root.gone_unnamed.load(Ordering::Relaxed);
            (place.root.gone.lock().clone(), Cycles::new(others))
        })
    }

    /// A core hands on what a part has used there.
    pub(crate) fn hand_on(&self, part: ActivityId, used: Cycles) {
        if let Some(place) = self.place(part) {
            place.root.used.fetch_add(used.get(), Ordering::Relaxed);
        }
    }

    /// How many parts the activity has, those included whose last requests have not returned.
    #[must_use]
    pub fn parts(&self, activity: ActivityId) -> u32 {
        self.place(activity).map_or(0, |place| place.root.parts.load(Ordering::Relaxed))
    }

    /// The most requests that the activity may have outstanding.
    #[must_use]
    pub fn most_nodes(&self, activity: ActivityId) -> u32 {
        self.place(activity).map_or(0, |place| place.limit.load(Ordering::Relaxed))
    }

    pub(crate) fn divide(&self, of: ActivityId, part: Part) -> Result<ActivityId, Undivided> {
        let _dividing = self.dividing.lock();
        let place = self.place(of).filter(|place| place.root.of().is_none());
        let place = place.filter(|_| self.is_alive(of)).ok_or(Undivided::NoWhole)?;
        let whole = place.root.whole.lock().clone().ok_or(Undivided::NoWhole)?;
        let rest = place.entitlement.lock().clone().ok_or(Undivided::NoWhole)?;
        let thousandths = place.root.given.load(Ordering::Relaxed).checked_add(part.thousandths);
        let thousandths = thousandths.filter(|all| *all < WHOLE).ok_or(Undivided::Share)?;
        let mut given = whole.part(part.thousandths).ok_or(Undivided::Share)?;
        let left = rest.without(&given).ok_or(Undivided::Share)?;
        if place.root.parts.load(Ordering::Relaxed) >= MOST {
            return Err(Undivided::TooMany);
        }
        let nodes = part.nodes.unwrap_or_else(|| {
            let nodes = u64::from(whole.nodes) * u64::from(part.thousandths) / u64::from(WHOLE);
            u32::try_from(nodes).unwrap_or(u32::MAX).max(FEWEST)
        });
        // Others take nodes meanwhile, nobody changes the limit.
        let nodes_left = place.limit.load(Ordering::Relaxed).checked_sub(nodes);
        let nodes_left = nodes_left.filter(|left| *left >= FEWEST && nodes >= FEWEST);
        let nodes_left = nodes_left.ok_or(Undivided::TooMany)?;
        given.nodes = nodes;
        let made = self.create(given).map_err(|_| Undivided::TooMany)?;
        let root = &self.place(made).ok_or(Undivided::TooMany)?.root;
        root.nodes.store(nodes, Ordering::Relaxed);
        root.thousandths.store(part.thousandths, Ordering::Relaxed);
        place.root.given.store(thousandths, Ordering::Relaxed);
        let ordinal = place.root.made.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        root.ordinal.store(ordinal, Ordering::Relaxed);
        let packed = (of.index() as u64) << 32 | u64::from(of.generation());
        root.of.store(packed + 1, Ordering::Release);
        place.root.parts.fetch_add(1, Ordering::Relaxed);
        place.limit.store(nodes_left, Ordering::Relaxed);
        *place.entitlement.lock() = Some(Arc::new(left));
        Ok(made)
    }

    /// Gives back what this part is entitled to, but for `keeping` of it.
    fn give_back(
        &self,
        activity: ActivityId,
        keeping: impl Fn(&Entitlement) -> Option<Entitlement>,
    ) {
        let Some(place) = self.place(activity) else { return };
        let Some(whole) = place.root.of().and_then(|of| self.place(of)) else { return };
        let (mut own, mut rest) = (place.entitlement.lock(), whole.entitlement.lock());
        let (Some(has), Some(left)) = (own.as_deref(), rest.as_deref()) else { return };
        let joined = match keeping(has) {
            None => left.with(has).map(|rest| (rest, None)),
            Some(kept) => has
                .without(&kept)
                .map_or_else(|| Some(left.clone()), |more| left.with(&more))
                .map(|rest| (rest, Some(kept))),
        };
        if let Some((left, kept)) = joined {
            *rest = Some(Arc::new(left));
            *own = kept.map(Arc::new);
            let thousandths = place.root.thousandths.swap(0, Ordering::Relaxed);
            whole.root.given.fetch_sub(thousandths, Ordering::Relaxed);
        }
    }

    /// A part dies: its whole has all again but the least that lets the part's last requests
    /// be served.
    pub(crate) fn dwindle(&self, activity: ActivityId) {
        let _dividing = self.dividing.lock();
        self.give_back(activity, Entitlement::least);
    }

    /// A part is gone: its whole has all again.
    pub(crate) fn make_whole(&self, activity: ActivityId) {
        let _dividing = self.dividing.lock();
        let Some(place) = self.place(activity) else { return };
        let Some(whole) = place.root.of().and_then(|of| self.place(of)) else { return };
        self.give_back(activity, |_| None);
        whole.limit.fetch_add(place.root.nodes.load(Ordering::Relaxed), Ordering::Relaxed);
        whole.root.parts.fetch_sub(1, Ordering::Relaxed);
        let used = place.root.used.load(Ordering::Relaxed);
        let mut gone = whole.root.gone.lock();
        if gone.len() >= REMEMBERED {
            let (_, first) = gone.remove(0);
            whole.root.gone_unnamed.fetch_add(first.get(), Ordering::Relaxed);
        }
        gone.push((place.root.ordinal.load(Ordering::Relaxed), Cycles::new(used)));
    }

    /// The living parts of an activity.
    pub(crate) fn parts_of(&self, activity: ActivityId) -> impl Iterator<Item = ActivityId> {
        let all = (0..self.capacity()).filter_map(|index| self.at(index));
        all.filter(move |&part| self.part_of(part).is_some_and(|(of, _)| of == activity))
    }
}

impl<M: Message> Grid<M> {
    /// Makes a part of an activity, with a part of what that is entitled to.
    ///
    /// # Errors
    /// [`Undivided`]; then nothing has changed.
    pub fn divide(&self, of: ActivityId, part: Part) -> Result<ActivityId, Undivided> {
        let made = self.activities().divide(of, part)?;
        self.reweigh(of, of);
        Ok(made)
    }

    /// All cores are to tell their policies what an activity is entitled to now.
    pub(crate) fn reweigh(&self, activity: ActivityId, payer: ActivityId) {
        for post in &self.posts {
            post.reweigh(activity, payer);
        }
    }

    /// A family of the same instances for a part of its activity.
    #[must_use]
    pub fn branch<R>(&self, family: &Family<M, R>, owner: ActivityId) -> Family<M, R> {
        Family::new(Arc::new(family.kind.branch(owner)))
    }
}

impl<M: Message> Context<'_, M> {
    /// The activity of which that of the request is a part; the same if it is none.
    #[must_use]
    pub fn root(&self) -> ActivityId {
        self.grid.activities().root(self.activity)
    }

    /// All activities that there are.
    #[must_use]
    pub fn activities(&self) -> &Activities {
        self.grid.activities()
    }

    /// Makes a part of an activity: see [`Grid::divide`].
    ///
    /// # Errors
    /// [`Undivided`]; then nothing has changed.
    pub fn divide(&mut self, of: ActivityId, part: Part) -> Result<ActivityId, Undivided> {
        self.grid.divide(of, part)
    }

    /// A family of the same instances for a part of its activity.
    #[must_use]
    pub fn branch<R>(&self, family: &Family<M, R>, owner: ActivityId) -> Family<M, R> {
        self.grid.branch(family, owner)
    }

    /// Ends an activity when this run has ended: see [`Grid::kill`].
    pub fn end(&mut self, activity: ActivityId) {
        self.desk.removed.push(Removed::Activity(activity));
        self.desk.notes.more = true;
    }

    /// Whether this run may send within its activity to this part or whole: it lives and has
    /// room.
    #[must_use]
    pub fn admits(&self, activity: ActivityId) -> bool {
        let all = self.grid.activities();
        activity == self.activity
            || all.root(activity) == self.root()
                && all.is_alive(activity)
                && all.takes_roots(activity)
    }

    /// Sends a request on the bill of another part of the same activity, or of its whole: a
    /// thread moves there. To it this is a root, and refused like one.
    ///
    /// # Errors
    /// [`SendError`]; then nothing was sent.
    pub fn send_within<R>(
        &mut self,
        activity: ActivityId,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<(), SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        if !self.admits(activity) {
            return Err(SendError::NoRoom);
        }
        self.send_as(activity, to, labels, request)
    }
}
