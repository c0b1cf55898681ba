//! Calls that change what names lead to.

use vortex_abi::linux::general::{AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW};
use vortex_abi::{Errno, Files};
use vortex_files::{At, Dev};

use super::calls::{Cx, Result, done, fd};
use super::request::FileCall;
use super::resource::FileSystem;

/// An owner that stays as it is.
fn owner(number: u32) -> Option<u32> {
    (number != u32::MAX).then_some(number)
}

impl FileSystem {
    /// Calls that change what names lead to.
    pub(super) fn change(&mut self, call: &FileCall, cx: &Cx<'_>) -> Result {
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
}
