//! The kernel out of its Debian package, which is fetched but not installed. Only the first
//! `apt-get update` of a host needs root; fetching a package does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Linux;
use super::error::LinuxError;

/// Debian's package that depends on the kernel of the day.
const META: &str = "linux-image-amd64";
/// How the names of kernels that are kept here begin; package and version follow.
const KEPT: &str = "vmlinuz-of-";

/// The kernel kept in this folder, or a new one, which is then kept.
///
/// # Errors
/// All of [`LinuxError`].
pub fn get(folder: &Path) -> Result<Linux, LinuxError> {
    if let Some(kept) = kept(folder) {
        return Ok(kept);
    }
    let (name, version) = wanted()?;
    eprintln!("vortex: fetching the package {name} {version}, for its kernel");
    fs::create_dir_all(folder).map_err(|error| LinuxError::Folder(folder.into(), error))?;
    let place = tempfile::tempdir_in(folder);
    let place = place.map_err(|error| LinuxError::Folder(folder.into(), error))?;
    let wanted = format!("{name}={version}");
    said("apt-get", Command::new("apt-get").args(["-q", "download", &wanted]), place.path())?;
    let archive = only(place.path(), "linux-image-").ok_or(LinuxError::Empty(wanted.clone()))?;
    unpack(&archive, place.path())?;
    let kernel = only(&place.path().join("boot"), "vmlinuz-").ok_or(LinuxError::Empty(wanted))?;
    let to = folder.join(format!("{KEPT}{name}_{version}"));
    fs::rename(kernel, &to).map_err(|error| LinuxError::Folder(to, error))?;
    kept(folder).ok_or(LinuxError::Empty(name))
}

/// What is there already.
fn kept(folder: &Path) -> Option<Linux> {
    let kernel = only(folder, KEPT)?;
    let package = kernel.file_name()?.to_str()?.strip_prefix(KEPT)?.replace('_', " ");
    Some(Linux { kernel, package })
}

/// The last file whose name begins so.
fn only(folder: &Path, begin: &str) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let last = names.filter(|name| name.to_string_lossy().starts_with(begin)).max()?;
    Some(folder.join(last))
}

/// The package of the kernel of the day, and its version.
fn wanted() -> Result<(String, String), LinuxError> {
    let list = || -> Result<Option<(String, String)>, LinuxError> {
        let mut show = Command::new("apt-cache");
        show.args(["show", "--no-all-versions", META]).env("LC_ALL", "C");
        let output = show.stdin(Stdio::null()).output();
        let output = output.map_err(|error| LinuxError::NoTool("apt-cache", error))?;
        Ok(depends(&String::from_utf8_lossy(&output.stdout)))
    };
    let root = rustix::process::geteuid().is_root();
    match list()? {
        Some(found) => Ok(found),
        None if root => {
            eprintln!("vortex: apt knows no {META} yet: apt-get update");
            said("apt-get", Command::new("apt-get").args(["-q", "update"]), Path::new("/"))?;
            list()?.ok_or(LinuxError::NotListed { package: META, root })
        }
        None => Err(LinuxError::NotListed { package: META, root }),
    }
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
fn unpack(archive: &Path, to: &Path) -> Result<(), LinuxError> {
    let mut list = Command::new("dpkg-deb");
    list.arg("--fsys-tarfile").arg(archive).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut list = list.spawn().map_err(|error| LinuxError::NoTool("dpkg-deb", error))?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "--wildcards", "./boot/vmlinuz-*"]).current_dir(to);
    if let Some(from) = list.stdout.take() {
        tar.stdin(from);
    }
    let taken = tar.output();
    let listed = list.wait_with_output();
    let taken = taken.map_err(|error| LinuxError::NoTool("tar", error))?;
    let listed = listed.map_err(|error| LinuxError::NoTool("dpkg-deb", error))?;
    match (listed.status.success(), taken.status.success()) {
        (true, true) => Ok(()),
        (true, false) => Err(failed("tar", &taken.stderr)),
        (false, _) => Err(LinuxError::Tool("dpkg-deb", listed.status.to_string())),
    }
}

fn said(tool: &'static str, command: &mut Command, place: &Path) -> Result<(), LinuxError> {
    let output = command.current_dir(place).stdin(Stdio::null()).output();
    let output = output.map_err(|error| LinuxError::NoTool(tool, error))?;
    if output.status.success() { Ok(()) } else { Err(failed(tool, &output.stderr)) }
}

fn failed(tool: &'static str, said: &[u8]) -> LinuxError {
    LinuxError::Tool(tool, String::from_utf8_lossy(said).into_owned())
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
