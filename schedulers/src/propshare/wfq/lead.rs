//! How much of the core a chosen client may have with threads in user mode: what keeps it from
//! being ahead of the others by a whole timeslice.
//!
//! A run of c takes a client from S − V to S − V + c/w − c/W. In its own consumption, w times
//! that, it is to be ahead by no more than a = timeslice / 4 afterwards. Chosen with S ≤ V it is
//! behind by b = w·(V − S), and so may have (a + b) · W / (W − w): never less than a, more for
//! who is behind, and the whole timeslice for who has most of the core.

use vortex_grid::policy::{ClientId, Metric};
use vortex_units::Cycles;

use super::client::State;
use super::core_state::WfqCore;

/// What part of a timeslice a client may be ahead by: one over this.
pub(super) const PARTS: u64 = 4;

impl WfqCore {
    /// What the client may have until the next decision; no limit where nobody else is ready.
    pub(super) fn lead(&self, id: ClientId, timeslice: Cycles) -> Cycles {
        let Some(client) = self.clients.get(id) else { return Cycles::MAX };
        let is_ready = matches!(client.state, State::Ready | State::Returned);
        // What is not counted in cycles has no limit in cycles.
        if self.metric != Metric::Cycles || self.ready == usize::from(is_ready) {
            return Cycles::MAX;
        }
        let counts = !matches!(client.state, State::Empty | State::Suspended);
        let others = self.clock.weight().saturating_sub(if counts { client.weight } else { 0 });
        let behind = client.present(self.clock.now()).since(client.tag).at_weight(client.weight);
        let room = (timeslice.get() / PARTS).saturating_add(behind);
        let all = room.saturating_mul(others.saturating_add(client.weight));
        Cycles::new(all.checked_div(others).unwrap_or(u64::MAX))
    }
}
