//! What a configuration says that figures are held against: who is entitled to what, and
//! the grid of schedulers.

use std::collections::BTreeMap;

use serde::Serialize;
use vortex_config::{Config, ResourceIndex};
use vortex_units::CoreId;

use super::figures::Figures;
use super::said::{self, Decides};

/// It.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Standing {
    /// The activities, as in the file, without the infrastructure.
    pub activities: Vec<String>,
    /// Each's part of what all of them are entitled to together, at the multiplexors.
    pub entitled: BTreeMap<String, f64>,
    /// The same at resources where something else is said.
    pub apart: BTreeMap<String, BTreeMap<String, f64>>,
    /// The multiplexors: a core, and its policy.
    pub multiplexors: Vec<(u16, String)>,
    /// The resources' schedulers, as far as they are written.
    pub schedulers: Vec<Scheduler>,
    /// All schedulers that are written, as a sample tells of them.
    pub written: Vec<Decides>,
}

/// A resource's scheduler.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scheduler {
    /// Of which resource.
    pub resource: String,
    /// Its policy.
    pub policy: String,
    /// What it counts.
    pub metric: String,
    /// On which cores.
    pub cores: Vec<u16>,
}

impl Standing {
    /// Of this configuration.
    pub fn of(config: &Config) -> Self {
        let first = config.multiplexors.first().map_or(CoreId::new(0), |first| first.core);
        let entitled = parts(config, None, first);
        let apart = config.resources.iter().enumerate().filter_map(|(index, resource)| {
            let index = ResourceIndex(u32::try_from(index).ok()?);
            let core = resource.cores.first().copied().unwrap_or(first);
            let parts = parts(config, Some(index), core);
            (parts != entitled).then(|| (resource.resource.clone(), parts))
        });
        let schedulers = config.resources.iter().map(|resource| Scheduler {
            resource: resource.resource.clone(),
            policy: resource.algorithm.name.clone(),
            metric: resource.metric.to_string(),
            cores: resource.cores.iter().map(|core| core.get()).collect(),
        });
        let multiplexors = config.multiplexors.iter();
        Self {
            activities: own(config).map(|activity| activity.name.clone()).collect(),
            apart: apart.collect(),
            entitled,
            multiplexors: multiplexors
                .map(|of| (of.core.get(), of.algorithm.name.clone()))
                .collect(),
            schedulers: schedulers.collect(),
            written: said::decides(&vortex_assembly::said(config, &[])),
        }
    }
}

impl Standing {
    /// Each activity's part of what all of the file's are entitled to together at the processors,
    /// as the machine has it now, on all its cores together; as the file has it where the machine
    /// has not said yet.
    pub fn now(&self, figures: &Figures) -> BTreeMap<String, f64> {
        let cores: Vec<u16> = match figures.on.is_empty() {
            // One is as all are.
            true => vec![0],
            false => figures.cores.iter().map(|core| core.core).collect(),
        };
        let mut now = BTreeMap::new();
        for &core in &cores {
            let share = |name: &String| figures.share_on(core, name).unwrap_or(0.0);
            let whole: f64 = self.activities.iter().map(share).sum();
            if whole <= 0.0 {
                return self.entitled.clone();
            }
            for name in &self.activities {
                let part = share(name) / whole / cores.len() as f64;
                *now.entry(name.clone()).or_insert(0.0) += part;
            }
        }
        now
    }
}

fn own(config: &Config) -> impl Iterator<Item = &vortex_config::Activity> {
    config.activities.iter().skip(1)
}

/// Each activity's part of the whole, on this core.
fn parts(config: &Config, resource: Option<ResourceIndex>, core: CoreId) -> BTreeMap<String, f64> {
    let share = |activity: &vortex_config::Activity| {
        f64::from(activity.share_at(resource, core).hundredths())
    };
    let whole: f64 = own(config).map(share).sum();
    own(config).map(|of| (of.name.clone(), share(of) / whole.max(1.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::figures::CoreTime;
    use super::*;

    #[test]
    fn parts_are_of_all_activities_and_some_are_apart() {
        let text = r#"<schedulerconfig>
          <cpumultiplexor tag="m" core="0" algorithm="propshare.wfq"/>
          <resourcescheduler resource="resource.tcp" algorithm="propshare.wfq" metric="bytes">
            <cpumultiplexor tag="m"/> </resourcescheduler>
          <resourcescheduler resource="resource.file" algorithm="propshare.wfq">
            <cpumultiplexor tag="m"/> </resourcescheduler>
          <activity name="a" share="30"> <entitlement resource="resource.tcp" share="10"/> </activity>
          <activity name="b" share="10"/>
          <service activity="a" program="/x"/>
        </schedulerconfig>"#;
        let standing = Standing::of(&vortex_config::parse(text).unwrap());
        assert_eq!(standing.activities, ["a", "b"]);
        assert_eq!(standing.entitled["a"], 0.75);
        assert_eq!(standing.apart.len(), 1);
        assert_eq!(standing.apart["resource.tcp"]["a"], 0.5);
        assert_eq!(standing.multiplexors, [(0, "propshare.wfq".to_string())]);
        assert_eq!(standing.schedulers[0].metric, "bytes");
        assert_eq!(standing.now(&Figures::default()), standing.entitled);
        let shares = [("a", 30.0), ("b", 90.0), ("of the kernel", 7.0)];
        let shares = shares.map(|(name, share)| (name.to_string(), share)).into();
        let now = standing.now(&Figures { shares, ..Figures::default() });
        assert_eq!((now["a"], now["b"], now.len()), (0.25, 0.75, 2));
        // On one of two cores it is another: that is not all of the machine's.
        let shares = [("a", 30.0), ("b", 90.0)].map(|(name, share)| (name.to_string(), share));
        let on = [(1, [("a".to_string(), 270.0)].into())].into();
        let cores = [0, 1].map(|core| CoreTime { core, ..CoreTime::default() }).into();
        let now = standing.now(&Figures { shares: shares.into(), on, cores, ..Figures::default() });
        assert_eq!((now["a"], now["b"]), (0.5, 0.5));
    }
}
