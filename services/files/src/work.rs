//! Several processes at once, each in its own folder and with own names in one of all.

use vortex_guest::random::Random;
use vortex_guest::{file, proc, say};

use crate::calls::set_time;
use crate::worker::Worker;
use crate::{fail, shared};

/// One step of so many is with names that all use.
const SHARED: u64 = 5;

/// All of it: afterwards everything is as each process's own account says.
pub fn all(place: &str, seed: u64, count: u64, processes: u64) {
    if let Err(error) = file::mkdir(&format!("{place}/shared"), 0o755) {
        fail(&format!("{place}/shared: {error}"));
    }
    let children: Vec<i32> =
        (0..processes).map(|number| proc::child(|| work(place, number, seed, count))).collect();
    let ends: Vec<_> = children.into_iter().map(proc::wait).collect();
    if let Some(end) = ends.iter().find(|end| *end != "exit 0") {
        fail(&format!("a process of work ends with {end}"));
    }
    shared::clean(place);
    for path in [format!("{place}/shared"), place.to_string()] {
        if let Err(error) = set_time(&path, 1_234_567_890) {
            fail(&format!("{path}: {error}"));
        }
    }
    let operations = count * processes;
    say!("files: {operations} operations from seed {seed} by {processes} processes are good");
}

fn work(place: &str, number: u64, seed: u64, count: u64) -> i32 {
    let mut worker = Worker::new(place, number, seed);
    let mut random = Random::new(seed ^ (number << 32));
    for step in 0..count {
        match step % SHARED {
            0 => shared::step(place, &mut random),
            _ => worker.step(),
        }
    }
    worker.end();
    0
}
