//! What can be done to the world. Each says what must come of it, does it, and leaves the
//! comparison to the world.

use proptest::prelude::*;
use vortex_memory::FrameId;
use vortex_tables::{Access, Frame, Huge, MapError, Seen, USER_END, Withdrawn, Work};

use crate::arena::{self, Arena};
use crate::mirror::Page;
use crate::walk::{self, Wish};
use crate::world::{BYTES, CORES, MARK, MOST, World, address, allows, is_user};

/// Where pages are: on both sides of what a table of each level covers, and of the ends.
const BASES: [u64; 9] = [
    0,
    1 << 21,
    1 << 30,
    1 << 39,
    0x5555_5555_4000,
    1 << 46,
    (1 << 47) - (1 << 39),
    USER_END - (1 << 21),
    USER_END,
];
/// What is no page of a program's.
const WILD: [u64; 7] = [
    USER_END,
    1 << 47,
    0x8000_0000_1000,
    0xffff_8000_0000_0000,
    0xffff_ffff_8000_0000,
    u64::MAX - 0xfff,
    0x0001_0000_0000_0000,
];
/// Spaces at once, and handles that calls have.
const SPACES: usize = 4;
const HELD: usize = 8;

/// A page: a base, and so many pages from there.
pub type Place = (usize, i64);

/// What is done. Numbers of spaces and handles are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Action {
    /// New frames at pages; where a bit of the last is zero, none, or a handle's.
    Put {
        space: usize,
        at: Place,
        count: u64,
        access: Access,
        holds: bool,
        new: u16,
        old: u16,
    },
    /// 2 MiB at once, the ones that a place is in.
    Huge {
        space: usize,
        at: Place,
        access: Access,
        holds: bool,
    },
    Replace {
        space: usize,
        at: Place,
        right: bool,
        access: Access,
        holds: bool,
    },
    Unmap {
        space: usize,
        at: Place,
        pages: u64,
        slices: usize,
    },
    Protect {
        space: usize,
        at: Place,
        pages: u64,
        access: Access,
        private: bool,
        slices: usize,
    },
    Fork {
        space: usize,
        hot: Place,
        owner: u16,
        touches: Vec<(usize, Place, Wish)>,
    },
    Move {
        space: usize,
        at: Place,
        pages: u64,
        to: Place,
        touches: Vec<(usize, Place, Wish)>,
    },
    Widen {
        space: usize,
        at: Place,
        right: bool,
        access: Access,
        holds: bool,
    },
    Withdraw {
        space: usize,
        at: Place,
        right: bool,
        shared: bool,
        holds: bool,
    },
    LookThrough {
        space: usize,
        at: Place,
    },
    /// Pages are given up, or their use is forgotten.
    GiveUp {
        space: usize,
        at: Place,
        pages: u64,
        up: bool,
    },
    /// A page that was given up, or was not, is taken; a program may write to it meanwhile.
    TakeGivenUp {
        space: usize,
        at: Place,
        right: bool,
        holds: bool,
        writes: bool,
    },
    List {
        space: usize,
        at: Place,
        room: usize,
    },
    Enter {
        core: usize,
        space: usize,
    },
    Leave {
        core: usize,
    },
    Touch {
        core: usize,
        at: Place,
        wish: Wish,
    },
    Hold {
        space: usize,
        at: Place,
        access: Access,
    },
    Release {
        which: usize,
    },
    Current {
        space: usize,
    },
    End {
        space: usize,
    },
    FreeTables,
    Limit {
        tables: usize,
        others: usize,
    },
    NoLimit,
    Wild {
        space: usize,
        which: usize,
    },
}

fn page((base, offset): Place) -> u64 {
    BASES[base].wrapping_add_signed(offset * BYTES as i64)
}

fn access() -> impl Strategy<Value = Access> {
    let all = [Access::None, Access::Read, Access::Write, Access::Write, Access::Execute];
    prop::sample::select(all.to_vec())
}

/// A lone page, or a few in a row, near a base.
///
/// Most are near two of them, so that what is done meets.
fn place() -> impl Strategy<Value = Place> {
    let base = prop_oneof![4 => Just(1), 2 => Just(3), 3 => 0..BASES.len()];
    (base, -5i64..5)
}

/// Most are the same.
fn space() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(0), 1 => 0..SPACES]
}

fn touches() -> impl Strategy<Value = Vec<(usize, Place, Wish)>> {
    prop::collection::vec((0..CORES, place(), wish()), 0..6)
}

fn wish() -> impl Strategy<Value = Wish> {
    prop::sample::select(vec![Wish::Read, Wish::Write, Wish::Write, Wish::Execute])
}

/// Mostly a few pages, at times as many as lie within a table or more, or all.
fn length() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..12, 1 => 500u64..1100, 1 => Just(USER_END / BYTES)]
}

/// Sequences of them.
pub fn sequences() -> impl Strategy<Value = Vec<Action>> {
    let n = space().boxed();
    let holds = || prop::bool::weighted(0.9);
    let few = (1u64..12).boxed();
    let many = prop_oneof![9 => few, 1 => 60u64..300].boxed();
    let action = prop_oneof![
        12 => (n.clone(), place(), many, access(), holds(), any::<u16>(), any::<u16>()).prop_map(
            |(space, at, count, access, holds, new, old)| Action::Put {
                space, at, count, access, holds, new, old,
            }
        ),
        4 => (n.clone(), place(), holds(), access(), holds()).prop_map(
            |(space, at, right, access, holds)| Action::Replace { space, at, right, access, holds }
        ),
        4 => (n.clone(), place(), length(), 1usize..5).prop_map(
            |(space, at, pages, slices)| Action::Unmap { space, at, pages, slices }
        ),
        4 => (n.clone(), place(), length(), access(), any::<bool>(), 1usize..5).prop_map(
            |(space, at, pages, access, private, slices)| Action::Protect {
                space, at, pages, access, private, slices,
            }
        ),
        2 => (n.clone(), place(), 1u16..4, touches()).prop_map(
            |(space, hot, owner, touches)| Action::Fork { space, hot, owner, touches }
        ),
        3 => (n.clone(), place(), length(), place(), touches()).prop_map(
            |(space, at, pages, to, touches)| Action::Move { space, at, pages, to, touches }
        ),
        3 => (n.clone(), place(), holds(), access(), holds()).prop_map(
            |(space, at, right, access, holds)| Action::Widen { space, at, right, access, holds }
        ),
        4 => (n.clone(), place(), holds(), any::<bool>(), holds()).prop_map(
            |(space, at, right, shared, holds)| Action::Withdraw { space, at, right, shared, holds }
        ),
        3 => (n.clone(), place()).prop_map(|(space, at)| Action::LookThrough { space, at }),
        4 => (n.clone(), place(), 1u64..80, prop::bool::weighted(0.7))
            .prop_map(|(space, at, pages, up)| Action::GiveUp { space, at, pages, up }),
        4 => (n.clone(), place(), [0.9, 0.9, 0.3].map(prop::bool::weighted)).prop_map(
            |(space, at, [right, holds, writes])| Action::TakeGivenUp {
                space,
                at,
                right,
                holds,
                writes,
            }
        ),
        2 => (n.clone(), place(), 0usize..70)
            .prop_map(|(space, at, room)| Action::List { space, at, room }),
        8 => (0..CORES, n.clone()).prop_map(|(core, space)| Action::Enter { core, space }),
        4 => (0..CORES).prop_map(|core| Action::Leave { core }),
        16 => (0..CORES, place(), wish())
            .prop_map(|(core, at, wish)| Action::Touch { core, at, wish }),
        3 => (n.clone(), place(), access())
            .prop_map(|(space, at, access)| Action::Hold { space, at, access }),
        2 => (0..HELD).prop_map(|which| Action::Release { which }),
        5 => n.clone().prop_map(|space| Action::Current { space }),
        1 => n.clone().prop_map(|space| Action::End { space }),
        1 => Just(Action::FreeTables),
        1 => (0usize..12, 0usize..40)
            .prop_map(|(tables, others)| Action::Limit { tables, others }),
        2 => Just(Action::NoLimit),
        1 => (n, 0..WILD.len()).prop_map(|(space, which)| Action::Wild { space, which }),
    ];
    let action = action.boxed();
    let huge = (space(), place(), access(), prop::bool::weighted(0.9))
        .prop_map(|(space, at, access, holds)| Action::Huge { space, at, access, holds });
    let with_huge = prop_oneof![16 => action.clone(), 1 => huge].boxed();
    // What is compared of 512 pages more takes its time.
    prop_oneof![
        6 => prop::collection::vec(action, 1..120),
        1 => prop::collection::vec(with_huge, 1..60),
    ]
}

impl World {
    /// Does it.
    pub fn act(&mut self, action: &Action) {
        match *action {
            Action::Put { space, at, count, access, holds, new, old } => {
                self.put(self.nth(space), page(at), count, access, holds, (new, old));
            }
            Action::Huge { space, at, access, holds } => {
                self.huge(self.nth(space), page(at) >> 21 << 21, access, holds);
            }
            Action::Replace { space, at, right, access, holds } => {
                self.replace(self.nth(space), page(at), right, access, holds);
            }
            Action::Unmap { space, at, pages, slices } => {
                self.unmap(self.nth(space), page(at), end(page(at), pages), slices);
            }
            Action::Protect { space, at, pages, access, private, slices } => {
                let (at, end) = (page(at), end(page(at), pages));
                self.protect(self.nth(space), (at, end), (access, private), slices);
            }
            Action::Fork { space, hot, owner, ref touches } => {
                if self.slots.len() < SPACES {
                    self.fork(self.nth(space), page(hot), owner, touches);
                }
            }
            Action::Move { space, at, pages, to, ref touches } => {
                self.remap(self.nth(space), page(at), end(page(at), pages), page(to), touches);
            }
            Action::Widen { space, at, right, access, holds } => {
                self.widen(self.nth(space), page(at), right, access, holds);
            }
            Action::Withdraw { space, at, right, shared, holds } => {
                self.withdraw(self.nth(space), page(at), right, shared, holds);
            }
            Action::LookThrough { space, at } => self.look_through(self.nth(space), page(at)),
            Action::GiveUp { space, at, pages, up } => {
                let at = page(at);
                self.give_up(self.nth(space), at, at.saturating_add(pages * BYTES), up);
            }
            Action::TakeGivenUp { space, at, right, holds, writes } => {
                self.take_given_up(self.nth(space), page(at), right, (holds, writes));
            }
            Action::List { space, at, room } => self.list(self.nth(space), page(at), room),
            Action::Enter { core, space } => self.enter(core, self.nth(space)),
            Action::Leave { core } => self.leave(core),
            Action::Touch { core, at, wish } => self.touch(core, page(at), wish),
            Action::Hold { space, at, access } => self.hold(self.nth(space), page(at), access),
            Action::Release { which } => {
                if !self.held.is_empty() {
                    self.held.swap_remove(which % self.held.len());
                }
            }
            Action::Current { space } => drop(self.ask_current(self.nth(space))),
            Action::End { space } => {
                if self.slots.len() > 1 {
                    self.end_space(self.nth(space));
                }
            }
            Action::FreeTables => drop(self.free_tables()),
            Action::Limit { tables, others } => arena::limit(tables, others),
            Action::NoLimit => arena::limit(usize::MAX, usize::MAX),
            Action::Wild { space, which } => self.wild(self.nth(space), WILD[which]),
        }
    }

    fn nth(&self, space: usize) -> usize {
        space % self.slots.len()
    }

    fn put(
        &mut self,
        slot: usize,
        page: u64,
        count: u64,
        access: Access,
        holds: bool,
        (new, old): (u16, u16),
    ) {
        let last = page.checked_add((count - 1) * BYTES);
        let fits =
            last.is_some_and(|last| is_user(page) && is_user(last) && page >> 21 == last >> 21);
        let mut frames = Vec::new();
        for place in 0..count {
            let bit = 1 << (place % 16);
            let held = self.held.get(place as usize % self.held.len().max(1));
            frames.push(match held {
                Some(held) if old & !new & bit != 0 => Some(held.clone()),
                _ if new & bit != 0 => self.frame(slot),
                _ => None,
            });
        }
        let before: Vec<_> = frames.iter().map(|frame| frame.as_ref().map(address)).collect();
        let mut room = arena::room().0;
        let put = self.slots[slot].space.put(page, &mut frames, access, || holds);
        let mirror = &mut self.slots[slot].mirror;
        let expected = match holds {
            false => Ok(false),
            true if !fits => Err(MapError::Address),
            true if !mirror.make_tables(page, &mut room) => Err(MapError::NoMemory),
            true => Ok(true),
        };
        assert_eq!(put, expected, "put at {page:#x}");
        for (place, (before, after)) in before.iter().zip(&frames).enumerate() {
            let at = page.wrapping_add(place as u64 * BYTES);
            let mirror = &mut self.slots[slot].mirror;
            let goes = put == Ok(true) && !mirror.pages.contains_key(&at) && before.is_some();
            let stays = if goes { None } else { *before };
            assert_eq!(after.as_ref().map(address), stays, "the frame for {at:#x}");
            if let (true, Some(frame)) = (goes, *before) {
                mirror.pages.insert(at, Page::new(frame, access));
                self.names.insert(frame, self.name(slot, at));
            }
        }
    }

    fn huge(&mut self, slot: usize, page: u64, access: Access, holds: bool) {
        let there_is = arena::has_huge();
        let frames = Huge::<Arena>::given_to(self.slots[slot].owner);
        assert_eq!(frames.is_some(), there_is, "2 MiB are given out");
        let Some(frames) = frames else { return };
        (0..4).for_each(|part| frames.clear(part * 128, 128));
        let first = *arena::held().keys().rev().nth(511).unwrap();
        let space = &self.slots[slot].space;
        let end = page.saturating_add(1 << 21);
        let is_free = end <= USER_END && self.slots[slot].mirror.range(page, end).is_empty();
        assert_eq!(space.is_free_for_huge(page), is_free, "whether {page:#x} is free");
        let mut room = arena::room().0;
        let put = space.put_huge(page, frames, access, || holds);
        let mirror = &mut self.slots[slot].mirror;
        let expected = match holds && is_free {
            false => Ok(false),
            true if access == Access::None => Err(MapError::Address),
            true if !mirror.make_tables(page, &mut room) => Err(MapError::NoMemory),
            true => Ok(true),
        };
        assert_eq!(put, expected, "2 MiB put at {page:#x}");
        assert_eq!(self.slots[slot].space.is_huge(page + 9 * BYTES), put == Ok(true));
        if put == Ok(true) {
            for place in 0..512 {
                let (at, frame) = (page + place * BYTES, first + place * BYTES);
                self.is_new(frame, 0);
                self.slots[slot].mirror.pages.insert(at, Page::new(frame, access));
                self.names.insert(frame, self.name(slot, at));
            }
        }
    }

    /// A handle of what is at a page, or of something else.
    fn found(&mut self, slot: usize, page: u64, right: bool) -> Option<Frame<Arena>> {
        if right { Some(self.slots[slot].space.get(page)?.0) } else { self.held.first().cloned() }
    }

    fn is(&self, slot: usize, page: u64, frame: u64) -> Option<Page> {
        self.slots[slot].mirror.pages.get(&page).copied().filter(|page| page.frame == frame)
    }

    fn replace(&mut self, slot: usize, page: u64, right: bool, access: Access, holds: bool) {
        let Some(found) = self.found(slot, page, right) else { return };
        let there_is = arena::room().1 > 0;
        let frame = Frame::copy_of(&found, self.slots[slot].owner);
        assert_eq!(frame.is_some(), there_is, "a copy is made");
        let Some(frame) = frame else { return };
        let new = address(&frame);
        self.is_new(new, self.marks[&address(&found)]);
        let replaced = self.slots[slot].space.replace(page, &found, frame, access, || holds);
        let is = self.is(slot, page, address(&found)).filter(|_| holds);
        assert_eq!(replaced, Ok(is.is_some()), "replaced at {page:#x}");
        drop(found);
        if let Some(before) = is {
            self.slots[slot].mirror.pages.insert(page, Page::new(new, access));
            self.names.insert(new, self.name(slot, page));
            self.retire(slot, [before.frame]);
        }
    }

    /// What a run came to: not past the end, forward, and with bounded work.
    fn covered(&self, slot: usize, at: u64, end: u64, next: Option<u64>) -> Vec<(u64, Page)> {
        assert!(next.is_none_or(|next| at < next && next < end), "{at:#x} to {next:?}");
        let covered = self.slots[slot].mirror.range(at, next.unwrap_or(end));
        assert!(covered.len() <= MOST, "{} pages in one run", covered.len());
        covered
    }

    fn unmap(&mut self, slot: usize, mut at: u64, end: u64, slices: usize) -> bool {
        for _ in 0..slices {
            let next = self.slots[slot].space.unmap(at, end, &mut Work::default());
            let covered = self.covered(slot, at, end, next);
            for (at, _) in &covered {
                self.slots[slot].mirror.pages.remove(at);
            }
            if !covered.is_empty() {
                self.retire(slot, covered.iter().map(|(_, page)| page.frame));
            }
            let Some(next) = next else { return true };
            at = next;
            self.compare();
        }
        false
    }

    fn protect(
        &mut self,
        slot: usize,
        (mut at, end): (u64, u64),
        (access, private): (Access, bool),
        slices: usize,
    ) {
        for _ in 0..slices {
            let space = &self.slots[slot].space;
            let next = space.protect(at, end, (access, private), &mut Work::default());
            let covered = self.covered(slot, at, end, next);
            let mut narrowed = false;
            for (at, page) in covered {
                let alone = arena::handles(page.frame) == 1;
                let kept = private && access == Access::Write && !alone;
                let access = if kept { Access::Read } else { access };
                narrowed |= !allows(access, page.access);
                self.slots[slot].mirror.pages.insert(at, page.with(access));
            }
            if narrowed {
                self.advance(slot);
            }
            let Some(next) = next else { return };
            at = next;
        }
    }

    fn fork(&mut self, slot: usize, hot: u64, owner: u16, touches: &[(usize, Place, Wish)]) {
        let Some(copy) = self.make_space(owner) else { return };
        let (mut at, mut touches) = (0, touches.iter());
        loop {
            match self.share(slot, copy, at, hot) {
                Some(Some(next)) => at = next,
                Some(None) => return,
                None => break,
            }
            self.compare();
            // The program goes on meanwhile.
            if let Some(&(core, at, wish)) = touches.next() {
                self.touch(core, page(at), wish);
            }
        }
        self.compare();
        self.end_space(copy);
    }

    /// A slice of a fork: where to go on, or `None` where it failed.
    fn share(&mut self, slot: usize, copy: usize, at: u64, hot: u64) -> Option<Option<u64>> {
        let room = arena::room();
        let whole = (at, USER_END);
        let counts: Vec<_> = {
            let pages = self.slots[slot].mirror.range(at, USER_END);
            pages.iter().map(|(_, page)| arena::handles(page.frame)).collect()
        };
        let (from, to) = (&self.slots[slot].space, &self.slots[copy].space);
        let shared = from.share(to, whole, hot, &mut Work::default());
        let pages = match shared {
            Ok(next) => self.covered(slot, at, USER_END, next),
            // How far it had come is not told: see below.
            Err(_) => self.slots[slot].mirror.range(at, USER_END),
        };
        let walked = walk::all(self.slots[slot].space.root()).pages;
        let (mut tables, mut others) = room;
        let (mut failed, mut narrowed) = (false, false);
        for ((at, page), handles) in pages.into_iter().zip(counts) {
            let writable = page.access == Access::Write;
            let copied = writable && (at == hot || handles != 1);
            let shown = page.with(Access::Read);
            let shown = if writable && !copied { shown } else { page };
            // After a failure what was not visited has stayed.
            let visited = shared.is_ok() || walked.get(&at) == Some(&shown.entry());
            if visited {
                narrowed |= shown != page;
                self.slots[slot].mirror.pages.insert(at, shown);
            }
            failed |= copied && others == 0;
            if failed {
                continue;
            }
            others -= usize::from(copied);
            failed = !self.slots[copy].mirror.make_tables(at, &mut tables);
            if failed {
                continue;
            }
            let mut theirs = shown.with(shown.access);
            if copied {
                let entry = walk::all(self.slots[copy].space.root()).pages[&at];
                theirs = Page::new(walk::frame(entry), Access::Write);
                let held = arena::held()[&theirs.frame];
                assert_eq!(held.owner, self.slots[copy].owner, "who pays for a copy");
                self.is_new(theirs.frame, self.marks[&page.frame]);
            }
            self.slots[copy].mirror.pages.insert(at, theirs);
        }
        if narrowed {
            self.advance(slot);
        }
        assert_eq!(shared.err(), failed.then_some(MapError::NoMemory), "shared");
        shared.ok()
    }

    fn remap(
        &mut self,
        slot: usize,
        from: u64,
        end: u64,
        to: u64,
        touches: &[(usize, Place, Wish)],
    ) {
        // Never beyond a program's half, nor to a place that it is itself.
        if !is_user(from) || !is_user(to) || from.abs_diff(to) < end - from {
            return;
        }
        let distance = to.wrapping_sub(from) as i64;
        let (mut at, mut touches) = (from, touches.iter());
        loop {
            let mut room = arena::room().0;
            let space = &self.slots[slot].space;
            let shown = space.show(at, end, distance, &mut Work::default());
            let pages = match shown {
                Ok(next) => self.covered(slot, at, end, next),
                Err(_) => self.slots[slot].mirror.range(at, end),
            };
            let mut failed = None;
            for (at, page) in pages {
                let there = at.wrapping_add_signed(distance);
                let mirror = &mut self.slots[slot].mirror;
                if !is_user(there) {
                    failed = Some(MapError::Address);
                } else if !mirror.make_tables(there, &mut room) {
                    failed = Some(MapError::NoMemory);
                }
                if failed.is_some() {
                    break;
                }
                if let Some(before) = mirror.pages.insert(there, page.with(page.access)) {
                    self.retire(slot, [before.frame]);
                }
            }
            assert_eq!(shown.err(), failed, "shown");
            self.compare();
            let Ok(next) = shown else { return };
            if let Some(&(core, at, wish)) = touches.next() {
                self.touch(core, page(at), wish);
            }
            let Some(next) = next else { break };
            at = next;
        }
        self.unmap(slot, from, end, usize::MAX);
    }

    fn widen(&mut self, slot: usize, page: u64, right: bool, access: Access, holds: bool) {
        let Some(found) = self.found(slot, page, right) else { return };
        let widened = self.slots[slot].space.widen(page, &found, access, || holds);
        let is = self.is(slot, page, address(&found)).filter(|_| holds);
        assert_eq!(widened, is.is_some(), "widened at {page:#x}");
        if let Some(before) = is {
            self.slots[slot].mirror.pages.insert(page, before.with(access));
            if !allows(access, before.access) {
                self.advance(slot);
            }
        }
    }

    fn withdraw(&mut self, slot: usize, page: u64, right: bool, shared: bool, holds: bool) {
        let there = self.slots[slot].mirror.pages.get(&page).copied();
        let other = self.held.first().map_or(FrameId::new(1), Frame::id);
        let frame = match there {
            Some(page) if right => FrameId::new((page.frame / BYTES) as u32),
            _ => other,
        };
        let is = there.filter(|page| page.frame == u64::from(frame.get()) * BYTES && holds);
        let mut told = false;
        let withdrawn =
            self.slots[slot].space.withdraw(page, frame, shared, || holds, || told = true);
        match (is, withdrawn) {
            (None, Withdrawn::Gone) => assert!(!told),
            (Some(page), Withdrawn::Busy) => {
                assert!(page.access == Access::Write && arena::handles(page.frame) > 1 && !shared);
                assert!(!told);
            }
            (Some(before), Withdrawn::Taken(frame)) => {
                // This handle is the entry's.
                let alone = arena::handles(before.frame) == 1;
                assert!(before.access != Access::Write || alone || shared);
                assert!(told);
                assert_eq!(address(&frame), before.frame);
                self.slots[slot].mirror.pages.remove(&page);
                self.advance(slot);
                self.taken.push((self.slots[slot].number, frame));
            }
            (is, withdrawn) => panic!("{withdrawn:?} at {page:#x} with {is:?}"),
        }
    }

    fn look_through(&mut self, slot: usize, at: u64) {
        let mut all: Vec<Seen> = Vec::new();
        let next = self.slots[slot].space.look_through(at, USER_END, |seen| all.push(seen));
        let expected = self.covered(slot, at, USER_END, next);
        let seen = all.iter().map(|seen| (seen.frame.get(), seen.accessed, seen.modified));
        let number = |page: Page| (page.frame / BYTES) as u32;
        let want = expected.iter().map(|(_, page)| (number(*page), page.accessed, page.modified));
        assert_eq!(seen.collect::<Vec<_>>(), want.collect::<Vec<_>>(), "what is seen");
        for (at, page) in expected {
            if arena::handles(page.frame) == 1 {
                self.names.insert(page.frame, self.name(slot, at));
            }
            self.forget(slot, at, page);
        }
    }

    /// It is forgotten that a page was used.
    fn forget(&mut self, slot: usize, at: u64, page: Page) {
        if self.slots[slot].space.is_huge(at) {
            // With the last page it is forgotten of all.
            if at >> 12 & 511 == 511 {
                let base = at >> 21 << 21;
                let all = self.slots[slot].mirror.pages.range_mut(base..=at);
                all.for_each(|(_, page)| page.accessed = false);
            }
            return;
        }
        let page = Page { accessed: false, ..page };
        self.slots[slot].mirror.pages.insert(at, page);
    }

    fn give_up(&mut self, slot: usize, at: u64, end: u64, up: bool) {
        let (mut told, mut work) = (Vec::new(), Work::default());
        let space = &self.slots[slot].space;
        let tell = |frame: FrameId| told.push(u64::from(frame.get()) * BYTES);
        let next = match up {
            true => space.give_up(at, end, &mut work, tell),
            false => space.forget_use(at, end, &mut work, tell),
        };
        let mut covered = self.covered(slot, at, end, next);
        covered.retain(|(_, page)| arena::handles(page.frame) == 1);
        let expected: Vec<_> = covered.iter().map(|(_, page)| page.frame).collect();
        assert_eq!(told, expected, "what is told");
        if up && !covered.is_empty() {
            self.advance(slot);
        }
        for (at, page) in covered {
            if up {
                let unused = Page::new(page.frame, page.access);
                let page = Page { given_up: true, ..unused };
                self.slots[slot].mirror.pages.insert(at, page);
            } else {
                self.forget(slot, at, page);
            }
        }
    }

    fn take_given_up(
        &mut self,
        slot: usize,
        page: u64,
        right: bool,
        (holds, writes): (bool, bool),
    ) {
        let there = self.slots[slot].mirror.pages.get(&page).copied();
        let other = self.held.first().map_or(FrameId::new(1), Frame::id);
        let frame = match there {
            Some(page) if right => FrameId::new((page.frame / BYTES) as u32),
            _ => other,
        };
        let is = there.filter(|page| page.frame == u64::from(frame.get()) * BYTES && holds);
        let is = is.filter(|page| page.given_up && !page.modified);
        let is = is.filter(|page| arena::handles(page.frame) == 1).map(|page| page.frame);
        let (root, mut written) = (self.slots[slot].space.root(), false);
        let taken = self.slots[slot].space.withdraw_given_up(page, frame, || {
            // Another core, after it was looked whether anybody has written to it.
            written = writes && holds && walk::translate(root, page, walk::Wish::Write).is_some();
            holds
        });
        if written && let Some(page) = self.slots[slot].mirror.pages.get_mut(&page) {
            (page.accessed, page.modified, page.given_up) = (true, true, false);
        }
        let is = is.filter(|_| !written);
        assert_eq!(taken.as_ref().map(address), is, "taken at {page:#x}: {there:?}");
        if let Some(frame) = taken {
            self.slots[slot].mirror.pages.remove(&page);
            self.advance(slot);
            self.taken.push((self.slots[slot].number, frame));
        }
    }

    /// All pages of a range, and none is passed over for want of room.
    fn list(&mut self, slot: usize, mut at: u64, room: usize) {
        let mut pages = vec![0; room];
        loop {
            let (count, next) = self.slots[slot].space.list(at, USER_END, &mut pages);
            assert!(count <= room && room > 0 || next == Some(at), "{count} of {room}");
            let covered = self.slots[slot].mirror.range(at, next.unwrap_or(USER_END));
            let expected: Vec<_> = covered.into_iter().map(|(at, _)| at).collect();
            assert_eq!(pages[..count], expected, "from {at:#x} to {next:?}");
            match next.filter(|_| room > 0) {
                Some(next) => at = next,
                None => break,
            }
        }
    }

    /// A program uses a page, on a core, if it may.
    fn touch(&mut self, core: usize, page: u64, wish: Wish) {
        let Some(slot) = self.slot_of(core) else { return };
        if page >= 1 << 47 {
            // The kernel's: what of it is a program's is for `wild` to say.
            return;
        }
        let load = self.cores[core].loads.get(&page).copied();
        let dirty = walk::PRESENT | walk::WRITABLE | walk::DIRTY;
        let hit = load.filter(|load| match wish {
            Wish::Read => true,
            Wish::Write => load & dirty == dirty,
            Wish::Execute => load & walk::NO_EXECUTE == 0,
        });
        let entry = match hit {
            Some(entry) => entry,
            None => {
                // A translation that does not do is forgotten.
                self.cores[core].loads.remove(&page);
                let root = self.slots[slot].space.root();
                let is = self.slots[slot].mirror.pages.get_mut(&page);
                let access = match wish {
                    Wish::Read => Access::Read,
                    Wish::Write => Access::Write,
                    Wish::Execute => Access::Execute,
                };
                let may = is.filter(|page| allows(page.access, access));
                let may = may.is_some();
                let entry = walk::translate(root, page, wish);
                assert_eq!(entry.is_some(), may, "{wish:?} at {page:#x}");
                let Some(entry) = entry else { return };
                // What is mapped at once is used at once, and the core has all of it.
                let pages = match walk::is_huge(root, page) {
                    true => (page >> 21 << 21..(page >> 21 << 21) + (1 << 21)).step_by(4096),
                    false => (page..page + BYTES).step_by(4096),
                };
                for at in pages {
                    let page_is = self.slots[slot].mirror.pages.get_mut(&at).unwrap();
                    page_is.accessed = true;
                    page_is.modified |= wish == Wish::Write;
                    let load = entry.wrapping_add(at).wrapping_sub(page);
                    self.cores[core].loads.insert(at, load);
                }
                entry
            }
        };
        let frame = walk::frame(entry);
        assert_eq!(Some(&arena::read(frame + MARK)), self.marks.get(&frame), "at {page:#x}");
        if wish == Wish::Write {
            let mark = self.marks.get(&frame).map_or(0, |mark| mark.wrapping_add(1));
            self.marks.insert(frame, mark);
            arena::write(frame + MARK, mark);
        }
    }

    fn hold(&mut self, slot: usize, page: u64, access: Access) {
        let held = self.slots[slot].space.pin(page, access);
        let is = self.slots[slot].mirror.pages.get_mut(&page);
        let is = is.filter(|page| allows(page.access, access)).map(|page| {
            page.given_up &= access != Access::Write || page.modified;
            page.frame
        });
        assert_eq!(held.as_ref().map(address), is, "pinned at {page:#x}");
        if self.held.len() < HELD {
            self.held.extend(held);
        }
    }

    /// Pages that no program has: nothing is there, and nothing comes there.
    fn wild(&mut self, slot: usize, page: u64) {
        let held = self.held.first().cloned();
        let space = &self.slots[slot].space;
        assert!(space.get(page).is_none() && space.look(page).is_none());
        assert!(space.pin(page, Access::None).is_none());
        assert!(!space.has(page, FrameId::new(1)));
        let end = u64::MAX;
        assert_eq!(space.unmap(page, end, &mut Work::default()), None);
        let protected = space.protect(page, end, (Access::Read, true), &mut Work::default());
        assert_eq!(protected, None);
        assert_eq!(space.look_through(page, end, |seen| panic!("{seen:?}")), None);
        let put = space.put(page, &mut [held.clone()], Access::Read, || true);
        assert_eq!(put, Err(MapError::Address));
        let put = space.put(BYTES + 8, &mut [held.clone()], Access::Read, || true);
        assert_eq!(put, Err(MapError::Address), "in the midst of a page");
        if let Some(held) = held {
            let replaced = space.replace(page, &held, held.clone(), Access::Read, || true);
            assert_eq!(replaced, Ok(false));
            assert!(!space.widen(page, &held, Access::Write, || true));
            assert_eq!(space.withdraw(page, held.id(), false, || true, || ()), Withdrawn::Gone);
        }
    }
}

fn end(at: u64, pages: u64) -> u64 {
    at.saturating_add(pages * BYTES)
}
