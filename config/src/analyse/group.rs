//! A scheduler that puts activities into groups: the part of a client is that of each node on its
//! way, one of the other.

use alloc::vec::Vec;

use vortex_units::Micros;

use super::holds::Holds;
use super::level::{Level, Reason};
use super::part::{Among, Own, part};
use super::way::Found;
use crate::{Activity, ActivityIndex, Algorithm, Config, GroupIndex};

/// The clients of a scheduler.
pub(super) struct Clients<'a, F> {
    pub config: &'a Config,
    /// The scheduler's own policy, with the qualities of its root's.
    pub root: &'a Algorithm,
    /// The name of its root's.
    pub name: &'a str,
    /// What activities use elsewhere, in resources, counts for them here.
    pub through: bool,
    /// What an activity has there; nothing of one that is no client.
    pub values: F,
    /// What those have that are no activities; they are of no group.
    pub others: Vec<Own>,
}

impl<F: Fn(ActivityIndex, &Activity) -> Option<Own>> Clients<'_, F> {
    /// The part of an activity, of a scheduler that has this itself; with turns of a time slice,
    /// if they are not of requests.
    pub fn part(&self, index: ActivityIndex, has: Found, slice: Option<Micros>) -> Option<Found> {
        let activity = self.config.activities.get(index.index())?;
        let mut place = activity.group;
        let mut way: Vec<(Own, Option<GroupIndex>)> = Vec::new();
        way.push(((self.values)(index, activity)?, place));
        while let Some(group) = place.and_then(|place| self.config.groups.get(place.index())) {
            place = group.within;
            way.push((of_group(group), place));
        }
        let down = way.into_iter().rev();
        Some(down.fold(has, |has, (own, place)| self.of_node(own, place, has, slice)))
    }

    /// Of a client of one node what that gives it.
    fn of_node(
        &self,
        own: Own,
        place: Option<GroupIndex>,
        has: Found,
        slice: Option<Micros>,
    ) -> Found {
        let policy = self.config.policy_of(self.root, place);
        let members = self.members(place);
        let before = members.iter().filter(|member| member.priority <= own.priority).count();
        let among = Among::of(members.iter().map(|member| member.share));
        let among = Among { highest: before == 1, ..among };
        let name = if place.is_some() { &policy.name } else { self.name };
        let holds = Holds::at(name, among, slice, has.level);
        // Who is not alone, and has no share by which what others use elsewhere is told from it.
        let mixed = place.is_some() && self.through && members.len() > 1 && !policy.uses_shares;
        let part = if mixed { Level::None(Reason::Group) } else { part(policy, own, among) };
        has.then(part, holds)
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
    Own::new(u64::from(group.share.hundredths()), group.priority)
}
