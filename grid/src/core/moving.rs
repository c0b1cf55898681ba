//! Clients that go from one policy to another by and by: of more than a run may move (law 5), some
//! are still at the policy before while the next decides already.
//!
//! Whoever comes meanwhile, is told of, or is charged is moved first; the others in their turn, some
//! between two decisions. What is to be chosen from are those who have come: the last comes after a
//! few decisions more, as far ahead of its entitlement as it was.
//!
//! # Invariants
//! - A client is at one of the two: `pending` has who is at the one before.
//! - What is told of a client is what both know of it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_units::{ActivityId, Cycles};

use crate::carried::Carried;
use crate::policy::{
    Choice, ClientId, ClientParams, ClientStatistics, Moved, Queues, Readiness, Record,
    SchedulerCore,
};
use crate::standing::Standing;

/// Clients that are moved in one run: some 1,200 instructions each.
const MOST: usize = 24;

/// What a client is doing when its policy is exchanged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing {
    Nothing,
    Ready,
    Suspended,
}

/// Who it is: what it is entitled to is looked up when it is moved.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Activity(ActivityId),
    Standing(Standing),
}

/// A client that goes from one policy to the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mover {
    pub client: ClientId,
    pub who: Who,
    pub doing: Doing,
}

/// What activities are entitled to here.
type Params = Box<dyn Fn(ActivityId) -> ClientParams + Send>;

/// Two policies, of which the next decides.
pub(super) struct Moving {
    next: Box<dyn SchedulerCore>,
    before: Box<dyn SchedulerCore>,
    /// What clients had consumed before the one before, and before the next.
    carried: Carried,
    kept: Carried,
    /// By client; nobody where it is moved.
    pending: Vec<Option<Mover>>,
    /// Before this none is pending.
    at: usize,
    params: Params,
    now: Cycles,
}

impl Moving {
    /// Puts the next policy in the place of the one that decides, with these clients; whether some
    /// are still on their way then.
    pub fn begin(
        (scheduler, carried): (&mut Box<dyn SchedulerCore>, &mut Carried),
        mut next: Box<dyn SchedulerCore>,
        movers: Vec<Mover>,
        params: Params,
        now: Cycles,
    ) -> bool {
        if movers.len() <= MOST {
            *carried = at_once(&mut *next, &movers, &params, (&**scheduler, carried), now);
            *scheduler = next;
            return false;
        }
        let length = movers.last().map_or(0, |last| last.client.index() + 1);
        let mut pending: Vec<Option<Mover>> = Vec::new();
        pending.resize_with(length, || None);
        for mover in movers {
            if let Some(place) = pending.get_mut(mover.client.index()) {
                *place = Some(mover);
            }
        }
        // Taken apart and put together in its place: it is never without one.
        let before = ::core::mem::replace(scheduler, Box::new(Nobody));
        let carried = ::core::mem::take(carried);
        let kept = Carried::default();
        *scheduler = Box::new(Self { next, before, carried, kept, pending, at: 0, params, now });
        true
    }

    fn is_pending(&self, client: ClientId) -> bool {
        self.pending.get(client.index()).is_some_and(Option::is_some)
    }

    /// Moves a client, if it is not there yet.
    fn fetch(&mut self, client: ClientId) {
        let Some(mover) = self.pending.get_mut(client.index()).and_then(Option::take) else {
            return;
        };
        self.next.add_client(client, &params_of(&mover, &self.params));
        let had = self.carried.statistics(&*self.before, client);
        self.next.client_goes_on(client, had.debt, had.refuse);
        self.kept.keep(client, had);
        tell(&mut *self.next, &mover, self.now);
    }
}

fn params_of(mover: &Mover, params: &Params) -> ClientParams {
    match mover.who {
        Who::Activity(activity) => params(activity),
        Who::Standing(standing) => standing.into(),
    }
}

fn tell(next: &mut dyn SchedulerCore, mover: &Mover, now: Cycles) {
    match mover.doing {
        Doing::Nothing => {}
        Doing::Ready => next.client_ready(mover.client, now),
        Doing::Suspended => next.client_suspended(mover.client, now),
    }
}

/// Moves few clients; what they had consumed until then.
fn at_once(
    next: &mut dyn SchedulerCore,
    movers: &[Mover],
    params: &Params,
    (before, carried): (&dyn SchedulerCore, &Carried),
    now: Cycles,
) -> Carried {
    let mut kept = Carried::default();
    for mover in movers {
        next.add_client(mover.client, &params_of(mover, params));
    }
    for mover in movers {
        let had = carried.statistics(before, mover.client);
        next.client_goes_on(mover.client, had.debt, had.refuse);
        kept.keep(mover.client, had);
    }
    movers.iter().for_each(|mover| tell(next, mover, now));
    kept
}

impl SchedulerCore for Moving {
    fn add_client(&mut self, client: ClientId, params: &ClientParams) {
        if let Some(whole) = params.beside {
            self.fetch(whole);
        }
        self.next.add_client(client, params);
    }

    fn remove_client(&mut self, client: ClientId) {
        self.kept.forget(client);
        match self.pending.get_mut(client.index()).and_then(Option::take) {
            Some(_) => self.before.remove_client(client),
            None => self.next.remove_client(client),
        }
    }

    fn client_reweighed(&mut self, client: ClientId, params: &ClientParams, now: Cycles) {
        self.now = now;
        self.fetch(client);
        self.next.client_reweighed(client, params, now);
    }

    fn client_inherits(&mut self, client: ClientId, from: ClientId, now: Cycles) {
        self.now = now;
        self.fetch(client);
        self.fetch(from);
        self.next.client_inherits(client, from, now);
        self.kept.hand_on(from, client);
    }

    fn schedule(&mut self, now: Cycles, queues: &mut dyn Queues) -> Option<Choice> {
        self.now = now;
        self.next.schedule(now, queues)
    }

    fn client_ready(&mut self, client: ClientId, now: Cycles) {
        self.now = now;
        self.fetch(client);
        self.next.client_ready(client, now);
    }

    fn client_suspended(&mut self, client: ClientId, now: Cycles) {
        self.now = now;
        self.fetch(client);
        self.next.client_suspended(client, now);
    }

    fn poll_ready(&mut self, now: Cycles) -> Readiness {
        self.now = now;
        self.next.poll_ready(now)
    }

    fn allowance(&self, client: ClientId, timeslice: Cycles) -> Cycles {
        self.next.allowance(client, timeslice)
    }

    fn resource_record(&mut self, client: ClientId, record: &Record, now: Cycles) {
        self.now = now;
        self.fetch(client);
        self.next.resource_record(client, record, now);
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, now: Cycles) {
        self.next.core_idle(idle, cap, now);
    }

    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        match self.is_pending(client) {
            true => self.carried.statistics(&*self.before, client),
            false => self.kept.statistics(&*self.next, client),
        }
    }

    fn is_in_debt(&self, client: ClientId) -> bool {
        match self.is_pending(client) {
            true => self.before.is_in_debt(client),
            false => self.next.is_in_debt(client),
        }
    }

    fn move_on(&mut self, now: Cycles) -> Option<Moved> {
        self.now = now;
        let mut left = MOST;
        while left > 0 && self.at < self.pending.len() {
            if let Some(mover) = self.pending.get(self.at).copied().flatten() {
                self.fetch(mover.client);
                left -= 1;
            }
            self.at += 1;
        }
        if self.at < self.pending.len() {
            return None;
        }
        let policy = ::core::mem::replace(&mut self.next, Box::new(Nobody));
        Some(Moved { policy, consumed: ::core::mem::take(&mut self.kept).into_all() })
    }
}

/// Has no clients, for the moment in which a place changes hands.
struct Nobody;

impl SchedulerCore for Nobody {
    fn add_client(&mut self, _: ClientId, _: &ClientParams) {}
    fn remove_client(&mut self, _: ClientId) {}
    fn client_reweighed(&mut self, _: ClientId, _: &ClientParams, _: Cycles) {}
    fn client_inherits(&mut self, _: ClientId, _: ClientId, _: Cycles) {}
    fn client_ready(&mut self, _: ClientId, _: Cycles) {}
    fn client_suspended(&mut self, _: ClientId, _: Cycles) {}
    fn resource_record(&mut self, _: ClientId, _: &Record, _: Cycles) {}

    fn schedule(&mut self, _: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        None
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        Readiness::Idle
    }

    fn client_statistics(&self, _: ClientId) -> ClientStatistics {
        ClientStatistics::default()
    }
}
