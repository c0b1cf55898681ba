//! The oracle: what orders have made of a configuration is one that could have been written. Each
//! that is carried out is written as a file, and the reader has nothing against it.

use std::fmt::Write as _;

use super::*;
use crate::{Draw, Metric, Multiplexor, Parameter, Source};

const START: &str = "<schedulerconfig>
  <cpumultiplexor tag='m0' core='0' algorithm='propshare.wfq' shares='paper'/>
  <cpumultiplexor tag='m1' core='1' algorithm='priority.strict'/>
  <scheduler tag='bus' algorithm='propshare.wfq' metric='bytes' limit='4 MB/s'>
    <cpumultiplexor tag='m0' share='20'/> </scheduler>
  <resourcescheduler resource='resource.drwr' algorithm='reserve.mclock' metric='bytes'>
    <scheduler tag='bus' share='30'/> </resourcescheduler>
  <resourcescheduler resource='resource.tcp' algorithm='deadline.cbs'>
    <cpumultiplexor tag='m0' share='30'/> <cpumultiplexor tag='m1'/> </resourcescheduler>
  <infrastructure share='100'/>
  <activity name='a' share='50'/>
  <activity name='b' share='50'/>
</schedulerconfig>";

fn draws(config: &Config, all: &[Draw]) -> String {
    let mut text = String::new();
    for draw in all {
        let (kind, tag) = match draw.from {
            Source::Multiplexor(core) => ("cpumultiplexor", &config.multiplexor(core).unwrap().tag),
            Source::Scheduler(index) => ("scheduler", &config.schedulers[index.index()].tag),
        };
        let _ = write!(text, "<{kind} tag='{tag}'");
        if let Some(share) = draw.share {
            let _ = write!(text, " share='{}'", hundredths(share));
        }
        if let Some(priority) = draw.priority {
            let _ = write!(text, " priority='{priority}'");
        }
        text += "/>";
    }
    text
}

fn hundredths(share: vortex_units::Share) -> String {
    format!("{}.{:02}", share.hundredths() / 100, share.hundredths() % 100)
}

fn params(all: &[Parameter]) -> String {
    all.iter().map(|own| format!("<param name='{}'>{}</param>", own.name, own.value)).collect()
}

fn rate(rate: vortex_units::Rate, metric: &Metric) -> String {
    match metric {
        Metric::Bytes => format!("{} B/s", rate.get()),
        _ => format!("{}.{:04} %", rate.get() / 10_000, rate.get() % 10_000),
    }
}

/// The configuration as a file.
fn file(config: &Config) -> String {
    let mut text = String::from("<schedulerconfig>");
    for Multiplexor { tag, core, algorithm, shares, params: own, .. } in &config.multiplexors {
        let form = if algorithm.uses_shares && *shares == ShareForm::Paper {
            " shares='paper'"
        } else {
            ""
        };
        let (core, name, own) = (core.get(), &algorithm.name, params(own));
        let _ = write!(
            text,
            "<cpumultiplexor tag='{tag}' core='{core}' algorithm='{name}'{form}>{own}\
             </cpumultiplexor>"
        );
    }
    for bus in &config.schedulers {
        let limit = bus.limit.map(|limit| format!(" limit='{} B/s'", limit.get()));
        let limit = limit.unwrap_or_default();
        let (tag, name) = (&bus.tag, &bus.algorithm.name);
        let inner = params(&bus.params) + &draws(config, &bus.draws);
        let _ = write!(
            text,
            "<scheduler tag='{tag}' algorithm='{name}' metric='bytes'{limit}>{inner}</scheduler>"
        );
    }
    for own in &config.resources {
        let metric = if own.metric == Metric::Bytes { " metric='bytes'" } else { "" };
        let (resource, name) = (&own.resource, &own.algorithm.name);
        let inner = params(&own.params) + &draws(config, &own.draws);
        let _ = write!(
            text,
            "<resourcescheduler resource='{resource}' algorithm='{name}'{metric}>{inner}\
             </resourcescheduler>"
        );
    }
    for (index, own) in config.activities.iter().enumerate() {
        let name = if index == 0 { "infrastructure" } else { "activity" };
        let _ = write!(text, "<{name}");
        if index > 0 {
            let _ = write!(text, " name='{}'", own.name);
        }
        if own.share != vortex_units::Share::ONE || index == 0 {
            let _ = write!(text, " share='{}'", hundredths(own.share));
        }
        if own.priority > 0 {
            let _ = write!(text, " priority='{}'", own.priority);
        }
        text += ">";
        for row in &own.entitlements {
            text += "<entitlement";
            let resource = row.resource.map(|index| &config.resources[index.index()]);
            if let Some(resource) = resource {
                let _ = write!(text, " resource='{}'", resource.resource);
            }
            let metric = resource.map_or(&Metric::Cycles, |own| &own.metric);
            let said = [
                ("core", row.core.map(|core| core.get().to_string())),
                ("share", row.share.map(hundredths)),
                ("priority", row.priority.map(|priority| priority.to_string())),
                ("reservation", row.reservation.map(|own| rate(own, metric))),
                ("limit", row.limit.map(|own| rate(own, metric))),
                ("period", row.period.map(|period| format!("{} us", period.get()))),
            ];
            for (name, value) in said {
                if let Some(value) = value {
                    let _ = write!(text, " {name}='{value}'");
                }
            }
            text += "/>";
        }
        let _ = write!(text, "</{name}>");
    }
    text + "</schedulerconfig>"
}

/// All that there is to order here, sensible or not.
fn orders() -> Vec<String> {
    let mut all = Vec::new();
    let policies = Known::default().policies;
    for at in ["cpu", "m0", "m1", "bus", "drwr", "tcp"] {
        all.extend(policies.iter().map(|policy| format!("at={at}; policy={}", policy.name)));
        all.extend(["7", "none"].map(|share| format!("at={at}; share={share}")));
        all.extend(["7", "none"].map(|priority| format!("at={at}; priority={priority}")));
        all.extend(["3 MB/s", "none"].map(|limit| format!("at={at}; limit={limit}")));
        for activity in ["infrastructure", "a", "b"] {
            let of = format!("activity={activity}; at={at}");
            for core in ["", "; core=0", "; core=1"] {
                for said in [
                    "share=3",
                    "share=none",
                    "priority=2",
                    "priority=none",
                    "reservation=30 %",
                    "reservation=2 MB/s",
                    "reservation=none",
                    "limit=40 %",
                    "limit=1 MB/s",
                    "limit=none",
                    "period=20 ms",
                    "period=none",
                ] {
                    all.push(format!("{of}; {said}{core}"));
                }
            }
        }
    }
    for activity in ["infrastructure", "a", "b"] {
        for said in ["share=4", "share=none", "priority=3", "priority=none"] {
            all.push(format!("activity={activity}; at=all; {said}"));
        }
    }
    all
}

#[test]
fn what_orders_make_of_a_file_could_have_been_written() {
    let (orders, mut state) = (orders(), 0x2545_f491_4f6c_dd1d_u64);
    let mut next = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % most as u64) as usize
    };
    let (mut done, mut config) = (0, parse(START).unwrap());
    for round in 0..6_000 {
        if round % 200 == 0 {
            config = parse(START).unwrap();
        }
        let text = &orders[next(orders.len())];
        let Ok(change) = judged(&config, text) else { continue };
        config.change(&change);
        done += 1;
        let written = file(&config);
        let again = parse(&written).unwrap_or_else(|flaws| panic!("{text}: {flaws:#?}\n{written}"));
        // And it is what the file says.
        for (own, again) in config.activities.iter().zip(&again.activities) {
            for at in [None, Some(ResourceIndex(0)), Some(ResourceIndex(1))] {
                for core in [CoreId::new(0), CoreId::new(1)] {
                    let of = |activity: &crate::Activity| {
                        let limit = at.and_then(|at| activity.limit_at(at, core));
                        (
                            (activity.share_at(at, core), activity.priority_at(at, core)),
                            (activity.reservation_at(at, core), activity.period_at(at, core)),
                            limit,
                        )
                    };
                    assert_eq!(of(own), of(again), "{text}: {}", own.name);
                }
            }
        }
    }
    assert!(done > 600, "{done}");
}
