//! The part `budgets` of the proof: a machine whose activities use more memory than they
//! may, beside one that uses what it is promised (`experiments/budgets/machine.xml`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::stage::{Beside, Stage, fill};
use crate::failure::Failure;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::size::Cores;
use crate::proof::{Extent, Verdict};

const TEMPLATE: &str = "experiments/budgets/machine.xml";
/// Whose memory goes first: with each of the kernel's policies every budget holds.
/// Only the first knows soft limits.
const POLICIES: [(&str, &str); 3] =
    [("reclaim.over-budget", "soft=\"16 MiB\""), ("reclaim.lru", ""), ("reclaim.fifo", "")];
/// Five times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(240);
/// The activities, and the frames that each may have at most.
const HARD: [(&str, u64); 9] = [
    ("steady", 4096),
    ("churn", 2048),
    ("touch", 2048),
    ("swap", 512),
    ("shared", 512),
    ("file", 768),
    ("left", 512),
    ("forks", 4096),
    ("together", 12288),
];
/// What the programs must say.
const SAID: [&str; 33] = [
    "steady: good",
    "churn: 30 rounds of 30",
    "touch: the child: killed by SIGKILL",
    "touch: the parent has memory: true",
    "swap: 3 rounds of 3",
    "swap: a child of it all: exit 0",
    "swap: another program: exit 7",
    "swap: the child: exit 0",
    "swap: dropped: true",
    "swap: moved whole: true",
    "swap: moved: true",
    "swap: paged out: true",
    "swap: wanted: true, 0 of 192 had to be read",
    "swap: dropped and moved meanwhile: true",
    "shared: 3 rounds of 3",
    "left: by the mapping: true",
    "left: by calls: true",
    "left: what calls write: true",
    "left: behind a cut: true",
    "left: true",
    "file: 3 rounds of 3",
    "file: the child: exit 0",
    "file: then pages of its own: true",
    "forks: then another child: exit 3",
    "together: few faults: true",
    "together: one at a time: true",
    "together: a process that wants none: exit 0",
    "together: a page for reading: true",
    "together: a child: exit 0, true",
    "together: ten dropped: true",
    "together: moved: true",
    "swap: 0 pages left: all back",
    "memory: ledger whole",
];

const BROKEN_TEMPLATE: &str = "experiments/budgets/broken.xml";
/// Blocks of the volume that fail, by the kernel's words, and what is to be said then.
const BROKEN: [(&[&str], &[&str]); 2] = [
    (
        &["swap-broken-reads=600-620"],
        &[
            "steady: good",
            "reread: the child: killed by SIGBUS",
            "reread: a small child: exit 0",
            "swap: 0 pages left: all back",
            "memory: ledger whole",
        ],
    ),
    (
        &["swap-broken-writes=600-620"],
        &[
            "steady: good",
            "reread: the child: exit 0",
            "reread: a small child: exit 0",
            "swap: 0 pages left: all back",
            "memory: ledger whole",
        ],
    ),
];

/// Without a volume: what is given up makes room all the same.
const FREE_TEMPLATE: &str = "experiments/budgets/free.xml";
const FREE: &[&str] = &[
    "free: others: true",
    "free: written again: true",
    "free: what was there, or nothing: true",
    "free: written by calls: true",
    "memory: ledger whole",
];

/// What two have mapped, of which one is at its limit.
const COMMON_TEMPLATE: &str = "experiments/budgets/common.xml";
const COMMON: &[&str] = &[
    "leave: beside the file: true",
    "keep: the other shows it: true, few faults more",
    "leave: without it: true",
    "keep: the other has left it: true, few faults more",
    "memory: ledger whole",
];

/// A volume that has room for more pages than the kernel can note for whom they are: who writes
/// that many ends, and nobody else.
const LARGE_TEMPLATE: &str = "experiments/budgets/large.xml";
const LARGE: &[&str] = &[
    "steady: good",
    "reread: the child: killed by SIGKILL",
    "reread: a small child: exit 0",
    "swap: 0 pages left: all back",
    "memory: ledger whole",
    "objects: none left",
];

/// Said where nothing could not be written.
const NONE_FAILED: &str = ", 0 failed";

/// Whether all blocks can be written.
fn wrote(words: &[&str]) -> bool {
    !words.iter().any(|word| word.starts_with("swap-broken-writes"))
}

/// A machine.
struct Case {
    name: String,
    template: &'static str,
    policy: (&'static str, &'static str),
    /// The kernel's words by which blocks of the volume fail, if any do, and what is to be said
    /// then.
    broken: Option<(&'static [&'static str], &'static [&'static str])>,
}

fn cases() -> Vec<Case> {
    let whole = POLICIES.iter().map(|&policy| Case {
        name: policy.0.into(),
        template: TEMPLATE,
        policy,
        broken: None,
    });
    let broken = BROKEN.iter().map(|&(words, said)| Case {
        name: words.join(" "),
        template: BROKEN_TEMPLATE,
        policy: POLICIES[0],
        broken: Some((words, said)),
    });
    let free = Case {
        name: FREE_TEMPLATE.into(),
        template: FREE_TEMPLATE,
        policy: POLICIES[0],
        broken: Some((&[], FREE)),
    };
    let large = Case {
        name: LARGE_TEMPLATE.into(),
        template: LARGE_TEMPLATE,
        policy: POLICIES[0],
        broken: Some((&[], LARGE)),
    };
    let common = POLICIES.iter().map(|&policy| Case {
        name: format!("{COMMON_TEMPLATE}, {}", policy.0),
        template: COMMON_TEMPLATE,
        policy,
        broken: Some((&[], COMMON)),
    });
    whole.chain(broken).chain([free, large]).chain(common).collect()
}

impl Case {
    /// What is not as it must be.
    fn wrong(&self, console: &str) -> Vec<String> {
        let Some((words, said)) = self.broken else { return wrong(console) };
        let mut wrong = unsaid(console, said);
        if !wrote(words) && console.contains(NONE_FAILED) {
            wrong.push("no block failed".into());
        }
        wrong
    }

    /// Runs it once.
    fn holds(&self, root: &Path, stage: Stage) -> Result<(), String> {
        let words = self.broken.map_or(&[] as &[&str], |(words, _)| words);
        let console = console(root, stage, self.template, self.policy, words)
            .map_err(|failure| format!("{}: {failure}", self.name))?;
        match self.wrong(&console) {
            wrong if wrong.is_empty() => Ok(()),
            wrong => Err(format!("{}: {}\n{console}", self.name, wrong.join("\n"))),
        }
    }
}

/// As a part of the proof. What fails is run once more, and is unsteady if it holds then.
pub fn budgets(root: &Path, _: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, false) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let cores = Cores::new(2).unwrap_or(Cores::LEAST);
    let stage = Stage { accelerator, counted: false, cores };
    let (mut unsteady, mut said) = (Vec::new(), String::new());
    for case in cases() {
        if let Err(first) = case.holds(root, stage) {
            if let Err(second) = case.holds(root, stage) {
                return Verdict::Bad(format!("{first}\n\nand again:\n{second}"));
            }
            said += &format!("\n{first}");
            unsteady.push(case.name);
        }
    }
    let good = "every budget holds, and what a volume fails reaches who needs it alone";
    match unsteady.is_empty() {
        true => Verdict::Good(good.into()),
        false => Verdict::SecondTry(unsteady, good.to_string() + &said),
    }
}

fn console(
    root: &Path,
    stage: Stage,
    template: &str,
    (policy, soft): (&str, &str),
    words: &[&str],
) -> Result<String, Failure> {
    let path = root.join(template);
    let template = fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
    let template = template.replace("{policy}", policy).replace("{soft}", soft);
    let config = fill(&template, stage.cores, &BTreeMap::new());
    let beside = Beside { words, ..Beside::default() };
    stage.run_with(&config, &["hog"], LIMIT, beside)
}

/// What is not said, of which each must be the beginning of a line.
fn unsaid(console: &str, said: &[&str]) -> Vec<String> {
    let has = |said: &&&str| console.lines().any(|line| line.trim().starts_with(**said));
    said.iter().filter(|said| !has(said)).map(|said| format!("nobody says '{said}'")).collect()
}

/// What is not as it must be.
fn wrong(console: &str) -> Vec<String> {
    let lines: Vec<&str> = console.lines().map(str::trim).collect();
    let missing = SAID.iter().filter(|said| !lines.contains(said));
    let mut wrong: Vec<String> = missing.map(|said| format!("nobody says '{said}'")).collect();
    // Refused, or ended: one of both.
    let refused = lines.contains(&"forks: refused: ENOMEM");
    if !refused && !lines.contains(&"forks: the child: killed by SIGKILL") {
        wrong.push("forks are not refused".into());
    }
    for (name, hard) in HARD {
        let start = format!("memory of {name}: ");
        let told = lines.iter().find_map(|line| line.strip_prefix(&start));
        let most = told.and_then(|told| told.split(' ').next()?.parse::<u64>().ok());
        if !told.is_some_and(|told| told.ends_with("all back")) || most.is_none_or(|n| n > hard) {
            wrong.push(format!("{name}, of at most {hard} frames: {told:?}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "steady: good\r\nchurn: 30 rounds of 30\r\ntouch: the child: killed by SIGKILL\r\n\
        touch: the parent has memory: true\r\nforks: refused: ENOMEM\r\n\
        forks: then another child: exit 3\r\nmemory: ledger whole\r\n\
        swap: 3 rounds of 3\r\nswap: the child: exit 0\r\nswap: moved: true\r\nswap: moved whole: true\r\n\
        swap: paged out: true\r\nswap: wanted: true, 0 of 192 had to be read\r\n\
        swap: dropped and moved meanwhile: true\r\n\
        swap: a child of it all: exit 0\r\nswap: another program: exit 7\r\n\
        shared: 3 rounds of 3\r\n\
        memory of shared: 512 frames at most, 1 of files, 0 left: all back\r\n\
        left: by the mapping: true\r\nleft: by calls: true\r\n\
        left: what calls write: true\r\nleft: behind a cut: true\r\nleft: true\r\n\
        memory of left: 512 frames at most, 1 of files, 0 left: all back\r\n\
        swap: dropped: true\r\nswap: 0 pages left: all back\r\n\
        memory of swap: 512 frames at most, 1 of files, 0 left: all back\r\n\
        memory of steady: 3100 frames at most, 9 of files, 0 left: all back\r\n\
        memory of churn: 1600 frames at most, 0 of files, 0 left: all back\r\n\
        memory of touch: 2048 frames at most, 0 of files, 0 left: all back\r\n\
        file: 3 rounds of 3\r\nfile: the child: exit 0\r\n\
        file: then pages of its own: true\r\n\
        memory of file: 768 frames at most, 700 of files, 0 left: all back\r\n\
        memory of forks: 4096 frames at most, 0 of files, 0 left: all back\r\n\
        together: few faults: true\r\ntogether: one at a time: true\r\n\
        together: a process that wants none: exit 0\r\n\
        together: a page for reading: true\r\ntogether: a child: exit 0, true\r\n\
        together: ten dropped: true\r\ntogether: moved: true\r\n\
        memory of together: 9000 frames at most, 0 of files, 0 left: all back\r\n";

    #[test]
    fn what_a_broken_volume_does_is_judged() {
        let said = ["steady: good", "swap: 0 pages"];
        assert!(unsaid("steady: good\r\nswap: 0 pages left: all back\r\n", &said).is_empty());
        assert_eq!(unsaid("steady: BAD\r\nswap: 0 pages left\r\n", &said).len(), 1);
    }

    #[test]
    fn what_is_said_is_judged() {
        assert_eq!(wrong(GOOD), Vec::<String>::new());
        for (from, to) in [
            ("steady: good", "steady: BAD"),
            ("refused: ENOMEM", "refused: never"),
            ("2048 frames at most", "2049 frames at most"),
            ("0 left: all back", "1 left: FRAMES LOST"),
        ] {
            assert_ne!(wrong(&GOOD.replace(from, to)), Vec::<String>::new(), "{from}");
        }
    }
}
