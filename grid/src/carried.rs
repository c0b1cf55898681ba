//! What a scheduler's clients had consumed before its policy was exchanged: a policy counts from
//! its own beginning, and what is told of a client is all since that was made.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::policy::{ClientId, ClientStatistics, SchedulerCore};

/// By client. Nothing where no policy was exchanged: one word, so that who has one is found in a
/// list in as few steps as without it.
#[derive(Default)]
pub(crate) struct Carried(Option<Box<All>>);

#[derive(Default)]
struct All(Vec<ClientStatistics>);

impl Carried {
    /// That of clients, by their places.
    pub fn of_all(all: Vec<ClientStatistics>) -> Self {
        Self((!all.is_empty()).then(|| Box::new(All(all))))
    }

    /// The same, as it was given.
    pub fn into_all(self) -> Vec<ClientStatistics> {
        self.0.map(|all| all.0).unwrap_or_default()
    }

    /// What is known of a client: what the policy knows, and what there was before.
    pub fn statistics(&self, policy: &dyn SchedulerCore, client: ClientId) -> ClientStatistics {
        let mut all = policy.client_statistics(client);
        all.add(&self.of(client));
        all
    }

    fn of(&self, client: ClientId) -> ClientStatistics {
        let before = self.0.as_ref().and_then(|all| all.0.get(client.index()));
        before.copied().unwrap_or_default()
    }

    /// Keeps what a client has consumed so far.
    pub fn keep(&mut self, client: ClientId, statistics: ClientStatistics) {
        let all = &mut self.0.get_or_insert_default().0;
        if all.len() <= client.index() {
            all.resize(client.index() + 1, ClientStatistics::default());
        }
        if let Some(place) = all.get_mut(client.index()) {
            *place = statistics.consumed();
        }
    }

    /// A client is no more.
    pub fn forget(&mut self, client: ClientId) {
        if self.0.is_some() {
            self.keep(client, ClientStatistics::default());
        }
    }

    /// What was charged to one was charged to the other.
    pub fn hand_on(&mut self, from: ClientId, heir: ClientId) {
        if self.0.is_some() {
            let mut gone = self.of(from);
            self.forget(from);
            gone.add(&self.of(heir));
            self.keep(heir, gone);
        }
    }
}
