//! The part `live`, continued: schedulers that are changed while the machine runs, in counted
//! time. A multiplexor's policy and an activity's reservation at it; a resource's policy, and what
//! the resource itself has of the processor; and what is refused.

use std::time::Duration;

use super::live::{parts, service};
use crate::commands::samples::{self, Sample};
use crate::commands::stage::Stage;
use crate::failure::Failure;

const LIMIT: Duration = Duration::from_secs(180);
/// What three that compute are to have of what they have together, in per cent, in the second
/// that begins with this sample, to within so many points.
const COMPUTE: [(usize, [f64; 3]); 4] = [
    (0, [50.0, 33.0, 17.0]),
    // 40 % are reserved for `c`, and of the rest it has its share.
    (2, [30.0, 19.8, 50.2]),
    (4, [50.0, 33.0, 17.0]),
    (6, [50.0, 33.0, 17.0]),
];
const WITHIN: f64 = 1.0;
/// In the second run: the part of one of two readers in what AIOR does for both, and AIOR's part
/// in what it and one that computes have.
const READ: [(usize, f64, f64); 5] = [
    (0, 50.0, 100.0 / 51.0),
    // Shares of 20 and 60, where each had as many requests served.
    (2, 25.0, 100.0 / 51.0),
    // A share of 2 for the resource instead of 1, beside 50.
    (4, 25.0, 200.0 / 52.0),
    (6, 50.0, 100.0 / 51.0),
    // By priorities, and the one with few shares goes after the other.
    (8, 0.0, 100.0 / 51.0),
];
const READ_WITHIN: f64 = 1.5;
const AIOR_WITHIN: f64 = 0.2;
/// What must be said in the first run.
const SAID: [&str; 12] = [
    "change: at=cpu policy=deadline.cbs: ok",
    "change: activity=c at=cpu reservation=40%: ok",
    "change: activity=c at=cpu reservation=none: ok",
    "change: at=cpu policy=propshare.stride: ok",
    "change: at=cpu policy=fifo: EPERM:",
    "change: activity=a at=cpu reservation=60%: ENOSPC: others have reserved 40.00 % of core 0's \
     time there, of which 95 % can be: at most 55.00 % is left",
    "change: activity=sampler at=cpu share=0.01: EBUSY: 'sampler', by which orders come, would have \
     less than a thousandth at the processors on core 0: expected less for others",
    "change: at=cpu policy=propshare.wfq: EBUSY: 'c' has a reservation there on core 0, which \
     propshare.wfq does not keep: expected none (reservation = none) before the policy is another",
    "change: at=cpu policy=priority.strict: EINVAL: 'm' charges through, for which \
     priority.strict has no shares: expected a policy of shares, or the machine begun with another",
    "change: activity=nobody at=cpu share=1: ESRCH: there is no activity 'nobody'; there are \
     infrastructure, a, b, c, sampler",
    "change: activity=a at=file limit=1%: EINVAL: propshare.wfq ignores 'limit': expected no \
     limit, or an algorithm that has any: reserve.mclock",
    "change: at=nowhere share=1: ENXIO: there is no scheduler 'nowhere'; there are cpu,",
];
/// And in the second.
const READ_SAID: [&str; 9] = [
    "change: at=aior policy=propshare.stride: ok",
    "change: at=aior share=2: ok",
    "change: at=aior share=1: ok",
    "change: at=aior policy=fifo: ok",
    // A share where nobody looks at it is none.
    "entitle: few at resource.aior: 3: EINVAL",
    "change: activity=few at=aior share=3: EINVAL: fifo ignores 'share': expected no share, or an",
    "change: at=aior policy=priority.strict: ok",
    "change: activity=few at=aior priority=1: ok",
    "change: at=aior policy=propshare.wfq: EBUSY: 'few' has a priority there on core 0, which \
     propshare.wfq does not keep: expected none (priority = none) before the policy is another",
];

fn changes(all: &[(&str, &str, u32)]) -> String {
    let one = |(activity, words, after): &(&str, &str, u32)| {
        service(activity, "/bin/entitle", &format!("--change {words} --after {after}"))
    };
    all.iter().map(one).collect()
}

/// Three that compute, beneath a multiplexor whose policy is another for a while.
fn computing() -> String {
    let mut text = super::live::computing();
    text += &changes(&[
        ("b", "at=cpu policy=fifo", 300),
        ("sampler", "activity=nobody at=cpu share=1", 300),
        ("sampler", "at=nowhere share=1", 300),
        ("sampler", "activity=a at=file limit=1%", 300),
        ("sampler", "activity=sampler at=cpu share=0.01", 300),
        ("sampler", "at=cpu policy=priority.strict", 300),
        ("sampler", "at=cpu policy=deadline.cbs", 2_300),
        ("sampler", "activity=c at=cpu reservation=40%", 2_500),
        ("sampler", "activity=a at=cpu reservation=60%", 2_700),
        ("sampler", "at=cpu policy=propshare.wfq", 2_700),
        ("sampler", "activity=c at=cpu reservation=none", 4_300),
        ("sampler", "at=cpu policy=propshare.stride", 4_500),
    ]);
    text + "</schedulerconfig>"
}

/// Two that read and one that computes, in the paper's form of shares.
fn reading() -> String {
    let mut text = String::from(
        r#"<schedulerconfig>
  <machine memory="256 MiB" timeslice="5 ms"/>
  <cpumultiplexor tag="m" core="0" algorithm="propshare.wfq" shares="paper"/>
  <resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
    <cpumultiplexor tag="m"/>
  </resourcescheduler>
  <resourcescheduler resource="resource.aior" algorithm="fifo">
    <cpumultiplexor tag="m" share="1"/>
  </resourcescheduler>
  <activity name="a" share="50"/>
  <activity name="few" share="20"/>
  <activity name="many" share="60"/>
  <activity name="sampler" share="20" performance="all" control="all"/>
"#,
    );
    text += &service("a", "/bin/burn", "--seconds 12");
    // As many that each always has a request there: with 16 the one with many had not, and the other
    // was 1.4 points above its share.
    for name in ["few", "many"] {
        let words = "/bin/reads --threads 24 --bytes 32768 --seconds 12";
        text += &service(name, "/bin/reads", words);
    }
    text += &service("sampler", "/bin/sampler", "--warm 1000 --count 10 --holders");
    text += &service("sampler", "/bin/entitle", "few resource.aior 3 --after 300");
    text += &changes(&[
        ("sampler", "activity=few at=aior share=3", 300),
        ("sampler", "at=aior policy=propshare.stride", 2_400),
        ("sampler", "at=aior share=2", 4_400),
        ("sampler", "at=aior share=1", 6_300),
        ("sampler", "at=aior policy=fifo", 6_400),
        ("sampler", "at=aior policy=priority.strict", 8_300),
        ("sampler", "activity=few at=aior priority=1", 8_400),
        ("sampler", "at=aior policy=propshare.wfq", 8_500),
    ]);
    text + "</schedulerconfig>"
}

/// By how much shares were off at most, and what was wrong.
pub(super) fn measure(stage: Stage) -> Result<(f64, Vec<String>), Failure> {
    let mut wrong = Vec::new();
    let mut most = 0.0_f64;
    let console = stage.run(&computing(), &["burn", "sampler", "entitle"], LIMIT)?;
    let all = samples::read(&console)?;
    for (second, wanted) in COMPUTE {
        let (first, last) = pair(&all, second, &console)?;
        let had = parts(first, last);
        let off = had.iter().zip(wanted).map(|(had, wanted)| (had - wanted).abs());
        let off = off.fold(0.0, f64::max);
        most = most.max(off);
        if off > WITHIN {
            wrong.push(format!("second {second}: {had:.2?}, not {wanted:?} within {WITHIN}"));
        }
    }
    wrong.extend(silent(&console, &SAID));
    if !wrong.is_empty() {
        wrong.push(console);
    }
    let console = stage.run(&reading(), &["burn", "sampler", "entitle", "reads"], LIMIT)?;
    let all = samples::read(&console)?;
    let before = wrong.len();
    for (second, few, aior) in READ {
        let (first, last) = pair(&all, second, &console)?;
        let had = [few_of(first, last), aior_of(first, last)];
        let off = [(had[0] - few).abs(), (had[1] - aior).abs()];
        most = most.max(off[0]).max(off[1]);
        if off[0] > READ_WITHIN || off[1] > AIOR_WITHIN {
            let (wanted, within) = ([few, aior], [READ_WITHIN, AIOR_WITHIN]);
            wrong.push(format!("second {second}: {had:.2?}, not {wanted:.2?} within {within:?}"));
        }
    }
    wrong.extend(silent(&console, &READ_SAID));
    if wrong.len() > before {
        wrong.push(console);
    }
    Ok((most, wrong))
}

fn pair<'a>(
    all: &'a [Sample],
    second: usize,
    console: &str,
) -> Result<(&'a Sample, &'a Sample), Failure> {
    let both = all.get(second).zip(all.get(second + 1));
    both.ok_or_else(|| Failure::Unexpected("samples of a machine at work", console.into()))
}

/// What was not said; a longer line counts if it begins so.
fn silent(console: &str, said: &[&str]) -> Vec<String> {
    let is_said = |line: &&&str| console.lines().any(|own| own.trim().starts_with(**line));
    let silent = said.iter().filter(|line| !is_said(line));
    silent.map(|line| format!("nobody says '{line}'")).collect()
}

/// What of AIOR's work is for the reader with few shares, in per cent.
fn few_of(first: &Sample, last: &Sample) -> f64 {
    let of = |name: &str| {
        let at = |sample: &Sample| -> u64 {
            sample.cores.values().map(|core| core.at("resource.aior", name)).sum()
        };
        at(last).saturating_sub(at(first)) as f64
    };
    of("few") * 100.0 / (of("few") + of("many")).max(1.0)
}

/// AIOR's part in what it and the one that computes have, in per cent.
fn aior_of(first: &Sample, last: &Sample) -> f64 {
    let between = |of: fn(&Sample) -> u64| of(last).saturating_sub(of(first)) as f64;
    let aior = between(|sample| {
        let all = sample.cores.values();
        all.filter_map(|core| core.by_resource.get("resource.aior")).sum()
    });
    let computes = between(|sample| sample.cores.values().map(|core| core.of("a")).sum());
    aior * 100.0 / (aior + computes).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configurations_are_sound() {
        for text in [computing(), reading()] {
            let read = vortex_config::parse_with(&text, &vortex_assembly::known());
            let config = read.unwrap_or_else(|flaws| panic!("{flaws:#?}"));
            assert!(vortex_assembly::refused(&config).is_empty());
        }
    }
}
