//! Large files.

use vortex_guest::mem::{BOTH, PAGE, READ, Region};
use vortex_guest::{fd, file, pipe, sys};

use crate::{Case, is, must};

pub const CASES: &[Case] = &[
    ("sparse", sparse),
    ("sparse-shared", sparse_shared),
    ("dense", dense),
    ("cut-private", cut_private),
    ("transfers", transfers),
    ("random", random),
    ("pipe", full_pipe),
];

const GIB: i64 = 1 << 30;
const BOTH_WAYS: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;

/// A file of a GiB with a page at each end.
fn sparse_file(name: &str) -> Result<i32, String> {
    let fd = must("open", file::open(name, BOTH_WAYS))?;
    must("truncate", fd::truncate(fd, GIB))?;
    must("the first page", fd::pwrite(fd, b"first", 0))?;
    must("the last page", fd::pwrite(fd, b"last", GIB - 4))?;
    Ok(fd)
}

/// Mapped as it is, changed, and mapped as it is then.
fn sparse() -> Result<(), String> {
    let fd = sparse_file("/tmp/sparse")?;
    for round in 0..3 {
        let length = GIB as usize;
        let region = must("map", Region::map(length, READ, libc::MAP_PRIVATE, fd, 0))?;
        is("the first byte", region.get(0), if round == 0 { b'f' } else { b'0' + round })?;
        is("the last byte", region.get(length - 1), b't')?;
        is("the middle", region.get(length / 2), 0)?;
        must("change", fd::pwrite(fd, &[b'1' + round], 0))?;
        must("unmap", region.unmap(0, length))?;
    }
    must("cut", fd::truncate(fd, 0))?;
    must("close", fd::close(fd))?;
    must("unlink", file::unlink("/tmp/sparse"))?;
    Ok(())
}

/// As one memory of all who map it, with a hole in every second page.
fn sparse_shared() -> Result<(), String> {
    let fd = sparse_file("/tmp/shared")?;
    let length = GIB as usize;
    let region = must("map", Region::map(length, BOTH, libc::MAP_SHARED, fd, 0))?;
    is("the first byte", region.get(0), b'f')?;
    region.put(length / 2, 7);
    let mut byte = [0];
    must("read", fd::pread(fd, &mut byte, GIB / 2))?;
    is("what was written there", byte[0], 7)?;
    for page in (0..4000).step_by(2) {
        region.put(page * PAGE, 1);
    }
    must("cut", fd::truncate(fd, GIB / 2))?;
    must("longer", fd::truncate(fd, GIB))?;
    must("unmap", region.unmap(0, length))?;
    must("close", fd::close(fd))?;
    must("unlink", file::unlink("/tmp/shared"))?;
    Ok(())
}

/// 16,384 pages: mapped, searched for holes, cut, punched and removed.
fn dense() -> Result<(), String> {
    const LENGTH: i64 = 64 << 20;
    let fd = must("open", file::open("/tmp/dense", BOTH_WAYS))?;
    // SAFETY: no memory is named.
    must("allocate", unsafe { sys!(libc::SYS_fallocate, fd, 0, 0, LENGTH) })?;
    let hole = must("hole", fd::seek(fd, 0, libc::SEEK_HOLE))?;
    is("the first hole", hole as i64, LENGTH)?;
    let flags = libc::MAP_PRIVATE | libc::MAP_POPULATE;
    let region = must("map", Region::map(8 << 20, READ, flags, fd, 0))?;
    is("a byte", region.get(4 << 20), 0)?;
    must("unmap", region.unmap(0, region.length()))?;
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: no memory is named.
    must("punch", unsafe { sys!(libc::SYS_fallocate, fd, punch, 0, LENGTH / 2) })?;
    let data = must("data", fd::seek(fd, 0, libc::SEEK_DATA))?;
    is("the first data", data as i64, LENGTH / 2)?;
    must("cut", fd::truncate(fd, LENGTH / 2 + 5))?;
    must("cut all", fd::truncate(fd, 0))?;
    // SAFETY: no memory is named.
    must("allocate again", unsafe { sys!(libc::SYS_fallocate, fd, 0, 0, LENGTH) })?;
    must("unlink", file::unlink("/tmp/dense"))?;
    must("close", fd::close(fd))?;
    Ok(())
}

/// 6,000 pages that programs have mapped for themselves, some as they are and some written to, are
/// cut off, and 64 times, each time somewhere else, of who has mapped them anew.
fn cut_private() -> Result<(), String> {
    const PAGES: usize = 6000;
    let fd = must("open", file::open("/tmp/private", BOTH_WAYS))?;
    // SAFETY: no memory is named.
    must("allocate", unsafe { sys!(libc::SYS_fallocate, fd, 0, 0, PAGES * PAGE) })?;
    let map = || Region::map(PAGES * PAGE, BOTH, libc::MAP_PRIVATE, fd, 0);
    let (own, read) = (must("map", map())?, must("map", map())?);
    for page in 0..PAGES {
        read.touch(page * PAGE);
        if page % 2 > 0 {
            own.put(page * PAGE, 1);
        }
    }
    must("cut", fd::truncate(fd, 5))?;
    must("longer", fd::truncate(fd, (PAGES * PAGE) as i64))?;
    is("what was written", own.get(PAGE), 0)?;
    is("the last page", read.get((PAGES - 1) * PAGE), 0)?;
    let mut all = Vec::new();
    for page in 1..=62 {
        let region = must("map again", map())?;
        region.put((PAGES - 1) * PAGE, 1);
        all.push(region);
        must("cut", fd::truncate(fd, (page * PAGE) as i64))?;
        must("longer", fd::truncate(fd, (PAGES * PAGE) as i64))?;
    }
    let kept = all.iter().filter(|region| region.get((PAGES - 1) * PAGE) > 0).count();
    is("those that kept something", kept, 0)?;
    must("cut all", fd::truncate(fd, 0))?;
    for region in all.iter().chain([&own, &read]) {
        must("unmap", region.unmap(0, PAGES * PAGE))?;
    }
    must("close", fd::close(fd))?;
    must("unlink", file::unlink("/tmp/private"))?;
    Ok(())
}

/// The largest reads and writes.
fn transfers() -> Result<(), String> {
    const LENGTH: usize = 4 << 20;
    let bytes = vec![b'x'; LENGTH];
    let fd = must("open", file::open("/tmp/large", BOTH_WAYS))?;
    let mut done = 0;
    while done < LENGTH {
        done += must("write", fd::write(fd, &bytes[done..]))?;
    }
    let mut back = vec![0; LENGTH];
    let mut done = 0;
    while done < LENGTH {
        done += must("read", fd::pread(fd, &mut back[done..], done as i64))?;
    }
    is("what was read is what was written", back == bytes, true)?;
    must("to the beginning", fd::seek(fd, 0, libc::SEEK_SET))?;
    let to = must("open another", file::open("/tmp/copy", BOTH_WAYS))?;
    let mut done = 0;
    while done < 1 << 20 {
        done += must("send", fd::sendfile(to, fd, (1 << 20) - done))?;
    }
    // Not at the beginning of a page, and in a page that is mapped.
    let region = must("map", Region::map(LENGTH, READ, libc::MAP_PRIVATE, fd, 0))?;
    (0..LENGTH / PAGE).for_each(|page| region.touch(page * PAGE));
    must("write over", fd::pwrite(fd, &bytes[..LENGTH - 7], 7))?;
    must("unlink", file::unlink("/tmp/large"))?;
    must("unlink", file::unlink("/tmp/copy"))?;
    Ok(())
}

fn random() -> Result<(), String> {
    let mut bytes = vec![0_u8; 256 << 10];
    let mut done = 0;
    while done < bytes.len() {
        let rest = &mut bytes[done..];
        // SAFETY: the kernel writes into the rest of the vector.
        let got = unsafe { sys!(libc::SYS_getrandom, rest.as_mut_ptr(), rest.len(), 0) };
        done += must("getrandom", got)?;
    }
    let fd = must("open", file::open("/dev/urandom", libc::O_RDONLY))?;
    must("read", fd::read(fd, &mut bytes))?;
    Ok(())
}

/// A pipe of a MiB, filled, emptied, and closed with all in it.
fn full_pipe() -> Result<(), String> {
    const LENGTH: usize = 1 << 20;
    let ends = must("pipe", pipe::pipe(libc::O_NONBLOCK))?;
    must("size", fd::fcntl(ends.into, libc::F_SETPIPE_SZ, LENGTH as i32))?;
    let bytes = vec![b'z'; LENGTH];
    let fill = || {
        let mut done = 0;
        while let Ok(more @ 1..) = fd::write(ends.into, &bytes[done..]) {
            done += more;
        }
        done
    };
    is("written", fill(), LENGTH)?;
    let mut back = vec![0; LENGTH];
    let mut done = 0;
    while let Ok(more @ 1..) = fd::read(ends.out, &mut back[done..]) {
        done += more;
    }
    is("read", done, LENGTH)?;
    // Each byte is a slot's.
    is("written", fill(), LENGTH)?;
    must("close", fd::close(ends.into))?;
    must("close", fd::close(ends.out))?;
    Ok(())
}
