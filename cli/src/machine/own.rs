//! This repository's own guest programs (`services/`), which a configuration names by paths
//! below `/vortex/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::MachineError;

/// Their workspace, which is not the outer one.
pub const MANIFEST: &str = "services/Cargo.toml";
/// What they are built for: static, without a C library of the host's.
pub const TARGET: &str = "x86_64-unknown-linux-musl";
/// Where they are built.
pub const FOLDER: &str = "services/target";

/// The name of a program of ours, if the path is one's.
pub fn name(path: &str) -> Option<&str> {
    path.strip_prefix("/vortex/").filter(|name| !name.is_empty() && !name.contains('/'))
}

/// Builds them all; cargo says on standard error what it does where that takes time.
/// Returns the folder that they are in.
///
/// # Errors
/// [`MachineError::NoCargo`], [`MachineError::OwnBuild`].
pub fn build(root: &Path) -> Result<PathBuf, MachineError> {
    let arguments =
        ["build", "--release", "--locked", "--target", TARGET, "--manifest-path", MANIFEST];
    let status = Command::new("cargo")
        .args(arguments)
        .env("CARGO_TARGET_DIR", FOLDER)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(MachineError::NoCargo)?;
    match status.success() {
        true => Ok(root.join(FOLDER).join(TARGET).join("release")),
        false => Err(MachineError::OwnBuild),
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn they_are_named_by_their_folder() {
        assert_eq!(name("/vortex/burn"), Some("burn"));
        assert_eq!(name("/vortex/"), None);
        assert_eq!(name("/vortex/a/b"), None);
        assert_eq!(name("/bin/busybox"), None);
    }
}
