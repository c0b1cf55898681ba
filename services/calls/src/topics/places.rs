//! Where the parts of a program lie, and which of its pages are in memory.

use std::collections::BTreeSet;

use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::plain;
use vortex_guest::{Res, fd, proc, say, sys};

crate::tests!("places":
    "random" => random,
    "fixed" => fixed,
    "personality" => personality,
    "kept-by-fork" => kept,
    "residence" => residence,
    "residence-errors" => residence_errors,
);

const NO_RANDOMIZE: u32 = 0x004_0000;
const ASK: u32 = u32::MAX;

fn persona(value: u32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_personality, value) }
}

/// Where several programs, started one after the other, find their stack, a mapping, their
/// heap and their code.
fn found(times: usize) -> [BTreeSet<String>; 4] {
    let mut sets = [const { BTreeSet::new() }; 4];
    for _ in 0..times {
        let pipe = plain();
        let child = proc::child(|| {
            let _ = fd::dup2(pipe.into, 1);
            let _ = proc::exec(super::exec::ME, &["calls", "--as", "places"], &[]);
            1
        });
        let text = fd::read_text(pipe.out, 256).unwrap_or_default();
        let _ = proc::wait(child);
        let _ = (fd::close(pipe.out), fd::close(pipe.into));
        for (set, word) in sets.iter_mut().zip(text.split_whitespace()) {
            set.insert(word.to_string());
        }
    }
    sets
}

fn random() {
    // Two of eight may be the same by chance; all of them hardly.
    let [stack, map, heap, _] = found(8);
    say!("stack {}", stack.len() > 4);
    say!("mappings {}", map.len() > 4);
    say!("heap {}", heap.len() > 4);
}

fn fixed() {
    say!("before {}", persona(NO_RANDOMIZE) == Ok(0));
    let sets = found(3);
    say!("all the same {}", sets.iter().all(|set| set.len() == 1));
}

fn personality() {
    seen("at first", persona(ASK));
    seen("set", persona(NO_RANDOMIZE));
    seen("then", persona(ASK));
    say!(
        "{}",
        proc::outcome(|| {
            seen("a child's", persona(ASK));
            seen("back", persona(0));
            0
        })
    );
    seen("still", persona(ASK));
}

fn kept() {
    let local = std::hint::black_box(7_u8);
    let here = &raw const local as usize;
    let outcome = proc::outcome(|| i32::from(&raw const local as usize != here || local != 7));
    say!("{outcome}");
}

fn resident(address: usize, length: usize, pages: &mut [u8]) -> Res {
    // SAFETY: the kernel writes a byte a page, which the slice has room for.
    unsafe { sys!(libc::SYS_mincore, address, length, pages.as_mut_ptr()) }
}

fn residence() {
    let region = Region::anonymous(8 * PAGE, BOTH);
    let mut pages = [9; 8];
    // Large pages are not wanted: each is to be there for itself.
    let _ = region.advise(0, 8 * PAGE, libc::MADV_NOHUGEPAGE);
    seen("untouched", resident(region.start(), 8 * PAGE, &mut pages));
    say!("{pages:?}");
    region.put(0, 1);
    region.put(5 * PAGE, 1);
    seen("two touched", resident(region.start(), 8 * PAGE, &mut pages));
    say!("{pages:?}");
    let mut part = [9; 3];
    seen("a part", resident(region.start() + 4 * PAGE, PAGE + 1, &mut part));
    say!("{part:?}");
    worked("drop", region.advise(0, 8 * PAGE, libc::MADV_DONTNEED));
    seen("none", resident(region.start(), 8 * PAGE, &mut pages));
    say!("{pages:?}");
    let large = Region::anonymous(1000 * PAGE, BOTH);
    let _ = large.advise(0, 1000 * PAGE, libc::MADV_NOHUGEPAGE);
    large.put(999 * PAGE, 1);
    let mut pages = [0; 1000];
    seen("many", resident(large.start(), 1000 * PAGE, &mut pages));
    say!("{} {}", pages.iter().filter(|page| **page & 1 != 0).count(), pages[999]);
}

fn residence_errors() {
    let region = Region::anonymous(4 * PAGE, BOTH);
    let mut pages = [9; 4];
    seen("not at a page", resident(region.start() + 1, PAGE, &mut pages));
    seen("nothing", resident(region.start(), 0, &mut pages));
    worked("hole", region.unmap(PAGE, PAGE));
    seen("with a hole", resident(region.start(), 4 * PAGE, &mut pages));
    // SAFETY: there is no memory at that address.
    let answer = unsafe { sys!(libc::SYS_mincore, region.start(), PAGE, sys::NOWHERE) };
    seen("nowhere", answer);
}
