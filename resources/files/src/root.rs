//! The file system as a whole: its objects, its open files, and what they cost.
//!
//! Invariants: an object is in the table while it has a name or a hold; every directory
//! but the topmost holds its parent while it lives, also after its removal, so that `..`
//! never leads to nothing; whatever is in a table is charged to somebody.

use alloc::collections::BTreeMap;
use alloc::sync::Weak;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use crate::accounts::{Accounts, Bill, Counted, Kept};
use crate::caller::Caller;
use crate::contents::{Contents, STEP};
use crate::description::Description;
use crate::directory::{Directory, Name};
use crate::epoll::Watches;
use crate::inode::{Body, Inode, InodeId};
use crate::lock::Locks;
use crate::mounted::{Ask, Copies, MappedFiles, Mounts};
use crate::node::Node;
use crate::slab::Slab;
use crate::socket::{Burial, Names, SOCKET_COST};
use crate::{Dev, Errno, Owner, Page, Time};
use vortex_units::Bytes;

/// What an object costs beside its contents.
pub const NODE_COST: u64 = 512;
/// What a directory entry costs beside its name.
pub const ENTRY_COST: u64 = 128;
/// What an open file costs.
pub const OPEN_COST: u64 = 256;
/// Pages freed at once where they stand in the way of a call.
const REAP_AT_ONCE: usize = 16;
/// Objects that go at once with the last that held them.
const SETTLED: usize = 16;

/// The root file system and the open files of all processes.
pub struct Root {
    pub(crate) inodes: Slab<Inode>,
    pub(crate) opens: Slab<Description>,
    pub(crate) accounts: Accounts,
    pub(crate) top: InodeId,
    pub(crate) proc_at: Option<InodeId>,
    /// The locks on files, by their numbers.
    pub(crate) locks: BTreeMap<u64, Locks>,
    /// The files that programs run, by their numbers, as long as anybody has them so.
    pub(crate) running: BTreeMap<u64, Weak<()>>,
    /// The files on disks that programs have mapped.
    pub(crate) mapped: MappedFiles,
    /// The disks, and their bytes.
    pub(crate) disks: BTreeMap<Dev, u64>,
    /// What is mounted of them, what of that is known, and what they are still to be asked.
    pub(crate) mounts: Mounts,
    pub(crate) copies: Copies,
    pub(crate) later: Vec<Ask>,
    /// The names of sockets, and what is on its way between them or given up there.
    pub(crate) socket_names: Names,
    pub(crate) burial: Burial,
    /// What sets of `epoll` watch.
    pub(crate) watches: Watches,
    doomed: Vec<Contents>,
    /// Objects that nothing may refer to any more.
    unsettled: Vec<InodeId>,
    last_number: u64,
}

impl Root {
    /// An empty tree that may hold so many bytes: one directory, of nobody's account.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn empty(limit: Bytes, now: Time) -> Result<Self, Errno> {
        let mut inodes = Slab::new();
        let nowhere = InodeId::from_bits(u64::MAX);
        let body = Body::Directory(Directory::new(nowhere, Name::from(&b""[..])).into());
        let top = inodes.insert(Inode {
            number: 1,
            permissions: 0o755,
            user: 0,
            group: 0,
            links: 2,
            holds: 1,
            linkable: false,
            sealed: false,
            writers: 0,
            accessed: now,
            modified: now,
            changed: now,
            born: now,
            owner: Owner::default(),
            body,
            disk: None,
        })?;
        if let Some(directory) = inodes.get_mut(top).and_then(Inode::directory_mut) {
            directory.parent = top;
        }
        Ok(Self {
            inodes,
            opens: Slab::new(),
            accounts: Accounts::new(limit),
            top,
            proc_at: None,
            locks: BTreeMap::new(),
            running: BTreeMap::new(),
            mapped: MappedFiles::default(),
            disks: BTreeMap::new(),
            mounts: Mounts::default(),
            copies: Copies::default(),
            later: Vec::new(),
            socket_names: Names::default(),
            burial: Burial::default(),
            watches: Watches::default(),
            doomed: Vec::new(),
            unsettled: Vec::new(),
            last_number: 1,
        })
    }

    /// Limits what an owner may hold; beyond it, its calls fail with `EDQUOT`.
    pub fn set_budget(&mut self, owner: Owner, budget: Option<Bytes>) {
        self.accounts.set_budget(owner, budget);
    }

    /// Limits how many open files, or pipes, an owner may have; beyond it `ENFILE`.
    pub fn set_most(&mut self, owner: Owner, what: Counted, most: Option<u32>) {
        self.accounts.set_most(owner, what, most);
    }

    /// From now on what owners hold is on these bills too.
    pub fn set_bill(&mut self, bill: &'static dyn Bill) {
        self.accounts.set_bill(bill);
    }

    /// How many an owner has.
    #[must_use]
    pub fn counted(&self, owner: Owner, what: Counted) -> u32 {
        self.accounts.counted(owner, what)
    }

    /// How many open files and pipes all have together.
    #[must_use]
    pub fn counted_in_all(&self) -> u64 {
        self.accounts.counted_in_all()
    }

    /// What an owner holds.
    #[must_use]
    pub fn held(&self, owner: Owner) -> Bytes {
        Bytes::new(self.accounts.held(owner))
    }

    /// What all hold.
    #[must_use]
    pub fn used(&self) -> Bytes {
        Bytes::new(self.accounts.used())
    }

    /// Objects that live, named or not.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.inodes.len()
    }

    /// Open files that live.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.opens.len()
    }

    /// Frees up to so many pages of files that are gone; whether more are left. To be
    /// called when there is time: large files are not freed by the call that ends them.
    pub fn reap(&mut self, pages: usize) -> bool {
        let mut budget = pages;
        if let Some(id) = self.unsettled.pop() {
            // No object of the caller's own is in a chain of folders.
            self.settle(id);
            return self.has_doomed();
        }
        while let Some(contents) = self.doomed.last_mut() {
            if contents.reap(&mut budget, &mut self.accounts) {
                return true;
            }
            self.doomed.pop();
        }
        false
    }

    /// Whether there is anything to be freed.
    #[must_use]
    pub fn has_doomed(&self) -> bool {
        !self.doomed.is_empty() || !self.unsettled.is_empty()
    }

    /// Bytes of files that are gone and not yet freed.
    pub(crate) fn doomed(&self) -> u64 {
        let pages = self.doomed.iter().fold(0_u64, |sum, c| sum.saturating_add(c.pages()));
        pages.saturating_mul(crate::contents::STEP)
    }

    pub(crate) fn doom(&mut self, mut contents: Contents) {
        let mut budget = REAP_AT_ONCE;
        if contents.reap(&mut budget, &mut self.accounts) {
            self.doomed.push(contents);
        }
    }

    /// Makes room where a charge was refused; whether it is worth another try.
    pub(crate) fn relieve(&mut self, error: Errno) -> bool {
        let spent = matches!(error, Errno::ENOSPC | Errno::EDQUOT);
        let some = spent && !self.doomed.is_empty();
        if some {
            self.reap(REAP_AT_ONCE);
        }
        some
    }

    pub(crate) fn charge(&mut self, owner: Owner, kept: Kept, bytes: u64) -> Result<(), Errno> {
        match self.accounts.charge(owner, kept, bytes) {
            Err(error) if self.relieve(error) => self.accounts.charge(owner, kept, bytes),
            result => result,
        }
    }

    /// A page of a regular file, to be mapped: `None` for a hole.
    ///
    /// # Errors
    /// `ENODEV` where the node is no regular file in memory.
    pub fn page(&self, caller: &Caller, node: &Node, index: u64) -> Result<Option<Page>, Errno> {
        match node {
            Node::Inode(id) => match &self.inode(*id)?.body {
                Body::File(contents) => contents
                    .current(index)
                    .map_err(|error| contents.left(caller, index.saturating_mul(STEP), error)),
                _ => Err(Errno::ENODEV),
            },
            Node::Proc(_) => Err(Errno::ENODEV),
        }
    }

    /// The first page of a regular file that is no hole, from this one on, and its number.
    ///
    /// # Errors
    /// `ENODEV` where the node is no regular file.
    pub fn next_page(
        &self,
        caller: &Caller,
        node: &Node,
        from: u64,
    ) -> Result<Option<(u64, Page)>, Errno> {
        match node {
            Node::Inode(id) => match &self.inode(*id)?.body {
                Body::File(contents) => contents.next(from).map_err(|(index, error)| {
                    contents.left(caller, index.saturating_mul(STEP), error)
                }),
                Body::Cached(_) => self.cached_page(caller, *id, from),
                _ => Err(Errno::ENODEV),
            },
            Node::Proc(_) => Err(Errno::ENODEV),
        }
    }

    /// How often a file's contents were changed: while this is the same, so are they. `None`
    /// where that is not known, because programs have mapped them.
    ///
    /// # Errors
    /// `ENODEV` where the node is no regular file.
    pub fn changes(&self, node: &Node) -> Result<Option<u64>, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        let inode = self.inode(*id)?;
        match &inode.body {
            Body::File(contents) => Ok(contents.changes()),
            Body::Cached(_) => Ok(inode.disk.as_ref().map(|state| state.writes)),
            _ => Err(Errno::ENODEV),
        }
    }

    /// A number of an object, which no other ever has.
    ///
    /// # Errors
    /// `ENODEV` where it is none of the tree.
    pub fn number(&self, node: &Node) -> Result<u64, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        Ok(self.inode(*id)?.number)
    }

    /// Whether a file is on a disk.
    #[must_use]
    pub fn is_on_disk(&self, node: &Node) -> bool {
        matches!(node, Node::Inode(id) if self.on_disk(*id).is_ok_and(|at| at.is_some()))
    }

    /// The topmost directory.
    #[must_use]
    pub fn top(&self) -> Node {
        Node::Inode(self.mounts.over(self.top).unwrap_or(self.top))
    }

    pub(crate) fn inode(&self, id: InodeId) -> Result<&Inode, Errno> {
        self.inodes.get(id).ok_or(Errno::ENOENT)
    }

    pub(crate) fn inode_mut(&mut self, id: InodeId) -> Result<&mut Inode, Errno> {
        self.inodes.get_mut(id).ok_or(Errno::ENOENT)
    }

    pub(crate) fn directory_mut(&mut self, id: InodeId) -> Result<&mut Directory, Errno> {
        self.inode_mut(id)?.directory_mut().ok_or(Errno::ENOTDIR)
    }

    /// Makes an object without a name and without a hold.
    pub(crate) fn make(
        &mut self,
        body: Body,
        permissions: u32,
        owner: Owner,
        now: Time,
    ) -> Result<InodeId, Errno> {
        let cost = cost(&body);
        self.charge(owner, Kept::Tree, cost)?;
        let number = self.last_number.saturating_add(1);
        let made = self.inodes.insert(Inode {
            number,
            permissions,
            user: 0,
            group: 0,
            links: 0,
            holds: 0,
            linkable: false,
            sealed: false,
            writers: 0,
            accessed: now,
            modified: now,
            changed: now,
            born: now,
            owner,
            body,
            disk: None,
        });
        match made {
            Ok(_) => self.last_number = number,
            Err(_) => self.accounts.credit(owner, Kept::Tree, cost),
        }
        made
    }

    /// Gives an object a name. A new directory comes with its parent set to `dir`.
    pub(crate) fn attach(
        &mut self,
        dir: InodeId,
        name: Name,
        id: InodeId,
        owner: Owner,
    ) -> Result<(), Errno> {
        let cost = ENTRY_COST.saturating_add(name.len() as u64);
        self.charge(owner, Kept::Tree, cost)?;
        let is_directory = self.inode(id)?.is_directory();
        if let Err(error) = self.directory_mut(dir)?.insert(name, id, owner) {
            self.accounts.credit(owner, Kept::Tree, cost);
            return Err(error);
        }
        let inode = self.inode_mut(id)?;
        inode.links = inode.links.saturating_add(if is_directory { 2 } else { 1 });
        if is_directory {
            let parent = self.inode_mut(dir)?;
            parent.links = parent.links.saturating_add(1);
            parent.holds = parent.holds.saturating_add(1);
        }
        Ok(())
    }

    /// Takes a name away; the object may be gone then.
    pub(crate) fn detach(&mut self, dir: InodeId, name: &[u8], now: Time) -> Result<(), Errno> {
        let parent = self.inode_mut(dir)?;
        let entry = parent.directory_mut().and_then(|d| d.remove(name)).ok_or(Errno::ENOENT)?;
        parent.touch(now);
        let freed = ENTRY_COST.saturating_add(name.len() as u64);
        self.accounts.credit(entry.owner, Kept::Tree, freed);
        self.lose_name(entry.inode, dir, now)
    }

    /// An object has one name less, in this directory.
    pub(crate) fn lose_name(&mut self, id: InodeId, dir: InodeId, now: Time) -> Result<(), Errno> {
        let inode = self.inode_mut(id)?;
        inode.changed = now;
        if let Some(directory) = inode.directory_mut() {
            directory.removed = true;
            inode.links = 0;
            let parent = self.inode_mut(dir)?;
            parent.links = parent.links.saturating_sub(1);
        } else {
            inode.links = inode.links.saturating_sub(1);
        }
        self.settle(id);
        Ok(())
    }

    pub(crate) fn hold(&mut self, node: &Node) {
        if let Node::Inode(id) = node
            && let Some(inode) = self.inodes.get_mut(*id)
        {
            inode.holds = inode.holds.saturating_add(1);
        }
    }

    /// Takes a hold away; the tag of an external object that is gone with it.
    pub(crate) fn unhold(&mut self, node: &Node) -> Option<u64> {
        let Node::Inode(id) = node else { return None };
        let inode = self.inodes.get_mut(*id)?;
        inode.holds = inode.holds.saturating_sub(1);
        self.settle(*id)
    }

    /// Frees an object that nothing refers to, and then the directories that only it held.
    pub(crate) fn settle(&mut self, id: InodeId) -> Option<u64> {
        let mut tag = None;
        let mut next = Some(id);
        let mut left = SETTLED;
        while let Some(id) = next.take() {
            if left == 0 {
                // A chain of folders that were removed: the others go as contents do.
                self.unsettled.push(id);
                break;
            }
            left = left.saturating_sub(1);
            let inode = self.inodes.get(id)?;
            if inode.lives() {
                if inode.holds == 0 && inode.disk.is_some() {
                    self.can_be_forgotten(id);
                }
                break;
            }
            let inode = self.inodes.remove(id)?;
            self.copy_goes(&inode);
            self.accounts.credit(inode.owner, Kept::Tree, cost(&inode.body));
            match inode.body {
                Body::File(contents) => self.doom(contents),
                Body::Fifo(mut pipe) => {
                    if pipe.anonymous {
                        self.accounts.give(inode.owner, Counted::Pipe);
                    }
                    pipe.clear(&mut self.accounts);
                }
                Body::External { tag: its, .. } => tag = Some(its),
                Body::Directory(directory) => {
                    if let Some(parent) = self.inodes.get_mut(directory.parent) {
                        parent.holds = parent.holds.saturating_sub(1);
                        next = Some(directory.parent);
                    }
                }
                _ => {}
            }
        }
        tag
    }
}

/// What an object costs by itself.
pub(crate) fn cost(body: &Body) -> u64 {
    match body {
        Body::Link(text) => NODE_COST.saturating_add(text.len() as u64),
        Body::Unix(_) => NODE_COST.saturating_add(SOCKET_COST),
        _ => NODE_COST,
    }
}

/// The bits of a mode that are permissions.
pub(crate) const PERMISSIONS: u32 = 0o7777;

/// The types of `mknod` and of archives.
pub(crate) fn kind_of(mode: u32) -> u32 {
    mode & abi::S_IFMT
}
