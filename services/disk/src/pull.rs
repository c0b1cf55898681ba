//! As many bytes as it gets of a disk, by many threads: each reads 32 KB wherever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vortex_guest::random::Random;
use vortex_guest::{fd, say, time};

use crate::{READ, SECTOR, fail, open};

/// Bytes of a read.
const BYTES: usize = 32_768;
/// What is not counted: until all have begun.
const WARM: Duration = Duration::from_secs(1);

/// Reads for so long, and says how much that was.
pub fn pull(threads: usize, seconds: u64) {
    let disk = open("/dev/sda", libc::O_RDONLY);
    let (begin, sum) = (time::now(), AtomicU64::new(0));
    let end = begin + WARM + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for number in 0..threads {
            let sum = &sum;
            scope.spawn(move || {
                let (mut random, mut bytes) = (Random::new(number as u64 + 1), vec![0; BYTES]);
                while time::now() < end {
                    let sector = READ.0 + random.below(READ.1 - BYTES / SECTOR);
                    if fd::pread(disk, &mut bytes, (sector * SECTOR) as i64) != Ok(BYTES) {
                        fail("a read");
                    }
                    let now = time::now();
                    if now > begin + WARM && now < end {
                        sum.fetch_add(BYTES as u64, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    say!("disk: {} bytes in {seconds} s", sum.load(Ordering::Relaxed));
}
