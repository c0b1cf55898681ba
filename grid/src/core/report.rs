//! What a core tells about itself (§4.1): a sample of all its clients, to the cycle,
//! including the run that is still open.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::string::String;
use alloc::vec::Vec;

use vortex_units::{ActivityId, Cycles, InstanceId};

use super::Core;
use crate::blame::Blame;
use crate::ledger::Imbalance;
use crate::level::Child;
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::{ClientId, ClientStatistics, Record, RecordKind};
use crate::slot::{Slot, Usage};

/// A share-holder at a resource on a core.
#[derive(Clone, Debug)]
pub struct ClientReport {
    /// The resource: the instance, or the family of instances that come and go.
    pub instance: InstanceId,
    /// Its name.
    pub resource: String,
    /// The share-holder.
    pub activity: ActivityId,
    /// What it used there.
    pub usage: Usage,
    /// Requests queued now.
    pub queued: usize,
    /// What the scheduler knows of it.
    pub statistics: ClientStatistics,
}

/// Who is a client of a core's multiplexor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawer {
    /// An activity, with its instances of the thread resource.
    Activity(ActivityId),
    /// A resource.
    Resource(InstanceId, String),
}

/// A client of a core's multiplexor.
#[derive(Clone, Debug)]
pub struct DrawerReport {
    /// Who.
    pub drawer: Drawer,
    /// What the multiplexor knows of it.
    pub statistics: ClientStatistics,
}

/// A sample of a core.
#[derive(Clone, Debug)]
pub struct CoreReport {
    /// The reading of the clock up to which it is complete.
    pub stamp: Cycles,
    /// Time since the core started.
    pub elapsed: Cycles,
    /// Time with nothing to do.
    pub idle: Cycles,
    /// Time the hypervisor took.
    pub host: Cycles,
    /// By activity; infrastructure is one of them.
    pub activities: Vec<(ActivityId, Cycles)>,
    /// What activities used that are gone.
    pub departed: Cycles,
    /// The run still open, whose cycles no scheduler knows yet; they are in `activities`.
    pub open: Option<(ActivityId, Cycles)>,
    /// By resource and share-holder.
    pub clients: Vec<ClientReport>,
    /// The clients of the multiplexor itself.
    pub drawers: Vec<DrawerReport>,
    /// Who ran while whose requests waited, as far as it was sampled.
    pub blame: Vec<Blame>,
    /// Explained waits for whose pair of victim and causer the core's table had no place.
    pub blame_unnamed: Cycles,
}

/// What the instances of families have used, the sum for each family and activity: so a
/// process's end takes nothing off what its activity has used.
#[derive(Clone, Debug, Default)]
pub(super) struct Past(BTreeMap<(InstanceId, usize), ClientReport>);

impl Past {
    /// Adds what an instance has used.
    pub fn add<M: Message>(&mut self, slot: &Slot<M>) {
        if !slot.instance.mortal {
            return;
        }
        for report in reports_of(slot) {
            self.put(report);
        }
    }

    fn put(&mut self, report: ClientReport) {
        match self.0.entry((report.instance, report.activity.index())) {
            Entry::Vacant(place) => {
                place.insert(report);
            }
            Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.usage.add(&report.usage);
                sum.queued += report.queued;
                sum.statistics.add(&report.statistics);
            }
        }
    }

    /// A part of an activity is gone: what it used, the whole has used.
    pub fn bequeath(&mut self, part: ActivityId, whole: ActivityId) {
        let keys: Vec<_> =
            self.0.iter().filter(|(_, r)| r.activity == part).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(report) = self.0.remove(&key) {
                self.put(ClientReport { activity: whole, ..report });
            }
        }
    }

    /// The activity is gone.
    pub fn forget(&mut self, activity: ActivityId) {
        self.0.retain(|_, report| report.activity != activity);
    }
}

fn reports_of<M: Message>(slot: &Slot<M>) -> impl Iterator<Item = ClientReport> {
    let holders = slot.clients.holders.iter().enumerate();
    holders.filter_map(|(index, holder)| {
        let holder = holder.as_ref()?;
        let client = ClientId::new(u32::try_from(index).ok()?);
        Some(ClientReport {
            instance: slot.instance.sender,
            resource: slot.instance.name.clone(),
            activity: holder.activity,
            usage: holder.usage,
            queued: holder.queued,
            statistics: slot.carried.statistics(&*slot.scheduler, client),
        })
    })
}

impl<M: Message, P: Machine> Core<M, P> {
    /// Takes a sample. Reads the clock, so that the sample is complete up to now.
    pub fn report(&mut self) -> CoreReport {
        self.account_turn();
        let now = self.machine.now();
        let open = match &self.entered {
            Some((_, _, parcel)) => {
                let activity = parcel.activity;
                Some((activity, now.saturating_sub(self.ledger.last())))
            }
            None => None,
        };
        let grid = self.grid.clone();
        let activities = (0..grid.activities().capacity())
            .filter_map(|index| grid.activities().at(index))
            .map(|activity| {
                let open = open.filter(|(running, _)| *running == activity);
                let extra = open.map_or(Cycles::ZERO, |(_, span)| span);
                (activity, self.ledger.used(activity) + extra)
            })
            .collect();
        let mut clients = Vec::new();
        let mut families = self.past.clone();
        for slot in self.slots.iter() {
            if slot.instance.mortal {
                families.add(slot);
            } else {
                clients.extend(reports_of(slot));
            }
        }
        clients.extend(families.0.into_values());
        CoreReport {
            stamp: self.ledger.last() + open.map_or(Cycles::ZERO, |(_, span)| span),
            drawers: self.drawers(),
            elapsed: self.ledger.elapsed() + open.map_or(Cycles::ZERO, |(_, span)| span),
            idle: self.ledger.idle_time(),
            host: self.ledger.host_time(),
            activities,
            departed: self.ledger.departed(),
            open,
            clients,
            blame: self.ring.blame(),
            blame_unnamed: self.ring.unnamed(),
        }
    }

    fn drawers(&self) -> Vec<DrawerReport> {
        let Some(multiplexor) = self.levels.first() else { return Vec::new() };
        let children = multiplexor.children.iter().enumerate();
        children
            .filter_map(|(index, child)| {
                let client = ClientId::new(u32::try_from(index).ok()?);
                let drawer = match child {
                    Child::Activity { activity, .. } => Drawer::Activity(*activity),
                    Child::Slot(slot) => {
                        let instance = &self.slots.get(*slot)?.instance;
                        Drawer::Resource(instance.id, instance.name.clone())
                    }
                    Child::Level(_) | Child::Nobody => return None,
                };
                let statistics = multiplexor.carried.statistics(&*multiplexor.scheduler, client);
                Some(DrawerReport { drawer, statistics })
            })
            .collect()
    }

    /// Books the time since the last reading to this activity: whoever drives the core
    /// did something for it between two requests. It counts against its client here.
    pub fn worked_for(&mut self, activity: ActivityId) {
        let (before, now) = (self.ledger.last(), self.machine.now());
        let (span, total) = self.ledger.charge(activity, now);
        self.recording.aside(activity, self.run, before, now);
        self.grid.activities().publish(activity, self.id, total);
        if activity == ActivityId::INFRASTRUCTURE {
            return;
        }
        if let Some(multiplexor) = self.levels.first_mut()
            && let Some(own) = multiplexor.client_of(activity)
        {
            let mut record = Record::new(RecordKind::THROUGH);
            record.cycles = span;
            multiplexor.charge(own, &record, now);
        }
    }

    /// A thread has been in user mode, and its request cannot go on now: that time is told by
    /// itself, or it would be booked to whoever is served next.
    #[cold]
    pub(super) fn book_stay(&mut self, slot: usize, client: ClientId, activity: ActivityId) {
        let (before, now) = (self.ledger.last(), self.machine.now());
        let (span, total) = self.ledger.charge(activity, now);
        self.recording.aside(activity, self.run, before, now);
        self.grid.activities().publish(activity, self.id, total);
        let mut record = Record::new(RecordKind::BASIC);
        record.cycles = span + ::core::mem::take(&mut self.user_span);
        let holder = self.slots.get_mut(slot).and_then(|entry| entry.clients.holder_mut(client));
        if let Some(holder) = holder {
            holder.usage.cycles += record.cycles;
        }
        self.account(slot, client, activity, &mut record);
    }

    /// The longest that it took here to exchange a policy, or to have one stand otherwise.
    #[must_use]
    pub const fn longest_change(&self) -> Cycles {
        self.longest_change
    }

    /// Law 1 on this core.
    ///
    /// # Errors
    /// [`Imbalance`] if a cycle is missing or booked twice.
    pub fn audit(&self) -> Result<(), Imbalance> {
        self.ledger.audit()
    }

    /// Requests that this core holds anywhere: queued, pending, kept, entered, due later,
    /// held or set aside.
    #[must_use]
    pub fn requests(&self) -> usize {
        let queued: usize = self
            .slots
            .iter()
            .map(|slot| {
                slot.aside.len()
                    + slot.clients.holders.iter().flatten().map(|h| h.queued).sum::<usize>()
            })
            .sum();
        let timed =
            self.timers.iter().filter(|timer| matches!(timer.2, super::Due::Request(_))).count();
        queued
            + timed
            + self.desk.triggers.pending()
            + self.desk.kept.len()
            + usize::from(self.entered.is_some())
            + self.early.len()
            + self.held.values().map(vortex_queues::Fifo::len).sum::<usize>()
    }

    /// Places that this core has for its parts of instances, free ones included: as many as
    /// it ever had at once.
    #[must_use]
    pub fn places(&self) -> usize {
        self.slots.places()
    }

    /// Labels that this core is moving to another one. Each holds one node of its activity.
    #[must_use]
    pub fn labels_moving(&self) -> usize {
        self.moves.len()
    }
}
