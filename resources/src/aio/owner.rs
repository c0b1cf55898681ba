//! What AIOR knows of a process: its operations, in what order those on a descriptor come, and
//! its windows.

use alloc::collections::{BTreeMap, VecDeque};
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
    /// Those that have been begun and have not ended, by descriptor: the first has its turn.
    pub turns: BTreeMap<i32, VecDeque<OpId>>,
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
            windows: Slots::default(),
            tables: Vec::new(),
            ended: false,
        }
    }
}
