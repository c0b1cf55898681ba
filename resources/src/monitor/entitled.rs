//! What activities are entitled to now, as a sample tells it.

use alloc::vec::Vec;

use vortex_abi::performance::{Entitled, PROCESSORS};
use vortex_grid::{Activities, MULTIPLEXOR, Reach};
use vortex_units::ActivityId;

use super::resource::{Monitor, number};

impl Monitor {
    /// What these of all activities are entitled to at the first core's multiplexor, and at the
    /// resources where that is something else. Parts of activities are not told of.
    pub(super) fn entitled(
        &self,
        living: &[ActivityId],
        shown: &[u32],
        all: &Activities,
    ) -> Vec<Entitled> {
        let Some(core) = self.first_core() else { return Vec::new() };
        let mut told = Vec::new();
        let whole = |activity: &&ActivityId| {
            shown.contains(&number(**activity)) && all.part_of(**activity).is_none()
        };
        for activity in living.iter().filter(whole) {
            let Some(entitlement) = all.entitlement(*activity) else { continue };
            let usual = entitlement.share_at(MULTIPLEXOR, core);
            let mut tell = |resource: &str, hundredths| {
                told.push(Entitled {
                    activity: number(*activity),
                    resource: resource.into(),
                    hundredths,
                });
            };
            tell(PROCESSORS, usual.hundredths());
            if entitlement.at.is_empty() {
                continue;
            }
            for (place, (name, reach)) in self.classes.iter().enumerate() {
                // The first of a name counts, as where shares are changed.
                let known = self.classes.iter().take(place).any(|(other, _)| other == name);
                let Reach::At(class) = reach else { continue };
                let share = entitlement.share_at(*class, core);
                if !known && share != usual {
                    tell(name, share.hundredths());
                }
            }
        }
        told
    }
}
