//! The folder that is served, and the files in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _};

use vortex_guest::{Errno, file};

use crate::request::Request;
use crate::status::{self, Status};

/// The page of a folder that is asked for itself.
const PAGE: &[u8] = b"index.html";

/// The folder.
pub struct Folder(File);

/// A file that is asked for.
#[derive(Debug)]
pub struct Found {
    /// It.
    pub file: File,
    /// How long it is.
    pub length: u64,
    /// What it is.
    pub kind: &'static str,
}

impl Folder {
    /// This one.
    ///
    /// # Errors
    /// It cannot be opened, or is none.
    pub fn open(path: &str) -> io::Result<Self> {
        let folder = File::open(path)?;
        if folder.metadata()?.is_dir() {
            Ok(Self(folder))
        } else {
            Err(io::Error::from_raw_os_error(libc::ENOTDIR))
        }
    }

    /// The file that a request is for. Names are followed one by one, and no links: what is below
    /// the folder is served, and nothing else.
    ///
    /// # Errors
    /// The answer.
    pub fn find(&self, request: &Request) -> Result<Found, Status> {
        let mut at = None;
        for name in &request.way {
            at = Some(step(at.as_ref().unwrap_or(&self.0), name)?);
        }
        let is_folder = |file: &File| file.metadata().map(|about| about.is_dir());
        let broken = |_| Status::BROKEN;
        let mut name = request.way.last().map(Vec::as_slice).unwrap_or_default();
        let inside = at.as_ref().map_or(Ok(true), is_folder).map_err(broken)?;
        if inside {
            let folder = at.as_ref().unwrap_or(&self.0);
            // What is in a folder is told to nobody.
            let page = step(folder, PAGE).map_err(|status| match status {
                Status::NOT_FOUND => Status::FORBIDDEN,
                other => other,
            })?;
            (at, name) = (Some(page), PAGE);
        } else if request.folder {
            return Err(Status::NOT_FOUND);
        }
        let file = at.ok_or(Status::NOT_FOUND)?;
        let about = file.metadata().map_err(broken)?;
        if !about.is_file() {
            return Err(Status::FORBIDDEN);
        }
        Ok(Found { file, length: about.len(), kind: status::kind(name) })
    }
}

/// What has a name in a folder.
fn step(folder: &File, name: &[u8]) -> Result<File, Status> {
    // One that waits, as a pipe does, is not waited for.
    const HOW: i32 = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let name = std::str::from_utf8(name).map_err(|_| Status::NOT_FOUND)?;
    let opened = file::open_at(folder.as_raw_fd(), name, HOW, 0);
    let fd = opened.map_err(|Errno(error)| match error {
        libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG => Status::NOT_FOUND,
        libc::EACCES | libc::EPERM | libc::ELOOP | libc::ENXIO => Status::FORBIDDEN,
        libc::EMFILE | libc::ENFILE | libc::ENOMEM => Status::BUSY,
        _ => Status::BROKEN,
    })?;
    // SAFETY: it was opened just now, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(fd) })
}
