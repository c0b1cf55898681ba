//! Mounting, and what is to be on the medium.

use alloc::format;
use alloc::string::String;

use vortex_abi::{Errno, Fd, Files};
use vortex_files::Object;

use super::calls::{Cx, Result};
use super::disks::volume_of;
use super::request::FileCall;
use super::resource::{Done, FileSystem};

impl FileSystem {
    /// mount(2) and umount2(2).
    pub(super) fn mounting(&mut self, call: &FileCall, cx: &Cx<'_>) -> Result {
        match call.call {
            Files::Mount { source, kind, flags, options, .. } => {
                let text = |place, given: bool| match given {
                    true => call.operands.string(place),
                    false => Ok(&b""[..]),
                };
                let source = text(0, source.is_some())?;
                let target = text(1, true)?;
                let kind = text(2, kind.is_some())?;
                // There are none.
                if options != 0 {
                    return Err(Errno::EINVAL);
                }
                self.with(call, cx, |root, caller, _| {
                    root.mount(caller, source, target, kind, flags as u64)
                })?;
            }
            Files::Umount2 { flags, .. } => {
                let target = call.operands.string(0)?;
                self.with(call, cx, |root, caller, _| root.unmount(caller, target, flags))?;
            }
            _ => return Err(Errno::ENOSYS),
        }
        Ok(Done::Value(0))
    }

    /// What is mounted, a line each: disk, place, kind, and whether it can be written. Spaces
    /// in paths are escaped as Linux does.
    pub(super) fn mount_lines(&self) -> String {
        let mut text = String::new();
        for (dev, path, read_only) in self.root.mounted_on() {
            let volume = volume_of(dev).map_or_else(|_| "none".into(), |id| format!("/dev/{id}"));
            let place = String::from_utf8_lossy(&path).replace(' ', "\\040");
            let how = if read_only { "ro" } else { "rw" };
            text += &format!("{volume} {place} ext2 {how},relatime 0 0\n");
        }
        text
    }

    /// fsync(2) and fdatasync(2).
    pub(super) fn fsync(&mut self, call: &FileCall, fd: Fd, data_only: bool) -> Result {
        let open = self.open_of(call, fd)?;
        match self.root.object(open)? {
            Object::File | Object::Directory => {
                Ok(self.root.sync_of(open, data_only)?.map_or(Done::Value(0), Done::Ask))
            }
            Object::Disk(dev) => self.flush_disk(dev),
            _ => Err(Errno::EINVAL),
        }
    }
}
