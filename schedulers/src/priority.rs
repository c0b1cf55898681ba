//! Policies by priority (`priority.*`).

mod strict;

pub use strict::Strict;
