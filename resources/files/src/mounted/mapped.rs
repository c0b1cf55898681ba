//! Files on disks that programs have mapped: each is held as long as anybody shows it.
//!
//! Whoever maps a file has a token of it ([`Root::map`]). The last one's end is noted, wherever
//! that is, and the hold goes when the tree is asked to look ([`Root::let_go_of_mapped`]).

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::Errno;
use crate::inode::InodeId;
use crate::mounted::Cached;
use crate::node::Node;
use crate::root::Root;

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
    /// Address spaces whose end is under way.
    leaving: AtomicU32,
}

/// A file that is mapped.
#[derive(Debug)]
pub struct MappedFile(Arc<MapWatch>);

/// All of them.
#[derive(Default)]
pub(crate) struct MappedFiles {
    files: BTreeMap<u64, (Weak<MappedFile>, InodeId)>,
    watch: Arc<MapWatch>,
    /// From which number on is looked next.
    at: u64,
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

    /// What an address space shows is being taken away.
    pub fn leaves(&self) {
        self.leaving.fetch_add(1, Ordering::AcqRel);
    }

    /// It is.
    pub fn has_left(&self) {
        self.leaving.fetch_sub(1, Ordering::AcqRel);
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

    /// A file on a disk is mapped: it is held as long as there is what this returns.
    ///
    /// # Errors
    /// `ENODEV` where it is none of the tree.
    pub fn map(&mut self, node: &Node) -> Result<Arc<MappedFile>, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        let number = self.inode(*id)?.number;
        if let Some((known, _)) = self.mapped.files.get(&number) {
            if let Some(token) = known.upgrade() {
                return Ok(token);
            }
            // It is held still, for the one before.
            let token = Arc::new(MappedFile(self.mapped.watch.clone()));
            self.mapped.files.insert(number, (Arc::downgrade(&token), *id));
            return Ok(token);
        }
        let token = Arc::new(MappedFile(self.mapped.watch.clone()));
        self.mapped.files.insert(number, (Arc::downgrade(&token), *id));
        self.hold(node);
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
        let looked = self.mapped.files.range(self.mapped.at..).take(SLICE);
        let (mut last, mut gone) = (None, [None; SLICE]);
        for ((number, (token, id)), place) in looked.zip(&mut gone) {
            last = Some(*number);
            if token.strong_count() == 0 {
                *place = Some((*number, *id));
            }
        }
        for (number, id) in gone.into_iter().flatten() {
            self.mapped.files.remove(&number);
            let _tag = self.unhold(&Node::Inode(id));
        }
        let next = last.and_then(|last| last.checked_add(1));
        let more = next.filter(|next| self.mapped.files.range(next..).next().is_some());
        self.mapped.at = more.unwrap_or(0);
        more.is_some()
    }

    /// Whether memory that may show files is being given up this moment.
    #[must_use]
    pub fn is_unmapping(&self) -> bool {
        self.mapped.watch.leaving.load(Ordering::Acquire) > 0
    }
}
