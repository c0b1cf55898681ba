//! Divides its activity into sub-activities, as a server would do for its kinds of customers.
//!
//! `divide --first 600 --second 200 --threads N` spins on N threads in each of two parts with
//! so many thousandths, and on N that are bound to none. `divide --churn` makes a part, works
//! in it and ends it, again and again. Both for `--seconds S`.

use std::time::Duration;

use vortex_guest::activity::{Limits, bind, close, create};
use vortex_guest::{args::Args, out, proc, say, time};

const USAGE: &str = "usage: divide [--churn] [--first N] [--second N] [--threads N] [--seconds S]";
fn spin(until: Duration) {
    while time::now() < until {
        for n in 0..1 << 14 {
            std::hint::black_box(n);
        }
    }
}

/// Spins on so many threads in each part, and on as many in none.
fn divide(parts: [u32; 2], threads: u64, until: Duration) {
    let mut handles = vec![0];
    for part in parts {
        match create(part, Limits::default()) {
            Ok(handle) => handles.push(handle),
            Err(error) => out::fail(&format!("divide: no part of {part}: {error}")),
        }
    }
    let in_each = handles.iter().copied().flat_map(|handle| (0..threads).map(move |_| handle));
    let work = |handle| {
        std::thread::spawn(move || {
            if let Err(error) = bind(handle, 0) {
                out::fail(&format!("divide: not bound: {error}"));
            }
            spin(until);
        })
    };
    let all: Vec<_> = in_each.map(work).collect();
    all.into_iter().for_each(|thread| drop(thread.join()));
    say!(
        "divide: {} parts closed",
        handles.iter().filter(|handle| close(**handle).is_ok()).count()
    );
}

/// Parts, one after the other.
fn churn(until: Duration) {
    let (mut made, mut refused) = (0_u64, 0_u64);
    while time::now() < until {
        match create(900, Limits::default()) {
            Ok(handle) => {
                let bound = bind(handle, 0).is_ok();
                std::hint::black_box(proc::pid());
                let away = bind(0, 0).is_ok();
                made += u64::from(bound && away && close(handle).is_ok());
            }
            Err(_) => {
                // The last is not quite gone.
                refused += 1;
                proc::give_way();
            }
        }
    }
    say!("divide: {made} parts came and went, {refused} times it was too early");
}

fn main() {
    let mut args = Args::new(USAGE);
    let ever = args.flag("--churn");
    let part = |given: Option<u64>, usual| given.map_or(usual, |part| part as u32);
    let first = part(args.number("--first"), 600);
    let second = part(args.number("--second"), 200);
    let threads = args.number("--threads").unwrap_or(1);
    let seconds = args.number("--seconds").unwrap_or(5);
    args.end();
    let until = time::now() + Duration::from_secs(seconds);
    if ever {
        churn(until)
    } else {
        divide([first, second], threads, until)
    }
    proc::exit(0)
}
