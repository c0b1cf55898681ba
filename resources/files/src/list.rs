//! `getdents64`.

use linux_raw_sys::general as abi;

use crate::Errno;
use crate::caller::Caller;
use crate::description::OpenId;
use crate::directory::Directory;
use crate::encode::{DIRENT_NAME, dirent};
use crate::inode::{Inode, InodeId, entry_kind};
use crate::moving::{Sink, WINDOW};
use crate::node::Node;
use crate::proc::ProcName;
use crate::root::Root;
use crate::stat::{proc_mode, proc_number};
use crate::walk::{NAME_MAX, join};

/// The greatest record, a multiple of 8.
const RECORD: usize = (DIRENT_NAME + NAME_MAX + 8) / 8 * 8;

/// Entries that one call puts, however much room there is.
const MOST_ENTRIES: usize = 64;

/// What has been put so far.
struct Listing<'a> {
    sink: &'a mut dyn Sink,
    left: usize,
    done: usize,
    offset: u64,
}

impl Listing<'_> {
    /// Puts a record; whether there was room. `next` is the offset behind it.
    fn put(&mut self, name: &[u8], number: u64, kind: u8, next: u64) -> Result<bool, Errno> {
        // A zero ends the name, and the record a multiple of 8.
        let whole = DIRENT_NAME.saturating_add(name.len()).saturating_add(1);
        let length = whole.next_multiple_of(8);
        if length > self.left {
            return if self.done == 0 { Err(Errno::EINVAL) } else { Ok(false) };
        }
        let mut record = [0; RECORD];
        let (head, rest) = record.split_at_mut(DIRENT_NAME);
        head.copy_from_slice(&dirent(number, next, length, kind));
        rest.get_mut(..name.len()).ok_or(Errno::EINVAL)?.copy_from_slice(name);
        let put = self.sink.put(record.get(..length).ok_or(Errno::EINVAL)?);
        match put {
            Err(error) if self.done == 0 => return Err(error),
            Err(_) => return Ok(false),
            Ok(()) => {}
        }
        self.left = self.left.saturating_sub(length);
        self.done = self.done.saturating_add(length);
        self.offset = next;
        Ok(true)
    }
}

impl Root {
    /// `getdents64`: how many bytes were put; none at the end. A call puts at most 64
    /// entries or so.
    ///
    /// # Errors
    /// Linux's.
    pub fn list(
        &mut self,
        caller: &Caller,
        id: OpenId,
        sink: &mut dyn Sink,
    ) -> Result<usize, Errno> {
        let (description, node) = self.usable(id)?;
        if !self.is_directory(caller, node) {
            return Err(Errno::ENOTDIR);
        }
        let left = sink.room().min(WINDOW);
        let mut listing = Listing { sink, left, done: 0, offset: description.offset };
        let node = node.clone();
        match &node {
            Node::Inode(inode) if self.on_disk(*inode)?.is_some() => {
                self.list_on_disk(caller, (id, *inode), &mut listing)?;
            }
            Node::Inode(inode) => {
                let inode = self.inode(*inode)?;
                let directory = inode.directory().ok_or(Errno::ENOTDIR)?;
                if directory.removed {
                    return Err(Errno::ENOENT);
                }
                self.list_directory(caller, inode, directory, &mut listing)?;
            }
            Node::Proc(path) => self.list_proc(caller, path, &mut listing)?,
        }
        let (done, offset) = (listing.done, listing.offset);
        self.description_mut(id)?.offset = offset;
        if let Node::Inode(inode) = node {
            self.inode_mut(inode)?.note_access(caller.now);
        }
        Ok(done)
    }

    fn list_on_disk(
        &mut self,
        caller: &Caller,
        (open, inode): (OpenId, InodeId),
        listing: &mut Listing,
    ) -> Result<(), Errno> {
        if self.inode(inode)?.directory().is_some_and(|directory| directory.removed) {
            return Err(Errno::ENOENT);
        }
        let entries = self.listed(caller, open, inode, listing.offset)?;
        for entry in entries.unwrap_or_default().iter().take(MOST_ENTRIES) {
            if !listing.put(&entry.name, entry.number, entry.kind, entry.next)? {
                break;
            }
        }
        Ok(())
    }

    fn list_directory(
        &self,
        caller: &Caller,
        inode: &Inode,
        directory: &Directory,
        listing: &mut Listing,
    ) -> Result<(), Errno> {
        let kind = entry_kind(abi::S_IFDIR);
        if listing.offset == 0 && !listing.put(b".", inode.number, kind, 1)? {
            return Ok(());
        }
        if listing.offset == 1 {
            let above = self.inode(directory.parent)?.number;
            if !listing.put(b"..", above, kind, 2)? {
                return Ok(());
            }
        }
        for (place, name, id) in directory.after(listing.offset).take(MOST_ENTRIES) {
            let attributes = self.attributes(caller, &self.node_of(id))?;
            let kind = entry_kind(attributes.mode);
            if !listing.put(name, attributes.number, kind, place.saturating_add(1))? {
                break;
            }
        }
        Ok(())
    }

    /// What the kernel adds to `/proc` or takes away meanwhile may be missed.
    fn list_proc(&self, caller: &Caller, path: &[u8], listing: &mut Listing) -> Result<(), Errno> {
        let directory = entry_kind(abi::S_IFDIR);
        if listing.offset == 0 && !listing.put(b".", proc_number(path), directory, 1)? {
            return Ok(());
        }
        if listing.offset == 1 {
            let above = self.parent(&Node::Proc(path.into()))?;
            let number = self.attributes(caller, &above)?.number;
            if !listing.put(b"..", number, directory, ABOVE)? {
                return Ok(());
            }
        }
        let from = listing.offset.saturating_sub(ABOVE);
        for ProcName { name, kind, next } in caller.proc.list(path, from) {
            let number = proc_number(&join(path, &name));
            let (kind, next) = (entry_kind(proc_mode(kind)), next.saturating_add(ABOVE));
            if name.len() <= NAME_MAX && !listing.put(&name, number, kind, next)? {
                break;
            }
        }
        Ok(())
    }
}

/// The offset behind `.` and `..`.
const ABOVE: u64 = 2;
