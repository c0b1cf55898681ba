//! What a program says of pages that it does not need, or will need.

use std::time::Duration;

use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::{fd, say, sys, time};

use crate::timed::faults;

/// One page in so many is written again.
const AGAIN: usize = 16;

/// So many pages are given up, some of them written again, and as many others used, for which there
/// would be no room otherwise.
pub fn free(pages: usize) {
    let (first, second) =
        (Region::anonymous(pages * PAGE, BOTH), Region::anonymous(pages * PAGE, BOTH));
    (0..pages).for_each(|page| first.put(page * PAGE, 1));
    let given_up = first.advise(0, pages * PAGE, libc::MADV_FREE).is_ok();
    (0..pages).step_by(AGAIN).for_each(|page| first.put(page * PAGE, 2));
    (0..pages).for_each(|page| second.put(page * PAGE, 3));
    say!("free: others: {}", given_up && (0..pages).all(|page| second.get(page * PAGE) == 3));
    let kept = |page: usize| first.get(page * PAGE) == 2;
    say!("free: written again: {}", (0..pages).step_by(AGAIN).all(kept));
    let drop = |region: &Region| region.advise(0, pages * PAGE, libc::MADV_DONTNEED).is_ok();
    let rest = || (0..pages).filter(|page| !page.is_multiple_of(AGAIN));
    let there = drop(&second) && rest().all(|page| first.get(page * PAGE) < 2);
    say!("free: what was there, or nothing: {there}");
    // A call writes to what was given up, too.
    let third = Region::anonymous(pages * PAGE, BOTH);
    let dropped = drop(&first);
    let half = pages / 2;
    (0..half).for_each(|page| third.put(page * PAGE, 4));
    let given_up = dropped && third.advise(0, half * PAGE, libc::MADV_FREE).is_ok();
    let read = (0..half).step_by(AGAIN).all(|page| filled(&third, page));
    (0..pages).for_each(|page| second.put(page * PAGE, 5));
    let kept = |page: usize| third.get(page * PAGE) == b'g';
    say!("free: written by calls: {}", given_up && read && (0..half).step_by(AGAIN).all(kept));
}

/// A call reads something into a page.
fn filled(region: &Region, page: usize) -> bool {
    let text = b"given up, and taken back";
    let mut ends = [0_i32; 2];
    // SAFETY: the kernel writes two descriptors.
    let piped = unsafe { sys!(libc::SYS_pipe2, ends.as_mut_ptr(), 0) }.is_ok();
    let wrote = fd::write(ends[1], text).is_ok();
    let read = region.read(ends[0], page * PAGE, text.len()) == Ok(text.len());
    for end in ends {
        let _ = fd::close(end);
    }
    piped && wrote && read
}

/// How many pages are in memory, or were read ahead.
fn there(region: &Region) -> usize {
    let mut pages = vec![0_u8; region.length() / PAGE];
    // SAFETY: the kernel writes a byte for each page of the region.
    let told =
        unsafe { sys!(libc::SYS_mincore, region.start(), region.length(), pages.as_mut_ptr()) };
    if told.is_ok() { pages.iter().filter(|page| **page & 1 == 1).count() } else { 0 }
}

/// So many pages leave, and come back before they are needed, as the program says; each has what it
/// had.
pub fn advised(pages: usize) {
    let region = Region::anonymous(pages * PAGE, BOTH);
    let mark = |page: usize| (page * 11 + 1) as u8;
    let all = |advice: i32| region.advise(0, region.length(), advice).is_ok();
    (0..pages).for_each(|page| region.put(page * PAGE, mark(page)));
    let out = all(libc::MADV_COLD) && all(libc::MADV_PAGEOUT);
    say!("swap: paged out: {}", out && there(&region) < pages / 16);
    let wait = || {
        let end = time::now() + Duration::from_secs(20);
        while there(&region) < pages && time::now() < end {
            time::pause(Duration::from_millis(2));
        }
    };
    let wanted = all(libc::MADV_WILLNEED);
    wait();
    let (_, before) = faults();
    let good = (0..pages).all(|page| region.get(page * PAGE) == mark(page));
    let (_, after) = faults();
    say!("swap: wanted: {}, {} of {pages} had to be read", wanted && good, after - before);
    // What is dropped while it is read is not there then, and what is moved is where it should be.
    let half = pages / 2;
    let good = all(libc::MADV_PAGEOUT)
        && all(libc::MADV_WILLNEED)
        && region.advise(0, half * PAGE, libc::MADV_DONTNEED).is_ok();
    let moved = region.remap(2 * region.length(), libc::MREMAP_MAYMOVE);
    let has = |page: usize| if page < half { 0 } else { mark(page) };
    let good =
        good && moved.is_ok_and(|moved| (0..pages).all(|page| moved.get(page * PAGE) == has(page)));
    say!("swap: dropped and moved meanwhile: {good}");
}
