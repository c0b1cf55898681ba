//! What was said of places, by the configuration or by an order since, and holds now: shares and
//! priorities that are not the usual, reservations, limits, and by which policies is decided.

use serde::Serialize;
use vortex_abi::performance::{Counts, Entitled, PROCESSORS, Said, Sample, Scheduling};

use super::figures::name;
use crate::human;
use crate::table::{Align, Table};

use Align::{Left, Right};

/// What an activity has at a place, where that is not what it has everywhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Apart {
    /// Whose.
    pub activity: String,
    /// Where: a resource, or the processors.
    pub at: String,
    /// On this core; all others where it is none.
    pub core: Option<u16>,
    /// Its share.
    pub share: Option<f64>,
    /// Its priority.
    pub priority: Option<u32>,
    /// What is reserved for it.
    pub reserved: Option<String>,
    /// What it has at most.
    pub limited: Option<String>,
    /// Within what time it is served.
    pub within: Option<String>,
}

/// A scheduler.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Decides {
    /// A resource, the processors, or the tag of one between others.
    pub site: String,
    /// On this core; all others where it is none.
    pub core: Option<u16>,
    /// Its policy.
    pub policy: String,
    /// What it counts.
    pub metric: String,
    /// What all its clients have together at most.
    pub limited: Option<String>,
    /// Its share where it requests time.
    pub share: Option<f64>,
    /// Its priority there.
    pub priority: Option<u32>,
}

fn units(hundredths: u32) -> f64 {
    f64::from(hundredths) / 100.0
}

fn rate(said: &Said, at: &str, amount: u64) -> String {
    match said.counts(at) {
        // Microseconds of a second.
        Counts::Time => format!("{} %", amount as f64 / 10_000.0),
        Counts::Bytes => human::bytes(amount) + "/s",
        Counts::Requests => format!("{amount} /s"),
        Counts::Else => format!("{amount} a second"),
    }
}

/// What activities have apart.
pub fn apart(sample: &Sample) -> Vec<Apart> {
    let mut rows: Vec<Apart> = Vec::new();
    let mut row = |activity: u32, at: &str, core: Option<u16>| -> usize {
        let activity = name(sample, activity);
        let is = |own: &Apart| own.activity == activity && own.at == at && own.core == core;
        let found = rows.iter().position(is);
        found.unwrap_or_else(|| {
            rows.push(Apart { activity, at: at.into(), core, ..Apart::default() });
            rows.len() - 1
        })
    };
    let mut places = Vec::new();
    for of in &sample.entitled {
        let Entitled { activity, resource, core, hundredths, priority } = of;
        let is_usual = resource == PROCESSORS && core.is_none();
        if is_usual && *priority == 0 {
            continue;
        }
        let share = (!is_usual).then(|| units(*hundredths));
        places.push((row(*activity, resource, *core), share, Some(*priority)));
    }
    let mut more = Vec::new();
    for of in &sample.said.reserved {
        more.push((row(of.activity, &of.resource, of.core), of));
    }
    for (place, share, priority) in places {
        if let Some(row) = rows.get_mut(place) {
            (row.share, row.priority) = (share, priority.filter(|priority| *priority > 0));
        }
    }
    for (place, of) in more {
        let Some(row) = rows.get_mut(place) else { continue };
        let rate = |amount: u64| rate(&sample.said, &of.resource, amount);
        row.reserved = of.reservation.map(rate);
        row.limited = of.limit.map(rate);
        row.within = of.period.map(|period| human::nanos(period as f64 * 1e3));
    }
    rows
}

/// All schedulers.
pub fn decides(said: &Said) -> Vec<Decides> {
    let one = |of: &Scheduling| Decides {
        site: of.site.to_string(),
        core: of.core,
        policy: of.policy.to_string(),
        metric: of.metric.to_string(),
        limited: of.limit.map(|limit| rate(said, &of.site, limit)),
        share: of.share.map(units),
        priority: of.priority,
    };
    said.schedulers.iter().map(one).collect()
}

/// Those of them that are not as in a file: the kernel's own are where a file does not name them.
pub fn changed<'a>(now: &'a [Decides], file: &[Decides]) -> Vec<&'a Decides> {
    let is_kernels = |own: &Decides| {
        let nothing = (own.limited.is_none(), own.share.is_none(), own.priority.is_none());
        own.policy == "propshare.wfq"
            && nothing == (true, true, true)
            && !file.iter().any(|other| other.site == own.site)
    };
    now.iter().filter(|own| !file.contains(own) && !is_kernels(own)).collect()
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

fn short(site: &str) -> String {
    match site {
        PROCESSORS => "cpu".into(),
        site => site.strip_prefix("resource.").unwrap_or(site).into(),
    }
}

fn on(core: Option<u16>) -> String {
    core.map_or_else(|| "all".into(), |core| core.to_string())
}

/// The table of what activities have apart; empty where that is nothing.
pub fn apart_table(rows: &[Apart]) -> Table {
    let columns = [
        ("activity", Left),
        ("at", Left),
        ("core", Right),
        ("share", Right),
        ("priority", Right),
        ("reserved", Right),
        ("at most", Right),
        ("within", Right),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        table.row([
            row.activity.clone(),
            short(&row.at),
            on(row.core),
            or_dash(row.share),
            or_dash(row.priority),
            or_dash(row.reserved.as_ref()),
            or_dash(row.limited.as_ref()),
            or_dash(row.within.as_ref()),
        ]);
    }
    table
}

/// The table of schedulers.
pub fn schedulers_table<'a>(rows: impl IntoIterator<Item = &'a Decides>) -> Table {
    let columns = [
        ("scheduler", Left),
        ("core", Right),
        ("policy", Left),
        ("counts", Left),
        ("at most", Right),
        ("own share", Right),
        ("own priority", Right),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        table.row([
            short(&row.site),
            on(row.core),
            row.policy.clone(),
            row.metric.clone(),
            or_dash(row.limited.as_ref()),
            or_dash(row.share),
            or_dash(row.priority),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vortex_abi::performance::Reserved;

    use super::*;

    #[test]
    fn what_was_said_of_a_place_is_shown_with_it() {
        let entitled = |resource: &str, core, hundredths, priority| Entitled {
            activity: 2,
            resource: resource.into(),
            core,
            hundredths,
            priority,
        };
        let reserved = |resource: &str, core, reservation, limit, period| Reserved {
            activity: 2,
            resource: resource.into(),
            core,
            reservation,
            limit,
            period,
        };
        let scheduler = |site: &str, core, policy: &str, metric: &str| Scheduling {
            site: site.into(),
            core,
            policy: policy.into(),
            metric: metric.into(),
            ..Scheduling::default()
        };
        let said = Said {
            reserved: vec![
                reserved(PROCESSORS, Some(1), Some(305_000), None, Some(20_000)),
                reserved("resource.dwr", None, None, Some(4_000_000), None),
            ],
            schedulers: vec![
                scheduler(PROCESSORS, Some(1), "deadline.cbs", "cycles"),
                scheduler("resource.dwr", None, "reserve.mclock", "bytes"),
                scheduler("resource.tcp", None, "propshare.wfq", "cycles"),
            ],
        };
        let sample = Sample {
            names: vec![(2, "web".into())],
            entitled: vec![
                entitled(PROCESSORS, None, 3_300, 0),
                entitled(PROCESSORS, Some(1), 2_000, 0),
                entitled("resource.tcp", None, 50, 4),
            ],
            said: Arc::new(said),
            ..Sample::default()
        };
        let text = apart_table(&apart(&sample)).render();
        let lines: Vec<Vec<&str>> =
            text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines,
            [
                vec!["web", "cpu", "1", "20", "-", "30.5", "%", "-", "20.00", "ms"],
                vec!["web", "tcp", "all", "0.5", "4", "-", "-", "-"],
                vec!["web", "dwr", "all", "-", "-", "-", "4.00", "MB/s", "-"],
            ],
            "{text}"
        );
        let now = decides(&sample.said);
        let file = [Decides { policy: "propshare.wfq".into(), ..now[0].clone() }];
        let sites: Vec<_> = changed(&now, &file).iter().map(|own| own.site.as_str()).collect();
        assert_eq!(sites, [PROCESSORS, "resource.dwr"]);
        assert!(changed(&now, &now).is_empty());
        assert!(schedulers_table(&now).render().contains("reserve.mclock"));
    }
}
