//! Reads, writes and messages of as many pieces as there may be, and of few large ones. Each byte
//! tells where it belongs.

use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::{fd, file, socket, sys};

use crate::{Case, is, must};

pub const CASES: &[Case] = &[("pieces", all)];

const BOTH_WAYS: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
/// Pieces of one call.
const MOST: usize = 1024;
/// The largest write.
const LARGE: usize = 2 << 20;

/// Pieces of a memory: where each begins in it, and how long it is.
struct Pieces {
    region: Region,
    all: Vec<(usize, usize)>,
}

/// The byte at a place of what is written; another for each writing.
pub fn byte(place: usize, writing: usize) -> u8 {
    ((place + writing * 7919).wrapping_mul(0x9e37_79b9) >> 16) as u8
}

impl Pieces {
    fn of(all: &[(usize, usize)]) -> Self {
        let end = all.iter().map(|(at, length)| at + length).max().unwrap_or(0);
        Self { region: Region::anonymous(end.next_multiple_of(PAGE), BOTH), all: all.to_vec() }
    }

    fn bytes(&self) -> usize {
        self.all.iter().map(|(_, length)| length).sum()
    }

    fn list(&self) -> Vec<libc::iovec> {
        let piece = |&(at, length): &(usize, usize)| libc::iovec {
            iov_base: (self.region.start() + at) as *mut _,
            iov_len: length,
        };
        self.all.iter().map(piece).collect()
    }

    /// The places of all bytes in the memory, in their order.
    fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.all.iter().flat_map(|&(at, length)| at..at + length)
    }

    fn fill(&self, writing: usize) {
        let bytes = self.places().enumerate();
        bytes.for_each(|(n, at)| self.region.put(at, byte(n, writing)));
    }

    fn compare(&self, writing: usize) -> Result<(), String> {
        let mut bytes = self.places().enumerate();
        match bytes.find(|&(n, at)| self.region.get(at) != byte(n, writing)) {
            Some((n, _)) => Err(format!("the byte {n} of what was read is another")),
            None => Ok(()),
        }
    }

    fn give_back(&self) -> Result<(), String> {
        must("unmap", self.region.unmap(0, self.region.length())).map(|_| ())
    }

    /// Writes them at the beginning of a file, or where that is.
    fn write(&self, fd: i32, anywhere: bool) -> Result<(), String> {
        let (list, count) = (self.list(), self.all.len());
        let written = match anywhere {
            // SAFETY: the kernel reads the array and what it names.
            true => unsafe { sys!(libc::SYS_writev, fd, list.as_ptr(), count) },
            // SAFETY: the same.
            false => unsafe { sys!(libc::SYS_pwritev, fd, list.as_ptr(), count, 0, 0) },
        };
        is("written", must("writev", written)?, self.bytes())
    }

    /// Reads them from the beginning of a file, or where that is.
    fn read(&self, fd: i32, anywhere: bool) -> Result<(), String> {
        let (list, count) = (self.list(), self.all.len());
        let read = match anywhere {
            // SAFETY: the kernel reads the array and writes into what it names.
            true => unsafe { sys!(libc::SYS_readv, fd, list.as_ptr(), count) },
            // SAFETY: the same.
            false => unsafe { sys!(libc::SYS_preadv, fd, list.as_ptr(), count, 0, 0) },
        };
        is("read", must("readv", read)?, self.bytes())
    }
}

/// One after the other, of one activity.
fn all() -> Result<(), String> {
    many()?;
    large()?;
    swapped()?;
    messages()?;
    unreached()
}

/// Reads and writes in as many pieces as there may be.
fn many() -> Result<(), String> {
    let fd = must("open", file::open("/tmp/pieces", BOTH_WAYS))?;
    // Small ones, one behind the other.
    let small: Vec<_> = (0..MOST).map(|n| (4 * n, 4)).collect();
    both_ways(fd, &small)?;
    // Each in a page of its own.
    let apart: Vec<_> = (0..MOST).map(|n| (n * PAGE, 64)).collect();
    both_ways(fd, &apart)?;
    in_pieces(fd, || Ok(()))?;
    must("close", fd::close(fd))?;
    must("unlink", file::unlink("/tmp/pieces")).map(|_| ())
}

/// Few pieces, that are as large as they may be.
fn large() -> Result<(), String> {
    let fd = must("open", file::open("/tmp/large-pieces", BOTH_WAYS))?;
    both_ways(fd, &[(0, LARGE)])?;
    both_ways(fd, &[(7, LARGE)])?;
    let eight: Vec<_> = (0..8).map(|n| (n * (LARGE / 8 + PAGE) + n, LARGE / 8)).collect();
    both_ways(fd, &eight)?;
    must("close", fd::close(fd))?;
    must("unlink", file::unlink("/tmp/large-pieces")).map(|_| ())
}

/// Such pieces where the file is, and at a place of it.
fn both_ways(fd: i32, all: &[(usize, usize)]) -> Result<(), String> {
    for anywhere in [true, false] {
        must("to the beginning", fd::seek(fd, 0, libc::SEEK_SET))?;
        let (from, to) = (Pieces::of(all), Pieces::of(all));
        from.fill(usize::from(anywhere));
        from.write(fd, anywhere)?;
        must("to the beginning", fd::seek(fd, 0, libc::SEEK_SET))?;
        to.read(fd, anywhere)?;
        to.compare(usize::from(anywhere))?;
        from.give_back()?;
        to.give_back()?;
    }
    Ok(())
}

/// As many pieces as there may be, each in a page of its own, written to a file, and read into
/// pages that were never touched: small ones, whole pages, and small ones behind a large one, so
/// that the call goes on when it comes to them. After each way it is done to what is cached.
pub fn in_pieces(fd: i32, then: impl Fn() -> Result<(), String>) -> Result<(), String> {
    for (writing, (first, each)) in [(64, 64), (PAGE, PAGE), (LARGE, 64)].into_iter().enumerate() {
        let room = first.next_multiple_of(PAGE);
        let rest = (0..MOST - 1).map(|n| (room + n * PAGE, each));
        let all: Vec<_> = core::iter::once((0, first)).chain(rest).collect();
        let from = Pieces::of(&all);
        from.fill(writing);
        from.write(fd, false)?;
        from.give_back()?;
        for _ in 0..2 {
            then()?;
            let to = Pieces::of(&all);
            to.read(fd, false)?;
            to.compare(writing)?;
            to.give_back()?;
        }
    }
    Ok(())
}

/// As many, whose pages have all left memory: more of them than a call may wait for in vain.
fn swapped() -> Result<(), String> {
    let fd = must("open", file::open("/tmp/swapped-pieces", BOTH_WAYS))?;
    // Some lie in two pages.
    let place = |n: usize| 2 * n * PAGE + if n < 16 { PAGE - 32 } else { 0 };
    let all: Vec<_> = (0..MOST).map(|n| (place(n), 64)).collect();
    let (from, to) = (Pieces::of(&all), Pieces::of(&all));
    for (pieces, writing) in [(&from, 1), (&to, 2)] {
        pieces.fill(writing);
        let length = pieces.region.length();
        must("leave", pieces.region.advise(0, length, libc::MADV_PAGEOUT))?;
    }
    from.write(fd, false)?;
    to.read(fd, false)?;
    to.compare(1)?;
    must("close", fd::close(fd))?;
    must("unlink", file::unlink("/tmp/swapped-pieces")).map(|_| ())
}

/// Messages as large as there may be, of one piece.
fn messages() -> Result<(), String> {
    const LENGTH: usize = 448 << 10;
    let (into, out) = must("pair", socket::pair(libc::SOCK_STREAM))?;
    let text: String = (0..LENGTH).map(|n| char::from(b'a' + byte(n, 0) % 26)).collect();
    let sent = socket::send_message(into, text.as_bytes(), &[], libc::MSG_DONTWAIT);
    let (sent, mut received) = (must("sendmsg", sent)?, String::new());
    is("something is sent", sent > 0, true)?;
    while received.len() < sent {
        let more = socket::receive_message(out, LENGTH, 0, libc::MSG_DONTWAIT);
        received += &must("recvmsg", more)?.text;
    }
    is("received", text.get(..sent) == Some(&received), true)?;
    must("close", fd::close(into))?;
    must("close", fd::close(out)).map(|_| ())
}

/// As large a write as there may be, of which the last page is not there.
fn unreached() -> Result<(), String> {
    let fd = must("open", file::open("/tmp/unreached", BOTH_WAYS))?;
    let region = Region::anonymous(LARGE, BOTH);
    region.fill(1);
    must("take the last page", region.protect(LARGE - PAGE, PAGE, libc::PROT_NONE))?;
    // What was good so far may be written, or nothing.
    match region.write(fd, 0, LARGE) {
        Err(error) => is("error", error.0, libc::EFAULT)?,
        Ok(written) => is("written", written, LARGE - PAGE)?,
    }
    must("close", fd::close(fd))?;
    must("unlink", file::unlink("/tmp/unreached")).map(|_| ())
}
