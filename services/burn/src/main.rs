//! Uses the processor: `burn --threads N` spins on N threads, for ever or `--seconds S`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use vortex_guest::{args::Args, proc, say, time};

const USAGE: &str = "usage: burn [--threads N] [--seconds S] [--report]";
/// Iterations between two looks at whether to stop.
const BATCH: u64 = 1 << 16;

static STOP: AtomicBool = AtomicBool::new(false);
static DONE: AtomicU64 = AtomicU64::new(0);

fn spin() {
    while !STOP.load(Relaxed) {
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
    args.end();
    if let Some(seconds) = seconds {
        std::thread::spawn(move || {
            let end = time::now() + Duration::from_secs(seconds);
            while time::now() < end {
                time::pause(end.saturating_sub(time::now()));
            }
            STOP.store(true, Relaxed);
        });
    }
    let others: Vec<_> = (1..threads).map(|_| std::thread::spawn(spin)).collect();
    spin();
    others.into_iter().for_each(|other| drop(other.join()));
    if report {
        say!("{} iterations", DONE.load(Relaxed));
    }
    proc::exit(0)
}
