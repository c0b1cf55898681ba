//! The performance data that the call `performance` returns (§4.1), as bytes.
//!
//! A sample is little-endian and has no padding. It begins with [`MAGIC`], a version, and
//! its own length, so that a reader knows whether it has all of it. Lists have their count
//! first (`u32`), strings their length (`u16`) and then UTF-8.
//!
//! ```text
//! sample   magic u32, version u16, scope u16, length u64, stamp u64, megahertz u32,
//!          list of names, list of memory, list of entitled, list of reserved,
//!          list of schedulers, list of cores
//! name     activity u32, string
//! memory   activity u32, frames u64, objects u64
//! entitled activity u32, resource string, core u16, hundredths u32, priority u32
//! reserved activity u32, resource string, core u16, reservation u64, limit u64, period u64
//! scheduler site string, core u16, policy string, metric string, limit u64, share u32,
//!          priority u32
//! core     number u16, stamp u64, elapsed u64, idle u64, host u64, departed u64,
//!          list of used, list of clients, unnamed u64, list of blame
//! used     activity u32, cycles u64
//! blame    victim u32, causer u32, cycles u64
//! client   kind u8, instance u32, resource string, activity u32, cycles u64, bytes u64,
//!          memory u64, requests u64, runs u64, waited u64, longest u64, queued u64
//! ```
//!
//! A core of 65535 is all of them that nothing else is said of; of what may be unsaid a zero says
//! nothing, of a scheduler's priority 4294967295.
//!
//! # Invariants
//! Decoding what was encoded gives the same; decoding anything else gives an error, and
//! never takes more memory than a small multiple of the bytes that it was given.

mod read;
#[cfg(test)]
mod tests;
pub mod trace;
mod write;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use read::{Unreadable, decode};
pub use write::encode;

/// The system call's number: `0x5600`, one of Vortex's own.
pub const NUMBER: u32 = 0x5600;
/// `VXPF`, little-endian.
pub const MAGIC: u32 = 0x4650_5856;
/// The form described here.
pub const VERSION: u16 = 5;
/// What the processors are called among resources.
pub const PROCESSORS: &str = "resource.thread";
/// As a causer in [`Blame`]: activities that the caller may not see, all together.
pub const OTHERS: u32 = u32::MAX;

/// A sample of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Whether it is all of the machine's data, or the caller's own only: then [`Core::idle`],
    /// [`Core::host`] and [`Core::departed`] are not told, and are zero.
    pub whole: bool,
    /// Core 0's counter when its part of the sample was taken.
    pub stamp: u64,
    /// The counter's rate.
    pub megahertz: u32,
    /// What the activities are called that occur.
    pub names: Vec<(u32, String)>,
    /// What the activities fill of memory.
    pub memory: Vec<Memory>,
    /// What the activities are entitled to now.
    pub entitled: Vec<Entitled>,
    /// What schedulers are now, and what is reserved and limited there.
    pub said: Arc<Said>,
    /// A part for each core.
    pub cores: Vec<Core>,
}

/// What an activity fills of memory, its parts' included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Which.
    pub activity: u32,
    /// Frames that it is charged: pages, page tables, pages of files.
    pub frames: u64,
    /// Bytes of the kernel's heap that its objects take.
    pub objects: u64,
}

/// What an activity is entitled to now, its parts' included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entitled {
    /// Which.
    pub activity: u32,
    /// [`PROCESSORS`], or another resource where it is not entitled to the same as there.
    pub resource: String,
    /// On this core; `None`: on those of which nothing else is said.
    pub core: Option<u16>,
    /// Its share, in hundredths.
    pub hundredths: u32,
    /// Its priority, for policies that have any.
    pub priority: u32,
}

/// What is said now, by the configuration and by orders since: changed rarely, so it is shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What is reserved for activities, and limited.
    pub reserved: Vec<Reserved>,
    /// The schedulers, where all data are told.
    pub schedulers: Vec<Scheduling>,
}

/// What is reserved for an activity, and what it has at most: a second, in what the scheduler there
/// counts; of time, microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Whose.
    pub activity: u32,
    /// Where: [`PROCESSORS`], or a resource.
    pub resource: Arc<str>,
    /// On this core; `None`: on those of which nothing else is said.
    pub core: Option<u16>,
    /// What it has at least.
    pub reservation: Option<u64>,
    /// What it has at most.
    pub limit: Option<u64>,
    /// Within how many microseconds it is served.
    pub period: Option<u64>,
}

/// A scheduler as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// [`PROCESSORS`] for a core's multiplexor, a resource's name, or the tag of one between others.
    pub site: Arc<str>,
    /// On this core; `None`: on all that it has.
    pub core: Option<u16>,
    /// By which policy it decides.
    pub policy: Arc<str>,
    /// What it counts.
    pub metric: Arc<str>,
    /// What all its clients have together in a second at most.
    pub limit: Option<u64>,
    /// Its share where it requests time, in hundredths, if any was said.
    pub share: Option<u32>,
    /// Its priority there, if any was said.
    pub priority: Option<u32>,
}

/// What a scheduler counts, and so what is reserved and limited there a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Time: microseconds.
    Time,
    /// Bytes.
    Bytes,
    /// Requests.
    Requests,
    /// Something else, or it is not told.
    Else,
}

impl Said {
    /// What is counted at a place. Where schedulers are not told the processors' time is known.
    #[must_use]
    pub fn counts(&self, site: &str) -> Counts {
        let told = self.schedulers.iter().find(|own| *own.site == *site);
        match told.map(|own| &*own.metric) {
            Some("cycles" | "service-time") => Counts::Time,
            Some("bytes") => Counts::Bytes,
            Some("requests") => Counts::Requests,
            None if site == PROCESSORS => Counts::Time,
            _ => Counts::Else,
        }
    }

    /// What of it these activities may know; all of it, if they may know all.
    #[must_use]
    pub fn of(self: Arc<Self>, activities: &[u32], whole: bool) -> Arc<Self> {
        if whole {
            return self;
        }
        let own = |row: &&Reserved| activities.contains(&row.activity);
        let reserved = self.reserved.iter().filter(own).cloned().collect();
        Arc::new(Self { reserved, schedulers: Vec::new() })
    }
}

/// What a core tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Core {
    /// Which.
    pub number: u16,
    /// Its counter when it took its part, up to which all its time is booked.
    pub stamp: u64,
    /// Cycles since it started.
    pub elapsed: u64,
    /// Of these, with nothing to do.
    pub idle: u64,
    /// Of these, taken by the hypervisor.
    pub host: u64,
    /// Of these, used by activities that are gone.
    pub departed: u64,
    /// Of these, used by each activity; infrastructure is activity 0.
    pub used: Vec<(u32, u64)>,
    /// The clients of its schedulers.
    pub clients: Vec<Client>,
    /// Of the waits that were looked into, cycles for which nobody is named any more.
    pub unnamed: u64,
    /// Who ran while whose requests waited, of the waits that were looked into: all that were
    /// long, and one in some of the others.
    pub blame: Vec<Blame>,
}

/// For how long an activity's requests waited while another had the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// Who waited.
    pub victim: u32,
    /// Who ran meanwhile; may be the same, or [`OTHERS`].
    pub causer: u32,
    /// For how long.
    pub cycles: u64,
}

/// Whose client a client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The core's multiplexor's: an activity with its threads.
    #[default]
    Threads,
    /// The core's multiplexor's: a resource.
    Resource,
    /// A resource's scheduler's: an activity.
    Holder,
}

/// A client of a scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Of which scheduler.
    pub kind: Kind,
    /// The resource's number in the grid; zero for [`Kind::Threads`].
    pub instance: u32,
    /// The resource's name; empty for [`Kind::Threads`].
    pub resource: String,
    /// The activity; zero for [`Kind::Resource`].
    pub activity: u32,
    /// Cycles attributed to it, credits taken off.
    pub cycles: u64,
    /// Bytes that it moved.
    pub bytes: u64,
    /// Frames attributed to it.
    pub memory: u64,
    /// Requests that it was charged for.
    pub requests: u64,
    /// Requests begun.
    pub runs: u64,
    /// Cycles that its requests waited, in sum.
    pub waited: u64,
    /// The longest of these waits.
    pub longest: u64,
    /// Requests that wait now.
    pub queued: u64,
}

impl Sample {
    /// The name of an activity, if it is told.
    #[must_use]
    pub fn name(&self, activity: u32) -> Option<&str> {
        self.names.iter().find(|(number, _)| *number == activity).map(|(_, name)| name.as_str())
    }
}
