//! What is written for a place and would mean nothing there under another policy.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{At, Change, Config, Source};

impl Config {
    /// The shares and priorities of one place, each with whose it is, that a change of policy
    /// there would leave without a meaning. They stay, and count again under a policy that reads
    /// them.
    #[must_use]
    pub fn unheeded(&self, change: &Change) -> Vec<String> {
        let Change::Policy { at, core, algorithm, .. } = change else { return Vec::new() };
        let mut all = Vec::new();
        let resource = match at {
            At::Resource(index) => Some(*index),
            At::Multiplexors | At::Scheduler(_) => None,
        };
        // The clients of one between others are no activities.
        let activities = self.activities.iter().filter(|_| !matches!(at, At::Scheduler(_)));
        for activity in activities {
            let policy = self.policy_of(algorithm, activity.group);
            let there = activity.entitlements.iter().filter(|own| {
                own.resource == resource
                    && core.is_none_or(|core| own.core.is_none_or(|own| own == core))
            });
            for own in there {
                let name = &activity.name;
                if own.share.is_some() && !policy.uses_shares {
                    all.push(format!("the share of '{name}'"));
                }
                if own.priority.is_some() && !policy.uses_priority {
                    all.push(format!("the priority of '{name}'"));
                }
            }
        }
        let is_there = |from: Source| match (at, from) {
            (At::Multiplexors, Source::Multiplexor(own)) => core.is_none_or(|core| core == own),
            (At::Scheduler(index), Source::Scheduler(own)) => *index == own,
            _ => false,
        };
        let resources = self.resources.iter().map(|it| (&it.resource, &it.draws));
        let stacked = self.schedulers.iter().map(|it| (&it.tag, &it.draws));
        for (name, draws) in resources.chain(stacked) {
            for draw in draws.iter().filter(|draw| is_there(draw.from)) {
                if draw.share.is_some() && !algorithm.uses_shares {
                    all.push(format!("the share of '{name}'"));
                }
                if draw.priority.is_some() && !algorithm.uses_priority {
                    all.push(format!("the priority of '{name}'"));
                }
            }
        }
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::{Known, order, parse};

    #[test]
    fn what_another_policy_would_not_read_is_named() {
        let text = "<schedulerconfig>
          <cpumultiplexor tag='m' core='0' algorithm='propshare.wfq' shares='paper'/>
          <resourcescheduler resource='resource.thread' algorithm='fifo'>
            <cpumultiplexor tag='m'/> </resourcescheduler>
          <resourcescheduler resource='resource.tcp' algorithm='propshare.wfq'>
            <cpumultiplexor tag='m' share='20'/> </resourcescheduler>
          <activity name='a' share='1'> <entitlement resource='resource.tcp' share='2'/>
            <entitlement core='0' share='3'/> </activity>
          <activity name='b' share='1'/>
        </schedulerconfig>";
        let config = parse(text).unwrap();
        let told = |text: &str| {
            let change = order(&config, &Known::default(), text).unwrap();
            config.unheeded(&change).join(", ")
        };
        assert_eq!(told("at=tcp\npolicy=fifo"), "the share of 'a'");
        assert_eq!(told("at=tcp\npolicy=propshare.stride"), "");
        let multiplexor = told("at=m\npolicy=priority.multilevel");
        // Charge-through alone would refuse it.
        assert_eq!(multiplexor, "the share of 'a', the share of 'resource.tcp'");
        assert_eq!(told("at=tcp\nshare=3"), "");
    }
}
