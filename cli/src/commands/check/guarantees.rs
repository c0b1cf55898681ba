//! The table of guarantees: a line for all cores on which the same holds.

use std::collections::HashMap;

use vortex_config::{
    ActivityIndex, Analysis, Config, Guarantee, Holds, Level, Metric, Reason, Scope, THREAD,
};
use vortex_units::CoreId;

use crate::table::{Align, Table};

/// The table.
pub fn table(config: &Config, analysis: &Analysis) -> String {
    let mut rows: Vec<(&Guarantee, Vec<CoreId>)> = Vec::new();
    let mut by_activity: HashMap<ActivityIndex, Vec<usize>> = HashMap::new();
    for guarantee in &analysis.guarantees {
        let own = by_activity.entry(guarantee.activity).or_default();
        let same =
            |other: &Guarantee| Guarantee { core: guarantee.core, ..other.clone() } == *guarantee;
        let found = own.iter().find(|&&row| rows.get(row).is_some_and(|(other, _)| same(other)));
        match found.and_then(|&row| rows.get_mut(row)) {
            Some((_, cores)) => cores.push(guarantee.core),
            None => {
                own.push(rows.len());
                rows.push((guarantee, vec![guarantee.core]));
            }
        }
    }
    let mut table = Table::new(&[
        ("activity", Align::Left),
        ("of", Align::Left),
        ("core", Align::Left),
        ("of its service", Align::Right),
        ("of the core", Align::Right),
        ("", Align::Left),
    ]);
    for (guarantee, cores) in rows {
        table.row([
            activity(config, guarantee.activity),
            scope(config, guarantee.scope),
            ranges(&cores),
            level(guarantee.of_resource),
            level(guarantee.of_core),
            more(guarantee),
        ]);
    }
    table.render()
}

/// An activity's name.
pub fn activity(config: &Config, index: ActivityIndex) -> String {
    config.activities.get(index.index()).map_or_else(String::new, |entry| entry.name.clone())
}

/// Of what a guarantee speaks.
pub fn scope(config: &Config, scope: Scope) -> String {
    match scope {
        Scope::Whole(at) => {
            let at =
                at.map_or_else(|| THREAD.into(), |at| self::scope(config, Scope::Resource(at)));
            format!("all, at work in {at}")
        }
        Scope::Threads => "resource.thread".into(),
        Scope::Resource(index) => config
            .resources
            .get(index.index())
            .map_or_else(String::new, |resource| resource.resource.clone()),
    }
}

fn level(level: Level) -> String {
    match level {
        Level::AtLeast(fraction) => fraction.to_string(),
        Level::None(_) => "nothing".into(),
    }
}

/// What is reserved, over which times it holds, and why nothing is guaranteed.
fn more(guarantee: &Guarantee) -> String {
    let mut parts = Vec::new();
    if let Some(reserved) = &guarantee.reserved {
        // What is no part of the time takes nobody knows how much of it.
        let if_any = match reserved.metric {
            Metric::Cycles => "",
            _ => ", given the time for it",
        };
        parts.push(format!("reserved: {reserved}{if_any}"));
    }
    match (guarantee.of_resource, guarantee.of_core) {
        (Level::None(reason), _) | (_, Level::None(reason)) => parts.push(reason_of(reason).into()),
        _ => {}
    }
    let nothing = matches!(guarantee.of_resource, Level::None(_));
    if guarantee.holds != Holds::default() && !nothing {
        parts.push(guarantee.holds.to_string());
    }
    parts.join("; ")
}

/// A reason in words.
pub fn reason_of(reason: Reason) -> &'static str {
    match reason {
        Reason::NoShares => "a policy on the way has no shares",
        Reason::NotHighest => "others of higher or equal priority may take all",
        Reason::NotWorkConserving => "a level on the way may wait although there is work",
        Reason::OtherMetric => "a level on the way counts other than cycles",
        Reason::Reserved => "what others have reserved may be all there is",
        Reason::Overbooked => "more is reserved on the way than is certain there",
        Reason::Group => "others of its group may use up what that has, in resources",
    }
}

/// `0-3, 5`.
fn ranges(cores: &[CoreId]) -> String {
    let mut parts: Vec<(u16, u16)> = Vec::new();
    for core in cores.iter().map(|core| core.get()) {
        match parts.last_mut() {
            Some((_, last)) if u32::from(*last) + 1 == u32::from(core) => *last = core,
            _ => parts.push((core, core)),
        }
    }
    let words = parts.iter().map(|&(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_over_which_times_it_holds_and_what_is_reserved() {
        let text = "<schedulerconfig>
          <cpumultiplexor tag='m' core='0' algorithm='propshare.round-robin'/>
          <resourcescheduler resource='resource.thread' algorithm='fifo'>
            <cpumultiplexor tag='m'/> </resourcescheduler>
          <resourcescheduler resource='resource.drwr' algorithm='deadline.cbs' metric='bytes'>
            <cpumultiplexor tag='m' share='5'/> </resourcescheduler>
          <activity name='a' share='94'> <entitlement resource='resource.drwr'
            reservation='20 MB/s' period='100 ms'/> </activity>
          <activity name='b' share='1'/>
        </schedulerconfig>";
        let config = vortex_config::parse(text).unwrap();
        let table = table(&config, &vortex_config::analyse(&config));
        for part in [
            "over rounds of 515 ms",
            "reserved: 2 MB in each 100 ms, given the time for it",
            "all, at work in resource.thread",
        ] {
            assert!(table.contains(part), "{part} is not in:\n{table}");
        }
    }

    #[test]
    fn cores_in_a_row_are_one_range() {
        let cores = [0, 1, 2, 5, 7, 8].map(CoreId::new);
        assert_eq!(ranges(&cores), "0-2, 5, 7-8");
    }
}
