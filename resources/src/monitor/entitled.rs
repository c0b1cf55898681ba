//! What activities are entitled to now, as a sample tells it.

use alloc::vec::Vec;

use vortex_abi::performance::{Entitled, PROCESSORS};
use vortex_grid::{Activities, Class, Entitlement, MULTIPLEXOR, Reach};
use vortex_units::{ActivityId, CoreId};

use super::resource::{Monitor, number};

impl Monitor {
    /// What these of all activities are entitled to at the multiplexors, and at the resources where
    /// that is something else; and on which cores that is not the same. Parts of activities are not
    /// told of.
    pub(super) fn entitled(
        &self,
        living: &[ActivityId],
        shown: &[u32],
        all: &Activities,
    ) -> Vec<Entitled> {
        let mut told = Vec::new();
        let whole = |activity: &&ActivityId| {
            shown.contains(&number(**activity)) && all.part_of(**activity).is_none()
        };
        for activity in living.iter().filter(whole) {
            let Some(entitlement) = all.entitlement(*activity) else { continue };
            let places = self.places(&entitlement);
            tell(&entitlement, number(*activity), &places, self.cores(), &mut told);
        }
        told
    }

    /// The kinds of resources of which an entitlement says something, with their names.
    fn places(&self, entitlement: &Entitlement) -> Vec<(&str, Class)> {
        let is_said = |class| entitlement.at.iter().any(|row| row.class == class);
        let places = self.classes.iter().enumerate().filter_map(|(place, (name, reach))| {
            // The first of a name counts, as where shares are changed.
            let known = self.classes.iter().take(place).any(|(other, _)| other == name);
            let Reach::At(class) = *reach else { return None };
            let told = class != MULTIPLEXOR && is_said(class) && !known;
            told.then_some((name.as_str(), class))
        });
        match entitlement.at.iter().any(|row| row.class != MULTIPLEXOR) {
            true => places.collect(),
            false => Vec::new(),
        }
    }
}

/// Tells what an activity is entitled to: at the multiplexors, and in these places.
fn tell(
    entitlement: &Entitlement,
    activity: u32,
    places: &[(&str, Class)],
    cores: impl Iterator<Item = CoreId> + Clone,
    told: &mut Vec<Entitled>,
) {
    let at = |class, core| {
        (entitlement.share_at(class, core).hundredths(), entitlement.priority_at(class, core))
    };
    let Some(first) = cores.clone().next() else { return };
    let usual = at(MULTIPLEXOR, first);
    let mut row = |resource: &str, core: Option<CoreId>, (hundredths, priority)| {
        let (resource, core) = (resource.into(), core.map(CoreId::get));
        told.push(Entitled { activity, resource, core, hundredths, priority });
    };
    row(PROCESSORS, None, usual);
    for core in cores.clone().skip(1).filter(|core| at(MULTIPLEXOR, *core) != usual) {
        row(PROCESSORS, Some(core), at(MULTIPLEXOR, core));
    }
    for &(name, class) in places {
        let on_first = at(class, first);
        if on_first != usual {
            row(name, None, on_first);
        }
        for core in cores.clone().skip(1).filter(|core| at(class, *core) != on_first) {
            row(name, Some(core), at(class, core));
        }
    }
}

#[cfg(test)]
mod tests {
    use vortex_grid::EntitlementAt;
    use vortex_units::Share;

    use super::*;

    #[test]
    fn what_holds_on_one_core_is_told_of_that_one() {
        let share = |units| Share::from_units(units).unwrap();
        let row = |class, core: Option<u16>, units, priority| EntitlementAt {
            class,
            core: core.map(CoreId::new),
            share: Some(share(units)),
            priority,
            reservation: None,
            limit: None,
            period: None,
        };
        let mut entitlement = Entitlement::new(share(50));
        entitlement.at = [
            row(MULTIPLEXOR, Some(0), 20, Some(1)),
            row(MULTIPLEXOR, Some(1), 20, Some(2)),
            row(MULTIPLEXOR, Some(2), 20, Some(1)),
            row(Class(4), Some(1), 7, None),
            row(Class(5), None, 9, None),
            row(Class(5), Some(2), 8, None),
        ]
        .into();
        let mut told = Vec::new();
        let cores = [0, 1, 2].map(CoreId::new).into_iter();
        let places = [("resource.fcr", Class(4)), ("resource.tcp", Class(5))];
        tell(&entitlement, 3, &places, cores, &mut told);
        let told: Vec<_> = told
            .iter()
            .map(|row| (row.resource.as_str(), row.core, row.hundredths, row.priority))
            .collect();
        assert_eq!(
            told,
            [
                (PROCESSORS, None, 2_000, 1),
                (PROCESSORS, Some(1), 2_000, 2),
                ("resource.fcr", None, 5_000, 0),
                ("resource.fcr", Some(1), 700, 0),
                ("resource.tcp", None, 900, 0),
                ("resource.tcp", Some(2), 800, 0),
            ]
        );
    }
}
