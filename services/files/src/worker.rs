//! One process: what it does by chance, and what must come of it.

use vortex_aio::is_vortex;
use vortex_guest::mem::{BOTH, Region};
use vortex_guest::random::Random;
use vortex_guest::{Res, fd, file};

use crate::bytes::bytes;
use crate::calls::{get_at, names, put, put_at, set_time, sync};
use crate::fail;
use crate::model::{Answer, Model, SHARED, What, join, split};

/// What is moved past the cache is whole ones.
const SECTOR: usize = 512;
/// How deep folders are at most.
const DEEP: usize = 3;
/// Bytes of a file at most, but for one that is for a moment much longer.
const MOST: usize = 400_000;
/// Where that one has a byte: with blocks of 1 KiB that is behind three levels of blocks that
/// name blocks.
const FAR: usize = 70_000_000;
/// Names in a folder, of which some are long.
const SHORT: [&str; 8] = ["a", "b", "c", "d", "file-of-work", "folder", "x.tmp", ".hidden"];

/// It.
pub struct Worker {
    /// Where the file system is, and which of the processes this is.
    place: String,
    number: u64,
    random: Random,
    model: Model,
}

impl Worker {
    /// With its folder, which is made.
    pub fn new(place: &str, number: u64, seed: u64) -> Self {
        let random = Random::new(seed.wrapping_mul(1_000).wrapping_add(number));
        let worker = Self { place: place.into(), number, random, model: Model::new() };
        worker.is("its folder", file::mkdir(&worker.real(""), 0o755), Ok(()));
        worker
    }

    /// The path that the kernel is told.
    fn real(&self, path: &str) -> String {
        let (place, number) = (&self.place, self.number);
        match path.strip_prefix(SHARED) {
            Some("") => format!("{place}/shared"),
            Some(name) => format!("{place}/shared/p{number}-{name}"),
            None if path.is_empty() => format!("{place}/p{number}"),
            None => format!("{place}/p{number}/{path}"),
        }
    }

    fn wrong(&self, what: &str) -> ! {
        fail(&format!("process {}: {what}", self.number))
    }

    fn is<T>(&self, what: &str, found: Res<T>, expected: Answer) {
        let found = found.map(drop).map_err(|error| error.0);
        if found != expected {
            self.wrong(&format!("{what}: {found:?}, not {expected:?}"));
        }
    }

    fn opened(&self, path: &str, flags: i32) -> i32 {
        match file::open(&self.real(path), flags) {
            Ok(file) => file,
            Err(error) => self.wrong(&format!("open {path}: {error}")),
        }
    }

    fn closed(&self, file: i32) {
        self.is("close", fd::close(file), Ok(()));
    }

    /// A path in a folder that is there: of something, or of nothing yet.
    fn any(&mut self) -> String {
        let folders = self.model.folders();
        let folder = folders[self.random.below(folders.len())].clone();
        let name = match self.random.below(10) {
            long @ 8.. => format!("{long}").repeat(200),
            short => SHORT[short].to_string(),
        };
        join(&folder, &name)
    }

    /// The path of a file, if there is one.
    fn file(&mut self) -> Option<String> {
        let paths = self.model.paths();
        for _ in 0..10 {
            let path = &paths[self.random.below(paths.len())];
            if matches!(self.model.get(path).map(|node| &node.what), Some(What::File(_))) {
                return Some(path.clone());
            }
        }
        None
    }

    fn fresh(&mut self, most: usize) -> Vec<u8> {
        let (number, length) = (self.random.number(), self.random.below(most) + 1);
        bytes(number, 0, length)
    }

    /// One operation. Its kind is what chance says.
    pub fn step(&mut self) {
        match self.random.below(20) {
            0..3 => self.create(),
            3..6 => self.write(),
            6..8 => self.append(),
            8 => self.truncate(),
            9 => self.read(),
            10 | 11 => self.rename(),
            12 => self.link(),
            13 => self.unlink(),
            14 => self.folder(),
            15 => self.describe(),
            16 => self.sync(),
            17 => self.list(),
            18 if self.random.below(2) == 0 => self.direct(),
            18 => self.held(),
            _ => self.far(),
        }
    }

    fn create(&mut self) {
        let path = self.any();
        if self.random.below(3) == 0 {
            return self.create_nameless(&path);
        }
        let expected = self.model.make(&path, What::File(Vec::new()), 0o644);
        let made = file::open(&self.real(&path), libc::O_RDWR | libc::O_CREAT | libc::O_EXCL);
        self.is("create", made, expected);
        if let Ok(file) = made {
            let content = self.fresh(20_000);
            self.is("write", put(file, &content), Ok(()));
            self.closed(file);
            self.model.content(&path).into_iter().for_each(|old| *old = content.clone());
        }
    }

    /// A file that is written before it gets its name, which something else may have.
    fn create_nameless(&mut self, path: &str) {
        let (folder, _) = split(path);
        let flags = libc::O_TMPFILE | libc::O_RDWR;
        let file = match file::open_mode(&self.real(folder), flags, 0o644) {
            Ok(file) => file,
            Err(error) => self.wrong(&format!("a file without a name in {folder}: {error}")),
        };
        let content = self.fresh(20_000);
        self.is("write", put(file, &content), Ok(()));
        if self.random.below(2) == 0 {
            self.is("fsync", fd::sync(file), Ok(()));
        }
        let links = file::fstat(file).map_or(1, |stat| stat.links());
        if links != 0 {
            self.wrong(&format!("a file without a name has {links}"));
        }
        let expected = self.model.make(path, What::File(content), 0o644);
        self.is("give a name", file::link_open(file, &self.real(path)), expected);
        self.closed(file);
    }

    fn write(&mut self) {
        let Some(path) = self.file() else { return };
        let content = self.fresh(40_000);
        let at = self.random.below(MOST - content.len());
        let lasting = [0, 0, libc::O_DSYNC, libc::O_SYNC][self.random.below(4)];
        let file = self.opened(&path, libc::O_WRONLY | lasting);
        self.is("write", put_at(file, &content, at), Ok(()));
        self.closed(file);
        if let Some(old) = self.model.content(&path) {
            old.resize(old.len().max(at + content.len()), 0);
            old[at..at + content.len()].copy_from_slice(&content);
        }
    }

    fn append(&mut self) {
        let Some(path) = self.file() else { return };
        let content = self.fresh(9_000);
        let file = self.opened(&path, libc::O_WRONLY | libc::O_APPEND);
        self.is("append", put(file, &content), Ok(()));
        self.closed(file);
        if let Some(old) = self.model.content(&path) {
            old.extend(content);
        }
    }

    fn truncate(&mut self) {
        let Some(path) = self.file() else { return };
        let length = self.random.below(MOST / 4);
        self.is("truncate", file::truncate(&self.real(&path), length as i64), Ok(()));
        if let Some(old) = self.model.content(&path) {
            old.resize(length, 0);
        }
    }

    fn read(&mut self) {
        let Some(path) = self.file() else { return };
        self.check(&path);
    }

    /// Compares a path with what must be there.
    fn check(&self, path: &str) {
        let Some(node) = self.model.get(path) else { return };
        let stat = match file::lstat(&self.real(path)) {
            Ok(stat) => stat,
            Err(error) => self.wrong(&format!("{path}: {error}")),
        };
        let mode = stat.mode();
        match &node.what {
            What::File(content) => {
                let file = self.opened(path, libc::O_RDONLY);
                let found = get_at(file, 0, content.len() + 1);
                self.closed(file);
                let found = found.unwrap_or_else(|error| self.wrong(&format!("{path}: {error}")));
                if let Some(at) = (0..content.len()).find(|at| found.get(*at) != content.get(*at)) {
                    self.wrong(&format!("{path} differs from byte {at} on"));
                }
                let all = (found.len(), stat.size(), stat.links(), mode);
                let must = (content.len(), content.len() as i64, node.names, node.mode);
                if all != must {
                    self.wrong(&format!("{path}: read, size, links, mode {all:?}, not {must:?}"));
                }
            }
            What::Folder if stat.kind() == "folder" && mode == node.mode => {}
            What::Link(target) if stat.kind() == "link" => {
                match file::readlink(&self.real(path), 4_096) {
                    Ok(found) if found == *target => {}
                    other => self.wrong(&format!("{path}: links to {other:?}")),
                }
            }
            _ => self.wrong(&format!("{path}: is a {} of mode {mode:o}", stat.kind())),
        }
    }

    fn rename(&mut self) {
        let (from, to) = (self.any(), self.any());
        let folder = |path: &str| self.model.get(path).is_some_and(|n| n.what == What::Folder);
        // The folder of all has files only, and no folder is to become too deep. Which of two
        // errors comes first is not said where the other is above this one.
        let below = from.starts_with(&format!("{to}/"));
        if folder(&from) && (to.starts_with(SHARED) || depth(&to) > 1) || below {
            return;
        }
        let expected = self.model.rename(&from, &to);
        let done = file::rename(&self.real(&from), &self.real(&to));
        self.is(&format!("rename {from} {to}"), done, expected);
    }

    fn link(&mut self) {
        let (from, to) = (self.any(), self.any());
        if self.random.below(2) == 0 {
            let expected = self.model.link(&from, &to);
            let done = file::link(&self.real(&from), &self.real(&to));
            return self.is(&format!("link {from} {to}"), done, expected);
        }
        // Short targets are in the inode, long ones in a block.
        let target = "to/".repeat(self.random.below(100) + 1);
        let expected = self.model.make(&to, What::Link(target.clone()), 0o777);
        self.is("symlink", file::symlink(&target, &self.real(&to)), expected);
    }

    fn unlink(&mut self) {
        let path = self.any();
        let expected = self.model.unlink(&path);
        self.is("unlink", file::unlink(&self.real(&path)), expected);
    }

    fn folder(&mut self) {
        let path = self.any();
        if path.starts_with(SHARED) || depth(&path) > DEEP {
            return;
        }
        if self.random.below(3) == 0 {
            let expected = self.model.rmdir(&path);
            return self.is("rmdir", file::rmdir(&self.real(&path)), expected);
        }
        let expected = self.model.make(&path, What::Folder, 0o755);
        self.is("mkdir", file::mkdir(&self.real(&path), 0o755), expected);
    }

    fn describe(&mut self) {
        let Some(path) = self.file() else { return };
        // Such that its owner, who is not always root, reads and writes.
        let mode = 0o600 | self.random.below(0o200) as u32;
        self.is("chmod", file::chmod(&self.real(&path), mode), Ok(()));
        self.is("utimensat", set_time(&self.real(&path), 77), Ok(()));
        self.model.get_mut(&path).into_iter().for_each(|node| node.mode = mode);
    }

    fn sync(&mut self) {
        let Some(path) = self.file() else { return };
        self.is("fsync", sync(&self.real(&path)), Ok(()));
        if self.random.below(2) == 0 {
            let (folder, _) = split(&path);
            self.is("fsync of a folder", sync(&self.real(folder)), Ok(()));
        }
    }

    fn list(&mut self) {
        let folders = self.model.folders();
        let folder = folders[self.random.below(folders.len())].clone();
        self.listed(&folder);
    }

    fn listed(&self, folder: &str) {
        let mut found = match names(&self.real(folder)) {
            Ok(found) => found,
            Err(error) => self.wrong(&format!("list {folder}: {error}")),
        };
        let mut expected = self.model.children(folder);
        if folder == SHARED {
            let ours = format!("p{}-", self.number);
            found.retain(|name| name.starts_with(&ours));
            expected.iter_mut().for_each(|name| *name = format!("{ours}{name}"));
        }
        expected.sort();
        if found != expected {
            self.wrong(&format!("in {folder} are {found:?}, not {expected:?}"));
        }
    }

    /// A file that is used when its name is gone.
    fn held(&mut self) {
        let Some(path) = self.file() else { return };
        let file = self.opened(&path, libc::O_RDWR);
        let Some(node) = self.model.get(&path) else { return };
        let (length, names) = match &node.what {
            What::File(content) => (content.len(), node.names - 1),
            _ => return,
        };
        let expected = self.model.unlink(&path);
        self.is("unlink", file::unlink(&self.real(&path)), expected);
        let links = file::fstat(file).map(|stat| stat.links());
        if names > 0 {
            // What is written through it would be another name's content.
            if links.map_err(|error| error.0) != Ok(names) {
                self.wrong(&format!("{path}: {links:?} links of one that has {names} more"));
            }
            return self.closed(file);
        }
        let content = self.fresh(30_000);
        self.is("write without a name", put_at(file, &content, length), Ok(()));
        if get_at(file, length, content.len()).map_err(|error| error.0) != Ok(content) {
            self.wrong(&format!("{path} without a name has other content"));
        }
        self.closed(file);
    }

    /// A file that is moved past the cache: by sectors alone, and as others see it.
    fn direct(&mut self) {
        let Some(path) = self.file() else { return };
        let file = self.opened(&path, libc::O_RDWR | libc::O_DIRECT);
        let sectors = self.random.below(40) + 2;
        let length = sectors * SECTOR;
        let at = self.random.below(MOST / 4 / SECTOR) * SECTOR;
        let memory = Region::anonymous(64 * SECTOR, BOTH);
        let write = |file, from, length, at: usize| {
            fd::seek(file, at as i64, libc::SEEK_SET).and_then(|_| memory.write(file, from, length))
        };
        // Of no use, or, as of Linux's here, written all the same: what follows is over it.
        let parts = [
            ("a part of a sector", write(file, 0, length - 1, at)),
            ("within a sector", write(file, 0, length - SECTOR, at + 1)),
            ("odd memory", write(file, 1, length, at)),
        ];
        for (what, part) in parts {
            if part.is_ok() && is_vortex() {
                self.wrong(&format!("{path}: {what} is written past the cache"));
            }
        }
        let content = bytes(self.random.number(), 0, length);
        memory.put_all(0, &content);
        let written = write(file, 0, length, at).map_err(|error| error.0);
        if written != Ok(length) {
            self.wrong(&format!("{path}: written past the cache: {written:?}"));
        }
        let Some(old) = self.model.content(&path) else { return };
        old.resize(old.len().max(at + length), 0);
        old[at..at + length].copy_from_slice(&content);
        // The last sector of a file is read in part.
        let from = self.random.below(old.len() / SECTOR + 1) * SECTOR;
        let must = old[from..old.len().min(from + length)].to_vec();
        let read = fd::seek(file, from as i64, libc::SEEK_SET)
            .and_then(|_| memory.read(file, 0, length))
            .map_err(|error| error.0);
        if read != Ok(must.len()) || (0..must.len()).any(|at| memory.get(at) != must[at]) {
            self.wrong(&format!("{path}: read past the cache: {read:?} from {from} on"));
        }
        self.is("unmap", memory.unmap(0, 64 * SECTOR), Ok(()));
        self.closed(file);
    }

    /// A byte far away, and what is between.
    fn far(&mut self) {
        let Some(path) = self.file() else { return };
        let Some(length) = self.model.content(&path).map(|content| content.len()) else { return };
        let at = FAR + self.random.below(10_000);
        let file = self.opened(&path, libc::O_RDWR);
        self.is("write far away", put_at(file, b"far", at), Ok(()));
        let hole = get_at(file, at - 5_000, 5_003).unwrap_or_default();
        if hole.len() != 5_003 || hole[..5_000].iter().any(|b| *b != 0) || hole[5_000..] != *b"far"
        {
            self.wrong(&format!("{path} has other content far away"));
        }
        self.is("truncate", fd::truncate(file, length as i64), Ok(()));
        self.closed(file);
    }

    /// Compares everything, and gives everything a time.
    pub fn end(&self) {
        for path in self.model.paths() {
            self.check(&path);
        }
        for folder in self.model.folders() {
            self.listed(&folder);
        }
        for path in self.model.paths().iter().rev().filter(|path| *path != SHARED) {
            let sum = path.bytes().fold(7_u64, |sum, byte| sum * 31 % 99_991 + u64::from(byte));
            // Of names of one file the first, which comes last, counts.
            let time = set_time(&self.real(path), 1_000_000_000 + sum as i64);
            self.is("utimensat", time, Ok(()));
        }
    }
}

/// How many folders a path is below.
fn depth(path: &str) -> usize {
    path.matches('/').count()
}
