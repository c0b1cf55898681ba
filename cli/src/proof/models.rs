//! The model checkers: loom explores the concurrent parts in every order that the memory
//! model allows, shuttle runs whole cores under random schedules.
//!
//! `--cfg loom` and `--cfg shuttle` change how dependencies compile, so these builds have
//! folders of their own beneath `target/`. Optimized, because there is much to explore.

use std::path::Path;

use super::{Extent, Program, Verdict};

/// The models beside the parts that they are of.
pub fn loom(root: &Path, _: Extent) -> Verdict {
    checker(root, "loom", &["--package", "vortex-queues", "--package", "vortex-grid", "--lib"])
}

/// Cores on threads.
pub fn shuttle(root: &Path, _: Extent) -> Verdict {
    checker(root, "shuttle", &["--package", "vortex-grid", "--test", "toolkit", "threads"])
}

fn checker(root: &Path, name: &str, what: &[&str]) -> Verdict {
    let folder = format!("target/{name}");
    let mut arguments = vec!["test", "--locked", "--release", "--target-dir", &folder];
    arguments.extend(what);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = format!("{flags} --cfg {name}");
    match Program::cargo(arguments).with("RUSTFLAGS", flags.trim()).run(root) {
        // A part without a test proves nothing: that must not look like success.
        Verdict::Good(note) if note.is_empty() => {
            Verdict::NotRun(format!("there is no test under --cfg {name} yet"))
        }
        verdict => verdict,
    }
}
