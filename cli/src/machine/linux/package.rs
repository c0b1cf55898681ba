//! The kernel out of its Debian package, which is fetched but not installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Linux;
use crate::machine::debian::{self, PackageError, failed};

/// Debian's package that depends on the kernel of the day.
const META: &str = "linux-image-amd64";
/// How the names of kernels that are kept here begin; package and version follow.
const KEPT: &str = "vmlinuz-of-";

/// The kernel kept in this folder, or a new one, which is then kept.
///
/// # Errors
/// All of [`PackageError`].
pub fn get(folder: &Path) -> Result<Linux, PackageError> {
    if let Some(kept) = kept(folder) {
        return Ok(kept);
    }
    let (name, version) = wanted()?;
    eprintln!("vortex: fetching the package {name} {version}, for its kernel");
    fs::create_dir_all(folder).map_err(|error| PackageError::Folder(folder.into(), error))?;
    let place = tempfile::tempdir_in(folder);
    let place = place.map_err(|error| PackageError::Folder(folder.into(), error))?;
    let archive = debian::download(&name, &version, place.path())?;
    unpack(&archive, place.path())?;
    let kernel = debian::last(&place.path().join("boot"), "vmlinuz-");
    let kernel = kernel.ok_or_else(|| PackageError::Empty(name.clone(), "/boot/vmlinuz-*"))?;
    let to = folder.join(format!("{KEPT}{name}_{version}"));
    fs::rename(kernel, &to).map_err(|error| PackageError::Folder(to, error))?;
    kept(folder).ok_or(PackageError::Empty(name, "/boot/vmlinuz-*"))
}

/// What is there already.
fn kept(folder: &Path) -> Option<Linux> {
    let kernel = debian::last(folder, KEPT)?;
    let package = kernel.file_name()?.to_str()?.strip_prefix(KEPT)?.replace('_', " ");
    Some(Linux { kernel, package })
}

/// The package of the kernel of the day, and its version.
fn wanted() -> Result<(String, String), PackageError> {
    let root = rustix::process::geteuid().is_root();
    depends(&debian::shown(META)?).ok_or(PackageError::NotListed { package: META, root })
}

/// From what apt shows of the first: `Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)`.
fn depends(shown: &str) -> Option<(String, String)> {
    let line = shown.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    let first = line.split(',').find(|package| package.trim().starts_with("linux-image-"))?;
    let (name, version) = first.split_once('(')?;
    let version = version.trim_start_matches(['=', ' ']).split(')').next()?;
    Some((name.trim().into(), version.trim().into()))
}

/// Takes the kernel alone out of the package: its modules are fifty times as large.
fn unpack(archive: &Path, to: &Path) -> Result<(), PackageError> {
    let mut list = Command::new("dpkg-deb");
    list.arg("--fsys-tarfile").arg(archive).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut list = list.spawn().map_err(|error| PackageError::NoTool("dpkg-deb", error))?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "--wildcards", "./boot/vmlinuz-*"]).current_dir(to);
    if let Some(from) = list.stdout.take() {
        tar.stdin(from);
    }
    let taken = tar.output();
    let listed = list.wait_with_output();
    let taken = taken.map_err(|error| PackageError::NoTool("tar", error))?;
    let listed = listed.map_err(|error| PackageError::NoTool("dpkg-deb", error))?;
    match (listed.status.success(), taken.status.success()) {
        (true, true) => Ok(()),
        (true, false) => Err(failed("tar", &taken.stderr)),
        (false, _) => Err(PackageError::Tool("dpkg-deb", listed.status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_of_the_day_is_read_from_what_apt_shows() {
        let shown = "Package: linux-image-amd64\nVersion: 6.1.192-2\n\
                     Depends: linux-base, linux-image-6.1.0-56-amd64 (= 6.1.192-2)\n\n";
        let found = ("linux-image-6.1.0-56-amd64".into(), "6.1.192-2".into());
        assert_eq!(depends(shown), Some(found));
        assert_eq!(depends("Package: linux-image-amd64\n"), None);
        assert_eq!(depends(""), None);
    }

    #[test]
    fn what_is_kept_is_not_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        assert!(kept(folder.path()).is_none());
        assert!(kept(&folder.path().join("none")).is_none());
        let file = folder.path().join("vmlinuz-of-linux-image-6.1.0-56-amd64_6.1.192-2");
        fs::write(&file, "x").unwrap();
        let linux = get(folder.path()).unwrap();
        assert_eq!(linux.kernel, file);
        assert_eq!(linux.package, "linux-image-6.1.0-56-amd64 6.1.192-2");
    }
}
