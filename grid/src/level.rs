//! The tree of schedulers of a core: the CPU multiplexor at its root, the resources'
//! schedulers as its leaves, and schedulers of schedulers (buses) between.
//!
//! Choosing descends from the root, a client a level; charging ascends from the leaf, each
//! level measuring the record in its own metric.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_units::{ActivityId, Cycles};

use crate::policy::{ClientId, ClientParams, NoQueues, Readiness, Record, SchedulerCore};

/// What a client of a level is.
#[derive(Clone, Debug)]
pub(crate) enum Child {
    /// Removed: the place is free.
    Nobody,
    /// A resource on this core.
    Slot(usize),
    /// An activity: its instances (TR's) take turns. Without any it is there only to be
    /// charged (charge-through).
    Activity {
        slots: Vec<usize>,
        turn: usize,
        activity: ActivityId,
        /// The resources of the multiplexor's own in which it has requests that may be
        /// dispatched: while there are any, it lends them its turn.
        waiting: Vec<usize>,
    },
    /// A scheduler of schedulers.
    Level(usize),
}

/// One scheduler above the resources.
pub(crate) struct Level {
    pub scheduler: Box<dyn SchedulerCore>,
    pub children: Vec<Child>,
    /// Places of children that were removed.
    free: Vec<u32>,
    pub parent: Option<(usize, ClientId)>,
    /// Has told its parent that it is ready.
    pub told: bool,
    pub delayed: bool,
    /// At a multiplexor: the client of each activity, by its index.
    by_activity: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Level {
    pub fn new(scheduler: Box<dyn SchedulerCore>, parent: Option<(usize, ClientId)>) -> Self {
        Self {
            scheduler,
            children: Vec::new(),
            free: Vec::new(),
            parent,
            told: false,
            delayed: false,
            by_activity: Vec::new(),
        }
    }

    pub fn add(&mut self, child: Child, params: &ClientParams) -> ClientId {
        let index = match self.free.pop() {
            Some(index) => {
                let index = index as usize;
                if let Some(place) = self.children.get_mut(index) {
                    *place = child;
                }
                index
            }
            None => {
                self.children.push(child);
                self.children.len() - 1
            }
        };
        let client = ClientId::new(u32::try_from(index).unwrap_or(NONE));
        self.scheduler.add_client(client, params);
        client
    }

    /// The client of an activity, if it has one here.
    #[inline]
    pub fn client_of(&self, activity: ActivityId) -> Option<ClientId> {
        let client = *self.by_activity.get(activity.index())?;
        match self.children.get(client as usize) {
            Some(Child::Activity { activity: of, .. }) if *of == activity => {
                Some(ClientId::new(client))
            }
            _ => None,
        }
    }

    /// The client of an activity, made if need be.
    pub fn add_activity(&mut self, params: &ClientParams) -> ClientId {
        if let Some(client) = self.client_of(params.activity) {
            return client;
        }
        let client = self.add(
            Child::Activity {
                slots: Vec::new(),
                turn: 0,
                activity: params.activity,
                waiting: Vec::new(),
            },
            params,
        );
        let index = params.activity.index();
        if self.by_activity.len() <= index {
            self.by_activity.resize(index + 1, NONE);
        }
        if let Some(place) = self.by_activity.get_mut(index) {
            *place = client.get();
        }
        client
    }

    /// Removes the client of an activity that is gone.
    pub fn remove_activity(&mut self, activity: ActivityId) {
        let Some(client) = self.client_of(activity) else { return };
        if let Some(place) = self.by_activity.get_mut(activity.index()) {
            *place = NONE;
        }
        self.scheduler.remove_client(client);
        if let Some(child) = self.children.get_mut(client.index()) {
            *child = Child::Nobody;
            self.free.push(client.get());
        }
    }

    /// Notes that an activity has requests in a resource, or has none any more. Under
    /// charge-through an activity that waits in a resource is not absent: its client stays
    /// ready and lends its turn to that resource. Otherwise, while all its threads wait,
    /// its client would be empty and forfeit what it is behind.
    #[inline]
    pub fn lend(&mut self, client: ClientId, slot: usize, now: Cycles) {
        let Some(Child::Activity { waiting, .. }) = self.children.get_mut(client.index()) else {
            return;
        };
        waiting.push(slot);
        if waiting.len() == 1 {
            self.scheduler.client_ready(client, now);
        }
    }

    /// The activity has no request there any more that may be dispatched.
    #[inline]
    pub fn lend_no_more(&mut self, client: ClientId, slot: usize) {
        if let Some(Child::Activity { waiting, .. }) = self.children.get_mut(client.index())
            && let Some(place) = waiting.iter().position(|&other| other == slot)
        {
            waiting.swap_remove(place);
        }
    }

    /// Lets the scheduler choose a client.
    #[inline]
    pub fn choose(&mut self, now: Cycles) -> Option<ClientId> {
        self.scheduler.schedule(now, &mut NoQueues).map(|choice| choice.client)
    }

    #[inline]
    pub fn charge(&mut self, client: ClientId, record: &Record, now: Cycles) {
        self.scheduler.resource_record(client, record, now);
    }

    pub fn readiness(&mut self, now: Cycles) -> Readiness {
        self.scheduler.poll_ready(now)
    }
}
