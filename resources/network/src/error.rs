//! Why something did not become of a call on a socket.

use vortex_abi::Errno;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetError {
    /// Nothing could be moved yet.
    WouldBlock,
    /// The connection is being made.
    InProgress,
    /// It is being made already.
    Already,
    /// It is made already.
    Connected,
    /// It is not.
    NotConnected,
    /// The other end does not want it.
    Refused,
    /// It has ended it.
    Reset,
    /// It does not answer any more.
    TimedOut,
    /// Nothing more can be sent.
    Pipe,
    /// The address is another's.
    InUse,
    /// It is not the machine's.
    NoAddress,
    /// Nobody knows the way there.
    Unreachable,
    /// That makes no sense for this socket.
    Invalid,
    /// This kind of socket does not do that.
    NotSupported,
    /// A datagram that is too long.
    TooLong,
    /// It was not said that it may be sent to all at once.
    NotAllowed,
    /// No destination is said.
    NoDestination,
    /// No memory, or no room for a request.
    NoMemory,
}

impl NetError {
    /// What a program is told.
    #[must_use]
    pub fn errno(self) -> Errno {
        match self {
            Self::WouldBlock => Errno::EAGAIN,
            Self::InProgress => Errno::EINPROGRESS,
            Self::Already => Errno::EALREADY,
            Self::Connected => Errno::EISCONN,
            Self::NotConnected => Errno::ENOTCONN,
            Self::Refused => Errno::ECONNREFUSED,
            Self::Reset => Errno::ECONNRESET,
            Self::TimedOut => Errno::ETIMEDOUT,
            Self::Pipe => Errno::EPIPE,
            Self::InUse => Errno::EADDRINUSE,
            Self::NoAddress => Errno::EADDRNOTAVAIL,
            Self::Unreachable => Errno::ENETUNREACH,
            Self::Invalid => Errno::EINVAL,
            Self::NotSupported => Errno::EOPNOTSUPP,
            Self::TooLong => Errno::EMSGSIZE,
            Self::NotAllowed => Errno::EACCES,
            Self::NoDestination => Errno::EDESTADDRREQ,
            Self::NoMemory => Errno::ENOBUFS,
        }
    }
}
