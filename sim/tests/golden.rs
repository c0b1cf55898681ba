//! Golden traces of the paper's set-ups: every decision of the schedulers, to the cycle.
//!
//! `VORTEX_GOLDEN=write cargo test -p vortex-sim --test golden` writes them anew; a change
//! in them is to be read, not waved through.
#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

mod common;

use common::{example, for_ms, run};
use vortex_sim::Options;

fn check(name: &str, runs: usize, milliseconds: u64) {
    let options = Options { trace: runs, ..for_ms(milliseconds, 1_000) };
    let found = run(&example(name), &options).trace_text();
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("VORTEX_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&path, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    let differs = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    if let Some(line) = differs {
        let (found, wanted) = (found.lines().nth(line), wanted.lines().nth(line));
        panic!("{name}, line {}: {found:?} instead of {wanted:?}", line + 1);
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "{name}");
}

#[test]
fn cpu_bound() {
    check("paper-cpu", 40, 500);
}

#[test]
fn file_reads() {
    check("paper-files", 60, 5);
}

#[test]
fn web() {
    check("paper-web", 60, 5);
}

#[test]
fn storm() {
    check("system-call-storm", 80, 50);
}

#[test]
fn bus() {
    check("bus", 100, 5);
}
