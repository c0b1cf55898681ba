//! What the reader is told of the kernel: its policies and resources, by value, so that
//! the configuration depends on neither.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::Algorithm;

/// A policy as the configuration has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPolicy {
    /// Its name in the dotted form.
    pub name: String,
    /// Whether shares mean anything to it.
    pub uses_shares: bool,
    /// Whether priorities do.
    pub uses_priority: bool,
    /// Whether it never lets a core wait while a client is ready.
    pub work_conserving: bool,
    /// Whether reservations mean anything to it.
    pub uses_reservations: bool,
    /// Whether limits do.
    pub uses_limits: bool,
    /// Whether periods do.
    pub uses_periods: bool,
    /// Whether it is for requests that have a position.
    pub uses_positions: bool,
    /// Whether it puts activities into groups.
    pub uses_groups: bool,
    /// The `<param>` names that it takes.
    pub parameters: Vec<String>,
}

/// All that a file may name without declaring it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The policies.
    pub policies: Vec<KnownPolicy>,
    /// The resources, as `resource.tcp`.
    pub resources: Vec<String>,
    /// The memory multiplexor's policies; the first is what is done where nothing is said.
    pub reclamations: Vec<KnownReclamation>,
}

/// A policy of reclamation as the configuration has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownReclamation {
    /// Its name in the dotted form.
    pub name: String,
    /// Whether soft limits of memory mean anything to it.
    pub uses_soft: bool,
}

/// The resources of the paper: figures 7 and 12, tables 1 and 2; and those that this kernel has
/// beside: what does FCR's work while files are in memory, the memory multiplexor's, and who
/// gives performance data.
const RESOURCES: &[&str] = &[
    "resource.thread",
    "resource.process",
    "resource.asr",
    "resource.er",
    "resource.swap",
    "resource.fcr",
    "resource.aior",
    "resource.ext2",
    "resource.storage",
    "resource.scsi",
    "resource.sdrwr",
    "resource.drwr",
    "resource.dwr",
    "resource.dir",
    "resource.ndir",
    "resource.ndrr",
    "resource.ndwr",
    "resource.tcp",
    "resource.tcptimer",
    "resource.interrupt",
    "resource.file",
    "resource.memory",
    "resource.monitor",
];

/// Whose memory goes first (`memory/src/policy`).
const RECLAMATIONS: &[(&str, bool)] =
    &[("reclaim.over-budget", true), ("reclaim.lru", false), ("reclaim.fifo", false)];

impl KnownPolicy {
    /// Whether a node of a hierarchy may have it: what it reads can be said of a group.
    pub(crate) const fn is_for_groups(&self) -> bool {
        !self.uses_groups && !self.uses_positions && !self.uses_periods && !self.uses_reservations
    }

    /// As a scheduler has it.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        Algorithm {
            name: self.name.clone(),
            uses_shares: self.uses_shares,
            uses_priority: self.uses_priority,
            work_conserving: self.work_conserving,
            uses_reservations: self.uses_reservations,
            uses_limits: self.uses_limits,
            uses_periods: self.uses_periods,
            uses_positions: self.uses_positions,
            uses_groups: self.uses_groups,
        }
    }

    /// A work-conserving policy without parameters of its own.
    #[must_use]
    pub fn new(name: &str, uses_shares: bool, uses_priority: bool) -> Self {
        let name = name.to_string();
        Self {
            name,
            uses_shares,
            uses_priority,
            work_conserving: true,
            uses_reservations: false,
            uses_limits: false,
            uses_periods: false,
            uses_positions: false,
            uses_groups: false,
            parameters: Vec::new(),
        }
    }

    /// The same with parameters of its own.
    fn with(self, parameters: &[&str]) -> Self {
        Self { parameters: parameters.iter().map(ToString::to_string).collect(), ..self }
    }

    fn by_deadline(name: &str, reserves: bool) -> Self {
        let plain = Self::new(name, reserves, false).with(&["period"]);
        Self { uses_periods: true, uses_reservations: reserves, ..plain }
    }

    fn hierarchy() -> Self {
        let plain = Self::new("hierarchy", true, false).with(&["root"]);
        Self { uses_groups: true, ..plain }
    }

    fn scan() -> Self {
        let plain = Self::new("order.scan", true, false).with(&["window"]);
        Self { uses_positions: true, ..plain }
    }

    fn mclock() -> Self {
        let plain = Self::new("reserve.mclock", true, false).with(&["burst"]);
        Self { work_conserving: false, uses_reservations: true, uses_limits: true, ..plain }
    }
}

impl Default for Known {
    fn default() -> Self {
        Self {
            policies: [
                KnownPolicy::new("propshare.wfq", true, false),
                KnownPolicy::new("propshare.round-robin", true, false),
                KnownPolicy::new("propshare.stride", true, false),
                KnownPolicy::new("propshare.lottery", true, false).with(&["seed"]),
                KnownPolicy::new("priority.strict", false, true),
                KnownPolicy::new("priority.multilevel", false, false)
                    .with(&["levels", "quantum", "patience"]),
                KnownPolicy::by_deadline("deadline.edf", false),
                KnownPolicy::by_deadline("deadline.cbs", true),
                KnownPolicy::hierarchy(),
                KnownPolicy::new("fifo", false, false),
                KnownPolicy::scan(),
                KnownPolicy::mclock(),
            ]
            .into(),
            resources: RESOURCES.iter().map(ToString::to_string).collect(),
            reclamations: RECLAMATIONS
                .iter()
                .map(|&(name, uses_soft)| KnownReclamation { name: name.into(), uses_soft })
                .collect(),
        }
    }
}
