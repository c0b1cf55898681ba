//! A policy is exchanged on this core, between two decisions (`change.rs`).
//!
//! # Invariants
//! - No turn is open: no policy is owed a record, and nobody is chosen and not settled.
//! - All clients are added before one of them goes on, and all go on before one is ready: what a
//!   policy makes of either depends on who else is there.

use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_units::ActivityId;

use super::Core;
use crate::carried::Carried;
use crate::change::{News, Site, Word};
use crate::instance::Parent;
use crate::level::Child;
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::{ClientId, ClientParams, Scheduler, SchedulerCore};
use crate::standing::Standing;

/// What a client is doing when its policy is exchanged.
enum Doing {
    Nothing,
    Ready,
    Suspended,
}

/// A client that goes from one policy to the other.
struct Mover {
    client: ClientId,
    params: ClientParams,
    doing: Doing,
}

impl<M: Message, P: Machine> Core<M, P> {
    /// Does as a word says, on the bill of who has said it.
    #[cold]
    pub(super) fn heed(&mut self, word: Word, payer: ActivityId) {
        self.account_turn();
        let began = self.machine.now();
        match (word.site, word.news) {
            (Site::Multiplexors, News::Policy(policy)) => self.renew_level(0, &policy),
            (Site::Bus(bus), News::Policy(policy)) => self.renew_level(bus + 1, &policy),
            (Site::Resource(class), News::Policy(policy)) => {
                for slot in self.slots.places_of(|slot| slot.instance.class == class) {
                    self.renew_slot(slot, &policy);
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
    fn renew_slot(&mut self, slot: usize, policy: &Arc<dyn Scheduler>) {
        let Some(entry) = self.slots.get(slot) else { return };
        let (class, core, all) = (entry.instance.class, self.id, self.grid.activities());
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
            Some(Mover { client, params: all.params(holder.activity, class, core), doing })
        });
        let movers: Vec<Mover> = movers.collect();
        let (next, carried) = self.moved(policy, &movers, (&*entry.scheduler, &entry.carried));
        let runs_on = policy.allows_run_on();
        if let Some(entry) = self.slots.get_mut(slot) {
            (entry.scheduler, entry.carried) = (next, carried);
            entry.runs_on = entry.parent.0 == 0 && (entry.is_activitys_own || runs_on);
        }
        self.ask_again(slot);
    }

    /// The policy of a multiplexor, or of a bus.
    fn renew_level(&mut self, index: usize, policy: &Arc<dyn Scheduler>) {
        let Some(level) = self.levels.get(index) else { return };
        let children = level.children.iter().enumerate();
        let movers = children.filter_map(|(index, child)| {
            let client = ClientId::new(u32::try_from(index).ok()?);
            let told = |told| if told { Doing::Ready } else { Doing::Nothing };
            let (params, doing) = match child {
                Child::Nobody => return None,
                Child::Slot(slot) => {
                    let entry = self.slots.get(*slot)?;
                    let own = self.standing_of(*slot)?;
                    (own.into(), told(entry.told))
                }
                Child::Level(below) => {
                    let own = self.standing_of_bus(below.checked_sub(1)?)?;
                    (own.into(), told(self.levels.get(*below)?.told))
                }
                Child::Activity { ready, instances, suspended, activity, waiting, .. } => {
                    let idle = ready.is_empty() && waiting.is_empty();
                    let stopped = waiting.is_empty() && *suspended > 0 && suspended == instances;
                    let doing = if stopped { Doing::Suspended } else { told(!idle) };
                    (ClientParams { beside: None, ..self.own_params(*activity) }, doing)
                }
            };
            Some(Mover { client, params, doing })
        });
        let movers: Vec<Mover> = movers.collect();
        let (next, carried) = self.moved(policy, &movers, (&*level.scheduler, &level.carried));
        if let Some(level) = self.levels.get_mut(index) {
            (level.scheduler, level.carried) = (next, carried);
            level.delayed = false;
        }
        self.refresh_level(index);
    }

    /// This core's part of a policy, with these clients as they were under another.
    fn moved(
        &self,
        policy: &Arc<dyn Scheduler>,
        movers: &[Mover],
        (before, carried): (&dyn SchedulerCore, &Carried),
    ) -> (alloc::boxed::Box<dyn SchedulerCore>, Carried) {
        let (now, mut kept) = (self.ledger.last(), Carried::default());
        let mut next = policy.init_core(self.id);
        for mover in movers {
            next.add_client(mover.client, &mover.params);
        }
        for mover in movers {
            let had = carried.statistics(before, mover.client);
            next.client_goes_on(mover.client, had.debt, had.refuse);
            kept.keep(mover.client, had);
        }
        for mover in movers {
            match mover.doing {
                Doing::Nothing => {}
                Doing::Ready => next.client_ready(mover.client, now),
                Doing::Suspended => next.client_suspended(mover.client, now),
            }
        }
        (next, kept)
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
