//! The part `live`: what activities are entitled to is changed while the machine runs, in
//! counted time, and counts from then on; who has no right to change it is refused. The same
//! right begins processes in others' activities, which get no right by that.

use std::path::Path;
use std::time::Duration;

use super::{Extent, Verdict};
use crate::commands::samples::{self, Sample};
use crate::commands::stage::Stage;
use crate::failure::Failure;
use crate::human;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::size::Cores;

const LIMIT: Duration = Duration::from_secs(180);
/// Activities that compute without end.
pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];
/// What the three are to have of what they have together, in per cent, in each second from the
/// first sample on, to within so many points; in the others something is changed.
const WANTED: [(usize, [f64; 3]); 4] = [
    (0, [50.0, 33.0, 17.0]),
    // `c` at the processors: 17 to 117.
    (2, [25.0, 16.5, 58.5]),
    // `a` everywhere, on all cores: 50 to 150.
    (4, [50.0, 11.0, 39.0]),
    // All back.
    (6, [50.0, 33.0, 17.0]),
];
const WITHIN: f64 = 0.6;
/// What must be said: by who has the right, in its order, and by who has none.
const SAID: [&str; 15] = [
    "entitle: c at resource.thread: 117: ok",
    "entitle: a at all: 150: ok",
    "entitle: a at all: 50: ok",
    "entitle: c at resource.thread: 17: ok",
    "entitle: a at all: 1000: EPERM",
    "entitle: nobody at all: 1: ESRCH",
    "entitle: a at resource.nothing: 1: ENXIO",
    "entitle: a at all: 0: EINVAL",
    "entitle: a at resource.file: 1: EINVAL",
    // Processes in others' activities: what is begun in `c` has no more right than that.
    "begin: c: ok",
    "entitle: c at all: 1000: EPERM",
    "begin: c: EPERM",
    "begin: nobody: ESRCH",
    "begin: infrastructure: ESRCH",
    "begin: full: EAGAIN",
];

/// As a part of the proof.
pub fn part(_: &Path, _: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, true) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let stage = Stage { accelerator, counted: true, cores: Cores::LEAST };
    let all = || {
        let (own, changed) = (measure(stage)?, super::changed::measure(stage)?);
        Ok::<_, Failure>((own, changed, super::crowd::measure(stage)?))
    };
    match all() {
        Ok(((off, own), (more, changed), ([order, exchange], crowd))) => {
            let wrong = [own, changed, crowd].concat();
            if !wrong.is_empty() {
                return Verdict::Bad(wrong.join("\n"));
            }
            Verdict::Good(format!(
                "4 changes of shares, each at once, {off:.2} points off at most; 10 of policies, of \
                 a reservation, of a priority and of what a resource has, {more:.2} points off at \
                 most; among a hundred activities an order takes {} instructions in a run at most, \
                 and an exchange of a policy {}",
                human::grouped(order),
                human::grouped(exchange)
            ))
        }
        Err(failure) => Verdict::Bad(failure.to_string()),
    }
}

/// A program with these words, of an activity.
pub(super) fn service(activity: &str, program: &str, words: &str) -> String {
    let words = words.split_whitespace().map(|word| format!("<argument> {word} </argument> "));
    let words: String = words.collect();
    format!("<service activity=\"{activity}\"> <program> {program} </program> {words}</service>\n")
}

/// Three that compute, and one that samples and has the right to change others: all but the end.
pub(super) fn computing() -> String {
    let mut text = String::from(
        r#"<schedulerconfig>
  <machine memory="256 MiB" timeslice="5 ms"/>
  <cpumultiplexor tag="m" core="0" algorithm="propshare.wfq"/>
  <resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
    <cpumultiplexor tag="m"/>
  </resourcescheduler>
  <activity name="a" share="50"/>
  <activity name="b" share="33"/>
  <activity name="c" share="17"/>
  <activity name="sampler" share="5" performance="all" control="all"/>
"#,
    );
    text += &NAMES.map(|name| service(name, "/bin/burn", "--seconds 10")).concat();
    text + &service("sampler", "/bin/sampler", "--warm 1000 --count 8")
}

fn configuration() -> String {
    let mut text = computing();
    text += "<activity name=\"full\" share=\"1\"> <limits processes=\"1\"/> </activity>\n";
    text += &service("full", "/bin/burn", "--after 9000 --seconds 1");
    let changes = [
        ("sampler", "c resource.thread 117", 2_400),
        ("sampler", "a all 150", 4_400),
        ("sampler", "a all 50", 6_400),
        ("sampler", "c resource.thread 17", 6_450),
        ("b", "a all 1000", 300),
        ("sampler", "nobody all 1", 300),
        ("sampler", "a resource.nothing 1", 300),
        ("sampler", "a all 0", 300),
        ("sampler", "a resource.file 1 --core 7", 300),
        ("sampler", "--begin c", 350),
        ("b", "--begin c", 350),
        ("sampler", "--begin nobody", 350),
        ("sampler", "--begin infrastructure", 350),
        ("sampler", "--begin full", 350),
    ];
    for (activity, words, after) in changes {
        text += &service(activity, "/bin/entitle", &format!("{words} --after {after}"));
    }
    text + "</schedulerconfig>"
}

/// By how much shares were off at most, and what was wrong.
fn measure(stage: Stage) -> Result<(f64, Vec<String>), Failure> {
    let console = stage.run(&configuration(), &["burn", "sampler", "entitle"], LIMIT)?;
    let samples = samples::read(&console)?;
    let said = |line: &&&str| console.lines().any(|said| said.trim() == **line);
    let silent = SAID.iter().filter(|line| !said(line));
    let mut wrong: Vec<String> = silent.map(|line| format!("nobody says '{line}'")).collect();
    let mut most = 0.0_f64;
    for (second, wanted) in WANTED {
        let (Some(first), Some(last)) = (samples.get(second), samples.get(second + 1)) else {
            return Err(Failure::Unexpected("samples of a machine at work", console));
        };
        let had = parts(first, last);
        let off = had.iter().zip(wanted).map(|(had, wanted)| (had - wanted).abs());
        let off = off.fold(0.0, f64::max);
        most = most.max(off);
        if off > WITHIN {
            wrong.push(format!("second {second}: {had:.2?}, not {wanted:?} within {WITHIN}"));
        }
    }
    if !wrong.is_empty() {
        wrong.push(console);
    }
    Ok((most, wrong))
}

/// What each of the three has of what they have together between two samples, in per cent.
pub(super) fn parts(first: &Sample, last: &Sample) -> [f64; 3] {
    let of = |sample: &Sample, name: &str| -> u64 {
        sample.cores.values().map(|core| core.of(name)).sum()
    };
    let used = NAMES.map(|name| of(last, name).saturating_sub(of(first, name)) as f64);
    let all: f64 = used.iter().sum();
    used.map(|used| used * 100.0 / all.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_sound() {
        let read = vortex_config::parse_with(&configuration(), &vortex_assembly::known());
        let config = read.unwrap_or_else(|flaws| panic!("{flaws:#?}"));
        assert!(vortex_assembly::refused(&config).is_empty());
    }
}
