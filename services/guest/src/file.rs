//! Files by their names.

use std::ffi::CString;

use crate::sys::{NOWHERE, c};
use crate::{Res, sys};

fn one(number: i64, path: &str, more: usize) -> Res {
    let path = c(path);
    // SAFETY: the calls made through here read the path and take one number beside.
    unsafe { sys!(number, path.as_ptr(), more) }
}

fn two(number: i64, from: &str, to: &str) -> Res {
    let (from, to) = (c(from), c(to));
    // SAFETY: the calls made through here read both paths.
    unsafe { sys!(number, from.as_ptr(), to.as_ptr()) }
}

/// Opens; a file that is made gets mode 0644.
pub fn open(path: &str, flags: i32) -> Res<i32> {
    open_mode(path, flags, 0o644)
}

/// Opens, with the mode of a file that is made.
pub fn open_mode(path: &str, flags: i32, mode: u32) -> Res<i32> {
    open_at(libc::AT_FDCWD, path, flags, mode)
}

/// Opens below a folder.
pub fn open_at(folder: i32, path: &str, flags: i32, mode: u32) -> Res<i32> {
    let path = c(path);
    // SAFETY: the kernel reads the path.
    unsafe { sys!(libc::SYS_openat, folder, path.as_ptr(), flags, mode) }.map(|fd| fd as i32)
}

/// Opens by a name at an address at which there is no memory.
pub fn open_nowhere() -> Res {
    // SAFETY: the kernel reads at most.
    unsafe { sys!(libc::SYS_open, NOWHERE, libc::O_RDONLY) }
}

/// Makes a file with this in it.
pub fn put(path: &str, bytes: &[u8]) -> Res<()> {
    let fd = open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)?;
    crate::fd::write(fd, bytes)?;
    crate::fd::close(fd).map(|_| ())
}

/// All that is in a file.
pub fn get(path: &str) -> Res<Vec<u8>> {
    let fd = open(path, libc::O_RDONLY)?;
    let all = crate::fd::read_all(fd);
    crate::fd::close(fd)?;
    all
}

/// What `stat` tells and what is the same at every run.
pub struct Stat(libc::stat);

impl Stat {
    /// `regular`, `folder`, `link`, `pipe`, `device`.
    pub fn kind(&self) -> &'static str {
        match self.0.st_mode & libc::S_IFMT {
            libc::S_IFREG => "regular",
            libc::S_IFDIR => "folder",
            libc::S_IFLNK => "link",
            libc::S_IFIFO => "pipe",
            libc::S_IFCHR => "device",
            _ => "other",
        }
    }
    /// The permission bits.
    pub fn mode(&self) -> u32 {
        self.0.st_mode & 0o7777
    }
    /// The length.
    pub fn size(&self) -> i64 {
        self.0.st_size
    }
    /// When it was changed, in seconds since 1970.
    pub fn changed(&self) -> i64 {
        self.0.st_mtime
    }
    /// How many names it has.
    pub fn links(&self) -> u64 {
        self.0.st_nlink
    }
    /// Which file it is.
    pub fn inode(&self) -> (u64, u64) {
        (self.0.st_dev, self.0.st_ino)
    }
    /// The device's numbers, of a device.
    pub fn device(&self) -> (u32, u32) {
        (libc::major(self.0.st_rdev), libc::minor(self.0.st_rdev))
    }
}

fn stat_with(number: i64, which: usize) -> Res<Stat> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `which` is a descriptor or a path that the caller holds; the kernel writes the
    // structure.
    unsafe { sys!(number, which, stat.as_mut_ptr()) }?;
    // SAFETY: all zero is a value of it, and the kernel filled it.
    Ok(Stat(unsafe { stat.assume_init() }))
}

/// `stat`.
pub fn stat(path: &str) -> Res<Stat> {
    let path = c(path);
    stat_with(libc::SYS_stat, path.as_ptr() as usize)
}

/// `lstat`.
pub fn lstat(path: &str) -> Res<Stat> {
    let path = c(path);
    stat_with(libc::SYS_lstat, path.as_ptr() as usize)
}

/// `fstat`.
pub fn fstat(fd: i32) -> Res<Stat> {
    stat_with(libc::SYS_fstat, fd as usize)
}

/// `stat` with no memory for its answer.
pub fn stat_nowhere(path: &str) -> Res {
    one(libc::SYS_stat, path, NOWHERE)
}

/// Removes a name.
pub fn unlink(path: &str) -> Res {
    one(libc::SYS_unlink, path, 0)
}

/// Makes a folder.
pub fn mkdir(path: &str, mode: u32) -> Res {
    one(libc::SYS_mkdir, path, mode as usize)
}

/// Removes a folder.
pub fn rmdir(path: &str) -> Res {
    one(libc::SYS_rmdir, path, 0)
}

/// Changes the permission bits.
pub fn chmod(path: &str, mode: u32) -> Res {
    one(libc::SYS_chmod, path, mode as usize)
}

/// May it be used so?
pub fn access(path: &str, how: i32) -> Res {
    one(libc::SYS_access, path, how as usize)
}

/// Sets the length.
pub fn truncate(path: &str, length: i64) -> Res {
    one(libc::SYS_truncate, path, length as usize)
}

/// Makes a folder the current one.
pub fn chdir(path: &str) -> Res {
    one(libc::SYS_chdir, path, 0)
}

/// Gives another name.
pub fn rename(from: &str, to: &str) -> Res {
    two(libc::SYS_rename, from, to)
}

/// Gives a further name.
pub fn link(from: &str, to: &str) -> Res {
    two(libc::SYS_link, from, to)
}

/// Gives an open file a name (`AT_EMPTY_PATH`).
pub fn link_open(fd: i32, path: &str) -> Res {
    let (none, path, here) = (c(""), c(path), libc::AT_FDCWD);
    let flags = libc::AT_EMPTY_PATH;
    // SAFETY: the kernel reads two strings.
    unsafe { sys!(libc::SYS_linkat, fd, none.as_ptr(), here, path.as_ptr(), flags) }
}

/// Makes a symbolic link.
pub fn symlink(content: &str, path: &str) -> Res {
    two(libc::SYS_symlink, content, path)
}

/// What a symbolic link says, at most `room` bytes of it.
pub fn readlink(path: &str, room: usize) -> Res<String> {
    let path = c(path);
    let mut bytes = vec![0_u8; room];
    // SAFETY: the kernel reads the path and writes within the vector.
    let length =
        unsafe { sys!(libc::SYS_readlink, path.as_ptr(), bytes.as_mut_ptr(), bytes.len()) }?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// The current folder, told in at most `room` bytes.
pub fn current(room: usize) -> Res<String> {
    let mut bytes = vec![0_u8; room];
    // SAFETY: the kernel writes within the vector.
    let length = unsafe { sys!(libc::SYS_getcwd, bytes.as_mut_ptr(), bytes.len()) }?;
    Ok(String::from_utf8_lossy(&bytes[..length.saturating_sub(1)]).into_owned())
}

/// Sets the mask of modes, and gives the one before.
pub fn umask(mask: u32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_umask, mask) }
}

/// One call of `getdents64` with so much room: the entries' names and types.
pub fn entries(fd: i32, room: usize) -> Res<Vec<(String, u8)>> {
    let mut bytes = vec![0_u8; room];
    // SAFETY: the kernel writes within the vector.
    let length = unsafe { sys!(libc::SYS_getdents64, fd, bytes.as_mut_ptr(), bytes.len()) }?;
    let mut rest = &bytes[..length];
    let mut found = Vec::new();
    // An entry: 8 bytes inode, 8 bytes offset, 2 bytes length, 1 byte type, the name, 0.
    while let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, low, high, kind, ..] = *rest {
        let length = usize::from(u16::from_le_bytes([low, high]));
        let name = rest[19..length].split(|byte| *byte == 0).next().unwrap_or_default();
        found.push((String::from_utf8_lossy(name).into_owned(), kind));
        rest = &rest[length..];
    }
    Ok(found)
}

/// A path as C has it, for calls that are not here.
pub fn path(text: &str) -> CString {
    c(text)
}
