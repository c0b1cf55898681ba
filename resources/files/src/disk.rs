//! Disks as files (`/dev/sda`): their bytes are the caller's to move. Here is what they are
//! called, how large they are, and where in them an open file is.

use alloc::format;

use linux_raw_sys::general as abi;

use crate::caller::Caller;
use crate::description::OpenId;
use crate::inode::Body;
use crate::node::{At, Node};
use crate::proc::NoProc;
use crate::root::Root;
use crate::table::Table;
use crate::wait::Outcome;
use crate::{Dev, Effects, Errno, Owner, Time};

impl Root {
    /// There is a disk of so many bytes: it gets a name in `/dev`, and can be opened by any
    /// name that has its number.
    ///
    /// # Errors
    /// `EEXIST` where something else has the name; `ENOMEM`.
    pub fn add_disk(
        &mut self,
        name: &str,
        (dev, bytes): (Dev, u64),
        owner: Owner,
        now: Time,
    ) -> Result<(), Errno> {
        const MODE: u32 = 0o600;
        self.disks.insert(dev, bytes);
        let table = Table::default();
        let mut place = self.place();
        place.set_umask(0);
        let caller = Caller {
            table: &table,
            place: &place,
            proc: &NoProc,
            owner,
            pid: 0,
            largest: u64::MAX,
            walks: None,
            now,
        };
        let path = format!("/dev/{name}");
        let made = self.mknod(&caller, At::cwd(path.as_bytes()), abi::S_IFBLK | MODE, dev);
        self.drop_place(place, &mut Effects::new());
        made
    }

    /// Whether there is such a disk.
    pub(crate) fn has_disk(&self, dev: Dev) -> bool {
        self.disks.contains_key(&dev)
    }

    /// Bytes of the disk that an open file is; `None` where it is none.
    ///
    /// # Errors
    /// `EBADF` where there is no such open file.
    pub fn disk(&self, id: OpenId) -> Result<Option<(Dev, u64)>, Errno> {
        let description = self.description(id)?;
        let Node::Inode(inode) = &description.node else { return Ok(None) };
        let Body::Block(dev) = self.inode(*inode)?.body else { return Ok(None) };
        let there = self.disks.get(&dev).filter(|_| !description.is_path());
        Ok(there.map(|bytes| (dev, *bytes)))
    }

    /// What is to be moved from or to a disk: its caller moves it, and says then how much that
    /// was ([`Self::has_moved`]).
    pub(crate) fn move_disk(
        &self,
        id: OpenId,
        dev: Dev,
        offset: Option<i64>,
    ) -> Result<Outcome, Errno> {
        let at = self.place_in(id, offset)?;
        let bytes = *self.disks.get(&dev).ok_or(Errno::ENXIO)?;
        Ok(Outcome::Disk { dev, at, left: bytes.saturating_sub(at) })
    }

    /// So many bytes of a disk were moved: an open file is behind them now.
    ///
    /// # Errors
    /// `EBADF` where there is no such open file.
    pub fn has_moved(&mut self, id: OpenId, at: u64, count: usize) -> Result<(), Errno> {
        self.advance(id, at, count)
    }
}
