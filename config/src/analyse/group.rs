//! A scheduler that puts activities into groups: the part of a client is that of each node on its
//! way, one of the other.

use alloc::vec::Vec;

use super::level::{Among, Level, Own, part};
use crate::{Activity, ActivityIndex, Algorithm, Config, GroupIndex};

/// The clients of a scheduler.
pub(super) struct Clients<'a, F> {
    pub config: &'a Config,
    /// The scheduler's own policy: its root's.
    pub root: &'a Algorithm,
    /// What an activity has there; nothing of one that is no client.
    pub values: F,
    /// What those have that are no activities; they are of no group.
    pub others: Vec<Own>,
}

impl<F: Fn(ActivityIndex, &Activity) -> Option<Own>> Clients<'_, F> {
    /// The part of an activity.
    pub fn part(&self, index: ActivityIndex) -> Option<Level> {
        let activity = self.config.activities.get(index.index())?;
        let mut own = (self.values)(index, activity)?;
        let mut place = activity.group;
        let mut policy = self.config.policy_of(self.root, place);
        let mut level = self.of_node(policy, own, place);
        while let Some(group) = place.and_then(|place| self.config.groups.get(place.index())) {
            own = of_group(group);
            place = group.within;
            policy = self.config.policy_of(self.root, place);
            level = level.times(self.of_node(policy, own, place));
        }
        Some(level)
    }

    /// Of a client of one node what that gives it.
    fn of_node(&self, policy: &Algorithm, own: Own, place: Option<GroupIndex>) -> Level {
        let members = self.members(place);
        let shares = members.iter().map(|member| member.share).sum();
        let before = members.iter().filter(|member| member.priority <= own.priority).count();
        part(policy, own, Among { shares, reserved: Some(0), highest: before == 1 })
    }

    /// All clients of a node, or of the root.
    fn members(&self, place: Option<GroupIndex>) -> Vec<Own> {
        let activities = self.config.activities.iter().enumerate();
        let activities = activities.filter(|(_, activity)| activity.group == place);
        let activities = activities.filter_map(|(index, activity)| {
            (self.values)(ActivityIndex(u32::try_from(index).ok()?), activity)
        });
        let groups = self.config.groups.iter().filter(|group| group.within == place);
        let mut all: Vec<Own> = activities.chain(groups.map(of_group)).collect();
        if place.is_none() {
            all.extend(&self.others);
        }
        all
    }
}

fn of_group(group: &crate::Group) -> Own {
    Own { share: u64::from(group.share.hundredths()), priority: group.priority, reserved: 0 }
}
