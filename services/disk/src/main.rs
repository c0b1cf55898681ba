//! A disk as a file: `disk check` reads and writes `/dev/sda` in every way, `disk steady` reads
//! what nobody changes, `disk pull` reads as much as it gets. `./vortex test storage` makes the
//! image, which has the same words in each sector as [`words`] says, and looks at it afterwards.
//!
//! The image, in sectors of 512 bytes: a partition from 2,048 on; what is read and never
//! written from 8,192 on; what is written from 16,384 on; one sector that cannot be read, and
//! one that cannot be written, from 24,576 on.

mod check;
mod pull;

use vortex_guest::args::Args;
use vortex_guest::{fd, proc, say};

const USAGE: &str = "usage: disk check | steady --count N | pull --threads N --seconds S";

/// Bytes of a sector.
pub const SECTOR: usize = 512;
/// Where what is read begins, and how many sectors that is.
pub const READ: (usize, usize) = (8_192, 4_096);
/// The same for what is written.
pub const WRITTEN: (usize, usize) = (16_384, 4_096);
/// What a word that was written is more than the word that was there.
pub const MORE: u64 = 0x0101_0101;
/// The sector that cannot be read, and the one that cannot be written.
pub const BROKEN: (usize, usize) = (24_576, 24_592);

/// The words of sectors: each is different from all others.
pub fn words(sector: usize, count: usize, more: u64) -> Vec<u8> {
    let word = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(more);
    let first = sector * SECTOR / 8;
    (first..first + count * SECTOR / 8).flat_map(|at| word(at).to_le_bytes()).collect()
}

/// Opens a disk.
pub fn open(path: &str, flags: i32) -> i32 {
    match vortex_guest::file::open(path, flags) {
        Ok(fd) => fd,
        Err(error) => fail(&format!("{path}: {}", error.0)),
    }
}

/// Something is not as it must be.
pub fn fail(why: &str) -> ! {
    say!("disk: WRONG: {why}");
    proc::exit(1)
}

/// Reads what nobody changes, again and again.
fn steady(count: u64) {
    let disk = open("/dev/sda", libc::O_RDONLY);
    let mut bytes = vec![0; 8 * SECTOR];
    for turn in 0..count as usize {
        let sector = READ.0 + turn * 37 % (READ.1 - 8);
        match fd::pread(disk, &mut bytes, (sector * SECTOR) as i64) {
            Ok(read) if read == bytes.len() => {}
            other => fail(&format!("turn {turn}: {other:?}")),
        }
        if bytes != words(sector, 8, 0) {
            fail(&format!("turn {turn}: sector {sector} has other words"));
        }
    }
    say!("disk: {count} steady reads");
}

fn main() {
    let mut args = Args::new(USAGE);
    let what = args.word().unwrap_or_default();
    let count = args.number("--count").unwrap_or(100);
    let (threads, seconds) = (args.number("--threads"), args.number("--seconds"));
    match what.as_str() {
        "check" | "steady" | "pull" => args.end(),
        _ => args.wrong("what is it to do?"),
    }
    match what.as_str() {
        "check" => check::all(),
        "steady" => steady(count),
        _ => pull::pull(threads.unwrap_or(8) as usize, seconds.unwrap_or(5)),
    }
    proc::exit(0);
}
