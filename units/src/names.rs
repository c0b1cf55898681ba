//! Names of things: cores, activities, resource instances.

use core::fmt;

/// A core, and with it that core's CPU multiplexor; dense from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(u16);

impl CoreId {
    /// Names the core with this index.
    #[must_use]
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// Its place in tables that have an entry a core.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "core {}", self.0)
    }
}

/// The unit of attribution (§2.1): a process, a group of processes, or a part of one.
///
/// The index is reused after an activity's death, the generation never within 2^32
/// lives: an identifier kept beyond the death of its activity names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivityId {
    index: u32,
    generation: u32,
}

impl ActivityId {
    /// The reserved activity for work whose causer is not known yet. It never dies.
    pub const INFRASTRUCTURE: Self = Self { index: 0, generation: 0 };

    /// Names the activity in this place of the activity table, in this life.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// Its place in tables that have an entry an activity.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Which of the lives of that place is meant.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for ActivityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::INFRASTRUCTURE {
            f.write_str("infrastructure")
        } else {
            write!(f, "activity {}.{}", self.index, self.generation)
        }
    }
}

/// One instance of a resource: most resources have one, the Thread Resource one a process.
///
/// A place in the tables that have an entry an instance, and how often that place was taken
/// before: instances come and go, and the name of one that has gone is not its successor's
/// before its place was taken 65,536 times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(u32);

impl InstanceId {
    /// Who sends root requests: the world outside of the grid.
    pub const OUTSIDE: Self = Self(u32::MAX);
    /// How many places there are; the last one is the outside's.
    pub const PLACES: usize = u16::MAX as usize;

    /// Names the first instance in this place.
    #[must_use]
    pub const fn new(place: u16) -> Self {
        Self::again(place, 0)
    }

    /// Names the instance in this place after so many others.
    #[must_use]
    pub const fn again(place: u16, generation: u16) -> Self {
        Self((generation as u32) << u16::BITS | place as u32)
    }

    /// Its place in tables that have an entry an instance.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & u16::MAX as u32) as usize
    }

    /// How many were in its place before.
    #[must_use]
    pub const fn generation(self) -> u16 {
        (self.0 >> u16::BITS) as u16
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instance {}", self.0)
    }
}
