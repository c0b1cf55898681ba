//! What an activity is entitled to, and what a part of it is.

use alloc::vec::Vec;

use vortex_units::{CoreId, Micros, Rate, Share};

/// Parts of an entitlement are so many of these.
pub(crate) const WHOLE: u32 = 1000;

/// What an activity is entitled to, as the configuration says it.
#[derive(Clone, Debug)]
pub struct Entitlement {
    /// The share wherever nothing else is said.
    pub share: Share,
    /// The priority wherever nothing else is said, for policies that have priorities.
    pub priority: u32,
    /// The most requests that it may have outstanding, on all cores.
    pub nodes: u32,
    /// The group of which it is, for policies that look at groups.
    pub group: Option<u16>,
    /// Where it is entitled to something else.
    pub at: Vec<EntitlementAt>,
}

/// What an activity is entitled to at one kind of resource, where that is not what it is
/// entitled to elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntitlementAt {
    /// At which resources; [`MULTIPLEXOR`] for the CPU multiplexors themselves.
    pub class: Class,
    /// On this core; on all of them if `None`.
    pub core: Option<CoreId>,
    /// The share there, if it is another.
    pub share: Option<Share>,
    /// The priority there, if it is another.
    pub priority: Option<u32>,
    /// What is reserved for it there, if anything, in the scheduler's metric.
    pub reservation: Option<Rate>,
    /// What it has there at most, if that is limited.
    pub limit: Option<Rate>,
    /// Within what time it is to be served there, if anything is said of that.
    pub period: Option<Micros>,
}

/// A kind of resource, of which there may be several instances: the number of its name in
/// the assembly's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u16);

/// The class under which entitlements at the CPU multiplexors are written.
pub const MULTIPLEXOR: Class = Class(u16::MAX);

impl Entitlement {
    /// This share everywhere, with room for 256 requests.
    #[must_use]
    pub const fn new(share: Share) -> Self {
        Self { share, priority: 0, nodes: 256, group: None, at: Vec::new() }
    }

    /// The share at a resource on a core: the most exact that is written.
    #[must_use]
    pub fn share_at(&self, class: Class, core: CoreId) -> Share {
        self.most_exact(class, core, |at| at.share).unwrap_or(self.share)
    }

    /// The priority there, by the same rule. The two are looked for apart: one may be
    /// written for the core, the other for the resource.
    #[must_use]
    pub fn priority_at(&self, class: Class, core: CoreId) -> u32 {
        self.most_exact(class, core, |at| at.priority).unwrap_or(self.priority)
    }

    /// What is reserved there, by the same rule.
    #[must_use]
    pub fn reservation_at(&self, class: Class, core: CoreId) -> Option<Rate> {
        self.most_exact(class, core, |at| at.reservation)
    }

    /// What may be had there at most, by the same rule.
    #[must_use]
    pub fn limit_at(&self, class: Class, core: CoreId) -> Option<Rate> {
        self.most_exact(class, core, |at| at.limit)
    }

    /// Within what time it is to be served there, by the same rule.
    #[must_use]
    pub fn period_at(&self, class: Class, core: CoreId) -> Option<Micros> {
        self.most_exact(class, core, |at| at.period)
    }

    fn most_exact<T>(
        &self,
        class: Class,
        core: CoreId,
        value: impl Fn(&EntitlementAt) -> Option<T>,
    ) -> Option<T> {
        let on = |wanted: Option<CoreId>| {
            let fits = |e: &&EntitlementAt| e.class == class && e.core == wanted;
            self.at.iter().filter(fits).find_map(&value)
        };
        on(Some(core)).or_else(|| on(None))
    }
}

impl Entitlement {
    /// Another one with the same rows, each share made of one here and one there, and each rate
    /// likewise.
    fn joined(
        &self,
        other: &Self,
        join: impl Fn(u64, u64) -> Option<u64>,
        join_rates: impl Fn(u64, u64) -> Option<u64>,
    ) -> Option<Self> {
        let join = |one: Share, other: Share| {
            let joined = join(one.hundredths().into(), other.hundredths().into())?;
            Share::from_hundredths(u32::try_from(joined).ok()?).ok()
        };
        let mut all = Self { share: join(self.share, other.share)?, ..self.clone() };
        for (row, other) in all.at.iter_mut().zip(&other.at) {
            row.share = match (row.share, other.share) {
                (Some(one), Some(other)) => Some(join(one, other)?),
                (share, _) => share,
            };
            for (one, other) in
                [(&mut row.reservation, other.reservation), (&mut row.limit, other.limit)]
            {
                if let (Some(rate), Some(other)) = (*one, other) {
                    *one = Some(Rate::new(join_rates(rate.get(), other.get())?));
                }
            }
        }
        Some(all)
    }

    /// A part of it; `None` where that is nothing.
    pub(crate) fn part(&self, thousandths: u32) -> Option<Self> {
        let part = |all: u64, _| {
            let part = u128::from(all) * u128::from(thousandths) / u128::from(WHOLE);
            u64::try_from(part).ok()
        };
        // Who is limited to nothing would wait for good.
        let limits = self.joined(self, part, part)?;
        let served = |at: &EntitlementAt| at.limit.is_none_or(|limit| !limit.is_zero());
        limits.at.iter().all(served).then_some(limits)
    }

    /// The least share that can be had anywhere; rates as they are, so that what is left is
    /// served.
    pub(crate) fn least(&self) -> Option<Self> {
        self.joined(self, |_, _| Some(Share::SMALLEST.hundredths().into()), |rate, _| Some(rate))
    }

    /// Without this part; `None` where nothing would be left.
    pub(crate) fn without(&self, part: &Self) -> Option<Self> {
        self.joined(part, u64::checked_sub, u64::checked_sub)
    }

    /// With this part again.
    pub(crate) fn with(&self, part: &Self) -> Option<Self> {
        self.joined(part, u64::checked_add, u64::checked_add)
    }
}
