//! What is told is put into the tree.

use alloc::boxed::Box;
use linux_raw_sys::general as abi;

use super::ask::{Ask, Create, Known, OnDisk, Rename, Then, Told, Unlink};
use super::{Named, State};
use crate::accounts::Kept;
use crate::directory::{Directory, Name};
use crate::inode::{Body, InodeId};
use crate::node::Node;
use crate::pipe::Pipe;
use crate::root::{ENTRY_COST, PERMISSIONS, Root, kind_of};
use crate::wait::Side;
use crate::{Effects, Errno, Owner};

impl Root {
    /// A question is answered: what becomes of the call that had it.
    ///
    /// # Errors
    /// The one that was told, or what comes of putting it into the tree: the call's.
    pub fn told(
        &mut self,
        ask: Ask,
        told: Result<Told, Errno>,
        effects: &mut Effects,
    ) -> Result<Then, Errno> {
        let changes = ask.changes();
        self.accounts.draw_on(ask.notes());
        let then = self.take(ask, told);
        self.accounts.draw_on(None);
        for id in changes.into_iter().flatten() {
            if let Some(inode) = self.inodes.get_mut(id) {
                if let Some(state) = &mut inode.disk {
                    state.busy = false;
                }
                effects.wake(inode.number, Side::Settled);
            }
            self.let_go(&Node::Inode(id), effects);
        }
        then
    }

    fn take(&mut self, ask: Ask, told: Result<Told, Errno>) -> Result<Then, Errno> {
        match (ask, told) {
            (Ask::Mount { of, .. }, Err(error)) => {
                self.unhold(&Node::Inode(of.0));
                Err(error)
            }
            (Ask::Mount { dev, of, .. }, Ok(Told::Mounted { fs, top, read_only })) => {
                let made = self.mounted(of, (fs, dev, read_only), &top);
                if made.is_err() {
                    self.unhold(&Node::Inode(of.0));
                    self.later.push(Ask::Unmount { fs });
                }
                made.map(|()| Then::Done)
            }
            (Ask::Unmount { fs }, Err(error)) => {
                if let Some(mount) = self.mounts.get_mut(fs) {
                    mount.leaves = false;
                }
                Err(error)
            }
            (Ask::Unmount { fs }, Ok(_)) => {
                self.unmounted(fs);
                Ok(Then::Done)
            }
            (_, Err(error)) => Err(error),
            (Ask::Look { at, name, of }, Ok(told)) => match self.looked(at, &name, of, told) {
                // It is asked again.
                Err(Errno::ENOMEM) if self.forget_for(of.2) => Ok(Then::Again),
                looked => looked,
            },
            (Ask::Refresh { of, .. }, Ok(Told::Object(known))) => {
                self.refreshed(of, &known);
                Ok(Then::Again)
            }
            (Ask::List { from, of, .. }, Ok(Told::Entries(entries))) => {
                if let Ok(description) = self.description_mut(of) {
                    description.listed = Some((from, entries));
                }
                Ok(Then::Again)
            }
            (Ask::Usage { fs }, Ok(Told::Usage(usage))) => {
                if let Some(mount) = self.mounts.get_mut(fs) {
                    mount.usage.set(Some(usage));
                }
                Ok(Then::Again)
            }
            (Ask::Fetch { .. } | Ask::Bring { .. }, Ok(Told::Done)) => Ok(Then::Again),
            (Ask::Conceal { again, .. }, Ok(Told::Done)) => {
                Ok(if again { Then::Again } else { Then::Done })
            }
            (Ask::Prepare { of, .. }, Ok(Told::Done)) => {
                self.has_grown(of);
                Ok(Then::Again)
            }
            (Ask::Create(create), Ok(Told::Object(known))) => {
                let id = self.is_created(&create, &known)?;
                if !create.opens {
                    return Ok(Then::Done);
                }
                self.hold(&Node::Inode(id));
                Ok(Then::Opens(id))
            }
            (Ask::Link(link), Ok(Told::Done)) => {
                self.link_in(link.dir, &link.name, link.inode, link.owner)?;
                let inode = self.inode_mut(link.inode)?;
                inode.links = inode.links.saturating_add(1);
                inode.changed = link.now;
                inode.linkable = false;
                self.has_changed(link.dir, Some(&link.name));
                self.inode_mut(link.dir)?.touch(link.now);
                Ok(Then::Done)
            }
            (Ask::Unlink(unlink), Ok(Told::Done)) => self.is_unlinked(&unlink).map(|()| Then::Done),
            (Ask::Rename(rename), Ok(Told::Done)) => self.is_renamed(&rename).map(|()| Then::Done),
            (Ask::Set { of, change, .. }, Ok(Told::Done)) => {
                if let Some(inode) = of.and_then(|of| self.inodes.get_mut(of)) {
                    inode.set(&change);
                    if let Body::Cached(file) = &inode.body {
                        file.stamp(inode.owner, &change);
                    }
                }
                Ok(Then::Done)
            }
            (Ask::Resize { of, now, .. }, Ok(Told::Done)) => {
                let (id, goes_on) = of;
                self.has_grown(id);
                let inode = self.inode_mut(id)?;
                inode.touch(now);
                if let Some(state) = &mut inode.disk {
                    state.writes = state.writes.wrapping_add(1);
                }
                Ok(if goes_on { Then::Again } else { Then::Done })
            }
            (Ask::Sync { file, of, .. }, Ok(Told::Done)) => {
                // All was tried; who has it open is told what failed.
                if let (Some(file), Ok(description)) = (file, self.description_mut(of)) {
                    file.check(&mut description.failures)?;
                }
                Ok(Then::Done)
            }
            (Ask::Evict { file, of: Some((of, before)), .. }, Ok(Told::Done)) => {
                let mut failures = before;
                let failed = file.check(&mut failures);
                // Who has it open is told of each once, and of earlier ones by fsync(2).
                if let Ok(description) = self.description_mut(of)
                    && description.failures == before
                {
                    description.failures = failures;
                }
                failed.map(|()| Then::Done)
            }
            (
                Ask::SyncAll { .. }
                | Ask::Release { .. }
                | Ask::Ahead { .. }
                | Ask::Evict { .. }
                | Ask::EvictAll,
                Ok(Told::Done),
            ) => Ok(Then::Done),
            // Those below answered what was not asked.
            _ => Err(Errno::EIO),
        }
    }

    fn looked(
        &mut self,
        at: OnDisk,
        name: &Name,
        (dir, version, owner): (InodeId, u64, Owner),
        told: Told,
    ) -> Result<Then, Errno> {
        let Some(inode) = self.inodes.get_mut(dir) else { return Ok(Then::Again) };
        let busy = inode.disk.as_ref().is_none_or(|state| state.busy);
        let Some(directory) = inode.directory_mut() else { return Ok(Then::Again) };
        let known_already = directory.get(name).is_some();
        let Some(names) = &mut directory.disk else { return Ok(Then::Again) };
        // It may be older than what is known now.
        if busy || names.version != version || known_already {
            return Ok(Then::Again);
        }
        match told {
            Told::Nothing => names.is_absent(name.clone()),
            Told::Object(known) => {
                let at = OnDisk { number: known.number, ..at };
                let id = self.copy_of(at, &known, (dir, name), owner)?;
                self.link_in(dir, name, id, owner)?;
            }
            _ => return Err(Errno::EIO),
        }
        Ok(Then::Again)
    }

    /// The object of the tree that stands for one of a disk.
    fn copy_of(
        &mut self,
        at: OnDisk,
        known: &Known,
        (dir, name): (InodeId, &Name),
        owner: Owner,
    ) -> Result<InodeId, Errno> {
        if let Some(id) = self.copies.get(at) {
            // A directory with two names is a flaw of the disk's.
            return if self.inode(id)?.is_directory() { Err(Errno::EUCLEAN) } else { Ok(id) };
        }
        let body = match kind_of(known.mode) {
            abi::S_IFREG => Body::Cached(known.contents.clone().ok_or(Errno::EIO)?),
            abi::S_IFDIR => Body::Directory(Box::new(Directory::of_disk(dir, name.clone()))),
            abi::S_IFLNK => Body::Link(known.target.clone()),
            abi::S_IFIFO => Body::Fifo(Box::new(Pipe::new(false))),
            abi::S_IFCHR => Body::Character(known.device),
            abi::S_IFBLK => Body::Block(known.device),
            abi::S_IFSOCK => Body::Socket,
            _ => return Err(Errno::EUCLEAN),
        };
        let id = self.bring_in(at, known, body, owner)?;
        if self.inode(id)?.is_directory() {
            self.hold(&Node::Inode(dir));
        }
        Ok(id)
    }

    /// Makes a copy of an object, without a name and without a hold.
    pub(super) fn bring_in(
        &mut self,
        at: OnDisk,
        known: &Known,
        body: Body,
        owner: Owner,
    ) -> Result<InodeId, Errno> {
        let id = self.make(body, known.mode & PERMISSIONS, owner, known.changed);
        let id = id.map_err(|_| Errno::ENOMEM)?;
        let inode = self.inode_mut(id)?;
        inode.disk = Some(State::new(at, known));
        inode.user = known.user;
        inode.group = known.group;
        inode.links = known.links;
        inode.accessed = known.accessed;
        inode.modified = known.modified;
        self.copies.add(at, id);
        Ok(id)
    }

    /// An object has a name in the tree.
    fn link_in(
        &mut self,
        dir: InodeId,
        name: &Name,
        id: InodeId,
        owner: Owner,
    ) -> Result<(), Errno> {
        let price = ENTRY_COST.saturating_add(name.len() as u64);
        // Neither goes with the names that make room for this one.
        self.hold(&Node::Inode(dir));
        self.hold(&Node::Inode(id));
        self.forget_some(owner);
        let charged = match self.charge(owner, Kept::Tree, price) {
            Err(_) if self.forget_for(owner) => self.charge(owner, Kept::Tree, price),
            charged => charged,
        };
        for held in [dir, id] {
            if let Some(inode) = self.inodes.get_mut(held) {
                inode.holds = inode.holds.saturating_sub(1);
            }
        }
        let inserted = match charged {
            Ok(()) => {
                // With what is left of a name that those below did not know of.
                let inserted =
                    self.directory_mut(dir).and_then(|d| d.insert(name.clone(), id, owner));
                if inserted.is_err() {
                    self.accounts.credit(owner, Kept::Tree, price);
                }
                inserted
            }
            Err(_) => Err(Errno::ENOMEM),
        };
        match inserted {
            Ok((place, old)) => {
                if let Some(state) = self.inodes.get_mut(id).and_then(|i| i.disk.as_mut()) {
                    state.names = state.names.saturating_add(1);
                }
                if let Some(old) = old {
                    self.accounts.credit(old.owner, Kept::Tree, price);
                    self.copies.unnamed(old.owner);
                    self.name_forgotten(old.inode);
                }
                self.copies.named(Named { dir, place, owner });
                self.can_be_forgotten(id);
                Ok(())
            }
            Err(error) => {
                self.settle(id);
                self.can_be_forgotten(dir);
                Err(error)
            }
        }
    }

    /// A name is in the tree no more; the object it named, if it was this one.
    pub(super) fn link_out(&mut self, dir: InodeId, name: &[u8]) -> Option<InodeId> {
        let directory = self.directory_mut(dir).ok()?;
        let entry = directory.remove(name)?;
        let is_empty = directory.is_empty();
        let freed = ENTRY_COST.saturating_add(name.len() as u64);
        self.accounts.credit(entry.owner, Kept::Tree, freed);
        self.copies.unnamed(entry.owner);
        if is_empty {
            self.can_be_forgotten(dir);
        }
        Some(entry.inode)
    }

    /// An object has one name less in the tree.
    pub(super) fn name_forgotten(&mut self, id: InodeId) {
        if let Some(state) = self.inodes.get_mut(id).and_then(|inode| inode.disk.as_mut()) {
            state.names = state.names.saturating_sub(1);
        }
        self.settle(id);
    }

    fn has_grown(&mut self, id: InodeId) {
        if let Some(state) = self.inodes.get_mut(id).and_then(|inode| inode.disk.as_mut()) {
            state.grown = true;
        }
    }

    /// The names of a directory have changed.
    fn has_changed(&mut self, dir: InodeId, name: Option<&Name>) {
        self.has_grown(dir);
        if let Ok(directory) = self.directory_mut(dir)
            && let Some(names) = &mut directory.disk
        {
            names.changed(name);
        }
    }

    fn refreshed(&mut self, id: InodeId, known: &Known) {
        if let Some(state) = self.inodes.get_mut(id).and_then(|inode| inode.disk.as_mut()) {
            state.blocks = known.blocks;
            state.size = known.size;
            state.grown = false;
        }
    }

    fn is_created(&mut self, create: &Create, known: &Known) -> Result<InodeId, Errno> {
        let at = OnDisk { number: known.number, ..create.at };
        if let Some(linkable) = create.nameless {
            let id = self.copy_of(at, known, (create.dir, &create.name), create.owner)?;
            self.inode_mut(id)?.linkable = linkable;
            return Ok(id);
        }
        self.has_changed(create.dir, Some(&create.name));
        let is_directory = kind_of(known.mode) == abi::S_IFDIR;
        let above = self.inode_mut(create.dir)?;
        above.touch(create.now);
        if is_directory {
            above.links = above.links.saturating_add(1);
        }
        let above = (create.dir, &create.name);
        let id = match self.copy_of(at, known, above, create.owner) {
            Err(Errno::ENOMEM) if self.forget_for(create.owner) => {
                self.copy_of(at, known, above, create.owner)?
            }
            made => made?,
        };
        self.link_in(create.dir, &create.name, id, create.owner)?;
        Ok(id)
    }

    fn is_unlinked(&mut self, unlink: &Unlink) -> Result<(), Errno> {
        let named = self.link_out(unlink.dir, &unlink.name);
        self.has_changed(unlink.dir, None);
        self.inode_mut(unlink.dir)?.touch(unlink.now);
        let now = unlink.now;
        self.lose_name_on_disk(unlink.inode, unlink.dir, now)?;
        if let Some(named) = named {
            self.name_forgotten(named);
        }
        Ok(())
    }

    /// An object on a disk has one name less there.
    fn lose_name_on_disk(
        &mut self,
        id: InodeId,
        dir: InodeId,
        now: crate::Time,
    ) -> Result<(), Errno> {
        let inode = self.inode_mut(id)?;
        inode.changed = now;
        match inode.directory_mut() {
            Some(directory) => {
                directory.removed = true;
                inode.links = 0;
                let above = self.inode_mut(dir)?;
                above.links = above.links.saturating_sub(1);
            }
            None => inode.links = inode.links.saturating_sub(1),
        }
        Ok(())
    }

    fn is_renamed(&mut self, rename: &Rename) -> Result<(), Errno> {
        let Rename { from_dir, to_dir, source, target, now, owner, .. } = *rename;
        let one = self.link_out(from_dir, &rename.old);
        let other = self.link_out(to_dir, &rename.new);
        self.has_changed(from_dir, None);
        self.has_changed(to_dir, Some(&rename.new));
        // Without memory the copy lacks a name, and is asked for it again.
        let _ = self.link_in(to_dir, &rename.new, source, owner);
        self.moved(source, from_dir, to_dir, &rename.new)?;
        match target {
            Some(target) if rename.exchange => {
                let _ = self.link_in(from_dir, &rename.old, target, owner);
                self.moved(target, to_dir, from_dir, &rename.old)?;
                self.inode_mut(target)?.changed = now;
            }
            Some(target) => self.lose_name_on_disk(target, to_dir, now)?,
            None => {}
        }
        self.inode_mut(source)?.changed = now;
        self.inode_mut(from_dir)?.touch(now);
        self.inode_mut(to_dir)?.touch(now);
        for named in one.into_iter().chain(other) {
            self.name_forgotten(named);
        }
        Ok(())
    }
}
