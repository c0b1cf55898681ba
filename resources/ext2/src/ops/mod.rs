//! The operations that are asked for from outside, a file each.

mod attributes;
mod create;
mod link;
mod lookup;
mod mount;
mod rename;
mod statistics;
mod symlink;
mod sync;

pub use attributes::{Attributes, Changes, Kind};
pub use create::New;
pub use mount::Mounted;
pub use rename::Replace;
pub use statistics::Statistics;
