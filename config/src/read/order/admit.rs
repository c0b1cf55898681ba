//! Whether what an order says can be had beside all that there is.

use alloc::format;

use vortex_units::CoreId;

use super::{Judged, Refusal, wrong};
use crate::read::rates::{ALL, OF_A_CORE, is_time};
use crate::{Activity, ActivityIndex, Algorithm, At, Config, Metric, ResourceIndex, Source};

/// Whether all that is reserved can be had, with an activity as it would be.
pub(super) fn admit(
    config: &Config,
    (index, new): (ActivityIndex, &Activity),
    resource: Option<ResourceIndex>,
    cores: &[CoreId],
    metric: &Metric,
) -> Judged<()> {
    let most = if resource.is_some() { ALL } else { OF_A_CORE };
    for &core in cores {
        let reservation = new.reservation_at(resource, core);
        let limit = resource.and_then(|resource| new.limit_at(resource, core));
        if let (Some(least), Some(most)) = (reservation, limit)
            && least > most
        {
            let what = format!("more would be reserved than the limit allows, on {core}");
            return wrong(format!("{what}: expected reservation ≤ limit"));
        }
        let Some(own) = reservation.filter(|_| is_time(metric)) else { continue };
        let others = config.activities.iter().enumerate();
        let others = others.filter(|(place, _)| *place != index.index());
        let others = others.filter_map(|(_, other)| other.reservation_at(resource, core));
        let others = others.fold(0_u64, |sum, rate| sum.saturating_add(rate.get()));
        if others.saturating_add(own.get()) > most {
            let left = most.saturating_sub(others) / 100;
            return Err(Refusal::Full(format!(
                "others have reserved {}.{:02} % of {core}'s time there, of which {} % can be: at \
                 most {}.{:02} % is left",
                others / 10_000,
                others / 100 % 100,
                most / 10_000,
                left / 100,
                left % 100
            )));
        }
    }
    room_beneath(config, (index, new), resource)
}

/// Whether a limited scheduler carries what is reserved beneath it.
fn room_beneath(
    config: &Config,
    (index, new): (ActivityIndex, &Activity),
    resource: Option<ResourceIndex>,
) -> Judged<()> {
    let draws = resource.map_or(&[][..], |resource| config.draws_of(At::Resource(resource)));
    let buses = draws.iter().filter_map(|draw| match draw.from {
        Source::Scheduler(bus) => Some(bus),
        Source::Multiplexor(_) => None,
    });
    for bus in buses {
        let Some(limit) = config.schedulers.get(bus.index()).and_then(|bus| bus.limit) else {
            continue;
        };
        let before = config.reserved_beneath(bus, None);
        let now = config.reserved_beneath(bus, Some((index, new)));
        if now > limit.get() && now > before {
            let tag = config.schedulers.get(bus.index()).map_or("", |bus| bus.tag.as_str());
            return Err(Refusal::Full(format!(
                "'{tag}' carries {} a second, and {now} would be reserved beneath it",
                limit.get()
            )));
        }
    }
    Ok(())
}

/// Whether what activities have there beside shares means something to a policy too.
pub(super) fn kept(
    config: &Config,
    at: At,
    core: Option<CoreId>,
    policy: &Algorithm,
) -> Judged<()> {
    let resource = match at {
        At::Multiplexors => None,
        At::Resource(resource) => Some(resource),
        At::Scheduler(_) => return Ok(()),
    };
    let cores = core.map_or_else(|| config.cores_of(resource), |core| [core].into());
    for activity in &config.activities {
        let own = config.policy_of(policy, activity.group);
        for &core in &cores {
            let limit = resource.and_then(|resource| activity.limit_at(resource, core));
            let has = [
                (
                    "reservation",
                    activity.reservation_at(resource, core).is_some(),
                    own.uses_reservations,
                ),
                ("limit", limit.is_some(), own.uses_limits),
                ("period", activity.period_at(resource, core).is_some(), own.uses_periods),
            ];
            if let Some((knob, ..)) = has.into_iter().find(|(_, has, uses)| *has && !uses) {
                return wrong(format!(
                    "'{}' has a {knob} there on {core}, which {} does not keep: expected none \
                     ({knob} = none) before the policy is another",
                    activity.name, policy.name
                ));
            }
        }
    }
    Ok(())
}
