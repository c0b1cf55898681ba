//! The part `subactivities` of the proof: a process that has divided its activity has with
//! its parts what it would have alone, beside one that has not, and one that divides itself
//! without end (`experiments/subactivities/machine.xml`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::samples::{self, Sample};
use super::stage::{Stage, fill};
use crate::failure::Failure;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::size::Cores;
use crate::proof::{Extent, Verdict};

const TEMPLATE: &str = "experiments/subactivities/machine.xml";
const LIMIT: Duration = Duration::from_secs(120);
/// Points by which a part may be off.
const BOUND: f64 = 2.0;
/// What each has of its whole, in per cent.
const PARTS: [(&str, f64); 3] = [("web", 20.0), ("web/1", 60.0), ("web/2", 20.0)];
/// The most that the one without end is entitled to.
const CHURN: f64 = 20.0;
/// What must be said at the end, beginning and end of the line.
const SAID: [(&str, &str); 6] = [
    ("divide: 2 parts closed", ""),
    ("divide: ", " times it was too early"),
    ("  web/1 ", " %"),
    ("  web/2 ", " %"),
    ("objects: none left", ""),
    ("memory: ledger whole", ""),
];

/// Machines, until one has threads of each part on each core.
const TRIES: usize = 4;

/// As a part of the proof.
pub fn subactivities(root: &Path, _: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, false) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let cores = Cores::new(2).unwrap_or(Cores::LEAST);
    let stage = Stage { accelerator, counted: false, cores };
    // Entitlements are of each core: where threads of a part have all come to lie on one, there
    // is nothing to compare on the other. Where they lie is not what is tried here.
    let mut judged = once(root, stage);
    for _ in 1..TRIES {
        match &judged {
            Ok((samples, _)) if !lie_everywhere(samples) => judged = once(root, stage),
            _ => break,
        }
    }
    match judged.map(|(samples, console)| (judge(&samples, &console), console)) {
        Ok(((told, wrong), _)) if wrong.is_empty() => Verdict::Good(told),
        Ok(((told, wrong), console)) => {
            Verdict::Bad(format!("{told}\n{}\n{console}", wrong.join("\n")))
        }
        Err(failure) => Verdict::Bad(failure.to_string()),
    }
}

fn once(root: &Path, stage: Stage) -> Result<(Vec<Sample>, String), Failure> {
    let console = console(root, stage)?;
    Ok((samples::read(&console)?, console))
}

/// Whether each core has threads of each part.
fn lie_everywhere(samples: &[Sample]) -> bool {
    let mut cores = samples.first().into_iter().flat_map(|sample| sample.cores.keys());
    cores.all(|&core| PARTS.iter().all(|(name, _)| used(samples, core, name) > 0.0))
}

fn console(root: &Path, stage: Stage) -> Result<String, Failure> {
    let path = root.join(TEMPLATE);
    let template = fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
    let text = fill(&template, stage.cores, &BTreeMap::new());
    stage.run(&text, &["divide", "burn", "sampler"], LIMIT)
}

/// What an activity used on a core between the first sample and the last, its parts included
/// that were there all the time; of one whose parts come and go see [`whole`].
fn used(samples: &[Sample], core: u16, name: &str) -> f64 {
    let at = |sample: Option<&Sample>| sample.map_or(0, |sample| sample.cores[&core].of(name));
    at(samples.last()).saturating_sub(at(samples.first())) as f64
}

/// The same of an activity with all its parts, gone or not.
fn whole(samples: &[Sample], core: u16, name: &str) -> f64 {
    let part = format!("{name}/");
    let at = |sample: Option<&Sample>| {
        sample.map_or(0, |sample| {
            let all = sample.cores[&core].used.iter();
            let own = all.filter(|(of, _)| *of == name || of.starts_with(&part));
            own.map(|(_, cycles)| *cycles).sum::<u64>()
        })
    };
    at(samples.last()).saturating_sub(at(samples.first())) as f64
}

/// What was measured, in words, and what of it is not as it must be.
fn judge(samples: &[Sample], console: &str) -> (String, Vec<String>) {
    let (mut told, mut wrong) = (Vec::new(), Vec::new());
    let cores: Vec<u16> = samples.first().map_or(Vec::new(), |s| s.cores.keys().copied().collect());
    for core in cores {
        let (web, other) = (whole(samples, core, "web"), whole(samples, core, "other"));
        let churn = whole(samples, core, "churn");
        let mut said = Vec::new();
        for (name, wanted) in PARTS {
            let part = used(samples, core, name) * 100.0 / web.max(1.0);
            said.push(format!("{name} {part:.1} %"));
            if (part - wanted).abs() > BOUND {
                wrong.push(format!("core {core}: {name} has {part:.2} % of web, not {wanted}"));
            }
        }
        let of_both = web * 100.0 / (web + other).max(1.0);
        if (of_both - 50.0).abs() > BOUND {
            wrong.push(format!("core {core}: web has {of_both:.2} % of what web and other have"));
        }
        let restless = churn * 100.0 / (web + other + churn).max(1.0);
        if restless > CHURN + BOUND {
            wrong.push(format!("core {core}: churn has {restless:.2} %"));
        }
        told.push(format!(
            "core {core}: {}; web beside other {of_both:.1} %, churn {restless:.1} %",
            said.join(", "),
        ));
    }
    let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
    for (start, end) in SAID {
        if !lines.iter().any(|line| line.starts_with(start) && line.ends_with(end)) {
            wrong.push(format!("nobody says '{start}…{end}'"));
        }
    }
    if console.contains("LEDGER WRONG") {
        wrong.push("a ledger is wrong".into());
    }
    (told.join("; "), wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(first: u64, churn: u64) -> String {
        let sample = |place: u64, times: u64| {
            let used = [("web", 20), ("web/1", first), ("web/2", 20), ("other", 100)];
            let mut text = format!("sampler sample {place} 1 {place} 1000\n");
            text += &format!("sampler core {place} 0 1 1 0 0 0\n");
            for (name, cycles) in used {
                text += &format!("sampler used {place} 0 {name} {}\n", 10_000 + cycles * times);
            }
            text + &format!("sampler used {place} 0 churn/7 {}\n", churn * times)
        };
        let said = "divide: 2 parts closed\ndivide: 9 parts came and went, 3 times it was too early\n\
             \x20 web/1   1  0.1 %\n\x20 web/2   1  0.1 %\nobjects: none left\nmemory: ledger whole\n";
        format!("{}{}sampler end 2\n{said}", sample(0, 0), sample(1, 1_000))
    }

    #[test]
    fn what_is_measured_is_judged() {
        let judged = |text: &str| judge(&samples::read(text).unwrap(), text).1;
        assert_eq!(judged(&console(60, 50)), Vec::<String>::new());
        let lie = |first| lie_everywhere(&samples::read(&console(first, 50)).unwrap());
        assert!(lie(60) && !lie(0));
        assert_ne!(judged(&console(66, 50)), Vec::<String>::new(), "the shares are off");
        assert_ne!(judged(&console(60, 70)), Vec::<String>::new(), "churn has too much");
        let silent = console(60, 50).replace("objects: none left", "OBJECTS LEFT: 1");
        assert_ne!(judged(&silent), Vec::<String>::new());
    }
}
