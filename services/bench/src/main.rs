//! What things cost: `bench NAME COUNT` does something COUNT times, and prints nanoseconds
//! (or `--cycles`) for each. For an emulator that counts instructions: run with two counts,
//! and subtract.

mod idle;
mod network;
mod storage;
mod work;

use vortex_guest::{args::Args, out, proc, say, time};

const USAGE: &str = "\
usage: bench NAME [COUNT] [--cycles | --quiet | --parts]
       bench --list";

fn main() {
    if std::env::args().nth(1).as_deref() == Some("--noop") {
        proc::exit(0);
    }
    let mut args = Args::new(USAGE);
    if args.flag("--list") {
        all().for_each(|(name, what, _)| say!("{name:<12} {what}"));
        proc::exit(0);
    }
    let Some(name) = args.word() else { args.wrong("what is to be measured?") };
    let count = match args.word().map(|word| word.parse::<u64>()) {
        None => 10_000,
        Some(Ok(count)) if count > 0 => count,
        Some(_) => args.wrong("the count is a number above zero"),
    };
    let (cycles, quiet, parts) =
        (args.flag("--cycles"), args.flag("--quiet"), args.flag("--parts"));
    args.end();
    let Some((_, _, work)) = all().find(|(other, _, _)| *other == name) else {
        out::fail(&format!("'{name}' is not known; bench --list names all"));
    };
    work::prepare(&name);
    // Who waits for a disk, or for a timer of the network's, costs nothing meanwhile.
    let waits = storage::prepare(&name) || network::prepare(&name);
    let idle = || if waits { idle::cycles() } else { 0 };
    let used = if parts { idle::parts() } else { Default::default() };
    let (before, begin, first) = (idle(), time::now(), time::cycles());
    work(count);
    let (last, end, after) = (time::cycles(), time::now(), idle());
    if parts {
        // Of each resource, for one: cycles, requests, runs, in thousandths.
        for (name, now) in idle::parts() {
            let before = used.get(&name).copied().unwrap_or_default();
            let mut all = now.iter().zip(before).map(|(now, was)| (now - was) * 1_000 / count);
            let [cycles, requests, runs] = [(); 3].map(|()| all.next().unwrap_or(0));
            say!("part {name} {} {requests} {runs}", cycles / 1_000);
        }
    }
    if cycles {
        say!("{name} {} cycles", last.saturating_sub(first).saturating_sub(after - before) / count);
    } else if !quiet {
        say!("{name} {} ns", (end - begin).as_nanos() / u128::from(count));
    }
    proc::exit(0)
}

/// All that can be measured.
fn all() -> impl Iterator<Item = &'static work::Work> {
    work::ALL.iter().chain(storage::ALL).chain(network::ALL)
}
