//! The tables as a processor sees them: read word by word, without a line of what is tried.

use std::collections::{BTreeMap, BTreeSet};

use crate::arena;

/// Bits of an entry (Intel's manual, volume 3A, section 4.5), and ours among those that are
/// left to software.
pub const PRESENT: u64 = 1;
pub const WRITABLE: u64 = 1 << 1;
pub const USER: u64 = 1 << 2;
pub const ACCESSED: u64 = 1 << 5;
pub const DIRTY: u64 = 1 << 6;
pub const HUGE: u64 = 1 << 7;
pub const KEPT: u64 = 1 << 9;
pub const GIVEN_UP: u64 = 1 << 10;
pub const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// All that hangs on a root in the programs' half.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// The entries of pages that are not zero.
    pub pages: BTreeMap<u64, u64>,
    /// Which tables there are: the level (4 is the root's) and the first address, and where.
    pub tables: BTreeMap<(u32, u64), u64>,
    /// Where 2 MiB are mapped at once.
    pub huge: BTreeSet<u64>,
}

/// Walks all of it.
pub fn all(root: u64) -> Walked {
    let mut walked = Walked::default();
    below(root, 4, 0, &mut walked);
    walked
}

fn below(table: u64, level: u32, at: u64, walked: &mut Walked) {
    let span = 1u64 << (12 + 9 * (level - 1));
    let entries = if level == 4 { 256 } else { 512 };
    let words = arena::words(table);
    for (index, &entry) in (0..entries).zip(&words).filter(|(_, entry)| **entry != 0) {
        let address = at + index * span;
        if level == 1 {
            walked.pages.insert(address, entry);
            continue;
        }
        if level == 2 && entry & HUGE != 0 {
            assert_eq!((entry & ADDRESS) % span, 0, "2 MiB lie at a multiple of that");
            walked.huge.insert(address);
            let pages =
                (0..512).map(|page| (address + (page << 12), (entry & !HUGE) + (page << 12)));
            walked.pages.extend(pages);
            continue;
        }
        let rights = PRESENT | WRITABLE | USER;
        let rest = entry & !ADDRESS & !ACCESSED;
        assert_eq!(rest, rights, "the entry of a table, {entry:#x}, at {address:#x}");
        let next = entry & ADDRESS;
        walked.tables.insert((level - 1, address), next);
        below(next, level - 1, address, walked);
    }
}

/// What a use of a page wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Read,
    Write,
    Execute,
}

/// What a processor does for a page that it has no translation of: goes down, and marks what
/// it used. The entry, as it is then; `None` where that is a fault.
pub fn translate(root: u64, page: u64, wish: Wish) -> Option<u64> {
    let mut places = Vec::new();
    let mut table = root;
    for level in (1..=4u32).rev() {
        let place = table + (page >> (12 + 9 * (level - 1))) % 512 * 8;
        let entry = arena::read(place);
        if entry & PRESENT == 0 || entry & USER == 0 {
            return None;
        }
        let refused = match wish {
            Wish::Read => false,
            Wish::Write => entry & WRITABLE == 0,
            Wish::Execute => entry & NO_EXECUTE != 0,
        };
        if refused {
            return None;
        }
        places.push(place);
        if level == 2 && entry & HUGE != 0 {
            break;
        }
        table = entry & ADDRESS;
    }
    for &place in &places {
        arena::write(place, arena::read(place) | ACCESSED);
    }
    let last = *places.last()?;
    if wish == Wish::Write {
        arena::write(last, arena::read(last) | DIRTY);
    }
    let entry = arena::read(last);
    let within = if entry & HUGE != 0 && places.len() == 3 { page % (1 << 21) } else { 0 };
    let huge = if places.len() == 3 { HUGE } else { 0 };
    Some((entry & !huge) + within)
}

/// Whether 2 MiB are mapped at once where a page is.
pub fn is_huge(root: u64, page: u64) -> bool {
    let mut table = root;
    for level in (2..=4u32).rev() {
        let entry = arena::read(table + (page >> (12 + 9 * (level - 1))) % 512 * 8);
        if level == 2 || entry & PRESENT == 0 {
            return level == 2 && entry & HUGE != 0;
        }
        table = entry & ADDRESS;
    }
    false
}

/// The frame of an entry.
pub fn frame(entry: u64) -> u64 {
    entry & ADDRESS
}

/// The upper half of a root: 256 words.
pub fn upper(root: u64) -> Vec<u64> {
    arena::words(root)[256..].to_vec()
}

/// The table of a level that a page is in.
pub fn table_of(page: u64, level: u32) -> (u32, u64) {
    let span = 1u64 << (12 + 9 * level);
    (level, page / span * span)
}
