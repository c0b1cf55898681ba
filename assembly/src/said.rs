//! What a configuration says now of its schedulers, as a sample tells it.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_abi::performance::{PROCESSORS, Reserved, Said, Scheduling};
use vortex_config::{Config, Source, THREAD};
use vortex_units::Share;

/// It; the activities that it tells of have these numbers, in the file's order.
#[must_use]
pub fn said(config: &Config, numbers: &[u32]) -> Said {
    let names: Vec<Arc<str>> =
        config.resources.iter().map(|it| it.resource.as_str().into()).collect();
    Said { reserved: reserved(config, numbers, &names), schedulers: schedulers(config, &names) }
}

fn reserved(config: &Config, numbers: &[u32], names: &[Arc<str>]) -> Vec<Reserved> {
    let processors: Arc<str> = PROCESSORS.into();
    let mut all = Vec::new();
    for (activity, &number) in config.activities.iter().zip(numbers) {
        for row in &activity.entitlements {
            let (reservation, limit) = (row.reservation, row.limit);
            if reservation.is_none() && limit.is_none() && row.period.is_none() {
                continue;
            }
            let resource = match row.resource {
                Some(index) => names.get(index.index()).cloned().unwrap_or_default(),
                None => processors.clone(),
            };
            all.push(Reserved {
                activity: number,
                resource,
                core: row.core.map(|core| core.get()),
                reservation: reservation.map(|rate| rate.get()),
                limit: limit.map(|rate| rate.get()),
                period: row.period.map(|period| period.get()),
            });
        }
    }
    all
}

fn schedulers(config: &Config, names: &[Arc<str>]) -> Vec<Scheduling> {
    let processors: Arc<str> = PROCESSORS.into();
    let mut all = Vec::new();
    for own in &config.multiplexors {
        all.push(Scheduling {
            site: processors.clone(),
            core: Some(own.core.get()),
            policy: own.algorithm.name.as_str().into(),
            metric: own.metric.to_string().into(),
            ..Scheduling::default()
        });
    }
    for own in &config.schedulers {
        // One has one standing, on all its cores.
        let draw = own.draws.first();
        all.push(Scheduling {
            site: own.tag.as_str().into(),
            core: None,
            policy: own.algorithm.name.as_str().into(),
            metric: own.metric.to_string().into(),
            limit: own.limit.map(|limit| limit.get()),
            share: draw.and_then(|draw| draw.share).map(Share::hundredths),
            priority: draw.and_then(|draw| draw.priority),
        });
    }
    for (own, name) in config.resources.iter().zip(names).filter(|(own, _)| own.resource != THREAD)
    {
        let draw = own.draws.first();
        let standing = |draw: &vortex_config::Draw| (draw.share, draw.priority);
        let usual = draw.map(standing);
        let here = Scheduling {
            site: name.clone(),
            core: None,
            policy: own.algorithm.name.as_str().into(),
            metric: own.metric.to_string().into(),
            limit: None,
            share: draw.and_then(|draw| draw.share).map(Share::hundredths),
            priority: draw.and_then(|draw| draw.priority),
        };
        // Where it stands otherwise on a core, that is said of that one.
        for other in own.draws.iter().filter(|draw| Some(standing(draw)) != usual) {
            let Source::Multiplexor(core) = other.from else { continue };
            all.push(Scheduling {
                core: Some(core.get()),
                share: other.share.map(Share::hundredths),
                priority: other.priority,
                ..here.clone()
            });
        }
        all.push(here);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_configuration_says_is_told_with_its_places() {
        let text = "<schedulerconfig>
          <cpumultiplexor tag='m0' core='0' algorithm='deadline.cbs'/>
          <cpumultiplexor tag='m1' core='1' algorithm='propshare.wfq'/>
          <scheduler tag='bus' algorithm='propshare.wfq' metric='bytes' limit='4 MB/s'>
            <cpumultiplexor tag='m0' share='20'/> </scheduler>
          <resourcescheduler resource='resource.drwr' algorithm='reserve.mclock' metric='bytes'>
            <scheduler tag='bus' share='30'/> </resourcescheduler>
          <resourcescheduler resource='resource.tcp' algorithm='propshare.wfq'>
            <cpumultiplexor tag='m0' share='3'/> <cpumultiplexor tag='m1'/> </resourcescheduler>
          <activity name='a' share='50'>
            <entitlement core='0' reservation='30 %' period='20 ms'/>
            <entitlement resource='resource.drwr' limit='1 MB/s'/>
            <entitlement resource='resource.tcp' share='7'/> </activity>
        </schedulerconfig>";
        let said = said(&vortex_config::parse(text).unwrap(), &[0, 9]);
        let reserved = |resource: &str, core, reservation, limit, period| Reserved {
            activity: 9,
            resource: resource.into(),
            core,
            reservation,
            limit,
            period,
        };
        assert_eq!(
            said.reserved,
            [
                reserved(PROCESSORS, Some(0), Some(300_000), None, Some(20_000)),
                reserved("resource.drwr", None, None, Some(1_000_000), None),
            ]
        );
        let told: Vec<_> = said
            .schedulers
            .iter()
            .map(|own| (&*own.site, own.core, &*own.policy, &*own.metric, own.limit, own.share))
            .collect();
        assert_eq!(
            told,
            [
                (PROCESSORS, Some(0), "deadline.cbs", "cycles", None, None),
                (PROCESSORS, Some(1), "propshare.wfq", "cycles", None, None),
                ("bus", None, "propshare.wfq", "bytes", Some(4_000_000), Some(2_000)),
                ("resource.drwr", None, "reserve.mclock", "bytes", None, Some(3_000)),
                ("resource.tcp", Some(1), "propshare.wfq", "cycles", None, None),
                ("resource.tcp", None, "propshare.wfq", "cycles", None, Some(300)),
            ]
        );
    }
}
