//! What AIOR knows of a process: its operations, in what order those on a descriptor come, and
//! its windows.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::operation::OpId;
use super::slots::Slots;
use crate::files::FilesId;
use crate::memory::AddressSpace;
use crate::process::{Pid, Process};

/// Operations that a process has at most whose results it has not taken.
pub const MOST: usize = 1024;

/// Names a process with the memory of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The process.
    pub pid: Pid,
    /// The number of its memory.
    pub space: u64,
}

/// A process that has operations.
pub struct Owner {
    pub process: Arc<Process>,
    pub space: Arc<AddressSpace>,
    /// By the addresses of their control blocks.
    pub operations: BTreeMap<u64, OpId>,
    /// Those that come one after the other and have not ended, by descriptor and in the order in
    /// which they came: the first of a descriptor has its turn.
    turns: BTreeMap<(i32, u64), OpId>,
    /// How many have come.
    came: u64,
    /// The places of its windows.
    pub windows: Slots,
    /// Descriptors of operations' own are in these: the first, but for what came at once.
    pub tables: Vec<FilesId>,
    /// It is no more: its operations end, and then it is forgotten.
    pub ended: bool,
}

impl Owner {
    pub fn new(process: Arc<Process>, space: Arc<AddressSpace>) -> Self {
        Self {
            process,
            space,
            operations: BTreeMap::new(),
            turns: BTreeMap::new(),
            came: 0,
            windows: Slots::default(),
            tables: Vec::new(),
            ended: false,
        }
    }

    /// An operation on a descriptor comes after those that are there: its number.
    pub fn line_up(&mut self, fd: i32, id: OpId) -> u64 {
        self.came = self.came.saturating_add(1);
        self.turns.insert((fd, self.came), id);
        self.came
    }

    /// Whose turn it is on a descriptor.
    pub fn turn(&self, fd: i32) -> Option<OpId> {
        self.turns.range((fd, 0)..=(fd, u64::MAX)).next().map(|(_, id)| *id)
    }

    /// One of a descriptor's has ended, whether it was its turn or not.
    pub fn step_out(&mut self, fd: i32, number: u64) {
        self.turns.remove(&(fd, number));
    }
}
