//! Amounts that are consumed: time, bytes, frames, requests.

use core::fmt;
use core::iter::Sum;
use core::ops::{Add, AddAssign, Sub, SubAssign};

/// The operations every amount has: exact addition and subtraction, and by name the
/// saturating and checked forms. Addition is the machine's own: an overflow is a bug of
/// the caller and panics in debug builds.
macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);
            /// More than any that can be measured.
            pub const MAX: Self = Self(u64::MAX);

            /// Wraps a number already known to be in this unit.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The bare number, for formatting and for formats that carry none of our types.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The difference, or zero where `other` is the larger.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The sum, or [`Self::MAX`].
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// The difference, or `None` where `other` is the larger.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(rest) => Some(Self(rest)),
                    None => None,
                }
            }

            /// Whether there is nothing of it.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self::ZERO, Add::add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $unit), self.0)
            }
        }
    };
}

amount! {
    /// Processor cycles: both a span and, read from the timestamp counter, a point in time.
    Cycles, "cycles"
}
amount! {
    /// Nanoseconds of real (or, in simulation, virtual) time.
    Nanos, "ns"
}
amount! {
    /// Microseconds, the unit in which the paper's Table 3 speaks of time.
    Micros, "us"
}
amount! {
    /// Bytes moved or held.
    Bytes, "bytes"
}
amount! {
    /// Physical page frames of 4 KiB.
    Frames, "frames"
}
amount! {
    /// Requests served.
    Requests, "requests"
}

impl Micros {
    /// The same span in nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> Nanos {
        Nanos(self.0.saturating_mul(1_000))
    }
}

impl Frames {
    /// The size of one frame.
    pub const SIZE: Bytes = Bytes(4096);

    /// The same extent in bytes.
    #[must_use]
    pub const fn bytes(self) -> Bytes {
        Bytes(self.0.saturating_mul(Self::SIZE.0))
    }
}
amount! {
    /// Amounts of something in a second.
    Rate, "a second"
}
