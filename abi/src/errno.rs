//! Linux's error numbers.

use core::fmt;
use linux_raw_sys::errno as raw;

/// Why an operation failed, as a Linux program will see it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(u16);

macro_rules! errnos {
    ($($name:ident: $what:literal),* $(,)?) => {
        impl Errno {
            $(#[doc = $what] pub const $name: Self = Self(raw::$name as u16);)*

            /// Linux's name of it, or `None` for one that this crate never makes.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM: "Not permitted.",
    ENOENT: "No such file or directory.",
    ESRCH: "No such process.",
    EINTR: "Interrupted.",
    EIO: "Input or output failed.",
    E2BIG: "Too many arguments.",
    ENXIO: "No such device, or nobody at the other end.",
    ENOMEDIUM: "No medium in the drive.",
    ENOEXEC: "Not an executable format.",
    ELIBBAD: "A program's interpreter is none.",
    EBADF: "Not a descriptor, or not one for this.",
    ECHILD: "No child to wait for.",
    EAGAIN: "It would wait.",
    ETIMEDOUT: "The time is over.",
    EINPROGRESS: "Under way.",
    ECANCELED: "Ended before its time.",
    ENOMEM: "Out of kernel memory.",
    EACCES: "Access denied.",
    EFAULT: "Not an address of the caller.",
    ENOTBLK: "Not a disk.",
    EBUSY: "In use.",
    EEXIST: "It exists.",
    EXDEV: "Across file systems.",
    ENODEV: "Not an operation of that device.",
    ENOTDIR: "Not a directory.",
    EISDIR: "A directory.",
    EINVAL: "An invalid argument.",
    ENFILE: "Too many open files in the system.",
    EMFILE: "Too many descriptors.",
    ENOTTY: "Not a request for that object.",
    ETXTBSY: "It is being executed.",
    EFBIG: "Too large for a file.",
    ENOSPC: "No space left.",
    ESPIPE: "It has no position.",
    EROFS: "Read-only.",
    EMLINK: "Too many links.",
    EPIPE: "Nobody reads; the caller raises `SIGPIPE`.",
    EDEADLK: "Waiting would be for ever.",
    ENOLCK: "Too many locks.",
    ERANGE: "The result does not fit.",
    ENAMETOOLONG: "A name or path is too long.",
    ENOSYS: "No such call.",
    ENOTEMPTY: "The directory is not empty.",
    ELOOP: "Too many symbolic links.",
    ENODATA: "There is none.",
    EOVERFLOW: "The value does not fit.",
    EOPNOTSUPP: "Not supported.",
    EUCLEAN: "A file system is damaged.",
    EDQUOT: "The owner's budget is spent.",
    EDOM: "Not a number for this.",
    ENOTSOCK: "Not a socket.",
    EDESTADDRREQ: "It is not said to whom.",
    EMSGSIZE: "The message is too long.",
    EPROTOTYPE: "A socket of another type.",
    ENOPROTOOPT: "No such option.",
    EPROTONOSUPPORT: "No such protocol.",
    ESOCKTNOSUPPORT: "No such type of socket.",
    EAFNOSUPPORT: "No such family of addresses.",
    EADDRINUSE: "The address is in use.",
    EADDRNOTAVAIL: "No address of this machine.",
    ENETUNREACH: "No way to that network.",
    EHOSTUNREACH: "No way to that machine.",
    ECONNABORTED: "The connection was given up.",
    ECONNRESET: "The other end has broken the connection.",
    ECONNREFUSED: "Nobody listens there.",
    ENOBUFS: "No room for what is to be sent.",
    EISCONN: "It is connected.",
    ENOTCONN: "It is not connected.",
    ETOOMANYREFS: "Too many descriptors on their way.",
    EALREADY: "It is under way already.",
}

impl Errno {
    /// Its number: positive.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// What a system call returns for it in `%rax`: its number, negated.
    #[must_use]
    pub const fn as_result(self) -> u64 {
        (self.0 as u64).wrapping_neg()
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}
