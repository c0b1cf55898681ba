//! Entries from a tar: plain, or packed by gzip, xz or zstd, which the host's programs unpack.
//!
//! The contents of files go into a folder of the host's under names that are numbers, so that
//! nothing in the tar says where on the host something is written. Owners, modes and times are
//! kept as the tar has them; of two entries with one name the later counts.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tar::{Archive, EntryType, Header};

use super::entries::{Entries, Entry, Kind, Place, shown, time};
use super::error::VolumeError;

/// Beginnings of packed files, and who unpacks them.
const PACKED: [(&[u8], &str); 3] = [
    (&[0x1f, 0x8b], "gzip"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
];

/// Reads a tar; contents are put into this folder.
///
/// # Errors
/// [`VolumeError::Source`], [`VolumeError::NoTar`], [`VolumeError::Compressed`],
/// [`VolumeError::Outside`], [`VolumeError::Kind`], [`VolumeError::NoTarget`],
/// [`VolumeError::NoDirectory`], [`VolumeError::Write`].
pub fn read(file: &Path, folder: &Path) -> Result<Entries, VolumeError> {
    let unreadable = |error| VolumeError::Source(file.into(), error);
    let mut from = File::open(file).map_err(unreadable)?;
    let mut begin = [0; 6];
    let got = from.read(&mut begin).map_err(unreadable)?;
    from.rewind().map_err(unreadable)?;
    let begin = begin.get(..got).unwrap_or_default();
    match PACKED.iter().find(|(magic, _)| begin.starts_with(magic)) {
        None => entries(BufReader::new(from), file, folder),
        Some((_, tool)) => unpacked(from, tool, file, folder),
    }
}

fn unpacked(
    from: File,
    tool: &'static str,
    file: &Path,
    folder: &Path,
) -> Result<Entries, VolumeError> {
    let failed = |why: String| VolumeError::Compressed(tool, why);
    let mut command = Command::new(tool);
    command.arg("-dc").stdin(from).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let found = match child.stdout.take() {
        Some(output) => entries(BufReader::new(output), file, folder),
        None => Err(failed("it has no output".into())),
    };
    let end = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    // A tar that ends early is ended by who was to unpack it: that one has the reason.
    match end.status.success() || end.stderr.is_empty() {
        true => found,
        false => Err(failed(String::from_utf8_lossy(&end.stderr).trim().into())),
    }
}

fn entries(from: impl Read, file: &Path, folder: &Path) -> Result<Entries, VolumeError> {
    let wrong = |error: io::Error| VolumeError::NoTar(file.into(), error.to_string());
    let (mut entries, mut count) = (Entries::new(), 0_u64);
    let mut archive = Archive::new(from);
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let name = entry.path_bytes().into_owned();
        let header = entry.header();
        let target = entry.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default();
        let about = about(header).map_err(wrong)?;
        let place = place(&name)?;
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(target),
            EntryType::Link => Kind::Same(self::place(&target)?),
            EntryType::Fifo => Kind::Pipe,
            kind @ (EntryType::Char | EntryType::Block) => {
                let major = header.device_major().map_err(wrong)?.unwrap_or(0);
                let minor = header.device_minor().map_err(wrong)?.unwrap_or(0);
                let character = kind == EntryType::Char;
                if character { Kind::Character(major, minor) } else { Kind::Block(major, minor) }
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let (path, length) = content(&mut entry, folder, count, file)?;
                Kind::File(path, length)
            }
            // What is said of the archive itself.
            EntryType::XGlobalHeader => continue,
            _ => return Err(VolumeError::Kind(shown(&place))),
        };
        count += 1;
        entries.put(place, Entry { kind, ..about })?;
    }
    if count == 0 {
        return Err(VolumeError::NoTar(file.into(), "there is nothing in it".into()));
    }
    entries.settle()?;
    Ok(entries)
}

/// Owner, mode and time.
fn about(header: &Header) -> io::Result<Entry> {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Entry {
        kind: Kind::Pipe,
        mode: (header.mode()? & 0o7777) as u16,
        user: number(header.uid()?),
        group: number(header.gid()?),
        time: time(i64::try_from(header.mtime()?).unwrap_or(i64::MAX)),
    })
}

fn place(name: &[u8]) -> Result<Place, VolumeError> {
    let names = name.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let place: Place = names.map(<[u8]>::to_vec).collect();
    match place.iter().any(|name| name == b"..") {
        true => Err(VolumeError::Outside(String::from_utf8_lossy(name).into_owned())),
        false => Ok(place),
    }
}

fn content(
    from: &mut impl Read,
    folder: &Path,
    number: u64,
    file: &Path,
) -> Result<(PathBuf, u64), VolumeError> {
    let path = folder.join(number.to_string());
    let mut to = File::create(&path).map_err(|error| VolumeError::Write(path.clone(), error))?;
    let mut buffer = vec![0; 1 << 18];
    let mut length = 0;
    loop {
        let got = match from.read(&mut buffer) {
            Ok(0) => return Ok((path, length)),
            Ok(got) => got,
            Err(error) => return Err(VolumeError::NoTar(file.into(), error.to_string())),
        };
        let part = buffer.get(..got).unwrap_or_default();
        let written = io::Write::write_all(&mut to, part);
        written.map_err(|error| VolumeError::Write(path.clone(), error))?;
        length += got as u64;
    }
}
