//! The kernel's ELF file: built from this checkout, or one that was named.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::MachineError;
use crate::home;

const PACKAGE: &str = "vortex-kernel";
const TARGET: &str = "x86_64-unknown-none";

/// Builds it; cargo says on standard error what it does where that takes time.
///
/// # Errors
/// [`MachineError::NoCargo`], [`MachineError::KernelBuild`].
pub fn build(root: &Path) -> Result<PathBuf, MachineError> {
    let arguments = ["build", "--release", "--locked", "--package", PACKAGE, "--target", TARGET];
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(MachineError::NoCargo)?;
    match status.success() {
        true => Ok(expected(root)),
        false => Err(MachineError::KernelBuild),
    }
}

/// One that was named, if it is there.
///
/// # Errors
/// [`MachineError::NoKernel`].
pub fn named(path: &Path) -> Result<PathBuf, MachineError> {
    path.canonicalize().map_err(|error| MachineError::NoKernel(path.to_path_buf(), error))
}

/// Where it is when it has been built.
pub fn expected(root: &Path) -> PathBuf {
    home::target(root).join(TARGET).join("release").join(PACKAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_where_cargo_puts_it() {
        let place = expected(Path::new("/r"));
        assert!(place.ends_with("x86_64-unknown-none/release/vortex-kernel"));
        assert!(place.starts_with(home::target(Path::new("/r"))));
    }
}
