//! A policy is exchanged on this core, between two decisions (`change.rs`).
//!
//! # Invariants
//! - No turn is open: no policy is owed a record, and nobody is chosen and not settled.
//! - All clients are added before one of them goes on, and all go on before one is ready: what a
//!   policy makes of either depends on who else is there. Of more than a run may move (law 5) they
//!   come by and by (`moving.rs`).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_units::ActivityId;

use super::Core;
use super::moving::{Doing, Mover, Moving, Who};
use crate::carried::Carried;
use crate::change::{News, Site, Word};
use crate::entitlement::{Class, MULTIPLEXOR};
use crate::instance::Parent;
use crate::level::Child;
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::{ClientId, ClientParams, Scheduler};
use crate::standing::Standing;
use crate::sync::Ordering;

/// Where clients are on their way from one policy to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A resource's scheduler.
    Slot(usize),
    /// A multiplexor, or a bus.
    Level(usize),
}

impl<M: Message, P: Machine> Core<M, P> {
    /// Does as a word says, on the bill of who has said it.
    #[cold]
    pub(super) fn heed(&mut self, word: Word, payer: ActivityId) {
        self.account_turn();
        let began = self.machine.now();
        match (word.site, word.news) {
            (Site::Multiplexors, News::Policy(policy)) => self.renew_level(0, &policy, payer),
            (Site::Bus(bus), News::Policy(policy)) => self.renew_level(bus + 1, &policy, payer),
            (Site::Resource(class), News::Policy(policy)) => {
                for slot in self.slots.places_of(|slot| slot.instance.class == class) {
                    self.renew_slot(slot, &policy, payer);
                }
            }
            (Site::Resource(class), News::Standing(standing)) => {
                for slot in self.slots.places_of(|slot| slot.instance.class == class) {
                    let entry = self.slots.get(slot).filter(|entry| !entry.is_activitys_own);
                    if let Some(parent) = entry.map(|entry| entry.parent) {
                        self.restand(parent, standing);
                    }
                }
            }
            (Site::Bus(bus), News::Standing(standing)) => {
                if let Some(parent) = self.levels.get(bus + 1).and_then(|level| level.parent) {
                    self.restand(parent, standing);
                }
            }
            (Site::Multiplexors, News::Standing(_)) => {}
        }
        self.longest_change = self.longest_change.max(self.machine.now() - began);
        if self.grid.activities().takes_bills(payer) {
            self.worked_for(payer);
        }
    }

    fn restand(&mut self, (level, client): (usize, ClientId), standing: Standing) {
        let now = self.ledger.last();
        if let Some(level) = self.levels.get_mut(level) {
            level.scheduler.client_reweighed(client, &standing.into(), now);
        }
    }

    /// The policy of a resource.
    fn renew_slot(&mut self, slot: usize, policy: &Arc<dyn Scheduler>, payer: ActivityId) {
        let Some(entry) = self.slots.get(slot) else { return };
        let class = entry.instance.class;
        let holders = entry.clients.holders.iter().enumerate();
        let movers = holders.filter_map(|(index, holder)| {
            let holder = holder.as_ref()?;
            let doing = match holder.told {
                _ if holder.suspended || holder.starved => Doing::Suspended,
                true if holder.indebted => Doing::Suspended,
                true => Doing::Ready,
                false => Doing::Nothing,
            };
            let client = ClientId::new(u32::try_from(index).ok()?);
            Some(Mover { client, who: Who::Activity(holder.activity), doing })
        });
        let movers: Vec<Mover> = movers.collect();
        let (next, runs_on) = (policy.init_core(self.id), policy.allows_run_on());
        let (now, params) = (self.ledger.last(), self.params_at(class));
        let Some(entry) = self.slots.get_mut(slot) else { return };
        entry.runs_on = entry.parent.0 == 0 && (entry.is_activitys_own || runs_on);
        let place = Place::Slot(slot);
        let is_moving =
            Moving::begin((&mut entry.scheduler, &mut entry.carried), next, movers, params, now);
        self.note_moving(place, is_moving, payer);
        self.ask_again(slot);
    }

    /// The policy of a multiplexor, or of a bus.
    fn renew_level(&mut self, index: usize, policy: &Arc<dyn Scheduler>, payer: ActivityId) {
        let Some(level) = self.levels.get(index) else { return };
        let children = level.children.iter().enumerate();
        let movers = children.filter_map(|(index, child)| {
            let client = ClientId::new(u32::try_from(index).ok()?);
            let told = |told| if told { Doing::Ready } else { Doing::Nothing };
            let (who, doing) = match child {
                Child::Nobody => return None,
                Child::Slot(slot) => {
                    let entry = self.slots.get(*slot)?;
                    let own = self.standing_of(*slot)?;
                    (Who::Standing(own), told(entry.told))
                }
                Child::Level(below) => {
                    let own = self.standing_of_bus(below.checked_sub(1)?)?;
                    (Who::Standing(own), told(self.levels.get(*below)?.told))
                }
                Child::Activity { ready, instances, suspended, activity, waiting, .. } => {
                    let idle = ready.is_empty() && waiting.is_empty();
                    let stopped = waiting.is_empty() && *suspended > 0 && suspended == instances;
                    let doing = if stopped { Doing::Suspended } else { told(!idle) };
                    (Who::Activity(*activity), doing)
                }
            };
            Some(Mover { client, who, doing })
        });
        let movers: Vec<Mover> = movers.collect();
        let next = policy.init_core(self.id);
        let (now, params) = (self.ledger.last(), self.params_at(MULTIPLEXOR));
        let Some(level) = self.levels.get_mut(index) else { return };
        level.delayed = false;
        let place = Place::Level(index);
        let is_moving =
            Moving::begin((&mut level.scheduler, &mut level.carried), next, movers, params, now);
        self.note_moving(place, is_moving, payer);
        self.refresh_level(index);
    }

    /// What activities are entitled to at schedulers of a kind on this core, whenever it is asked.
    fn params_at(&self, class: Class) -> Box<dyn Fn(ActivityId) -> ClientParams + Send> {
        let (grid, core) = (self.grid.clone(), self.id);
        Box::new(move |activity| grid.activities().params(activity, class, core))
    }

    /// Notes whether clients are still on their way at a place, and who pays for that.
    fn note_moving(&mut self, place: Place, is_moving: bool, payer: ActivityId) {
        self.moving.retain(|(other, _)| *other != place);
        if is_moving {
            self.moving.push((place, payer));
            self.post.attention.store(true, Ordering::Release);
        }
    }

    /// Moves some of those who are on their way to another policy.
    pub(super) fn move_on(&mut self) {
        if let Some((place, payer)) = self.moving.pop() {
            self.account_turn();
            self.move_some(place, payer);
            if !self.moving.is_empty() {
                self.post.attention.store(true, Ordering::Release);
            }
            if self.grid.activities().takes_bills(payer) {
                self.worked_for(payer);
            }
        }
    }

    #[cold]
    fn move_some(&mut self, place: Place, payer: ActivityId) {
        let (began, now) = (self.machine.now(), self.ledger.last());
        let (scheduler, carried) = match place {
            Place::Slot(slot) => match self.slots.get_mut(slot) {
                Some(entry) => (&mut entry.scheduler, &mut entry.carried),
                None => return,
            },
            Place::Level(index) => match self.levels.get_mut(index) {
                Some(level) => (&mut level.scheduler, &mut level.carried),
                None => return,
            },
        };
        match scheduler.move_on(now) {
            Some(moved) => {
                *scheduler = moved.policy;
                *carried = Carried::of_all(moved.consumed);
            }
            None => self.moving.push((place, payer)),
        }
        match place {
            Place::Slot(slot) => self.ask_again(slot),
            Place::Level(index) => self.refresh_level(index),
        }
        self.longest_change = self.longest_change.max(self.machine.now() - began);
    }

    /// Asks the policy of a slot again, which may be able to decide sooner than it has said.
    pub(super) fn ask_again(&mut self, slot: usize) {
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.delayed = false;
        }
        self.refresh_slot(slot);
    }

    /// How a slot stands where it requests time; nothing of one that is its activity's own.
    fn standing_of(&self, slot: usize) -> Option<Standing> {
        let instance = &self.slots.get(slot)?.instance;
        let written = match instance.parents.get(instance.place_of(self.id)?)? {
            Parent::Multiplexor(own) | Parent::Service(own) | Parent::Scheduler(_, own) => *own,
            Parent::Activity => return None,
        };
        let changed = self.grid.changes.standing(Site::Resource(instance.class), self.id);
        Some(changed.unwrap_or(written))
    }

    /// How a bus stands where it requests time.
    fn standing_of_bus(&self, bus: usize) -> Option<Standing> {
        let written = match self.grid.buses.get(bus)?.parent {
            Parent::Multiplexor(own) | Parent::Service(own) | Parent::Scheduler(_, own) => own,
            Parent::Activity => return None,
        };
        Some(self.grid.changes.standing(Site::Bus(bus), self.id).unwrap_or(written))
    }
}
