//! Packets that came in and were dropped, by why.

use core::sync::atomic::{AtomicU64, Ordering};

use vortex_grid::SendError;

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It was for nobody, or not whole.
    Nobodys,
    /// As many wait for its connection as may.
    Queue,
    /// Its activity is too far in debt.
    Debt,
    /// Its activity has as much on its way as it may, or is at its end.
    Room,
    /// Too many connections wait to be accepted, or have begun.
    Backlog,
    /// There was no memory for its connection, within its activity's limit.
    Memory,
}

impl Dropped {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::Nobodys, Self::Queue, Self::Debt, Self::Room, Self::Backlog, Self::Memory];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobodys => "for nobody",
            Self::Queue => "behind too many of their connection",
            Self::Debt => "of activities in debt",
            Self::Room => "of activities with too much on its way",
            Self::Backlog => "with too many waiting to be accepted",
            Self::Memory => "without memory for their connection",
        }
    }

    /// Why, where a request could not be sent.
    pub(crate) const fn by(error: SendError) -> Self {
        match error {
            SendError::OverBudget => Self::Debt,
            _ => Self::Room,
        }
    }
}

/// How many, of each.
#[derive(Debug, Default)]
pub(crate) struct Drops([AtomicU64; Dropped::ALL.len()]);

impl Drops {
    /// One more; how many that are.
    pub fn note(&self, why: Dropped) -> u64 {
        let count = self.0.get(why as usize);
        count.map_or(0, |count| count.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }

    pub fn of(&self, why: Dropped) -> u64 {
        self.0.get(why as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}
