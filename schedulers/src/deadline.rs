//! Policies by deadline (`deadline.*`).

mod cbs;
mod edf;

pub use cbs::{Cbs, PERIOD};
pub use edf::Edf;
