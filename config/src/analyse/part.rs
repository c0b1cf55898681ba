//! One level: the part that a client has of its scheduler.

use super::level::{Fraction, Level, Reason};
use crate::Algorithm;

/// What a client has of its own at a scheduler.
#[derive(Clone, Copy)]
pub(super) struct Own {
    pub share: u64,
    pub priority: u32,
    /// What is reserved for it, in microseconds a second.
    pub reserved: u64,
    /// It has a limit there.
    pub limited: bool,
}

impl Own {
    /// Of one that has nothing but a share and a priority.
    pub const fn new(share: u64, priority: u32) -> Self {
        Self { share, priority, reserved: 0, limited: false }
    }
}

/// What all clients of a scheduler have together.
#[derive(Clone, Copy)]
pub(super) struct Among {
    pub shares: u64,
    /// The smallest share of them.
    pub least: u64,
    pub clients: u64,
    /// What is reserved for them, in microseconds a second; `None` where that is amounts of
    /// which nobody knows what part of all they are.
    pub reserved: Option<u64>,
    /// Nobody else has as high a priority as the one that is asked for.
    pub highest: bool,
}

impl Among {
    /// Of clients with these shares.
    pub fn of(shares: impl Iterator<Item = u64>) -> Self {
        let none =
            Self { shares: 0, least: u64::MAX, clients: 0, reserved: Some(0), highest: false };
        shares.fold(none, |all, share| Self {
            shares: all.shares.saturating_add(share),
            least: all.least.min(share),
            clients: all.clients + 1,
            ..all
        })
    }
}

/// A microsecond a second, in the parts in which guarantees are counted.
const MICRO: u64 = 1_000;
const CORE: u64 = Fraction::WHOLE.billionths() as u64;

/// A client's part of a scheduler that has all the time there is.
pub(super) fn part(policy: &Algorithm, own: Own, among: Among) -> Level {
    parts(policy, own, among, Level::AtLeast(Fraction::WHOLE)).1
}

/// A client's part of what its scheduler does, and of a core's time, of which that is itself
/// certain of so much: what is reserved for it, and of the rest by share, or by priority.
pub(super) fn parts(policy: &Algorithm, own: Own, among: Among, has: Level) -> (Level, Level) {
    let waits = !policy.work_conserving && (!policy.uses_limits || own.limited);
    if policy.uses_reservations {
        return reserving(policy, own, among, waits, has);
    }
    let part = if waits {
        Level::None(Reason::NotWorkConserving)
    } else if policy.uses_shares {
        Level::AtLeast(Fraction::of(own.share, among.shares))
    } else if policy.uses_priority {
        if among.highest {
            Level::AtLeast(Fraction::WHOLE)
        } else {
            Level::None(Reason::NotHighest)
        }
    } else if own.share == among.shares {
        Level::AtLeast(Fraction::WHOLE)
    } else {
        Level::None(Reason::NoShares)
    };
    (part, part.times(has))
}

/// Reservations are of the core's time, not of what the scheduler has of it: they come first out
/// of that, and shares divide what is left. A policy that also limits (mClock's) has shares of
/// all instead, and a reservation is the least of what one gives: what others have by theirs may
/// be beyond their shares.
fn reserving(
    policy: &Algorithm,
    own: Own,
    among: Among,
    waits: bool,
    has: Level,
) -> (Level, Level) {
    let none = |reason| (Level::None(reason), Level::None(reason).times(has));
    let Some(reserved) = among.reserved else { return none(Reason::Reserved) };
    let reserved = reserved.saturating_mul(MICRO);
    let first = own.reserved.saturating_mul(MICRO).min(reserved);
    if waits && first == 0 {
        return none(Reason::NotWorkConserving);
    }
    let of = |all: u64| {
        let before = if policy.uses_limits { reserved.saturating_sub(first) } else { reserved };
        let rest = u128::from(all.saturating_sub(before));
        let by_share = rest * u128::from(own.share) / u128::from(among.shares.max(1));
        let by_share = if waits { 0 } else { u64::try_from(by_share).unwrap_or(0) };
        if policy.uses_limits { first.max(by_share) } else { first.saturating_add(by_share) }
    };
    let certain = has.billionths();
    match has {
        // Without reservations it divides whatever it has.
        _ if reserved == 0 => {
            let part = Level::AtLeast(Fraction::of(of(CORE), CORE));
            (part, part.times(has))
        }
        Level::None(reason) => none(reason),
        // No reservation is certain where all together are not.
        Level::AtLeast(_) if reserved > certain => none(Reason::Overbooked),
        Level::AtLeast(_) => {
            // It may have more than it is certain of, of which the reserved is a smaller part; it
            // is the smallest where the share begins to give more.
            let turn = u128::from(first) * u128::from(among.shares) / u128::from(own.share.max(1));
            let turn = turn + u128::from(reserved.saturating_sub(first)) + 1;
            let turn = u64::try_from(turn).unwrap_or(u64::MAX).max(certain).min(CORE);
            let least = [certain, turn, CORE].map(|all| Fraction::of(of(all), all));
            let least = least.into_iter().min().unwrap_or(Fraction::of(0, 1));
            (Level::AtLeast(least), Level::AtLeast(Fraction::of(of(certain), CORE)))
        }
    }
}
