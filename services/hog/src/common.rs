//! A file that two activities have mapped, of which one has a limit: what it needs for itself it
//! does not take from the other.

use std::time::Duration;

use vortex_guest::mem::{BOTH, PAGE, READ, Region};
use vortex_guest::{file, out, say, time};

use crate::timed::faults;
use crate::{PATH, file_mark};

/// They tell each other how far they are.
const STEPS: [&str; 5] =
    ["/tmp/step-0", "/tmp/step-1", "/tmp/step-2", "/tmp/step-3", "/tmp/step-4"];
/// Faults that it may have by the way: a page of the file that it must look for is one more.
const FEW: i64 = 8;

fn tell(step: usize) {
    if file::put(STEPS[step], b"").is_err() {
        out::fail("it cannot be told");
    }
}

fn await_step(step: usize) {
    while file::stat(STEPS[step]).is_err() {
        time::pause(Duration::from_millis(20));
    }
}

/// The file, when it is there, and as it should be.
fn map(pages: usize) -> Region {
    let whole = (pages * PAGE) as i64;
    while file::stat(PATH).map_or(true, |stat| stat.size() < whole) {
        time::pause(Duration::from_millis(20));
    }
    let mapped = file::open(PATH, libc::O_RDONLY)
        .and_then(|fd| Region::map(pages * PAGE, READ, libc::MAP_PRIVATE, fd, 0));
    match mapped {
        Ok(region) if reads(&region) => region,
        Ok(_) => out::fail("the file is another"),
        Err(error) => out::fail(&format!("no mapping: {error}")),
    }
}

fn reads(region: &Region) -> bool {
    (0..region.length() / PAGE).all(|page| region.get(page * PAGE) == file_mark(page))
}

/// Who has no limit maps it after the other, and has it in memory whatever that does.
pub fn keep(pages: usize) {
    await_step(0);
    let region = map(pages);
    for (step, what) in [(1, "shows it"), (3, "has left it")] {
        let (before, _) = faults();
        tell(step);
        await_step(step + 1);
        let good = reads(&region);
        let more = faults().0.saturating_sub(before);
        let few = if more < FEW { "few".to_string() } else { more.to_string() };
        say!("keep: the other {what}: {good}, {few} faults more");
    }
}

/// Who has a limit writes as many pages of its own: with the file beside, and without it.
pub fn leave(pages: usize) {
    let region = map(pages);
    tell(0);
    await_step(1);
    let write = || {
        let own = Region::anonymous(pages * PAGE, BOTH);
        (0..pages).for_each(|page| own.put(page * PAGE, file_mark(page)));
        (own, (0..pages).all(|page| own.get(page * PAGE) == file_mark(page)))
    };
    let (own, good) = write();
    say!("leave: beside the file: {}", good && reads(&region));
    tell(2);
    await_step(3);
    let unmapped = own.unmap(0, own.length()).is_ok();
    let read = reads(&region);
    let left = region.unmap(0, region.length()).is_ok();
    let (_, good) = write();
    say!("leave: without it: {}", unmapped && read && left && good);
    tell(4);
}
