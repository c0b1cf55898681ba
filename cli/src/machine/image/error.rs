//! Why an image could not be made. Each variant is made in one place.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::path::GuestPath;

/// Of the tree and of its archive.
#[derive(Debug)]
pub enum ImageError {
    /// Something below what is no directory.
    NoDirectory(GuestPath),
    /// Links that lead in a circle.
    Links(GuestPath),
    /// A file where a directory is, or the other way round.
    Occupied(GuestPath),
    /// A file or directory of the host cannot be read.
    Host(PathBuf, io::Error),
    /// A name of the host that is no text, which the archive cannot have here.
    Name(PathBuf),
    /// A socket, a pipe or the like.
    Kind(PathBuf),
    /// Larger than the archive's format can say.
    Large(GuestPath, u64),
    /// A file changed its size while it was read.
    Changed(GuestPath),
    /// The archive cannot be written.
    Write(io::Error),
    /// There is no place for it.
    Temporary(io::Error),
    /// Its last bytes cannot be written.
    Flush(io::Error),
    /// Programs or libraries are neither below `--root` nor on the host.
    Missing(Vec<Missing>),
}

/// What is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The program or library.
    pub what: String,
    /// What needs it.
    pub needed_by: String,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory(path) => write!(f, "{path} in the image is no directory"),
            Self::Links(path) => write!(f, "{path} in the image is a link in a circle"),
            Self::Occupied(path) => {
                write!(f, "{path} in the image would be both a directory and something else")
            }
            Self::Host(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Name(path) => write!(f, "{} is not a name in UTF-8", path.display()),
            Self::Kind(path) => {
                write!(f, "{} is neither file, directory nor link", path.display())
            }
            Self::Large(path, size) => write!(
                f,
                "{path} has {size} bytes; a file of the first root file system has less than 4 GiB"
            ),
            Self::Changed(path) => write!(f, "{path} changed while it was put into the image"),
            Self::Write(error) => write!(f, "cannot write the image: {error}"),
            Self::Temporary(error) => {
                write!(f, "cannot make a temporary file for the image: {error}")
            }
            Self::Flush(error) => write!(f, "cannot write the end of the image: {error}"),
            Self::Missing(list) => {
                write!(f, "the image would lack:")?;
                for Missing { what, needed_by } in list {
                    write!(f, "\n  {what}, needed by {needed_by}")?;
                    if what == "/bin/busybox" {
                        write!(f, " (on Debian: sudo apt-get install busybox-static)")?;
                    }
                }
                write!(
                    f,
                    "\nwhich is neither below --root nor on this host; '--add HOST=GUEST' puts a \
                     file there from anywhere"
                )
            }
        }
    }
}

impl std::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Host(_, error)
            | Self::Write(error)
            | Self::Temporary(error)
            | Self::Flush(error) => Some(error),
            _ => None,
        }
    }
}
