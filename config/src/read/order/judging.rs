//! An order held against what all activities have, in steps.
//!
//! # Invariants
//! The configuration is the same from the first step to the last: whoever judges begins anew with
//! another.

use alloc::format;
use alloc::vec::Vec;

use super::spots::Spot;
use super::{Judged, Refusal, way};
use crate::{Activity, ActivityIndex, At, Change, Config, ResourceIndex, SchedulerIndex, Source};

/// An order that is read, and judged by and by.
#[derive(Clone, Debug)]
pub struct Judging {
    change: Change,
    /// The activity that it is about, as it would be.
    new: Option<(usize, Activity)>,
    spots: Vec<Spot>,
    buses: Vec<Bus>,
    /// The activity that is looked at next, and at which of all places.
    activity: usize,
    place: usize,
}

/// A scheduler between others that carries no more than its limit.
#[derive(Clone, Debug)]
struct Bus {
    index: SchedulerIndex,
    limit: u64,
    beneath: Vec<ResourceIndex>,
    /// What is reserved beneath it, and would be.
    before: u64,
    after: u64,
}

impl Judging {
    pub(super) fn new(config: &Config, change: Change) -> Self {
        let new = config.changed_activity(&change);
        let new = new.map(|(index, activity)| (index.index(), activity));
        let bus = |index: SchedulerIndex, limit: u64| Bus {
            index,
            limit,
            beneath: config.beneath(index).map(|(resource, _)| resource).collect(),
            before: 0,
            after: 0,
        };
        let buses = match &change {
            Change::Limit(index, Some(limit)) => [bus(*index, limit.get())].into(),
            Change::Terms { resource: Some(resource), terms, .. }
                if terms.reservation.is_some() =>
            {
                let draws = config.draws_of(At::Resource(*resource)).iter();
                let from = draws.filter_map(|draw| match draw.from {
                    Source::Scheduler(index) => Some(index),
                    Source::Multiplexor(_) => None,
                });
                let limited = from.filter_map(|index| {
                    let limit = config.schedulers.get(index.index())?.limit?;
                    Some(bus(index, limit.get()))
                });
                limited.filter(|bus| bus.beneath.contains(resource)).collect()
            }
            _ => Vec::new(),
        };
        let own = new.as_ref().map(|(index, own)| (*index, own));
        let spots = Spot::all(config, &change, own);
        Self { change, new, spots, buses, activity: 0, place: 0 }
    }

    /// Looks on, at about so many of the entries that activities have; whether all is looked at,
    /// and the order is sound.
    ///
    /// # Errors
    /// [`Refusal`], with what would be right.
    pub fn step(&mut self, config: &Config, most: usize) -> Result<bool, Refusal> {
        let mut left = most;
        while let Some(own) = config.activities.get(self.activity) {
            let new = self.new.as_ref().filter(|(index, _)| *index == self.activity);
            let new = new.map_or(own, |(_, new)| new);
            while self.place < self.spots.len() + self.buses.len() {
                // Each is looked for among what is said of the activity.
                let price = 8 + own.entitlements.len();
                if left < price && left < most {
                    return Ok(false);
                }
                left = left.saturating_sub(price);
                let place = self.place;
                self.place += 1;
                if let Some(spot) = self.spots.get_mut(place) {
                    spot.look(config, &self.change, (self.activity, own, new))?;
                } else if let Some(bus) = self.buses.get_mut(place - self.spots.len()) {
                    bus.look(config, own, new);
                }
            }
            (self.activity, self.place) = (self.activity + 1, 0);
            left = left.saturating_sub(1);
        }
        let new = self.new.as_ref().map(|(index, new)| (ActivityIndex(*index as u32), new));
        for spot in &self.spots {
            spot.judge(config, &self.change, new)?;
        }
        self.buses.iter().try_for_each(|bus| bus.judge(config, &self.change))?;
        Ok(true)
    }

    /// What it says.
    #[must_use]
    pub fn change(&self) -> &Change {
        &self.change
    }
}

impl Bus {
    fn look(&mut self, config: &Config, own: &Activity, new: &Activity) {
        let beneath = self.beneath.iter();
        let beneath: Vec<_> = beneath
            .filter_map(|index| Some((*index, config.resources.get(index.index())?)))
            .collect();
        self.before = self.before.saturating_add(own.reserved_at(&beneath));
        self.after = self.after.saturating_add(new.reserved_at(&beneath));
    }

    fn judge(&self, config: &Config, change: &Change) -> Judged<()> {
        let Some(bus) = config.schedulers.get(self.index.index()) else { return Ok(()) };
        let (tag, limit, reserved) = (&bus.tag, self.limit, self.after);
        let floor = way::floor(&bus.metric).filter(|_| way::bus_carries(config, self.index));
        let least = floor.map_or(0, |(least, _)| least);
        if matches!(change, Change::Limit(..)) {
            return match reserved.saturating_add(least) > limit && reserved > 0 {
                false => Ok(()),
                true => Err(Refusal::Full(format!(
                    "{reserved} a second are reserved beneath '{tag}': expected a limit of at \
                     least {}, or smaller reservations before",
                    reserved.saturating_add(least)
                ))),
            };
        }
        if reserved.saturating_add(least) > limit && reserved > self.before {
            let but = match floor {
                Some((_, text)) => format!(", of which {text} are for orders"),
                None => "".into(),
            };
            let left = limit.saturating_sub(self.before).saturating_sub(least);
            return Err(Refusal::Full(format!(
                "'{tag}' carries {limit} a second{but}, and {reserved} would be reserved beneath it: \
                 at most {left} more can be"
            )));
        }
        Ok(())
    }
}
