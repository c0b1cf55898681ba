//! From the configuration's words to what the grid is made of: entitlements, standings and
//! policies. The kernel and the simulation assemble the same file by the same rules.
#![no_std]

extern crate alloc;

mod entitle;
mod policies;

pub use entitle::{class, entitlement, multiplexor_share, parent, places, thread_standing};
pub use policies::{Pace, PolicyError, multiplexor, resource, stacked};
