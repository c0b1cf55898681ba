//! User mode: a thread's registers, entering it, and how it leaves.

mod context;
mod enter;
mod vectors;

pub use context::{Registers, UserContext};
pub use enter::{Exit, Fault, FaultKind, Program, save_vectors};
