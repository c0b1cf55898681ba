//! Memory of no file.

use libc::{MAP_FIXED, MAP_FIXED_NOREPLACE, MREMAP_MAYMOVE, PROT_EXEC, PROT_NONE};
use vortex_guest::mem::{self, ANONYMOUS, BOTH, PAGE, READ, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::{fd, pipe, proc, say, sys};

crate::tests!("memory":
    "zeroed" => zeroed,
    "unmap-part" => unmap_part,
    "protect" => protect,
    "protect-part" => protect_part,
    "fixed" => fixed,
    "fixed-no-replace" => no_replace,
    "refused" => refused,
    "wrong-ranges" => wrong_ranges,
    "write-and-execute" => write_execute,
    "execute" => execute,
    "remap" => remap,
    "remap-fixed" => remap_fixed,
    "remap-shared" => remap_shared,
    "remap-leaves-empty" => remap_leaves_empty,
    "drop-contents" => drop_contents,
    "fork-advice" => fork_advice,
    "advice" => advice,
    "populate" => populate,
    "low-addresses" => low_addresses,
    "sparse" => sparse,
    "large" => large,
    "shared-remains" => shared_remains,
    "break" => program_break,
    "system-call-faults" => call_faults,
    "many-mappings" => many,
    "stack-grows" => stack_grows,
    "heap" => heap,
);

fn zeroed() {
    let region = Region::anonymous(10 * PAGE, BOTH);
    say!("whole pages {}", region.start().is_multiple_of(PAGE));
    say!("zero {}", region.all(0, region.length(), 0));
    region.fill(9);
    say!("written {}", region.all(0, region.length(), 9));
    worked("unmap", region.unmap(0, region.length()));
    let again = Region::anonymous(10 * PAGE, BOTH);
    say!("zero again {}", again.all(0, again.length(), 0));
}

fn fault(what: &str, work: impl FnOnce()) {
    say!(
        "{what}: {}",
        proc::outcome(|| {
            work();
            0
        })
    );
}

fn unmap_part() {
    let region = Region::anonymous(5 * PAGE, BOTH);
    region.fill(1);
    seen("middle", region.unmap(2 * PAGE, PAGE));
    say!("rest {} {}", region.all(0, 2 * PAGE, 1), region.all(3 * PAGE, 2 * PAGE, 1));
    fault("before", || region.touch(2 * PAGE - 1));
    fault("within", || region.touch(2 * PAGE));
    fault("after", || region.touch(3 * PAGE));
    seen("over the hole", region.unmap(PAGE, 3 * PAGE));
    fault("gone", || region.touch(3 * PAGE));
    seen("nothing there", region.unmap(2 * PAGE, PAGE));
}

fn protect() {
    let region = Region::anonymous(PAGE, PROT_NONE);
    fault("no access", || region.touch(0));
    seen("to read", region.protect(0, PAGE, READ));
    fault("read", || region.touch(0));
    fault("write", || region.put(0, 1));
    seen("to write", region.protect(0, PAGE, BOTH));
    fault("write", || region.put(0, 1));
    region.put(0, 5);
    seen("no access", region.protect(0, PAGE, PROT_NONE));
    fault("read", || region.touch(0));
    seen("to read", region.protect(0, PAGE, READ));
    say!("kept {}", region.get(0));
}

fn protect_part() {
    let region = Region::anonymous(4 * PAGE, BOTH);
    region.fill(3);
    seen("two in the middle", region.protect(PAGE, 2 * PAGE, READ));
    for n in 0..4 {
        fault(&format!("write to page {n}"), || region.put(n * PAGE, 1));
    }
    say!("contents {}", region.all(0, region.length(), 3));
    worked("hole", region.unmap(2 * PAGE, PAGE));
    seen("over a hole", region.protect(0, 4 * PAGE, READ));
}

fn fixed() {
    let region = Region::anonymous(3 * PAGE, BOTH);
    region.fill(4);
    let over = region.map_over(PAGE, PAGE, BOTH, MAP_FIXED);
    seen("there", over.map(|over| over.start() == region.start() + PAGE));
    say!("new {}", region.all(PAGE, PAGE, 0));
    say!("rest {} {}", region.all(0, PAGE, 4), region.all(2 * PAGE, PAGE, 4));
}

fn no_replace() {
    let region = Region::anonymous(3 * PAGE, BOTH);
    let over = || region.map_over(PAGE, PAGE, BOTH, MAP_FIXED_NOREPLACE);
    seen("in use", over().map(|_| "mapped"));
    worked("unmap", region.unmap(PAGE, PAGE));
    seen("free", over().map(|over| over.start() == region.start() + PAGE));
}

fn refused() {
    seen("no length", mem::refused(0, BOTH, ANONYMOUS, -1, 0));
    seen("neither shared nor private", mem::refused(PAGE, BOTH, libc::MAP_ANONYMOUS, -1, 0));
    seen("odd offset", mem::refused(PAGE, READ, libc::MAP_PRIVATE, 0, 5));
    seen("no file", mem::refused(PAGE, READ, libc::MAP_PRIVATE, 777, 0));
    seen("a pipe", mem::refused(PAGE, READ, libc::MAP_PRIVATE, pipe::plain().out, 0));
    seen("everything", mem::refused(1 << 47, BOTH, ANONYMOUS, -1, 0));
    seen("more than everything", mem::refused(usize::MAX, BOTH, ANONYMOUS, -1, 0));
}

fn wrong_ranges() {
    let region = Region::anonymous(2 * PAGE, BOTH);
    let wrong = |number, off, length, more| mem::wrong(number, &region, off, length, more);
    seen("unmap from an odd place", wrong(libc::SYS_munmap, 1, PAGE, 0));
    seen("unmap nothing", wrong(libc::SYS_munmap, 0, 0, 0));
    seen("protect from an odd place", wrong(libc::SYS_mprotect, 1, PAGE, READ));
    seen("protect nothing", wrong(libc::SYS_mprotect, 0, 0, READ));
    seen("protect in a wrong way", wrong(libc::SYS_mprotect, 0, PAGE, 0x40));
    seen("advise from an odd place", wrong(libc::SYS_madvise, 1, PAGE, 4));
    seen("advise what is not", wrong(libc::SYS_madvise, 0, PAGE, 999));
}

/// Vortex refuses with EACCES what Linux allows, and says so; either is right.
fn write_execute() {
    let all = BOTH | PROT_EXEC;
    let answer = mem::refused(PAGE, all, ANONYMOUS, -1, 0);
    let right = answer.is_ok() || answer.is_err_and(|error| error.0 == libc::EACCES);
    say!("mapped or refused {right}");
    let answer = Region::anonymous(PAGE, BOTH).protect(0, PAGE, all);
    let right = answer.is_ok() || answer.is_err_and(|error| error.0 == libc::EACCES);
    say!("protected or refused {right}");
}

/// Code is written first, and executed then.
fn execute() {
    let region = Region::anonymous(PAGE, BOTH);
    region.put(0, 0xc3);
    worked("execute", region.protect(0, PAGE, READ | PROT_EXEC));
    region.enter(0);
    say!("returned");
    fault("write", || region.put(0, 1));
}

fn remap() {
    let region = Region::anonymous(2 * PAGE, BOTH);
    region.fill(6);
    let Ok(larger) = region.remap(64 * PAGE, MREMAP_MAYMOVE) else {
        say!("refused");
        return;
    };
    say!("kept {}", larger.all(0, 2 * PAGE, 6));
    say!("zero {}", larger.all(2 * PAGE, 62 * PAGE, 0));
    let smaller = larger.remap(PAGE, 0);
    seen("in place", smaller.map(|smaller| smaller.start() == larger.start()));
    fault("cut off", || larger.touch(PAGE));
    worked("unmap", larger.unmap(0, PAGE));
    seen("unmapped", larger.remap(2 * PAGE, MREMAP_MAYMOVE).map(|_| "ok"));
    let region = Region::anonymous(PAGE, BOTH);
    seen("to nothing", region.remap(0, MREMAP_MAYMOVE).map(|_| "ok"));
    seen("wrong flags", region.remap(PAGE, 64).map(|_| "ok"));
}

/// To a place of its own choice, in place of what is there.
fn remap_fixed() {
    let (from, to) = (Region::anonymous(4 * PAGE, BOTH), Region::anonymous(6 * PAGE, BOTH));
    (0..4).for_each(|n| from.put(n * PAGE, n as u8 + 1));
    to.fill(9);
    let there = |from: &Region, length: usize, to: &Region, flags: i32| {
        from.remap_over(length, flags, to).map(|moved| moved.start() == to.start())
    };
    seen("to an odd place", from.remap_to(4 * PAGE, to.start() + 1));
    seen("over itself", from.remap_to(4 * PAGE, from.start() + PAGE));
    seen("without may move", there(&from, 4 * PAGE, &to, libc::MREMAP_FIXED));
    let fixed = MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    seen("shorter", there(&from, 2 * PAGE, &to, fixed));
    say!("kept {} {}", to.get(0), to.get(PAGE));
    say!("rest {}", to.all(2 * PAGE, 4 * PAGE, 9));
    (0..4).for_each(|n| fault("old", || from.touch(n * PAGE)));
}

/// Of shared memory, with no old length, a second view is made.
fn remap_shared() {
    let region = Region::shared(2 * PAGE);
    region.put(0, 5);
    let Ok(moved) = region.remap(3 * PAGE, MREMAP_MAYMOVE) else {
        say!("refused");
        return;
    };
    say!("kept {}", moved.get(0));
    let child = proc::child(|| {
        moved.put(PAGE, 8);
        0
    });
    say!("child {}", proc::wait(child));
    say!("shared {}", moved.get(PAGE));
    fault("behind the end", || moved.touch(2 * PAGE));
}

fn remap_leaves_empty() {
    let region = Region::anonymous(2 * PAGE, BOTH);
    region.fill(3);
    let flags = MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP;
    match region.remap(2 * PAGE, flags) {
        Ok(moved) => say!("moved {}", moved.all(0, 2 * PAGE, 3)),
        Err(error) => say!("{error}"),
    }
    say!("empty {}", region.all(0, 2 * PAGE, 0));
    seen("other length", region.remap(PAGE, flags).map(|_| "ok"));
}

/// What a child has of its parent's memory.
fn fork_advice() {
    let region = Region::anonymous(3 * PAGE, BOTH);
    region.fill(7);
    seen("leave", region.advise(0, PAGE, libc::MADV_DONTFORK));
    seen("empty", region.advise(PAGE, PAGE, libc::MADV_WIPEONFORK));
    fault("left", || region.touch(0));
    let child = proc::child(|| i32::from(region.get(PAGE)) * 16 + i32::from(region.get(2 * PAGE)));
    say!("emptied, whole {}", proc::wait(child));
    say!("parent's {}", region.all(0, 3 * PAGE, 7));
    seen("whole", region.advise(0, PAGE, libc::MADV_DOFORK));
    fault("whole", || region.touch(0));
    seen("shared", Region::shared(PAGE).advise(0, PAGE, libc::MADV_WIPEONFORK));
}

fn advice() {
    let region = Region::anonymous(2 * PAGE, BOTH);
    region.fill(2);
    for (name, advice) in [
        ("random", libc::MADV_RANDOM),
        ("sequential", libc::MADV_SEQUENTIAL),
        ("will need", libc::MADV_WILLNEED),
        ("no huge pages", libc::MADV_NOHUGEPAGE),
        ("not soon", libc::MADV_COLD),
        ("not for long", libc::MADV_PAGEOUT),
        ("will need again", libc::MADV_WILLNEED),
        ("not dumped", libc::MADV_DONTDUMP),
    ] {
        seen(name, region.advise(0, 2 * PAGE, advice));
    }
    say!("kept {}", region.all(0, 2 * PAGE, 2));
    seen("free", region.advise(0, PAGE, libc::MADV_FREE));
    region.put(0, 4);
    say!("written after {}", region.get(0));
    seen("free shared", Region::shared(PAGE).advise(0, PAGE, libc::MADV_FREE));
}

fn populate() {
    for flags in [ANONYMOUS, libc::MAP_SHARED | libc::MAP_ANONYMOUS] {
        let region = Region::map(100 * PAGE, BOTH, flags | libc::MAP_POPULATE, -1, 0);
        match region {
            Ok(region) => say!("zero {}", region.all(0, 100 * PAGE, 0)),
            Err(error) => say!("{error}"),
        }
    }
    let none = Region::map(PAGE, PROT_NONE, ANONYMOUS | libc::MAP_POPULATE, -1, 0);
    seen("no access", none.map(|_| "mapped"));
}

fn low_addresses() {
    let region = Region::map(PAGE, BOTH, ANONYMOUS | libc::MAP_32BIT, -1, 0);
    seen("low", region.map(|region| region.start() < 1 << 31));
}

fn drop_contents() {
    let region = Region::anonymous(4 * PAGE, BOTH);
    region.fill(8);
    seen("advise", region.advise(PAGE, 2 * PAGE, libc::MADV_DONTNEED));
    say!("zero {}", region.all(PAGE, 2 * PAGE, 0));
    say!("kept {} {}", region.all(0, PAGE, 8), region.all(3 * PAGE, PAGE, 8));
    worked("unmap", region.unmap(PAGE, PAGE));
    seen("advise over a hole", region.advise(0, 4 * PAGE, libc::MADV_DONTNEED));
}

/// Much is mapped, little is touched.
fn sparse() {
    let flags = ANONYMOUS | libc::MAP_NORESERVE;
    match Region::map(1 << 30, BOTH, flags, -1, 0) {
        Ok(region) => {
            (0..64).for_each(|n| region.put(n << 24, n as u8 + 1));
            say!("kept {}", (0..64).all(|n| region.get(n << 24) == n as u8 + 1));
            say!("beside {}", (0..64).all(|n| region.get((n << 24) + PAGE) == 0));
        }
        Err(error) => say!("{error}"),
    }
}

fn large() {
    let region = Region::anonymous(8 << 20, BOTH);
    (0..2048).for_each(|n| region.put_all(n * PAGE, &(n as u32).to_le_bytes()));
    let right = (0..2048).filter(|n| region.get(n * PAGE) == *n as u8);
    say!("pages {}", right.count());
}

fn shared_remains() {
    let region = Region::shared(PAGE);
    let child = proc::child(|| {
        region.put(0, 77);
        region.unmap(0, PAGE).map_or(1, |_| 0)
    });
    say!("child {}", proc::wait(child));
    say!("written by it {}", region.get(0));
}

fn program_break() {
    say!(
        "{}",
        proc::outcome(|| {
            // SAFETY: a question.
            let begin = unsafe { mem::brk(0) };
            let end = begin + 3 * PAGE;
            // SAFETY: it grows; nothing else in this child moves it.
            say!("longer {}", unsafe { mem::brk(end) } == end);
            say!("zero {}", (begin..end).step_by(PAGE).all(|at| mem::load(at) == 0));
            // SAFETY: what it takes away was just made.
            say!("shorter {}", unsafe { mem::brk(begin) } == begin);
            // SAFETY: it is refused.
            say!("unchanged by nonsense {}", unsafe { mem::brk(1) } == begin);
            0
        })
    );
}

/// Buffers that cannot be used, in part or whole.
fn call_faults() {
    let pipe = pipe::plain();
    let region = Region::anonymous(2 * PAGE, BOTH);
    worked("no access behind", region.protect(PAGE, PAGE, PROT_NONE));
    region.put_all(PAGE - 4, b"1234");
    seen("write up to it", region.write(pipe.into, PAGE - 4, 4));
    seen("write out of it", region.write(pipe.into, PAGE, 4));
    seen("read into it", region.read(pipe.out, PAGE, 4));
    worked("to read only", region.protect(0, PAGE, READ));
    seen("read into one to read", region.read(pipe.out, 0, 4));
    seen("still there", fd::read_text(pipe.out, 16));
    // SAFETY: there is no memory at that address.
    seen("kernel's", unsafe { sys!(libc::SYS_write, pipe.into, usize::MAX - 4095, 4) });
}

fn many() {
    let regions: Vec<_> =
        (0..500).map(|n| Region::anonymous(PAGE, if n % 2 == 0 { BOTH } else { READ })).collect();
    regions.iter().step_by(2).for_each(|region| region.put(0, 3));
    let sum: usize = regions.iter().map(|region| usize::from(region.get(0))).sum();
    say!("sum {sum}");
    let gone = regions.iter().filter(|region| region.unmap(0, PAGE).is_ok());
    say!("unmapped {}", gone.count());
}

fn stack_grows() {
    fn deeper(n: u32) -> u32 {
        let local = std::hint::black_box([n; 1024]);
        if n == 0 { 0 } else { deeper(n - 1) + local[5] / n }
    }
    say!("depth {}", deeper(1000));
}

fn heap() {
    let mut all: Vec<Vec<u8>> = (0..200).map(|n| vec![n as u8; n * 997]).collect();
    all.retain(|bytes| bytes.len() % 2 == 0);
    all.extend((0..50).map(|n| vec![n; 100_000]));
    let sum: u64 = all.iter().flatten().map(|byte| u64::from(*byte)).sum();
    say!("sum {sum}");
}
