//! The part `objects` of the proof: one activity fills the kernel's memory with each kind of what
//! the kernel keeps, and is refused at its own limit, beside one that uses what it is promised, and
//! one whose pages make room for what it asks of the kernel (`experiments/budgets/kernel.xml`,
//! decisions 0086, 0145). In a second machine more files are made on a disk, and looked up, than
//! there is room to know: what is known makes room.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::stage::{Beside, Stage, fill};
use crate::failure::Failure;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::disk::{Disk, Disks};
use crate::machine::size::Cores;
use crate::proof::{Extent, Verdict};
use crate::volume::{self, Wanted};

const TEMPLATE: &str = "experiments/budgets/kernel.xml";
const LIMIT: Duration = Duration::from_secs(400);
/// What each kind is refused with. Threads are filled in too, and not judged by their number:
/// each needs a page as well, and who gets none ends by that.
const REFUSED: [(&str, &str); 6] = [
    ("data", "ENOSPC"),
    ("names", "ENOSPC"),
    ("pipes", "ENOMEM"),
    ("locks", "ENOLCK"),
    ("regions", "ENOMEM"),
    ("signals", "EAGAIN"),
];
/// What must be the beginning of a line.
const SAID: [&str; 11] = [
    "steady: good",
    "steady: of 3000 pages",
    "crowd: a file: none refused",
    "crowd: names: none refused",
    "crowd: pipes: none refused",
    "crowd: every page: true",
    "crowd: children: 12, none refused",
    "crowd: they have every page: true",
    "crowd: true",
    "memory: ledger whole",
    "objects: none left",
];
/// The frames that the one who fills may have at most.
const HARD: u64 = 512;
/// By how much what is on no bill may grow while it does.
const REST: u64 = 2 << 20;

/// Who has four mebibytes, and a disk, which has room for it. Guest time is counted, so that it is
/// as fast each time: it was refused when it was not made to wait for what it had made to be
/// written.
const NAMES: u64 = 12_000;
const DISK: u64 = 32 << 20;
const NAMES_CONFIGURATION: &str = "\
<schedulerconfig>
  <machine memory=\"128 MiB\" timeslice=\"5 ms\"/>
  <cpumultiplexor tag=\"cpumux0\" core=\"0\" algorithm=\"propshare.wfq\"/>
  <resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">
    <loadsharing> fewest-bound </loadsharing>
    <cpumultiplexor tag=\"cpumux0\"/>
  </resourcescheduler>
  <activity name=\"finder\" share=\"20\"> <memory hard=\"4 MiB\"/> </activity>
  <service activity=\"finder\">
    <program> /bin/files </program> <argument> names </argument>
    <argument> /dev/sda </argument> <argument> /mnt </argument>
    <argument> --count </argument> <argument> 12000 </argument>
  </service>
</schedulerconfig>
";

/// As a part of the proof.
pub fn filling(root: &Path, _: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, false) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let cores = Cores::new(2).unwrap_or(Cores::LEAST);
    let stage = Stage { accelerator, counted: false, cores };
    let console = match console(root, stage) {
        Ok(console) => console,
        Err(failure) => return Verdict::Bad(failure.to_string()),
    };
    let rest = match judge(&console) {
        Ok(rest) => rest / 1024,
        Err(wrong) => return Verdict::Bad(format!("{}\n{console}", wrong.join("\n"))),
    };
    match names(Stage { counted: true, cores: Cores::LEAST, ..stage }) {
        Ok(console) if knows(&console) => Verdict::Good(format!(
            "each kind is refused at the limit of who fills it; on no bill at most {rest} KiB \
             more; {NAMES} files on a disk are known in turn"
        )),
        Ok(console) => Verdict::Bad(format!("not all files on a disk are known:\n{console}")),
        Err(failure) => Verdict::Bad(failure.to_string()),
    }
}

/// Makes more files on a disk than there is room to know.
fn names(stage: Stage) -> Result<String, Failure> {
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| Failure::Unwritable(std::env::temp_dir(), error))?;
    let (empty, image) = (folder.path().join("empty"), folder.path().join("disk.img"));
    fs::create_dir(&empty).map_err(|error| Failure::Unwritable(empty.clone(), error))?;
    let (label, inodes) = (String::new(), Some(NAMES + 100));
    let wanted = Wanted { size: Some(DISK), block: 4096, inodes, label, force: false };
    volume::make(&volume::folder(&empty)?, &image, &wanted)?;
    let disks = Disks { disks: vec![Disk::new(&image)], depth: None };
    let beside = Beside { disks: Some(&disks), ..Beside::default() };
    stage.run_with(NAMES_CONFIGURATION, &["files"], LIMIT, beside)
}

/// Whether all were, everything is back, and what is kept of them was on a bill.
fn knows(console: &str) -> bool {
    let all = format!("files: names: {NAMES} made, looked up and taken away, none refused");
    let said = [&all, "memory: ledger whole", "objects: none left"];
    said.iter().all(|said| console.lines().any(|line| line.trim() == *said))
        && rest_of(console).is_some_and(|(began, most)| most <= began + REST)
}

/// The number behind these words.
fn number_after(console: &str, start: &str) -> Option<u64> {
    let number = |text: &str| text.split([' ', ',']).next()?.parse::<u64>().ok();
    console.lines().map(str::trim).find_map(|line| number(line.split_once(start)?.1))
}

/// What was on no bill when programs began, and at most.
fn rest_of(console: &str) -> Option<(u64, u64)> {
    let began = number_after(console, "heap on no activity's bill: ");
    began.zip(number_after(console, "when programs began, at most "))
}

fn console(root: &Path, stage: Stage) -> Result<String, Failure> {
    let path = root.join(TEMPLATE);
    let template = fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
    stage.run(&fill(&template, stage.cores, &BTreeMap::new()), &["hog", "attacks"], LIMIT)
}

/// By how many bytes what is on no bill grew; or what is wrong.
fn judge(console: &str) -> Result<u64, Vec<String>> {
    let lines = || console.lines().map(str::trim);
    let missing = SAID.iter().filter(|said| !lines().any(|line| line.starts_with(**said)));
    let mut wrong: Vec<String> = missing.map(|said| format!("nobody says '{said}'")).collect();
    for (kind, error) in REFUSED {
        let right = format!("fill: {kind}: refused: {error}; as many each time");
        if !lines().any(|line| line == right) {
            wrong.push(format!("nobody says '{right}'"));
        }
    }
    let after = |start: &str| number_after(console, start);
    match after("memory of greedy: ") {
        Some(most) if most <= HARD => {}
        most => wrong.push(format!("greedy had {most:?} frames, of {HARD}")),
    }
    for name in ["steady", "greedy", "crowded"] {
        let start = format!("kernel memory of {name}: ");
        if !lines().any(|line| line.starts_with(&start) && line.ends_with("left: all back")) {
            wrong.push(format!("the kernel memory of {name} is not said to be all back"));
        }
    }
    match rest_of(console) {
        Some((began, most)) if most <= began + REST && wrong.is_empty() => Ok(most - began),
        rest => {
            wrong.push(format!("on no bill, when programs began and at most: {rest:?}"));
            Err(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_judged() {
        let mut good = String::from(
            "steady: good\r\nsteady: of 3000 pages 1 minor\r\n\
             memory of greedy: 512 frames at most, 0 of files, 0 left: all back\r\n\
             kernel memory of greedy: 9 bytes of files, 0 of others left: all back\r\n\
             crowd: a file: none refused\r\ncrowd: names: none refused\r\n\
             crowd: pipes: none refused\r\ncrowd: every page: true\r\n\
             crowd: children: 12, none refused\r\ncrowd: they have every page: true\r\n\
             crowd: true\r\n\
             kernel memory of crowded: 0 bytes of files, 0 of others left: all back\r\n\
             kernel memory of steady: 0 bytes of files, 0 of others left: all back\r\n\
             heap on no activity's bill: 1000 bytes when programs began, at most 1900, now 7\r\n\
             memory: ledger whole\r\nobjects: none left\r\n",
        );
        for (kind, error) in REFUSED {
            good += &format!("fill: {kind}: refused: {error}; as many each time\r\n");
        }
        assert_eq!(judge(&good), Ok(900));
        let known = "files: names: 12000 made, looked up and taken away, none refused\r\n\
                     memory: ledger whole\r\nobjects: none left\r\n\
                     heap on no activity's bill: 1000 bytes when programs began, at most 1900, \
                     now 7\r\n";
        assert!(knows(known) && !knows(&known.replace("12000", "8083")));
        assert!(!knows(&known.replace("none left", "SOME LEFT")));
        assert!(!knows(&known.replace("1900", "2099153")));
        for (from, to) in [
            ("steady: good", "steady: BAD"),
            ("greedy: 512", "greedy: 513"),
            ("crowd: pipes: none refused", "crowd: pipes: ENOMEM"),
            ("children: 12, none", "children: 11, ENOMEM"),
            ("locks: refused: ENOLCK", "locks: refused: never"),
            ("data: refused: ENOSPC; as many", "data: refused: ENOSPC; NOT AS MANY"),
            ("greedy: 9 bytes of files, 0 of others left: all back", "greedy: OBJECTS LEFT"),
            ("at most 1900", "at most 9999999"),
        ] {
            assert!(judge(&good.replace(from, to)).is_err(), "{to}");
        }
    }
}
