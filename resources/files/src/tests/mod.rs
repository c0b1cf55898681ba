//! Tests, a file each topic; here what they share.

use alloc::vec::Vec;
use core::any::Any;
use core::cell::RefCell;
use linux_raw_sys::general as abi;

use self::disk::Disk;
use crate::{
    Ask, At, Attributes, Caller, Collect, Dev, Effects, Errno, Fd, NoProc, Opened, Outcome, Owner,
    Place, ProcSource, Root, Stamp, Table, Then, Time, Walks,
};
use vortex_units::Bytes;

mod archives;
mod arguments;
mod attributes;
mod charges;
mod descriptors;
mod disk;
mod disks;
mod files;
mod host;
mod linux;
mod linux_epoll;
mod linux_pipes;
mod linux_sockets;
mod listing;
mod mounted;
mod names;
mod ops;
mod overlay;
mod pipes;
mod proc;
mod readiness;
mod sockets;

pub(crate) const OWNER: Owner = Owner::new(7);
pub(crate) const LIMIT: Bytes = Bytes::new(64 << 20);

/// Names with their types.
pub(crate) type Names = Vec<(Vec<u8>, u8)>;

/// What a call returns that returns nothing.
fn nothing<T: 'static>() -> Option<T> {
    let mut value: Option<T> = None;
    let any: &mut dyn Any = &mut value;
    if let Some(unit) = any.downcast_mut::<Option<()>>() {
        *unit = Some(());
    } else if let Some(reply) = any.downcast_mut::<Option<ops::Reply>>() {
        *reply = Some(ops::Reply::Unit);
    }
    value
}

/// A tree with one process.
pub(crate) struct World {
    pub root: Root,
    pub table: Table,
    pub place: Place,
    pub effects: Effects,
    pub now: Time,
    pub largest: u64,
    /// What is mounted at the top, if anything is.
    pub disk: Option<Disk>,
    /// Who calls.
    pub owner: Owner,
}

impl World {
    pub fn new() -> Self {
        Self::with_archive(&[])
    }

    pub fn with_archive(archive: &[u8]) -> Self {
        Self::with_archive_without(archive, None)
    }

    pub fn with_archive_without(archive: &[u8], kept: Option<&str>) -> Self {
        let now = Time::new(1_000, 0);
        let mut root = Root::load_without(archive, kept, LIMIT, Owner::new(0), now).unwrap();
        let place = root.place();
        Self {
            root,
            table: Table::default(),
            place,
            effects: Effects::new(),
            now,
            largest: u64::MAX,
            disk: None,
            owner: OWNER,
        }
    }

    /// A tree that is on a disk.
    pub fn on_disk() -> Self {
        let mut world = Self::new();
        let dev = Dev::new(8, 0);
        world.root.add_disk("sda", (dev, 1 << 20), Owner::new(0), world.now).unwrap();
        world.disk = Some(Disk::new());
        world.call(|root, caller, _| root.mount(caller, b"/dev/sda", b"/", b"ext2", 0)).unwrap();
        let place = world.root.place();
        let old = core::mem::replace(&mut world.place, place);
        world.root.drop_place(old, &mut world.effects);
        world
    }

    /// Calls with the tree and the caller apart.
    pub fn call<T: 'static>(
        &mut self,
        call: impl FnMut(&mut Root, &Caller, &mut Effects) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.call_with(&NoProc, call)
    }

    pub fn call_with<T: 'static>(
        &mut self,
        proc: &dyn ProcSource,
        mut call: impl FnMut(&mut Root, &Caller, &mut Effects) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.now.seconds += 1;
        let walks = RefCell::new(Walks::default());
        loop {
            walks.borrow_mut().begin();
            let caller = Caller {
                table: &self.table,
                place: &self.place,
                proc,
                owner: self.owner,
                pid: 1,
                largest: self.largest,
                now: self.now,
                walks: self.disk.is_some().then_some(&walks),
            };
            let result = call(&mut self.root, &caller, &mut self.effects);
            self.settle();
            let ask = walks.borrow_mut().take_ask();
            assert!(walks.borrow_mut().take_wait().is_none(), "there is nobody to wait for");
            match ask {
                Some(ask) => match self.ask(ask)? {
                    Then::Again => {}
                    Then::Done => return Ok(nothing().expect("a call that returns something")),
                    Then::Opens(made) => walks.borrow_mut().open(made),
                },
                None if walks.borrow().is_suspended() => {}
                None => match &result {
                    Err(error)
                        if self.root.take_refused()
                            && Root::wants_room(&walks.borrow(), *error)
                            && self.root.forget_for(self.owner) => {}
                    _ => return result,
                },
            }
        }
    }

    /// Several calls with the tree and the caller apart, none of which asks a disk.
    pub fn see<T>(
        &mut self,
        proc: &dyn ProcSource,
        calls: impl FnOnce(&mut Root, &Caller, &mut Effects) -> T,
    ) -> T {
        self.now.seconds += 1;
        let caller = Caller {
            table: &self.table,
            place: &self.place,
            proc,
            owner: self.owner,
            pid: 1,
            largest: self.largest,
            now: self.now,
            walks: None,
        };
        calls(&mut self.root, &caller, &mut self.effects)
    }

    fn ask(&mut self, ask: Ask) -> Result<Then, Errno> {
        let told = self.disk.as_mut().map_or(Err(Errno::EIO), |disk| disk.answer(&ask));
        let then = self.root.told(ask, told, &mut self.effects);
        self.settle();
        then
    }

    /// What no call waits for is asked, too.
    pub fn settle(&mut self) {
        while let Some(ask) = self.root.take_later() {
            let told = self.disk.as_mut().map_or(Err(Errno::EIO), |disk| disk.answer(&ask));
            let _ = self.root.told(ask, told, &mut self.effects).unwrap();
        }
    }

    pub fn open_at(&mut self, at: At, flags: u32, mode: u32) -> Result<Fd, Errno> {
        self.table.make_room(1)?;
        match self.call(|root, caller, effects| root.open(caller, at, flags, mode, effects))? {
            Opened::Ready(open) => self.table.install(open, flags & abi::O_CLOEXEC != 0),
            Opened::Waiting { .. } => panic!("the open waits"),
        }
    }

    pub fn open(&mut self, path: &str, flags: u32) -> Result<Fd, Errno> {
        self.open_at(At::cwd(path.as_bytes()), flags, 0o644)
    }

    pub fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        self.table.close(&mut self.root, fd, &mut self.effects)
    }

    /// Reads, as its caller does: of a file on a disk a part may be there.
    pub fn read_at(&mut self, fd: Fd, count: usize, at: Option<i64>) -> Result<Vec<u8>, Errno> {
        let mut all = self.read_some(fd, count, at)?;
        while self.disk.is_some() && !all.is_empty() && all.len() < count {
            let at = at.map(|at| at + all.len() as i64);
            match self.read_some(fd, count - all.len(), at) {
                Ok(part) if !part.is_empty() => all.extend(part),
                // What is read counts.
                _ => break,
            }
        }
        Ok(all)
    }

    fn read_some(&mut self, fd: Fd, count: usize, at: Option<i64>) -> Result<Vec<u8>, Errno> {
        let open = self.table.get(fd)?;
        let mut sink = Collect::new(count);
        let outcome = self.call(|root, caller, effects| {
            root.read(caller, open, at, &mut sink, &mut |bytes| bytes.fill(0x5a), effects)
        })?;
        let bytes = sink.into_bytes();
        match outcome {
            Outcome::Done(done) => assert_eq!(done, bytes.len()),
            other => panic!("not done: {other:?}"),
        }
        Ok(bytes)
    }

    pub fn read(&mut self, fd: Fd, count: usize) -> Result<Vec<u8>, Errno> {
        self.read_at(fd, count, None)
    }

    pub fn try_write(&mut self, fd: Fd, bytes: &[u8], at: Option<i64>) -> Result<Outcome, Errno> {
        let open = self.table.get(fd)?;
        let mut done = 0;
        loop {
            let mut source = &bytes[done..];
            let at = at.map(|at| at + done as i64);
            let outcome = self
                .call(|root, caller, effects| root.write(caller, open, at, &mut source, effects))?;
            match outcome {
                Outcome::Done(part) if self.disk.is_some() => {
                    done += part;
                    if part == 0 || done == bytes.len() {
                        return Ok(Outcome::Done(done));
                    }
                }
                other => return Ok(other),
            }
        }
    }

    pub fn write(&mut self, fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
        match self.try_write(fd, bytes, None)? {
            Outcome::Done(done) => Ok(done),
            other => panic!("not done: {other:?}"),
        }
    }

    /// Makes a file with these contents.
    pub fn file(&mut self, path: &str, contents: &[u8]) {
        let fd = self.open(path, abi::O_CREAT | abi::O_TRUNC | abi::O_WRONLY).unwrap();
        let mut rest = contents;
        while !rest.is_empty() {
            let done = self.write(fd, rest).unwrap();
            rest = &rest[done..];
        }
        self.close(fd).unwrap();
    }

    pub fn contents(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let fd = self.open(path, abi::O_RDONLY)?;
        let mut contents = Vec::new();
        loop {
            match self.read(fd, 1 << 20) {
                Ok(part) if part.is_empty() => break,
                Ok(part) => contents.extend(part),
                Err(error) => {
                    self.close(fd).unwrap();
                    return Err(error);
                }
            }
        }
        self.close(fd).unwrap();
        Ok(contents)
    }

    pub fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        self.call(|root, caller, _| root.mkdir(caller, At::cwd(path.as_bytes()), 0o755))
    }

    pub fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        self.call(|root, caller, _| root.unlink(caller, At::cwd(path.as_bytes()), 0))
    }

    pub fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        let at = At::cwd(path.as_bytes());
        self.call(|root, caller, _| root.unlink(caller, at, abi::AT_REMOVEDIR))
    }

    pub fn symlink(&mut self, text: &str, path: &str) -> Result<(), Errno> {
        let at = At::cwd(path.as_bytes());
        self.call(|root, caller, _| root.symlink(caller, text.as_bytes(), at))
    }

    pub fn link(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        let (old, new) = (At::cwd(old.as_bytes()), At::cwd(new.as_bytes()));
        self.call(|root, caller, _| root.hard_link(caller, old, new, 0))
    }

    pub fn rename(&mut self, old: &str, new: &str, flags: u32) -> Result<(), Errno> {
        let (old, new) = (At::cwd(old.as_bytes()), At::cwd(new.as_bytes()));
        self.call(|root, caller, _| root.rename(caller, old, new, flags))
    }

    pub fn mkfifo(&mut self, path: &str) -> Result<(), Errno> {
        let at = At::cwd(path.as_bytes());
        self.call(|root, caller, _| root.mknod(caller, at, abi::S_IFIFO | 0o644, Dev::default()))
    }

    pub fn stat(&mut self, path: &str) -> Result<Attributes, Errno> {
        let at = At::cwd(path.as_bytes());
        self.call(|root, caller, _| root.stat(caller, at, abi::AT_SYMLINK_NOFOLLOW))
    }

    pub fn utimens(&mut self, path: &str, times: [Stamp; 2]) -> Result<(), Errno> {
        let at = At::cwd(path.as_bytes());
        self.call(|root, caller, _| root.utimens(caller, at, times, 0))
    }

    pub fn chdir(&mut self, path: &str) -> Result<(), Errno> {
        let node = self.call(|root, caller, _| root.find_directory(caller, path.as_bytes()))?;
        self.root.enter(&mut self.place, node, &mut self.effects);
        Ok(())
    }

    /// The records of one `getdents64`: names with their types, and the count of bytes.
    pub fn list(&mut self, fd: Fd, room: usize) -> Result<(Names, usize), Errno> {
        let open = self.table.get(fd)?;
        let mut sink = Collect::new(room);
        let done = self.call(|root, caller, _| root.list(caller, open, &mut sink))?;
        let bytes = sink.into_bytes();
        assert_eq!(done, bytes.len());
        Ok((listing::records(&bytes), done))
    }

    /// The entries of a directory but `.` and `..`, sorted.
    pub fn entries(&mut self, path: &str) -> Names {
        let fd = self.open(path, abi::O_RDONLY | abi::O_DIRECTORY).unwrap();
        let mut all = Vec::new();
        loop {
            let (mut part, done) = self.list(fd, 300).unwrap();
            if done == 0 {
                break;
            }
            all.append(&mut part);
        }
        self.close(fd).unwrap();
        all.retain(|(name, _)| name != b"." && name != b"..");
        all.sort();
        all
    }
}
