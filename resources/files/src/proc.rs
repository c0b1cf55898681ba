//! `/proc`: entries that the kernel makes up.

use alloc::vec::Vec;

use crate::Errno;
use crate::description::OpenId;
use crate::node::Node;

/// What an entry of `/proc` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcKind {
    /// It is listed by [`ProcSource::list`].
    Directory,
    /// It is read by [`ProcSource::read`].
    File,
    /// It leads where [`ProcSource::link`] says.
    Link,
}

/// An entry's kind and permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcEntry {
    /// What it is.
    pub kind: ProcKind,
    /// Its permissions, without the type's bits.
    pub permissions: u32,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcName {
    /// It.
    pub name: Vec<u8>,
    /// What it names.
    pub kind: ProcKind,
    /// The place behind it.
    pub next: u64,
}

/// A piece of a file's contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcText {
    /// Its bytes: not none, if another piece follows.
    pub bytes: Vec<u8>,
    /// The place of the next piece, if there is one.
    pub next: Option<u64>,
}

impl ProcText {
    /// All of a file's contents.
    #[must_use]
    pub fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, next: None }
    }
}

/// Where a symbolic link of `/proc` leads.
#[derive(Clone, Debug)]
pub struct ProcLink {
    /// What `readlink` shows; where it is empty, the target's path.
    pub text: Vec<u8>,
    /// The thing itself, where the text is only its description, as in `/proc/self/fd`.
    pub target: Option<Node>,
}

/// Who makes up the entries below `/proc`.
///
/// Paths are relative to `/proc`, without a leading slash or `.` and `..`; the empty one is
/// `/proc` itself. `self` is for the implementation to resolve, as it knows who asks.
pub trait ProcSource {
    /// What is at this path, if anything.
    fn entry(&self, path: &[u8]) -> Option<ProcEntry>;

    /// Some of the names in a directory, in an order that stays: from a place on, which is zero
    /// at the beginning, as many as are made in one run.
    fn list(&self, path: &[u8], from: u64) -> Vec<ProcName>;

    /// A piece of a file's contents, from a place on, which is zero at the beginning. As many
    /// are made as are read, one behind the other; what changes meanwhile may be in them or not.
    fn read(&self, path: &[u8], from: u64) -> Option<ProcText>;

    /// Where a link leads.
    fn link(&self, path: &[u8]) -> Option<ProcLink>;

    /// The open file that a link leads to, as those of `/proc/self/fd` do: the text is its
    /// path.
    fn open(&self, path: &[u8]) -> Option<OpenId> {
        let _ = path;
        None
    }

    /// Takes what is written to a file, all at once and at most a page.
    ///
    /// # Errors
    /// What the program gets; a file that cannot be written is `EACCES`.
    fn write(&self, path: &[u8], bytes: &[u8]) -> Result<usize, Errno> {
        let _ = (path, bytes);
        Err(Errno::EACCES)
    }
}

/// An empty `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProc;

impl ProcSource for NoProc {
    fn entry(&self, path: &[u8]) -> Option<ProcEntry> {
        path.is_empty().then_some(ProcEntry { kind: ProcKind::Directory, permissions: 0o555 })
    }

    fn list(&self, _: &[u8], _: u64) -> Vec<ProcName> {
        Vec::new()
    }

    fn read(&self, _: &[u8], _: u64) -> Option<ProcText> {
        None
    }

    fn link(&self, _: &[u8]) -> Option<ProcLink> {
        None
    }
}
