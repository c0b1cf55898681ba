//! Tables of spaces that are gone: of a large one they are too many to be freed where it ends,
//! which is whenever the last core has loaded another.

use alloc::vec::Vec;

use spin::Mutex;

use super::{Frame, Freed};

/// Freed where the space ends.
const FEW: usize = 32;
/// Freed in one run.
const SLICE: usize = 64;

/// Tables that no table names any more; each owns a count of its frame.
static LEFT: Mutex<Vec<Vec<u64>>> = Mutex::new(Vec::new());

fn free(tables: &mut Vec<u64>, most: usize) {
    let mut freed = Freed::default();
    for table in tables.drain(tables.len().saturating_sub(most)..) {
        // SAFETY: an entry owned it, which is in a table that is no more.
        freed.add(unsafe { Frame::from_entry(table) });
    }
}

/// A space is gone, and no core has it loaded.
pub(super) fn take(mut tables: Vec<u64>) {
    free(&mut tables, FEW);
    if tables.is_empty() {
        return;
    }
    let mut left = LEFT.lock();
    if left.try_reserve(1).is_ok() {
        left.push(tables);
    } else {
        drop(left);
        free(&mut tables, usize::MAX);
    }
}

/// Frees some of what spaces that are gone have left. True if there is more.
pub fn free_tables() -> bool {
    let Some(mut tables) = LEFT.lock().pop() else { return false };
    free(&mut tables, SLICE);
    let mut left = LEFT.lock();
    if !tables.is_empty() {
        // There is room: it was taken out of there.
        left.push(tables);
    }
    !left.is_empty()
}
