//! The regions of an address space as `/proc/<pid>/maps` shows them.

use alloc::string::String;
use core::fmt::Write as _;

use vortex_machine::Access;

use super::regions::{Backing, Region};
use super::space::AddressSpace;

/// Regions that are shown in one run.
const SLICE: usize = 12;

/// A line for each region, some of them, from an address on; and the address of the next.
#[must_use]
pub fn maps(space: &AddressSpace, from: u64) -> (String, Option<u64>) {
    let (heap, top) = (*space.heap.lock(), space.bounds.top());
    let mut text = String::new();
    let (some, next) = space.regions.lock().some_from(from, SLICE);
    for (start, region) in some {
        // Writing to a string does not fail.
        let _ = line(&mut text, start, &region, heap, top);
    }
    (text, next)
}

fn line(
    text: &mut String,
    start: u64,
    region: &Region,
    heap: (u64, u64),
    top: u64,
) -> Result<(), core::fmt::Error> {
    let rights = match region.access {
        Access::None => "---",
        Access::Read => "r--",
        Access::Write => "rw-",
        Access::Execute => "r-x",
    };
    let shared = if region.shared { 's' } else { 'p' };
    let (offset, name) = match &region.backing {
        Backing::File(image, _, at) => (u64::try_from(*at).unwrap_or(0), &image.found[..]),
        Backing::Mapped(image, at) => (*at, &image.found[..]),
        Backing::Shared(_, at) => (*at, &b""[..]),
        Backing::Window => (0, &b"[aio]"[..]),
        Backing::Anonymous if region.end == top => (0, &b"[stack]"[..]),
        Backing::Anonymous if start >= heap.0 && region.end <= heap.1.next_multiple_of(4096) => {
            (0, &b"[heap]"[..])
        }
        Backing::Anonymous => (0, &b""[..]),
    };
    let name = String::from_utf8_lossy(name);
    let end = region.end;
    let place = alloc::format!("{start:08x}-{end:08x} {rights}{shared} {offset:08x} 00:00 0");
    if name.is_empty() { writeln!(text, "{place}") } else { writeln!(text, "{place:<73}{name}") }
}
