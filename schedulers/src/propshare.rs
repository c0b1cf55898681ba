//! Proportional-share policies (`propshare.*`).

mod lottery;
mod round_robin;
mod stride;
mod wfq;

pub use lottery::Lottery;
pub use round_robin::RoundRobin;
pub use stride::Stride;
pub use wfq::Wfq;

#[cfg(test)]
mod at_cap;
#[cfg(test)]
mod corrections;
#[cfg(test)]
mod idle;
