//! The ledger of frames (law 1): every frame is free, earmarked, or on exact bills.
//!
//! A frame that several hold costs each of them its part in the ledger, to the byte; the
//! bytes that do not divide go to those who held it first. (Their budgets are charged its
//! full price: that is another matter.)

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_units::{ActivityId, Bytes, Frames};

use crate::Multiplexor;
use crate::cold::Cold;
use crate::links::Link;
use crate::record::{EARMARKED, ORDERED, RESERVE, Record, USED};

/// All memory, by who has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Frames in all.
    pub total: Frames,
    /// Nobody's.
    pub free: Frames,
    /// Held for a waiter.
    pub earmarked: Frames,
    /// What each activity's part of the frames that it holds comes to, in order.
    pub bills: Vec<(ActivityId, Bytes)>,
}

/// The ledger does not come out even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imbalance {
    /// Frames that are free, earmarked or held are not all.
    Frames {
        /// What was counted.
        counted: Frames,
        /// All.
        total: Frames,
    },
    /// An activity's account does not say what it holds.
    Account {
        /// Whose.
        activity: ActivityId,
        /// What it says.
        charged: Frames,
        /// What it holds.
        held: Frames,
    },
    /// An activity's account does not say how many of its frames are ordered back.
    Ordered(ActivityId),
    /// What is available, claimed and in reserve is not all.
    Claims {
        /// The sum.
        counted: Frames,
        /// All.
        total: Frames,
    },
    /// The heap has no room for the ledger.
    NoMemory,
}

impl Multiplexor {
    /// Counts everything. Exact when nobody allocates meanwhile; its work grows with memory.
    ///
    /// # Errors
    /// [`Imbalance`], which is a defect.
    pub fn ledger(&self) -> Result<Ledger, Imbalance> {
        let cold = self.cold.lock();
        let (mut cached, mut grants) = (0, 0);
        for magazine in &self.magazines {
            let magazine = magazine.lock();
            cached += magazine.frames();
            grants += magazine.grants();
        }
        let mut ledger = Ledger {
            total: self.total,
            free: Frames::new(self.pool.lock().free() + cached),
            ..Ledger::default()
        };
        let accounts = self.accounts.iter().count();
        let mut held = Vec::new();
        held.try_reserve_exact(accounts).map_err(|_| Imbalance::NoMemory)?;
        held.resize(accounts, (0u64, 0u32));
        ledger.bills.try_reserve_exact(accounts).map_err(|_| Imbalance::NoMemory)?;
        let names = (0..accounts as u32).filter_map(|place| self.accounts.name(place));
        ledger.bills.extend(names.map(|activity| (activity, Bytes::ZERO)));
        let mut counted = ledger.free;
        let mut reserve = self.reserve.load(Ordering::Acquire);
        for record in self.records.iter().filter(|record| record.has(USED)) {
            counted += Frames::new(1);
            ledger.earmarked += Frames::new(u64::from(record.has(EARMARKED)));
            reserve += u64::from(record.has(RESERVE));
            self.split(&cold, record, &mut ledger, &mut held);
        }
        let total = self.total;
        if counted != total {
            return Err(Imbalance::Frames { counted, total });
        }
        self.compare(&ledger, &held)?;
        let claims: u64 = self.accounts.iter().map(crate::account::Entry::claim).sum();
        let available = self.available.load(Ordering::Acquire);
        let counted = Frames::new(claims + available + grants + reserve);
        if counted == total { Ok(ledger) } else { Err(Imbalance::Claims { counted, total }) }
    }

    /// Puts a frame on the bills of those who hold it.
    fn split(&self, cold: &Cold, record: &Record, ledger: &mut Ledger, held: &mut [(u64, u32)]) {
        let sharers = || {
            cold.links.of(record).filter_map(|link| match link {
                Link::Sharer(place, _) => Some(place),
                _ => None,
            })
        };
        let count = 1 + sharers().count() as u64;
        let (each, rest) = (Frames::SIZE.get() / count, Frames::SIZE.get() % count);
        let holders = core::iter::once(record.owner()).chain(sharers());
        for (nth, place) in (0..).zip(holders) {
            if let Some((_, bill)) = ledger.bills.get_mut(place as usize) {
                *bill += Bytes::new(each + u64::from(nth < rest));
            }
            if let Some((charged, ordered)) = held.get_mut(place as usize) {
                *charged += u64::from(!record.has(RESERVE));
                *ordered += u32::from(record.has(ORDERED));
            }
        }
    }

    fn compare(&self, ledger: &Ledger, held: &[(u64, u32)]) -> Result<(), Imbalance> {
        for (entry, (&(held, ordered), &(activity, _))) in
            self.accounts.iter().zip(held.iter().zip(&ledger.bills))
        {
            let (charged, held) = (Frames::new(entry.charged()), Frames::new(held));
            if charged != held {
                return Err(Imbalance::Account { activity, charged, held });
            }
            if entry.ordered.load(Ordering::Acquire) != ordered {
                return Err(Imbalance::Ordered(activity));
            }
        }
        Ok(())
    }
}
