//! Why an image of a file system could not be made. Each variant is made in one place.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::human;

/// Of the source, of the image, and of the programs that make it.
#[derive(Debug)]
pub enum VolumeError {
    /// The source, or something in it, cannot be read.
    Source(PathBuf, io::Error),
    /// The source is neither a directory nor a tar.
    NoTar(PathBuf, String),
    /// A compressed tar, and the program that unpacks it is not there, or failed.
    Compressed(&'static str, String),
    /// A name that leads out of the image.
    Outside(String),
    /// A name that cannot be said to `debugfs`.
    Name(String),
    /// A socket, or what else cannot be kept.
    Kind(String),
    /// A device whose numbers `debugfs` does not take.
    Device(String),
    /// A hard link to what is not there, or a directory.
    NoTarget(String, String),
    /// What is below something that is no directory.
    NoDirectory(String),
    /// There is a file, and nobody said that it may be overwritten.
    Exists(PathBuf),
    /// A program of e2fsprogs is not installed.
    NoTool(&'static str),
    /// A program of e2fsprogs failed; what it said.
    Tool(&'static str, String),
    /// The size does not hold what is to be in it.
    Small {
        /// Bytes that were asked for.
        size: u64,
        /// Bytes that suffice.
        enough: u64,
    },
    /// Fewer inodes than there are files.
    FewInodes {
        /// How many were asked for.
        inodes: u64,
        /// How many are needed.
        needed: u64,
    },
    /// The image, or a file on the way to it, cannot be written.
    Write(PathBuf, io::Error),
}

impl fmt::Display for VolumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::NoTar(path, why) => {
                write!(f, "{} is neither a directory nor a tar: {why}", path.display())
            }
            Self::Compressed(tool, why) => {
                write!(f, "the tar is compressed, and '{tool}' cannot unpack it: {why}")
            }
            Self::Outside(name) => write!(f, "the tar has '{name}', which leads out of the image"),
            Self::Name(name) => {
                write!(f, "the name '{name}' has a line end or is too long: it cannot be kept")
            }
            Self::Kind(name) => {
                write!(f, "'{name}' is no file, directory, link, device or pipe")
            }
            Self::Device(name) => {
                write!(f, "'{name}' is a device with a number above 65535, which cannot be kept")
            }
            Self::NoTarget(name, target) => {
                write!(f, "'{name}' is a hard link to '{target}', which is no file in the tar")
            }
            Self::NoDirectory(name) => {
                write!(f, "'{name}' is below something that is no directory")
            }
            Self::Exists(path) => {
                write!(f, "{} is there already; --force overwrites it", path.display())
            }
            Self::NoTool(tool) => write!(
                f,
                "'{tool}' of e2fsprogs is not installed; get it with: \
                 sudo apt-get install e2fsprogs"
            ),
            Self::Tool(tool, said) => write!(f, "'{tool}' failed:\n{}", said.trim_end()),
            Self::Small { size, enough } => write!(
                f,
                "{} are too few for what is to be in the image; {} suffice (--size {}K)",
                human::bytes(*size),
                human::bytes(*enough),
                enough.div_ceil(1024)
            ),
            Self::FewInodes { inodes, needed } => write!(
                f,
                "{inodes} inodes are too few: there are {needed} files, directories and links, \
                 with those that every ext2 has"
            ),
            Self::Write(path, error) => write!(f, "cannot write {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for VolumeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Source(_, error) | Self::Write(_, error) => Some(error),
            _ => None,
        }
    }
}
