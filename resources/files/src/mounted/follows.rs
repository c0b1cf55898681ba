//! What follows when bytes of a file on a disk have moved: it is open with `O_DSYNC`, `O_SYNC` or
//! `O_DIRECT`, or what is in memory of it is not wanted there (posix_fadvise(2)).

use linux_raw_sys::general as abi;

use super::Ask;
use crate::Errno;
use crate::description::OpenId;
use crate::node::Node;
use crate::root::Root;

const PAGE: u64 = crate::PAGE as u64;
/// The bits of a place that say which page it is in.
const WHOLE: u64 = !(PAGE - 1);
/// The flags with which something follows.
const FOLLOWED: u32 = abi::O_DSYNC | abi::O_DIRECT;
/// That of `O_SYNC` which `O_DSYNC` is not.
const ALL: u32 = abi::__O_SYNC;

/// What is to be asked, one after the other.
#[derive(Default)]
pub struct Follows {
    /// That what was written is on the medium.
    pub sync: Option<Ask>,
    /// That what has moved is not kept in memory.
    pub evict: Option<Ask>,
}

impl Root {
    /// Whether something follows what is moved of an open file, with these flags besides.
    ///
    /// # Errors
    /// `EBADF` where it is not open.
    #[inline]
    pub fn is_followed(&self, open: OpenId, besides: u32) -> Result<bool, Errno> {
        Ok((self.description(open)?.flags | besides) & FOLLOWED != 0)
    }

    /// What follows when these bytes were read or written.
    ///
    /// # Errors
    /// `EBADF` where it is not open.
    pub fn follows(
        &self,
        open: OpenId,
        besides: u32,
        (from, to): (u64, u64),
        writes: bool,
    ) -> Result<Follows, Errno> {
        let flags = self.description(open)?.flags | besides;
        let lasts = writes && flags & abi::O_DSYNC != 0;
        let sync = if lasts { self.sync_of(open, flags & ALL == 0)? } else { None };
        let mut evict = None;
        if flags & abi::O_DIRECT != 0 {
            let file = self.cached(&self.description(open)?.node);
            evict = file.map(|file| {
                let of = writes.then(|| (open, file.errors()));
                Ask::Evict { file, from, to, of }
            });
        }
        Ok(Follows { sync, evict })
    }

    /// Whether what is written to an open file is to be on the medium (`O_DSYNC`, `O_SYNC`).
    #[must_use]
    pub fn lasts(&self, open: OpenId, besides: u32) -> bool {
        self.description(open).is_ok_and(|it| (it.flags | besides) & abi::O_DSYNC != 0)
    }

    /// Whether an open file passes memory by (`O_DIRECT`): one on a disk.
    ///
    /// # Errors
    /// `EBADF` where it is not open.
    #[inline]
    pub fn is_direct(&self, open: OpenId) -> Result<bool, Errno> {
        Ok(self.description(open)?.flags & abi::O_DIRECT != 0
            && self.cached(&self.description(open)?.node).is_some())
    }

    /// Where in such a file bytes are moved next, or were before now: at its end if they are
    /// appended, else where that is given, else where the open file is.
    ///
    /// # Errors
    /// `EBADF` where it is not open.
    pub fn place_of(&self, open: OpenId, given: Option<u64>, writes: bool) -> Result<u64, Errno> {
        let description = self.description(open)?;
        match &description.node {
            Node::Inode(id) if writes && description.flags & abi::O_APPEND != 0 => {
                Ok(self.inode(*id)?.size())
            }
            _ => Ok(given.unwrap_or(description.offset)),
        }
    }

    /// Where bytes of an open file are to be moved, if it is looked at what that is a multiple of:
    /// it is one that passes memory by, there are none to be read at or behind its end, and who may
    /// not move them is told that.
    ///
    /// # Errors
    /// `EBADF` where it is not open.
    #[inline]
    pub fn direct_place(
        &self,
        open: OpenId,
        given: Option<i64>,
        writes: bool,
    ) -> Result<Option<u64>, Errno> {
        if self.description(open)?.flags & abi::O_DIRECT == 0 {
            return Ok(None);
        }
        let may = self.rights(open)?;
        let given = given.map(u64::try_from).transpose();
        let (true, Ok(given)) = (if writes { may.1 } else { may.0 }, given) else {
            return Ok(None);
        };
        let Some(file) = self.cached(&self.description(open)?.node) else { return Ok(None) };
        let place = self.place_of(open, given, writes)?;
        Ok((writes || place < file.size()).then_some(place))
    }

    /// The question that has the pages leave memory that are wholly of these bytes of an open
    /// file, to its end where no length is given; `None` if it is on no disk.
    ///
    /// # Errors
    /// `EBADF` where there is no such open file.
    pub fn evict_of(&self, open: OpenId, from: u64, length: u64) -> Result<Option<Ask>, Errno> {
        let Some(file) = self.cached(&self.description(open)?.node) else { return Ok(None) };
        let end = if length == 0 { u64::MAX } else { from.saturating_add(length) };
        // The last page is whole if it is all that there is.
        let to = if end >= file.size() { u64::MAX } else { end & WHOLE };
        let from = from.div_ceil(PAGE).saturating_mul(PAGE);
        Ok((from < to).then_some(Ask::Evict { file, from, to, of: None }))
    }
}
