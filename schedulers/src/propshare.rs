//! Proportional-share policies (`propshare.*`).

mod round_robin;
mod wfq;

pub use round_robin::RoundRobin;
pub use wfq::Wfq;

#[cfg(test)]
mod corrections;
