//! The clients of a scheduler and what it tells about them.

use vortex_units::{ActivityId, Cycles, Frames, Micros, Rate, Requests, Share};

use crate::standing::Standing;

/// A client of one scheduler on one core.
///
/// Dense from zero and reused after removal, so that a policy keeps its client state in a
/// vector and reaches it in one step (the `clientstate` pointer of Table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u32);

impl ClientId {
    /// Names the client in this place.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Its place in the policy's vector.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What the configuration says of a client (the `clientparams` of Table 3).
#[derive(Clone, Copy, Debug)]
pub struct ClientParams {
    /// The activity that holds the share. A multiplexor's client that is a resource holds
    /// it for many: then this is [`ActivityId::INFRASTRUCTURE`].
    pub activity: ActivityId,
    /// The entitlement, relative to the other clients.
    pub share: Share,
    /// For policies with priorities: lower runs first, as in POSIX `nice`. Others ignore it;
    /// the configuration refuses it for them.
    pub priority: u32,
    /// What it is to have a second at least, in the scheduler's metric, for policies that
    /// reserve. Others ignore it; the configuration refuses it for them.
    pub reservation: Option<Rate>,
    /// What it is to have a second at most, likewise.
    pub limit: Option<Rate>,
    /// Within what time it is to be served, for policies with deadlines, likewise.
    pub period: Option<Micros>,
    /// The group of which the activity is, by place, for policies that look at groups.
    pub group: Option<u16>,
    /// The client of the activity of which this one's is a part, where that has one here:
    /// what that one is ahead of its entitlement, this one is from the beginning.
    pub beside: Option<ClientId>,
}

impl Default for ClientParams {
    fn default() -> Self {
        Self::from(Standing::new(Share::ONE))
    }
}

/// A client that holds its standing for many.
impl From<Standing> for ClientParams {
    fn from(Standing { share, priority }: Standing) -> Self {
        let activity = ActivityId::INFRASTRUCTURE;
        Self {
            activity,
            share,
            priority,
            reservation: None,
            limit: None,
            period: None,
            group: None,
            beside: None,
        }
    }
}

/// When a scheduler can next decide (the answer of `poll_ready`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// No client is ready: ask again after `client_ready`.
    Idle,
    /// A decision can be made at once.
    Now,
    /// Clients are ready, but the scheduler wants to wait this long before it decides.
    After(Micros),
}

/// What a scheduler knows of a client (the answer of `client_statistics`), since the
/// client was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStatistics {
    /// Consumption in the scheduler's own metric, credits taken off.
    pub charged: i128,
    /// Cycles charged, credits taken off.
    pub cycles: Cycles,
    /// Memory charged, credits taken off.
    pub memory: Frames,
    /// Requests charged, credits taken off.
    pub requests: Requests,
    /// Consumption, in the scheduler's metric, by which the client is ahead of its
    /// entitlement and for which it will wait; zero for policies without memory.
    pub debt: u64,
    /// Consumption beyond the cap on debt, forgiven because no waiting could make it good.
    pub forgiven: u64,
    /// The debt has reached its cap: whoever can should refuse this client's work early.
    pub refuse: bool,
}

impl ClientStatistics {
    /// Another client's, added to it.
    pub(crate) fn add(&mut self, other: &Self) {
        self.charged = self.charged.saturating_add(other.charged);
        self.cycles = self.cycles.saturating_add(other.cycles);
        self.memory = self.memory.saturating_add(other.memory);
        self.requests = self.requests.saturating_add(other.requests);
        self.debt = self.debt.saturating_add(other.debt);
        self.forgiven = self.forgiven.saturating_add(other.forgiven);
        self.refuse |= other.refuse;
    }

    /// What was consumed, without what is owed for it now.
    pub(crate) fn consumed(self) -> Self {
        Self { debt: 0, refuse: false, ..self }
    }
}
