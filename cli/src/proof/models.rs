//! The model checkers: loom explores the concurrent parts in every order that the memory
//! model allows, shuttle runs whole cores under random schedules.
//!
//! `--cfg loom` and `--cfg shuttle` change how dependencies compile, so these builds have
//! folders of their own beneath `target/`. Optimized, because there is much to explore.

use std::path::Path;

use super::parts::FIXED_SEED;
use super::{Extent, Program, Verdict};

/// The models beside the parts that they are of.
pub fn loom(root: &Path, _: Extent) -> Verdict {
    checker(root, "loom", &["--package", "vortex-queues", "--package", "vortex-grid", "--lib"], &[])
}

/// Schedules in a long run; the test itself says how many it tries otherwise.
const MANY_SCHEDULES: &str = "200000";

/// Cores on threads: the same schedules at every run, new ones and more in the long run.
pub fn shuttle(root: &Path, extent: Extent) -> Verdict {
    let environment = match extent {
        Extent::Full => ("VORTEX_SCHEDULES", MANY_SCHEDULES),
        _ => ("SHUTTLE_RANDOM_SEED", FIXED_SEED),
    };
    let what = ["--package", "vortex-grid", "--test", "toolkit", "threads::"];
    checker(root, "shuttle", &what, &[environment])
}

fn checker(root: &Path, name: &str, what: &[&str], more: &[(&'static str, &str)]) -> Verdict {
    let folder = format!("target/{name}");
    let mut arguments = vec!["test", "--locked", "--release", "--target-dir", &folder];
    arguments.extend(what);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = format!("{flags} --cfg {name}");
    let program = more.iter().fold(
        Program::cargo(arguments).with("RUSTFLAGS", flags.trim()),
        |program, &(name, value)| program.with(name, value),
    );
    match program.run(root) {
        // A part without a test proves nothing: that must not look like success.
        Verdict::Good(note) if note.is_empty() => {
            Verdict::NotRun(format!("there is no test under --cfg {name} yet"))
        }
        verdict => verdict,
    }
}
