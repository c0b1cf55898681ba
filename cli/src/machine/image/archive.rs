//! A tree as an archive: cpio in the form `newc`, which kernels take as a first root.
//!
//! The same tree gives the same bytes: everything is root's, nothing has a time, inodes
//! are numbered in the order of the paths.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use cpio::newc::{Builder, ModeFileType, trailer};
use tempfile::NamedTempFile;

use super::error::ImageError;
use super::path::GuestPath;
use super::tree::{Content, Node, Tree};
use crate::human;
use crate::table::{Align, Table};

/// Writes it, and says how many bytes it has.
///
/// # Errors
/// [`ImageError::Host`], [`ImageError::Large`], [`ImageError::Changed`],
/// [`ImageError::Write`].
pub fn write(tree: &Tree, to: impl Write) -> Result<u64, ImageError> {
    let mut to = Counted { inner: to, bytes: 0 };
    for (number, (path, node)) in (1..).zip(tree.entries()) {
        let name = path.as_str().strip_prefix('/').filter(|name| !name.is_empty());
        let entry = Builder::new(name.unwrap_or(".")).ino(number);
        match node {
            Node::Directory(mode) => {
                let entry = entry.mode(*mode).nlink(2).set_mode_file_type(ModeFileType::Directory);
                finish(entry, &mut to, &[])?;
            }
            Node::Link(target) => {
                let entry = entry.mode(0o777).set_mode_file_type(ModeFileType::Symlink);
                finish(entry, &mut to, target.as_bytes())?;
            }
            Node::Device(major, minor) => {
                let entry = entry.mode(0o666).rdev_major(*major).rdev_minor(*minor);
                finish(entry.set_mode_file_type(ModeFileType::Char), &mut to, &[])?;
            }
            Node::File(content, mode) => {
                let entry = entry.mode(*mode).set_mode_file_type(ModeFileType::Regular);
                file(entry, &mut to, path, content)?;
            }
        }
    }
    trailer(&mut to).map_err(ImageError::Write)?;
    to.flush().map_err(ImageError::Write)?;
    Ok(to.bytes)
}

/// Writes it to a file that is gone when it is dropped.
///
/// # Errors
/// Those of [`write()`], [`ImageError::Temporary`], [`ImageError::Flush`].
pub fn temporary(tree: &Tree) -> Result<(NamedTempFile, u64), ImageError> {
    let named = tempfile::Builder::new().prefix("vortex-root-").suffix(".cpio").tempfile();
    let file = named.map_err(ImageError::Temporary)?;
    let mut to = BufWriter::with_capacity(1 << 20, file.as_file());
    let size = write(tree, &mut to)?;
    to.flush().map_err(ImageError::Flush)?;
    drop(to);
    Ok((file, size))
}

fn file(
    entry: Builder,
    to: &mut impl Write,
    path: &GuestPath,
    content: &Content,
) -> Result<(), ImageError> {
    let host = match content {
        Content::Bytes(bytes) => return finish(entry, to, bytes),
        Content::Host(host) => host,
    };
    let unreadable = |error| ImageError::Host(host.clone(), error);
    let mut source = File::open(host).map_err(unreadable)?;
    let size = source.metadata().map_err(unreadable)?.len();
    let length = u32::try_from(size).map_err(|_| ImageError::Large(path.clone(), size))?;
    let mut writer = entry.write(to, length);
    match io::copy(&mut source, &mut writer) {
        Ok(copied) if copied == size => {}
        // The writer refuses what goes beyond the size that it was told.
        Ok(_) => return Err(ImageError::Changed(path.clone())),
        Err(error) => return Err(ImageError::Host(host.clone(), error)),
    }
    writer.finish().map(drop).map_err(ImageError::Write)
}

fn finish(entry: Builder, to: &mut impl Write, bytes: &[u8]) -> Result<(), ImageError> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut writer = entry.write(to, length);
    let written = writer.write_all(bytes).and_then(|()| writer.finish().map(drop));
    written.map_err(ImageError::Write)
}

/// What is in a tree, for people.
pub fn table(tree: &Tree) -> String {
    let columns = [("mode", Align::Left), ("size", Align::Right), ("path", Align::Left)];
    let mut table = Table::new(&columns);
    for (path, node) in tree.entries() {
        let (mode, size, rest) = match node {
            Node::Directory(mode) => (format!("d {mode:04o}"), String::new(), String::new()),
            Node::Link(target) => ("l".into(), String::new(), format!(" -> {target}")),
            Node::Device(major, minor) => ("c".into(), format!("{major}, {minor}"), String::new()),
            Node::File(Content::Bytes(bytes), mode) => {
                (format!("- {mode:04o}"), human::bytes(bytes.len() as u64), String::new())
            }
            Node::File(Content::Host(host), mode) => {
                let size = host.metadata().map_or(0, |about| about.len());
                let from = format!(" = {}", host.display());
                (format!("- {mode:04o}"), human::bytes(size), from)
            }
        };
        table.row([mode, size, format!("{path}{rest}")]);
    }
    table.render()
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use cpio::newc::Reader;

    use super::*;

    fn path(text: &str) -> GuestPath {
        GuestPath::new(text).unwrap()
    }

    fn sample(host: &std::path::Path) -> Tree {
        let mut tree = Tree::new();
        let file = |text: &str| Node::File(Content::Bytes(text.into()), 0o600);
        tree.put(&path("/etc/vortex.xml"), file("<x/>")).unwrap();
        tree.put(&path("/bin/sh"), Node::Link("busybox".into())).unwrap();
        tree.put(&path("/dev/null"), Node::Device(1, 3)).unwrap();
        tree.put(&path("/big"), Node::File(Content::Host(host.into()), 0o755)).unwrap();
        tree
    }

    #[test]
    fn what_was_put_in_is_read_back() {
        let host = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(host.path(), vec![7; 10_001]).unwrap();
        let mut bytes = Vec::new();
        let length = write(&sample(host.path()), &mut bytes).unwrap();
        assert_eq!(length, bytes.len() as u64);
        let mut found = Vec::new();
        let mut rest = &bytes[..];
        loop {
            let mut reader = Reader::new(rest).unwrap();
            let entry = reader.entry().clone();
            if entry.is_trailer() {
                break;
            }
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            assert_eq!((entry.uid(), entry.gid(), entry.mtime()), (0, 0, 0));
            found.push((entry.name().to_string(), entry.mode(), content.len(), entry.rdev_minor()));
            rest = reader.finish().unwrap();
        }
        let expected = [
            (".", 0o040_755, 0, 0),
            ("big", 0o100_755, 10_001, 0),
            ("bin", 0o040_755, 0, 0),
            ("bin/sh", 0o120_777, 7, 0),
            ("dev", 0o040_755, 0, 0),
            ("dev/null", 0o020_666, 0, 3),
            ("etc", 0o040_755, 0, 0),
            ("etc/vortex.xml", 0o100_600, 4, 0),
        ];
        assert_eq!(
            found,
            expected.map(|(name, mode, size, minor)| (name.into(), mode, size, minor))
        );
        let mut again = Vec::new();
        write(&sample(host.path()), &mut again).unwrap();
        assert_eq!(bytes, again);
    }

    #[test]
    fn a_file_that_is_gone_is_named() {
        let result = write(&sample(std::path::Path::new("/nowhere/x")), io::sink());
        assert!(matches!(result, Err(ImageError::Host(..))));
    }

    #[test]
    fn the_table_shows_what_comes_from_where() {
        let text = table(&sample(std::path::Path::new("/nowhere/x")));
        assert!(text.contains("/bin/sh -> busybox\n"), "{text}");
        assert!(text.contains("c       1, 3  /dev/null\n"), "{text}");
        assert!(text.contains("/big = /nowhere/x\n"), "{text}");
    }
}
