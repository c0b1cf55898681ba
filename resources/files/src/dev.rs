//! Device numbers.

/// A device: major and minor number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dev {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

impl Dev {
    /// `/dev/null`.
    pub const NULL: Self = Self::new(1, 3);
    /// `/dev/zero`.
    pub const ZERO: Self = Self::new(1, 5);
    /// `/dev/full`.
    pub const FULL: Self = Self::new(1, 7);
    /// `/dev/random`.
    pub const RANDOM: Self = Self::new(1, 8);
    /// `/dev/urandom`.
    pub const URANDOM: Self = Self::new(1, 9);
    /// `/dev/tty`: the terminal of the caller.
    pub const TTY: Self = Self::new(5, 0);
    /// `/dev/console`.
    pub const CONSOLE: Self = Self::new(5, 1);

    /// The device with these numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// As `stat` shows it to programs, and `mknod` takes it.
    #[must_use]
    pub const fn encoded(self) -> u64 {
        let (major, minor) = (self.major as u64, self.minor as u64);
        (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
    }

    /// Back from [`Dev::encoded`].
    #[must_use]
    pub const fn decoded(number: u64) -> Self {
        let major = ((number >> 8) & 0xfff) | ((number >> 32) & 0xffff_f000);
        let minor = (number & 0xff) | ((number >> 12) & 0xffff_ff00);
        Self::new(major as u32, minor as u32)
    }

    /// Whether this crate serves it itself.
    pub(crate) fn is_memory(self) -> bool {
        matches!(self, Self::NULL | Self::ZERO | Self::FULL | Self::RANDOM | Self::URANDOM)
    }
}
