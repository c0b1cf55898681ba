//! Why something of Debian's packages cannot be had. Each variant is made in one place.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Of a package and its files.
#[derive(Debug)]
pub enum PackageError {
    /// A program of Debian's package management is not there, or does not start.
    NoTool(&'static str, io::Error),
    /// It failed; what it said.
    Tool(&'static str, String),
    /// The lists of packages do not name it.
    NotListed {
        /// The package that was looked for.
        package: &'static str,
        /// Whether we may fetch the lists: root may.
        root: bool,
    },
    /// The place where it is kept cannot be used.
    Folder(PathBuf, io::Error),
    /// This is not in the package.
    Empty(String, &'static str),
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTool(tool, error) => {
                write!(f, "'{tool}', which fetches Debian's packages, does not start: {error}")
            }
            Self::Tool(tool, said) => write!(f, "'{tool}' failed: {}", said.trim()),
            Self::NotListed { package, root: true } => {
                write!(f, "apt knows no package '{package}', also after 'apt-get update'")
            }
            Self::NotListed { package, root: false } => write!(
                f,
                "apt knows no package '{package}'; its lists may be missing: sudo apt-get update"
            ),
            Self::Folder(path, error) => write!(f, "cannot use {}: {error}", path.display()),
            Self::Empty(package, what) => write!(f, "there is no {what} in {package}"),
        }
    }
}

impl std::error::Error for PackageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoTool(_, error) | Self::Folder(_, error) => Some(error),
            _ => None,
        }
    }
}
