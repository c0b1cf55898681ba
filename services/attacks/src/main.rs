//! Storms, for whoever must stand them: `attacks forkbomb | threadstorm | signalstorm |
//! callstorm | threadops | objects | fill | meddle`. Each is bounded, so that it can be tried on a
//! host, but for the last, which is for Vortex alone.

mod fills;
mod meddle;
mod objects;
mod storms;

use vortex_guest::{args::Args, proc, sig};

const USAGE: &str = "\
usage: attacks forkbomb [--most N] [--seconds S]   fork until it is refused, or N times; reap
                                              all; with S again and again, so long
       attacks threadstorm [--threads N]     N threads, ready all the time, for --seconds S
       attacks threadops [--seconds S]       start and join threads, a few at a time
       attacks signalstorm [--seconds S]     threads send each other signals
       attacks callstorm [--seconds S] [--seed S]   wrong arguments to harmless calls
       attacks objects [--most N] [--seconds S]   of each kind of the kernel's objects as many
                                              as there are, or N
       attacks fill [--most N]               fill the kernel's memory with each kind of what
                                              it keeps, until it is refused, or N of them
       attacks meddle [--seconds S]          signals, limits and niceness for all others";

fn main() {
    let mut args = Args::new(USAGE);
    let name = args.word();
    let most = args.number("--most").unwrap_or(100);
    let threads = args.number("--threads");
    let asked = args.number("--seconds");
    let seconds = asked.unwrap_or(1);
    let seed = args.number("--seed").unwrap_or(1);
    sig::reset();
    match name.as_deref() {
        Some("forkbomb") => storms::forks(most, asked.unwrap_or(0)),
        Some("threadops") => storms::operations(seconds),
        Some("threadstorm") => storms::threads(threads.unwrap_or(10_000), seconds),
        Some("signalstorm") => storms::signals(threads.unwrap_or(8), seconds),
        Some("objects") => objects::hoard(most, seconds),
        Some("fill") => fills::all(most),
        Some("meddle") => meddle::others(seconds),
        Some("callstorm") => storms::calls(seed, seconds),
        _ => args.wrong("which storm?"),
    }
    args.end();
    proc::exit(0)
}
