//! Why a configuration cannot be simulated, or a simulation cannot go on.

use std::fmt;

use vortex_config::Place;
use vortex_units::{CoreId, Cycles};

/// What of a configuration the simulation cannot honour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The clock is not a whole number of megahertz.
    Frequency(Cycles),
    /// A policy or load sharing that cannot be made; what its maker says.
    Policy {
        /// Of which scheduler.
        scheduler: String,
        /// Why.
        why: String,
    },
    /// A metric counts a field that no simulated resource adds to its records.
    Field {
        /// Of which scheduler.
        scheduler: String,
        /// The field.
        field: String,
    },
    /// A stacked scheduler requests with different shares or priorities, or of different
    /// schedulers, on different cores.
    UnevenDraws(String),
    /// A priority where `resource.thread` requests: its clients there are the activities,
    /// and each has its own.
    ThreadPriority,
    /// A memory budget beside simulated resources that allocate memory: the simulation has
    /// no memory multiplexor to enforce it.
    MemoryBudget(String),
    /// There are services and nothing to simulate: programs run on the kernel only.
    OnlyServices,
    /// A workload, and no `resource.thread` to run it.
    NoThreads,
    /// A resource is sent requests, and nothing says what they cost there.
    NoCost(String),
    /// An activity has more threads than it may have requests.
    TooManyThreads {
        /// Which.
        activity: String,
        /// Its threads.
        threads: u64,
        /// Its requests.
        nodes: u32,
    },
    /// A causer stays unknown over more resources than the simulation can remember.
    UnknownTooLong(String),
    /// A resource on an arrival's way to its causer costs more than one run.
    UnknownTooDear(String),
    /// A resource waits for what it sends in a causer's name.
    WaitsForCauser(String),
    /// More activities than the grid can hold.
    Activities,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frequency(rate) => {
                write!(f, "the frequency is {} a second and must be whole megahertz", rate.get())
            }
            Self::Policy { scheduler, why } => write!(f, "{scheduler}: {why}"),
            Self::Field { scheduler, field } => write!(
                f,
                "{scheduler}: the metric counts '{field}', which no simulated resource reports"
            ),
            Self::UnevenDraws(name) => write!(
                f,
                "{name}: in simulation it must request from the same with the same share and \
                 priority on all its cores"
            ),
            Self::ThreadPriority => f.write_str(
                "resource.thread: the priority beside the tag has no effect; threads have the \
                 priorities of their activities",
            ),
            Self::MemoryBudget(name) => write!(
                f,
                "{name}: its memory budget is not enforced in simulation, and simulated resources \
                 allocate memory"
            ),
            Self::OnlyServices => {
                f.write_str("there are services and no <simulation>: programs are not simulated")
            }
            Self::NoThreads => f.write_str("a workload needs a scheduler for resource.thread"),
            Self::NoCost(name) => {
                write!(f, "{name} is sent requests, and the simulation says not what they cost")
            }
            Self::TooManyThreads { activity, threads, nodes } => write!(
                f,
                "{activity} has {threads} threads, each of which is a request, and may have \
                 {nodes} requests"
            ),
            Self::UnknownTooLong(name) => {
                write!(f, "{name}: more than 3 resources lie before the one that bills the causer")
            }
            Self::UnknownTooDear(name) => {
                write!(f, "{name}: a request whose causer is unknown may cost at most 50000 cycles")
            }
            Self::WaitsForCauser(name) => {
                write!(f, "{name}: it bills the causer and cannot wait for what it then sends")
            }
            Self::Activities => f.write_str("there are more activities than a grid can hold"),
        }
    }
}

/// Everything of a configuration that cannot be simulated, with its place (line zero where
/// it has none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError(pub Vec<(Place, Problem)>);

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, problem)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            if place.line > 0 {
                write!(f, "{place}: ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// Virtual time does not pass: a defect of the toolkit or of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// On which core.
    pub core: CoreId,
    /// Since when.
    pub at: Cycles,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "virtual time does not pass on {} since {}", self.core, self.at)
    }
}

impl std::error::Error for Stuck {}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimError {
    /// The configuration cannot be simulated.
    Build(BuildError),
    /// The simulation cannot go on.
    Stuck(Stuck),
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Stuck(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SimError {}

impl From<BuildError> for SimError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<Stuck> for SimError {
    fn from(error: Stuck) -> Self {
        Self::Stuck(error)
    }
}
