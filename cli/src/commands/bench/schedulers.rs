//! `bench schedulers`: every policy on the same seeded work.
//!
//! What a decision costs is counted by callgrind, as of `bench grid`, with the policy at a
//! resource and at the multiplexor. The rest is from the simulation, in virtual time, with the
//! policy at the multiplexor of one core: three activities that compute without end in pieces
//! of different lengths, entitled to 50, 33 and 17 parts, and one that is lightly loaded: 100 µs
//! of work every 3 ms.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use vortex_schedulers::{POLICIES, Policy};
use vortex_sim::{Options, Report, simulate};
use vortex_units::Nanos;

use super::measure::Bench;
use super::picture::{self, Line};
use crate::failure::Failure;
use crate::home;
use crate::human;
use crate::out;
use crate::table::{Align, Table};

/// Those that compute, and what they are entitled to.
const HEAVY: [(&str, f64); 3] = [("a", 50.0), ("b", 33.0), ("c", 17.0)];
/// The numbers of activities among which a request is counted.
const AMONG: [u32; 2] = [8, 1_000];
/// How often shares are looked at: ten times a second.
const SAMPLE: Nanos = Nanos::new(100_000_000);
/// Cycles of the simulated clock in a microsecond.
const MICROSECOND: f64 = 1_000.0;

/// A policy's figures.
#[derive(Debug, Serialize)]
struct Row {
    policy: &'static str,
    /// Whether it promises the shares by which it is judged here.
    shares: bool,
    /// Instructions for a request among few activities, and among many.
    instructions: [u64; 2],
    /// What the simulation has shown; nothing of a policy that orders by position.
    simulated: Option<Simulated>,
}

#[derive(Debug, Serialize)]
struct Simulated {
    /// Points that a heavy activity's part is off over all the time, at most.
    off: f64,
    /// The same in a tenth of a second.
    worst: f64,
    /// Milliseconds of the core by which one was ever ahead or behind, at most.
    lag: f64,
    /// Microseconds that the light one waits to run, on average.
    wait: f64,
    /// And at most.
    longest: f64,
}

/// Measures and prints.
pub fn run(json: bool, picture: Option<&Path>) -> Result<ExitCode, Failure> {
    if !home::works("valgrind", &["--version"]) {
        return Err(Failure::Missing { tool: "valgrind", get: "sudo apt-get install valgrind" });
    }
    let bench = Bench::build(&home::root()?)?;
    let mut rows = Vec::new();
    for policy in POLICIES {
        eprintln!("vortex: {}", policy.name);
        let [few, many] = AMONG.map(|activities| bench.policy(policy.name, activities));
        let simulated = if policy.positions { None } else { Some(simulated(policy)?) };
        let instructions = [few?, many?];
        rows.push(Row { policy: policy.name, shares: policy.shares, instructions, simulated });
    }
    if let Some(path) = picture {
        let lines: Vec<Line> = rows.iter().map(line).collect();
        let written = std::fs::write(path, picture::draw(&lines));
        written.map_err(|error| Failure::Unwritable(path.into(), error))?;
    }
    if json {
        out::put(&format!("{}\n", serde_json::to_string_pretty(&rows)?));
    } else {
        out::put(&report(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(row: &Row) -> Line {
    let simulated = row.simulated.as_ref();
    Line {
        policy: row.policy.into(),
        instructions: row.instructions,
        off: simulated.filter(|_| row.shares).map(|of| of.worst),
        waits: simulated.map(|of| [of.wait, of.longest]),
    }
}

/// The configuration that a policy is tried with. The light one has what the policy has for
/// such: a share, the highest priority, or a reservation.
fn configuration(policy: &Policy) -> String {
    let knob = |is: bool, text: String| if is { text } else { String::new() };
    let activity = |name: &str, share: f64, priority: u32, rest: &str| {
        let share = knob(policy.shares, format!(r#" share="{share}""#));
        let priority = knob(policy.priorities, format!(r#" priority="{priority}""#));
        format!(r#"<activity name="{name}"{share}{priority}>{rest}</activity>"#)
    };
    let reservation = knob(policy.reservations, r#" reservation="10 %""#.into());
    let period = knob(policy.periods, r#" period="5 ms""#.into());
    let entitled = knob(
        policy.reservations || policy.periods,
        format!(r#"<entitlement core="0"{reservation}{period}/>"#),
    );
    let mut activities = activity("light", 10.0, 0, &entitled);
    for (place, (name, share)) in (1..).zip(HEAVY) {
        activities += &activity(name, share, place, "");
    }
    format!(
        r#"<schedulerconfig>
  <machine frequency="1 GHz" timeslice="1 ms"/>
  <cpumultiplexor tag="m" core="0" algorithm="{}"/>
  <resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
    <cpumultiplexor tag="m"/>
  </resourcescheduler>
  {activities}
  <simulation seed="2011" duration="20 s">
    <workload activity="light"> <compute> 100 us </compute> <sleep> 3 ms </sleep> </workload>
    <workload activity="a" threads="2"> <compute> 3 ms </compute> </workload>
    <workload activity="b" threads="4"> <compute> 700 us </compute> </workload>
    <workload activity="c" threads="4" processes="2"> <compute> 50 us </compute> </workload>
  </simulation>
</schedulerconfig>"#,
        policy.name
    )
}

fn simulated(policy: &Policy) -> Result<Simulated, Failure> {
    let text = configuration(policy);
    let config = vortex_config::parse_with(&text, &vortex_assembly::known());
    let config = config
        .map_err(|flaws| Failure::Unexpected("a sound configuration", format!("{flaws:?}")))?;
    let options = Options { sample: SAMPLE, ..Options::default() };
    let report = simulate(&config, &options)
        .map_err(|error| Failure::Unexpected("a simulation", error.to_string()))?;
    figures(&report)
        .ok_or_else(|| Failure::Unexpected("samples of all activities", policy.name.into()))
}

fn figures(report: &Report) -> Option<Simulated> {
    let place = |name: &str| report.activities.iter().position(|known| known == name);
    let heavy = [place("a")?, place("b")?, place("c")?];
    let mut sums = [0.0; 3];
    let (mut worst, mut lag) = (0.0f64, 0.0f64);
    for sample in &report.samples {
        let used = heavy.map(|place| sample.cycles.get(place).map_or(0.0, |c| c.get() as f64));
        worst = worst.max(deviation(&used)?);
        for (sum, used) in sums.iter_mut().zip(used) {
            *sum += used;
        }
        let all: f64 = sums.iter().sum();
        for (sum, (_, share)) in sums.iter().zip(HEAVY) {
            lag = lag.max((sum - all * share / 100.0).abs() / MICROSECOND / 1_000.0);
        }
    }
    let light = report.usage("light", "resource.thread")?;
    Some(Simulated {
        off: deviation(&sums)?,
        worst,
        lag,
        wait: light.mean_wait.get() as f64 / MICROSECOND,
        longest: light.longest_wait.get() as f64 / MICROSECOND,
    })
}

/// How many points the part is off that is furthest off.
fn deviation(used: &[f64; 3]) -> Option<f64> {
    let all: f64 = used.iter().sum();
    (all > 0.0).then(|| {
        let apart = used.iter().zip(HEAVY).map(|(used, (_, share))| used * 100.0 / all - share);
        apart.map(f64::abs).fold(0.0, f64::max)
    })
}

fn report(rows: &[Row]) -> String {
    let columns = [
        ("policy", Align::Left),
        ("instructions: 8", Align::Right),
        ("1,000 activities", Align::Right),
        ("shares off", Align::Right),
        ("in 100 ms", Align::Right),
        ("lag, ms", Align::Right),
        ("the light one waits, us", Align::Right),
        ("at most", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        let [few, many] = row.instructions.map(human::grouped);
        let told = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
        };
        let of = |value: fn(&Simulated) -> f64| row.simulated.as_ref().map(value);
        let shared = |value: fn(&Simulated) -> f64| of(value).filter(|_| row.shares);
        table.row([
            row.policy.into(),
            few,
            many,
            told(shared(|of| of.off), 2),
            told(shared(|of| of.worst), 2),
            told(shared(|of| of.lag), 1),
            told(of(|of| of.wait), 0),
            told(of(|of| of.longest), 0),
        ]);
    }
    format!(
        "Every scheduler on the same work: three that compute (50, 33, 17) in pieces of 3 ms,\n\
         0.7 ms and 50 us, and a light one with 100 us every 3 ms, on one core for 20 s of\n\
         virtual time; what a request costs is counted with null handlers\n\n{}\n\
         Shares off: points over all the time, and at worst in 100 ms; of policies of shares.\n\
         The light one has a share of 10, the highest priority, or 10 % reserved and 5 ms.\n",
        table.render()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_can_be_tried_and_those_of_shares_keep_them() {
        for policy in POLICIES.iter().filter(|policy| !policy.positions) {
            let figures = simulated(policy).unwrap();
            assert!(figures.longest >= figures.wait && figures.wait >= 0.0, "{}", policy.name);
            // Lots are drawn: a thousandth of a second each, for twenty.
            if policy.shares {
                assert!(figures.off < 1.5, "{}: {figures:?}", policy.name);
            }
        }
    }
}
