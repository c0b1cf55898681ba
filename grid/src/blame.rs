//! Who ran while a request waited: the ring of runs, and what is read from it.
//!
//! Each core keeps its last runs in a ring. A request notes the ring's position when it is
//! queued; when it is dispatched, the runs since then tell who had the core meanwhile. That
//! is read for slow requests and for a sample of the others, so that it costs the hot path
//! one store.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashMap;
use vortex_units::{ActivityId, Cycles};

/// How many runs a core remembers.
pub(crate) const RING: usize = 1024;
/// How many of them are read for one wait.
const READ: u32 = 64;
/// How many pairs of victim and causer a core remembers.
const PAIRS: usize = 4096;

#[derive(Clone, Copy)]
struct Run {
    activity: ActivityId,
    cycles: Cycles,
}

/// A core's ring of runs, and the blame read from it.
pub(crate) struct Ring {
    runs: Box<[Run]>,
    next: u32,
    blame: HashMap<(ActivityId, ActivityId), Cycles, foldhash::fast::FixedState>,
    unnamed: Cycles,
    served: u32,
    sampling: Sampling,
}

/// Which requests have their wait explained.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// All that waited at least this long.
    pub slow: Cycles,
    /// Of the others, one in so many, a power of two.
    pub one_in: u32,
}

impl Ring {
    pub fn new(sampling: Sampling) -> Self {
        let none = Run { activity: ActivityId::INFRASTRUCTURE, cycles: Cycles::ZERO };
        Self {
            runs: alloc::vec![none; RING].into_boxed_slice(),
            next: 0,
            blame: HashMap::default(),
            unnamed: Cycles::ZERO,
            served: 0,
            sampling,
        }
    }

    pub fn position(&self) -> u32 {
        self.next
    }

    pub fn note(&mut self, activity: ActivityId, cycles: Cycles) {
        if let Some(run) = self.runs.get_mut(self.next as usize % RING) {
            *run = Run { activity, cycles };
        }
        self.next = self.next.wrapping_add(1);
    }

    /// A request of `victim`, queued at ring position `since`, was dispatched after `wait`.
    #[inline]
    pub fn explain(&mut self, victim: ActivityId, since: u32, wait: Cycles) {
        self.served = self.served.wrapping_add(1);
        let sampled = self.served & (self.sampling.one_in.max(1) - 1) == 0;
        if wait >= self.sampling.slow || sampled {
            self.read_back(victim, since, wait);
        }
    }

    #[cold]
    fn read_back(&mut self, victim: ActivityId, since: u32, wait: Cycles) {
        let runs = self.next.wrapping_sub(since).min(RING as u32);
        // Of a long wait a part of the runs is read, evenly spread, each for its neighbours.
        let stride = runs.div_ceil(READ).max(1);
        let mut left = wait;
        for back in (1..=runs).step_by(stride as usize) {
            let index = self.next.wrapping_sub(back) as usize % RING;
            let Some(run) = self.runs.get(index).copied() else { break };
            let cycles = Cycles::new(run.cycles.get().saturating_mul(u64::from(stride)));
            let share = if cycles < left { cycles } else { left };
            self.book(victim, run.activity, share);
            left = left.saturating_sub(share);
            if left.is_zero() {
                break;
            }
        }
    }

    /// Adds to a pair; what the table has no place for is summed up.
    fn book(&mut self, victim: ActivityId, causer: ActivityId, cycles: Cycles) {
        let pair = (victim, causer);
        if let Some(sum) = self.blame.get_mut(&pair) {
            *sum += cycles;
        } else if self.blame.len() < PAIRS {
            self.blame.insert(pair, cycles);
        } else {
            self.unnamed += cycles;
        }
    }

    /// Waits explained for which the table had no place any more.
    pub fn unnamed(&self) -> Cycles {
        self.unnamed
    }

    pub fn blame(&self) -> Vec<Blame> {
        let mut rows: Vec<_> = self
            .blame
            .iter()
            .map(|(&(victim, causer), &cycles)| Blame { victim, causer, cycles })
            .collect();
        rows.sort_by_key(|row| (row.victim, row.causer));
        rows
    }
}

/// For how long one activity's explained requests waited while another ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Who waited.
    pub victim: ActivityId,
    /// Who ran meanwhile; may be the victim itself.
    pub causer: ActivityId,
    /// For how long.
    pub cycles: Cycles,
}

#[cfg(all(test, not(loom)))]
mod tests;
