//! Policies by deadline (`deadline.*`).

mod cbs;
mod edf;

pub use cbs::Cbs;
pub use edf::Edf;
