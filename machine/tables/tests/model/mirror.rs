//! The model: for each page of each space its frame, its rights and whether it was used, and
//! who else has handles. Nothing of tables, entries or generations.

use std::collections::{BTreeMap, BTreeSet};

use vortex_tables::{Access, USER_END};

use crate::walk;

/// What there is at a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The address of its frame.
    pub frame: u64,
    pub access: Access,
    pub accessed: bool,
    pub modified: bool,
    /// It was given up.
    pub given_up: bool,
}

/// A space.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    pub pages: BTreeMap<u64, Page>,
    /// The tables that were made for them: level and first address.
    pub tables: BTreeSet<(u32, u64)>,
    /// Frames that cores may still reach, and at which time they were taken away.
    pub limbo: Vec<(u64, u64)>,
}

impl Page {
    /// One that nobody has used yet.
    pub fn new(frame: u64, access: Access) -> Self {
        Self { frame, access, accessed: false, modified: false, given_up: false }
    }

    /// The same with other rights: then it is not given up any more.
    pub fn with(self, access: Access) -> Self {
        Self { access, given_up: false, ..self }
    }

    /// The entry that says so.
    pub fn entry(&self) -> u64 {
        let user = walk::PRESENT | walk::USER;
        let rights = match self.access {
            Access::None => walk::KEPT | walk::NO_EXECUTE,
            Access::Read => user | walk::NO_EXECUTE,
            Access::Write => user | walk::WRITABLE | walk::NO_EXECUTE,
            Access::Execute => user,
        };
        let accessed = if self.accessed { walk::ACCESSED } else { 0 };
        let modified = if self.modified { walk::DIRTY } else { 0 };
        let given_up = if self.given_up { walk::GIVEN_UP } else { 0 };
        self.frame | rights | accessed | modified | given_up
    }
}

impl Mirror {
    /// Makes the tables for a page, with room for so many. False where that is too few.
    pub fn make_tables(&mut self, page: u64, room: &mut usize) -> bool {
        for level in (1..=3).rev() {
            let table = walk::table_of(page, level);
            if self.tables.contains(&table) {
                continue;
            }
            if *room == 0 {
                return false;
            }
            *room -= 1;
            self.tables.insert(table);
        }
        true
    }

    /// The pages of a range, in order.
    pub fn range(&self, at: u64, end: u64) -> Vec<(u64, Page)> {
        let end = end.min(USER_END);
        if at >= end {
            return Vec::new();
        }
        self.pages.range(at..end).map(|(&at, &page)| (at, page)).collect()
    }
}
