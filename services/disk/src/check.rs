//! Every way to read and write a disk.

use vortex_guest::errno::Errno;
use vortex_guest::{Res, fd, say, sys};

use crate::{BROKEN, MORE, READ, SECTOR, WRITTEN, fail, open, words};

/// A partition's first sector.
const PARTITION: usize = 2_048;

fn is<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) {
    if found != expected {
        fail(&format!("{what}: {found:?}, not {expected:?}"));
    }
}

fn same(what: &str, bytes: &[u8], expected: &[u8]) {
    if let Some(at) = (0..expected.len()).find(|at| bytes.get(*at) != expected.get(*at)) {
        fail(&format!("{what}: differs from byte {at} on"));
    }
}

/// Makes a call, which may do less than all at once, until all is done.
fn whole(length: usize, mut some: impl FnMut(usize) -> Res) -> Res {
    let mut done = 0;
    while done < length {
        match some(done)? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

fn seek(disk: i32, at: i64, whence: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_lseek, disk, at, whence) }
}

fn sync(disk: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_fsync, disk) }
}

/// What ioctl(2) says of a disk, in a word.
fn asked(disk: i32, request: u32) -> u64 {
    let mut word = 0_u64;
    // SAFETY: these requests write at most eight bytes.
    let answer = unsafe { sys!(libc::SYS_ioctl, disk, request, &raw mut word) };
    is("ioctl", answer, Ok(0));
    word
}

/// All of it.
pub fn all() {
    let disk = open("/dev/sda", libc::O_RDWR);
    sizes(disk);
    reads(disk);
    partition();
    writes(disk);
    refused(disk);
    broken(disk);
    say!("disk: all checks are good");
}

fn sizes(disk: i32) {
    let bytes = asked(disk, 0x8008_1272);
    is("BLKGETSIZE", asked(disk, 0x1260), bytes / 512);
    is("BLKSSZGET", asked(disk, 0x1268), 512);
    is("the end", seek(disk, 0, libc::SEEK_END), Ok(bytes as usize));
    is("at the end", fd::read(disk, &mut [0; 512]), Ok(0));
    is("behind it", fd::pread(disk, &mut [0; 512], bytes as i64 + 512), Ok(0));
    let last = bytes as i64 - 512;
    is("across it", fd::pread(disk, &mut [0; 4096], last), Ok(512));
    say!("disk: {bytes} bytes");
}

fn reads(disk: i32) {
    // In pieces of all sizes, one behind the other.
    is("seek", seek(disk, (READ.0 * SECTOR) as i64, libc::SEEK_SET), Ok(READ.0 * SECTOR));
    let mut at = READ.0;
    for sectors in [1, 8, 63, 64, 65, 128, 1_024, 2_048] {
        // Where a page does not begin.
        let mut bytes = vec![0; sectors * SECTOR + 24];
        let part = &mut bytes[24..];
        is("read", fd::read(disk, part), Ok(sectors * SECTOR));
        same(&format!("{sectors} sectors"), part, &words(at, sectors, 0));
        at += sectors;
    }
    is("the place", seek(disk, 0, libc::SEEK_CUR), Ok(at * SECTOR));
    // What is no block.
    let expected = words(READ.0, 16, 0);
    for (skip, length) in [(5, 1_000), (511, 2), (0, 7), (512, 513), (1, 6_000)] {
        let mut bytes = vec![0; length];
        let from = (READ.0 * SECTOR + skip) as i64;
        is("pread", fd::pread(disk, &mut bytes, from), Ok(length));
        same("bytes that are no block", &bytes, &expected[skip..skip + length]);
    }
    // Into many places.
    let mut parts = vec![vec![0; 100]; 41];
    let mut slices: Vec<&mut [u8]> = parts.iter_mut().map(Vec::as_mut_slice).collect();
    is("seek", seek(disk, (READ.0 * SECTOR) as i64, libc::SEEK_SET), Ok(READ.0 * SECTOR));
    is("readv", fd::readv(disk, &mut slices), Ok(4_100));
    same("readv's parts", &parts.concat(), &expected[..4_100]);
}

fn partition() {
    let part = open("/dev/sda1", libc::O_RDONLY);
    let mut bytes = [0; 4 * SECTOR];
    is("of the partition", fd::pread(part, &mut bytes, SECTOR as i64), Ok(4 * SECTOR));
    same("the partition", &bytes, &words(PARTITION + 1, 4, 0));
    is("a write to what is open to be read", fd::pwrite(part, &bytes, 0), Err(Errno(libc::EBADF)));
}

fn writes(disk: i32) {
    is("seek", seek(disk, (WRITTEN.0 * SECTOR) as i64, libc::SEEK_SET), Ok(WRITTEN.0 * SECTOR));
    let mut at = WRITTEN.0;
    for sectors in [1, 8, 63, 64, 65, 128, 1_024] {
        let bytes = [vec![0; 7], words(at, sectors, MORE)].concat();
        let bytes = &bytes[7..];
        let written = whole(bytes.len(), |done| fd::write(disk, &bytes[done..]));
        is("write", written, Ok(sectors * SECTOR));
        at += sectors;
    }
    // From many places.
    let bytes = words(at, 8, MORE);
    let parts: Vec<&[u8]> = bytes.chunks(32).collect();
    is("writev", fd::writev(disk, &parts), Ok(8 * SECTOR));
    at += 8;
    let rest = WRITTEN.0 + WRITTEN.1 - at;
    let bytes = words(at, rest, MORE);
    let place = at * SECTOR;
    let written =
        whole(bytes.len(), |done| fd::pwrite(disk, &bytes[done..], (place + done) as i64));
    is("pwrite", written, Ok(rest * SECTOR));
    is("fsync", sync(disk), Ok(0));
    let mut bytes = vec![0; WRITTEN.1 * SECTOR];
    let (place, length) = (WRITTEN.0 * SECTOR, bytes.len());
    is("pread", fd::pread(disk, &mut bytes, place as i64), Ok(length));
    same("what was written", &bytes, &words(WRITTEN.0, WRITTEN.1, MORE));
}

fn refused(disk: i32) {
    let sector = [0; SECTOR];
    let end = seek(disk, 0, libc::SEEK_END).unwrap_or(0) as i64;
    is("no block", fd::pwrite(disk, &sector[..100], 0), Err(Errno(libc::EINVAL)));
    is("between blocks", fd::pwrite(disk, &sector, 100), Err(Errno(libc::EINVAL)));
    is("behind the end", fd::pwrite(disk, &sector, end), Err(Errno(libc::ENOSPC)));
    is("from nowhere", fd::write_from_nowhere(disk, 512), Err(Errno(libc::EFAULT)));
    is("no disk", vortex_guest::file::open("/dev/sdb", 0).err(), Some(Errno(libc::ENOENT)));
}

fn broken(disk: i32) {
    let (read, write) = BROKEN;
    let mut bytes = [0; SECTOR];
    let at = |sector: usize| (sector * SECTOR) as i64;
    is("a broken sector", fd::pread(disk, &mut bytes, at(read)), Err(Errno(libc::EIO)));
    is("one beside it", fd::pread(disk, &mut bytes, at(read - 8)), Ok(SECTOR));
    same("one beside it", &bytes, &words(read - 8, 1, 0));
    let mut many = vec![0; 65_536];
    // 32 KB at a time: the first half of these is good.
    is("up to it", fd::pread(disk, &mut many, at(read - 64)), Ok(32_768));
    let bytes = words(write, 1, 0);
    is("the other", fd::pwrite(disk, &bytes, at(write)), Err(Errno(libc::EIO)));
    is("and again", fd::pwrite(disk, &bytes, at(write)), Err(Errno(libc::EIO)));
    is("which can be read", fd::pread(disk, &mut [0; SECTOR], at(write)), Ok(SECTOR));
}
