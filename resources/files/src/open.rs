//! `openat` and the other calls that make open files.

use alloc::boxed::Box;
use linux_raw_sys::general as abi;

use crate::accounts::Counted;
use crate::caller::Caller;
use crate::contents::Contents;
use crate::description::OpenId;
use crate::directory::Name;
use crate::event::Event;
use crate::extent::conceal;
use crate::inode::{Body, InodeId};
use crate::node::{At, Node};
use crate::pipe::Pipe;
use crate::proc::ProcKind;
use crate::root::{PERMISSIONS, Root};
use crate::wait::Side;
use crate::walk::{Found, Last, Tail};
use crate::{Effects, Errno, Owner, Time, WaitKey, Walks};

/// The flags that `F_GETFL` does not show.
const ONCE: u32 = abi::O_CREAT | abi::O_EXCL | abi::O_NOCTTY | abi::O_TRUNC | abi::O_CLOEXEC;
/// The flags that mean something with `O_PATH`; the others are ignored.
const WITH_PATH: u32 = abi::O_DIRECTORY | abi::O_NOFOLLOW | abi::O_PATH | abi::O_CLOEXEC;
/// The flag of `O_TMPFILE` that is not `O_DIRECTORY`.
const TMPFILE: u32 = 0o20_000_000;

/// What came of an open.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is open.
    Ready(OpenId),
    /// It is the first end of a FIFO. When the key is woken, [`Root::continue_open`] says
    /// whether it is open now; to give up, [`Root::close`] it.
    Waiting {
        /// The file that will be open.
        open: OpenId,
        /// What to wait for.
        key: WaitKey,
    },
}

impl Root {
    /// `openat`, without making a descriptor: its caller looks first whether the table has
    /// room ([`crate::Table::make_room`]) and then gives the open file a number.
    ///
    /// # Errors
    /// Linux's.
    pub fn open(
        &mut self,
        caller: &Caller,
        at: At,
        flags: u32,
        mode: u32,
        effects: &mut Effects,
    ) -> Result<Opened, Errno> {
        if let Some(made) = caller.made() {
            return self.open_made(caller, made, flags);
        }
        if flags & abi::O_PATH != 0 {
            return self.open_path(caller, at, flags & WITH_PATH);
        }
        if flags & TMPFILE != 0 {
            return self.open_nameless(caller, at, flags, mode);
        }
        let create = flags & abi::O_CREAT != 0;
        if create && flags & abi::O_DIRECTORY != 0 {
            return Err(Errno::EINVAL);
        }
        let exclusive = create && flags & abi::O_EXCL != 0;
        let follow = !exclusive && flags & abi::O_NOFOLLOW == 0;
        let found = self.walk(
            caller,
            at,
            match (create, follow) {
                (true, follow) => Tail::Create { follow },
                (false, true) => Tail::Follow,
                (false, false) => Tail::Keep,
            },
        )?;
        let name = by_name(&found);
        let shown = flags & !ONCE | abi::O_LARGEFILE;
        let node = match found {
            Found { target: Some(_), .. } if exclusive => return Err(Errno::EEXIST),
            Found { target: Some(node), .. } => node,
            Found { parent, last: Last::Name(file), .. } if create => {
                // Who could not open it makes none.
                self.charge_open(caller.owner)?;
                let made = self.create_file(caller, &parent, file, mode);
                let made = made.inspect_err(|_| self.credit_open(caller.owner))?;
                let open = self.open_charged(Node::Inode(made), shown, caller.owner)?;
                self.description_mut(open)?.name = name;
                return Ok(Opened::Ready(open));
            }
            _ => return Err(Errno::ENOENT),
        };
        self.check_open_as(caller, &node, flags)?;
        let opened = match node {
            Node::Inode(id) => self.open_inode(caller, id, flags, shown, effects)?,
            Node::Proc(_) => Opened::Ready(self.open_node(node, shown, caller.owner)?),
        };
        let (Opened::Ready(open) | Opened::Waiting { open, .. }) = opened;
        self.description_mut(open)?.name = name;
        Ok(opened)
    }

    /// A call has not opened what was made on a disk for it: nobody holds it any more.
    pub fn not_opened(&mut self, walks: &mut Walks, effects: &mut Effects) {
        if let Some(made) = walks.take_opens() {
            self.let_go(&Node::Inode(made), effects);
        }
    }

    /// Opens a file that was made on a disk for this call, and is held for it.
    fn open_made(&mut self, caller: &Caller, made: InodeId, flags: u32) -> Result<Opened, Errno> {
        let shown = flags & !ONCE | abi::O_LARGEFILE;
        let opened = self.open_node(Node::Inode(made), shown, caller.owner);
        self.unhold(&Node::Inode(made));
        opened.map(Opened::Ready)
    }

    fn open_path(&mut self, caller: &Caller, at: At, flags: u32) -> Result<Opened, Errno> {
        let keep = flags & abi::O_NOFOLLOW != 0;
        let found = self.walk(caller, at, if keep { Tail::Keep } else { Tail::Follow })?;
        let name = by_name(&found);
        let node = found.target.ok_or(Errno::ENOENT)?;
        if flags & abi::O_DIRECTORY != 0 && !self.is_directory(caller, &node) {
            return Err(Errno::ENOTDIR);
        }
        let open = self.open_node(node, flags & !abi::O_CLOEXEC, caller.owner)?;
        self.description_mut(open)?.name = name;
        Ok(Opened::Ready(open))
    }

    /// `O_TMPFILE`: a file without a name in this directory's file system, which `linkat`
    /// may give one, unless it was opened with `O_EXCL`.
    fn open_nameless(
        &mut self,
        caller: &Caller,
        at: At,
        flags: u32,
        mode: u32,
    ) -> Result<Opened, Errno> {
        let writes = matches!(flags & abi::O_ACCMODE, abi::O_WRONLY | abi::O_RDWR);
        if flags & abi::O_DIRECTORY == 0 || !writes || flags & abi::O_CREAT != 0 {
            return Err(Errno::EINVAL);
        }
        let keep = flags & abi::O_NOFOLLOW != 0;
        let tail = if keep { Tail::Keep } else { Tail::Follow };
        let directory = self.walk(caller, at, tail)?.target.ok_or(Errno::ENOENT)?;
        if !self.is_directory(caller, &directory) {
            return Err(Errno::ENOTDIR);
        }
        if matches!(directory, Node::Proc(_)) {
            return Err(Errno::EOPNOTSUPP);
        }
        let permissions = mode & PERMISSIONS & !caller.place.umask();
        let linkable = flags & abi::O_EXCL == 0;
        if let Node::Inode(dir) = directory
            && let Some(asked) = self.create_nameless_on_disk(caller, dir, permissions, linkable)?
        {
            return Err(asked);
        }
        let body = Body::File(Contents::default());
        let id = self.make(body, permissions, caller.owner, caller.now)?;
        self.inode_mut(id)?.linkable = linkable;
        let shown = flags & !ONCE | abi::O_LARGEFILE;
        let opened = self.open_node(Node::Inode(id), shown, caller.owner);
        if opened.is_err() {
            self.settle(id);
        }
        opened.map(Opened::Ready)
    }

    fn create_file(
        &mut self,
        caller: &Caller,
        parent: &Node,
        name: Name,
        mode: u32,
    ) -> Result<InodeId, Errno> {
        let vacancy = self.room_in(parent, name)?;
        let permissions = mode & PERMISSIONS & !caller.place.umask();
        let body = Body::File(Contents::default());
        match self.create_on_disk(caller, &vacancy, &body, permissions, true)? {
            Some(asked) => Err(asked),
            None => self.create(caller, vacancy, body, permissions),
        }
    }

    /// Whether what is there may be opened so.
    fn check_open_as(&self, caller: &Caller, node: &Node, flags: u32) -> Result<(), Errno> {
        let writes = flags & abi::O_ACCMODE != abi::O_RDONLY || flags & abi::O_TRUNC != 0;
        let is_directory = self.is_directory(caller, node);
        if is_directory && (writes || flags & abi::O_CREAT != 0) {
            return Err(Errno::EISDIR);
        }
        if !is_directory && flags & abi::O_DIRECTORY != 0 {
            return Err(Errno::ENOTDIR);
        }
        match node {
            Node::Inode(id) if writes => {
                self.check_writable(*id)?;
                if matches!(self.inode(*id)?.body, Body::Cached(_)) {
                    self.check_changeable(*id)?;
                }
            }
            _ => {}
        }
        match node {
            Node::Inode(id) => match self.inode(*id)?.body {
                Body::Link(_) => Err(Errno::ELOOP),
                Body::Block(dev) if self.has_disk(dev) => Ok(()),
                Body::Block(_)
                | Body::Socket
                | Body::Unix(_)
                | Body::Event(_)
                | Body::Epoll(_)
                | Body::Timer(_)
                | Body::Signals(_)
                | Body::External { .. } => Err(Errno::ENXIO),
                _ => Ok(()),
            },
            Node::Proc(path) => match caller.proc.entry(path) {
                None => Err(Errno::ENOENT),
                Some(entry) if entry.kind == ProcKind::Link => Err(Errno::ELOOP),
                Some(_) => Ok(()),
            },
        }
    }

    fn open_inode(
        &mut self,
        caller: &Caller,
        id: InodeId,
        flags: u32,
        shown: u32,
        effects: &mut Effects,
    ) -> Result<Opened, Errno> {
        if matches!(self.inode(id)?.body, Body::Fifo(_)) {
            return self.open_fifo(id, shown, caller.owner, effects);
        }
        if flags & abi::O_TRUNC != 0
            && let Body::Cached(contents) = &self.inode(id)?.body
            && contents.size() > 0
        {
            // Made again when it is empty.
            let asked = self.resize_on_disk(caller, (id, true), 0)?;
            return Err(asked.unwrap_or(Errno::EIO));
        }
        // Who may have no more open files empties nothing.
        let open = self.open_node(Node::Inode(id), shown, caller.owner)?;
        let inode = self.inode_mut(id)?;
        if let Body::File(contents) = &mut inode.body
            && flags & abi::O_TRUNC != 0
            && !caller.has_emptied(id)
        {
            let cut = contents.resize(0);
            inode.touch(caller.now);
            self.doom(cut.pages);
            if cut.shown.is_some() {
                // It is opened when programs do not show any of it any more.
                self.close(open, effects);
                caller.empties(id);
                conceal(caller, cut.shown, true)?;
            }
        }
        Ok(Opened::Ready(open))
    }

    fn open_fifo(
        &mut self,
        id: InodeId,
        shown: u32,
        owner: Owner,
        effects: &mut Effects,
    ) -> Result<Opened, Errno> {
        let nonblocking = shown & abi::O_NONBLOCK != 0;
        let access = shown & abi::O_ACCMODE;
        let Body::Fifo(pipe) = &self.inode(id)?.body else { return Err(Errno::EINVAL) };
        if access == abi::O_ACCMODE {
            return Err(Errno::EINVAL);
        }
        if access == abi::O_WRONLY && nonblocking && pipe.readers == 0 {
            return Err(Errno::ENXIO);
        }
        let (alone, seen) = match access {
            abi::O_RDONLY => (pipe.writers == 0, pipe.writer_opens),
            abi::O_WRONLY => (pipe.readers == 0, pipe.reader_opens),
            _ => (false, 0),
        };
        let open = self.open_node(Node::Inode(id), shown, owner)?;
        self.join_pipe(open, id)?;
        let key = self.key(id, Side::Partner)?;
        effects.wake(key.object, Side::Partner);
        if !alone {
            return Ok(Opened::Ready(open));
        }
        let description = self.description_mut(open)?;
        if nonblocking {
            description.quiet = Some(seen);
            return Ok(Opened::Ready(open));
        }
        description.awaits = Some(seen);
        Ok(Opened::Waiting { open, key })
    }

    /// Counts an open file as a reader or writer of its pipe.
    fn join_pipe(&mut self, open: OpenId, id: InodeId) -> Result<(), Errno> {
        let description = self.description(open)?;
        let (reads, writes) = (description.reads(), description.writes());
        let Body::Fifo(pipe) = &mut self.inode_mut(id)?.body else { return Err(Errno::EINVAL) };
        if reads {
            pipe.readers = pipe.readers.saturating_add(1);
            pipe.reader_opens = pipe.reader_opens.wrapping_add(1);
        }
        if writes {
            pipe.writers = pipe.writers.saturating_add(1);
            pipe.writer_opens = pipe.writer_opens.wrapping_add(1);
        }
        Ok(())
    }

    /// Whether an open that waited for its partner is open now.
    ///
    /// # Errors
    /// `EBADF` where there is no such open file.
    pub fn continue_open(&mut self, open: OpenId) -> Result<Opened, Errno> {
        let description = self.description(open)?;
        let Node::Inode(id) = description.node else { return Err(Errno::EBADF) };
        let Some(seen) = description.awaits else { return Ok(Opened::Ready(open)) };
        let Body::Fifo(pipe) = &self.inode(id)?.body else { return Err(Errno::EBADF) };
        let now = if description.reads() { pipe.writer_opens } else { pipe.reader_opens };
        if now == seen {
            return Ok(Opened::Waiting { open, key: self.key(id, Side::Partner)? });
        }
        self.description_mut(open)?.awaits = None;
        Ok(Opened::Ready(open))
    }

    /// `pipe2`, without making descriptors: the end to read and the end to write.
    ///
    /// # Errors
    /// `EINVAL` for flags other than `O_CLOEXEC`, `O_NONBLOCK` and `O_DIRECT` (packets);
    /// `ENFILE`.
    pub fn pipe(&mut self, flags: u32, owner: Owner, now: Time) -> Result<(OpenId, OpenId), Errno> {
        if flags & !(abi::O_CLOEXEC | abi::O_NONBLOCK | abi::O_DIRECT) != 0 {
            return Err(Errno::EINVAL);
        }
        let packets = flags & abi::O_DIRECT;
        let flags = flags & abi::O_NONBLOCK;
        let body = Body::Fifo(Box::new(Pipe::new(true)));
        self.accounts.take(owner, Counted::Pipe)?;
        let Ok(id) = self.make(body, 0o600, owner, now) else {
            self.accounts.give(owner, Counted::Pipe);
            return Err(Errno::ENFILE);
        };
        let reader = match self.open_node(Node::Inode(id), flags | abi::O_RDONLY, owner) {
            Ok(reader) => reader,
            Err(error) => {
                self.settle(id);
                return Err(error);
            }
        };
        self.join_pipe(reader, id)?;
        match self.open_node(Node::Inode(id), flags | packets | abi::O_WRONLY, owner) {
            Ok(writer) => {
                self.join_pipe(writer, id)?;
                Ok((reader, writer))
            }
            Err(error) => {
                self.close(reader, &mut Effects::new());
                Err(error)
            }
        }
    }

    /// `eventfd2`, without making a descriptor.
    ///
    /// # Errors
    /// `EINVAL` for unknown flags; `ENFILE`.
    pub fn eventfd(
        &mut self,
        count: u32,
        flags: u32,
        owner: Owner,
        now: Time,
    ) -> Result<OpenId, Errno> {
        if flags & !(abi::EFD_SEMAPHORE | abi::EFD_CLOEXEC | abi::EFD_NONBLOCK) != 0 {
            return Err(Errno::EINVAL);
        }
        let event = Event::new(count, flags & abi::EFD_SEMAPHORE != 0);
        self.open_anonymous(Body::Event(event), flags & abi::EFD_NONBLOCK, owner, now)
    }

    /// `signalfd4`, without making a descriptor: of these signals.
    ///
    /// # Errors
    /// `EINVAL` for unknown flags; `ENFILE`.
    pub fn signals(
        &mut self,
        mask: u64,
        flags: u32,
        owner: Owner,
        now: Time,
    ) -> Result<OpenId, Errno> {
        if flags & !(abi::O_CLOEXEC | abi::O_NONBLOCK) != 0 {
            return Err(Errno::EINVAL);
        }
        self.open_anonymous(Body::Signals(mask), flags & abi::O_NONBLOCK, owner, now)
    }

    /// From now on it takes these signals.
    ///
    /// # Errors
    /// `EINVAL`: it is no `signalfd`.
    pub fn set_signals(&mut self, open: OpenId, mask: u64) -> Result<(), Errno> {
        let Node::Inode(id) = *self.usable(open)?.1 else { return Err(Errno::EINVAL) };
        match &mut self.inode_mut(id)?.body {
            Body::Signals(its) => {
                *its = mask;
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// `memfd_create`: a file without a name, which nothing gives one. What it is called is for
    /// people alone, and not kept. One whose size can be sealed is not offered.
    ///
    /// # Errors
    /// `EINVAL`: a flag beside `MFD_CLOEXEC`; `ENFILE`, `ENOSPC`.
    pub fn memory_file(&mut self, flags: u32, owner: Owner, now: Time) -> Result<OpenId, Errno> {
        if flags & !abi::MFD_CLOEXEC != 0 {
            return Err(Errno::EINVAL);
        }
        let id = self.make(Body::File(Contents::default()), PERMISSIONS & 0o777, owner, now)?;
        let opened = self.open_node(Node::Inode(id), abi::O_RDWR | abi::O_LARGEFILE, owner);
        if opened.is_err() {
            self.settle(id);
        }
        opened
    }

    /// Opens an object of the caller's own, as a socket: its calls come back as
    /// [`crate::Outcome::External`] with the tag, its end in [`Effects::released`]. `kind`
    /// is the type of its mode, as `S_IFSOCK`, or 0; `flags` are those of `F_GETFL`.
    ///
    /// # Errors
    /// `ENFILE`.
    pub fn open_external(
        &mut self,
        tag: u64,
        kind: u32,
        flags: u32,
        owner: Owner,
        now: Time,
    ) -> Result<OpenId, Errno> {
        self.open_anonymous(Body::External { tag, kind: kind & abi::S_IFMT }, flags, owner, now)
    }

    pub(crate) fn open_anonymous(
        &mut self,
        body: Body,
        flags: u32,
        owner: Owner,
        now: Time,
    ) -> Result<OpenId, Errno> {
        let permissions = if body.kind() == abi::S_IFSOCK { 0o777 } else { 0o600 };
        let id = self.make(body, permissions, owner, now).map_err(|_| Errno::ENFILE)?;
        let flags = flags & !(ONCE | abi::O_ACCMODE) | abi::O_RDWR;
        let opened = self.open_node(Node::Inode(id), flags, owner);
        if opened.is_err() {
            self.settle(id);
        }
        opened
    }
}

/// The directory and the name that a path led to.
pub(crate) fn by_name(found: &Found) -> Option<(InodeId, Name)> {
    match (&found.parent, &found.last) {
        (Node::Inode(dir), Last::Name(name)) => Some((*dir, name.clone())),
        _ => None,
    }
}
