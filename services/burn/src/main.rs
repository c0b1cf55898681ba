//! Uses the processor: `burn --threads N` spins on N threads, for ever or `--seconds S`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use vortex_guest::{args::Args, proc, say, time};

const USAGE: &str = "usage: burn [--threads N] [--seconds S] [--after MS] [--report]";
/// Iterations between two looks at whether to stop.
const BATCH: u64 = 1 << 16;
/// Such looks between two at the clock, which takes a system call.
const LOOKS: u64 = 32;

static STOP: AtomicBool = AtomicBool::new(false);
static DONE: AtomicU64 = AtomicU64::new(0);

/// Spins until it is told to stop, or finds that its time is over and tells the others: so
/// there is no thread beside those that were asked for.
fn spin(end: Option<Duration>) {
    let mut looks = 0;
    while !STOP.load(Relaxed) {
        looks += 1;
        if looks % LOOKS == 0 && end.is_some_and(|end| time::now() >= end) {
            STOP.store(true, Relaxed);
        }
        for n in 0..BATCH {
            std::hint::black_box(n);
        }
        DONE.fetch_add(BATCH, Relaxed);
    }
}

fn main() {
    let mut args = Args::new(USAGE);
    let threads = args.number("--threads").unwrap_or(1);
    let (seconds, report) = (args.number("--seconds"), args.flag("--report"));
    let after = args.number("--after").unwrap_or(0);
    args.end();
    time::pause(Duration::from_millis(after));
    let end = seconds.map(|seconds| time::now() + Duration::from_secs(seconds));
    let others: Vec<_> = (1..threads).map(|_| std::thread::spawn(move || spin(end))).collect();
    spin(end);
    others.into_iter().for_each(|other| drop(other.join()));
    if report {
        say!("{} iterations", DONE.load(Relaxed));
    }
    proc::exit(0)
}
