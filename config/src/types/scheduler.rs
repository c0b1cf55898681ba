//! Multiplexors, schedulers, and from whom they request time.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use vortex_units::{CoreId, Micros, Rate, Share};

use super::SchedulerIndex;
use crate::Place;

/// A policy, and what is known of it. Copied from `Known`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// Its name in the dotted form, as `propshare.wfq`.
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
    /// Whether it puts activities into groups; shares, priorities and waiting are then its
    /// root's.
    pub uses_groups: bool,
}

/// What counts as consumption (`<metric>`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// `cycles`, the default.
    #[default]
    Cycles,
    /// `bytes` moved.
    Bytes,
    /// `memory`: frames allocated.
    Memory,
    /// `requests` served.
    Requests,
    /// `service-time`: the time in which a device served requests. Of `resource.drwr` alone.
    ServiceTime,
    /// `field:NAME`: a field that the resource adds to its records.
    Field(String),
}

/// As a file has it.
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycles => f.write_str("cycles"),
            Self::Bytes => f.write_str("bytes"),
            Self::Memory => f.write_str("memory"),
            Self::Requests => f.write_str("requests"),
            Self::ServiceTime => f.write_str("service-time"),
            Self::Field(name) => write!(f, "field:{name}"),
        }
    }
}

/// An entry of the policy's dictionary (`<param name="…">value</param>`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The key.
    pub name: String,
    /// The value; the policy that takes it judges it.
    pub value: String,
    /// Where it is written.
    pub place: Place,
}

/// Which of the two forms of CPU share a multiplexor has (decision 0003).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShareForm {
    /// `charge-through`: what an activity uses on the core in any resource also counts
    /// against its own client. The default.
    #[default]
    ChargeThrough,
    /// `paper`: a resource is a client with a share of its own, and that is all.
    Paper,
}

impl ShareForm {
    /// The run-on quantum where none is written. With charge-through it is what a thread in
    /// user mode has before others' wishes interrupt it, so that its calls are served as part
    /// of the turn that it has anyway; the paper has no run-on.
    #[must_use]
    pub const fn run_on(self) -> Micros {
        match self {
            Self::ChargeThrough => Micros::new(200),
            Self::Paper => Micros::ZERO,
        }
    }
}

/// A CPU multiplexor: the scheduler at the root of one core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiplexor {
    /// Its name in this file.
    pub tag: String,
    /// Its core.
    pub core: CoreId,
    /// Its policy.
    pub algorithm: Algorithm,
    /// What it counts.
    pub metric: Metric,
    /// The form of CPU share.
    pub shares: ShareForm,
    /// `<runon>`: for how long follow-ups of the same core and activity may be dispatched
    /// without asking the schedulers again; [`ShareForm::run_on`] if not written.
    pub run_on: Micros,
    /// The policy's own entries.
    pub params: Vec<Parameter>,
    /// Where it is written.
    pub place: Place,
}

/// Who gives time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The multiplexor of this core.
    Multiplexor(CoreId),
    /// A stacked scheduler, on every core it has itself.
    Scheduler(SchedulerIndex),
}

/// A request for time: the resource or scheduler is a client of `from`, with this share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Of whom it is a client.
    pub from: Source,
    /// Its share there; `None` if not written. Then a resource's client counts as
    /// [`Share::ONE`], and see [`ResourceScheduler::draws`] for `resource.thread`.
    pub share: Option<Share>,
    /// Its priority there, for policies that have any. Lower runs first.
    pub priority: Option<u32>,
    /// Where it is written.
    pub place: Place,
}

/// A scheduler between resource schedulers and multiplexors, as of an I/O bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackedScheduler {
    /// Its name in this file.
    pub tag: String,
    /// Its policy; its clients are the resources and schedulers that draw from it.
    pub algorithm: Algorithm,
    /// What it counts.
    pub metric: Metric,
    /// The policy's own entries.
    pub params: Vec<Parameter>,
    /// `limit`: what all its clients have together in a second, on all its cores, at most.
    pub limit: Option<Rate>,
    /// From whom it requests; no core twice, also not through others.
    pub draws: Vec<Draw>,
    /// Its cores, ascending, never empty.
    pub cores: Vec<CoreId>,
    /// Where it is written.
    pub place: Place,
}

/// How the labels of a resource are bound to cores (`<loadsharing>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadSharing {
    /// `fewest-bound` (§4.2): the core with the fewest labels bound. The default, for good.
    FewestBound {
        /// `ttl`: for how long a binding holds; `None` is for good.
        ttl: Option<Micros>,
    },
    /// `least-received` (§3.1.1, footnote 3): where the activity has received least in
    /// proportion to its share.
    LeastReceived {
        /// `ttl`: for how long a binding holds; `None` is for good.
        ttl: Option<Micros>,
    },
    /// `fixed` (§4.4): always the same core, one of the resource's.
    Fixed {
        /// `core`.
        core: CoreId,
    },
    /// `fewest-cores` (§5.3): as few cores as the observed utilization allows.
    FewestCores {
        /// `ttl`: for how long a binding holds; `None` is for good.
        ttl: Option<Micros>,
        /// `utilization`: above this another core is taken, in hundredths of a per cent.
        /// 80 % if not written.
        utilization: u16,
    },
}

/// The scheduler of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceScheduler {
    /// The resource, as `resource.tcp`.
    pub resource: String,
    /// Its policy; its clients are activities. Of `resource.thread` there is an instance
    /// for each process, its clients are the process's threads.
    pub algorithm: Algorithm,
    /// What it counts.
    pub metric: Metric,
    /// How labels are bound to cores.
    pub load_sharing: LoadSharing,
    /// The policy's own entries.
    pub params: Vec<Parameter>,
    /// `<batch>`: how many requests one decision may dispatch. One if not written.
    pub batch: u16,
    /// `<favours>`: of what one activity asks, requests that this resource sends go first
    /// (§3.2); all in the order of their senders' turns if not written.
    pub favours: Option<String>,
    /// From whom it requests time; no core twice.
    ///
    /// For `resource.thread` a share written here is what *all* its instances have together
    /// on that core, divided among the activities in proportion to their shares; where none
    /// is written, every activity's instances have the activity's own share.
    /// `Config::thread_share` does the sum.
    pub draws: Vec<Draw>,
    /// Its cores, ascending, never empty.
    pub cores: Vec<CoreId>,
    /// Where it is written.
    pub place: Place,
}
