//! Linux's error numbers.

use linux_raw_sys::errno;

/// An error as a system call returns it. The names and numbers are Linux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(u16);

#[allow(missing_docs, reason = "errno(3) documents them")]
impl Errno {
    pub const EPERM: Self = Self(errno::EPERM as u16);
    pub const ENOENT: Self = Self(errno::ENOENT as u16);
    pub const ESRCH: Self = Self(errno::ESRCH as u16);
    pub const EINTR: Self = Self(errno::EINTR as u16);
    pub const EIO: Self = Self(errno::EIO as u16);
    pub const E2BIG: Self = Self(errno::E2BIG as u16);
    pub const ENOEXEC: Self = Self(errno::ENOEXEC as u16);
    pub const EBADF: Self = Self(errno::EBADF as u16);
    pub const ECHILD: Self = Self(errno::ECHILD as u16);
    pub const EAGAIN: Self = Self(errno::EAGAIN as u16);
    pub const ENOMEM: Self = Self(errno::ENOMEM as u16);
    pub const EACCES: Self = Self(errno::EACCES as u16);
    pub const EFAULT: Self = Self(errno::EFAULT as u16);
    pub const EINVAL: Self = Self(errno::EINVAL as u16);
    pub const ENOTTY: Self = Self(errno::ENOTTY as u16);
    pub const ENAMETOOLONG: Self = Self(errno::ENAMETOOLONG as u16);
    pub const ENOSYS: Self = Self(errno::ENOSYS as u16);
    pub const ETIMEDOUT: Self = Self(errno::ETIMEDOUT as u16);
    pub const EOVERFLOW: Self = Self(errno::EOVERFLOW as u16);

    /// The error of this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// What the call returns in `%rax`.
    #[must_use]
    pub const fn as_result(self) -> u64 {
        (self.0 as u64).wrapping_neg()
    }
}
