//! What `debugfs` is told, so that it puts entries into an empty file system.
//!
//! Each entry is made and then given its mode, owner and times; hard links come last, when
//! what they name is there.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;

use super::entries::{Entries, Entry, Kind, Place, shown};
use super::error::VolumeError;

/// Bytes of a line that `debugfs` reads at most, with some to spare.
const LINE: usize = 8_000;
/// What `mknod` takes at most as a device's number.
const DEVICE: u32 = 65_535;
/// The root's inode.
const ROOT: &[u8] = b"<2>";

/// Lines, as they are made.
struct Script {
    text: Vec<u8>,
    /// The directory that the last line was about.
    folder: Option<Place>,
}

/// The lines for all entries.
///
/// # Errors
/// [`VolumeError::Name`], [`VolumeError::Device`].
pub fn lines(entries: &Entries) -> Result<Vec<u8>, VolumeError> {
    let mut script = Script { text: Vec::new(), folder: None };
    // A time of zero would be that of the host's clock.
    script.line(&[], &[b"set_current_time", b"@1"])?;
    let mut names: BTreeMap<&Place, u32> = BTreeMap::new();
    for (place, entry) in entries.iter() {
        if let Kind::Same(target) = &entry.kind {
            *names.entry(target).or_insert(1) += 1;
            continue;
        }
        script.make(place, entry)?;
        script.describe(place, entry)?;
    }
    for (place, entry) in entries.iter() {
        if let Kind::Same(target) = &entry.kind {
            script.link(place, target)?;
        }
    }
    for (place, count) in names {
        script.set(place, "links_count", &count.to_string())?;
    }
    Ok(script.text)
}

impl Script {
    /// A line, about this place; quoted word by word.
    fn line(&mut self, place: &[Vec<u8>], words: &[&[u8]]) -> Result<(), VolumeError> {
        let mut line = Vec::new();
        for word in words {
            line.push(b'"');
            for &byte in *word {
                line.push(byte);
                // A quote in what is quoted is written twice.
                if byte == b'"' {
                    line.push(byte);
                }
            }
            line.extend(b"\" ");
        }
        if line.len() > LINE || line.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
            return Err(VolumeError::Name(shown(place)));
        }
        self.text.extend(line);
        self.text.push(b'\n');
        Ok(())
    }

    /// Goes to where a place is; its name there.
    fn at<'a>(&mut self, place: &'a Place) -> Result<&'a [u8], VolumeError> {
        let Some((name, folder)) = place.split_last() else { return Ok(ROOT) };
        if self.folder.as_deref() != Some(folder) {
            let path = path(folder);
            self.line(place, &[b"cd", &path])?;
            self.folder = Some(folder.to_vec());
        }
        Ok(name)
    }

    fn make(&mut self, place: &Place, entry: &Entry) -> Result<(), VolumeError> {
        if place.is_empty() {
            return Ok(());
        }
        let name = self.at(place)?;
        match &entry.kind {
            // Made by mke2fs.
            Kind::Directory if place.len() == 1 && name == b"lost+found" => Ok(()),
            Kind::Directory => self.line(place, &[b"mkdir", name]),
            Kind::File(from, _) => self.line(place, &[b"write", from.as_os_str().as_bytes(), name]),
            Kind::Symlink(target) => self.line(place, &[b"symlink", name, target]),
            Kind::Pipe => self.line(place, &[b"mknod", name, b"p"]),
            Kind::Character(major, minor) => self.device(place, name, b"c", [*major, *minor]),
            Kind::Block(major, minor) => self.device(place, name, b"b", [*major, *minor]),
            Kind::Same(_) => Ok(()),
        }
    }

    fn device(
        &mut self,
        place: &Place,
        name: &[u8],
        kind: &[u8],
        numbers: [u32; 2],
    ) -> Result<(), VolumeError> {
        if numbers.iter().any(|number| *number > DEVICE) {
            return Err(VolumeError::Device(shown(place)));
        }
        let [major, minor] = numbers.map(|number| number.to_string());
        self.line(place, &[b"mknod", name, kind, major.as_bytes(), minor.as_bytes()])
    }

    fn describe(&mut self, place: &Place, entry: &Entry) -> Result<(), VolumeError> {
        let kind = match &entry.kind {
            Kind::Pipe => 0o010_000,
            Kind::Character(..) => 0o020_000,
            Kind::Directory => 0o040_000,
            Kind::Block(..) => 0o060_000,
            Kind::File(..) | Kind::Same(_) => 0o100_000,
            Kind::Symlink(_) => 0o120_000,
        };
        self.set(place, "mode", &format!("0{:o}", kind | u32::from(entry.mode)))?;
        if (entry.user, entry.group) != (0, 0) {
            self.set(place, "uid", &entry.user.to_string())?;
            self.set(place, "gid", &entry.group.to_string())?;
        }
        let time = format!("@{}", entry.time);
        for field in ["atime", "ctime", "mtime", "crtime"] {
            self.set(place, field, &time)?;
        }
        Ok(())
    }

    fn set(&mut self, place: &Place, field: &str, value: &str) -> Result<(), VolumeError> {
        // So that a name in angle brackets is no inode's number.
        let name = match self.at(place)? {
            name if place.is_empty() => name.to_vec(),
            name => [b"./", name].concat(),
        };
        self.line(place, &[b"set_inode_field", &name, field.as_bytes(), value.as_bytes()])
    }

    /// Makes another name. `ln` alone gives up where a directory's blocks are full, which the
    /// making of a link does not: what it leaves when it goes is room for the name.
    fn link(&mut self, place: &Place, target: &Place) -> Result<(), VolumeError> {
        let name = self.at(place)?;
        self.line(place, &[b"symlink", name, b"x"])?;
        self.line(place, &[b"rm", &[b"./", name].concat()])?;
        self.line(place, &[b"ln", &path(target), name])
    }
}

fn path(place: &[Vec<u8>]) -> Vec<u8> {
    let names = place.iter().flat_map(|name| [b"/".as_slice(), name]);
    let path: Vec<u8> = names.flatten().copied().collect();
    if path.is_empty() { b"/".to_vec() } else { path }
}
