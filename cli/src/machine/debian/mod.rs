//! Debian's packages, of which files are taken and nothing is installed. Only the first
//! `apt-get update` of a host needs root; fetching a package does not.

mod error;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use error::PackageError;

/// What apt shows of the newest version of a package that it knows, its lists fetched if they
/// are missing and we may.
///
/// # Errors
/// [`PackageError::NoTool`], [`PackageError::Tool`], [`PackageError::NotListed`].
pub fn shown(package: &'static str) -> Result<String, PackageError> {
    let list = || -> Result<Option<String>, PackageError> {
        let mut show = Command::new("apt-cache");
        show.args(["show", "--no-all-versions", package]).env("LC_ALL", "C");
        let output = show.stdin(Stdio::null()).output();
        let output = output.map_err(|error| PackageError::NoTool("apt-cache", error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Some(text).filter(|text| text.contains("Version: ")))
    };
    let root = rustix::process::geteuid().is_root();
    match list()? {
        Some(found) => Ok(found),
        None if root => {
            eprintln!("vortex: apt knows no {package} yet: apt-get update");
            run("apt-get", Command::new("apt-get").args(["-q", "update"]), Path::new("/"))?;
            list()?.ok_or(PackageError::NotListed { package, root })
        }
        None => Err(PackageError::NotListed { package, root }),
    }
}

/// Fetches a package of this version into a folder: its file.
///
/// # Errors
/// [`PackageError::NoTool`], [`PackageError::Tool`], [`PackageError::Empty`].
pub fn download(name: &str, version: &str, folder: &Path) -> Result<PathBuf, PackageError> {
    let wanted = format!("{name}={version}");
    run("apt-get", Command::new("apt-get").args(["-q", "download", &wanted]), folder)?;
    last(folder, &format!("{name}_")).ok_or(PackageError::Empty(wanted, "file"))
}

/// The last file of a folder whose name begins so.
pub fn last(folder: &Path, begin: &str) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let last = names.filter(|name| name.to_string_lossy().starts_with(begin)).max()?;
    Some(folder.join(last))
}

/// Runs a tool at this place, which must succeed.
///
/// # Errors
/// [`PackageError::NoTool`], [`PackageError::Tool`].
pub fn run(tool: &'static str, command: &mut Command, place: &Path) -> Result<(), PackageError> {
    let output = command.current_dir(place).stdin(Stdio::null()).output();
    let output = output.map_err(|error| PackageError::NoTool(tool, error))?;
    if output.status.success() { Ok(()) } else { Err(failed(tool, &output.stderr)) }
}

/// A tool failed and said this.
pub fn failed(tool: &'static str, said: &[u8]) -> PackageError {
    PackageError::Tool(tool, String::from_utf8_lossy(said).into_owned())
}
