//! The threads that wait for an operation's end.
//!
//! One is the usual case, and costs nothing. More are on their activity's bill, as each thread may
//! wait for as many operations as it names, and each operation have as many threads. Who has
//! stopped waiting (its time was over, or it has ended) is not told so to each of its operations:
//! those that come look at two that were there before and take out who waits no more, so that
//! there are never more than twice as many as there were ever waiting at once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_units::{ActivityId, Bytes};

use super::suspend::Waiter;
use crate::bill::{Charged, ObjectKind};
use crate::process::Pid;

/// Waiters that are charged for together, and the bytes of one in the map.
const GROUP: usize = 16;
const BYTES: u64 = 32;
/// Those that are looked at for each that comes.
const LOOKS: usize = 2;

/// They.
#[derive(Default)]
pub struct Waiters {
    first: Option<Waiter>,
    more: BTreeMap<Pid, u64>,
    bills: Vec<Charged>,
    /// Where the next look begins.
    looked: Pid,
}

impl Waiters {
    /// One more waits, in place of what it waited for before; `waits` says whether another still
    /// does.
    ///
    /// # Errors
    /// `ENOMEM` where its activity has no room for that.
    pub fn add(
        &mut self,
        waiter: Waiter,
        activity: ActivityId,
        waits: impl Fn(Waiter) -> bool,
    ) -> Result<(), Errno> {
        if self.first.is_none_or(|first| first.tid == waiter.tid || !waits(first)) {
            self.more.remove(&waiter.tid);
            self.first = Some(waiter);
            return Ok(());
        }
        if let Some(number) = self.more.get_mut(&waiter.tid) {
            *number = waiter.number;
            return Ok(());
        }
        self.look(waits);
        if self.more.len() >= self.bills.len().saturating_mul(GROUP) {
            let bytes = Bytes::new(BYTES.saturating_mul(GROUP as u64));
            let bill = Charged::new(activity, ObjectKind::Open, bytes).ok_or(Errno::ENOMEM)?;
            self.bills.push(bill);
        }
        self.more.insert(waiter.tid, waiter.number);
        Ok(())
    }

    /// Takes out of some those who wait no more.
    fn look(&mut self, waits: impl Fn(Waiter) -> bool) {
        for _ in 0..LOOKS {
            let mut rest = self.more.range(self.looked..).chain(self.more.iter());
            let Some((&tid, &number)) = rest.next() else { return };
            self.looked = Pid(tid.0.wrapping_add(1));
            if !waits(Waiter { tid, number }) {
                self.more.remove(&tid);
            }
        }
        // Room for a group more stays, so that one who comes and goes is not charged each time.
        let groups = self.more.len().div_ceil(GROUP).saturating_add(1);
        self.bills.truncate(groups);
    }

    /// The next to be told, who is not among them any more.
    pub fn take(&mut self) -> Option<Waiter> {
        let first = self.first.take();
        first.or_else(|| self.more.pop_first().map(|(tid, number)| Waiter { tid, number }))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: ActivityId = ActivityId::INFRASTRUCTURE;

    fn waiter(tid: i32, number: u64) -> Waiter {
        Waiter { tid: Pid(tid), number }
    }

    fn all(waiters: &mut Waiters) -> Vec<i32> {
        core::iter::from_fn(|| waiters.take()).map(|waiter| waiter.tid.0).collect()
    }

    #[test]
    fn each_thread_waits_once_with_its_last_number() {
        let mut waiters = Waiters::default();
        for number in 0..3 {
            for tid in 1..20 {
                waiters.add(waiter(tid, number), OWN, |_| true).unwrap();
            }
        }
        let told: Vec<_> = core::iter::from_fn(|| waiters.take()).collect();
        assert_eq!(told.len(), 19);
        assert!(told.iter().all(|waiter| waiter.number == 2));
        assert!(waiters.is_empty());
    }

    #[test]
    fn who_waits_no_more_does_not_stay() {
        let mut waiters = Waiters::default();
        for tid in 1..10_000 {
            // Only the last ten still do.
            waiters.add(waiter(tid, 0), OWN, |other| other.tid.0 + 10 > tid).unwrap();
            assert!(waiters.more.len() <= 24, "{}", waiters.more.len());
            assert!(waiters.bills.len() <= 3);
        }
        let told = all(&mut waiters);
        assert!((9_990..10_000).all(|tid| told.contains(&tid)));
    }

    #[test]
    fn who_comes_back_is_there_once() {
        let mut waiters = Waiters::default();
        waiters.add(waiter(1, 0), OWN, |_| true).unwrap();
        waiters.add(waiter(2, 0), OWN, |_| true).unwrap();
        // The first waits no more, so the second takes its place.
        waiters.add(waiter(2, 1), OWN, |other| other.tid.0 != 1).unwrap();
        assert_eq!(all(&mut waiters), [2]);
    }
}
