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

    /// The names in a directory, with their kinds, in an order that stays.
    fn list(&self, path: &[u8]) -> Vec<(Vec<u8>, ProcKind)>;

    /// The contents of a file. They are read once for an open file, when it is read at its
    /// beginning.
    fn read(&self, path: &[u8]) -> Option<Vec<u8>>;

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

    fn list(&self, _: &[u8]) -> Vec<(Vec<u8>, ProcKind)> {
        Vec::new()
    }

    fn read(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn link(&self, _: &[u8]) -> Option<ProcLink> {
        None
    }
}
