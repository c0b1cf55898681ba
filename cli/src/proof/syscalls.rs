//! The part `syscalls`: random system calls with wild arguments harm nobody but who makes them.
//!
//! A machine with two cores boots with two activities, each with limits and a `services/fuzz` of
//! its own seed. Every child of theirs ends, and when the machine ends, by itself, nothing is
//! left of what they had, and no cycle is on a wrong bill.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::{Extent, Verdict};
use crate::commands::stage::Stage;
use crate::human;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::size::Cores;

/// The cores, and the activities.
const TWO: u16 = 2;
/// The calls asked of each activity (a child may end before its last), and the first activity's
/// seeds, of a machine each: the second has the next.
const NORMAL: (u64, &[u64]) = (10_000, &[71]);
const FULL: (u64, &[u64]) = (50_000, &[71, 2011, 31_337, 4_000_003]);
/// The calls of a child of theirs: `EACH` in `services/fuzz`.
const EACH: u64 = 500;
/// In which so many calls of each activity are made. A child that waits is ended by an alarm
/// after two seconds.
const LIMIT: Duration = Duration::from_secs(120);
const OF_CALLS: u64 = 10_000;
/// What is nowhere to be said.
const NEVER: [&str; 4] = ["FRAMES LOST", "PAGES LOST", "OBJECTS LEFT", "LEDGER WRONG"];

/// As a part of the proof.
pub fn part(_: &Path, extent: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, false) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let cores = Cores::new(TWO).unwrap_or(Cores::LEAST);
    let stage = Stage { accelerator, counted: false, cores };
    let (count, seeds) = match extent {
        Extent::Full => FULL,
        _ => NORMAL,
    };
    let limit = LIMIT * u32::try_from(count.div_ceil(OF_CALLS)).unwrap_or(1);
    let mut children = 0;
    for seed in seeds {
        // A machine that does not end by itself is a failure of this.
        let console = match stage.run(&configuration(*seed, count), &["fuzz"], limit) {
            Ok(console) => console,
            Err(failure) => return Verdict::Bad(format!("from seed {seed}: {failure}")),
        };
        match wrong(&console, count.div_ceil(EACH)) {
            wrong if wrong.is_empty() => children += count.div_ceil(EACH) * u64::from(TWO),
            wrong => {
                let wrong = wrong.join("\n");
                return Verdict::Bad(format!("from seed {seed}: {wrong}\n{console}"));
            }
        }
    }
    let calls = count * u64::from(TWO) * seeds.len() as u64;
    Verdict::Good(format!(
        "{children} children reaped, of whom {} calls were asked; nothing left",
        human::grouped(calls)
    ))
}

fn configuration(seed: u64, count: u64) -> String {
    let mut text =
        String::from("<?xml version=\"1.0\"?>\n<schedulerconfig>\n<machine memory=\"256 MiB\"/>\n");
    let mut stacked = String::new();
    let (mut activities, mut services) = (String::new(), String::new());
    for place in 0..TWO {
        let seed = seed.wrapping_add(place.into());
        let _ = writeln!(
            text,
            "<cpumultiplexor tag=\"cpumux{place}\" core=\"{place}\" algorithm=\"propshare.wfq\"/>"
        );
        let _ = writeln!(stacked, "<cpumultiplexor tag=\"cpumux{place}\"/>");
        let _ = writeln!(
            activities,
            "<activity name=\"fuzz{place}\" share=\"50\"> <limits processes=\"64\" \
             threads=\"200\" files=\"400\" pipes=\"40\" mappings=\"4000\" signals=\"400\"/> \
             </activity>"
        );
        let _ = writeln!(
            services,
            "<service activity=\"fuzz{place}\"> <program> /bin/fuzz </program> \
             <argument> --seed </argument> <argument> {seed} </argument> \
             <argument> --count </argument> <argument> {count} </argument> </service>"
        );
    }
    let _ = writeln!(
        text,
        "<resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">\n\
         {stacked}</resourcescheduler>\n{activities}{services}</schedulerconfig>"
    );
    text
}

/// What is not as it must be, where each activity has so many children.
fn wrong(console: &str, children: u64) -> Vec<String> {
    let lines = || console.lines().map(str::trim);
    let count = |is: &dyn Fn(&str) -> bool| lines().filter(|line| is(line)).count();
    let mut wrong = Vec::new();
    let all = format!("{children} of {children} children reaped");
    let reaped = count(&|line| line == all);
    if reaped != usize::from(TWO) {
        wrong.push(format!("'{all}' is said {reaped} times, not {TWO}"));
    }
    for core in 0..TWO {
        let start = format!("core {core}: ");
        if count(&|line| line.starts_with(&start) && line.ends_with(", ledger whole")) != 1 {
            wrong.push(format!("core {core} does not say that its ledger is whole"));
        }
        let start = format!("memory of fuzz{core}: ");
        if count(&|line| line.starts_with(&start) && line.ends_with(" 0 left: all back")) != 1 {
            wrong.push(format!("the memory of fuzz{core} is not said to be all back"));
        }
    }
    for said in ["memory: ledger whole", "objects: none left"] {
        if count(&|line| line == said) != 1 {
            wrong.push(format!("nobody says '{said}'"));
        }
    }
    let bad = |line: &&str| NEVER.iter().any(|never| line.contains(never));
    wrong.extend(lines().filter(bad).map(String::from));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "20 of 20 children reaped\r\n20 of 20 children reaped\r\n\
        core 0: 9 cycles, idle 1.00 %, 5 clients, ledger whole\r\n\
        core 1: 9 cycles, idle 1.00 %, 5 clients, ledger whole\r\n\
        memory of fuzz0: 9 frames at most, 0 of files, 0 left: all back\r\n\
        memory of fuzz1: 9 frames at most, 0 of files, 0 left: all back\r\n\
        memory: ledger whole\r\nobjects: none left\r\n";

    #[test]
    fn what_is_said_is_judged() {
        assert_eq!(wrong(GOOD, 20), Vec::<String>::new());
        assert_ne!(wrong(GOOD, 40), Vec::<String>::new(), "of fewer children");
        for (from, to) in [
            ("20 of 20 children reaped\r\ncore", "19 of 20 children reaped\r\ncore"),
            ("20 of 20 children reaped\r\ncore", "core"),
            ("clients, ledger whole\r\ncore", "clients, LEDGER WRONG: 1\r\ncore"),
            ("core 1: ", "core 2: "),
            ("fuzz1: 9 frames at most, 0 of files, 0 left: all back", "fuzz1: 1 left: FRAMES LOST"),
            ("memory: ledger whole", "MEMORY LEDGER WRONG: 1"),
            ("objects: none left", "OBJECTS LEFT: signals: 1"),
            ("objects: none left", "objects: none left\r\nOBJECTS LEFT: signals: 1"),
        ] {
            let bad = GOOD.replace(from, to);
            assert_ne!(bad, GOOD);
            assert_ne!(wrong(&bad, 20), Vec::<String>::new(), "{to}");
        }
    }

    #[test]
    fn its_configuration_is_sound() {
        let text = configuration(71, 10_000);
        assert!(crate::config_file::parse(text.as_bytes()).is_ok());
        for seed in ["71", "72"] {
            assert_eq!(text.matches(&format!("<argument> {seed} </argument>")).count(), 1);
        }
    }
}
