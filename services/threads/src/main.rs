//! Primes below a bound, found by several threads in three ways that must agree: with a
//! shared counter of work under a mutex, through channels, and by turns at a condition.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};

use vortex_guest::{args::Args, out, proc, say};

const USAGE: &str = "usage: threads [--workers N] [--below N]";
/// Numbers that are taken at once.
const CHUNK: u64 = 1000;

fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

fn primes(begin: u64, below: u64) -> u64 {
    (begin..below.min(begin + CHUNK)).filter(|n| is_prime(*n)).count() as u64
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Each worker takes the next chunk under a mutex.
fn by_mutex(workers: u64, below: u64) -> u64 {
    let (next, found) = (Mutex::new(0), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let begin = {
                        let mut next = locked(&next);
                        let begin = *next;
                        *next += CHUNK;
                        begin
                    };
                    if begin >= below {
                        return;
                    }
                    let some = primes(begin, below);
                    *locked(&found) += some;
                }
            });
        }
    });
    found.into_inner().unwrap_or(0)
}

/// Chunks go out, and counts come back, through bounded channels.
fn by_channel(workers: u64, below: u64) -> u64 {
    let (give, take) = mpsc::sync_channel(4);
    let (tell, told) = mpsc::sync_channel(4);
    let take = Arc::new(Mutex::new(take));
    for _ in 0..workers {
        let (take, tell) = (take.clone(), tell.clone());
        std::thread::spawn(move || {
            loop {
                let Ok(begin) = locked(&take).recv() else { return };
                if tell.send(primes(begin, below)).is_err() {
                    return;
                }
            }
        });
    }
    drop(tell);
    std::thread::spawn(move || {
        let _ = (0..below).step_by(CHUNK as usize).try_for_each(|begin| give.send(begin));
    });
    told.iter().sum()
}

/// Each worker has its turns, and waits for them at a condition.
fn by_turns(workers: u64, below: u64) -> u64 {
    let (turn, changed) = (Mutex::new((0, 0)), Condvar::new());
    std::thread::scope(|scope| {
        for own in 0..workers {
            let (turn, changed) = (&turn, &changed);
            scope.spawn(move || {
                for chunk in (own..below.div_ceil(CHUNK)).step_by(workers as usize) {
                    let some = primes(chunk * CHUNK, below);
                    let mut turn = changed
                        .wait_while(locked(turn), |turn| turn.0 != chunk)
                        .unwrap_or_else(|poison| poison.into_inner());
                    *turn = (chunk + 1, turn.1 + some);
                    changed.notify_all();
                }
            });
        }
    });
    turn.into_inner().map_or(0, |turn| turn.1)
}

fn main() {
    let mut args = Args::new(USAGE);
    let workers = args.number("--workers").unwrap_or(4).max(1);
    let below = args.number("--below").unwrap_or(1_000_000);
    args.end();
    let found = [by_mutex(workers, below), by_channel(workers, below), by_turns(workers, below)];
    if found.iter().any(|count| *count != found[0]) {
        out::fail(&format!("the ways disagree: {found:?}"));
    }
    say!("{} primes below {below}", found[0]);
    proc::exit(0)
}
