//! Open files: what descriptors refer to, shared by duplicates and after a fork.

use alloc::format;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use crate::accounts::{Counted, Kept};
use crate::directory::Name;
use crate::inode::{Body, Inode, InodeId};
use crate::mounted::Listed;
use crate::node::Node;
use crate::root::{OPEN_COST, Root};
use crate::slab::Key;
use crate::wait::Side;
use crate::{Dev, Effects, Errno, Owner, ProcText, WaitKey};

/// An open file, named by [`OpenId`]: an object, how it may be used, and a position.
///
/// It counts the descriptors that refer to it, and holds its object.
pub struct Description {
    pub(crate) node: Node,
    /// The directory and the name by which it was opened, if it was by name.
    pub(crate) name: Option<(InodeId, Name)>,
    /// The flags as `F_GETFL` shows them, the access mode among them.
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) users: u32,
    /// Those of its users that are in packets, if it is a socket.
    pub(crate) flights: u32,
    /// Items of `epoll` that watch it.
    pub(crate) watched: u32,
    /// By which numbers they do, if it is of signals.
    pub(crate) watched_as: Vec<u64>,
    pub(crate) owner: Owner,
    /// Errors in writing a file on a disk that it knows of.
    pub(crate) failures: u32,
    /// Entries of a directory on a disk, from a place on.
    pub(crate) listed: Option<(u64, Vec<Listed>)>,
    /// What was read of an entry of `/proc`.
    pub(crate) text: Option<(u64, ProcText)>,
    /// The partner's number of opens that an open of a FIFO waits to see changed.
    pub(crate) awaits: Option<u64>,
    /// The number of writers' opens of a FIFO when this was opened without any: until it
    /// changes, that there is no writer is no hang-up.
    pub(crate) quiet: Option<u64>,
}

/// Names an open file.
pub type OpenId = Key<Description>;

/// What an open file is, for calls that this crate does not serve, as `ioctl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A pipe or FIFO, with so many bytes to read.
    Pipe {
        /// Bytes buffered.
        buffered: usize,
    },
    /// A socket of `AF_UNIX`, with so many bytes to read.
    Socket {
        /// Of a stream, or of the message that is next.
        buffered: usize,
        /// It takes connections.
        listens: bool,
    },
    /// A character device.
    Device(Dev),
    /// A disk.
    Disk(Dev),
    /// An `eventfd`.
    Event,
    /// A set of `epoll`.
    Epoll,
    /// A `timerfd`.
    Timer,
    /// A `signalfd`, with the signals that it takes.
    Signals(u64),
    /// An object of the caller's own, with its tag.
    External(u64),
    /// An entry of `/proc`.
    Proc,
    /// Anything else, or only a path (`O_PATH`).
    Other,
}

impl Description {
    pub(crate) fn reads(&self) -> bool {
        matches!(self.flags & abi::O_ACCMODE, abi::O_RDONLY | abi::O_RDWR) && !self.is_path()
    }

    pub(crate) fn writes(&self) -> bool {
        matches!(self.flags & abi::O_ACCMODE, abi::O_WRONLY | abi::O_RDWR) && !self.is_path()
    }

    pub(crate) fn is_path(&self) -> bool {
        self.flags & abi::O_PATH != 0
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.flags & abi::O_NONBLOCK != 0
    }
}

impl Root {
    pub(crate) fn description(&self, id: OpenId) -> Result<&Description, Errno> {
        self.opens.get(id).ok_or(Errno::EBADF)
    }

    pub(crate) fn description_mut(&mut self, id: OpenId) -> Result<&mut Description, Errno> {
        self.opens.get_mut(id).ok_or(Errno::EBADF)
    }

    /// An open file that is more than a path, and what it refers to.
    pub(crate) fn usable(&self, id: OpenId) -> Result<(&Description, &Node), Errno> {
        let description = self.description(id)?;
        if description.is_path() { Err(Errno::EBADF) } else { Ok((description, &description.node)) }
    }

    /// Makes an open file with one user; it holds its object.
    pub(crate) fn open_node(
        &mut self,
        node: Node,
        flags: u32,
        owner: Owner,
    ) -> Result<OpenId, Errno> {
        self.charge_open(owner)?;
        self.open_charged(node, flags, owner)
    }

    /// The same of one that is on its owner's bill already; where it is not made, no more.
    pub(crate) fn open_charged(
        &mut self,
        node: Node,
        flags: u32,
        owner: Owner,
    ) -> Result<OpenId, Errno> {
        let failures = match &node {
            Node::Inode(inode) => match self.inodes.get(*inode).map(|inode| &inode.body) {
                Some(Body::Cached(file)) => file.errors(),
                _ => 0,
            },
            Node::Proc(_) => 0,
        };
        let made = self.opens.insert(Description {
            node: node.clone(),
            name: None,
            flags,
            offset: 0,
            users: 1,
            flights: 0,
            watched: 0,
            watched_as: Vec::new(),
            owner,
            failures,
            listed: None,
            text: None,
            awaits: None,
            quiet: None,
        });
        match made {
            Ok(id) => {
                self.hold(&node);
                self.count_writer(id, 1);
                if let Some(file) = self.cached(&node) {
                    file.opened(owner);
                }
            }
            Err(_) => self.credit_open(owner),
        }
        made
    }

    /// Whether what is written to it goes to its end (`O_APPEND`).
    ///
    /// # Errors
    /// `EBADF` where it is not open.
    pub fn appends(&self, open: OpenId) -> Result<bool, Errno> {
        Ok(self.description(open)?.flags & abi::O_APPEND != 0)
    }

    /// Whether an open file is not to wait.
    ///
    /// # Errors
    /// `EBADF` where there is none.
    pub fn is_nonblocking(&self, open: OpenId) -> Result<bool, Errno> {
        Ok(self.description(open)?.is_nonblocking())
    }

    /// Whether this owner may have one more open file.
    ///
    /// # Errors
    /// `ENFILE`, and `ENOMEM`.
    pub fn check_open(&mut self, owner: Owner) -> Result<(), Errno> {
        self.charge_open(owner)?;
        self.credit_open(owner);
        Ok(())
    }

    /// One more open file is on its owner's bill, before it is there.
    pub(crate) fn charge_open(&mut self, owner: Owner) -> Result<(), Errno> {
        self.accounts.take(owner, Counted::Open)?;
        if let Err(error) = self.charge(owner, Kept::Open, OPEN_COST) {
            self.accounts.give(owner, Counted::Open);
            return Err(if error == Errno::ENOMEM { error } else { Errno::ENFILE });
        }
        Ok(())
    }

    pub(crate) fn credit_open(&mut self, owner: Owner) {
        self.accounts.give(owner, Counted::Open);
        self.accounts.credit(owner, Kept::Open, OPEN_COST);
    }

    /// An open file that may write begins or ends to have its object.
    fn count_writer(&mut self, id: OpenId, change: i32) {
        let Some(description) = self.opens.get(id).filter(|open| open.writes()) else { return };
        if let Node::Inode(inode) = description.node
            && let Some(inode) = self.inodes.get_mut(inode)
        {
            inode.writers = inode.writers.saturating_add_signed(change);
        }
    }

    /// What an open file refers to.
    ///
    /// # Errors
    /// `EBADF` where there is none.
    pub fn node(&self, id: OpenId) -> Result<Node, Errno> {
        Ok(self.description(id)?.node.clone())
    }

    /// Whether an open file may be read, and whether it may be written.
    ///
    /// # Errors
    /// `EBADF` where there is none.
    pub fn rights(&self, id: OpenId) -> Result<(bool, bool), Errno> {
        let description = self.description(id)?;
        Ok((description.reads(), description.writes()))
    }

    /// What kind of thing an open file is.
    ///
    /// # Errors
    /// `EBADF` where there is none.
    pub fn object(&self, id: OpenId) -> Result<Object, Errno> {
        let description = self.description(id)?;
        if description.is_path() {
            return Ok(Object::Other);
        }
        let Node::Inode(inode) = &description.node else { return Ok(Object::Proc) };
        Ok(match &self.inode(*inode)?.body {
            Body::File(_) | Body::Cached(_) => Object::File,
            Body::Directory(_) => Object::Directory,
            Body::Fifo(pipe) => Object::Pipe { buffered: pipe.buffered() },
            Body::Character(dev) => Object::Device(*dev),
            Body::Event(_) => Object::Event,
            Body::Epoll(_) => Object::Epoll,
            Body::Timer(_) => Object::Timer,
            Body::Signals(mask) => Object::Signals(*mask),
            Body::Unix(socket) => {
                Object::Socket { buffered: socket.buffered(), listens: socket.listens() }
            }
            Body::External { tag, .. } => Object::External(*tag),
            Body::Block(dev) => Object::Disk(*dev),
            Body::Link(_) | Body::Socket => Object::Other,
        })
    }

    /// The path of an open file, as a link of `/proc/self/fd` shows it. A file is known by
    /// the name by which it was opened: when that names something else, it counts as
    /// deleted, even if the file was only renamed.
    ///
    /// # Errors
    /// `EBADF` where there is none; `ENAMETOOLONG` where no path leads there.
    pub fn path_of_open(&self, id: OpenId) -> Result<Vec<u8>, Errno> {
        let description = self.description(id)?;
        let Node::Inode(object) = description.node else {
            return self.path_of(&description.node);
        };
        let inode = self.inode(object)?;
        match &inode.body {
            Body::Event(_) => return Ok(b"anon_inode:[eventfd]".to_vec()),
            Body::Epoll(_) => return Ok(b"anon_inode:[eventpoll]".to_vec()),
            Body::Timer(_) => return Ok(b"anon_inode:[timerfd]".to_vec()),
            Body::Signals(_) => return Ok(b"anon_inode:[signalfd]".to_vec()),
            body if body.is_anonymous() => {
                let kind = if matches!(body, Body::Fifo(_)) { "pipe" } else { "socket" };
                return Ok(format!("{kind}:[{}]", inode.number).into_bytes());
            }
            Body::Directory(directory) if !directory.removed => {
                return self.path_of(&description.node);
            }
            _ => {}
        }
        let Some((dir, name)) = &description.name else { return Ok(b"(deleted)".to_vec()) };
        let above = self.inode(*dir).ok().and_then(Inode::directory);
        let there = above.and_then(|above| above.get(name)).is_some_and(|e| e.inode == object);
        let mut path = self.path_of(&Node::Inode(*dir)).unwrap_or_default();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if !there {
            path.extend_from_slice(b" (deleted)");
        }
        Ok(path)
    }

    /// One more descriptor, or other user, refers to an open file.
    ///
    /// # Errors
    /// `EBADF` where there is none.
    pub fn share(&mut self, id: OpenId) -> Result<(), Errno> {
        let description = self.description_mut(id)?;
        description.users = description.users.checked_add(1).ok_or(Errno::ENFILE)?;
        Ok(())
    }

    /// A process closes a descriptor: it has no locks of its own on the file any more.
    pub(crate) fn leave(&mut self, id: OpenId, owner: u64, effects: &mut Effects) {
        self.release_process(id, owner, effects);
        self.close(id, effects);
    }

    /// One user less; the last one closes the file.
    pub fn close(&mut self, id: OpenId, effects: &mut Effects) {
        let Some(description) = self.opens.get_mut(id) else { return };
        description.users = description.users.saturating_sub(1);
        if description.users > 0 {
            if description.flights > 0 {
                self.look_for_garbage(id);
            }
            return;
        }
        self.count_writer(id, -1);
        if self.opens.get(id).is_some_and(|description| description.watched > 0) {
            self.unwatch_closed(id);
        }
        let Some(description) = self.opens.remove(id) else { return };
        self.accounts.give(description.owner, Counted::Open);
        self.accounts.credit(description.owner, Kept::Open, OPEN_COST);
        if let Node::Inode(id) = description.node {
            match self.inodes.get(id).map(|inode| &inode.body) {
                Some(Body::Unix(_)) => return self.close_socket(&description, effects),
                Some(Body::Epoll(_)) => self.close_set(id),
                Some(Body::Cached(file)) => {
                    file.closed(description.owner);
                    self.payer_closes(id, description.owner);
                }
                _ => {}
            }
        }
        if let Node::Inode(inode) = description.node
            && let Some(inode) = self.inodes.get_mut(inode)
        {
            let number = inode.number;
            leave_pipe(inode, &description, effects);
            if let Body::Fifo(pipe) = &mut inode.body
                && pipe.readers == 0
                && pipe.writers == 0
            {
                pipe.clear(&mut self.accounts);
            }
            self.release_open(id, number, effects);
        }
        self.let_go(&description.node, effects);
    }

    /// The key of one side of an object.
    pub(crate) fn key(&self, id: crate::InodeId, side: Side) -> Result<WaitKey, Errno> {
        Ok(WaitKey { object: self.inode(id)?.number, side })
    }
}

fn leave_pipe(inode: &mut Inode, description: &Description, effects: &mut Effects) {
    let number = inode.number;
    let Body::Fifo(pipe) = &mut inode.body else { return };
    if description.reads() {
        pipe.readers = pipe.readers.saturating_sub(1);
    }
    if description.writes() {
        pipe.writers = pipe.writers.saturating_sub(1);
    }
    // Whoever waits looks again: at the end of the file, or for nobody who reads.
    effects.wake(number, Side::Readable);
    effects.wake(number, Side::Writable);
    effects.wake(number, Side::Ended);
}
