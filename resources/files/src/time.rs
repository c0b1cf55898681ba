//! Points in time as files keep them.

/// Seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds of the second: below 10^9.
    pub nanos: u32,
}

impl Time {
    /// A point in time.
    #[must_use]
    pub const fn new(seconds: i64, nanos: u32) -> Self {
        Self { seconds, nanos }
    }
}

/// What `utimensat` does to one of the two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// `UTIME_NOW`, or no times given.
    Now,
    /// `UTIME_OMIT`: left as it is.
    Omit,
    /// Set to this.
    At(Time),
}

impl Stamp {
    /// From a `struct timespec`.
    ///
    /// # Errors
    /// `EINVAL` where the nanoseconds are no such and none of the two marks.
    pub fn from_timespec(seconds: i64, nanos: i64) -> Result<Self, crate::Errno> {
        use linux_raw_sys::general::{UTIME_NOW, UTIME_OMIT};
        match nanos {
            0..1_000_000_000 => Ok(Self::At(Time::new(seconds, nanos as u32))),
            mark if mark == i64::from(UTIME_NOW) => Ok(Self::Now),
            mark if mark == i64::from(UTIME_OMIT) => Ok(Self::Omit),
            _ => Err(crate::Errno::EINVAL),
        }
    }
}
