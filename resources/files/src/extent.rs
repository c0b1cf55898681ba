//! Positions and sizes: `lseek`, `truncate`, `fallocate`.

use linux_raw_sys::general as abi;

use crate::caller::Caller;
use crate::contents::{Contents, LEFT, MAX_SIZE, Sought};
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::mounted::Ask;
use crate::node::{At, Node};
use crate::overlay::Shown;
use crate::root::Root;
use crate::walk::Tail;
use crate::{Dev, Errno};

/// Pages that one `fallocate` makes or frees.
const PAGES_AT_ONCE: usize = 6;

impl Root {
    /// `lseek`: the new offset.
    ///
    /// # Errors
    /// Linux's.
    pub fn seek(&mut self, id: OpenId, offset: i64, whence: u32) -> Result<u64, Errno> {
        let mut from = offset;
        loop {
            match self.seek_some(id, from, whence)? {
                Sought::At(found) => return Ok(found),
                Sought::Behind(next) => from = i64::try_from(next).unwrap_or(i64::MAX),
            }
        }
    }

    /// The same, or up to where it is known that there is no hole: to be called again from
    /// there.
    ///
    /// # Errors
    /// Linux's.
    pub fn seek_some(&mut self, id: OpenId, offset: i64, whence: u32) -> Result<Sought, Errno> {
        let (description, node) = self.usable(id)?;
        let here = description.offset;
        let found = match node {
            Node::Inode(inode) => match &self.inode(*inode)?.body {
                Body::File(contents) => match in_file(contents, here, offset, whence)? {
                    Sought::At(found) => found,
                    behind => return Ok(behind),
                },
                Body::Cached(contents) => in_cached(contents.size(), here, offset, whence)?,
                Body::Character(Dev::NULL | Dev::ZERO | Dev::FULL) => 0,
                Body::Directory(_) => simple(here, offset, whence, None)?,
                Body::Character(dev) if dev.is_memory() => here,
                Body::Event(_) | Body::Epoll(_) | Body::Timer(_) | Body::Signals(_) => here,
                Body::Block(_) => simple(here, offset, whence, self.disk(id)?.map(|(_, end)| end))?,
                _ => return Err(Errno::ESPIPE),
            },
            Node::Proc(_) => simple(here, offset, whence, None)?,
        };
        self.description_mut(id)?.offset = found;
        Ok(Sought::At(found))
    }

    /// `truncate`.
    ///
    /// # Errors
    /// Linux's.
    pub fn truncate(&mut self, caller: &Caller, path: &[u8], size: i64) -> Result<(), Errno> {
        let size = u64::try_from(size).map_err(|_| Errno::EINVAL)?;
        match self.find(caller, At::cwd(path), Tail::Follow)? {
            Node::Inode(id) => {
                if self.inode(id)?.is_directory() {
                    return Err(Errno::EISDIR);
                }
                self.check_writable(id)?;
                self.resize(caller, id, size)
            }
            node if self.is_directory(caller, &node) => Err(Errno::EISDIR),
            Node::Proc(_) => Err(Errno::EINVAL),
        }
    }

    /// `ftruncate`.
    ///
    /// # Errors
    /// Linux's.
    pub fn truncate_open(&mut self, caller: &Caller, id: OpenId, size: i64) -> Result<(), Errno> {
        let size = u64::try_from(size).map_err(|_| Errno::EINVAL)?;
        let (description, node) = self.usable(id)?;
        match *node {
            Node::Inode(inode) if description.writes() => self.resize(caller, inode, size),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn resize(&mut self, caller: &Caller, id: InodeId, size: u64) -> Result<(), Errno> {
        if let Body::Cached(contents) = &self.inode(id)?.body {
            if size > contents.size() && size > caller.largest {
                return Err(Errno::EFBIG);
            }
            let asked = self.resize_on_disk(caller, (id, false), size)?;
            return Err(asked.unwrap_or(Errno::EIO));
        }
        let inode = self.inode_mut(id)?;
        let Body::File(contents) = &mut inode.body else { return Err(Errno::EINVAL) };
        if size > contents.size() && size > caller.largest {
            return Err(Errno::EFBIG);
        }
        let cut = contents.resize(size);
        inode.touch(caller.now);
        self.doom(cut.pages);
        conceal(caller, cut.shown, false)
    }

    /// `fallocate`, in steps: how many bytes of the range are done. The caller goes on with
    /// the rest until there is none.
    ///
    /// Not for files on a disk, as with Linux's ext2. Modes: 0, `FALLOC_FL_KEEP_SIZE`, and with it `FALLOC_FL_PUNCH_HOLE`. Unlike in
    /// Linux, what was allocated before `ENOSPC` stays.
    ///
    /// # Errors
    /// Linux's.
    pub fn allocate(
        &mut self,
        caller: &Caller,
        id: OpenId,
        mode: u32,
        offset: i64,
        length: i64,
    ) -> Result<u64, Errno> {
        const PUNCH: u32 = abi::FALLOC_FL_PUNCH_HOLE | abi::FALLOC_FL_KEEP_SIZE;
        let (description, node) = self.usable(id)?;
        let (Ok(from), Ok(length)) = (u64::try_from(offset), u64::try_from(length)) else {
            return Err(Errno::EINVAL);
        };
        if length == 0 {
            return Err(Errno::EINVAL);
        }
        if !matches!(mode, 0 | abi::FALLOC_FL_KEEP_SIZE | PUNCH) {
            return Err(Errno::EOPNOTSUPP);
        }
        if !description.writes() {
            return Err(Errno::EBADF);
        }
        let Node::Inode(inode) = *node else { return Err(Errno::ENODEV) };
        let to = from.saturating_add(length);
        let inode = self.inodes.get_mut(inode).ok_or(Errno::EBADF)?;
        let contents = match &mut inode.body {
            Body::File(contents) => contents,
            Body::Cached(_) => return Err(Errno::EOPNOTSUPP),
            Body::Directory(_) => return Err(Errno::EISDIR),
            Body::Fifo(_) => return Err(Errno::ESPIPE),
            _ => return Err(Errno::ENODEV),
        };
        let grows = mode == 0 && to > contents.size();
        if to > MAX_SIZE || grows && to > caller.largest {
            return Err(Errno::EFBIG);
        }
        let accounts = &mut self.accounts;
        let reached = if mode == PUNCH {
            let punched = contents.punch(from, to, PAGES_AT_ONCE, accounts);
            punched.map_err(|at| contents.left(caller, at, LEFT))?
        } else {
            let reached = contents.allocate(from, to, PAGES_AT_ONCE, caller.owner, accounts)?;
            if mode == 0 && reached > contents.size() {
                contents.resize(reached);
            }
            reached
        };
        if mode == PUNCH {
            inode.modified = caller.now;
        }
        inode.changed = caller.now;
        Ok(reached.saturating_sub(from))
    }
}

/// What programs show of a file that was cut is taken from them before the call ends. It does
/// not cut again then, as others may have written meanwhile: it is done, or opens the file.
pub(crate) fn conceal(caller: &Caller, shown: Option<Shown>, again: bool) -> Result<(), Errno> {
    shown.map_or(Ok(()), |shown| Err(caller.ask(Ask::Conceal { shown, again })))
}

fn in_file(contents: &Contents, here: u64, offset: i64, whence: u32) -> Result<Sought, Errno> {
    match whence {
        abi::SEEK_DATA | abi::SEEK_HOLE => {
            let from = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            contents.seek(from, whence == abi::SEEK_DATA)
        }
        _ => simple(here, offset, whence, Some(contents.size())).map(Sought::At),
    }
}

/// Of a file on a disk all counts as data, as in Linux's ext2.
fn in_cached(size: u64, here: u64, offset: i64, whence: u32) -> Result<u64, Errno> {
    if !matches!(whence, abi::SEEK_DATA | abi::SEEK_HOLE) {
        return simple(here, offset, whence, Some(size));
    }
    match u64::try_from(offset) {
        Ok(from) if from < size => Ok(if whence == abi::SEEK_DATA { from } else { size }),
        _ => Err(Errno::ENXIO),
    }
}

fn simple(here: u64, offset: i64, whence: u32, end: Option<u64>) -> Result<u64, Errno> {
    let base = match whence {
        abi::SEEK_SET => 0,
        abi::SEEK_CUR => here,
        abi::SEEK_END => end.ok_or(Errno::EINVAL)?,
        _ => return Err(Errno::EINVAL),
    };
    let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
    let sum = base.checked_add(offset).ok_or(Errno::EINVAL)?;
    u64::try_from(sum).map_err(|_| Errno::EINVAL)
}
