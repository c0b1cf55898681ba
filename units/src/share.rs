//! Relative weights.

use core::fmt;

/// A relative weight at a scheduler, in hundredths: `50 %` is 5,000.
///
/// Shares are relative to the others at the same scheduler; they need not add up to
/// anything. Never zero: a share of nothing is the absence of an entitlement, and asking
/// for it is an error where it is written ([`ShareError`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// Why a number is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareError {
    /// Zero: would never be served.
    Zero,
    /// Above [`Share::LARGEST`].
    TooLarge,
}

impl Share {
    /// The largest: a million per cent, far beyond use, small enough for exact arithmetic.
    pub const LARGEST: Self = Self(100_000_000);
    /// The smallest: a hundredth of a per cent.
    pub const SMALLEST: Self = Self(1);
    /// One whole unit, what is assumed where nothing is written.
    pub const ONE: Self = Self(100);

    /// A share of so many hundredths.
    ///
    /// # Errors
    /// [`ShareError`] outside `1..=100_000_000`.
    pub const fn from_hundredths(hundredths: u32) -> Result<Self, ShareError> {
        if hundredths == 0 {
            Err(ShareError::Zero)
        } else if hundredths > Self::LARGEST.0 {
            Err(ShareError::TooLarge)
        } else {
            Ok(Self(hundredths))
        }
    }

    /// A share of so many whole units.
    ///
    /// # Errors
    /// [`ShareError`] outside `1..=1_000_000`.
    pub const fn from_units(units: u32) -> Result<Self, ShareError> {
        match units.checked_mul(100) {
            Some(hundredths) => Self::from_hundredths(hundredths),
            None => Err(ShareError::TooLarge),
        }
    }

    /// The bare number of hundredths.
    #[must_use]
    pub const fn hundredths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        if part == 0 { write!(f, "{whole}") } else { write!(f, "{whole}.{part:02}") }
    }
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("a share is more than zero"),
            Self::TooLarge => f.write_str("a share is at most 1000000"),
        }
    }
}

impl core::error::Error for ShareError {}
