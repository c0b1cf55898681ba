//! What is kept of a file is on the bill of who causes that: the table of its pages on that of
//! whose page is the first, of who reads it on the reader's, and the file itself on that of whoever
//! had it looked up, until others use it and that one wants room, or never used it.

use vortex_units::{ActivityId, Bytes};

use super::file::{CachedFile, Inner};
use super::frame::PageFrame;
use super::openers::Openers;
use super::streams::Streams;
use super::table::Table;

impl<F> CachedFile<F> {
    /// What is kept of a file is counted as so many bytes, with its places in the tables of files;
    /// and as so many more where it has pages, for the first of them.
    pub(crate) const PRICE: u64 = size_of::<Self>() as u64 + 112;
    const FIRST: u64 = Table::<F>::FIRST as u64;
}

impl<F> Inner<F> {
    /// Somebody beside who pays for the file that uses it: has it open, or else its first page.
    fn other(&self) -> Option<ActivityId> {
        let opener = self.openers.of().find(|who| *who != self.payer);
        opener.or_else(|| self.pages.payer().filter(|who| *who != self.payer))
    }
}

impl<F: PageFrame> CachedFile<F> {
    /// Who pays for it.
    pub(crate) fn payer(&self) -> ActivityId {
        self.inner.lock().payer
    }

    /// Who could pay for it as well.
    pub(crate) fn other(&self) -> Option<ActivityId> {
        self.inner.lock().other()
    }

    /// The same where who pays for it does not have it open.
    pub(crate) fn user(&self) -> Option<ActivityId> {
        let inner = self.inner.lock();
        if inner.openers.has(inner.payer) { None } else { inner.other() }
    }

    /// It is on this one's bill from now on, and was charged to that. On whose it was: that is
    /// credited when no lock is held any more.
    pub(super) fn goes_to(&self, who: ActivityId) -> ActivityId {
        core::mem::replace(&mut self.inner.lock().payer, who)
    }

    /// Somebody has opened it, or mapped it.
    pub fn opened(&self, who: ActivityId) {
        let is_new = self.inner.lock().openers.add(who);
        if is_new {
            self.bills.charge(who, Bytes::new(Openers::PRICE));
        }
    }

    /// And has it open no more.
    pub fn closed(&self, who: ActivityId) {
        let is_over = self.inner.lock().openers.remove(who);
        if is_over {
            self.bills.credit(who, Bytes::new(Openers::PRICE));
        }
    }

    /// One who has it open, if this one has not.
    #[must_use]
    pub fn opener_beside(&self, who: ActivityId) -> Option<ActivityId> {
        let inner = self.inner.lock();
        if inner.openers.has(who) { None } else { inner.openers.of().next() }
    }

    /// Whether nothing is known of it that EXT2R does not know.
    pub(crate) fn is_bare(&self) -> bool {
        let size = self.size();
        let inner = self.inner.lock();
        inner.pages.len() == 0 && inner.told == size && inner.touched.is_none()
    }

    /// What of it is on an activity's bill.
    #[cfg(test)]
    pub fn on_bill(&self, who: ActivityId) -> u64 {
        let inner = self.inner.lock();
        let own = if who == inner.payer { Self::PRICE } else { 0 };
        let first = if inner.pages.payer() == Some(who) { Self::FIRST } else { 0 };
        let opens = if inner.openers.has(who) { Openers::PRICE } else { 0 };
        let streams = inner.streams.of().filter(|of| *of == who).count() as u64;
        own + first + opens + streams * Streams::PRICE
    }

    /// Who pays for the table of its pages.
    #[cfg(test)]
    pub fn pays_first(&self) -> Option<ActivityId> {
        self.inner.lock().pages.payer()
    }

    /// Does something beneath the lock, and has what is kept more or less by that on its bill.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Inner<F>) -> T) -> T {
        let mut inner = self.inner.lock();
        let done = work(&mut inner);
        let (came, went) = inner.streams.changed();
        let (before, now) = inner.pages.payers();
        drop(inner);
        let lane = Bytes::new(Streams::PRICE);
        came.iter().for_each(|who| self.bills.charge(*who, lane));
        went.iter().for_each(|who| self.bills.credit(*who, lane));
        if before != now {
            let first = Bytes::new(Self::FIRST);
            now.iter().for_each(|who| self.bills.charge(*who, first));
            before.iter().for_each(|who| self.bills.credit(*who, first));
        }
        done
    }
}

impl<F> Drop for CachedFile<F> {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        inner.streams.of().for_each(|who| self.bills.credit(who, Bytes::new(Streams::PRICE)));
        inner.openers.of().for_each(|who| self.bills.credit(who, Bytes::new(Openers::PRICE)));
        if let Some(who) = inner.pages.payer() {
            self.bills.credit(who, Bytes::new(Self::FIRST));
        }
        self.bills.credit(inner.payer, Bytes::new(Self::PRICE));
    }
}
