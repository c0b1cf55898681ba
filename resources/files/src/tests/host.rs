//! The host's file system, driven by the same operations.

use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use rustix::event::{self, PollFd, PollFlags};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io;
use std::os::fd::OwnedFd;

use super::ops::{ALL, Op, Reply, SLOTS};

/// The host's file system.
pub(crate) struct Host {
    pub base: OwnedFd,
    pub slots: [Option<OwnedFd>; SLOTS],
}

fn host_list(dir: &OwnedFd) -> Result<Reply, io::Errno> {
    let again = fs::openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
    // A removed directory cannot be opened again by name.
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(again?)? {
        let entry = entry?;
        let kind = entry.file_type().as_raw_mode() >> 12;
        names.push((entry.file_name().to_bytes().to_vec(), kind as u8));
    }
    names.sort();
    Ok(Reply::Names(names))
}

fn host_stat(stat: &fs::Stat) -> Reply {
    Reply::Stat {
        mode: stat.st_mode,
        links: stat.st_nlink,
        size: stat.st_size as u64,
        blocks: stat.st_blocks as u64,
    }
}

impl Host {
    fn slot(&self, slot: usize) -> Result<&OwnedFd, io::Errno> {
        self.slots[slot].as_ref().ok_or(io::Errno::BADF)
    }

    pub fn run(&mut self, op: &Op) -> Result<Reply, io::Errno> {
        let base = &self.base;
        match op {
            Op::Open { slot, path, flags, mode } => {
                self.slots[*slot] = None;
                let flags = OFlags::from_bits_retain(*flags);
                let made = fs::openat(base, path.as_str(), flags, Mode::from_raw_mode(*mode))?;
                self.slots[*slot] = Some(made);
            }
            Op::OpenIn { slot, dir, path, flags, mode } => {
                let flags = OFlags::from_bits_retain(*flags);
                let dir = self.slot(*dir)?;
                let made = fs::openat(dir, path.as_str(), flags, Mode::from_raw_mode(*mode))?;
                self.slots[*slot] = Some(made);
            }
            Op::Flags { slot } => {
                let flags = fs::fcntl_getfl(self.slot(*slot)?)?;
                return Ok(Reply::Number(u64::from(flags.bits())));
            }
            Op::Poll { slot } => {
                let fd = self.slot(*slot)?;
                let mut fds = [PollFd::new(fd, PollFlags::from_bits_retain(ALL as u16))];
                event::poll(&mut fds, Some(&event::Timespec::default()))?;
                return Ok(Reply::Number(u64::from(fds[0].revents().bits())));
            }
            Op::ChmodOpen { slot, mode } => {
                fs::fchmod(self.slot(*slot)?, Mode::from_raw_mode(*mode))?;
            }
            Op::Chown { path, keep } => {
                let flags = if *keep { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
                fs::chownat(base, path.as_str(), None, None, flags)?;
            }
            Op::Close { slot } => drop(self.slots[*slot].take().ok_or(io::Errno::BADF)?),
            Op::Dup { from, to } => {
                let made = io::dup(self.slot(*from)?)?;
                self.slots[*to] = Some(made);
            }
            Op::Read { slot, count, at } => {
                let mut bytes = alloc::vec![0_u8; *count];
                let fd = self.slot(*slot)?;
                let done = match at {
                    Some(at) => io::pread(fd, &mut bytes[..], u64::from(*at))?,
                    None => io::read(fd, &mut bytes[..])?,
                };
                bytes.truncate(done);
                return Ok(Reply::Bytes(bytes));
            }
            Op::Write { slot, count, byte, at } => {
                let bytes = alloc::vec![*byte; *count];
                let fd = self.slot(*slot)?;
                let done = match at {
                    Some(at) => io::pwrite(fd, &bytes, u64::from(*at))?,
                    None => io::write(fd, &bytes)?,
                };
                return Ok(Reply::Number(done as u64));
            }
            Op::Seek { slot, offset, whence } => {
                let Some(position) = seek_from(*offset, *whence) else {
                    return Err(io::Errno::INVAL);
                };
                return fs::seek(self.slot(*slot)?, position).map(Reply::Number);
            }
            Op::Resize { slot, size } => fs::ftruncate(self.slot(*slot)?, u64::from(*size))?,
            Op::Allocate { slot, mode, offset, length } => {
                let mode = fs::FallocateFlags::from_bits_retain(*mode);
                let (offset, length) = (u64::from(*offset), u64::from(*length));
                fs::fallocate(self.slot(*slot)?, mode, offset, length)?;
            }
            Op::Append { slot, on } => {
                let flags = if *on { OFlags::APPEND } else { OFlags::empty() };
                fs::fcntl_setfl(self.slot(*slot)?, flags | OFlags::NONBLOCK)?;
            }
            Op::StatOpen { slot } => return Ok(host_stat(&fs::fstat(self.slot(*slot)?)?)),
            Op::ListOpen { slot } => return host_list(self.slot(*slot)?),
            Op::Mkdir { path, mode } => {
                fs::mkdirat(base, path.as_str(), Mode::from_raw_mode(*mode))?;
            }
            Op::Rmdir { path } => fs::unlinkat(base, path.as_str(), AtFlags::REMOVEDIR)?,
            Op::Unlink { path } => fs::unlinkat(base, path.as_str(), AtFlags::empty())?,
            Op::Rename { old, new, flags } => {
                let flags = fs::RenameFlags::from_bits_retain(*flags);
                fs::renameat_with(base, old.as_str(), base, new.as_str(), flags)?;
            }
            Op::Link { old, new, follow } => {
                let flags = if *follow { AtFlags::SYMLINK_FOLLOW } else { AtFlags::empty() };
                fs::linkat(base, old.as_str(), base, new.as_str(), flags)?;
            }
            Op::Symlink { text, path } => fs::symlinkat(text.as_str(), base, path.as_str())?,
            Op::Readlink { path } => {
                let text = fs::readlinkat(base, path.as_str(), Vec::new())?;
                return Ok(Reply::Bytes(text.into_bytes()));
            }
            Op::Stat { path, keep } => {
                let flags = if *keep { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
                return Ok(host_stat(&fs::statat(base, path.as_str(), flags)?));
            }
            Op::Chmod { path, mode } => {
                let mode = Mode::from_raw_mode(*mode);
                fs::chmodat(base, path.as_str(), mode, AtFlags::empty())?;
            }
            Op::Access { path, mode } => {
                let access = fs::Access::from_bits_retain(*mode);
                fs::accessat(base, path.as_str(), access, AtFlags::empty())?;
            }
            Op::Fifo { path } => {
                let mode = Mode::from_raw_mode(0o644);
                fs::mknodat(base, path.as_str(), fs::FileType::Fifo, mode, 0)?;
            }
            Op::List { path } => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                return host_list(&fs::openat(base, path.as_str(), flags, Mode::empty())?);
            }
        }
        Ok(Reply::Unit)
    }
}

/// The host's form of a seek; `None` where it has none.
pub(crate) fn seek_from(offset: i64, whence: u32) -> Option<fs::SeekFrom> {
    let start = u64::try_from(offset);
    Some(match whence {
        abi::SEEK_CUR => fs::SeekFrom::Current(offset),
        abi::SEEK_END => fs::SeekFrom::End(offset),
        abi::SEEK_DATA => fs::SeekFrom::Data(start.ok()?),
        abi::SEEK_HOLE => fs::SeekFrom::Hole(start.ok()?),
        _ => fs::SeekFrom::Start(start.ok()?),
    })
}
