//! The part `runs`: no run of a handler takes more than 50,000 instructions (law 5), whatever a
//! program asks for.
//!
//! A machine whose time counts instructions boots with `services/long`, each of its cases an
//! activity of its own, one after the other: each asks for as much work as one call can be made
//! to do. The kernel tells at its end the longest run of each resource for each activity.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Extent, Verdict, services};
use crate::commands::stage::{Beside, Stage};
use crate::failure::Failure;
use crate::home;
use crate::human;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::disk::{Disk, Disks};
use crate::machine::network;
use crate::machine::size::{Cores, Memory};
use crate::volume::{self, Wanted};

/// What a handler does at most, in instructions.
const MOST: u64 = 50_000;
/// A simple instruction in cycles of the machine's counter, where time counts instructions: 2 ns
/// at a gigahertz.
const CYCLES: u64 = 2;
/// In which all cases have run, on the host.
const LIMIT: Duration = Duration::from_secs(400);
/// The same of those on a disk.
const DISK_LIMIT: Duration = Duration::from_secs(1_800);
/// The case of an activity at its hard limit.
const SWAPPED: &str = "swapped";
/// From one case to the next, in the machine: nobody waits for time that is only counted.
const APART: u64 = 100;
const MIB: u32 = 768;
/// Bytes of each disk: one has the smallest blocks, the other those of a page.
const DISK: u64 = 128 << 20;
/// How the configurations of both machines begin.
const HEAD: &str = "<?xml version=\"1.0\"?>\n<schedulerconfig>\n\
    <machine memory=\"768 MiB\" timeslice=\"5 ms\"/>\n\
    <cpumultiplexor tag=\"cpumux0\" core=\"0\" algorithm=\"propshare.wfq\"/>\n\
    <resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">\n\
    <cpumultiplexor tag=\"cpumux0\"/>\n</resourcescheduler>\n";

/// A run that was told.
#[derive(Debug, PartialEq, Eq)]
struct Run<'a> {
    instructions: u64,
    /// Of which resource, for whom, and what it was asked for.
    of: &'a str,
}

/// What a machine ran, and what it said.
type Told = Result<(Vec<String>, String), Failure>;

/// As a part of the proof: all that does without a disk.
pub fn part(root: &Path, extent: Extent) -> Verdict {
    measure(root, extent, runs)
}

/// The same of files on a disk; of very many of them where the proof is to be full. It takes some
/// minutes, so it is not of the ordinary proof.
pub fn on_a_disk(root: &Path, extent: Extent) -> Verdict {
    measure(root, extent, disk_runs)
}

fn measure(root: &Path, extent: Extent, run: fn(&Path, Extent, Accelerator) -> Told) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, true) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    match run(root, extent, accelerator) {
        Ok((cases, console)) => judge(&cases, &console),
        Err(failure) => Verdict::Bad(failure.to_string()),
    }
}

/// The cases with files on a disk, in a machine of their own, and what it said.
fn disk_runs(root: &Path, extent: Extent, accelerator: Accelerator) -> Told {
    let folder = services::build(root).map_err(Failure::Booted)?;
    let list = home::output(Command::new(folder.join("long")).args(["disks", "--list"]))?;
    let stage = Stage { accelerator, counted: true, cores: Cores::LEAST };
    let temporary = tempfile::tempdir();
    let temporary = temporary.map_err(|error| Failure::Unwritable(std::env::temp_dir(), error))?;
    let empty = temporary.path().join("empty");
    std::fs::create_dir(&empty).map_err(|error| Failure::Unwritable(empty.clone(), error))?;
    let empty = volume::folder(&empty)?;
    let disk = |block: u32| {
        let image = temporary.path().join(format!("disk-{block}.img"));
        let (size, inodes) = (Some(DISK), Some(8_192));
        let wanted = Wanted { size, block, inodes, label: String::new(), force: false };
        volume::make(&empty, &image, &wanted)?;
        Ok::<_, Failure>(Disk::new(&image))
    };
    let disks = Disks { disks: vec![disk(1024)?, disk(4096)?], depth: None };
    let memory = Memory::mebibytes(MIB.into());
    let beside = Beside { words: &["runs=told"], memory, disks: Some(&disks), ..Beside::default() };
    let very_many = match extent {
        Extent::Full => "<argument> --very-many </argument>",
        Extent::Quick | Extent::Normal => "",
    };
    let text = format!(
        "{HEAD}<activity name=\"disks\" share=\"1000\"/>\n<activity name=\"spin\" share=\"1\"/>\n\
         <service activity=\"disks\">\
         <program> /bin/long </program> <argument> disks </argument>{very_many}\
         </service>\n\
         <service activity=\"spin\">\
         <program> /bin/long </program> <argument> spin </argument> </service>\n\
         </schedulerconfig>\n"
    );
    let console = stage.run_with(&text, &["long"], DISK_LIMIT, beside)?;
    Ok((list.lines().map(String::from).collect(), console))
}

/// The cases, and what the machine said.
fn runs(root: &Path, _: Extent, accelerator: Accelerator) -> Told {
    let folder = services::build(root).map_err(Failure::Booted)?;
    let list = home::output(Command::new(folder.join("long")).arg("--list"))?;
    let cases: Vec<String> = list.lines().map(String::from).collect();
    let stage = Stage { accelerator, counted: true, cores: Cores::LEAST };
    let memory = Memory::mebibytes(MIB.into());
    // A card, of which no more is wanted than that there is a network.
    let card: Vec<_> =
        network::arguments(&[]).into_iter().filter_map(|it| it.into_string().ok()).collect();
    let card: Vec<_> = card.iter().map(String::as_str).collect();
    let words: Vec<_> = ["runs=told".into()].into_iter().chain(network::words()).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let beside = Beside { words: &words, memory, devices: &card, ..Beside::default() };
    let console = stage.run_with(&configuration(&cases), &["long"], LIMIT, beside)?;
    Ok((cases, console))
}

fn configuration(cases: &[String]) -> String {
    // Each has an equal part of it.
    let mut text = HEAD.replacen(" timeslice", " swap=\"224 MiB\" timeslice", 1);
    for case in cases {
        // It is searched for what it is to give among what all others have.
        let limit = if case == SWAPPED { "<memory hard=\"2 MiB\"/>" } else { "" };
        let _ = writeln!(text, "<activity name=\"{case}\" share=\"10\">{limit}</activity>");
    }
    for (place, case) in (0..).zip(cases) {
        let after = APART * place;
        let _ = writeln!(
            text,
            "<service activity=\"{case}\"> <program> /bin/long </program>\
             <argument> {case} </argument> <argument> --after </argument>\
             <argument> {after} </argument> </service>"
        );
    }
    text + "</schedulerconfig>\n"
}

fn told(line: &str) -> Option<Run<'_>> {
    let (cycles, of) = line.trim().strip_prefix("longest run: ")?.split_once(" cycles, ")?;
    Some(Run { instructions: cycles.parse::<u64>().ok()? / CYCLES, of })
}

/// The longest run that a counted machine has told of this resource, in instructions, and all
/// that were longer than a run may be.
pub(super) fn longest_of(resource: &str, console: &str) -> (u64, Vec<String>) {
    let (start, mut longest, mut wrong) = (format!("{resource} for "), 0, Vec::new());
    for Run { instructions, of } in console.lines().filter_map(told) {
        if of.starts_with(&start) {
            longest = longest.max(instructions);
        }
        if instructions > MOST {
            wrong.push(format!("{of}: {instructions} instructions in one run"));
        }
    }
    (longest, wrong)
}

/// The longest run of which what is told begins so, in instructions; zero where none is told.
pub(super) fn longest(of: &str, console: &str) -> u64 {
    let all = console.lines().filter_map(told).filter(|run| run.of.starts_with(of));
    all.map(|run| run.instructions).max().unwrap_or(0)
}

fn judge(cases: &[String], console: &str) -> Verdict {
    let mut wrong = String::new();
    for case in cases {
        if !console.lines().any(|line| line.trim() == format!("{case}: good")) {
            let said = console.lines().find(|line| line.starts_with(&format!("{case}: ")));
            let _ = writeln!(wrong, "{}", said.unwrap_or(&format!("{case}: says nothing")).trim());
        }
    }
    let mut all: Vec<Run<'_>> = console.lines().filter_map(told).collect();
    all.sort_by_key(|run| std::cmp::Reverse(run.instructions));
    for Run { instructions, of } in all.iter().take_while(|run| run.instructions > MOST) {
        let _ = writeln!(wrong, "{of}: {} instructions in one run", human::grouped(*instructions));
    }
    match all.first() {
        None => Verdict::Bad(format!("{wrong}no runs are told\n{console}")),
        Some(_) if !wrong.is_empty() => Verdict::Bad(wrong),
        Some(Run { instructions, of }) => Verdict::Good(format!(
            "{} cases; the longest run: {} instructions, {of}",
            cases.len(),
            human::grouped(*instructions)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(console: &str) -> Option<String> {
        match judge(&["one".into()], console) {
            Verdict::Bad(why) => Some(why),
            _ => None,
        }
    }

    #[test]
    fn a_resources_longest_run_is_found() {
        let console = "longest run: 100 cycles, resource.dir for a: x\r\n\
            longest run: 300 cycles, resource.dir for b: x\nlongest run: 100002 cycles, other for b: y";
        let (longest, wrong) = longest_of("resource.dir", console);
        assert_eq!(longest, 150);
        assert_eq!(wrong, ["other for b: y: 50001 instructions in one run"]);
    }

    #[test]
    fn a_run_that_is_too_long_a_wrong_answer_and_silence_fail() {
        let good = "one: good\r\nlongest run: 100000 cycles, resource.file for one: read\r\n";
        assert_eq!(bad(good), None);
        let long = bad(&good.replace("100000", "100002")).unwrap();
        assert!(long.contains("resource.file for one: read: 50,001 instructions"), "{long}");
        assert!(bad(&good.replace("good", "WRONG: 1 instead of 2")).is_some());
        assert!(bad("longest run: 1 cycles, resource.file for one: read").is_some());
        assert!(bad("one: good").is_some());
    }
}
