//! Modules of Debian's kernel, by which it has disks, ext2 and a network card: none of that is
//! built in.
//!
//! They are taken out of the kernel's package, with those that they need by their own word
//! (`depends=` in `.modinfo`), and kept beside the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object as _, ObjectSection as _};

use super::package;
use crate::machine::debian::{self, PackageError, failed};

/// What is wanted: the controller, its disks, and ext2, which this kernel has in ext4's module;
/// that asks for a checksum's module by a name that no module has. And the card.
const WANTED: [&str; 6] =
    ["virtio_pci", "virtio_scsi", "sd_mod", "crc32c_generic", "ext4", "virtio_net"];
/// Where such modules are in the package.
const PLACES: [&str; 9] = [
    "drivers/virtio",
    "drivers/scsi",
    "drivers/net",
    "net/core",
    "block",
    "fs",
    "lib",
    "crypto",
    "arch",
];
/// How the folders of modules that are kept here begin; package and version follow.
const KEPT: &str = "modules-with-card-of-";
/// The list of a folder: the files in the order in which they are loaded.
const LIST: &str = "list";

/// The modules of the kernel that is kept in this folder, in the order in which each finds
/// what it needs.
///
/// # Errors
/// All of [`PackageError`].
pub fn get(folder: &Path) -> Result<Vec<PathBuf>, PackageError> {
    let linux = package::get(folder)?;
    let (name, version) = linux.package.split_once(' ').unwrap_or((&linux.package, ""));
    let kept = folder.join(format!("{KEPT}{name}_{version}"));
    if !kept.join(LIST).is_file() {
        eprintln!("vortex: fetching the package {name} {version}, for its modules");
        let place = tempfile::tempdir_in(folder);
        let place = place.map_err(|error| PackageError::Folder(folder.into(), error))?;
        let archive = debian::download(name, version, place.path())?;
        let into = place.path().join("modules");
        let unwritable = |error| PackageError::Folder(kept.clone(), error);
        fs::create_dir(&into).map_err(unwritable)?;
        unpack(&archive, place.path())?;
        let order = order(&files(place.path()), name)?;
        let mut list = String::new();
        for file in order {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fs::rename(&file, into.join(&name)).map_err(unwritable)?;
            list += &(name + "\n");
        }
        fs::write(into.join(LIST), list).map_err(unwritable)?;
        // What is left of one that was not finished.
        let _ = fs::remove_dir_all(&kept);
        fs::rename(&into, &kept).map_err(unwritable)?;
    }
    let list = fs::read_to_string(kept.join(LIST));
    let list = list.map_err(|error| PackageError::Folder(kept.clone(), error))?;
    Ok(list.lines().map(|name| kept.join(name)).collect())
}

/// Takes the modules of our places out of the package, and unpacks them where they are packed.
fn unpack(archive: &Path, to: &Path) -> Result<(), PackageError> {
    let mut list = Command::new("dpkg-deb");
    list.arg("--fsys-tarfile").arg(archive).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut list = list.spawn().map_err(|error| PackageError::NoTool("dpkg-deb", error))?;
    let mut tar = Command::new("tar");
    // Debian 12 has modules below /lib, later ones below /usr/lib; some are packed by xz.
    let places = PLACES.iter().map(|place| format!("*/kernel/{place}/*.ko*"));
    tar.args(["-x", "--wildcards"]).args(places).current_dir(to);
    if let Some(from) = list.stdout.take() {
        tar.stdin(from);
    }
    // A place without modules is a complaint of tar's: what is missed is found out later.
    tar.output().map_err(|error| PackageError::NoTool("tar", error))?;
    list.wait().map_err(|error| PackageError::NoTool("dpkg-deb", error))?;
    let packed: Vec<_> = files(to).into_values().filter(|file| ends(file, "xz")).collect();
    if !packed.is_empty() {
        let mut command = Command::new("xz");
        let output = command.arg("-d").args(&packed).stdin(Stdio::null()).output();
        let output = output.map_err(|error| PackageError::NoTool("xz", error))?;
        if !output.status.success() {
            return Err(failed("xz", &output.stderr));
        }
    }
    Ok(())
}

fn ends(file: &Path, end: &str) -> bool {
    file.extension().is_some_and(|found| found == end)
}

/// The files of modules below a folder, by their modules' names.
fn files(folder: &Path) -> BTreeMap<String, PathBuf> {
    let (mut found, mut left) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = left.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                left.push(path);
            } else if let Some(name) = path.file_name().and_then(|name| name.to_str())
                && let Some((name, _)) = name.split_once(".ko")
            {
                found.insert(plain(name), path);
            }
        }
    }
    found
}

/// A module's name: files say `-` where modules say `_`, or not.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// The wanted modules with what they need, each after what it needs.
fn order(files: &BTreeMap<String, PathBuf>, package: &str) -> Result<Vec<PathBuf>, PackageError> {
    let mut order: Vec<String> = Vec::new();
    let mut open: Vec<String> = WANTED.iter().rev().map(|name| (*name).into()).collect();
    while let Some(name) = open.last().cloned() {
        let needs: Vec<String> = match files.get(&name) {
            Some(file) => depends(file)?,
            None => return Err(PackageError::Tool("modules", format!("{package} has no {name}"))),
        };
        let missing = needs.iter().find(|need| !order.contains(need) && !open.contains(need));
        match missing {
            Some(need) => open.push(need.clone()),
            None => {
                open.pop();
                if !order.contains(&name) {
                    order.push(name);
                }
            }
        }
    }
    Ok(order.iter().filter_map(|name| files.get(name).cloned()).collect())
}

/// What a module says that it needs.
fn depends(file: &Path) -> Result<Vec<String>, PackageError> {
    let bytes = fs::read(file).map_err(|error| PackageError::Folder(file.into(), error))?;
    let wrong = || PackageError::Tool("modules", format!("{} is no module", file.display()));
    let module = object::File::parse(&*bytes).map_err(|_| wrong())?;
    let section = module.section_by_name(".modinfo").ok_or_else(wrong)?;
    Ok(needs(section.data().map_err(|_| wrong())?))
}

/// From the words of `.modinfo`, each ended by a zero: `depends=mbcache,jbd2`.
fn needs(words: &[u8]) -> Vec<String> {
    let words = words.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
    let lists = words.filter_map(|word| word.strip_prefix("depends="));
    lists.flat_map(|list| list.split(',')).filter(|name| !name.is_empty()).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_read_from_a_modules_words() {
        let words = b"license=GPL\0depends=crc16,mb-cache,jbd2\0retpoline=Y\0";
        assert_eq!(needs(words), ["crc16", "mb_cache", "jbd2"]);
        assert!(needs(b"depends=\0").is_empty());
    }

    #[test]
    fn a_module_that_is_missing_is_told() {
        let package = "linux-image";
        let none = order(&BTreeMap::new(), package);
        let told = none.unwrap_err().to_string();
        assert!(told.contains("linux-image has no virtio_pci"), "{told}");
    }
}
