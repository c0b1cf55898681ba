//! What a scheduler's clients had consumed before its policy was exchanged: a policy counts from
//! its own beginning, and what is told of a client is all since that was made.

use alloc::vec::Vec;

use crate::policy::{ClientId, ClientStatistics, SchedulerCore};

/// By client. Empty where no policy was exchanged.
#[derive(Default)]
pub(crate) struct Carried(Vec<ClientStatistics>);

impl Carried {
    /// What is known of a client: what the policy knows, and what there was before.
    pub fn statistics(&self, policy: &dyn SchedulerCore, client: ClientId) -> ClientStatistics {
        let mut all = policy.client_statistics(client);
        if let Some(before) = self.0.get(client.index()) {
            all.add(before);
        }
        all
    }

    /// Keeps what a client has consumed so far.
    pub fn keep(&mut self, client: ClientId, statistics: ClientStatistics) {
        if self.0.len() <= client.index() {
            self.0.resize(client.index() + 1, ClientStatistics::default());
        }
        if let Some(place) = self.0.get_mut(client.index()) {
            *place = statistics.consumed();
        }
    }

    /// A client is no more.
    pub fn forget(&mut self, client: ClientId) {
        if let Some(before) = self.0.get_mut(client.index()) {
            *before = ClientStatistics::default();
        }
    }

    /// What was charged to one was charged to the other.
    pub fn hand_on(&mut self, from: ClientId, heir: ClientId) {
        let Some(mut gone) = self.0.get_mut(from.index()).map(::core::mem::take) else { return };
        gone.add(&self.0.get(heir.index()).copied().unwrap_or_default());
        self.keep(heir, gone);
    }
}
