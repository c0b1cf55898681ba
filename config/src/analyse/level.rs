//! How much: a part of a whole, or nothing and why.

use core::fmt;

use crate::Metric;

/// A part of a whole, in parts per billion, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fraction(u32);

/// Why nothing is guaranteed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The policy of a level has no shares, and serves in order of arrival.
    NoShares,
    /// Somebody of higher or equal priority may take all.
    NotHighest,
    /// A level on the way may leave the core idle although there is work.
    NotWorkConserving,
    /// A level on the way counts other than cycles.
    OtherMetric,
    /// At a level on the way others have reservations of an amount that may be all there is.
    Reserved,
    /// At a level on the way more is reserved than that is certain of itself.
    Overbooked,
    /// What others of its group use in resources counts for the group, whose policy has no
    /// shares by which to tell them apart.
    Group,
}

/// How much is guaranteed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// At least this part.
    AtLeast(Fraction),
    /// Nothing.
    None(Reason),
}

impl Fraction {
    /// All of it.
    pub const WHOLE: Self = Self(1_000_000_000);

    /// `part` of `whole`.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Self {
        let billionths = u128::from(part.min(whole)) * 1_000_000_000 / u128::from(whole.max(1));
        Self(u32::try_from(billionths).unwrap_or(0))
    }

    /// The bare number of parts per billion.
    #[must_use]
    pub const fn billionths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = self.0 / 100_000;
        write!(f, "{}.{:02} %", hundredths / 100, hundredths % 100)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoShares => "a scheduler on the way has no shares",
            Self::NotHighest => "others of higher or equal priority may take all",
            Self::NotWorkConserving => "a scheduler on the way may wait while there is work",
            Self::OtherMetric => "a scheduler on the way does not share time",
            Self::Reserved => "others' reservations on the way may be all that there is",
            Self::Overbooked => "a level on the way has less for certain than is reserved there",
            Self::Group => "others of its group may use up what that has, in resources",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(fraction) => fraction.fmt(f),
            Self::None(reason) => write!(f, "none: {reason}"),
        }
    }
}

impl Level {
    /// This part of what `other` is a part.
    pub(super) fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::AtLeast(a), Self::AtLeast(b)) => Self::AtLeast(Fraction::of(
                u64::from(a.0) * u64::from(b.0),
                1_000_000_000_000_000_000,
            )),
            (Self::None(reason), _) | (_, Self::None(reason)) => Self::None(reason),
        }
    }

    /// In parts per billion; nothing where nothing is certain.
    pub(super) const fn billionths(self) -> u64 {
        match self {
            Self::AtLeast(fraction) => fraction.0 as u64,
            Self::None(_) => 0,
        }
    }

    /// Nothing, unless cycles are what is shared.
    pub(super) fn in_time(self, metric: &Metric) -> Self {
        match self {
            Self::AtLeast(_) if *metric != Metric::Cycles => Self::None(Reason::OtherMetric),
            level => level,
        }
    }
}
