//! What an activity is to have: at one place, or everywhere.

use alloc::format;
use alloc::vec::Vec;

use vortex_units::CoreId;

use super::super::schedulers::Of;
use super::{Judged, Lines, Refusal, looked_at, or_none, share_and_priority, value, way, wrong};
use crate::{
    Activity, ActivityIndex, Algorithm, At, Change, Config, Known, Metric, ResourceIndex, THREAD,
    Terms,
};

/// Names of activities that are listed.
const LISTED: usize = 12;

/// The activity of this name.
fn find<'c>(config: &'c Config, name: &str) -> Judged<(ActivityIndex, &'c Activity)> {
    let found = config.activities.iter().enumerate().find(|(_, own)| own.name == name);
    if let Some((place, activity)) = found {
        return Ok((ActivityIndex(u32::try_from(place).unwrap_or(0)), activity));
    }
    let all: Vec<_> = config.activities.iter().take(LISTED).map(|it| it.name.as_str()).collect();
    let more = match config.activities.len().saturating_sub(LISTED) {
        0 => "".into(),
        more => format!(" and {more} others"),
    };
    let (name, all) = (super::super::names::short(name), all.join(", "));
    Err(Refusal::NoActivity(format!("there is no activity '{name}'; there are {all}{more}")))
}

/// The policies by which a scheduler deals with an activity on the cores that are meant.
fn policies<'c>(
    config: &'c Config,
    activity: &Activity,
    resource: Option<ResourceIndex>,
    cores: &[CoreId],
) -> Vec<&'c Algorithm> {
    let of = |algorithm| config.policy_of(algorithm, activity.group);
    match resource.and_then(|index| config.resources.get(index.index())) {
        Some(scheduler) => [of(&scheduler.algorithm)].into(),
        None => {
            let all = cores.iter().filter_map(|core| config.multiplexor(*core));
            all.map(|multiplexor| of(&multiplexor.algorithm)).collect()
        }
    }
}

/// Whose scheduler it is that deals with an activity by this policy.
fn of<'c>(config: &'c Config, at: At, activity: &Activity, policy: &Algorithm) -> Of<'c> {
    let group = activity.group.and_then(|group| config.groups.get(group.index()));
    match at {
        _ if group.is_some_and(|group| group.algorithm == *policy) => Of::Group,
        At::Multiplexors => Of::Core,
        At::Scheduler(_) => Of::Schedulers,
        At::Resource(index) => {
            Of::Resource(config.resources.get(index.index()).map_or("", |it| &it.resource))
        }
    }
}

/// What an activity is to have at a scheduler.
pub(super) fn terms(
    config: &Config,
    known: &Known,
    lines: &Lines<'_>,
    (name, at, core): (&str, At, Option<CoreId>),
) -> Judged<Change> {
    let of_terms =
        ["activity", "at", "core", "share", "priority", "reservation", "limit", "period"];
    lines.only(&of_terms)?;
    let (index, activity) = find(config, name)?;
    let resource = match at {
        At::Multiplexors => None,
        At::Resource(resource) => Some(resource),
        At::Scheduler(_) => {
            let what = "the clients there are resources, not activities: expected a resource, or \
                        no activity";
            return wrong(what);
        }
    };
    let cores = core.map_or_else(|| config.cores_of(resource), |core| [core].into());
    let policies = policies(config, activity, resource, &cores);
    let metric = match resource.and_then(|index| config.resources.get(index.index())) {
        Some(scheduler) => scheduler.metric.clone(),
        None => {
            let first = cores.first().and_then(|core| config.multiplexor(*core));
            first.map_or(Metric::Cycles, |multiplexor| multiplexor.metric.clone())
        }
    };
    let uses = |knob: &str, looks: fn(&Algorithm) -> bool| {
        let each = policies.iter().map(|policy| (*policy, of(config, at, activity, policy)));
        looked_at(known, knob, each, looks)
    };
    let (share, priority) = share_and_priority(known, lines, uses)?;
    let mut terms = Terms { share, priority, ..Terms::default() };
    if let Some(field) = lines.field("reservation") {
        terms.reservation = Some(or_none(&field, || {
            uses("reservation", |policy| policy.uses_reservations)?;
            value(known, |reader| reader.rate(&field, &metric))
        })?);
    }
    if let Some(field) = lines.field("limit") {
        terms.limit = Some(or_none(&field, || {
            uses("limit", |policy| policy.uses_limits)?;
            if resource.is_none() {
                let what = "what an activity asks of resources no limit at a multiplexor holds \
                            back: expected a limit at a resource";
                return wrong(what);
            }
            let limit = value(known, |reader| reader.rate(&field, &metric))?;
            way::lets_through(index, activity, &metric, limit)?;
            Ok(limit)
        })?);
    }
    if let Some(field) = lines.field("period") {
        terms.period = Some(or_none(&field, || {
            uses("period", |policy| policy.uses_periods)?;
            value(known, |reader| reader.period(&field))
        })?);
    }
    if terms == Terms::default() {
        return wrong(
            "what is to be is not said: a share, a priority, a reservation, a limit or a period",
        );
    }
    Ok(Change::Terms { activity: index, resource, core, terms })
}

/// What an activity is to have everywhere.
pub(super) fn everywhere(config: &Config, known: &Known, lines: &Lines<'_>) -> Judged<Change> {
    let Some(name) = lines.get("activity") else {
        return wrong("everywhere only activities have anything: expected a scheduler's name");
    };
    let apart = ["core", "reservation", "limit", "period"];
    if let Some(knob) = apart.into_iter().find(|knob| lines.get(knob).is_some()) {
        let what = match knob {
            "core" => "one core is not everywhere".into(),
            knob => format!("a {knob} is of one place, in what that counts"),
        };
        return wrong(format!("{what}: expected cpu or a resource instead of all"));
    }
    lines.only(&["activity", "at", "share", "priority"])?;
    let (index, activity) = find(config, name)?;
    let uses = |knob: &str, looks: fn(&Algorithm) -> bool| -> Judged<()> {
        let resources = config.resources.iter().filter(|own| own.resource != THREAD);
        let all = config.multiplexors.iter().map(|own| &own.algorithm);
        let mut all = all.chain(resources.map(|own| &own.algorithm));
        if all.any(|policy| looks(config.policy_of(policy, activity.group))) {
            return Ok(());
        }
        wrong(format!(
            "no scheduler of which activities are clients uses '{knob}': expected no {knob}, or an \
             algorithm that has any"
        ))
    };
    let (share, priority) = share_and_priority(known, lines, uses)?;
    if share == Some(None) && index == ActivityIndex::INFRASTRUCTURE {
        return wrong("what the infrastructure's share is to be is not said: expected a number");
    }
    if share.is_none() && priority.is_none() {
        return wrong("what is to be is not said: a share or a priority");
    }
    Ok(Change::Everywhere { activity: index, share, priority })
}
