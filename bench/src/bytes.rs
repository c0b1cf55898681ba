//! Bytes: of a queued request, and of an activity that is idle on a core.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats};
use vortex_grid::{Labels, Step, request_size};
use vortex_units::Micros;

use crate::grid::{Go, Mail, WFQ, core, create, grid, relay};

/// Over how many activities the mean is taken.
const ACTIVITIES: u32 = 10_000;

/// Prints `name value` lines.
pub fn print() {
    println!("request {}", request_size::<Mail>());
    if let Some((table, core)) = idle_activity() {
        println!("table {table}");
        println!("idle {core}");
    }
}

/// Bytes allocated and not given back; a reallocation counts in the one or the other.
fn live(stats: &Stats) -> usize {
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Bytes that an activity takes in the shared table, and on a core once it has been served
/// there and is idle again. Its one request has been dropped, its node is in the pool.
fn idle_activity() -> Option<(usize, usize)> {
    let count = ACTIVITIES as usize;
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    let grid = grid(1, ACTIVITIES);
    let ids = create(grid.activities(), ACTIVITIES)?;
    let table = live(&region.change()) / count;
    // A relay that sends to an instance that does not exist: what it sends is refused.
    let port = relay(&grid, WFQ, &[0], 1)?;
    let mut core = core(&grid, WFQ, 0, true, Micros::ZERO)?;
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    for id in ids {
        core.root(id, port, Labels::NONE, Go).ok()?;
        while let Step::Ran = core.step() {}
        core.wake();
    }
    Some((table, live(&region.change()) / count))
}
