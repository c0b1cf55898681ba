//! Load sharing (§3.1.1): which core serves an affinity label. A policy a file, chosen by
//! name as schedulers are; any scheduler can be combined with any of them.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

use vortex_grid::policy::{InitError, LoadSharing};
use vortex_units::CoreId;

mod fewest_bound;
mod fewest_cores;
mod fixed;
mod least_received;
mod parameters;
#[cfg(test)]
mod tests;

pub use fewest_bound::FewestBound;
pub use fewest_cores::FewestCores;
pub use fixed::Fixed;
pub use least_received::LeastReceived;
use parameters::Parameters;

/// What the configuration has to know of a load-sharing policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The name by which [`make`] knows it.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Its parameters, and for each what it means and may be.
    pub parameters: &'static [(&'static str, &'static str)],
}

const TTL: (&str, &str) =
    ("ttl", "for how many microseconds a binding holds, 1 to 60000000; 100000 if not given");

/// All policies.
pub const POLICIES: &[Policy] = &[
    Policy {
        name: "fewest-bound",
        summary: "the core with the fewest labels bound to it, for good",
        parameters: &[],
    },
    Policy {
        name: "least-received",
        summary: "the core where the activity has received least, by its share there",
        parameters: &[TTL],
    },
    Policy {
        name: "fixed",
        summary: "one core, for good",
        parameters: &[("core", "the core, one of the scheduler's; must be given")],
    },
    Policy {
        name: "fewest-cores",
        summary: "the lowest core that is not yet busy, so that the others can rest",
        parameters: &[
            ("threshold", "from which per cent on a core is busy, 1 to 100; 80 if not given"),
            TTL,
        ],
    },
];

/// Why a load sharing could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MakeError {
    /// No policy has this name.
    UnknownPolicy(String),
    /// A parameter that has to be given is not.
    MissingParameter(&'static str),
    /// The policy refused a parameter.
    Init(InitError),
}

/// Makes the load sharing that the configuration names, for a scheduler on these cores.
///
/// # Errors
/// [`MakeError`] where no policy has this name, or where a parameter is missing, unknown or
/// cannot be used: a `fixed` core must be one of `cores`.
pub fn make(
    name: &str,
    parameters: &[(&str, &str)],
    cores: &[CoreId],
) -> Result<Box<dyn LoadSharing>, MakeError> {
    let mut parameters = Parameters::new(parameters);
    let made: Box<dyn LoadSharing> = match name.trim() {
        "fewest-bound" => Box::new(FewestBound),
        "least-received" => Box::new(LeastReceived::new(parameters.ttl()?)),
        "fixed" => Box::new(Fixed::new(parameters.core(cores)?)),
        "fewest-cores" => Box::new(FewestCores::new(parameters.threshold()?, parameters.ttl()?)),
        other => return Err(MakeError::UnknownPolicy(other.to_string())),
    };
    parameters.finish()?;
    Ok(made)
}

/// The core to answer where the question has none, which the toolkit never asks.
fn first(cores: &[CoreId]) -> CoreId {
    cores.first().copied().unwrap_or(CoreId::new(0))
}

impl From<InitError> for MakeError {
    fn from(error: InitError) -> Self {
        Self::Init(error)
    }
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPolicy(name) => {
                write!(f, "there is no load sharing '{name}'; there are")?;
                for (index, policy) in POLICIES.iter().enumerate() {
                    write!(f, "{} {}", if index == 0 { "" } else { "," }, policy.name)?;
                }
                Ok(())
            }
            Self::MissingParameter(name) => write!(f, "the parameter '{name}' must be given"),
            Self::Init(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MakeError {}
