//! How large a configuration may be. The kernel reads it at boot with little memory, and
//! nobody may make it slow: each limit is checked before work in proportion to it is done.

/// The largest file, in bytes.
pub const FILE: usize = 1 << 20;
/// The most XML nodes: elements, texts and comments.
pub const NODES: u32 = 100_000;
/// The deepest nesting of elements.
pub const DEPTH: usize = 16;
/// The most attributes of one element.
pub const ATTRIBUTES: usize = 32;
/// The longest tag, name or other single value, in bytes.
pub const VALUE: usize = 4096;
/// The highest core number plus one, and so the most multiplexors.
pub const CORES: u16 = 64;
/// The most resource schedulers, and the most `<scheduler>` elements.
pub const SCHEDULERS: usize = 256;
/// The most activities, the infrastructure apart.
pub const ACTIVITIES: usize = 10_000;
/// The most groups of activities, and how many may be within each other.
pub const GROUPS: usize = 1_000;
/// See [`GROUPS`].
pub const GROUPS_WITHIN: usize = 8;
/// The most flaws reported; one more says that there are others.
pub const FLAWS: usize = 1_000;
/// The most requests that one simulated request may lead to, itself included.
pub const FAN_OUT: u64 = 10_000;
/// The most threads that all simulated workloads may have together.
pub const THREADS: u64 = 100_000;
/// The longest simulation, in nanoseconds: an hour.
pub const DURATION: u64 = 3_600_000_000_000;
