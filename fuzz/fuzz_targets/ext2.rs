//! A small ext2 file system with arbitrary bytes in it: what is asked of it may fail, and must
//! not panic, nor go on for ever.
//!
//! The input is pairs of a place and a byte, of four bytes each, that are put over an image
//! of a kilobyte's blocks whose superblock and descriptor are sound to begin with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vortex_ext2::{Caller, Ext2, FileBlock, Free, Ino, New, Next, Options, Stop};

const BLOCK: usize = 1024;
const BLOCKS: usize = 256;
/// More than any operation on so small an image may need.
const STEPS: usize = 100_000;

/// An empty file system: superblock, descriptor, bitmaps, 32 inodes, a root.
fn image() -> Vec<u8> {
    let mut bytes = vec![0; BLOCK * BLOCKS];
    let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    for (at, value) in
        [(0, 32), (4, 256), (12, 240), (16, 21), (20, 1), (32, 8192), (36, 8192), (40, 32)]
    {
        put(BLOCK + at, value);
    }
    put(BLOCK + 56, 0x1_ef53);
    for (at, value) in [(0, 3), (4, 4), (8, 5), (12, 240 | 21 << 16), (16, 1)] {
        put(2 * BLOCK + at, value);
    }
    put(3 * BLOCK, 0x3ff);
    put(4 * BLOCK, 0x7ff);
    let root = 5 * BLOCK + 128;
    for (at, value) in [(0, 0o40755), (4, 1024), (26, 3), (28, 2), (40, 9)] {
        put(root + at, value);
    }
    for (at, value) in
        [(0, 2), (4, 1 << 16 | 12), (8, 0x2e), (12, 2), (16, 2 << 16 | 1012), (20, 0x2e2e)]
    {
        put(9 * BLOCK + at, value);
    }
    bytes
}

struct Disk {
    bytes: Vec<u8>,
    ext2: Ext2<Free>,
}

impl Disk {
    fn run<T>(&mut self, mut act: impl FnMut(&mut Ext2<Free>) -> Result<T, Stop>) -> Option<T> {
        for _ in 0..STEPS {
            match act(&mut self.ext2) {
                Ok(value) => return Some(value),
                Err(Stop::Error(_)) => return None,
                Err(Stop::Again) => {}
                Err(Stop::Fetch(block)) => {
                    let at = block.get() as usize * BLOCK;
                    let bytes = self.bytes.get(at..at + BLOCK).unwrap_or(&[]).to_vec();
                    self.ext2.fetched(Caller::default().payer, block, Ok(&bytes));
                }
                Err(Stop::Flush) => match self.ext2.next_write(true) {
                    Next::Write(write) => {
                        let at = write.block.get() as usize * BLOCK;
                        self.bytes[at..at + BLOCK].copy_from_slice(&write.bytes);
                        self.ext2.written(write.block, Ok(()));
                    }
                    Next::Flush => self.ext2.flushed(Ok(())),
                    Next::Again => {}
                    Next::Nothing => panic!("it waits for nothing"),
                },
            }
        }
        panic!("it does not end");
    }
}

fuzz_target!(|input: &[u8]| {
    let mut bytes = image();
    for change in input.chunks_exact(4) {
        let at = u32::from_le_bytes([change[0], change[1], change[2], 0]) as usize % bytes.len();
        bytes[at] = change[3];
    }
    let options = Options { unchecked: true, cached: 64, ..Options::default() };
    let length = bytes.len() as u64;
    let Ok(ext2) = Ext2::open(&bytes[1024..2048].to_vec(), length, options, Free) else { return };
    if ext2.block_size() as usize != BLOCK {
        return;
    }
    let caller = Caller::default();
    let mut disk = Disk { bytes, ext2 };
    if disk.run(|ext2| ext2.mount(&caller)).is_none() {
        return;
    }
    let mut cookie = 0;
    for _ in 0..32 {
        let Some(listing) = disk.run(|ext2| ext2.list(Ino::ROOT, cookie, 8)) else { break };
        for entry in listing.entries {
            disk.run(|ext2| ext2.inode(entry.ino));
            disk.run(|ext2| ext2.readlink(entry.ino));
            disk.run(|ext2| ext2.map(entry.ino, FileBlock::new(0), 64));
            disk.run(|ext2| ext2.lookup(entry.ino, b".."));
            disk.run(|ext2| ext2.set_size(&caller, entry.ino, 0));
            if let Some(ino) = disk.run(|ext2| ext2.unlink(&caller, Ino::ROOT, &entry.name)) {
                disk.run(|ext2| ext2.release(&caller, ino));
            }
        }
        cookie = listing.next;
        if listing.end {
            break;
        }
    }
    let directory = disk.run(|ext2| ext2.create(&caller, Ino::ROOT, b"d", New::Directory, 0o755));
    let dir = directory.unwrap_or(Ino::ROOT);
    if let Some(ino) = disk.run(|ext2| ext2.create(&caller, dir, b"f", New::File, 0o644)) {
        disk.run(|ext2| ext2.allocate(&caller, ino, FileBlock::new(10), 40));
        disk.run(|ext2| ext2.allocate(&caller, ino, FileBlock::new(70_000), 4));
        disk.run(|ext2| ext2.sync(ino));
        disk.run(|ext2| ext2.set_size(&caller, ino, 5000));
    }
    disk.run(|ext2| ext2.rmdir(&caller, Ino::ROOT, b"d"));
    disk.run(|ext2| ext2.unmount(&caller));
});
