//! The simulated machine: n cores under virtual time that run the *same* grid and scheduler
//! source as the kernel, with workloads from the configuration.
//!
//! [`simulate`] builds a grid from a [`vortex_config::Config`] and runs it; the result is a
//! typed [`Report`]. [`Simulator`] is the same in steps. Nothing is printed here.
//!
//! # Invariants
//! - The same configuration, options and seed give the same report and trace, to the cycle.
//! - What of the configuration cannot be honoured is an error: nothing is ignored.
//! - A core's time passes only where something costs it: a handler its cost, each dispatched
//!   request the toolkit's overhead, a thread its user time, and waiting.
//! - Cores run one after the other, always the one whose next event is earliest; so no core
//!   acts on what another has not yet done.

mod agenda;
mod build;
mod clock;
mod device;
mod door;
mod errors;
mod machine;
mod message;
mod random;
mod report;
mod run;
mod source;
mod tally;
mod thread;
mod work;

pub use build::Options;
pub use errors::{BuildError, Problem, SimError, Stuck};
pub use report::{
    Audit, BlameRow, CoreUsage, Deviation, Received, Refusal, Report, Sample, ShareRow, TraceRow,
    UsageRow,
};
pub use run::Simulator;

/// Builds the grid that the configuration describes and runs it to its end.
///
/// # Errors
/// [`SimError::Build`] with all that cannot be honoured, or [`SimError::Stuck`] if virtual
/// time does not pass, which is a defect of the toolkit or of a policy.
pub fn simulate(config: &vortex_config::Config, options: &Options) -> Result<Report, SimError> {
    Ok(Simulator::new(config, options)?.run()?)
}
