//! The part `policies`: the scheduler of the booted kernel's core is each policy in turn, in
//! counted time, with three activities that compute without end: each has what its policy
//! promises it.

use std::path::Path;
use std::time::Duration;

use super::live::{NAMES, parts};
use super::{Extent, Verdict};
use crate::commands::samples;
use crate::commands::stage::Stage;
use crate::failure::Failure;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::size::Cores;

/// Seconds of the machine's time in which shares are looked at.
const SECONDS: u32 = 2;
/// And those beside, until the first sample and after the last.
const AROUND: u32 = 2;
const LIMIT: Duration = Duration::from_secs(120);

/// A policy, how the three stand with it, and what each is to have of the three's together, in
/// per cent, to within so many points.
struct Case {
    policy: &'static str,
    /// Groups, if it has any, and the attributes and elements of the three and of the sampler.
    groups: &'static str,
    stand: [(&'static str, &'static str); 4],
    wanted: [f64; 3],
    within: f64,
}

/// Shares of 50, 33 and 17, and a few for the sampler.
const SHARES: [(&str, &str); 4] =
    [(r#"share="50""#, ""), (r#"share="33""#, ""), (r#"share="17""#, ""), (r#"share="5""#, "")];
const PLAIN: [(&str, &str); 4] = [("", ""); 4];

const CASES: [Case; 9] = [
    Case {
        policy: "propshare.wfq",
        groups: "",
        stand: SHARES,
        wanted: [50.0, 33.0, 17.0],
        within: 0.5,
    },
    Case {
        policy: "propshare.round-robin",
        groups: "",
        stand: SHARES,
        wanted: [50.0, 33.0, 17.0],
        within: 2.0,
    },
    Case {
        policy: "propshare.stride",
        groups: "",
        stand: SHARES,
        wanted: [50.0, 33.0, 17.0],
        within: 1.0,
    },
    // 400 draws of 5 ms: four deviations are ten points.
    Case {
        policy: "propshare.lottery",
        groups: "",
        stand: SHARES,
        wanted: [50.0, 33.0, 17.0],
        within: 10.0,
    },
    Case {
        policy: "priority.strict",
        groups: "",
        stand: [
            (r#"priority="1""#, ""),
            (r#"priority="2""#, ""),
            (r#"priority="2""#, ""),
            (r#"priority="0""#, ""),
        ],
        wanted: [100.0, 0.0, 0.0],
        within: 0.5,
    },
    Case {
        policy: "priority.multilevel",
        groups: "",
        stand: PLAIN,
        wanted: [33.3, 33.3, 33.3],
        within: 4.0,
    },
    // What fits into their periods, one request each; all are busy, so that deadlines go on in
    // proportion to 1 / period: 4, 2 and 1 parts.
    Case {
        policy: "deadline.edf",
        groups: "",
        stand: [
            ("", r#"<entitlement core="0" period="20 ms"/>"#),
            ("", r#"<entitlement core="0" period="40 ms"/>"#),
            ("", r#"<entitlement core="0" period="80 ms"/>"#),
            ("", r#"<entitlement core="0" period="5 ms"/>"#),
        ],
        wanted: [57.1, 28.6, 14.3],
        within: 2.0,
    },
    // 40 % and a tenth of the rest, 20 % and none to speak of, and what is left.
    Case {
        policy: "deadline.cbs",
        groups: "",
        stand: [
            (r#"share="10""#, r#"<entitlement core="0" reservation="40 %" period="50 ms"/>"#),
            (r#"share="0.01""#, r#"<entitlement core="0" reservation="20 %" period="50 ms"/>"#),
            (r#"share="90""#, ""),
            (r#"share="0.01""#, r#"<entitlement core="0" reservation="2 %" period="50 ms"/>"#),
        ],
        wanted: [44.0, 20.0, 36.0],
        within: 2.5,
    },
    Case {
        policy: "hierarchy",
        groups: r#"<group name="shops" share="75"/> <group name="books" within="shops" share="1" algorithm="propshare.stride"/>"#,
        stand: [
            (r#"share="2" group="shops""#, ""),
            (r#"share="1" group="books""#, ""),
            (r#"share="25""#, ""),
            (r#"share="5""#, ""),
        ],
        wanted: [50.0, 25.0, 25.0],
        within: 1.0,
    },
];

/// As a part of the proof.
pub fn part(_: &Path, _: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, true) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let stage = Stage { accelerator, counted: true, cores: Cores::LEAST };
    let mut wrong = Vec::new();
    for case in &CASES {
        match measure(stage, case) {
            Ok(parts) if off(&parts, &case.wanted) <= case.within => {}
            Ok(parts) => {
                let told = |parts: &[f64; 3]| parts.map(|part| format!("{part:.1}")).join("/");
                let (had, wanted) = (told(&parts), told(&case.wanted));
                wrong.push(format!("{}: {had}, not {wanted} within {}", case.policy, case.within));
            }
            Err(failure) => wrong.push(format!("{}: {failure}", case.policy)),
        }
    }
    if wrong.is_empty() {
        Verdict::Good(format!("{} policies", CASES.len()))
    } else {
        Verdict::Bad(wrong.join("\n"))
    }
}

fn off(parts: &[f64; 3], wanted: &[f64; 3]) -> f64 {
    parts.iter().zip(wanted).map(|(part, wanted)| (part - wanted).abs()).fold(0.0, f64::max)
}

fn configuration(case: &Case) -> String {
    let [a, b, c, sampler] = case.stand;
    let activity = |name: &str, (attributes, elements): (&str, &str), rest: &str| {
        format!(r#"<activity name="{name}" {attributes} {rest}>{elements}</activity>"#)
    };
    let mut text = format!(
        r#"<schedulerconfig>
  <machine memory="256 MiB" timeslice="5 ms"/>
  <cpumultiplexor tag="m" core="0" algorithm="{}"/>
  <resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
    <cpumultiplexor tag="m"/>
  </resourcescheduler>
  {}
"#,
        case.policy, case.groups
    );
    for (name, stand) in NAMES.iter().zip([a, b, c]) {
        text += &activity(name, stand, "");
    }
    text += &activity("sampler", sampler, r#"performance="all""#);
    for name in NAMES {
        text += &format!(
            r#"<service activity="{name}"> <program> /bin/burn </program>
            <argument> --seconds </argument> <argument> {} </argument> </service>"#,
            SECONDS + AROUND
        );
    }
    text += &format!(
        r#"<service activity="sampler"> <program> /bin/sampler </program>
        <argument> --warm </argument> <argument> 1000 </argument>
        <argument> --count </argument> <argument> {} </argument> </service></schedulerconfig>"#,
        SECONDS + 1
    );
    text
}

/// What each of the three has of what they have together, in per cent.
fn measure(stage: Stage, case: &Case) -> Result<[f64; 3], Failure> {
    let console = stage.run(&configuration(case), &["burn", "sampler"], LIMIT)?;
    let samples = samples::read(&console)?;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Err(Failure::Unexpected("samples of a machine at work", console));
    };
    Ok(parts(first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_a_sound_configuration() {
        for case in &CASES {
            let text = configuration(case);
            let read = vortex_config::parse_with(&text, &vortex_assembly::known());
            let config = read.unwrap_or_else(|flaws| panic!("{}: {flaws:#?}", case.policy));
            assert!(vortex_assembly::refused(&config).is_empty(), "{}", case.policy);
        }
    }

    #[test]
    fn every_policy_for_a_core_is_tried() {
        let tried = |name: &str| CASES.iter().any(|case| case.policy == name);
        let others = ["fifo", "order.scan", "reserve.mclock"];
        for policy in vortex_schedulers::POLICIES {
            assert!(tried(policy.name) || others.contains(&policy.name), "{}", policy.name);
        }
    }
}
