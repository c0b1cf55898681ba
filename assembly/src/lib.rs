//! From the configuration's words to what the grid is made of: entitlements, standings and
//! policies. The kernel and the simulation assemble the same file by the same rules; what the
//! kernel does not do, or does not look at, of a sound file is said here too.
#![no_std]

extern crate alloc;

mod entitle;
mod known;
mod live;
mod offered;
mod policies;
mod said;
mod words;

pub use entitle::{
    class, entitlement, favours, multiplexor_share, parent, places, thread_standing,
};
pub use known::known;
pub use live::{Deed, Live, Ordered, UNNAMED, metric_of};
pub use offered::{
    OF_CARDS, OF_DISKS, OF_NETWORK, Remark, is_uneven, place_of, refused, resources, simulated,
};
pub use policies::{Pace, PolicyError, limit_of, multiplexor, resource, sharing_of, stacked};
pub use said::said;
pub use vortex_schedulers::Limit;
pub use words::judge_words;
