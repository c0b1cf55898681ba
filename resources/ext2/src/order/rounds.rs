//! Since when what is not written has waited: so that who waits for all that had changed when it
//! came does not wait for what others change after that.

use alloc::collections::BTreeMap;

/// How many have waited since each round; most of the time there is one.
#[derive(Default)]
pub(crate) struct Rounds {
    now: u64,
    waiting: BTreeMap<u64, u32>,
}

impl Rounds {
    /// The round in which something changes now.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// What changes from now on is of the next one.
    pub fn close(&mut self) -> u64 {
        let closed = self.now;
        self.now = closed.saturating_add(1);
        closed
    }

    /// Whether nothing waits that did when this one was closed.
    pub fn is_past(&self, round: u64) -> bool {
        self.waiting.first_key_value().is_none_or(|(first, _)| *first > round)
    }

    /// One does not wait since then any more, but since that one.
    pub fn change(&mut self, before: Option<u64>, now: Option<u64>) {
        if before == now {
            return;
        }
        if let Some(round) = now {
            let count = self.waiting.entry(round).or_default();
            *count = count.saturating_add(1);
        }
        if let Some(round) = before
            && let Some(count) = self.waiting.get_mut(&round)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.waiting.remove(&round);
            }
        }
    }
}
