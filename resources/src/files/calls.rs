//! The file system calls: from each to its operation on the root file system. Here are those
//! on descriptors.

use vortex_abi::linux::general::{
    MFD_CLOEXEC, O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY, RWF_DSYNC, RWF_HIPRI, RWF_SYNC,
};
use vortex_abi::{Errno, Files};
use vortex_files::{At, Fd, Opened};
use vortex_grid::Context;

use super::request::FileCall;
use super::resource::{Done, FileSystem};
use super::times::timespec;
use crate::Mail;
use crate::bill::owner_of;
use crate::process::{Select, is_lock};

pub(super) type Cx<'a> = Context<'a, Mail>;
pub(super) type Result = core::result::Result<Done, Errno>;

pub(super) const CWD: Fd = Fd::CWD;
/// The longest name that memfd_create(2) takes.
const MEMORY_NAME: usize = 249;

pub(super) fn fd(fd: vortex_abi::Fd) -> Fd {
    Fd::new(fd.0)
}

pub(super) fn done(_: ()) -> Done {
    Done::Value(0)
}

/// Where preadv2(2) and pwritev2(2) go, if not where the file is. Nothing is polled for; to
/// append, or not to wait, is not offered. What is to be on its medium is seen to where it has
/// been written (`following.rs`).
fn place(offset: i64, flags: u32) -> core::result::Result<Option<i64>, Errno> {
    let harmless = RWF_HIPRI | RWF_DSYNC | RWF_SYNC;
    match offset {
        _ if flags & !harmless != 0 => Err(Errno::EOPNOTSUPP),
        -1 => Ok(None),
        offset => Ok(Some(offset)),
    }
}

impl FileSystem {
    /// Makes a call.
    pub(super) fn perform(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Result {
        if self.is_frozen(call.files) {
            return Ok(Done::More);
        }
        match call.call {
            Files::Read { fd, .. } => self.read(call, fd, 0, None, cx),
            Files::Readv { fd, .. } => self.read(call, fd, 0, None, cx),
            Files::Pread64 { fd, offset, .. } => self.read(call, fd, 0, Some(offset), cx),
            Files::Write { fd, .. } => self.write(call, fd, 0, None, cx),
            Files::Writev { fd, .. } => self.write(call, fd, 0, None, cx),
            Files::Pwrite64 { fd, offset, .. } => self.write(call, fd, 0, Some(offset), cx),
            Files::Preadv { fd, offset, .. } => self.read(call, fd, 0, Some(offset), cx),
            Files::Pwritev { fd, offset, .. } => self.write(call, fd, 0, Some(offset), cx),
            Files::Preadv2 { fd, offset, flags, .. } => {
                self.read(call, fd, 0, place(offset, flags)?, cx)
            }
            Files::Pwritev2 { fd, offset, flags, .. } => {
                self.write(call, fd, 0, place(offset, flags)?, cx)
            }
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
                self.lock_range(call, fd, request, owner_of(cx.root()))
            }
            Files::Mincore { address, length, .. } => Self::residence(call, address, length),
            Files::Getrandom { flags, .. } => self.random(call, flags),
            Files::CloseRange { first, last, flags } => {
                self.close_range(call, (first, last), flags)
            }
            Files::Close { fd } => self.close(call, fd, cx),
            Files::Lseek { fd, offset, whence } => self.seek(call, fd, offset, whence),
            Files::Flock { fd, operation } => {
                self.lock_whole(call, fd, operation as u32, owner_of(cx.root()))
            }
            Files::Ioctl { fd, request, .. } => self.ioctl(call, fd, request),
            Files::Fallocate { fd, mode, offset, length } => {
                self.allocate(call, fd, mode, (offset, length), cx)
            }
            _ => match call.call {
                Files::Dup { .. }
                | Files::Dup2 { .. }
                | Files::Dup3 { .. }
                | Files::Fcntl { .. }
                | Files::Pipe { .. }
                | Files::Pipe2 { .. }
                | Files::Eventfd { .. }
                | Files::Eventfd2 { .. }
                | Files::MemfdCreate { .. } => self.descriptor(call, cx),
                Files::EpollCreate { .. }
                | Files::EpollCreate1 { .. }
                | Files::EpollCtl { .. }
                | Files::EpollWait { .. }
                | Files::EpollPwait { .. }
                | Files::EpollPwait2 { .. } => self.watching(call, cx),
                Files::Signalfd { .. } | Files::Signalfd4 { .. } => self.signal_file(call, cx),
                Files::TimerfdCreate { .. }
                | Files::TimerfdSettime { .. }
                | Files::TimerfdGettime { .. } => self.timing(call, cx),
                Files::Socket { .. }
                | Files::Socketpair { .. }
                | Files::Connect { .. }
                | Files::Accept { .. }
                | Files::Accept4 { .. }
                | Files::Sendto { .. }
                | Files::Recvfrom { .. }
                | Files::Sendmsg { .. }
                | Files::Recvmsg { .. }
                | Files::Sendmmsg { .. }
                | Files::Recvmmsg { .. }
                | Files::Shutdown { .. }
                | Files::Bind { .. }
                | Files::Listen { .. }
                | Files::Getsockname { .. }
                | Files::Getpeername { .. }
                | Files::Setsockopt { .. }
                | Files::Getsockopt { .. } => self.socket_call(call, cx),
                _ => self.named(call, cx),
            },
        }
    }

    /// Calls on descriptors.
    fn descriptor(&mut self, call: &FileCall, cx: &Cx<'_>) -> Result {
        let now = self.time(cx.now());
        let owner = owner_of(cx.root());
        self.limited(call)?;
        let (root, effects) = (&mut self.root, &mut self.effects);
        let table = &mut self.files.get_mut(&call.files).ok_or(Errno::EBADF)?.table;
        let number = |fd: Fd| Done::Value(fd.get() as u64);
        match call.call {
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
            Files::Pipe { .. } | Files::Pipe2 { .. } => {
                let flags = if let Files::Pipe2 { flags, .. } = call.call { flags } else { 0 };
                table.make_room(2)?;
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
                table.make_room(1)?;
                let open = root.eventfd(count, 0, owner, now)?;
                table.install(open, false).map(number)
            }
            Files::Eventfd2 { count, flags } => {
                table.make_room(1)?;
                let open = root.eventfd(count, flags, owner, now)?;
                table.install(open, flags & O_CLOEXEC != 0).map(number)
            }
            Files::MemfdCreate { flags, .. } => {
                table.make_room(1)?;
                if call.operands.string(0)?.len() > MEMORY_NAME {
                    return Err(Errno::EINVAL);
                }
                let open = root.memory_file(flags, owner, now)?;
                table.install(open, flags & MFD_CLOEXEC != 0).map(number)
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
        let opened = match call.opening.take() {
            // As it is: it is open.
            Some(open) => self.root.continue_open(open)?,
            None => {
                self.limited(call)?.table.make_room(1)?;
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
        match table.install(open, flags & O_CLOEXEC != 0) {
            Ok(fd) => Ok(Done::Value(fd.get() as u64)),
            Err(error) => {
                // Other threads have had all numbers while it waited for its other end.
                self.root.close(open, &mut self.effects);
                Err(error)
            }
        }
    }
}
