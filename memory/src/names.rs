//! Names: frames, resources as the multiplexor knows them, cookies, and why it rejects.

use core::fmt;

use vortex_units::{ActivityId, Frames};

/// How many resources can have accounts.
pub const RESOURCES: usize = 16;

/// Frames of a huge one: 2 MiB.
pub const HUGE: Frames = Frames::new(512);

/// A frame, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(u32);

impl FrameId {
    /// The frame of this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A resource, as the multiplexor knows it: dense from zero, below [`RESOURCES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(u8);

impl ResourceId {
    /// The resource with this number; `None` if there can be none.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if (number as usize) < RESOURCES { Some(Self(number)) } else { None }
    }

    /// The resource with this number, or with what it leaves by [`RESOURCES`].
    #[must_use]
    pub const fn nth(number: u8) -> Self {
        Self(number % RESOURCES as u8)
    }

    /// Its place in tables that have an entry a resource.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn number(self) -> u8 {
        self.0
    }
}

/// What a resource wants to be told when it is asked for a frame (§3.2): with it, it finds
/// what it used the frame for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub u64);

/// For whom, and by whom, a frame is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// Who pays.
    pub activity: ActivityId,
    /// Who has it, and is asked for it.
    pub resource: ResourceId,
}

/// Why an activity gets no frame. It concerns the client alone (law 7): the resource goes
/// on for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Whose budget it was.
    pub activity: ActivityId,
    /// What was in the way.
    pub why: Why,
}

/// What stood in the way of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The activity's hard limit: only frames of its own can make room.
    Hard,
    /// Memory is low: all that no minimum claims is in use, or waited for.
    Low,
    /// No 2 MiB of memory lie side by side; single frames may be there.
    Fragmented,
    /// The activity has no account, or it is being closed.
    Closed,
    /// The limit on its kernel objects.
    Objects,
    /// The table of shared and redirected frames is full.
    Links,
    /// No such frame, or nobody has it.
    NotHeld,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Hard => "its hard limit is reached",
            Why::Low => "memory is low",
            Why::Fragmented => "no 2 MiB lie side by side",
            Why::Closed => "it has no account",
            Why::Objects => "its limit on kernel objects is reached",
            Why::Links => "the table of shared frames is full",
            Why::NotHeld => "nobody holds the frame",
        };
        write!(f, "no memory for {}: {why}", self.activity)
    }
}

impl core::error::Error for Rejected {}
