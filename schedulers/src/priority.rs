//! Policies by priority (`priority.*`).

mod multilevel;
mod strict;

pub use multilevel::Multilevel;
pub use strict::Strict;
