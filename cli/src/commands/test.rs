//! `test`: the project's proof, part by part.

use std::process::ExitCode;

use crate::args::Test;
use crate::failure::Failure;
use crate::out;
use crate::proof::{self, Extent};

/// Runs what was named, or what belongs to the extent.
pub fn run(arguments: &Test) -> Result<ExitCode, Failure> {
    let parts = proof::parts();
    if arguments.list {
        out::put(&proof::list(&parts));
        return Ok(ExitCode::SUCCESS);
    }
    let extent = match (arguments.quick, arguments.full) {
        (true, _) => Extent::Quick,
        (_, true) => Extent::Full,
        _ => Extent::Normal,
    };
    for name in &arguments.parts {
        if !parts.iter().any(|part| part.name == *name) {
            return Err(Failure::NoSuchPart(name.clone()));
        }
    }
    proof::run(&parts, &arguments.parts, extent)
}
