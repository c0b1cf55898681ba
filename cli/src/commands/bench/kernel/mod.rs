//! `bench kernel`, `bench memory`, `bench storage` and `bench network`: what the process interface,
//! virtual memory, files on a disk and sockets cost on the machine, in instructions, with Linux
//! beside it.
//!
//! Guest time counts instructions (the processor's counter advances by two at each), on one
//! core, so that every run gives the same figures. The same program (`services/bench`) runs
//! on Vortex and on Debian's kernel, in machines that are alike but for their kernel.

mod disk;
mod linux;
mod print;
mod vortex;

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::home;
use crate::machine::own;
use crate::out;

/// What the counter advances by at an instruction.
const TICKS: u64 = 2;
/// In which a machine ends.
const LIMIT: Duration = Duration::from_secs(300);

/// Something that is measured.
#[derive(Debug)]
pub struct Measured {
    /// As `services/bench` knows it.
    name: &'static str,
    /// How often it is done.
    count: u32,
    what: &'static str,
    /// Whether it is to cost no more than on Linux.
    has_goal: bool,
}

const fn measured(name: &'static str, count: u32, what: &'static str) -> Measured {
    Measured { name, count, what, has_goal: true }
}

/// The process interface.
pub const PROCESS: &[Measured] = &[
    measured("getppid", 5_000, "the null call, direct"),
    Measured { has_goal: false, ..measured("null-write", 1_000, "the null call, as a request") },
    measured("yield", 1_000, "a yield to another thread, and back"),
    measured("switch", 500, "two threads in turn by futex, there and back"),
    measured("pipe", 500, "a byte to another process and back"),
    measured("fork", 50, "fork, exit, wait"),
    measured("exec", 30, "fork, exec, exit, wait"),
    measured("fault", 1_000, "the first touch of a page"),
];

/// Virtual memory.
pub const MEMORY: &[Measured] = &[
    measured("fault", 1_000, "the first touch of a page"),
    measured("copy", 2_048, "a write to a page that a fork shares, and a 1,024th of the fork"),
    measured("map", 200, "1 MiB mapped, touched and unmapped"),
    measured("touch", 10, "64 MiB mapped, touched and unmapped, 2 MiB at once"),
    measured("fork-large", 20, "fork, exit, wait, with 64 MiB touched"),
    measured("exec-dynamic", 20, "fork, exec of a dynamic program, exit, wait"),
];
/// Files on a disk. Where a program waits for that, what the core has nothing to do meanwhile
/// does not count.
pub const STORAGE: &[Measured] = &[
    measured("read-4k", 2_000, "4 KiB of a cached file"),
    measured("read-32k", 1_000, "32 KiB of a cached file"),
    measured("read-disk", 200, "4 KiB of a file, from the disk"),
    measured("open-close", 1_000, "a file opened and closed"),
    measured("create", 200, "a file made and removed"),
];
/// Sockets, within the machine.
pub const NETWORK: &[Measured] = &[
    measured("request-kept", 500, "100 bytes to a server and back, the connection kept"),
    measured("request", 200, "the same with a connection of its own"),
    measured("megabyte", 4, "a megabyte, 4 KiB at a time"),
    measured("datagram", 500, "a datagram of 100 bytes, sent and received"),
    measured("nobody", 500, "a datagram of 100 bytes to a port at which nobody is"),
];
/// What a machine has beside a processor and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Nothing.
    Nothing,
    /// A disk.
    Disk,
    /// A network card. Linux has a network without.
    Card,
}
/// The dynamic program: Debian's, with the libraries that it needs.
const DYNAMIC: &str = "/usr/bin/true";

/// A line of the result: instructions of one execution.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    what: &'static str,
    vortex: u64,
    /// Absent where Linux could not be measured.
    linux: Option<u64>,
    /// Vortex's over Linux's.
    ratio: Option<f64>,
    goal: Goal,
}

/// Whether Vortex takes no more than Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Goal {
    Reached,
    Missed,
    /// It has none.
    None,
    /// Linux is not there to be compared with.
    Unknown,
}

/// All of the result.
#[derive(Debug, Serialize)]
struct Report {
    figures: Vec<Figure>,
    /// Of files on a disk.
    throughput: Option<disk::Throughput>,
    linux: Beside,
}

/// Linux, or why there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Beside {
    Measured(linux::About),
    Absent { absent: String },
}

/// Measures all and prints.
pub fn run(all: &'static [Measured], with: With, json: bool) -> Result<ExitCode, Failure> {
    let root = home::root()?;
    let programs = own::build(&root)?;
    let disk = (with == With::Disk).then(disk::Image::new).transpose()?;
    let measured = linux::measure(all, &root, &programs, disk.as_ref());
    let throughput =
        disk.as_ref().map(|disk| disk::throughput(disk, &root, &programs)).transpose()?;
    let report = Report { throughput, ..report(all, measured, (with, disk.as_ref()))? };
    let text = match json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => print::report(&report),
    };
    out::put(&text);
    Ok(ExitCode::SUCCESS)
}

fn report(
    all: &'static [Measured],
    linux: Result<linux::Linux, String>,
    (with, disk): (With, Option<&disk::Image>),
) -> Result<Report, Failure> {
    let vortex = vortex::measure(all, with, disk)?;
    let figures = all.iter().zip(vortex).map(|(measured, vortex)| {
        let beside = linux.as_ref().ok().and_then(|linux| linux.instructions(measured.name));
        Figure::of(measured, vortex, beside)
    });
    let figures = figures.collect();
    let linux = match linux {
        Ok(linux) => Beside::Measured(linux.about),
        Err(absent) => Beside::Absent { absent },
    };
    Ok(Report { figures, throughput: None, linux })
}

impl Figure {
    fn of(measured: &Measured, vortex: u64, linux: Option<u64>) -> Self {
        let goal = match linux {
            _ if !measured.has_goal => Goal::None,
            None => Goal::Unknown,
            Some(linux) if vortex <= linux => Goal::Reached,
            Some(_) => Goal::Missed,
        };
        let ratio = linux.map(|linux| vortex as f64 / linux.max(1) as f64);
        let Measured { name, what, .. } = measured;
        Self { name, what, vortex, linux, ratio, goal }
    }
}

/// The figure in a line `NAME N cycles`, or `NAME N ns`.
fn cycles(said: &str, name: &str) -> Option<u64> {
    said.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_among_what_the_machine_says() {
        let said = "vortex: bench makes system call 334\ngetppid 1270 cycles\ncore 0: 5 cycles\n";
        assert_eq!(cycles(said, "getppid"), Some(1270));
        assert_eq!(cycles(said, "pipe"), None);
    }

    #[test]
    fn the_goal_is_to_be_at_or_below_linux() {
        let goal = |has_goal, linux| {
            let measured = Measured { has_goal, ..measured("x", 1, "it") };
            Figure::of(&measured, 100, linux).goal
        };
        assert_eq!(goal(true, Some(100)), Goal::Reached);
        assert_eq!(goal(true, Some(99)), Goal::Missed);
        assert_eq!(goal(true, None), Goal::Unknown);
        assert_eq!(goal(false, Some(99)), Goal::None);
        assert_eq!(Figure::of(&PROCESS[0], 100, Some(50)).ratio, Some(2.0));
    }
}
