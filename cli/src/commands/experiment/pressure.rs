//! The part `pressure` of the proof: Debian's stress-ng, unmodified, presses memory beside a
//! neighbour, at its hard limit and beyond its soft one (`experiments/budgets/pressure.xml`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::stage::{Beside, Stage, fill};
use crate::failure::Failure;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::size::Cores;
use crate::proof::{Extent, Verdict};

const TEMPLATE: &str = "experiments/budgets/pressure.xml";
const STRESS: &str = "/usr/bin/stress-ng";
const LIMIT: Duration = Duration::from_secs(180);
/// Its methods: what each does to its memory, and checks.
const METHOD: &str = "incdec";
/// Budgets of the one who presses.
const BUDGETS: [&str; 2] = ["hard=\"32 MiB\"", "soft=\"32 MiB\""];
/// What must be the beginning of a line.
const SAID: [&str; 5] = [
    "steady: good",
    "steady: of 3000 pages",
    "swap: 0 pages left: all back",
    "memory: ledger whole",
    "objects: none left",
];
/// The neighbour's minor faults may be so many more than its pages.
const MORE: u64 = 60;

/// As a part of the proof.
pub fn pressure(root: &Path, _: Extent) -> Verdict {
    if !Path::new(STRESS).exists() {
        return Verdict::NotRun(
            "stress-ng is missing; on Debian: apt-get install stress-ng".into(),
        );
    }
    let accelerator = match Accelerator::choose(Wish::Tcg, false) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let cores = Cores::new(2).unwrap_or(Cores::LEAST);
    let stage = Stage { accelerator, counted: false, cores };
    let mut given = Vec::new();
    for budget in BUDGETS {
        let console = match console(root, stage, budget) {
            Ok(console) => console,
            Err(failure) => return Verdict::Bad(failure.to_string()),
        };
        match judge(&console) {
            Ok(frames) => given.push(frames.to_string()),
            Err(wrong) => return Verdict::Bad(format!("{budget}: {wrong}\n{console}")),
        }
    }
    Verdict::Good(format!("stress-ng --vm verifies; frames given back: {}", given.join(", ")))
}

fn console(root: &Path, stage: Stage, budget: &str) -> Result<String, Failure> {
    let path = root.join(TEMPLATE);
    let template = fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
    let template = template.replace("{budget}", budget).replace("{method}", METHOD);
    let config = fill(&template, stage.cores, &BTreeMap::new());
    let beside = Beside { host: &[STRESS], ..Beside::default() };
    stage.run_with(&config, &["hog"], LIMIT, beside)
}

/// How many frames were given back; or what is wrong.
fn judge(console: &str) -> Result<u64, String> {
    let lines = || console.lines().map(str::trim);
    if let Some(said) = SAID.iter().find(|said| !lines().any(|line| line.starts_with(**said))) {
        return Err(format!("nobody says '{said}'"));
    }
    let good = |line: &str| line.starts_with("stress-ng: ") && line.contains(" successful run");
    let bad = |line: &str| line.starts_with("stress-ng: fail");
    if !lines().any(good) || lines().any(bad) {
        return Err("stress-ng does not come to a good end".into());
    }
    let faults = lines().find_map(|line| line.strip_prefix("steady: of 3000 pages "));
    let faults: Vec<u64> =
        faults.unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
    match faults[..] {
        [minor, 0, ..] if minor <= 3000 + MORE => {}
        _ => return Err(format!("the neighbour's faults: {faults:?}")),
    }
    let given = lines().find_map(|line| line.strip_prefix("reclamation: ")?.split(' ').next());
    match given.and_then(|given| given.parse().ok()) {
        Some(given) if given > 0 => Ok(given),
        _ => Err("nothing was given back: that was no pressure".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "steady: good\r\n\
        steady: of 3000 pages 3031 minor and 0 major faults, ready in 9 ms\r\n\
        stress-ng: info:  [2] successful run completed in 8.49s\r\n\
        reclamation: 7 frames given back, 1 refused, 0 failed\r\n\
        swap: 0 pages left: all back\r\nmemory: ledger whole\r\nobjects: none left\r\n";

    #[test]
    fn what_is_said_is_judged() {
        assert_eq!(judge(GOOD), Ok(7));
        for (from, to) in [
            ("steady: good", "steady: BAD"),
            ("successful", "unsuccessful"),
            ("7 frames", "0 frames"),
            ("3031 minor", "3061 minor"),
            ("0 major", "1 major"),
            ("info:  [2] successful", "fail:  [2] successful"),
        ] {
            assert!(judge(&GOOD.replace(from, to)).is_err(), "{to}");
        }
    }
}
