//! Calls about extended attributes.

use vortex_abi::linux::general::AT_SYMLINK_NOFOLLOW;
use vortex_abi::{Errno, Fd, Files};
use vortex_files::{At, Extended};

use super::calls::{Cx, Result, done};
use super::request::FileCall;
use super::resource::FileSystem;

/// What a call is about.
enum Of {
    Path,
    Link,
    Open(Fd),
}

impl FileSystem {
    /// Calls about extended attributes.
    pub(super) fn extended(&mut self, call: &FileCall, cx: &Cx<'_>) -> Result {
        let set = |size, flags| Some(Extended::Set { bytes: size, flags });
        let (get, remove) = (Some(Extended::Get), Some(Extended::Remove));
        let (of, what) = match call.call {
            Files::Setxattr { size, flags, .. } => (Of::Path, set(size, flags)),
            Files::Lsetxattr { size, flags, .. } => (Of::Link, set(size, flags)),
            Files::Fsetxattr { fd, size, flags, .. } => (Of::Open(fd), set(size, flags)),
            Files::Getxattr { .. } => (Of::Path, get),
            Files::Lgetxattr { .. } => (Of::Link, get),
            Files::Fgetxattr { fd, .. } => (Of::Open(fd), get),
            Files::Removexattr { .. } => (Of::Path, remove),
            Files::Lremovexattr { .. } => (Of::Link, remove),
            Files::Fremovexattr { fd, .. } => (Of::Open(fd), remove),
            Files::Listxattr { .. } => (Of::Path, None),
            Files::Llistxattr { .. } => (Of::Link, None),
            Files::Flistxattr { fd, .. } => (Of::Open(fd), None),
            _ => return Err(Errno::ENOSYS),
        };
        if let Of::Open(fd) = of {
            let open = self.open_of(call, fd)?;
            return match what {
                Some(what) => {
                    let name = call.operands.string(0)?;
                    self.with(call, cx, |root, caller, _| {
                        root.extended_open(caller, open, name, what)
                    })
                }
                None => self.root.list_extended_open(open),
            }
            .map(done);
        }
        let flags = if matches!(of, Of::Link) { AT_SYMLINK_NOFOLLOW } else { 0 };
        let at = At::cwd(call.operands.string(0)?);
        match what {
            Some(what) => {
                let name = call.operands.string(1)?;
                self.with(call, cx, |root, caller, _| root.extended(caller, at, flags, name, what))
            }
            None => self.with(call, cx, |root, caller, _| root.list_extended(caller, at, flags)),
        }
        .map(done)
    }
}
