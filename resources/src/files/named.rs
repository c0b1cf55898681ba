//! Calls on names, and on what open files are.

use vortex_abi::linux::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use vortex_abi::{Errno, Files};
use vortex_files::{Ask, At, Fd, Object, Stamp};

use super::calls::{CWD, Cx, Result, done, fd};
use super::pieces::offset;
use super::request::FileCall;
use super::resource::{Done, FileSystem};
use super::streams::Cursor;
use super::times::times_of;

impl FileSystem {
    /// Calls on names, and on what open files are.
    pub(super) fn named(&mut self, call: &mut FileCall, cx: &Cx<'_>) -> Result {
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
                let told = self.with(call, cx, |root, caller, _| root.statfs_open(caller, open))?;
                call.operands.give(0, &told.bytes()).map(done)
            }
            Files::Getdents64 { fd, .. } => {
                let open = self.open_of(call, fd)?;
                let mut sink = Cursor { buffer: call.operands.buffer(0)?, at: 0, whole: false };
                let bytes =
                    self.with(call, cx, |root, caller, _| root.list(caller, open, &mut sink))?;
                Ok(Done::Value(bytes as u64))
            }
            Files::Getcwd { size, .. } => {
                let files = self.files.get(&call.files).ok_or(Errno::EBADF)?;
                let mut climb = call.climb.take().unwrap_or_default();
                if !self.root.climb(&mut climb, files.place.cwd())? {
                    call.climb = Some(climb);
                    return Ok(Done::More);
                }
                let mut path = climb.path();
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
            Files::Fsync { fd } => self.fsync(call, fd, false),
            Files::Fdatasync { fd } => self.fsync(call, fd, true),
            Files::Sync if !self.root.has_mounts() => Ok(Done::Value(0)),
            Files::Sync => Ok(Done::Ask(Ask::SyncAll { fs: None })),
            Files::Syncfs { fd } => {
                let fs = self.root.mount_of(self.open_of(call, fd)?)?;
                Ok(match fs {
                    Some(_) => Done::Ask(Ask::SyncAll { fs }),
                    None => Done::Value(0),
                })
            }
            Files::Evict if !self.root.has_mounts() => Ok(Done::Value(0)),
            Files::Evict => Ok(Done::Ask(Ask::EvictAll)),
            Files::Mount { .. } | Files::Umount2 { .. } => self.mounting(call, cx),
            Files::Fadvise64 { fd, offset, length, advice } => {
                const NOT_NEEDED: i32 = 4;
                const LAST: i32 = 5;
                let open = self.open_of(call, fd)?;
                match self.root.object(open)? {
                    Object::Pipe { .. } => Err(Errno::ESPIPE),
                    _ if length < 0 || !(0..=LAST).contains(&advice) => Err(Errno::EINVAL),
                    _ if advice == NOT_NEEDED => {
                        let asked = self.root.evict_of(
                            open,
                            offset.max(0).unsigned_abs(),
                            length.unsigned_abs(),
                        )?;
                        Ok(asked.map_or(Done::Value(0), Done::Ask))
                    }
                    _ => Ok(Done::Value(0)),
                }
            }
            Files::Sendfile { to, from, count, .. } => {
                let (to, from) = (self.open_of(call, to)?, self.open_of(call, from)?);
                if !self.root.rights(from)?.0 || !self.root.rights(to)?.1 {
                    return Err(Errno::EBADF);
                }
                // What is taken out of these could not be put back.
                if let Object::Pipe { .. } | Object::Socket { .. } | Object::External(_) =
                    self.root.object(from)?
                {
                    return Err(Errno::EINVAL);
                }
                if i64::try_from(count).is_err() || self.root.appends(to)? {
                    return Err(Errno::EINVAL);
                }
                let copied = match self.root.object(to)? {
                    Object::External(tag) => self.send_file_network(call, from, tag, count, cx),
                    _ => self.copy(call, (from, Some(0)), (to, None), count, cx),
                };
                // A folder has nothing to send.
                copied.map_err(|error| if error == Errno::EISDIR { Errno::EINVAL } else { error })
            }
            Files::CopyFileRange { from, to, count, flags, .. } => {
                let (from, to) = (self.open_of(call, from)?, self.open_of(call, to)?);
                if flags != 0 {
                    return Err(Errno::EINVAL);
                }
                let (one, other) = (offset(call, Some(0))?, offset(call, Some(1))?);
                let left = count.saturating_sub(call.reached());
                self.root.check_copy((from, one), (to, other), left)?;
                self.copy(call, (from, Some(0)), (to, Some(1)), count, cx)
            }
            Files::Utime { times, .. } | Files::Utimes { times, .. } => {
                self.utimens(call, CWD, true, times.is_some(), 0, cx)
            }
            Files::Utimensat { directory, path: named, times, flags } => {
                self.utimens(call, fd(directory), named.is_some(), times.is_some(), flags, cx)
            }
            Files::Setxattr { .. }
            | Files::Lsetxattr { .. }
            | Files::Fsetxattr { .. }
            | Files::Getxattr { .. }
            | Files::Lgetxattr { .. }
            | Files::Fgetxattr { .. }
            | Files::Listxattr { .. }
            | Files::Llistxattr { .. }
            | Files::Flistxattr { .. }
            | Files::Removexattr { .. }
            | Files::Lremovexattr { .. }
            | Files::Fremovexattr { .. } => self.extended(call, cx),
            _ => self.change(call, cx),
        }
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
}
