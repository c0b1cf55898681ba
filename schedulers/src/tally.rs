//! What a client has consumed, for `client_statistics`: the same count for every policy.

use vortex_grid::policy::{ClientStatistics, Direction, Record};
use vortex_units::{Cycles, Frames, Requests};

/// Sums of a client's records since it was added, credits taken off.
///
/// The amounts stop at zero: a credit for consumption from before the client was added
/// (its identifier had another owner) has nothing to be taken off. `charged` is signed and
/// exact: 2^63 records of the largest amount fit. The amounts wrap at 2^64, which is 584
/// years of cycles at 1 GHz.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    charged: i128,
    cycles: Cycles,
    memory: Frames,
    requests: Requests,
}

impl Tally {
    /// Takes note of a record, which measures `amount` in the scheduler's metric.
    #[inline]
    pub(crate) fn note(&mut self, record: &Record, amount: u64) {
        match record.direction {
            Direction::Charge => {
                self.charged = self.charged.wrapping_add(i128::from(amount));
                self.cycles = Cycles::new(self.cycles.get().wrapping_add(record.cycles.get()));
                self.memory = Frames::new(self.memory.get().wrapping_add(record.memory.get()));
                let requests = self.requests.get().wrapping_add(record.requests.get());
                self.requests = Requests::new(requests);
            }
            Direction::Credit => self.note_credit(record, amount),
        }
    }

    /// Takes in what another was told, which then was told nothing.
    pub(crate) fn take_in(&mut self, other: &mut Self) {
        let Self { charged, cycles, memory, requests } = core::mem::take(other);
        self.charged = self.charged.wrapping_add(charged);
        self.cycles = Cycles::new(self.cycles.get().wrapping_add(cycles.get()));
        self.memory = Frames::new(self.memory.get().wrapping_add(memory.get()));
        self.requests = Requests::new(self.requests.get().wrapping_add(requests.get()));
    }

    #[cold]
    fn note_credit(&mut self, record: &Record, amount: u64) {
        self.charged = self.charged.wrapping_sub(i128::from(amount));
        self.cycles = self.cycles.saturating_sub(record.cycles);
        self.memory = self.memory.saturating_sub(record.memory);
        self.requests = self.requests.saturating_sub(record.requests);
    }

    /// As the toolkit reads it; without debt, which only some policies know.
    pub(crate) fn statistics(&self) -> ClientStatistics {
        ClientStatistics {
            charged: self.charged,
            cycles: self.cycles,
            memory: self.memory,
            requests: self.requests,
            ..ClientStatistics::default()
        }
    }
}
