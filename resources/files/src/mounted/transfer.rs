//! Reading and writing files on disks: what is in the cache is copied, the rest asked for.

use linux_raw_sys::general as abi;

use super::ask::Ask;
use crate::Errno;
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::moving::{Limited, Sink, Source, WINDOW};
use crate::root::{Caller, Root};
use crate::wait::Outcome;

/// The largest file: what ext2's count of blocks of 512 bytes allows.
const MOST: u64 = 2 << 40;

impl Root {
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
        let object = self.inode_mut(inode)?;
        let Body::Cached(contents) = &object.body else { return Err(Errno::EINVAL) };
        let left = contents.size().saturating_sub(from);
        let most = sink.room().min(WINDOW).min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = contents.read(from, most, sink)?;
        if count == 0 && most > 0 {
            let at = object.disk.as_ref().ok_or(Errno::EIO)?.at;
            let file = contents.clone();
            return Err(caller.ask(Ask::Fetch { at, file, from, bytes: most as u64 }));
        }
        if count > 0 && !quiet {
            object.note_access(caller.now);
        }
        if offset.is_none() {
            self.advance(id, from, count)?;
        }
        Ok(Outcome::Done(count))
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
        let count = contents.write(from, most, &mut source, caller.now)?;
        if count == 0 {
            let at = object.disk.as_ref().ok_or(Errno::EIO)?.at;
            let file = contents.clone();
            let bytes = most as u64;
            return Err(caller.ask(Ask::Prepare { at, file, from, bytes, of: inode }));
        }
        object.touch(caller.now);
        if offset.is_none() {
            self.advance(id, from, count)?;
        }
        Ok(Outcome::Done(count))
    }
}
