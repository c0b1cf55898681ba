//! Asks the kernel for as much work as one call can be made to do: `long CASE`. A kernel whose
//! handlers are bounded (law 5) does it in many runs. What a call answers is looked at too: it
//! must not be less for that.

mod aio;
mod descriptors;
mod disks;
mod files;
mod folders;
mod memory;
mod network;
mod pieces;
mod processes;
mod threads;

use std::fmt::Display;
use std::time::Duration;

use vortex_guest::args::Args;
use vortex_guest::{Res, proc, say, time};

const USAGE: &str = "\
usage: long --list                names of the cases, a line each
       long CASE [--after S]      one of them, after so many seconds
       long disks [--list] [CASE] [--very-many]
                                  those on a disk, one after the other, or their names; with
                                  very many small files and names
       long spin                  until those are over";

/// A case: its name, and what it does; why it failed, if it did.
type Case = (&'static str, fn() -> Result<(), String>);

fn cases() -> impl Iterator<Item = &'static Case> {
    [
        files::CASES,
        pieces::CASES,
        folders::CASES,
        descriptors::CASES,
        memory::CASES,
        threads::CASES,
        processes::CASES,
        aio::CASES,
        network::CASES,
    ]
    .into_iter()
    .flatten()
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(processes::STARTED) {
        proc::exit(processes::started());
    }
    let mut args = Args::new(USAGE);
    let lists = args.flag("--list");
    let after = args.number("--after").unwrap_or(0);
    let wanted = args.word();
    if wanted.as_deref() == Some("spin") {
        args.end();
        disks::spin();
        proc::exit(0);
    }
    if wanted.as_deref() == Some("disks") {
        let (only, very_many) = (args.word(), args.flag("--very-many"));
        args.end();
        match lists {
            true => disks::list(),
            false => disks::all(only.as_deref(), very_many),
        }
        proc::exit(0);
    }
    if lists {
        cases().for_each(|(name, _)| say!("{name}"));
        proc::exit(0);
    }
    let Some((name, case)) = cases().find(|(name, _)| Some(*name) == wanted.as_deref()) else {
        args.wrong("there is no such case")
    };
    args.end();
    time::pause(Duration::from_secs(after));
    match case() {
        Ok(()) => say!("{name}: good"),
        Err(why) => say!("{name}: WRONG: {why}"),
    }
    proc::exit(0)
}

/// What a call must answer.
fn must<T>(what: &str, answer: Res<T>) -> Result<T, String> {
    answer.map_err(|error| format!("{what}: {error}"))
}

/// Something must be so.
fn is<T: PartialEq + Display>(what: &str, found: T, wanted: T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found} instead of {wanted}")) }
}
