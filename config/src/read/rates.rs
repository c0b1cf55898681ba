//! Reservations and limits that cannot both be, or not all.

use alloc::collections::BTreeMap;
use alloc::format;

use vortex_units::CoreId;

use super::element::Reader;
use crate::{Activity, Config, Metric, ResourceIndex};

/// All the time that there is, in microseconds a second.
pub(super) const ALL: u64 = 1_000_000;
/// What of a core's may be reserved: the rest is for those who have nothing reserved, as the
/// infrastructure.
pub(super) const OF_A_CORE: u64 = 950_000;

/// What is reserved of a resource's time on a core, or of the core's, by all activities so far.
#[derive(Default)]
pub(super) struct Rates(BTreeMap<(Option<ResourceIndex>, CoreId), u64>);

impl Rates {
    /// Looks at an activity's.
    pub(super) fn judge(&mut self, reader: &mut Reader<'_>, activity: &Activity, config: &Config) {
        for (index, scheduler) in config.resources.iter().enumerate() {
            let Ok(index) = u32::try_from(index).map(ResourceIndex) else { return };
            let (name, timed) = (format!("'{}'", scheduler.resource), is_time(&scheduler.metric));
            for &core in &scheduler.cores {
                let of = Of { resource: Some(index), core, name: &name, most: ALL };
                self.at(reader, activity, &of, timed);
            }
        }
        for multiplexor in &config.multiplexors {
            let (core, name) = (multiplexor.core, format!("'{}'", multiplexor.tag));
            let of = Of { resource: None, core, name: &name, most: OF_A_CORE };
            self.at(reader, activity, &of, is_time(&multiplexor.metric));
        }
    }

    fn at(&mut self, reader: &mut Reader<'_>, activity: &Activity, of: &Of<'_>, timed: bool) {
        let Of { resource, core, name, most } = *of;
        let mut all = activity.entitlements.iter().filter(|it| it.resource == resource);
        let Some(place) = all.find(|it| it.reservation.or(it.limit).is_some()) else { return };
        let place = place.place;
        let reservation = activity.reservation_at(resource, core);
        let limit = resource.and_then(|resource| activity.limit_at(resource, core));
        if let (Some(least), Some(most)) = (reservation, limit)
            && least > most
        {
            let what = format!("more is reserved than the limit allows, on {core}");
            reader.flaw(place, what, "reservation ≤ limit");
        }
        let Some(reserved) = reservation.filter(|_| timed) else { return };
        let sum = self.0.entry((resource, core)).or_insert(0);
        let before = core::mem::replace(sum, sum.saturating_add(reserved.get()));
        if before <= most && *sum > most {
            let hundredths = *sum / 100;
            let what = format!(
                "reservations up to here are {}.{:02} % of the time of {name} on {core}",
                hundredths / 100,
                hundredths % 100
            );
            reader.flaw(place, what, format!("at most {} % together", most / 10_000));
        }
    }
}

/// A scheduler on a core.
struct Of<'a> {
    /// Which resource's; the core's own, if none's.
    resource: Option<ResourceIndex>,
    core: CoreId,
    name: &'a str,
    /// What may be reserved.
    most: u64,
}

pub(super) fn is_time(metric: &Metric) -> bool {
    matches!(metric, Metric::Cycles | Metric::ServiceTime)
}
