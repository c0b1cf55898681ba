//! Drives a file system on a disk in memory: does what a stop asks for, and holds the data.

use std::collections::VecDeque;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::disk::Disk;
use super::purse::{Purse, audit};
use crate::{
    Block, Caller, Ext2, FileBlock, Ino, Kind, Mounted, New, Next, Options, Payer, Stop, Time,
};
use vortex_abi::Errno;

/// More than any operation may need: a loop that does not end is a failure.
const STEPS: usize = 20_000;

/// A file system, its disk, and who asks.
pub struct Driver {
    pub ext2: Ext2<Purse>,
    pub disk: Disk,
    pub caller: Caller,
    /// Writes under way, in the order in which they were given out.
    under_way: VecDeque<(Block, Vec<u8>)>,
    /// Of writes under way the one that ends next, as a random number.
    pub random: u64,
    pub stops: usize,
    runs: usize,
}

pub fn caller(uid: u32) -> Caller {
    Caller {
        payer: Payer::new(1),
        uid,
        gid: uid,
        now: Time { seconds: 1_300_000_000, nanoseconds: 0 },
    }
}

impl Driver {
    pub fn mount(bytes: Vec<u8>, options: Options) -> Self {
        Self::try_mount(bytes, options).expect("it can be mounted").0
    }

    pub fn try_mount(bytes: Vec<u8>, options: Options) -> Result<(Self, Mounted), Errno> {
        let length = bytes.len() as u64;
        let superblock = bytes.get(1024..2048).unwrap_or(&[]).to_vec();
        let ext2 = Ext2::open(&superblock, length, options, Purse::default())
            .map_err(|why| why.errno())?;
        let mut driver = Self {
            ext2,
            disk: Disk::new(bytes),
            caller: caller(0),
            under_way: VecDeque::new(),
            random: 1,
            stops: 0,
            runs: 0,
        };
        let mounted = driver.run(|ext2, caller| ext2.mount(caller))?;
        Ok((driver, mounted))
    }

    fn dice(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Now and then: it looks at all that is kept.
    fn audit(&mut self) {
        self.runs += 1;
        if self.runs.is_multiple_of(256) {
            audit(&self.ext2);
        }
    }

    pub fn block_size(&self) -> usize {
        self.ext2.block_size() as usize
    }

    /// One operation to its end.
    pub fn run<T>(
        &mut self,
        mut operation: impl FnMut(&mut Ext2<Purse>, &Caller) -> Result<T, Stop>,
    ) -> Result<T, Errno> {
        for _ in 0..STEPS {
            let caller = self.caller;
            match operation(&mut self.ext2, &caller) {
                Ok(value) => {
                    self.audit();
                    return Ok(value);
                }
                Err(Stop::Error(errno)) => return Err(errno),
                Err(Stop::Again) => self.stops += 1,
                Err(Stop::Fetch(block)) => self.fetch(block),
                Err(Stop::Flush) => {
                    self.stops += 1;
                    let worked = self.work(true);
                    assert!(worked, "it waits for nothing: {}", self.ext2.waiting());
                }
            }
        }
        for _ in 0..12 {
            let caller = self.caller;
            let stop = operation(&mut self.ext2, &caller).err();
            let waiting = self.ext2.waiting();
            let next = self.ext2.next_write(true);
            std::println!("{stop:?} {next:?} {waiting}\n");
        }
        panic!("an operation does not end: {}", self.ext2.waiting());
    }

    fn fetch(&mut self, block: Block) {
        let size = self.block_size();
        let at = u64::from(block.get()) * size as u64;
        let bytes = self.disk.read(at, size).to_vec();
        self.ext2.fetched(self.caller.payer, block, Ok(&bytes));
    }

    fn complete(&mut self) -> bool {
        if self.under_way.is_empty() {
            return false;
        }
        let index = self.dice() as usize % self.under_way.len();
        let (block, bytes) = self.under_way.remove(index).expect("one is there");
        let at = u64::from(block.get()) * bytes.len() as u64;
        self.disk.write(at, &bytes);
        self.ext2.written(block, Ok(()));
        true
    }

    /// Does something for the disk; whether there was anything to do.
    pub fn work(&mut self, urgent: bool) -> bool {
        match self.ext2.next_write(urgent) {
            Next::Write(write) => self.under_way.push_back((write.block, write.bytes.to_vec())),
            Next::Flush => {
                self.disk.flush();
                self.ext2.flushed(Ok(()));
            }
            Next::Again => {}
            Next::Nothing => return self.complete(),
        }
        // Some end before the next is given out.
        if self.dice().is_multiple_of(4) {
            self.complete();
        }
        true
    }

    /// Everything that waits is written.
    pub fn drain(&mut self) {
        while self.work(false) {}
    }

    pub fn sync(&mut self, ino: Ino) {
        // What is in files is on the disk already: it only has to stay there.
        self.disk.flush();
        self.run(|ext2, _| ext2.sync(ino)).expect("sync");
    }

    pub fn unmount(mut self) -> Vec<u8> {
        self.run(|ext2, caller| ext2.unmount(caller)).expect("unmount");
        self.disk.bytes
    }

    pub fn lookup(&mut self, dir: Ino, name: &str) -> Result<Ino, Errno> {
        let found = self.run(|ext2, _| ext2.lookup(dir, name.as_bytes()))?;
        found.ok_or(Errno::ENOENT)
    }

    pub fn walk(&mut self, path: &str) -> Result<Ino, Errno> {
        let mut at = Ino::ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.lookup(at, name)?;
        }
        Ok(at)
    }

    pub fn create(&mut self, dir: Ino, name: &str, what: New<'_>) -> Result<Ino, Errno> {
        self.run(|ext2, caller| ext2.create(caller, dir, name.as_bytes(), what, 0o755))
    }

    /// Removes a name, and what has none any more.
    pub fn unlink(&mut self, dir: Ino, name: &str) -> Result<(), Errno> {
        let ino = self.run(|ext2, caller| ext2.unlink(caller, dir, name.as_bytes()))?;
        self.run(|ext2, caller| ext2.release(caller, ino))
    }

    pub fn rmdir(&mut self, dir: Ino, name: &str) -> Result<(), Errno> {
        let ino = self.run(|ext2, caller| ext2.rmdir(caller, dir, name.as_bytes()))?;
        self.run(|ext2, caller| ext2.release(caller, ino))
    }

    /// Writes to a file, as the file cache would, through to the disk.
    pub fn write(&mut self, ino: Ino, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        let size = self.block_size() as u64;
        let mut done = 0;
        while done < bytes.len() {
            let position = at + done as u64;
            let first = FileBlock::new((position / size) as u32);
            let blocks = (bytes.len() - done).div_ceil(size as usize) as u32 + 1;
            let old_size = self.run(|ext2, _| ext2.inode(ino))?.size;
            let last = FileBlock::new(((at + bytes.len() as u64 - 1) / size) as u32);
            let count = blocks.min(last.get() - first.get() + 1);
            let runs = self.run(|ext2, caller| ext2.allocate(caller, ino, first, count))?;
            for run in runs {
                for offset in 0..run.count {
                    let block = run.at.expect("it was made").get() + offset;
                    let begin = u64::from(run.first.get() + offset) * size;
                    let place = u64::from(block) * size;
                    let mut content = if run.new {
                        vec![0; size as usize]
                    } else {
                        self.disk.read(place, size as usize).to_vec()
                    };
                    // What lies beyond the size is zeroes.
                    let keep = old_size.saturating_sub(begin).min(size) as usize;
                    content[keep..].fill(0);
                    let from = position.max(begin);
                    let to = (at + bytes.len() as u64).min(begin + size);
                    if from < to {
                        let source = &bytes[(from - at) as usize..(to - at) as usize];
                        content[(from - begin) as usize..(to - begin) as usize]
                            .copy_from_slice(source);
                        done = (to - at) as usize;
                    }
                    self.disk.write(place, &content);
                }
            }
            let end = at + done as u64;
            self.run(|ext2, caller| ext2.wrote(caller, ino, end))?;
        }
        Ok(())
    }

    /// Sets a file's size; what lies beyond it in its last block is cleared.
    pub fn cut(&mut self, ino: Ino, size: u64) -> Result<(), Errno> {
        let before = self.run(|ext2, _| ext2.inode(ino))?.size;
        self.run(|ext2, caller| ext2.set_size(caller, ino, size))?;
        let block_size = self.block_size() as u64;
        let end = before.min(size);
        if end % block_size != 0 {
            let block = FileBlock::new((end / block_size) as u32);
            let runs = self.run(|ext2, _| ext2.map(ino, block, 1))?;
            if let Some(at) = runs[0].at {
                let place = u64::from(at.get()) * block_size;
                let mut content = self.disk.read(place, block_size as usize).to_vec();
                content[(end % block_size) as usize..].fill(0);
                self.disk.write(place, &content);
            }
        }
        Ok(())
    }

    /// The inode that a path leads to.
    pub fn lookup_in(&mut self, path: &str) -> Result<Ino, Errno> {
        self.walk(path)
    }

    /// All of a file.
    pub fn read(&mut self, ino: Ino) -> Result<Vec<u8>, Errno> {
        let length = self.run(|ext2, _| ext2.inode(ino))?.size as usize;
        let size = self.block_size();
        let mut content = Vec::new();
        while content.len() < length {
            let first = FileBlock::new((content.len() / size) as u32);
            let left = (length - content.len()).div_ceil(size) as u32;
            for run in self.run(|ext2, _| ext2.map(ino, first, left))? {
                for offset in 0..run.count {
                    match run.at {
                        Some(at) => {
                            let place = u64::from(at.get() + offset) * size as u64;
                            content.extend_from_slice(self.disk.read(place, size));
                        }
                        None => content.resize(content.len() + size, 0),
                    }
                }
            }
        }
        content.truncate(length);
        Ok(content)
    }

    /// The names in a directory, but for itself and its parent.
    pub fn names(&mut self, dir: Ino) -> Result<Vec<(String, Ino)>, Errno> {
        let mut names = Vec::new();
        let mut cookie = 0;
        loop {
            let listing = self.run(|ext2, _| ext2.list(dir, cookie, 7))?;
            for entry in listing.entries {
                let name = String::from_utf8_lossy(&entry.name).into_owned();
                if name != "." && name != ".." {
                    names.push((name, entry.ino));
                }
            }
            cookie = listing.next;
            if listing.end {
                return Ok(names);
            }
        }
    }

    pub fn kind(&mut self, ino: Ino) -> Kind {
        self.run(|ext2, _| ext2.inode(ino)).expect("it is there").kind
    }
}
