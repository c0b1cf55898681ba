//! The comparison with Linux: random sequences of operations on this tree and on the
//! host's tmpfs, which must agree in every answer.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use proptest::prelude::*;
use rustix::fs::{self, Mode, OFlags};
use std::path::Path;

use super::World;
use super::host::{Host, seek_from};
use super::ops::{ALL, Op, Reply, SLOTS, ops};
use crate::{At, Dev, Errno, Fd, Outcome};

/// Directories above the one in which paths begin, so that `..` stays inside.
const DEPTH: usize = 8;

type Answer = Result<Reply, u16>;

/// This tree.
struct Ours {
    world: World,
    base: Fd,
    slots: [Option<Fd>; SLOTS],
}

impl Ours {
    fn slot(&self, slot: usize) -> Result<Fd, Errno> {
        self.slots[slot].ok_or(Errno::EBADF)
    }

    fn replace(&mut self, slot: usize, fd: Option<Fd>) {
        if let Some(old) = core::mem::replace(&mut self.slots[slot], fd) {
            self.world.close(old).unwrap();
        }
    }

    fn list(&mut self, dir: Fd) -> Result<Reply, Errno> {
        let flags = abi::O_RDONLY | abi::O_DIRECTORY;
        let fd = self.world.open_at(At::new(dir, b"."), flags, 0)?;
        let mut names = Vec::new();
        let mut done = usize::MAX;
        while done > 0 {
            match self.world.list(fd, 600) {
                Ok((mut part, count)) => {
                    names.append(&mut part);
                    done = count;
                }
                // The C library's way: a removed directory is empty.
                Err(Errno::ENOENT) => break,
                Err(error) => return Err(error),
            }
        }
        self.world.close(fd).unwrap();
        names.sort();
        Ok(Reply::Names(names))
    }

    fn run(&mut self, op: &Op) -> Result<Reply, Errno> {
        let dir = self.base;
        match op {
            Op::Open { slot, path, flags, mode } => {
                self.replace(*slot, None);
                let fd = self.world.open_at(At::new(dir, path.as_bytes()), *flags, *mode)?;
                self.replace(*slot, Some(fd));
                Ok(Reply::Unit)
            }
            Op::OpenIn { slot, dir, path, flags, mode } => {
                let at = At::new(self.slot(*dir)?, path.as_bytes());
                let fd = self.world.open_at(at, *flags, *mode)?;
                self.replace(*slot, Some(fd));
                Ok(Reply::Unit)
            }
            Op::Flags { slot } => {
                let fd = self.slot(*slot)?;
                let World { root, table, effects, .. } = &mut self.world;
                let flags = root.fcntl(table, fd, abi::F_GETFL, 0, effects)?;
                Ok(Reply::Number(u64::from(flags)))
            }
            Op::Poll { slot } => {
                let id = self.world.table.get(self.slot(*slot)?)?;
                Ok(Reply::Number(u64::from(self.world.root.poll(id, ALL).ready)))
            }
            Op::Close { slot } => {
                self.slot(*slot)?;
                self.replace(*slot, None);
                Ok(Reply::Unit)
            }
            Op::Dup { from, to } => {
                let fd = self.slot(*from)?;
                let made =
                    self.world.table.duplicate(&mut self.world.root, fd, Fd::new(0), false)?;
                self.replace(*to, Some(made));
                Ok(Reply::Unit)
            }
            Op::Read { slot, count, at } => {
                let fd = self.slot(*slot)?;
                self.world.read_at(fd, *count, at.map(i64::from)).map(Reply::Bytes)
            }
            Op::Write { slot, count, byte, at } => {
                let bytes = alloc::vec![*byte; *count];
                let fd = self.slot(*slot)?;
                match self.world.try_write(fd, &bytes, at.map(i64::from))? {
                    Outcome::Done(done) => Ok(Reply::Number(done as u64)),
                    other => panic!("{other:?}"),
                }
            }
            Op::ListOpen { slot } => {
                let fd = self.slot(*slot)?;
                self.list(fd)
            }
            Op::List { path } => {
                let flags = abi::O_RDONLY | abi::O_DIRECTORY;
                let fd = self.world.open_at(At::new(dir, path.as_bytes()), flags, 0)?;
                let listed = self.list(fd);
                self.world.close(fd).unwrap();
                listed
            }
            Op::Seek { .. }
            | Op::Resize { .. }
            | Op::Allocate { .. }
            | Op::Append { .. }
            | Op::ChmodOpen { .. }
            | Op::StatOpen { .. } => self.run_on_file(op),
            _ => self.run_on_names(op),
        }
    }

    fn run_on_file(&mut self, op: &Op) -> Result<Reply, Errno> {
        let (Op::Seek { slot, .. }
        | Op::Resize { slot, .. }
        | Op::Allocate { slot, .. }
        | Op::Append { slot, .. }
        | Op::ChmodOpen { slot, .. }
        | Op::StatOpen { slot }) = op
        else {
            unreachable!()
        };
        if let Op::Seek { offset, whence, .. } = op
            && seek_from(*offset, *whence).is_none()
        {
            return Err(Errno::EINVAL);
        }
        let fd = self.slot(*slot)?;
        let id = self.world.table.get(fd)?;
        if let Op::Append { on, .. } = op {
            let flags = if *on { abi::O_APPEND } else { 0 } | abi::O_NONBLOCK;
            let World { root, table, effects, .. } = &mut self.world;
            root.fcntl(table, fd, abi::F_SETFL, u64::from(flags), effects)?;
            return Ok(Reply::Unit);
        }
        self.world.call(|root, caller, _| match op {
            Op::Seek { offset, whence, .. } => root.seek(id, *offset, *whence).map(Reply::Number),
            Op::Resize { size, .. } => {
                root.truncate_open(caller, id, i64::from(*size)).map(|()| Reply::Unit)
            }
            Op::Allocate { mode, offset, length, .. } => {
                let (offset, length) = (i64::from(*offset), i64::from(*length));
                let done = root.allocate(caller, id, *mode, offset, length)?;
                assert_eq!(done, length as u64, "small ranges are done at once");
                Ok(Reply::Unit)
            }
            Op::ChmodOpen { mode, .. } => root.chmod_open(caller, id, *mode).map(|()| Reply::Unit),
            _ => root.stat_open(caller, id).map(|stat| our_stat(&stat)),
        })
    }

    fn run_on_names(&mut self, op: &Op) -> Result<Reply, Errno> {
        let dir = self.base;
        self.world.call(|root, caller, _| {
            fn from(dir: Fd, path: &str) -> At<'_> {
                At::new(dir, path.as_bytes())
            }
            match op {
                Op::Mkdir { path, mode } => root.mkdir(caller, from(dir, path), *mode)?,
                Op::Rmdir { path } => root.unlink(caller, from(dir, path), abi::AT_REMOVEDIR)?,
                Op::Unlink { path } => root.unlink(caller, from(dir, path), 0)?,
                Op::Rename { old, new, flags } => {
                    root.rename(caller, from(dir, old), from(dir, new), *flags)?;
                }
                Op::Link { old, new, follow } => {
                    let flags = if *follow { abi::AT_SYMLINK_FOLLOW } else { 0 };
                    root.hard_link(caller, from(dir, old), from(dir, new), flags)?;
                }
                Op::Symlink { text, path } => {
                    root.symlink(caller, text.as_bytes(), from(dir, path))?;
                }
                Op::Readlink { path } => {
                    return root.readlink(caller, from(dir, path)).map(Reply::Bytes);
                }
                Op::Stat { path, keep } => {
                    let flags = if *keep { abi::AT_SYMLINK_NOFOLLOW } else { 0 };
                    return Ok(our_stat(&root.stat(caller, from(dir, path), flags)?));
                }
                Op::Chmod { path, mode } => root.chmod(caller, from(dir, path), *mode, 0)?,
                Op::Chown { path, keep } => {
                    let flags = if *keep { abi::AT_SYMLINK_NOFOLLOW } else { 0 };
                    root.chown(caller, from(dir, path), None, None, flags)?;
                }
                Op::Access { path, mode } => root.access(caller, from(dir, path), *mode, 0)?,
                Op::Fifo { path } => {
                    let mode = abi::S_IFIFO | 0o644;
                    root.mknod(caller, from(dir, path), mode, Dev::default())?;
                }
                _ => unreachable!(),
            }
            Ok(Reply::Unit)
        })
    }
}

fn our_stat(stat: &crate::Attributes) -> Reply {
    let links = u64::from(stat.links);
    Reply::Stat { mode: stat.mode, links, size: stat.size, blocks: stat.blocks }
}

/// Hides what file systems other than tmpfs show differently.
fn comparable(answer: Answer, exact: bool) -> Answer {
    match answer {
        Ok(Reply::Stat { mode, .. }) if !exact && mode & abi::S_IFMT == abi::S_IFDIR => {
            Ok(Reply::Stat { mode, links: 0, size: 0, blocks: 0 })
        }
        // tmpfs gives a long link's text a page of its own.
        Ok(Reply::Stat { mode, links, size, .. })
            if !exact || mode & abi::S_IFMT == abi::S_IFLNK =>
        {
            Ok(Reply::Stat { mode, links, size, blocks: 0 })
        }
        other => other,
    }
}

/// In this tree everybody is the superuser: what others may, or lose, is not compared.
fn needs_superuser(op: &Op) -> bool {
    const PRIVILEGES: u32 = abi::S_ISUID | abi::S_ISGID;
    match op {
        Op::Access { .. } => true,
        Op::Chmod { mode, .. } | Op::ChmodOpen { mode, .. } => mode & PRIVILEGES != 0,
        _ => false,
    }
}

/// What ext2 has not, or shows in another way, is left out where the tree is on a disk.
fn only_in_memory(op: &Op) -> bool {
    matches!(op, Op::Allocate { .. } | Op::Seek { whence: abi::SEEK_DATA | abi::SEEK_HOLE, .. })
}

fn compare(ops: &[Op], on_disk: bool) -> Result<(), TestCaseError> {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let shared = Path::new("/dev/shm");
    let place = if shared.is_dir() { shared.into() } else { std::env::temp_dir() };
    let directory = tempfile::tempdir_in(place).unwrap();
    let below: String = (0..DEPTH).map(|_| "vxdeep/").collect();
    std::fs::create_dir_all(directory.path().join(&below)).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let base = fs::open(directory.path().join(&below), flags, Mode::empty()).unwrap();
    let exact = fs::fstatfs(&base).unwrap().f_type == i64::from(abi::TMPFS_MAGIC);
    let mut host = Host { base, slots: Default::default() };

    let exact = exact && !on_disk;
    let mut world = if on_disk { World::on_disk() } else { World::new() };
    let mut path = String::new();
    for _ in 0..DEPTH {
        path += "/vxdeep";
        world.mkdir(&path).unwrap();
    }
    let base = world.open(&path, abi::O_RDONLY).unwrap();
    let mut ours = Ours { world, base, slots: Default::default() };

    let superuser = rustix::process::geteuid().is_root();
    // tmpfs takes pages that were allocated and not written for holes.
    let mut allocated = false;
    for op in ops {
        allocated |= matches!(op, Op::Allocate { .. });
        if let Op::Seek { whence: abi::SEEK_DATA | abi::SEEK_HOLE, .. } = op
            && (allocated || !exact)
        {
            continue;
        }
        if matches!(op, Op::Allocate { .. }) && !exact {
            continue;
        }
        if !superuser && needs_superuser(op) || on_disk && only_in_memory(op) {
            continue;
        }
        let theirs = host.run(op).map_err(|error| error.raw_os_error() as u16);
        let answer = ours.run(op).map_err(Errno::number);
        let (theirs, answer) = (comparable(theirs, exact), comparable(answer, exact));
        prop_assert_eq!(&answer, &theirs, "ours, Linux's: {}", format!("{op:?}"));
    }
    drop(host);
    finish(ours)
}

/// At the end everything is removed, and nothing may be left on any account.
fn finish(mut ours: Ours) -> Result<(), TestCaseError> {
    for slot in 0..SLOTS {
        ours.replace(slot, None);
    }
    let mut world = ours.world;
    world.close(ours.base).unwrap();
    remove_all(&mut world, "/vxdeep");
    world.root.reap(usize::MAX);
    if world.disk.is_some() {
        world.settle();
        prop_assert_eq!(world.disk.as_ref().map(super::disk::Disk::count), Some(0));
        prop_assert!(world.root.held(super::OWNER).get() <= crate::NODE_COST);
        prop_assert_eq!(world.root.open_files(), 0);
        return Ok(());
    }
    prop_assert_eq!(world.root.held(super::OWNER).get(), 0);
    prop_assert_eq!(world.root.open_files(), 0);
    Ok(())
}

fn remove_all(world: &mut World, path: &str) {
    for (name, kind) in world.entries(path) {
        let inner = format!("{path}/{}", String::from_utf8(name).unwrap());
        if u32::from(kind) << 12 == abi::S_IFDIR {
            remove_all(world, &inner);
        } else {
            world.unlink(&inner).unwrap();
        }
    }
    world.rmdir(path).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn linux_agrees(ops in ops()) {
        compare(&ops, false)?;
    }

    #[test]
    fn linux_agrees_on_disks(ops in ops()) {
        compare(&ops, true)?;
    }
}
