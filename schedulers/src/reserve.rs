//! Policies that reserve amounts a second (`reserve.*`).

mod mclock;

pub use mclock::MClock;
