//! The part `live`, continued: a machine with a hundred activities, all of them clients of a
//! multiplexor and of a resource. What judges an order and what exchanges a policy is no run longer
//! than one may be (law 5), in counted time.

use std::time::Duration;

use super::live::service;
use super::runs::longest;
use crate::commands::stage::{Beside, Stage};
use crate::failure::Failure;

const LIMIT: Duration = Duration::from_secs(300);
const CROWD: usize = 100;
/// Instructions of a run.
const MOST: u64 = 50_000;
/// What is ordered, and how what is said of it begins.
const ORDERS: [(&str, &str); 14] = [
    ("activity=a1 at=all share=20", "ok"),
    ("activity=a2 at=cpu share=20", "ok"),
    ("at=file policy=reserve.mclock", "ok"),
    ("activity=a1 at=file limit=10%", "ok"),
    (
        "at=file policy=propshare.wfq",
        "EBUSY: 'a1' has a limit there on core 0, which propshare.wfq",
    ),
    ("activity=a1 at=file limit=none", "ok"),
    ("at=file policy=propshare.stride", "ok"),
    ("at=cpu policy=hierarchy", "ok"),
    ("at=cpu policy=deadline.cbs", "ok"),
    ("activity=a3 at=cpu reservation=96%", "ENOSPC: others have reserved 0.00 %"),
    ("activity=nobody at=cpu share=1", "ESRCH: there is no activity 'nobody'; there are infra"),
    ("at=cpu policy=propshare.robin", "EINVAL: there is no algorithm 'propshare.robin'"),
    ("at=file reservations=3 %", "EINVAL: there is no 'reservations' of a scheduler"),
    ("at=cpu policy=propshare.wfq", "ok"),
];

fn configuration() -> String {
    let mut text = String::from(
        r#"<schedulerconfig>
  <machine memory="512 MiB" timeslice="5 ms"/>
  <cpumultiplexor tag="m" core="0" algorithm="propshare.wfq"/>
  <resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
    <cpumultiplexor tag="m"/>
  </resourcescheduler>
  <activity name="orders" share="500" control="all"/>
"#,
    );
    for number in 0..CROWD {
        text += &format!("<activity name=\"a{number}\" share=\"10\"/>\n");
        text += &service(&format!("a{number}"), "/bin/entitle", "a0 all 1");
    }
    for (place, (words, _)) in (0..).zip(ORDERS) {
        let after = 3_000 + 50 * place;
        text += &service("orders", "/bin/entitle", &format!("--change {words} --after {after}"));
    }
    text + "</schedulerconfig>"
}

/// The longest run for an order and for an exchange, and what was wrong.
pub(super) fn measure(stage: Stage) -> Result<([u64; 2], Vec<String>), Failure> {
    let memory = crate::machine::size::Memory::mebibytes(768);
    let beside = Beside { words: &["runs=told"], memory, ..Beside::default() };
    let console = stage.run_with(&configuration(), &["entitle"], LIMIT, beside)?;
    let mut wrong = Vec::new();
    for (words, answer) in ORDERS {
        let start = format!("change: {words}: {answer}");
        if !console.lines().any(|line| line.trim().starts_with(&start)) {
            wrong.push(format!("nobody says '{start}'"));
        }
    }
    let longest = ["resource.monitor for orders", "the core's own run"].map(|of| {
        let longest = longest(of, &console);
        if !(1..=MOST).contains(&longest) {
            wrong.push(format!("{of}: {longest} instructions in one run"));
        }
        longest
    });
    if !wrong.is_empty() {
        wrong.push(console);
    }
    Ok((longest, wrong))
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
