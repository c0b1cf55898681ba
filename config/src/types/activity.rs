//! Activities: who is entitled to what.

use alloc::string::String;
use alloc::vec::Vec;

use vortex_units::{CoreId, Frames, Micros, Rate, Share};

use super::{GroupIndex, ResourceIndex};
use crate::Place;

/// An activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its name; `infrastructure` for the first.
    pub name: String,
    /// Its share at every resource scheduler and multiplexor for which no entitlement says
    /// otherwise. If not written: [`Share::ONE`], with a warning; for the infrastructure as
    /// much as all others together (the paper's 50 %).
    pub share: Share,
    /// Its priority likewise; lower runs first. Zero if not written.
    pub priority: u32,
    /// `group`: of which it is, for schedulers that look at groups.
    pub group: Option<GroupIndex>,
    /// What is said apart of a resource or a core.
    pub entitlements: Vec<Entitlement>,
    /// Its memory.
    pub memory: MemoryBudget,
    /// `<nodes>`: how many queued requests it may have; the grid's default if `None`.
    pub nodes: Option<u32>,
    /// How many of the kernel's objects it may have.
    pub limits: Limits,
    /// Whose performance data its processes may see.
    pub performance: Performance,
    /// Whose entitlements its processes may change while the machine runs.
    pub control: Control,
    /// Where it is written; line zero for an infrastructure that is not.
    pub place: Place,
}

/// `<limits processes threads files pipes mappings signals/>`: beyond them the kernel makes
/// no more for all processes of the activity together, and says so as Linux does. `None`: no
/// such limit. What a process or a thread has one of, as an alarm or a wait, needs none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Processes (`EAGAIN`).
    pub processes: Option<u32>,
    /// Threads of all its processes (`EAGAIN`).
    pub threads: Option<u32>,
    /// Open files, the ends of pipes among them (`ENFILE`).
    pub files: Option<u32>,
    /// Pipes without a name (`ENFILE`).
    pub pipes: Option<u32>,
    /// Regions of its processes' memory (`ENOMEM`).
    pub mappings: Option<u32>,
    /// Real-time signals that wait (`EAGAIN`).
    pub signals: Option<u32>,
}

/// `performance`: whose data a process may ask for (§4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Performance {
    /// `own`: those of its activity. The default.
    #[default]
    Own,
    /// `all`: those of all activities, and of the cores.
    All,
}

/// `control`: whose entitlements a process may change, and in whose activities it may begin
/// processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// `none`: nobody's, its own neither. The default.
    #[default]
    None,
    /// `all`: those of all activities.
    All,
}

impl Control {
    /// Where the host's secret is in the kernel's first archive: who knows it orders what
    /// processes of such activities may do. The root file system does not have it.
    pub const SECRET_FILE: &'static str = "/etc/vortex.secret";
    /// The variable of the environment in which services of such activities have it.
    pub const SECRET: &'static str = "VORTEX_SECRET";
}

/// A share or priority for one resource, one core, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// At this resource's scheduler; `None`: at the multiplexors themselves.
    pub resource: Option<ResourceIndex>,
    /// On this core; `None`: on all of the resource's.
    pub core: Option<CoreId>,
    /// The share there, if it differs.
    pub share: Option<Share>,
    /// The priority there, if it differs.
    pub priority: Option<u32>,
    /// What is reserved for it there a second, in the scheduler's metric; of time, microseconds.
    pub reservation: Option<Rate>,
    /// What it has there a second at most, likewise.
    pub limit: Option<Rate>,
    /// Within what time it is to be served there; with a reservation, for what time that is.
    pub period: Option<Micros>,
    /// Where it is written.
    pub place: Place,
}

/// `<memory minimum soft hard/>`; minimum ≤ soft ≤ hard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Kept for it whatever others need. Zero if not written.
    pub minimum: Frames,
    /// Beyond this it is the first to give memory back; `None`: no such line.
    pub soft: Option<Frames>,
    /// It never has more; `None`: what the machine has.
    pub hard: Option<Frames>,
}
