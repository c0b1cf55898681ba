//! Much memory, many regions, ranges as large as there may be.

use vortex_guest::mem::{BOTH, PAGE, READ, Region};
use vortex_guest::{fd, file, proc};

use crate::{Case, is, must};

pub const CASES: &[Case] = &[
    ("regions", regions),
    ("wide", wide),
    ("touched", touched),
    ("spread", spread),
    ("swapped", swapped),
];

const NONE: i32 = libc::PROT_NONE;

/// 10,000 regions: forked, shown, changed and removed at once.
fn regions() -> Result<(), String> {
    const MANY: usize = 10_000;
    let all = Region::anonymous(2 * MANY * PAGE, BOTH);
    for n in 0..MANY {
        all.put(2 * n * PAGE, 1);
        must("make one of two", all.protect((2 * n + 1) * PAGE, PAGE, READ))?;
    }
    let child = proc::outcome(|| i32::from((0..MANY).any(|n| all.get(2 * n * PAGE) != 1)));
    is("a child", child, "exit 0".into())?;
    let maps = must("maps", file::get("/proc/self/maps"))?;
    let lines = maps.iter().filter(|&&byte| byte == b'\n').count();
    is("all are shown", lines > 2 * MANY, true)?;
    must("statm", file::get("/proc/self/statm"))?;
    let one = all.protect(0, all.length(), READ | libc::PROT_EXEC);
    must("change all", one)?;
    must("not for forks", all.advise(0, all.length(), libc::MADV_DONTFORK))?;
    is("a child without them", proc::outcome(|| 0), "exit 0".into())?;
    must("for forks", all.advise(0, all.length(), libc::MADV_DOFORK))?;
    must("drop", all.advise(0, all.length(), libc::MADV_DONTNEED))?;
    is("dropped", all.get(0), 0)?;
    must("sync", all.sync(0, all.length(), libc::MS_SYNC))?;
    // One over all.
    let over = must("over all", all.map_over(0, all.length(), BOTH, libc::MAP_FIXED))?;
    over.put(0, 2);
    must("unmap", all.unmap(0, all.length()))?;
    Ok(())
}

/// Ranges of terabytes in which next to nothing is.
fn wide() -> Result<(), String> {
    const LENGTH: usize = 16 << 40;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let all = must("map", Region::map(LENGTH, NONE, flags, -1, 0))?;
    must("may be used", all.protect(0, LENGTH, BOTH))?;
    for place in [0, LENGTH / 3, LENGTH - PAGE] {
        all.put(place / PAGE * PAGE, 5);
    }
    is("a child", proc::outcome(|| i32::from(all.get(0) != 5)), "exit 0".into())?;
    must("for reading", all.protect(0, LENGTH, READ))?;
    must("drop", all.advise(0, LENGTH, libc::MADV_DONTNEED))?;
    let moved = must("move", all.remap(LENGTH + (1 << 30), libc::MREMAP_MAYMOVE))?;
    must("unmap", moved.unmap(0, moved.length()))?;
    Ok(())
}

/// 64 MiB, all of them used: copied, moved, changed and dropped.
fn touched() -> Result<(), String> {
    const LENGTH: usize = 64 << 20;
    let all = Region::anonymous(LENGTH, BOTH);
    (0..LENGTH / PAGE).for_each(|page| all.put(page * PAGE, 1));
    let child = proc::outcome(|| {
        (0..1_000).for_each(|page| all.put(page * PAGE, 2));
        i32::from(all.get(LENGTH - PAGE) != 1)
    });
    is("a child", child, "exit 0".into())?;
    must("for reading", all.protect(0, LENGTH, READ))?;
    must("for writing", all.protect(0, LENGTH, BOTH))?;
    let moved = must("move", all.remap(LENGTH + PAGE, libc::MREMAP_MAYMOVE))?;
    is("moved", moved.get(LENGTH - PAGE), 1)?;
    must("drop a half", moved.advise(0, LENGTH / 2, libc::MADV_DONTNEED))?;
    let mut there = vec![0_u8; LENGTH / PAGE];
    // SAFETY: the kernel writes into the vector.
    let told =
        unsafe { vortex_guest::sys!(libc::SYS_mincore, moved.start(), LENGTH, there.as_mut_ptr()) };
    must("mincore", told)?;
    is("in memory", there.iter().filter(|&&there| there & 1 == 1).count(), LENGTH / PAGE / 2)?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
    let made = must("populate", Region::map(LENGTH / 4, BOTH, flags, -1, 0))?;
    must("unmap", made.unmap(0, made.length()))?;
    Ok(())
}

/// A page in each GiB: as many tables as pages.
fn spread() -> Result<(), String> {
    const PAGES: usize = 2_000;
    const STEP: usize = (1 << 30) + PAGE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let all = must("map", Region::map(PAGES * STEP, BOTH, flags, -1, 0))?;
    let places = || (0..PAGES).map(|n| n * STEP / PAGE * PAGE);
    places().for_each(|place| all.put(place, 9));
    is("a child", proc::outcome(|| i32::from(places().any(|p| all.get(p) != 9))), "exit 0".into())?;
    must("for reading", all.protect(0, all.length(), READ))?;
    let memory = must("a memory of its own", file::open("/proc/self/stat", libc::O_RDONLY))?;
    must("read", fd::read(memory, &mut [0; 512]))?;
    must("unmap", all.unmap(0, all.length()))?;
    // Again, left to the end of a process.
    let child = proc::outcome(|| {
        let Ok(all) = Region::map(PAGES * STEP, BOTH, flags, -1, 0) else { return 1 };
        places().for_each(|place| all.put(place, 9));
        0
    });
    is("a child that ends with them", child, "exit 0".into())
}

/// Pages that have left: moved, copied, brought back and dropped.
fn swapped() -> Result<(), String> {
    const PAGES: usize = 1_100;
    let all = Region::anonymous(PAGES * PAGE, BOTH);
    (0..PAGES).for_each(|page| all.put(page * PAGE, page as u8));
    let leave = |region: &Region| must("leave", region.advise(0, PAGES * PAGE, libc::MADV_PAGEOUT));
    leave(&all)?;
    let moved = must("move", all.remap(2 * PAGES * PAGE, libc::MREMAP_MAYMOVE))?;
    let good = || (0..PAGES).all(|page| moved.get(page * PAGE) == page as u8);
    let some = || (0..PAGES).step_by(16).all(|page| moved.get(page * PAGE) == page as u8);
    is("a child", proc::outcome(|| i32::from(!some())), "exit 0".into())?;
    must("need again", moved.advise(0, PAGES / 2 * PAGE, libc::MADV_WILLNEED))?;
    is("moved", good(), true)?;
    leave(&moved)?;
    must("need again", moved.advise(0, PAGES / 2 * PAGE, libc::MADV_WILLNEED))?;
    must("give up", moved.advise(0, PAGES / 4 * PAGE, libc::MADV_FREE))?;
    must("drop", moved.advise(0, PAGES * PAGE, libc::MADV_DONTNEED))?;
    is("dropped", (0..PAGES).all(|page| moved.get(page * PAGE) == 0), true)
}
