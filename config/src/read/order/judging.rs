//! An order held against what all activities have, in steps.
//!
//! # Invariants
//! The configuration is the same from the first step to the last: whoever judges begins anew with
//! another.

use alloc::format;
use alloc::vec::Vec;

use super::exchange::LookedAt;
use super::spots::{Case, Spot, Where};
use super::{Judged, Refusal, way};
use crate::{Activity, At, Change, Config, ResourceIndex, SchedulerIndex, Source};

/// What it takes to begin with a place.
const NEW: usize = 128;

/// An order that is read, and judged by and by.
#[derive(Clone, Debug)]
pub struct Judging {
    change: Change,
    /// The activity that it is about, as it would be.
    new: Option<(usize, Activity)>,
    /// Which schedulers between others carry orders.
    carrying: Vec<bool>,
    looked_at: Option<LookedAt>,
    places: Vec<Where>,
    buses: Vec<Bus>,
    /// The place that is looked at next, or now, and which activity there.
    place: usize,
    spot: Option<Spot>,
    activity: usize,
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
        let carrying = way::carrying(config);
        let places = Where::all(config, &change, &carrying);
        let looked_at = LookedAt::new(config, &change);
        let (place, spot, activity) = (0, None, 0);
        Self { change, new, carrying, looked_at, places, buses, place, spot, activity }
    }

    /// Looks on, at about so many of the entries that activities have; whether all is looked at,
    /// and the order is sound.
    ///
    /// # Errors
    /// [`Refusal`], with what would be right.
    pub fn step(&mut self, config: &Config, most: usize) -> Result<bool, Refusal> {
        let mut left = most;
        // One at least is looked at.
        let mut pay = |price: usize| {
            let can = left >= price || left >= most;
            left = if can { left.saturating_sub(price) } else { left };
            can
        };
        let new = self.new.as_ref().map(|(index, new)| (*index, new));
        let (carrying, looked_at) = (self.carrying.as_slice(), self.looked_at.as_ref());
        let case = Case { config, change: &self.change, new, carrying, looked_at };
        while let Some(at) = self.places.get(self.place) {
            let spot = match &mut self.spot {
                Some(spot) => spot,
                None if !pay(NEW) => return Ok(false),
                none => none.insert(Spot::new(case, *at)),
            };
            while let Some(own) = config.activities.get(self.activity) {
                if !spot.is_of_activities() {
                    break;
                }
                // Each place is looked for among what is said of the activity.
                if !pay(8 + own.entitlements.len()) {
                    return Ok(false);
                }
                let new = case.new.filter(|(index, _)| *index == self.activity);
                spot.look(case, (self.activity, own, new.map_or(own, |(_, new)| new)))?;
                self.activity += 1;
            }
            while let Some(price) = spot.next_price(case) {
                if !pay(price) {
                    return Ok(false);
                }
                spot.count_next(case);
            }
            spot.judge(case)?;
            self.places.extend(spot.others(config));
            (self.place, self.spot, self.activity) = (self.place + 1, None, 0);
        }
        while let Some(bus) = self.buses.get_mut(self.place - self.places.len()) {
            while let Some(own) = config.activities.get(self.activity) {
                if !pay(8 + own.entitlements.len()) {
                    return Ok(false);
                }
                let new = case.new.filter(|(index, _)| *index == self.activity);
                bus.look(config, own, new.map_or(own, |(_, new)| new));
                self.activity += 1;
            }
            bus.judge(config, &self.change)?;
            (self.place, self.activity) = (self.place + 1, 0);
        }
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
