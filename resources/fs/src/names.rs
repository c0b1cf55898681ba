//! Names that both resources use.

/// A file system that is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountId(pub u32);

impl MountId {
    /// All of them, where that makes sense.
    pub const ALL: Self = Self(u32::MAX);
}

/// A file of it, by its inode's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Of which file system.
    pub mount: MountId,
    /// Its inode's number.
    pub ino: u32,
}

/// A time, since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds.
    pub seconds: i64,
    /// And nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

/// Times of a file that have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When it was read.
    pub accessed: Option<Time>,
    /// When its contents were changed.
    pub modified: Option<Time>,
    /// When its inode was.
    pub changed: Option<Time>,
}

impl Times {
    /// Takes over what has changed anew.
    pub(crate) fn take_over(&mut self, newer: Self) {
        let Self { accessed, modified, changed } = newer;
        self.accessed = accessed.or(self.accessed);
        self.modified = modified.or(self.modified);
        self.changed = changed.or(self.changed);
    }
}
