//! Spaces with their models, cores that play the processor, and whoever else has handles.

use std::collections::{BTreeMap, BTreeSet};

use vortex_tables::{Access, Frame, PAGE, Physical, Space, USER_END, Use};
use vortex_units::ActivityId;

use crate::arena::{self, Arena};
use crate::mirror::Mirror;
use crate::walk;

/// Bytes of a page.
pub const BYTES: u64 = PAGE as u64;
/// Where in a frame its contents are told apart.
pub const MARK: u64 = 56;
/// The cores.
pub const CORES: usize = 3;
/// Tables that go at once with their space, and in each further run.
const FEW: usize = 32;
const SLICE: usize = 64;
/// The most frames that one run works on.
pub const MOST: usize = 64;

/// A space and what it should be.
pub struct Slot {
    pub space: Space<Arena>,
    pub mirror: Mirror,
    pub number: u64,
    pub owner: ActivityId,
    /// When something was taken away last.
    pub changed: u64,
}

/// A core, with what it has loaded.
#[derive(Default)]
pub struct Core {
    /// The number of a space and its generation.
    loaded: Option<(u64, u64)>,
    /// The number of the space that it is in user mode with, and since when.
    pub inside: Option<(u64, u64)>,
    /// Entries by their pages.
    pub loads: BTreeMap<u64, u64>,
}

/// All of it.
pub struct World {
    pub slots: Vec<Slot>,
    pub cores: Vec<Core>,
    /// Handles that calls have.
    pub held: Vec<Frame<Arena>>,
    /// Frames that were taken out of the space with this number, until no core has them.
    pub taken: Vec<(u64, Frame<Arena>)>,
    /// Of each space that is gone, how many tables wait.
    left: Vec<usize>,
    /// Counts what is taken away.
    pub clock: u64,
    /// What is in each frame.
    pub marks: BTreeMap<u64, u64>,
    /// What each frame is called.
    pub names: BTreeMap<u64, u64>,
    spaces: u64,
}

/// The address of a frame.
pub fn address(frame: &Frame<Arena>) -> u64 {
    frame.number() * BYTES
}

impl World {
    /// With one space.
    pub fn new() -> Self {
        arena::begin(CORES);
        let mut world = Self {
            slots: Vec::new(),
            cores: (0..CORES).map(|_| Core::default()).collect(),
            held: Vec::new(),
            taken: Vec::new(),
            left: Vec::new(),
            clock: 0,
            marks: BTreeMap::new(),
            names: BTreeMap::new(),
            spaces: 0,
        };
        assert!(world.make_space(1).is_some(), "there is room for a space");
        world
    }

    /// How many pages were taken.
    pub fn given_back(&self) -> usize {
        self.taken.len()
    }

    /// A space more, of this activity: its place; `None` where it gets none.
    pub fn make_space(&mut self, owner: u16) -> Option<usize> {
        let owner = ActivityId::new(owner.into(), 0);
        let there_is = arena::room().0 > 0;
        self.spaces += 1;
        let space = Space::new(owner, self.spaces);
        assert_eq!(space.is_some(), there_is, "a space is made");
        let mirror = Mirror::default();
        let slot = Slot { space: space?, mirror, number: self.spaces, owner, changed: self.clock };
        self.slots.push(slot);
        Some(self.slots.len() - 1)
    }

    /// A new frame for a space's page.
    pub fn frame(&mut self, slot: usize) -> Option<Frame<Arena>> {
        let there_is = arena::room().1 > 0;
        let frame = Frame::zeroed(self.slots[slot].owner);
        assert_eq!(frame.is_some(), there_is, "a frame is given out");
        let frame = frame?;
        self.is_new(address(&frame), 0);
        Some(frame)
    }

    /// A frame was given out, and has this in it.
    pub fn is_new(&mut self, frame: u64, mark: u64) {
        self.names.remove(&frame);
        self.marks.insert(frame, mark);
    }

    /// Something was taken away from a space: cores must hear of it.
    pub fn advance(&mut self, slot: usize) -> u64 {
        self.clock += 1;
        self.slots[slot].changed = self.clock;
        self.clock
    }

    /// Frames were taken away from a space: they wait if a core is in it.
    pub fn retire(&mut self, slot: usize, frames: impl IntoIterator<Item = u64>) {
        let made = self.advance(slot);
        if self.oldest(slot).is_some() {
            let frames = frames.into_iter().map(|frame| (made, frame));
            self.slots[slot].mirror.limbo.extend(frames);
        }
    }

    /// Since when the core is in a space that is in it longest.
    fn oldest(&self, slot: usize) -> Option<u64> {
        let number = self.slots[slot].number;
        let inside = self.cores.iter().filter_map(|core| core.inside);
        inside.filter(|inside| inside.0 == number).map(|inside| inside.1).min()
    }

    /// The name of a page's frame at the multiplexor.
    pub fn name(&self, slot: usize, page: u64) -> u64 {
        (self.slots[slot].number << 35) | (page / BYTES)
    }

    /// A core enters user mode with a space.
    pub fn enter(&mut self, core: usize, slot: usize) {
        self.leave(core);
        let Slot { space, number, .. } = &self.slots[slot];
        let generation = space.enter(core);
        let (clock, core) = (self.clock, &mut self.cores[core]);
        if core.loaded != Some((*number, generation)) {
            core.loads.clear();
            core.loaded = Some((*number, generation));
        }
        core.inside = Some((*number, clock));
    }

    /// A core leaves user mode.
    pub fn leave(&mut self, core: usize) {
        if let Some((number, _)) = self.cores[core].inside.take()
            && let Some(slot) = self.slots.iter().find(|slot| slot.number == number)
        {
            // SAFETY: it is not inside any more, and comes back by `enter` alone.
            unsafe { slot.space.leave(core) };
        }
    }

    /// Where the space is that a core is in.
    pub fn slot_of(&self, core: usize) -> Option<usize> {
        let (number, _) = self.cores[core].inside?;
        self.slots.iter().position(|slot| slot.number == number)
    }

    /// Asks a space whether all cores have its changes: some of what waited is free then.
    pub fn ask_current(&mut self, slot: usize) -> bool {
        let oldest = self.oldest(slot).unwrap_or(u64::MAX);
        let Slot { space, mirror, changed, number, .. } = &mut self.slots[slot];
        let split = mirror.limbo.partition_point(|(made, _)| *made <= oldest);
        let from = split.saturating_sub(MOST);
        mirror.limbo.drain(from..split);
        let expected = oldest >= *changed && from == 0;
        let current = space.is_current();
        assert_eq!(current, expected, "whether space {number} is current");
        if current {
            let number = *number;
            self.taken.retain(|(of, _)| *of != number);
        }
        current
    }

    /// A space ends; no core has it loaded any more.
    pub fn end_space(&mut self, slot: usize) {
        let number = self.slots[slot].number;
        for core in 0..CORES {
            if self.cores[core].inside.is_some_and(|inside| inside.0 == number) {
                self.leave(core);
            }
            let core = &mut self.cores[core];
            if core.loaded.is_some_and(|loaded| loaded.0 == number) {
                core.loaded = None;
                core.loads.clear();
            }
        }
        self.taken.retain(|(of, _)| *of != number);
        let Slot { space, mirror, .. } = self.slots.remove(slot);
        drop(space);
        if mirror.tables.len() > FEW {
            self.left.push(mirror.tables.len() - FEW);
        }
    }

    /// Some tables of spaces that are gone are freed. Whether there are more.
    pub fn free_tables(&mut self) -> bool {
        if let Some(tables) = self.left.pop()
            && tables > SLICE
        {
            self.left.push(tables - SLICE);
        }
        let more = Arena::leftover().free_some();
        assert_eq!(more, !self.left.is_empty(), "whether more tables wait");
        more
    }

    /// All that there is, beside the models.
    pub fn compare(&self) {
        let faults = arena::faults();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let mut held = arena::held();
        let mut handles: BTreeMap<u64, u32> = BTreeMap::new();
        let mut count = |frame: u64| *handles.entry(frame).or_default() += 1;
        self.held.iter().for_each(|frame| count(address(frame)));
        self.taken.iter().for_each(|(_, frame)| count(address(frame)));
        let mut hidden = 0;
        for slot in &self.slots {
            let walked = slot.compare();
            let inside = self.cores.iter().filter_map(|core| core.inside);
            let left = inside.filter(|inside| inside.0 == slot.number).count() == 0;
            assert_eq!(slot.space.is_left(), left, "whether no core is inside");
            slot.mirror.pages.values().for_each(|page| count(page.frame));
            slot.mirror.limbo.iter().for_each(|&(_, frame)| count(frame));
            hidden += walked.huge.len();
            let tables = walked.tables.into_values().chain([slot.space.root()]);
            for table in tables {
                let of = held.remove(&table).expect("a table is somebody's");
                assert_eq!((of.owner, of.of), (slot.owner, Use::Table));
                assert_eq!(arena::handles(table), 1, "a table hangs in one place");
            }
        }
        let tables = held.extract_if(.., |_, held| held.of == Use::Table).count();
        assert_eq!(tables, self.left.iter().sum::<usize>() + hidden, "tables that wait");
        let counted: BTreeMap<u64, u32> =
            held.keys().map(|&frame| (frame, arena::handles(frame))).collect();
        assert_eq!(counted, handles, "handles of frames, as they are counted and as they are");
        for (frame, of) in &held {
            assert_eq!(of.name.as_ref(), self.names.get(frame), "the name of {frame:#x}");
            assert_eq!(Some(&arena::read(frame + MARK)), self.marks.get(frame), "{frame:#x}");
        }
        self.compare_cores(&held.keys().copied().collect::<Vec<_>>());
    }

    /// No core reaches a frame that is free, or what its space has taken away, but where it is
    /// to be told.
    fn compare_cores(&self, held: &[u64]) {
        for (at, core) in self.cores.iter().enumerate() {
            let Some(slot) = self.slot_of(at).map(|slot| &self.slots[slot]) else { continue };
            let behind = slot.space.behind().any(|core| core.index() == at);
            for (&page, &load) in &core.loads {
                let frame = walk::frame(load);
                assert!(held.binary_search(&frame).is_ok(), "a core reaches a free frame");
                let is = slot.mirror.pages.get(&page).map_or(0, |page| page.entry());
                let narrower = load & !is & (walk::PRESENT | walk::WRITABLE) != 0
                    || !load & is & walk::NO_EXECUTE != 0;
                // A write that it would not note.
                let given_up = is & (walk::GIVEN_UP | walk::DIRTY) == walk::GIVEN_UP;
                let stale =
                    frame != walk::frame(is) || narrower || given_up && load & walk::DIRTY != 0;
                assert!(!stale || behind, "core {at} has an old {load:#x} of {page:#x}: {is:#x}");
            }
        }
    }

    /// Everything ends: then every frame is free.
    pub fn end(mut self) {
        self.held.clear();
        while !self.slots.is_empty() {
            self.end_space(0);
            self.compare();
        }
        while self.free_tables() {}
        self.compare();
        assert_eq!(arena::held(), BTreeMap::new(), "frames are lost");
    }
}

impl Slot {
    /// What is in the tables, and what the space says, beside the model.
    fn compare(&self) -> walk::Walked {
        let Self { space, mirror, .. } = self;
        let walked = walk::all(space.root());
        let pages = mirror.pages.iter().map(|(&at, page)| (at, page.entry()));
        assert_same(&walked.pages, &pages.collect());
        // Those of what is mapped at once are there, and the processor does not see them.
        let hidden = walked.huge.iter().map(|&at| (1, at));
        let tables: BTreeSet<_> = walked.tables.keys().copied().chain(hidden).collect();
        assert_eq!(tables, mirror.tables, "tables");
        assert!(walked.huge.iter().all(|&at| space.is_huge(at) && space.is_huge(at + 5)));
        assert_eq!(
            walk::upper(space.root()),
            walk::upper(Arena::kernel_root()),
            "the kernel's half"
        );
        assert_eq!(space.held(), mirror.pages.len() as u64, "pages that have frames");
        for (&at, page) in &mirror.pages {
            let (frame, access) = space.get(at + 5).expect("a page");
            assert_eq!((address(&frame), access), (page.frame, page.access));
            drop(frame);
            let sole = arena::handles(page.frame) == 1;
            let look = space.look(at).expect("a page");
            let seen = (address(&look.frame), look.access, look.sole);
            assert_eq!(seen, (page.frame, page.access, sole));
            // Who pins it to write takes it back: that is an action of its own.
            let pinned = [Access::None, Access::Read, Access::Write, Access::Execute];
            for access in
                pinned.into_iter().filter(|access| *access != Access::Write || !page.given_up)
            {
                let may = allows(page.access, access);
                assert_eq!(space.pin(at, access).is_some(), may, "{access:?} {page:?}");
            }
            assert!(space.has(at, look.frame.id()));
            for beside in [at.wrapping_sub(BYTES), at + BYTES] {
                let there = mirror.pages.contains_key(&beside);
                assert_eq!(space.get(beside).is_some(), there, "beside a page: {beside:#x}");
            }
        }
        walked
    }
}

/// What rights give, said once more.
pub fn allows(has: Access, wanted: Access) -> bool {
    match (has, wanted) {
        (_, Access::None) => true,
        (Access::None, _) => false,
        (_, Access::Read) => true,
        (has, wanted) => has == wanted,
    }
}

fn assert_same(walked: &BTreeMap<u64, u64>, expected: &BTreeMap<u64, u64>) {
    for (at, entry) in walked {
        assert_eq!(expected.get(at), Some(entry), "the entry of {at:#x}: {entry:#x}");
    }
    for (at, entry) in expected {
        assert_eq!(walked.get(at), Some(entry), "the entry of {at:#x} should be {entry:#x}");
    }
}

/// Whether a program can have it.
pub fn is_user(page: u64) -> bool {
    page < USER_END && page.is_multiple_of(BYTES)
}
