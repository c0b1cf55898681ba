//! The file system calls: from each to its operation on the root file system.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::linux::general::{
    AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_CREAT, O_NONBLOCK, O_TRUNC,
    O_WRONLY, POLLIN, POLLOUT,
};
use vortex_abi::{Errno, Files};
use vortex_files::{At, Dev, Fd, Object, Opened, Owner, Stamp, WaitKey};
use vortex_grid::Context;
use vortex_units::Nanos;

use super::resource::{Done, FileCall, FileSystem};
use super::streams::{CONSOLE, Cursor};
use super::terminal::TERMIOS;
use crate::Mail;
use crate::process::{Select, is_lock};

type Cx<'a> = Context<'a, Mail>;
type Result = core::result::Result<Done, Errno>;

/// Random bytes made in one run.
const RANDOM_PIECE: usize = 1024;

const CWD: Fd = Fd::CWD;

fn fd(fd: vortex_abi::Fd) -> Fd {
    Fd::new(fd.0)
}

fn done(_: ()) -> Done {
    Done::Value(0)
}

/// An owner that stays as it is.
fn owner(number: u32) -> Option<u32> {
    (number != u32::MAX).then_some(number)
}

impl FileSystem {
    /// Makes a call.
    pub(super) fn perform(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Result {
        match call.call {
            Files::Read { fd, .. } => self.read(call, fd, 0, None, cx),
            Files::Readv { fd, .. } => self.read(call, fd, 0, None, cx),
            Files::Pread64 { fd, offset, .. } => self.read(call, fd, 0, Some(offset), cx),
            Files::Write { fd, .. } => self.write(call, fd, 0, None, cx),
            Files::Writev { fd, .. } => self.write(call, fd, 0, None, cx),
            Files::Pwrite64 { fd, offset, .. } => self.write(call, fd, 0, Some(offset), cx),
            Files::Preadv { fd, offset, .. } => self.read(call, fd, 0, Some(offset), cx),
            Files::Pwritev { fd, offset, .. } => self.write(call, fd, 0, Some(offset), cx),
            Files::Open { flags, mode, .. } => self.open(call, CWD, flags, mode, cx),
            Files::Creat { mode, .. } => {
                self.open(call, CWD, O_CREAT | O_WRONLY | O_TRUNC, mode, cx)
            }
            Files::Openat { directory, flags, mode, .. } => {
                self.open(call, fd(directory), flags, mode, cx)
            }
            Files::Poll { timeout, .. } => {
                let limit = u64::try_from(timeout)
                    .ok()
                    .map(|milliseconds| milliseconds.saturating_mul(1_000_000));
                self.poll(call, limit, cx)
            }
            Files::Ppoll { timeout, .. } => {
                let limit = match timeout {
                    None => None,
                    Some(_) => Some(timespec(&call.operands.bytes_of::<16>(1)?)?),
                };
                self.poll(call, limit, cx)
            }
            Files::Select { .. } | Files::Pselect6 { .. } => match Select::of(&call.call) {
                Some(select) => self.select(call, &select, cx),
                None => Err(Errno::EINVAL),
            },
            Files::Fcntl { fd, request, .. } if is_lock(request) => {
                self.lock_range(call, fd, request)
            }
            Files::Mincore { address, length, .. } => Self::residence(call, address, length),
            Files::Getrandom { flags, .. } => self.random(call, flags),
            Files::Flock { fd, operation } => self.lock_whole(call, fd, operation as u32),
            Files::Ioctl { fd, request, .. } => self.ioctl(call, fd, request),
            Files::Fallocate { fd, mode, offset, length } => {
                self.allocate(call, fd, mode, (offset, length), cx)
            }
            _ => match call.call {
                Files::Close { .. }
                | Files::Dup { .. }
                | Files::Dup2 { .. }
                | Files::Dup3 { .. }
                | Files::Fcntl { .. }
                | Files::CloseRange { .. }
                | Files::Pipe { .. }
                | Files::Pipe2 { .. }
                | Files::Eventfd { .. }
                | Files::Eventfd2 { .. }
                | Files::Lseek { .. } => self.descriptor(call, cx),
                _ => self.named(call, cx),
            },
        }
    }

    /// Calls on descriptors.
    fn descriptor(&mut self, call: &FileCall, cx: &Cx<'_>) -> Result {
        let now = self.time(cx.now());
        let owner = Owner::new(cx.activity().index() as u64);
        self.limited(call)?;
        let (root, effects) = (&mut self.root, &mut self.effects);
        let table = &mut self.files.get_mut(&call.files).ok_or(Errno::EBADF)?.table;
        let number = |fd: Fd| Done::Value(fd.get() as u64);
        match call.call {
            Files::Close { fd: at } => table.close(root, fd(at), effects).map(done),
            Files::Dup { fd: at } => table.duplicate(root, fd(at), Fd::new(0), false).map(number),
            Files::Dup2 { from, to } => {
                table.duplicate_to(root, fd(from), fd(to), None, effects).map(number)
            }
            Files::Dup3 { from, to, flags } => {
                table.duplicate_to(root, fd(from), fd(to), Some(flags), effects).map(number)
            }
            Files::Fcntl { fd: at, request, argument } => {
                let value = root.fcntl(table, fd(at), request, argument, effects)?;
                Ok(Done::Value(u64::from(value)))
            }
            Files::CloseRange { first, last, flags } => {
                table.close_range(root, first, last, flags, effects).map(done)
            }
            Files::Pipe { .. } | Files::Pipe2 { .. } => {
                let flags = if let Files::Pipe2 { flags, .. } = call.call { flags } else { 0 };
                table.check_room(2)?;
                let (reader, writer) = root.pipe(flags, owner, now)?;
                let close = flags & O_CLOEXEC != 0;
                let reader = table.install(reader, close)?;
                let writer = table.install(writer, close)?;
                let mut bytes = [0; 8];
                let (left, right) = bytes.split_at_mut(4);
                left.copy_from_slice(&reader.get().to_le_bytes());
                right.copy_from_slice(&writer.get().to_le_bytes());
                call.operands.give(0, &bytes)?;
                Ok(Done::Value(0))
            }
            Files::Eventfd { count } => {
                table.check_room(1)?;
                let open = root.eventfd(count, 0, owner, now)?;
                table.install(open, false).map(number)
            }
            Files::Eventfd2 { count, flags } => {
                table.check_room(1)?;
                let open = root.eventfd(count, flags, owner, now)?;
                table.install(open, flags & O_CLOEXEC != 0).map(number)
            }
            Files::Lseek { fd: at, offset, whence } => {
                let open = table.get(fd(at))?;
                root.seek(open, offset, whence).map(Done::Value)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn open(
        &mut self,
        call: &mut FileCall,
        directory: Fd,
        flags: u32,
        mode: u32,
        cx: &Cx<'_>,
    ) -> Result {
        self.limited(call)?.table.check_room(1)?;
        let opened = match call.opening.take() {
            Some(open) => self.root.continue_open(open)?,
            None => {
                let path = call.operands.string(0)?;
                self.with(call, cx, |root, caller, effects| {
                    root.open(caller, At::new(directory, path), flags, mode, effects)
                })?
            }
        };
        let open = match opened {
            Opened::Ready(open) => open,
            // The first end of a FIFO waits for the other.
            Opened::Waiting { open, key } => {
                call.opening = Some(open);
                return Ok(Done::Wait([key].into(), None));
            }
        };
        let table = &mut self.files.get_mut(&call.files).ok_or(Errno::EBADF)?.table;
        let fd = table.install(open, flags & O_CLOEXEC != 0)?;
        Ok(Done::Value(fd.get() as u64))
    }

    /// Calls on names, and on what open files are.
    fn named(&mut self, call: &FileCall, cx: &Cx<'_>) -> Result {
        let path = |operand| call.operands.string(operand);
        match call.call {
            Files::Stat { .. } => self.stat(call, CWD, 0, 1, cx),
            Files::Lstat { .. } => self.stat(call, CWD, AT_SYMLINK_NOFOLLOW, 1, cx),
            Files::Newfstatat { directory, flags, .. } => {
                self.stat(call, fd(directory), flags, 1, cx)
            }
            Files::Fstat { fd, .. } => {
                let open = self.open_of(call, fd)?;
                let attributes =
                    self.with(call, cx, |root, caller, _| root.stat_open(caller, open))?;
                call.operands.give(0, &attributes.stat_bytes()).map(done)
            }
            Files::Statx { directory, flags, .. } => {
                let at = At::new(fd(directory), path(0)?);
                let attributes =
                    self.with(call, cx, |root, caller, _| root.stat(caller, at, flags))?;
                call.operands.give(1, &attributes.statx_bytes()).map(done)
            }
            Files::Statfs { .. } => {
                let path = path(0)?;
                let told = self.with(call, cx, |root, caller, _| root.statfs(caller, path))?;
                call.operands.give(1, &told.bytes()).map(done)
            }
            Files::Fstatfs { fd, .. } => {
                let open = self.open_of(call, fd)?;
                let told = self.root.statfs_open(open)?;
                call.operands.give(0, &told.bytes()).map(done)
            }
            Files::Getdents64 { fd, .. } => {
                let open = self.open_of(call, fd)?;
                let mut sink = Cursor { buffer: call.operands.buffer(0)?, at: 0 };
                let bytes =
                    self.with(call, cx, |root, caller, _| root.list(caller, open, &mut sink))?;
                Ok(Done::Value(bytes as u64))
            }
            Files::Getcwd { size, .. } => {
                let files = self.files.get(&call.files).ok_or(Errno::EBADF)?;
                let mut path = self.root.getcwd(&files.place)?;
                path.push(0);
                if path.len() as u64 > size {
                    return Err(Errno::ERANGE);
                }
                call.operands.give(0, &path)?;
                Ok(Done::Value(path.len() as u64))
            }
            Files::Readlink { .. } => self.readlink(call, CWD, cx),
            Files::Readlinkat { directory, .. } => self.readlink(call, fd(directory), cx),
            Files::Chdir { .. } => {
                let path = path(0)?;
                let node =
                    self.with(call, cx, |root, caller, _| root.find_directory(caller, path))?;
                self.enter(call, node)
            }
            Files::Fchdir { fd: at } => {
                let node = self
                    .with(call, cx, |root, caller, _| root.find_open_directory(caller, fd(at)))?;
                self.enter(call, node)
            }
            Files::Umask { mask } => {
                let files = self.files.get_mut(&call.files).ok_or(Errno::EBADF)?;
                Ok(Done::Value(u64::from(files.place.set_umask(mask))))
            }
            Files::Fsync { fd } | Files::Fdatasync { fd } => {
                let open = self.open_of(call, fd)?;
                match self.root.object(open)? {
                    Object::File | Object::Directory => Ok(Done::Value(0)),
                    _ => Err(Errno::EINVAL),
                }
            }
            Files::Sendfile { to, from, count, .. } => self.sendfile(call, to, from, count, cx),
            Files::Utime { times, .. } | Files::Utimes { times, .. } => {
                self.utimens(call, CWD, true, times.is_some(), 0, cx)
            }
            Files::Utimensat { directory, path: named, times, flags } => {
                self.utimens(call, fd(directory), named.is_some(), times.is_some(), flags, cx)
            }
            _ => self.change(call, cx),
        }
    }

    /// Calls that change what names lead to.
    fn change(&mut self, call: &FileCall, cx: &Cx<'_>) -> Result {
        let path = |operand| call.operands.string(operand);
        let open = |system: &Self, fd| system.open_of(call, fd);
        match call.call {
            Files::Fchmod { fd, mode } => {
                let open = open(self, fd)?;
                self.with(call, cx, |root, caller, _| root.chmod_open(caller, open, mode)).map(done)
            }
            Files::Fchown { fd, user, group } => {
                let open = open(self, fd)?;
                let change = (owner(user), owner(group));
                self.with(call, cx, |root, caller, _| {
                    root.chown_open(caller, open, change.0, change.1)
                })
                .map(done)
            }
            Files::Ftruncate { fd, size } => {
                let open = open(self, fd)?;
                self.with(call, cx, |root, caller, _| root.truncate_open(caller, open, size))
                    .map(done)
            }
            _ => {
                let first = path(0)?;
                let second = call.operands.string(1).unwrap_or_default();
                let what = call.call;
                self.with(call, cx, |root, caller, effects| {
                    let _ = effects;
                    let at = |directory: vortex_abi::Fd, path| At::new(fd(directory), path);
                    match what {
                        Files::Access { mode, .. } => root.access(caller, At::cwd(first), mode, 0),
                        Files::Faccessat { directory, mode, .. } => {
                            root.access(caller, at(directory, first), mode, 0)
                        }
                        Files::Faccessat2 { directory, mode, flags, .. } => {
                            root.access(caller, at(directory, first), mode, flags)
                        }
                        Files::Mkdir { mode, .. } => root.mkdir(caller, At::cwd(first), mode),
                        Files::Mkdirat { directory, mode, .. } => {
                            root.mkdir(caller, at(directory, first), mode)
                        }
                        Files::Mknod { mode, device, .. } => {
                            root.mknod(caller, At::cwd(first), mode, Dev::decoded(device))
                        }
                        Files::Mknodat { directory, mode, device, .. } => {
                            root.mknod(caller, at(directory, first), mode, Dev::decoded(device))
                        }
                        Files::Rmdir { .. } => root.unlink(caller, At::cwd(first), AT_REMOVEDIR),
                        Files::Unlink { .. } => root.unlink(caller, At::cwd(first), 0),
                        Files::Unlinkat { directory, flags, .. } => {
                            root.unlink(caller, at(directory, first), flags)
                        }
                        Files::Rename { .. } => {
                            root.rename(caller, At::cwd(first), At::cwd(second), 0)
                        }
                        Files::Renameat { old_directory, new_directory, .. } => root.rename(
                            caller,
                            at(old_directory, first),
                            at(new_directory, second),
                            0,
                        ),
                        Files::Renameat2 { old_directory, new_directory, flags, .. } => root
                            .rename(
                                caller,
                                at(old_directory, first),
                                at(new_directory, second),
                                flags,
                            ),
                        Files::Link { .. } => {
                            root.hard_link(caller, At::cwd(first), At::cwd(second), 0)
                        }
                        Files::Linkat { old_directory, new_directory, flags, .. } => root
                            .hard_link(
                                caller,
                                at(old_directory, first),
                                at(new_directory, second),
                                flags,
                            ),
                        Files::Symlink { .. } => root.symlink(caller, first, At::cwd(second)),
                        Files::Symlinkat { directory, .. } => {
                            root.symlink(caller, first, at(directory, second))
                        }
                        Files::Chmod { mode, .. } => root.chmod(caller, At::cwd(first), mode, 0),
                        Files::Fchmodat { directory, mode, .. } => {
                            root.chmod(caller, at(directory, first), mode, 0)
                        }
                        Files::Chown { user, group, .. } => {
                            root.chown(caller, At::cwd(first), owner(user), owner(group), 0)
                        }
                        Files::Lchown { user, group, .. } => root.chown(
                            caller,
                            At::cwd(first),
                            owner(user),
                            owner(group),
                            AT_SYMLINK_NOFOLLOW,
                        ),
                        Files::Fchownat { directory, user, group, flags, .. } => root.chown(
                            caller,
                            at(directory, first),
                            owner(user),
                            owner(group),
                            flags,
                        ),
                        Files::Truncate { size, .. } => root.truncate(caller, first, size),
                        _ => Err(Errno::ENOSYS),
                    }
                })
                .map(done)
            }
        }
    }

    /// getrandom(2), a piece at a time.
    fn random(&self, call: &mut FileCall, flags: u32) -> Result {
        const NONBLOCK: u32 = 1;
        const RANDOM: u32 = 2;
        const INSECURE: u32 = 4;
        let both = RANDOM | INSECURE;
        if flags & !(NONBLOCK | both) != 0 || flags & both == both {
            return Err(Errno::EINVAL);
        }
        let buffer = call.operands.buffer(0)?;
        let end = buffer.len().min(call.done.saturating_add(RANDOM_PIECE));
        let mut piece = [0; 64];
        while call.done < end {
            let part = piece.get_mut(..(end - call.done).min(64)).unwrap_or_default();
            self.system.random.lock().fill(part);
            call.done += buffer.write(call.done, part);
        }
        Ok(if end < buffer.len() { Done::More } else { Done::Value(end as u64) })
    }

    /// fallocate(2), a step at a time.
    fn allocate(
        &mut self,
        call: &mut FileCall,
        fd: vortex_abi::Fd,
        mode: u32,
        (offset, length): (i64, i64),
        cx: &Cx<'_>,
    ) -> Result {
        let open = self.open_of(call, fd)?;
        let done = call.done as i64;
        let rest = (offset.saturating_add(done), length.saturating_sub(done));
        let more = self
            .with(call, cx, |root, caller, _| root.allocate(caller, open, mode, rest.0, rest.1))?;
        call.done = call.done.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
        Ok(if more == 0 || call.done as i64 >= length { Done::Value(0) } else { Done::More })
    }

    fn stat(
        &mut self,
        call: &FileCall,
        directory: Fd,
        flags: u32,
        operand: usize,
        cx: &Cx<'_>,
    ) -> Result {
        let at = At::new(directory, call.operands.string(0)?);
        let attributes = self.with(call, cx, |root, caller, _| root.stat(caller, at, flags))?;
        call.operands.give(operand, &attributes.stat_bytes()).map(done)
    }

    fn readlink(&mut self, call: &FileCall, directory: Fd, cx: &Cx<'_>) -> Result {
        let at = At::new(directory, call.operands.string(0)?);
        let buffer = call.operands.buffer(1)?;
        if buffer.is_empty() {
            return Err(Errno::EINVAL);
        }
        let text = self.with(call, cx, |root, caller, _| root.readlink(caller, at))?;
        Ok(Done::Value(buffer.write(0, &text) as u64))
    }

    fn enter(&mut self, call: &FileCall, node: vortex_files::Node) -> Result {
        let files = self.files.get_mut(&call.files).ok_or(Errno::EBADF)?;
        self.root.enter(&mut files.place, node, &mut self.effects);
        Ok(Done::Value(0))
    }

    fn utimens(
        &mut self,
        call: &FileCall,
        directory: Fd,
        named: bool,
        given: bool,
        flags: u32,
        cx: &Cx<'_>,
    ) -> Result {
        let times = if given { times_of(call)? } else { [Stamp::Now; 2] };
        let (path, flags) = if named {
            (call.operands.string(0)?, flags)
        } else {
            (&b""[..], flags | AT_EMPTY_PATH)
        };
        let at = At::new(directory, path);
        self.with(call, cx, |root, caller, _| root.utimens(caller, at, times, flags)).map(done)
    }

    /// Copies through the kernel, a page at a time.
    fn sendfile(
        &mut self,
        call: &FileCall,
        to: vortex_abi::Fd,
        from: vortex_abi::Fd,
        count: u64,
        cx: &Cx<'_>,
    ) -> Result {
        let (to, from) = (self.open_of(call, to)?, self.open_of(call, from)?);
        let offset = match call.operands.buffer(0) {
            Ok(_) => Some(i64::from_le_bytes(call.operands.bytes_of::<8>(0)?)),
            Err(_) => None,
        };
        let most = usize::try_from(count).unwrap_or(usize::MAX).min(vortex_machine::PAGE);
        let mut collected = vortex_files::Collect::new(most);
        let system = self.system.clone();
        let read = self.with(call, cx, |root, caller, effects| {
            let mut random = |bytes: &mut [u8]| system.random.lock().fill(bytes);
            root.read(caller, from, offset, &mut collected, &mut random, effects)
        })?;
        let vortex_files::Outcome::Done(_) = read else { return Err(Errno::EINVAL) };
        let bytes = collected.into_bytes();
        let mut source = &bytes[..];
        let written = self.with(call, cx, |root, caller, effects| {
            root.write(caller, to, None, &mut source, effects)
        })?;
        let moved = match written {
            vortex_files::Outcome::Done(moved) => moved,
            vortex_files::Outcome::Device(_) => {
                self.terminal.write(&bytes);
                bytes.len()
            }
            vortex_files::Outcome::WouldBlock(key) => {
                if offset.is_none() {
                    let back = -(bytes.len() as i64);
                    let _ = self.root.seek(from, back, 1);
                }
                return Ok(Done::Wait([key].into(), None));
            }
            vortex_files::Outcome::External(_) => return Err(Errno::EINVAL),
        };
        match offset {
            Some(offset) => call.operands.give(0, &(offset + moved as i64).to_le_bytes())?,
            None if moved < bytes.len() => {
                let _ = self.root.seek(from, moved as i64 - bytes.len() as i64, 1);
            }
            None => {}
        }
        Ok(Done::Value(moved as u64))
    }

    /// `poll`: the descriptors that are ready now, or what to wait for.
    fn poll(&mut self, call: &FileCall, limit: Option<u64>, cx: &Cx<'_>) -> Result {
        let buffer = call.operands.buffer(0)?;
        if buffer.len() / 8 > self.limited(call)?.table.limit() as usize {
            return Err(Errno::EINVAL);
        }
        let mut keys = Vec::new();
        let mut ready = 0;
        for place in 0..buffer.len() / 8 {
            let mut entry = [0; 8];
            buffer.read(place * 8, &mut entry);
            let [a, b, c, d, e, f, ..] = entry;
            let number = i32::from_le_bytes([a, b, c, d]);
            let events = u32::from(u16::from_le_bytes([e, f]));
            let happened =
                if number < 0 { 0 } else { self.poll_one(call, number, events, &mut keys) };
            buffer.write(place * 8 + 6, &(happened as u16).to_le_bytes());
            ready += u64::from(happened != 0);
        }
        let deadline =
            call.deadline.or_else(|| Some(self.system.clock.after(cx.now(), Nanos::new(limit?))));
        if ready > 0 || limit == Some(0) || call.expired {
            return Ok(Done::Value(ready));
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(Done::Wait(keys, deadline))
    }

    pub(super) fn poll_one(
        &mut self,
        call: &FileCall,
        number: i32,
        events: u32,
        keys: &mut Vec<WaitKey>,
    ) -> u32 {
        const POLLNVAL: u32 = 0x20;
        let Ok(open) = self.open_of(call, vortex_abi::Fd(number)) else { return POLLNVAL };
        let polled = self.root.poll(open, events);
        keys.extend(polled.waits.into_iter().flatten());
        if polled.device.is_some() {
            if events & POLLIN != 0 {
                keys.push(CONSOLE);
            }
            let readable = if self.terminal.is_readable() { POLLIN } else { 0 };
            return (readable | POLLOUT) & events;
        }
        polled.ready
    }

    fn ioctl(&mut self, call: &FileCall, fd: vortex_abi::Fd, request: u32) -> Result {
        let open = self.open_of(call, fd)?;
        const TCGETS: u32 = 0x5401;
        const TCSETS: u32 = 0x5402;
        const TCSETSF: u32 = 0x5404;
        const TIOCGPGRP: u32 = 0x540f;
        const TIOCSPGRP: u32 = 0x5410;
        const TIOCGWINSZ: u32 = 0x5413;
        const FIONBIO: u32 = 0x5421;
        const FIONREAD: u32 = 0x541b;
        if request == FIONBIO {
            let on = call.operands.bytes_of::<4>(0)? != [0; 4];
            let flags = if on { O_NONBLOCK } else { 0 };
            return self.root.set_flags(open, flags).map(done);
        }
        if request == FIONREAD {
            let waiting = match self.root.object(open)? {
                Object::Pipe { buffered } => buffered as u64,
                _ => return Err(Errno::ENOTTY),
            };
            let waiting = u32::try_from(waiting).unwrap_or(i32::MAX as u32);
            return call.operands.give(0, &waiting.to_le_bytes()).map(done);
        }
        let is_terminal = self.root.poll(open, 0).device.is_some();
        if !is_terminal {
            return Err(Errno::ENOTTY);
        }
        match request {
            TCGETS => call.operands.give(0, &self.terminal.settings()).map(done),
            TCSETS..=TCSETSF => {
                let settings = call.operands.bytes_of::<TERMIOS>(0)?;
                self.terminal.set(&settings);
                Ok(Done::Value(0))
            }
            TIOCGWINSZ => call.operands.give(0, &[24, 0, 80, 0, 0, 0, 0, 0]).map(done),
            TIOCGPGRP => {
                let group = match self.terminal.foreground {
                    0 => call.thread.process.group.load(Ordering::Relaxed),
                    group => group,
                };
                call.operands.give(0, &group.to_le_bytes()).map(done)
            }
            TIOCSPGRP => {
                self.terminal.foreground = i32::from_le_bytes(call.operands.bytes_of::<4>(0)?);
                Ok(Done::Value(0))
            }
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// The two times that a call sets, in its own unit.
fn times_of(call: &FileCall) -> core::result::Result<[Stamp; 2], Errno> {
    let mut bytes = [0; 32];
    call.operands.buffer(1)?.read(0, &mut bytes);
    let word = |place: usize| {
        let word = bytes.get(place * 8..place * 8 + 8).and_then(|word| word.try_into().ok());
        word.map_or(0, i64::from_le_bytes)
    };
    let of = |seconds: usize| match call.call {
        Files::Utime { .. } => Stamp::from_timespec(word(seconds), 0),
        Files::Utimes { .. } => match word(2 * seconds + 1) {
            micros @ 0..1_000_000 => Stamp::from_timespec(word(2 * seconds), micros * 1000),
            _ => Err(Errno::EINVAL),
        },
        _ => Stamp::from_timespec(word(2 * seconds), word(2 * seconds + 1)),
    };
    Ok([of(0)?, of(1)?])
}

/// Nanoseconds of a `struct timespec`.
pub(crate) fn timespec(bytes: &[u8; 16]) -> core::result::Result<u64, Errno> {
    let (seconds, nanos) = bytes.split_at(8);
    let word = |bytes: &[u8]| bytes.try_into().map_or(-1, i64::from_le_bytes);
    let (seconds, nanos) = (word(seconds), word(nanos));
    match (u64::try_from(seconds), nanos) {
        (Ok(seconds), 0..1_000_000_000) => {
            Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as u64))
        }
        _ => Err(Errno::EINVAL),
    }
}
