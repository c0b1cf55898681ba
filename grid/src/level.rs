//! The tree of schedulers of a core: the CPU multiplexor at its root, the resources'
//! schedulers as its leaves, and schedulers of schedulers (buses) between.
//!
//! Choosing descends from the root, a client a level; charging ascends from the leaf, each
//! level measuring the record in its own metric.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use vortex_units::{ActivityId, Cycles};

use crate::carried::Carried;
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
        /// The instances here that can decide, in the order in which they became so.
        ready: VecDeque<usize>,
        /// The one that was served last, and until when it goes before the others: so that
        /// two processes that talk to each other are not switched at every word.
        last: (usize, Cycles),
        /// How many it has here, and how many of them are suspended (stopped processes).
        instances: u32,
        suspended: u32,
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
    /// What its clients consumed under earlier policies.
    pub carried: Carried,
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
            carried: Carried::default(),
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
                ready: VecDeque::new(),
                last: (usize::MAX, Cycles::ZERO),
                instances: 0,
                suspended: 0,
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
        self.remove(client);
    }

    fn remove(&mut self, client: ClientId) {
        self.scheduler.remove_client(client);
        self.carried.forget(client);
        if let Some(child) = self.children.get_mut(client.index()) {
            *child = Child::Nobody;
            self.free.push(client.get());
        }
    }

    /// An activity has one more instance here.
    pub fn join(&mut self, client: ClientId) {
        if let Some(Child::Activity { ready, instances, .. }) =
            self.children.get_mut(client.index())
        {
            *instances += 1;
            // Room for all is made now, so that becoming ready never allocates.
            ready.reserve(*instances as usize);
        }
    }

    /// A slot is here no more.
    pub fn part(&mut self, client: ClientId, slot: usize, was_suspended: bool, now: Cycles) {
        match self.children.get_mut(client.index()) {
            Some(Child::Activity { ready, instances, suspended, .. }) => {
                ready.retain(|&other| other != slot);
                *instances = instances.saturating_sub(1);
                *suspended = suspended.saturating_sub(u32::from(was_suspended));
                self.freeze(client, now);
            }
            Some(Child::Slot(_)) => self.remove(client),
            _ => {}
        }
    }

    /// An instance of an activity can decide: it is in the line once.
    pub fn line_up(&mut self, client: ClientId, slot: usize, now: Cycles) {
        if let Some(Child::Activity { ready, last, .. }) = self.children.get_mut(client.index()) {
            if last.0 == slot && now < last.1 {
                ready.push_front(slot);
            } else {
                ready.push_back(slot);
            }
        }
    }

    /// An instance of an activity is suspended (its process is stopped), or is no more.
    pub fn suspend(&mut self, client: ClientId, more: bool, now: Cycles) {
        let Some(Child::Activity { suspended, .. }) = self.children.get_mut(client.index()) else {
            return;
        };
        if more {
            *suspended += 1;
            self.freeze(client, now);
        } else {
            *suspended = suspended.saturating_sub(1);
            // It may have nothing to do: then it is found empty, and is not frozen any more.
            self.scheduler.client_ready(client, now);
        }
    }

    /// An activity of which all instances here are suspended is not idle, and neither earns
    /// nor sits out anything: the policy is told so.
    fn freeze(&mut self, client: ClientId, now: Cycles) {
        if let Some(Child::Activity { instances, suspended, waiting, .. }) =
            self.children.get(client.index())
            && waiting.is_empty()
            && *suspended > 0
            && suspended == instances
        {
            self.scheduler.client_suspended(client, now);
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
    pub fn lend_no_more(&mut self, client: ClientId, slot: usize, now: Cycles) {
        if let Some(Child::Activity { waiting, suspended, .. }) =
            self.children.get_mut(client.index())
            && let Some(place) = waiting.iter().position(|&other| other == slot)
        {
            waiting.swap_remove(place);
            if *suspended > 0 {
                self.freeze(client, now);
            }
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
