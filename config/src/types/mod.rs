//! The configuration as types: what a sound file says, with every default filled in.

mod activity;
mod group;
mod machine;
mod scheduler;
mod service;
mod simulation;

pub use activity::{Activity, Control, Entitlement, Limits, MemoryBudget, Performance};
pub use group::{Group, GroupIndex};
pub use machine::{Machine, Network};
pub use scheduler::{
    Algorithm, Draw, LoadSharing, Metric, Multiplexor, Parameter, ResourceScheduler, ShareForm,
    Source, StackedScheduler,
};
pub use service::{Files, Port, Restart, Service};
pub use simulation::{
    Arrivals, Device, Pattern, SimSend, SimulatedResource, Simulation, Span, Step, Workload,
};

use alloc::string::String;
use alloc::vec::Vec;

use crate::Warning;

/// Its place in [`Config::activities`]. Zero is the infrastructure, as in
/// `ActivityId::index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivityIndex(pub u32);

/// Its place in [`Config::resources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceIndex(pub u32);

/// Its place in [`Config::schedulers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchedulerIndex(pub u32);

impl ActivityIndex {
    /// The reserved activity.
    pub const INFRASTRUCTURE: Self = Self(0);

    /// As an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl ResourceIndex {
    /// As an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl SchedulerIndex {
    /// As an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A sound configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The machine: what the file says of it, or the defaults.
    pub machine: Machine,
    /// `<memorymultiplexor algorithm/>`: by which policy the memory multiplexor takes memory
    /// back. That which is known first if not written.
    pub reclamation: String,
    /// The CPU multiplexors, one a core, ascending by core. At least one.
    pub multiplexors: Vec<Multiplexor>,
    /// Schedulers that stand between resource schedulers and multiplexors (§3.1: "a
    /// scheduler may request from another scheduler"), in such an order that each draws
    /// only from multiplexors and from earlier ones.
    pub schedulers: Vec<StackedScheduler>,
    /// The resource schedulers, as in the file.
    pub resources: Vec<ResourceScheduler>,
    /// Groups of activities, each after the one that it is within.
    pub groups: Vec<Group>,
    /// The activities; the first is the infrastructure, the others are as in the file.
    pub activities: Vec<Activity>,
    /// The programs to start.
    pub services: Vec<Service>,
    /// What `simulate` runs.
    pub simulation: Option<Simulation>,
    /// What is sound and likely not wanted, in the order of the file.
    pub warnings: Vec<Warning>,
}
