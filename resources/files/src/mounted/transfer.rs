//! Reading and writing files on disks: what is in the cache is copied, the rest asked for.

use alloc::sync::Arc;

use linux_raw_sys::general as abi;

use super::ask::Ask;
use super::cached::Cached;
use crate::Errno;
use crate::caller::Caller;
use crate::contents::STEP;
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::moving::{Collect, Limited, Sink, Source, WINDOW};
use crate::node::Node;
use crate::page::{PAGE, Page};
use crate::root::Root;
use crate::time::Time;
use crate::wait::Outcome;

/// The largest file: what ext2's count of blocks of 512 bytes allows.
const MOST: u64 = 2 << 40;

/// Bytes that are fetched at once to be mapped.
const FETCHED: u64 = 64 * 1024;

impl Root {
    /// A page of a file on a disk, as it is now.
    pub(crate) fn cached_page(
        &self,
        caller: &Caller,
        id: InodeId,
        index: u64,
    ) -> Result<Option<(u64, Page)>, Errno> {
        let object = self.inode(id)?;
        let Body::Cached(contents) = &object.body else { return Err(Errno::ENODEV) };
        let from = index.saturating_mul(STEP);
        let left = contents.size().saturating_sub(from);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(PAGE);
        if wanted == 0 {
            return Ok(None);
        }
        let mut sink = Collect::new(wanted);
        if contents.read(from, wanted, &mut sink)? < wanted {
            let at = object.disk.as_ref().ok_or(Errno::EIO)?.at;
            let file = contents.clone();
            return Err(caller.ask(Ask::Fetch { at, file, from, bytes: left.min(FETCHED) }));
        }
        let mut page = Page::zeroed()?;
        for (to, byte) in page.bytes_mut()?.iter_mut().zip(sink.into_bytes()) {
            *to = byte;
        }
        Ok(Some((index, page)))
    }

    /// The pages of an open file on a disk, for who reads them without the tree: this counts as
    /// a read. `None` where it is none, or not open for reading.
    ///
    /// # Errors
    /// `EBADF` where there is no such open file.
    pub fn lend(&mut self, id: OpenId, now: Time) -> Result<Option<Arc<dyn Cached>>, Errno> {
        let (description, node) = self.usable(id)?;
        let quiet = description.flags & abi::O_NOATIME != 0;
        let Node::Inode(inode) = node else { return Ok(None) };
        if !description.reads() {
            return Ok(None);
        }
        let inode = *inode;
        let object = self.inodes.get_mut(inode).ok_or(Errno::EBADF)?;
        let Body::Cached(contents) = &object.body else { return Ok(None) };
        let contents = contents.clone();
        if !quiet {
            object.note_access(now);
        }
        Ok(Some(contents))
    }

    pub(crate) fn read_cached(
        &mut self,
        caller: &Caller,
        id: OpenId,
        inode: InodeId,
        offset: Option<i64>,
        sink: &mut dyn Sink,
    ) -> Result<Outcome, Errno> {
        let from = self.place_in(id, offset)?;
        let quiet = self.description(id)?.flags & abi::O_NOATIME != 0;
        let object = self.inodes.get_mut(inode).ok_or(Errno::EBADF)?;
        let Body::Cached(contents) = &object.body else { return Err(Errno::EINVAL) };
        let left = contents.size().saturating_sub(from);
        let most = sink.room().min(WINDOW).min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = contents.read(from, most, sink)?;
        if count == 0 && most > 0 {
            let at = object.disk.as_ref().ok_or(Errno::EIO)?.at;
            let file = contents.clone();
            return Err(caller.ask(Ask::Fetch { at, file, from, bytes: most as u64 }));
        }
        let ahead = contents.ahead();
        if let (Some(from), Some(state)) = (ahead, &object.disk) {
            self.later.push(Ask::Ahead { at: state.at, file: contents.clone(), from });
        }
        if count > 0 && !quiet {
            object.note_access(caller.now);
        }
        if offset.is_none() {
            self.advance(id, from, count)?;
        }
        Ok(Outcome::Done(count))
    }

    /// Whether a file, pages of which are not in memory, goes on behind a place, or where its open file is: who was given
    /// less than was asked for is given the rest when that has been fetched.
    #[must_use]
    pub fn goes_on(&self, id: OpenId, place: Option<i64>) -> bool {
        let Ok(description) = self.description(id) else { return false };
        let Node::Inode(inode) = description.node else { return false };
        let size = match self.inode(inode).map(|inode| &inode.body) {
            Ok(Body::Cached(contents)) => contents.size(),
            // Pages of it may have left.
            Ok(Body::File(contents)) if contents.overlay.is_some() => contents.size(),
            _ => return false,
        };
        self.place_in(id, place).is_ok_and(|place| place < size)
    }

    pub(crate) fn write_cached(
        &mut self,
        caller: &Caller,
        id: OpenId,
        inode: InodeId,
        offset: Option<i64>,
        source: &mut dyn Source,
    ) -> Result<Outcome, Errno> {
        let appends = self.description(id)?.flags & abi::O_APPEND != 0;
        let given = self.place_in(id, offset)?;
        self.check_changeable(inode)?;
        let object = self.inodes.get_mut(inode).ok_or(Errno::EBADF)?;
        let Body::Cached(contents) = &object.body else { return Err(Errno::EINVAL) };
        let from = if appends { contents.size() } else { given };
        if source.left() == 0 {
            return Ok(Outcome::Done(0));
        }
        let room = caller.largest.min(MOST).saturating_sub(from);
        if room == 0 {
            return Err(Errno::EFBIG);
        }
        let most = source.left().min(WINDOW).min(usize::try_from(room).unwrap_or(usize::MAX));
        let mut source = Limited { source, most };
        let count = contents.write(from, most, &mut source, (caller.owner, caller.now))?;
        if count == 0 {
            let at = object.disk.as_ref().ok_or(Errno::EIO)?.at;
            let file = contents.clone();
            let bytes = most as u64;
            return Err(caller.ask(Ask::Prepare { at, file, from, bytes, of: inode }));
        }
        object.touch(caller.now);
        if let Some(state) = &mut object.disk {
            state.writes = state.writes.wrapping_add(1);
        }
        if offset.is_none() {
            self.advance(id, from, count)?;
        }
        Ok(Outcome::Done(count))
    }
}
