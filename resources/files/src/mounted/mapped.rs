//! Files on disks that programs have mapped: each is held as long as anybody shows it.
//!
//! Whoever maps a file has a token of it ([`Root::map`]). The last one's end is noted, wherever
//! that is, and the hold goes when the tree is asked to look ([`Root::let_go_of_mapped`]).

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::caller::Caller;
use crate::inode::InodeId;
use crate::mounted::Cached;
use crate::node::Node;
use crate::root::Root;
use crate::{Errno, Owner, Walks};

/// Files that are looked at in one run.
const SLICE: usize = 64;

/// Nobody has let go of a file since it was looked; somebody has; who looks is told.
const NONE: u8 = 0;
const SOME: u8 = 1;
const TOLD: u8 = 2;

/// What those who show files and the tree tell each other.
#[derive(Debug, Default)]
pub struct MapWatch {
    state: AtomicU8,
    /// Address spaces whose end is under way, by the time in which it began, even or odd.
    leaving: [AtomicU32; 2],
    time: AtomicU32,
}

/// How far a call has come that waits for the end of those spaces whose end had begun before it,
/// and not for others', which may be endless.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Ending {
    #[default]
    New,
    /// Those of this time, or before, are to have ended.
    Spaces(u32),
    /// They have; files from this number on are to be looked at, whether anybody shows them.
    Files(u64),
    /// They are.
    Over,
}

/// A file that is mapped.
#[derive(Debug)]
pub struct MappedFile(Arc<MapWatch>);

/// Who has mapped one: some of them may show it no more.
struct Mapped {
    token: Weak<MappedFile>,
    id: InodeId,
    by: Vec<Owner>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct MappedFiles {
    files: BTreeMap<u64, Mapped>,
    watch: Arc<MapWatch>,
    /// From which number on is looked next.
    at: u64,
    /// Those that are mapped by open files that may be written to, by their numbers.
    written: BTreeMap<u64, Weak<()>>,
}

impl MapWatch {
    /// Whether the tree is to be told to look: said once.
    #[must_use]
    pub fn is_to_tell(&self) -> bool {
        self.state.load(Ordering::Relaxed) == SOME
            && self.state.compare_exchange(SOME, TOLD, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// It could not be told.
    pub fn is_not_told(&self) {
        self.state.store(SOME, Ordering::Release);
    }

    /// What an address space shows is being taken away; since when, for [`Self::has_left`].
    pub fn leaves(&self) -> u32 {
        let time = self.time.load(Ordering::Acquire);
        self.of(time).fetch_add(1, Ordering::AcqRel);
        time
    }

    /// It is.
    pub fn has_left(&self, since: u32) {
        self.of(since).fetch_sub(1, Ordering::AcqRel);
    }

    fn of(&self, time: u32) -> &AtomicU32 {
        let [even, odd] = &self.leaving;
        if time.is_multiple_of(2) { even } else { odd }
    }

    /// Whether any is.
    fn is_leaving(&self) -> bool {
        self.leaving.iter().any(|count| count.load(Ordering::Acquire) > 0)
    }

    /// Whether all have left that began to at this time, or before. A new time begins when
    /// nobody is left of the one before.
    fn have_left(&self, since: u32) -> bool {
        let now = self.time.load(Ordering::Acquire);
        let next = now.wrapping_add(1);
        if now == since && self.of(next).load(Ordering::Acquire) == 0 {
            self.time.store(next, Ordering::Release);
        }
        match self.time.load(Ordering::Acquire).wrapping_sub(since) {
            0 => false,
            1 => self.of(since).load(Ordering::Acquire) == 0,
            _ => true,
        }
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        let _told = self.0.state.compare_exchange(NONE, SOME, Ordering::AcqRel, Ordering::Relaxed);
    }
}

impl Root {
    /// By this, those who show files tell of it.
    pub fn watch_maps(&mut self, watch: Arc<MapWatch>) {
        self.mapped.watch = watch;
    }

    /// What is in a file on a disk; `None` where it is none.
    #[must_use]
    pub fn cached(&self, node: &Node) -> Option<Arc<dyn Cached>> {
        let Node::Inode(id) = node else { return None };
        match &self.inode(*id).ok()?.body {
            crate::inode::Body::Cached(contents) => Some(contents.clone()),
            _ => None,
        }
    }

    /// Bytes of a file on a disk are wanted in memory: what the call fails with until they are.
    #[must_use]
    pub fn fetch(&self, caller: &crate::Caller<'_>, node: &Node, from: u64, bytes: u64) -> Errno {
        let Some(file) = self.cached(node) else { return Errno::ENODEV };
        let Node::Inode(id) = node else { return Errno::ENODEV };
        match self.on_disk(*id) {
            Ok(Some(at)) => caller.ask(super::Ask::Fetch { at, file, from, bytes }),
            _ => Errno::EIO,
        }
    }

    /// A file on a disk is mapped by this one: it is held as long as there is what this returns.
    ///
    /// # Errors
    /// `ENODEV` where it is none of the tree.
    pub fn map(&mut self, node: &Node, by: Owner) -> Result<Arc<MappedFile>, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        let number = self.inode(*id)?.number;
        let watch = self.mapped.watch.clone();
        let (file, known) = (self.cached(node), self.mapped.files.contains_key(&number));
        let mapped = self.mapped.files.entry(number);
        let mapped = mapped.or_insert(Mapped { token: Weak::new(), id: *id, by: Vec::new() });
        // It may be held still, for the one before.
        let token = mapped.token.upgrade().unwrap_or_else(|| Arc::new(MappedFile(watch)));
        mapped.token = Arc::downgrade(&token);
        if let Some(file) = file
            && !mapped.by.contains(&by)
            && mapped.by.try_reserve(1).is_ok()
        {
            mapped.by.push(by);
            file.opened(by);
        }
        if !known {
            self.hold(node);
        }
        Ok(token)
    }

    /// Whether somebody has let go of a file since this was asked last.
    #[must_use]
    pub fn has_unmapped(&self) -> bool {
        self.mapped.at > 0 || self.mapped.watch.state.load(Ordering::Relaxed) != NONE
    }

    /// Files that nobody shows any more are not held any more, some in a run. True if there may
    /// be more.
    pub fn let_go_of_mapped(&mut self) -> bool {
        if self.mapped.at == 0 {
            self.mapped.watch.state.store(NONE, Ordering::SeqCst);
        }
        let more = self.let_go_from(self.mapped.at);
        self.mapped.at = more.unwrap_or(0);
        more.is_some()
    }

    /// The same from a file on; from where there may be more.
    fn let_go_from(&mut self, at: u64) -> Option<u64> {
        let looked = self.mapped.files.range(at..).take(SLICE);
        let (mut last, mut gone) = (None, [None; SLICE]);
        for ((number, mapped), place) in looked.zip(&mut gone) {
            last = Some(*number);
            if mapped.token.strong_count() == 0 {
                *place = Some(*number);
            }
        }
        for number in gone.into_iter().flatten() {
            let Some(mapped) = self.mapped.files.remove(&number) else { continue };
            let node = Node::Inode(mapped.id);
            if let Some(file) = self.cached(&node) {
                mapped.by.iter().for_each(|by| file.closed(*by));
            }
            let _tag = self.unhold(&node);
        }
        let next = last.and_then(|last| last.checked_add(1));
        next.filter(|next| self.mapped.files.range(next..).next().is_some())
    }

    /// Whether a call is to be made again, as programs that had files mapped have ended, and
    /// what they had mapped is not let go of yet. Who ends later is not waited for.
    pub(crate) fn waits_for_ended(&mut self, caller: &Caller<'_>) -> bool {
        let Some(walks) = caller.walks else { return false };
        let ending = match walks.try_borrow().map_or(Ending::Over, |walks| walks.ending) {
            Ending::New if !self.has_unmapped() && !self.is_unmapping() => return false,
            Ending::New => Ending::Spaces(self.mapped.watch.time.load(Ordering::Acquire)),
            Ending::Spaces(since) if !self.mapped.watch.have_left(since) => Ending::Spaces(since),
            Ending::Spaces(_) => self.let_go_from(0).map_or(Ending::Over, Ending::Files),
            Ending::Files(at) => self.let_go_from(at).map_or(Ending::Over, Ending::Files),
            Ending::Over => return false,
        };
        walks
            .try_borrow_mut()
            .map(|mut walks: core::cell::RefMut<'_, Walks>| walks.ending = ending)
            .is_ok()
    }

    /// A file is mapped by an open file that may be written to: until what this returns is
    /// gone, nobody runs it.
    ///
    /// # Errors
    /// `ENODEV` where it is none of the tree.
    pub fn map_written(&mut self, node: &Node) -> Result<Arc<()>, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        let number = self.inode(*id)?.number;
        let written = &mut self.mapped.written;
        if let Some(token) = written.get(&number).and_then(Weak::upgrade) {
            return Ok(token);
        }
        written.retain(|_, token| token.strong_count() > 0);
        let token = Arc::new(());
        written.insert(number, Arc::downgrade(&token));
        Ok(token)
    }

    /// Whether somebody has mapped this inode so.
    pub(crate) fn is_map_written(&self, number: u64) -> bool {
        let token = self.mapped.written.get(&number);
        token.is_some_and(|token| token.strong_count() > 0)
    }

    /// Whether memory that may show files is being given up this moment.
    #[must_use]
    pub fn is_unmapping(&self) -> bool {
        self.mapped.watch.is_leaving()
    }
}
