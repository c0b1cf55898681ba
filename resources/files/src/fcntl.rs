//! `fcntl`: the requests about an open file, and with its table those about a descriptor.

use linux_raw_sys::general as abi;

use crate::description::OpenId;
use crate::inode::Body;
use crate::node::{Fd, Node};
use crate::root::Root;
use crate::wait::Side;
use crate::{Effects, Errno, Table};

/// The flags that `F_SETFL` changes.
const SETTABLE: u32 =
    abi::O_APPEND | abi::FASYNC | abi::O_DIRECT | abi::O_NOATIME | abi::O_NONBLOCK;

/// The requests that mean something for a descriptor that is only a path.
const FOR_PATHS: &[u32] =
    &[abi::F_DUPFD, abi::F_DUPFD_CLOEXEC, abi::F_GETFD, abi::F_SETFD, abi::F_GETFL];

impl Root {
    /// `fcntl`: `F_DUPFD`, `F_DUPFD_CLOEXEC`, `F_GETFD`, `F_SETFD`, `F_GETFL`, `F_SETFL`,
    /// `F_GETPIPE_SZ`, `F_SETPIPE_SZ`.
    ///
    /// # Errors
    /// Linux's; `EINVAL` for all other requests, locks and leases among them.
    pub fn fcntl(
        &mut self,
        table: &mut Table,
        fd: Fd,
        request: u32,
        argument: u64,
        effects: &mut Effects,
    ) -> Result<u32, Errno> {
        let open = table.get(fd)?;
        if self.description(open)?.is_path() && !FOR_PATHS.contains(&request) {
            return Err(Errno::EBADF);
        }
        let word = argument as u32;
        match request {
            abi::F_DUPFD | abi::F_DUPFD_CLOEXEC => {
                let least = Fd::new(word as i32);
                let close = request == abi::F_DUPFD_CLOEXEC;
                let made = table.duplicate(self, fd, least, close)?;
                u32::try_from(made.get()).map_err(|_| Errno::EMFILE)
            }
            abi::F_GETFD => Ok(if table.close_on_exec(fd)? { abi::FD_CLOEXEC } else { 0 }),
            abi::F_SETFD => {
                table.set_close_on_exec(fd, word & abi::FD_CLOEXEC != 0)?;
                Ok(0)
            }
            abi::F_GETFL => Ok(self.description(open)?.flags),
            abi::F_SETFL => {
                self.set_flags(open, word)?;
                Ok(0)
            }
            abi::F_GETPIPE_SZ | abi::F_SETPIPE_SZ => {
                let resize = (request == abi::F_SETPIPE_SZ).then_some(word);
                self.pipe_size(open, resize, effects)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// `F_SETFL`: the flags that may change do; the others are ignored.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_flags(&mut self, open: OpenId, flags: u32) -> Result<(), Errno> {
        let description = self.description_mut(open)?;
        description.flags = description.flags & !SETTABLE | flags & SETTABLE;
        Ok(())
    }

    fn pipe_size(
        &mut self,
        open: OpenId,
        resize: Option<u32>,
        effects: &mut Effects,
    ) -> Result<u32, Errno> {
        let Node::Inode(id) = self.description(open)?.node else { return Err(Errno::EBADF) };
        let inode = self.inode_mut(id)?;
        let number = inode.number;
        let Body::Fifo(pipe) = &mut inode.body else { return Err(Errno::EBADF) };
        if let Some(bytes) = resize {
            pipe.resize(bytes)?;
            if !pipe.is_full() {
                effects.wake(number, Side::Writable);
            }
        }
        u32::try_from(pipe.size()).map_err(|_| Errno::EOVERFLOW)
    }
}
