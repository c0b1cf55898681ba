//! Reservations and limits that cannot both be, or not all.

use alloc::collections::BTreeMap;
use alloc::format;

use vortex_units::CoreId;

use super::element::Reader;
use crate::{Activity, Config, Metric, ResourceIndex};

/// All the time that there is, in microseconds a second.
const ALL: u64 = 1_000_000;

/// What is reserved of a resource's time on a core, by all activities so far.
#[derive(Default)]
pub(super) struct Rates(BTreeMap<(ResourceIndex, CoreId), u64>);

impl Rates {
    /// Looks at an activity's.
    pub(super) fn judge(&mut self, reader: &mut Reader<'_>, activity: &Activity, config: &Config) {
        for (index, scheduler) in config.resources.iter().enumerate() {
            let Ok(index) = u32::try_from(index).map(ResourceIndex) else { return };
            let all = || activity.entitlements.iter().filter(|it| it.resource == Some(index));
            let Some(place) = all().find(|it| it.reservation.or(it.limit).is_some()) else {
                continue;
            };
            let place = place.place;
            for &core in &scheduler.cores {
                let reservation = activity.reservation_at(index, core);
                let limit = activity.limit_at(index, core);
                if let (Some(least), Some(most)) = (reservation, limit)
                    && least > most
                {
                    let what = format!("more is reserved than the limit allows, on {core}");
                    reader.flaw(place, what, "reservation ≤ limit");
                }
                let Some(reserved) = reservation else { continue };
                if !matches!(scheduler.metric, Metric::Cycles | Metric::ServiceTime) {
                    continue;
                }
                let sum = self.0.entry((index, core)).or_insert(0);
                let before = core::mem::replace(sum, sum.saturating_add(reserved.get()));
                if before <= ALL && *sum > ALL {
                    let (name, hundredths) = (&scheduler.resource, *sum / 100);
                    let what = format!(
                        "reservations up to here are {}.{:02} % of the time of '{name}' on {core}",
                        hundredths / 100,
                        hundredths % 100
                    );
                    reader.flaw(place, what, "at most 100 % together");
                }
            }
        }
    }
}
