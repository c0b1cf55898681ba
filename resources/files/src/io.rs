//! Reading and writing open files.

use alloc::vec::Vec;

use linux_raw_sys::general as abi;

use crate::caller::Caller;
use crate::contents::MAX_SIZE;
use crate::description::OpenId;
use crate::event::Event;
use crate::inode::{Body, InodeId};
use crate::moving::{Limited, Sink, Source, WINDOW};
use crate::node::Node;
use crate::page::{PAGE, ZEROS};
use crate::proc::ProcKind;
use crate::root::Root;
use crate::socket::{Got, Receiving, Sending};
use crate::wait::{Outcome, Side};
use crate::{Dev, Effects, Errno};

/// Random bytes that one call gives: they cost more than others, about twenty instructions
/// each. Its caller goes on with the rest.
const RANDOM_WINDOW: usize = 1024;
/// Random bytes made at once.
const RANDOM_PART: usize = 256;

/// Where random bytes come from.
pub type Random<'a> = dyn FnMut(&mut [u8]) + 'a;

impl Root {
    /// Whether `copy_file_range` may copy so many bytes from one open file to another, at these
    /// places, or where they are.
    ///
    /// # Errors
    /// `EISDIR`, `EINVAL`: not between files, or onto what is copied; `EBADF`: not open for it.
    pub fn check_copy(
        &self,
        (from, from_at): (OpenId, Option<i64>),
        (to, to_at): (OpenId, Option<i64>),
        count: u64,
    ) -> Result<(), Errno> {
        let ((source, one), (sink, other)) = (self.usable(from)?, self.usable(to)?);
        let body = |node: &Node| match node {
            Node::Inode(id) => self.inode(*id).map(|inode| Some((*id, &inode.body))),
            _ => Ok(None),
        };
        let (one, other) = (body(one)?, body(other)?);
        let is_directory = |of: &Option<(_, &Body)>| matches!(of, Some((_, Body::Directory(_))));
        if is_directory(&one) || is_directory(&other) {
            return Err(Errno::EISDIR);
        }
        let is_file = |body: &Body| matches!(body, Body::File(_) | Body::Cached(_));
        let (one, other) = match (one, other) {
            (Some((one, from)), Some((other, to))) if is_file(from) && is_file(to) => (one, other),
            _ => return Err(Errno::EINVAL),
        };
        if !source.reads() || !sink.writes() || sink.flags & abi::O_APPEND != 0 {
            return Err(Errno::EBADF);
        }
        let place = |at: Option<i64>, here: u64| match at {
            Some(at) => u64::try_from(at).map_err(|_| Errno::EINVAL),
            None => Ok(here),
        };
        let (first, second) = (place(from_at, source.offset)?, place(to_at, sink.offset)?);
        if one == other && first.abs_diff(second) < count {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// `read`, or with an offset `pread64`: at most [`WINDOW`] bytes.
    ///
    /// # Errors
    /// Linux's; `EAGAIN` only for a file with `O_NONBLOCK`.
    pub fn read(
        &mut self,
        caller: &Caller,
        id: OpenId,
        offset: Option<i64>,
        sink: &mut dyn Sink,
        random: &mut Random,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let (description, node) = self.usable(id)?;
        self.check_offset(node, offset)?;
        if !description.reads() {
            return Err(Errno::EBADF);
        }
        match node.clone() {
            Node::Inode(inode) => match &self.inode(inode)?.body {
                Body::File(_) => self.read_file(caller, id, inode, offset, sink),
                Body::Cached(_) => self.read_cached(caller, id, inode, offset, sink),
                Body::Directory(_) => Err(Errno::EISDIR),
                Body::Character(dev) if dev.is_memory() => read_memory(*dev, sink, random),
                Body::Character(dev) => Ok(Outcome::Device(*dev)),
                Body::External { tag, .. } => Ok(Outcome::External(*tag)),
                Body::Unix(_) => self.read_socket(id, sink, effects),
                Body::Fifo(_) | Body::Event(_) => self.read_stream(id, inode, sink, effects),
                Body::Block(dev) => self.move_disk(id, *dev, offset),
                Body::Signals(mask) => Ok(Outcome::Signals(*mask)),
                Body::Timer(_) => self.read_timer(caller, id, sink, effects),
                Body::Link(_) | Body::Socket | Body::Epoll(_) => Err(Errno::EINVAL),
            },
            Node::Proc(path) => self.read_proc(caller, id, &path, offset, sink),
        }
    }

    /// `write`, or with an offset `pwrite64`: at most [`WINDOW`] bytes.
    ///
    /// # Errors
    /// Linux's; at `EPIPE` the caller raises `SIGPIPE`.
    pub fn write(
        &mut self,
        caller: &Caller,
        id: OpenId,
        offset: Option<i64>,
        source: &mut dyn Source,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let (description, node) = self.usable(id)?;
        self.check_offset(node, offset)?;
        if !description.writes() {
            return Err(Errno::EBADF);
        }
        match node.clone() {
            Node::Inode(inode) => match &self.inode(inode)?.body {
                Body::File(_) => self.write_file(caller, id, inode, offset, source),
                Body::Cached(_) => self.write_cached(caller, id, inode, offset, source),
                Body::Directory(_) => Err(Errno::EISDIR),
                Body::Character(dev) if dev.is_memory() => write_memory(*dev, source),
                Body::Character(dev) => Ok(Outcome::Device(*dev)),
                Body::External { tag, .. } => Ok(Outcome::External(*tag)),
                Body::Unix(_) => self.send(caller, id, &Sending::default(), source, effects),
                Body::Fifo(_) => self.write_pipe(caller, id, inode, source, effects),
                Body::Event(_) => self.write_event(id, inode, source, effects),
                Body::Block(dev) => self.move_disk(id, *dev, offset),
                Body::Signals(_)
                | Body::Link(_)
                | Body::Socket
                | Body::Epoll(_)
                | Body::Timer(_) => Err(Errno::EINVAL),
            },
            Node::Proc(path) => write_proc(caller, &path, source),
        }
    }

    /// Whether what is open has places: who has none, as pipes and sockets, is read and written in
    /// order alone.
    #[must_use]
    pub fn has_places(&self, id: OpenId) -> bool {
        let checked = self.usable(id).and_then(|(_, node)| self.check_offset(node, Some(0)));
        checked != Err(Errno::ESPIPE)
    }

    /// Whether an offset may be given, and this one.
    fn check_offset(&self, node: &Node, offset: Option<i64>) -> Result<(), Errno> {
        let Some(offset) = offset else { return Ok(()) };
        if offset < 0 {
            return Err(Errno::EINVAL);
        }
        let Node::Inode(id) = node else { return Ok(()) };
        match &self.inode(*id)?.body {
            Body::Fifo(_)
            | Body::Event(_)
            | Body::Epoll(_)
            | Body::Timer(_)
            | Body::Signals(_)
            | Body::Unix(_)
            | Body::External { .. } => Err(Errno::ESPIPE),
            Body::Character(dev) if !dev.is_memory() => Err(Errno::ESPIPE),
            _ => Ok(()),
        }
    }

    /// The offset of a transfer: the one given, or the file's own.
    pub(crate) fn place_in(&self, id: OpenId, offset: Option<i64>) -> Result<u64, Errno> {
        match offset {
            Some(offset) => u64::try_from(offset).map_err(|_| Errno::EINVAL),
            None => Ok(self.description(id)?.offset),
        }
    }

    pub(crate) fn advance(&mut self, id: OpenId, at: u64, count: usize) -> Result<(), Errno> {
        self.description_mut(id)?.offset = at.saturating_add(count as u64);
        Ok(())
    }

    fn read_file(
        &mut self,
        caller: &Caller,
        id: OpenId,
        inode: InodeId,
        offset: Option<i64>,
        sink: &mut dyn Sink,
    ) -> Result<Outcome, Errno> {
        let at = self.place_in(id, offset)?;
        let quiet = self.description(id)?.flags & abi::O_NOATIME != 0;
        let wanted = sink.room() > 0;
        let inode = self.inode_mut(inode)?;
        let Body::File(contents) = &inode.body else { return Err(Errno::EINVAL) };
        let count = contents.read(at, sink).map_err(|error| contents.left(caller, at, error))?;
        if wanted && !quiet {
            inode.note_access(caller.now);
        }
        if offset.is_none() {
            self.advance(id, at, count)?;
        }
        Ok(Outcome::Done(count))
    }

    fn write_file(
        &mut self,
        caller: &Caller,
        id: OpenId,
        inode: InodeId,
        offset: Option<i64>,
        source: &mut dyn Source,
    ) -> Result<Outcome, Errno> {
        let appends = self.description(id)?.flags & abi::O_APPEND != 0;
        let given = self.place_in(id, offset)?;
        let first = self.write_contents(caller, inode, given, appends, source);
        let result = match first {
            Err(error) if self.relieve(error) => {
                self.write_contents(caller, inode, given, appends, source)
            }
            result => result,
        };
        let (at, count) = result?;
        if offset.is_none() && count > 0 {
            self.advance(id, at, count)?;
        }
        Ok(Outcome::Done(count))
    }

    fn write_contents(
        &mut self,
        caller: &Caller,
        id: InodeId,
        given: u64,
        appends: bool,
        source: &mut dyn Source,
    ) -> Result<(u64, usize), Errno> {
        let inode = self.inodes.get_mut(id).ok_or(Errno::EBADF)?;
        let Body::File(contents) = &mut inode.body else { return Err(Errno::EINVAL) };
        let at = if appends { contents.size() } else { given };
        let room = caller.largest.saturating_sub(at);
        if room == 0 && source.left() > 0 {
            return Err(Errno::EFBIG);
        }
        let most = usize::try_from(room).unwrap_or(usize::MAX);
        let mut source = Limited { source, most };
        let written = contents.write(at, &mut source, caller.owner, &mut self.accounts);
        let count = written.map_err(|error| contents.left(caller, at, error))?;
        if count > 0 {
            inode.touch(caller.now);
        }
        Ok((at, count))
    }

    fn read_stream(
        &mut self,
        id: OpenId,
        inode: InodeId,
        sink: &mut dyn Sink,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let nonblocking = self.description(id)?.is_nonblocking();
        let inode = self.inodes.get_mut(inode).ok_or(Errno::EBADF)?;
        let number = inode.number;
        match &mut inode.body {
            Body::Fifo(pipe) => {
                let ended = pipe.writers == 0;
                if sink.room() == 0 || (pipe.is_empty() && ended) {
                    return Ok(Outcome::Done(0));
                }
                if !pipe.is_empty() {
                    let was_full = pipe.is_full();
                    let count = pipe.read(sink, &mut self.accounts)?;
                    if was_full && !pipe.is_full() {
                        effects.wake(number, Side::Writable);
                    }
                    return Ok(Outcome::Done(count));
                }
            }
            Body::Event(event) => {
                if let Some(count) = event.read(sink)? {
                    effects.wake(number, Side::Writable);
                    return Ok(Outcome::Done(count));
                }
            }
            _ => return Err(Errno::EINVAL),
        }
        would_block(nonblocking, number, Side::Readable)
    }

    fn read_socket(
        &mut self,
        id: OpenId,
        sink: &mut dyn Sink,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        if sink.room() == 0 {
            return Ok(Outcome::Done(0));
        }
        match self.receive(id, Receiving::default(), sink, effects)? {
            Got::Done(received) => {
                // Who reads does not see what came along.
                for open in received.rights {
                    self.close(open, effects);
                }
                Ok(Outcome::Done(received.count))
            }
            Got::WouldBlock(key) => Ok(Outcome::WouldBlock(key)),
        }
    }

    fn write_pipe(
        &mut self,
        caller: &Caller,
        id: OpenId,
        inode: InodeId,
        source: &mut dyn Source,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let description = self.description(id)?;
        let nonblocking = description.is_nonblocking();
        let packets = description.flags & abi::O_DIRECT != 0;
        let inode = self.inodes.get_mut(inode).ok_or(Errno::EBADF)?;
        let number = inode.number;
        let Body::Fifo(pipe) = &mut inode.body else { return Err(Errno::EINVAL) };
        if source.left() == 0 {
            return Ok(Outcome::Done(0));
        }
        if pipe.readers == 0 {
            return Err(Errno::EPIPE);
        }
        let count = pipe.write(source, packets, caller.owner, &mut self.accounts)?;
        if count == 0 {
            return would_block(nonblocking, number, Side::Writable);
        }
        inode.touch(caller.now);
        effects.wake(number, Side::Readable);
        Ok(Outcome::Done(count))
    }

    fn write_event(
        &mut self,
        id: OpenId,
        inode: InodeId,
        source: &mut dyn Source,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        let nonblocking = self.description(id)?.is_nonblocking();
        let value = Event::value(source)?;
        let inode = self.inode_mut(inode)?;
        let Body::Event(event) = &mut inode.body else { return Err(Errno::EINVAL) };
        if !event.add(value) {
            return would_block(nonblocking, inode.number, Side::Writable);
        }
        effects.wake(inode.number, Side::Readable);
        Ok(Outcome::Done(size_of::<u64>()))
    }

    fn read_proc(
        &mut self,
        caller: &Caller,
        id: OpenId,
        path: &[u8],
        offset: Option<i64>,
        sink: &mut dyn Sink,
    ) -> Result<Outcome, Errno> {
        let entry = caller.proc.entry(path).ok_or(Errno::ENOENT)?;
        if entry.kind == ProcKind::Directory {
            return Err(Errno::EISDIR);
        }
        let at = self.place_in(id, offset)?;
        let description = self.description_mut(id)?;
        let made = description.text.take().filter(|(begin, _)| at != 0 && at >= *begin);
        let (begin, text) = match made {
            Some((begin, text)) => {
                let end = begin.saturating_add(text.bytes.len() as u64);
                match text.next.filter(|_| at >= end) {
                    Some(next) => (end, caller.proc.read(path, next).unwrap_or_default()),
                    None => (begin, text),
                }
            }
            None => (0, caller.proc.read(path, 0).ok_or(Errno::EINVAL)?),
        };
        let within = usize::try_from(at.saturating_sub(begin)).unwrap_or(usize::MAX);
        let more = text.next.is_some() && within >= text.bytes.len();
        let (_, text) = description.text.insert((begin, text));
        if more {
            return Ok(Outcome::More);
        }
        let rest = text.bytes.get(within..).unwrap_or_default();
        let count = rest.len().min(sink.room()).min(WINDOW);
        sink.put(rest.get(..count).unwrap_or_default())?;
        if offset.is_none() {
            self.advance(id, at, count)?;
        }
        Ok(Outcome::Done(count))
    }
}

fn would_block(nonblocking: bool, object: u64, side: Side) -> Result<Outcome, Errno> {
    if nonblocking {
        return Err(Errno::EAGAIN);
    }
    Ok(Outcome::WouldBlock(crate::WaitKey { object, side }))
}

fn write_proc(caller: &Caller, path: &[u8], source: &mut dyn Source) -> Result<Outcome, Errno> {
    let count = source.left().min(PAGE);
    // In the heap: a page would be the largest frame on the way of every write.
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(count, 0);
    source.take(&mut bytes)?;
    Ok(Outcome::Done(caller.proc.write(path, &bytes)?.min(count)))
}

fn read_memory(dev: Dev, sink: &mut dyn Sink, random: &mut Random) -> Result<Outcome, Errno> {
    let wanted = match dev {
        Dev::NULL => 0,
        Dev::RANDOM | Dev::URANDOM => sink.room().min(RANDOM_WINDOW),
        _ => sink.room().min(WINDOW),
    };
    let mut done = 0_usize;
    while done < wanted {
        let mut bytes = [0; RANDOM_PART];
        let part = if matches!(dev, Dev::RANDOM | Dev::URANDOM) {
            random(&mut bytes);
            &bytes[..]
        } else {
            &ZEROS[..]
        };
        let part = part.get(..wanted.saturating_sub(done)).unwrap_or(part);
        match sink.put(part) {
            Ok(()) => done = done.saturating_add(part.len()),
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(Outcome::Done(done))
}

/// What is written to these devices is not looked at; a count beyond any file's is cut.
fn write_memory(dev: Dev, source: &mut dyn Source) -> Result<Outcome, Errno> {
    if dev == Dev::FULL {
        return Err(Errno::ENOSPC);
    }
    Ok(Outcome::Done(source.left().min(usize::try_from(MAX_SIZE).unwrap_or(usize::MAX))))
}
