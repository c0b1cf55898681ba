//! What was given up and is more than can be freed in one run (law 5): it lies here until it is
//! freed, a slice at a time, by whoever gives something up next.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_files::Page;
use vortex_machine::Frame;

use crate::memory::Place;

/// Freed where they are given up.
const FEW: usize = 16;
/// Freed in one run: a frame of a file, whose reclamation goes elsewhere first, takes 1,000
/// instructions.
const SLICE: usize = 32;

/// What is left of a file's pages, or of memory that several have had.
#[derive(Default)]
struct Remains {
    pages: BTreeMap<u64, Page>,
    frames: BTreeMap<u64, Frame>,
    places: BTreeMap<u64, Arc<Place>>,
}

impl Remains {
    fn count(&self) -> usize {
        self.pages.len().saturating_add(self.frames.len()).saturating_add(self.places.len())
    }
}

static GRAVES: Mutex<Vec<Remains>> = Mutex::new(Vec::new());

/// These pages of a file, and these frames, are nobody's any more.
pub fn give_up(pages: BTreeMap<u64, Page>, frames: BTreeMap<u64, Frame>) {
    bury(Remains { pages, frames, places: BTreeMap::new() });
}

/// Nor is this memory that several have had, here or with the swap resource.
pub fn give_up_shared(frames: BTreeMap<u64, Frame>, places: BTreeMap<u64, Arc<Place>>) {
    bury(Remains { pages: BTreeMap::new(), frames, places });
}

fn bury(remains: Remains) {
    if remains.count() <= FEW {
        return;
    }
    let mut graves = GRAVES.lock();
    // Without room for it there is memory enough in what it has.
    if graves.try_reserve(1).is_ok() {
        graves.push(remains);
    }
}

/// Frees a slice of what lies here, and of tables that spaces have left. True if there is more.
pub fn free_some() -> bool {
    let tables = vortex_machine::free_tables();
    let Some(mut remains) = GRAVES.lock().pop() else { return tables };
    let mut left = SLICE;
    while left > 0 && remains.count() > 0 {
        let gone = (remains.pages.pop_last(), remains.frames.pop_last(), remains.places.pop_last());
        let (pages, frames, places) = &gone;
        let count = usize::from(pages.is_some())
            + usize::from(frames.is_some())
            + usize::from(places.is_some());
        left = left.saturating_sub(count);
    }
    let mut graves = GRAVES.lock();
    if remains.count() > 0 {
        // There is room: it was taken out; or another core has used it, and frees.
        if graves.try_reserve(1).is_ok() {
            graves.push(remains);
        }
    }
    tables || !graves.is_empty()
}
