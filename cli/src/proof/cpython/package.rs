//! CPython as Debian builds it, with its own tests: out of its packages, nothing installed.
//!
//! All is of one version, whatever the host has. Modules are compiled here: in the emulated
//! machine that takes longer than to run them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::debian::{self, PackageError};

/// The one with the tests, whose version is that of all.
const TESTS: &str = "libpython3.11-testsuite";
/// The others.
const OTHERS: [&str; 3] = ["python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"];
/// How a folder with all of them is called; the version follows.
const KEPT: &str = "python-";

/// The interpreter, in the folder and in the machine.
pub const PYTHON: &str = "/usr/bin/python3.11";
/// Its modules.
pub const MODULES: &str = "/usr/lib/python3.11";

/// A folder that has them as a root: kept from before, or new.
///
/// # Errors
/// [`PackageError`].
pub fn get(folder: &Path) -> Result<PathBuf, PackageError> {
    if let Some(kept) = debian::last(folder, KEPT) {
        return Ok(kept);
    }
    let shown = debian::shown(TESTS)?;
    let version = shown.lines().find_map(|line| line.strip_prefix("Version: ")).unwrap_or_default();
    eprintln!("vortex: fetching the packages of python3.11 {version}, for its tests");
    let error = |error| PackageError::Folder(folder.into(), error);
    fs::create_dir_all(folder).map_err(error)?;
    let place = tempfile::tempdir_in(folder).map_err(error)?;
    let root = place.path().join("root");
    for package in OTHERS.into_iter().chain([TESTS]) {
        let file = debian::download(package, version, place.path())?;
        let mut unpack = Command::new("dpkg-deb");
        debian::run("dpkg-deb", unpack.arg("-x").arg(&file).arg(&root), place.path())?;
    }
    compile(&root)?;
    let to = folder.join(format!("{KEPT}{version}"));
    fs::rename(&root, &to).map_err(error)?;
    Ok(to)
}

/// Compiles the modules, so that the times of files, which are none in an image, do not matter.
/// Some of the tests' modules are wrong on purpose: what cannot be compiled is left.
fn compile(root: &Path) -> Result<(), PackageError> {
    let python = root.join(PYTHON.trim_start_matches('/'));
    let mut command = Command::new(python);
    command.env("PYTHONHOME", root.join("usr")).current_dir(root);
    command.args(["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]);
    let output = command.arg(MODULES.trim_start_matches('/')).output();
    output.map(drop).map_err(|error| PackageError::NoTool("python3.11 of the package", error))
}
