//! What was said of activities, and another policy: it must not become a word.

use alloc::format;

use vortex_units::{CoreId, Share};

use super::{Judged, held};
use crate::{Activity, Algorithm, At, Change, Config, ResourceIndex};

/// At which knobs the schedulers look of which activities are clients, all together.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    shares: bool,
    priorities: bool,
}

/// Where they look: what each does itself, and whether one looks at what is in groups.
#[derive(Clone, Copy, Debug, Default)]
struct All {
    /// Those that do not look at groups: for all activities.
    plain: Looks,
    /// Those that do, for who is of none.
    roots: Looks,
    /// Whether there is one: who is of a group has its group's policy there.
    has_groups: bool,
}

/// The same before another policy comes, and after.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookedAt {
    before: All,
    after: All,
}

impl Looks {
    fn of(policy: &Algorithm) -> Self {
        Self { shares: policy.uses_shares, priorities: policy.uses_priority }
    }

    fn or(self, other: Self) -> Self {
        Self {
            shares: self.shares || other.shares,
            priorities: self.priorities || other.priorities,
        }
    }
}

impl All {
    fn add(&mut self, policy: &Algorithm) {
        let of = if policy.uses_groups { &mut self.roots } else { &mut self.plain };
        *of = of.or(Looks::of(policy));
        self.has_groups |= policy.uses_groups;
    }

    fn at(self, group: Option<Looks>) -> Looks {
        let inner = group.filter(|_| self.has_groups);
        self.plain.or(inner.unwrap_or(if group.is_none() { self.roots } else { Looks::default() }))
    }
}

impl LookedAt {
    /// Nothing, where no policy of which activities are clients would be another.
    pub(super) fn new(config: &Config, change: &Change) -> Option<Self> {
        let Change::Policy { at, core, algorithm, .. } = change else { return None };
        if matches!(at, At::Scheduler(_)) {
            return None;
        }
        let (mut before, mut after) = (All::default(), All::default());
        for own in &config.multiplexors {
            let is = *at == At::Multiplexors && core.is_none_or(|core| core == own.core);
            before.add(&own.algorithm);
            after.add(if is { algorithm } else { &own.algorithm });
        }
        for (place, own) in config.resources.iter().enumerate() {
            if own.resource == crate::THREAD {
                continue;
            }
            let index = u32::try_from(place).ok().map(ResourceIndex);
            let is = index.is_some_and(|index| *at == At::Resource(index));
            before.add(&own.algorithm);
            after.add(if is { algorithm } else { &own.algorithm });
        }
        Some(Self { before, after })
    }

    /// Whether what an activity has everywhere is looked at anywhere, if it was before.
    pub(super) fn judge(&self, config: &Config, own: &Activity, index: usize) -> Judged<()> {
        let group = own.group.and_then(|group| config.groups.get(group.index()));
        let group = group.map(|group| Looks::of(&group.algorithm));
        let (before, after) = (self.before.at(group), self.after.at(group));
        let is_said = index > 0 || own.place.line > 0;
        let has = [
            ("share", is_said && own.share != Share::ONE, before.shares && !after.shares),
            ("priority", own.priority != 0, before.priorities && !after.priorities),
        ];
        match has.into_iter().find(|(_, has, ends)| *has && *ends) {
            None => Ok(()),
            Some((knob, ..)) => held(format!(
                "'{}' has a {knob}, which no scheduler would look at then: expected none (at = all, \
                 {knob} = none) before the policy is another",
                own.name
            )),
        }
    }
}

/// Whether what was said of an activity there means something to a policy too.
pub(super) fn kept(
    config: &Config,
    activity: &Activity,
    (resource, core): (Option<ResourceIndex>, CoreId),
    policy: &Algorithm,
) -> Judged<()> {
    let own = config.policy_of(policy, activity.group);
    let all = activity.entitlements.iter();
    for row in all.filter(|row| row.resource == resource && row.core.is_none_or(|it| it == core)) {
        let has = [
            ("share", row.share.is_some(), own.uses_shares),
            ("priority", row.priority.is_some(), own.uses_priority),
            ("reservation", row.reservation.is_some(), own.uses_reservations),
            ("limit", row.limit.is_some(), own.uses_limits),
            ("period", row.period.is_some(), own.uses_periods),
        ];
        if let Some((knob, ..)) = has.into_iter().find(|(_, has, uses)| *has && !uses) {
            return held(format!(
                "'{}' has a {knob} there on {core}, which {} does not keep: expected none ({knob} = \
                 none) before the policy is another",
                activity.name, policy.name
            ));
        }
    }
    Ok(())
}
