//! Policies that order requests by what they are about (`order.*`).

mod scan;

pub use scan::Scan;
