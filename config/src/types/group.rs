//! Groups of activities, for schedulers that put activities into a tree.

use alloc::string::String;
use vortex_units::Share;

use super::Algorithm;
use crate::Place;

/// Its place in [`Config::groups`](crate::Config::groups).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupIndex(pub u16);

impl GroupIndex {
    /// As an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// `<group>`: a node of the tree that the policy `hierarchy` schedules by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name in this file.
    pub name: String,
    /// `within`: the group that it is of, which stands before it; `None`: of none.
    pub within: Option<GroupIndex>,
    /// `algorithm`: how it divides what it gets among its own. `propshare.wfq` if not written.
    pub algorithm: Algorithm,
    /// What it is entitled to where it stands.
    pub share: Share,
    /// Its priority there, for policies that have any.
    pub priority: u32,
    /// Where it is written.
    pub place: Place,
}
