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

use vortex_units::{ActivityId, CoreId, Share};

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
}

impl Entitlement {
    /// The same but for this share.
    fn sharing(&self, reach: Reach, share: Share) -> Self {
        let mut changed = self.clone();
        let (class, core) = match reach {
            Reach::Everywhere => {
                changed.share = share;
                for row in changed.at.iter_mut().filter(|row| row.share.is_some()) {
                    row.share = Some(share);
                }
                return changed;
            }
            Reach::At(class) => (class, None),
            Reach::On(class, core) => (class, Some(core)),
        };
        let concerned =
            |row: &&mut EntitlementAt| row.class == class && (core.is_none() || row.core == core);
        changed.at.iter_mut().filter(concerned).for_each(|row| row.share = Some(share));
        if !changed.at.iter().any(|row| row.class == class && row.core == core) {
            let (priority, reservation, limit, period) = (None, None, None, None);
            let share = Some(share);
            let row = EntitlementAt { class, core, share, priority, reservation, limit, period };
            changed.at.push(row);
        }
        changed
    }
}

impl Activities {
    fn entitle(&self, activity: ActivityId, reach: Reach, share: Share) -> Result<(), Unchanged> {
        let _dividing = self.dividing.lock();
        let place = self.place(activity).filter(|_| self.is_alive(activity));
        let place = place.ok_or(Unchanged::NoActivity)?;
        if self.part_of(activity).is_some() || self.parts(activity) > 0 {
            return Err(Unchanged::Divided);
        }
        let before = place.entitlement.lock().clone().ok_or(Unchanged::NoActivity)?;
        let changed = Arc::new(before.sharing(reach, share));
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
        self.activities().entitle(activity, reach, share)?;
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
}
