//! What an activity is entitled to, changed while the grid runs.
//!
//! A change is one to the table of activities and a word to each core: requests stay where
//! they are, in their order, and a policy weighs the client otherwise from its next choice on.
//! What a client is ahead of its entitlement, or behind it, it stays.
//!
//! # Invariants
//! - A core tells its policies before it lets anything more run ([`Post::reweigh`]).
//! - While an activity has parts its entitlement stands: theirs is divided out of it.
//!
//! [`Post::reweigh`]: crate::post::Post::reweigh

use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_units::{ActivityId, CoreId, Micros, Rate, Share};

use crate::activity::Activities;
use crate::context::Context;
use crate::entitlement::{Class, Entitlement, EntitlementAt};
use crate::message::Message;
use crate::shared::Grid;

/// At which schedulers an activity is to have another share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At all of them, whatever was said of one before.
    Everywhere,
    /// At those of this kind of resource, or at the CPU multiplexors.
    At(Class),
    /// At those of them that are on this core.
    On(Class, CoreId),
}

/// Why an entitlement was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// There is no such activity, or it is dying.
    NoActivity,
    /// It is a part, or it has parts.
    Divided,
    /// What is reserved, or limited, or for what time, is so at one place.
    Everywhere,
}

/// What an activity is to have there instead of what it has; nothing of what is to stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Its share.
    pub share: Option<Share>,
    /// Its priority.
    pub priority: Option<u32>,
    /// What is reserved for it, or that nothing is.
    pub reservation: Option<Option<Rate>>,
    /// What it has at most, or that this is not limited.
    pub limit: Option<Option<Rate>>,
    /// Within what time it is to be served, or that nothing is said of that.
    pub period: Option<Option<Micros>>,
}

impl From<Share> for Terms {
    fn from(share: Share) -> Self {
        Self { share: Some(share), ..Self::default() }
    }
}

impl Entitlement {
    /// The same but for these terms. `None` where they are of one place, and said of everywhere.
    fn on(&self, reach: Reach, terms: &Terms, cores: u16) -> Option<Self> {
        let mut changed = self.clone();
        let (class, core) = match reach {
            Reach::Everywhere => {
                let Terms { share, priority, reservation: None, limit: None, period: None } =
                    *terms
                else {
                    return None;
                };
                changed.share = share.unwrap_or(changed.share);
                changed.priority = priority.unwrap_or(changed.priority);
                for row in &mut changed.at {
                    row.share = row.share.map(|own| share.unwrap_or(own));
                    row.priority = row.priority.map(|own| priority.unwrap_or(own));
                }
                return Some(changed);
            }
            Reach::At(class) => (class, None),
            Reach::On(class, core) => (class, Some(core)),
        };
        let mut rows = Rows { all: &mut changed.at, class, core, cores };
        rows.set(terms.share.map(Some), |row| &mut row.share);
        rows.set(terms.priority.map(Some), |row| &mut row.priority);
        rows.set(terms.reservation, |row| &mut row.reservation);
        rows.set(terms.limit, |row| &mut row.limit);
        rows.set(terms.period, |row| &mut row.period);
        Some(changed)
    }
}

/// What is said of one kind of resource, for all cores or one.
struct Rows<'a> {
    all: &'a mut Vec<EntitlementAt>,
    class: Class,
    core: Option<CoreId>,
    cores: u16,
}

impl Rows<'_> {
    /// Says a value there; that there is none, if it is nothing.
    fn set<T: Copy>(
        &mut self,
        value: Option<Option<T>>,
        of: impl Fn(&mut EntitlementAt) -> &mut Option<T>,
    ) {
        let Some(value) = value else { return };
        let (class, core) = (self.class, self.core);
        if let (None, Some(core)) = (value, core) {
            // What is said of all cores is said of each of the others.
            let general = self.all.iter_mut().find(|row| row.class == class && row.core.is_none());
            if let Some(said) = general.and_then(|row| of(row).take()) {
                for other in (0..self.cores).map(CoreId::new).filter(|other| *other != core) {
                    self.row(Some(other), |row| *of(row) = of(row).or(Some(said)));
                }
            }
        }
        self.row(core, |row| *of(row) = value);
        if core.is_none() {
            self.all.iter_mut().filter(|row| row.class == class).for_each(|row| *of(row) = value);
        }
    }

    /// Changes the row of a core, or of all.
    fn row(&mut self, core: Option<CoreId>, change: impl FnOnce(&mut EntitlementAt)) {
        let class = self.class;
        let found = self.all.iter_mut().find(|row| row.class == class && row.core == core);
        if let Some(row) = found {
            return change(row);
        }
        let (share, priority, reservation, limit, period) = (None, None, None, None, None);
        let row = EntitlementAt { class, core, share, priority, reservation, limit, period };
        change(self.all.push_mut(row));
    }
}

impl Activities {
    fn grant(
        &self,
        activity: ActivityId,
        reach: Reach,
        terms: &Terms,
        cores: u16,
    ) -> Result<(), Unchanged> {
        let _dividing = self.dividing.lock();
        let place = self.place(activity).filter(|_| self.is_alive(activity));
        let place = place.ok_or(Unchanged::NoActivity)?;
        if self.part_of(activity).is_some() || self.parts(activity) > 0 {
            return Err(Unchanged::Divided);
        }
        let before = place.entitlement.lock().clone().ok_or(Unchanged::NoActivity)?;
        let changed = before.on(reach, terms, cores).ok_or(Unchanged::Everywhere)?;
        let changed = Arc::new(changed);
        place.root.begin_with(changed.clone());
        *place.entitlement.lock() = Some(changed);
        Ok(())
    }
}

impl<M: Message> Grid<M> {
    /// Gives an activity another share, on the bill of who wants that: telling the cores costs
    /// the other nothing. Nothing that is queued is lost, or changes its order.
    ///
    /// # Errors
    /// [`Unchanged`]; then nothing has changed.
    pub fn entitle(
        &self,
        activity: ActivityId,
        reach: Reach,
        share: Share,
        payer: ActivityId,
    ) -> Result<(), Unchanged> {
        self.grant(activity, reach, &share.into(), payer)
    }

    /// Has an activity have something else there: likewise. Whether all that is reserved at one
    /// place can be had is for who asks to know.
    ///
    /// # Errors
    /// [`Unchanged`]; then nothing has changed.
    pub fn grant(
        &self,
        activity: ActivityId,
        reach: Reach,
        terms: &Terms,
        payer: ActivityId,
    ) -> Result<(), Unchanged> {
        let cores = u16::try_from(self.cores()).unwrap_or(u16::MAX);
        self.activities().grant(activity, reach, terms, cores)?;
        self.reweigh(activity, payer);
        Ok(())
    }
}

impl<M: Message> Context<'_, M> {
    /// Gives an activity another share: see [`Grid::entitle`].
    ///
    /// # Errors
    /// [`Unchanged`]; then nothing has changed.
    pub fn entitle(
        &mut self,
        activity: ActivityId,
        reach: Reach,
        share: Share,
    ) -> Result<(), Unchanged> {
        self.grid.entitle(activity, reach, share, self.activity)
    }

    /// Has an activity have something else there: see [`Grid::grant`].
    ///
    /// # Errors
    /// [`Unchanged`]; then nothing has changed.
    pub fn grant(
        &mut self,
        activity: ActivityId,
        reach: Reach,
        terms: &Terms,
    ) -> Result<(), Unchanged> {
        self.grid.grant(activity, reach, terms, self.activity)
    }
}
