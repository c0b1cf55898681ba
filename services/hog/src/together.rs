//! 2 MiB at once: fewer faults, and every page still goes its own way.

use vortex_guest::mem::{BOTH, PAGE, READ, Region};
use vortex_guest::{proc, say, sys};

use crate::timed::faults;

/// What is in a page.
const fn mark(page: usize) -> u8 {
    (page * 7 + page / 256 + 1) as u8
}

/// Touches all pages of a new region, advised so; the faults that it took.
fn touched(pages: usize, advice: i32) -> (Region, i64) {
    let region = Region::anonymous(pages * PAGE, BOTH);
    let _ = region.advise(0, pages * PAGE, advice);
    let (before, _) = faults();
    (0..pages).for_each(|page| region.put(page * PAGE, mark(page)));
    (region, faults().0 - before)
}

/// Whether the pages for which this holds have what they should have, and the others nothing.
fn good(region: &Region, pages: usize, has: impl Fn(usize) -> bool) -> bool {
    let wanted = |page| if has(page) { mark(page) } else { 0 };
    (0..pages).all(|page| region.get(page * PAGE) == wanted(page))
}

/// All of it, with a region of so many pages: 2,048 or more.
pub fn together(pages: usize) {
    let (region, took) = touched(pages, libc::MADV_HUGEPAGE);
    // At both ends there may be less than 2 MiB that lie right.
    say!("together: few faults: {}", took < pages as i64 / 3);
    let small = |how: i64| how >= pages as i64;
    say!("together: one at a time: {}", small(touched(pages, libc::MADV_NOHUGEPAGE).1));
    let how = proc::outcome(|| {
        // SAFETY: no memory is named.
        let set = unsafe { sys!(libc::SYS_prctl, libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
        // SAFETY: the same.
        let is = unsafe { sys!(libc::SYS_prctl, libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) };
        let all = small(touched(pages, libc::MADV_HUGEPAGE).1);
        i32::from(!(set == Ok(0) && is == Ok(1) && all))
    });
    say!("together: a process that wants none: {how}");
    let lone = pages / 2 + 3;
    let shut = region.protect(lone * PAGE, PAGE, READ).is_ok();
    (0..pages).filter(|&page| page != lone).for_each(|page| region.put(page * PAGE, mark(page)));
    say!("together: a page for reading: {}", shut && good(&region, pages, |_| true));
    let child = proc::outcome(|| {
        let seen = good(&region, pages, |_| true);
        (0..pages).filter(|&page| page != lone).for_each(|page| region.put(page * PAGE, 9));
        i32::from(!seen)
    });
    say!("together: a child: {child}, {}", good(&region, pages, |_| true));
    let dropped = lone - 20..lone - 10;
    let done = region.advise(dropped.start * PAGE, 10 * PAGE, libc::MADV_DONTNEED).is_ok();
    let has = |page| !dropped.contains(&page);
    say!("together: ten dropped: {}", done && good(&region, pages, has));
    let again = touched(pages, libc::MADV_HUGEPAGE).0;
    let moved = again.remap(2 * again.length(), libc::MREMAP_MAYMOVE);
    say!("together: moved: {}", moved.is_ok_and(|moved| good(&moved, 2 * pages, |at| at < pages)));
}
