//! The one crate with `unsafe` code, under Miri.

use std::path::Path;

use super::{Extent, Program, Verdict};
use crate::home;

/// Runs its tests.
pub fn run(root: &Path, _: Extent) -> Verdict {
    if !home::works("cargo", &["+nightly", "miri", "--version"]) {
        return Verdict::NotRun(
            "Miri is not installed; get it with: rustup toolchain install nightly --component \
             miri,rust-src"
                .into(),
        );
    }
    let miri = ["+nightly", "miri", "test", "--package", "vortex-queues"];
    Program::cargo(miri).with("CARGO_TARGET_DIR", "target/miri").run(root)
}
