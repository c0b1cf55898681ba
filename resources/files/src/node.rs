//! Places in the file system that an operation may start from or refer to.

use alloc::sync::Arc;

use crate::inode::InodeId;

/// Something in the file system: an object of the tree, or an entry of `/proc`.
///
/// Entries of `/proc` are not objects: the kernel makes them up when they are asked for,
/// and they are known by their path below `/proc`, without a leading slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// An object of the tree.
    Inode(InodeId),
    /// An entry of `/proc`; the empty path is `/proc` itself.
    Proc(Arc<[u8]>),
}

/// A descriptor's number, as a program writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fd(i32);

impl Fd {
    /// `AT_FDCWD`: the current directory.
    pub const CWD: Self = Self(linux_raw_sys::general::AT_FDCWD);

    /// The descriptor with this number, which may be none.
    #[must_use]
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

/// A path with the directory that it starts from if it is relative: the first two
/// arguments of the calls with `at` in their names.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Where a relative path starts.
    pub dir: Fd,
    /// The path, without its terminating zero.
    pub path: &'a [u8],
}

impl<'a> At<'a> {
    /// A path from a directory.
    #[must_use]
    pub const fn new(dir: Fd, path: &'a [u8]) -> Self {
        Self { dir, path }
    }

    /// A path from the current directory.
    #[must_use]
    pub const fn cwd(path: &'a [u8]) -> Self {
        Self { dir: Fd::CWD, path }
    }
}
