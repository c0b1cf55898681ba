//! What is kept of a file is on a bill: of the file on that of whoever opened it first, of who reads
//! it on the reader's.

use vortex_units::{ActivityId, Bytes};

use super::file::{CachedFile, Inner};
use super::frame::PageFrame;
use super::streams::Streams;
use super::table::Table;

impl<F> CachedFile<F> {
    /// What is kept of a file is counted as so many bytes, with its places in the tables of files;
    /// and as so many more where it has pages, for the first of them.
    pub(crate) const PRICE: u64 = size_of::<Self>() as u64 + 112;
    const FIRST: u64 = Table::<F>::FIRST as u64;
}

impl<F: PageFrame> CachedFile<F> {
    /// Who pays for what is kept of it: whoever opened it first.
    pub(crate) fn payer(&self) -> ActivityId {
        self.payer
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
        let first = if inner.pages.len() > 0 { Self::FIRST } else { 0 };
        let own = if who == self.payer { Self::PRICE + first } else { 0 };
        own + inner.streams.of().filter(|of| *of == who).count() as u64 * Streams::PRICE
    }

    /// Does something beneath the lock, and has what is kept more or less by that on its bill.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Inner<F>) -> T) -> T {
        let mut inner = self.inner.lock();
        let had = inner.pages.len() > 0;
        let done = work(&mut inner);
        let has = inner.pages.len() > 0;
        let (came, went) = inner.streams.changed();
        drop(inner);
        let lane = Bytes::new(Streams::PRICE);
        came.iter().for_each(|who| self.bills.charge(*who, lane));
        went.iter().for_each(|who| self.bills.credit(*who, lane));
        match (had, has) {
            (false, true) => self.bills.charge(self.payer, Bytes::new(Self::FIRST)),
            (true, false) => self.bills.credit(self.payer, Bytes::new(Self::FIRST)),
            _ => {}
        }
        done
    }
}

impl<F> Drop for CachedFile<F> {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        let has = inner.pages.len() > 0;
        inner.streams.of().for_each(|who| self.bills.credit(who, Bytes::new(Streams::PRICE)));
        let price = Self::PRICE.saturating_add(if has { Self::FIRST } else { 0 });
        self.bills.credit(self.payer, Bytes::new(price));
    }
}
