//! Physical memory of the tests: an arena of the host's, a frame at a time, with a record of
//! who has what. Each thread has its own, so that tests run beside each other.
//!
//! A frame that is free is filled with what is no page table and no page's contents, so that
//! whoever still uses it is found out. What is wrong is noted and told by [`faults`]: this is
//! called from drops too, where nothing may panic.

use std::alloc::{Layout, alloc, handle_alloc_error};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::take;
use std::sync::atomic::{AtomicU32, Ordering};

use vortex_memory::FrameId;
use vortex_tables::{Leftover, PAGE, Physical, Use};
use vortex_units::ActivityId;

/// Frames of an arena: those that are given out by themselves, and as many as one huge frame
/// has.
const FRAMES: usize = SINGLE + HUGE;
const SINGLE: usize = 1024;
const HUGE: usize = 512;
const BYTES: u64 = PAGE as u64;
/// Where they lie: as high as the numbers of frames go.
const FIRST: u64 = (1 << 44) - FRAMES as u64 * BYTES;
/// The huge frame.
const FIRST_HUGE: u64 = FIRST + SINGLE as u64 * BYTES;
/// What a free frame is full of.
const POISON: u64 = 0xdead_dead_dead_dead;

/// The physical memory of this thread.
#[derive(Debug, PartialEq, Eq)]
pub enum Arena {}

/// Who has a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub owner: ActivityId,
    pub of: Use,
    /// The name of the page that it is.
    pub name: Option<u64>,
}

struct State {
    memory: *mut u64,
    counts: &'static [AtomicU32],
    held: BTreeMap<u64, Held>,
    /// The next is the one that was given back last: who still uses it is found out.
    free: Vec<u64>,
    /// Frames that may still be given out: for tables, and for all else.
    room: (usize, usize),
    kernel_root: u64,
    cores: usize,
    faults: Vec<String>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::new());
    static LEFT: &'static Leftover<Arena> = Box::leak(Box::new(Leftover::none()));
}

impl State {
    fn new() -> Self {
        let layout = Layout::from_size_align((FRAMES + 1) * PAGE, PAGE).expect("a size");
        // SAFETY: the size is not zero.
        let memory = unsafe { alloc(layout) };
        if memory.is_null() {
            handle_alloc_error(layout);
        }
        let counts = (0..FRAMES).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak();
        Self {
            memory: memory.cast(),
            counts,
            held: BTreeMap::new(),
            free: Vec::new(),
            room: (0, 0),
            kernel_root: 0,
            cores: 0,
            faults: Vec::new(),
        }
    }

    fn count(&self, physical: u64) -> Option<&'static AtomicU32> {
        let place = physical.checked_sub(FIRST)? / BYTES;
        self.counts.get(usize::try_from(place).ok()?)
    }

    fn fill(&self, physical: u64, with: u64) {
        let place = usize::try_from((physical - FIRST) / 8).expect("an address of the arena");
        let frame = self.memory.wrapping_add(place);
        // SAFETY: a frame of the arena, which nobody reads meanwhile.
        unsafe { std::slice::from_raw_parts_mut(frame, PAGE / 8) }.fill(with);
    }
}

fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| work(&mut state.borrow_mut()))
}

/// All memory is free, and the kernel has a root table. For so many cores.
pub fn begin(cores: usize) {
    while Arena::leftover().free_some() {}
    let root = with(|state| {
        state.held.clear();
        state.free = (0..SINGLE as u64).rev().map(|place| FIRST + place * BYTES).collect();
        state.faults.clear();
        state.counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        (0..=FRAMES as u64).for_each(|place| state.fill(FIRST + place * BYTES, POISON));
        (state.cores, state.room) = (cores, (0, 1));
        FIRST
    });
    Arena::allocate(ActivityId::INFRASTRUCTURE, Use::Heap).expect("a frame");
    with(|state| {
        // In the lower half there is what no program's table may take over.
        state.fill(root, POISON);
        state.kernel_root = root;
        state.counts[0].store(1, Ordering::Relaxed);
        state.room = (usize::MAX, usize::MAX);
    });
}

/// From now on so many frames may be given out: for tables, and for all else.
pub fn limit(tables: usize, others: usize) {
    with(|state| state.room = (tables, others));
}

/// How many may: see [`limit`].
pub fn room() -> (usize, usize) {
    with(|state| state.room)
}

/// The frames that somebody has, by their addresses, without the kernel's root.
pub fn held() -> BTreeMap<u64, Held> {
    with(|state| {
        let mut held = state.held.clone();
        held.remove(&state.kernel_root);
        held
    })
}

/// Whether the huge frame could be given out.
pub fn has_huge() -> bool {
    with(|state| state.held.range(FIRST_HUGE..).next().is_none() && state.room.1 >= HUGE)
}

/// How many handles a frame has.
pub fn handles(physical: u64) -> u32 {
    with(|state| state.count(physical)).map_or(0, |count| count.load(Ordering::Relaxed))
}

/// What was done wrong since this was asked last.
pub fn faults() -> Vec<String> {
    with(|state| take(&mut state.faults))
}

/// The words of a table, or of any frame.
pub fn words(physical: u64) -> [u64; PAGE / 8] {
    // SAFETY: as `read`: whole frames lie in the arena.
    unsafe { Arena::pointer::<[u64; PAGE / 8]>(physical).read_volatile() }
}

/// The word at a physical address.
pub fn read(physical: u64) -> u64 {
    // SAFETY: `pointer` gives places in the arena alone.
    unsafe { Arena::pointer::<u64>(physical).read_volatile() }
}

/// Writes the word at a physical address.
pub fn write(physical: u64, value: u64) {
    // SAFETY: as `read`.
    unsafe { Arena::pointer::<u64>(physical).write_volatile(value) }
}

// SAFETY: each thread has an arena that lives for ever, frames of it are given to one at a
// time, and values of the tests stay in their thread.
unsafe impl Physical for Arena {
    type Returned = ();

    fn pointer<T>(physical: u64) -> *mut T {
        with(|state| {
            let place = physical.wrapping_sub(FIRST);
            let inside = place < FRAMES as u64 * BYTES;
            if !inside {
                state.faults.push(format!("{physical:#x} is no memory, and is used"));
            }
            // What is outside ends in a frame behind the last, where there is poison.
            let place = if inside { place } else { FRAMES as u64 * BYTES + place % BYTES };
            state.memory.cast::<u8>().wrapping_add(place as usize).cast()
        })
    }

    fn allocate(owner: ActivityId, of: Use) -> Option<u64> {
        with(|state| {
            let room = if of == Use::Table { &mut state.room.0 } else { &mut state.room.1 };
            *room = room.checked_sub(1)?;
            let frame = state.free.pop().expect("the arena is too small");
            state.held.insert(frame, Held { owner, of, name: None });
            Some(frame)
        })
    }

    fn allocate_huge(owner: ActivityId, of: Use) -> Option<u64> {
        with(|state| {
            if state.held.range(FIRST_HUGE..).next().is_some() || state.room.1 < HUGE {
                return None;
            }
            state.room.1 = state.room.1.saturating_sub(HUGE);
            for place in 0..HUGE as u64 {
                let held = Held { owner, of, name: None };
                state.held.insert(FIRST_HUGE + place * BYTES, held);
            }
            Some(FIRST_HUGE)
        })
    }

    fn count(physical: u64) -> Option<&'static AtomicU32> {
        with(|state| state.count(physical))
    }

    fn give_back(physical: u64, (): &mut ()) {
        with(|state| {
            if state.held.remove(&physical).is_none() {
                state.faults.push(format!("{physical:#x} is given back and nobody's"));
                return;
            }
            if physical < FIRST_HUGE {
                state.free.push(physical);
            }
            if state.count(physical).is_none_or(|count| count.load(Ordering::Relaxed) != 0) {
                state.faults.push(format!("{physical:#x} is given back and has handles"));
            }
            state.fill(physical, POISON);
        });
    }

    fn share(_: u64, _: ActivityId, _: bool) -> bool {
        true
    }

    fn name(frame: FrameId, name: u64) {
        let physical = u64::from(frame.get()) * BYTES;
        with(|state| match state.held.get_mut(&physical) {
            Some(held) => held.name = Some(name),
            None => state.faults.push(format!("{physical:#x} is named and nobody's")),
        });
    }

    fn kernel_root() -> u64 {
        with(|state| state.kernel_root)
    }

    fn cores() -> usize {
        with(|state| state.cores)
    }

    fn leftover() -> &'static Leftover<Self> {
        LEFT.with(|left| *left)
    }
}
