//! That nobody else is harmed: by death, by floods of labels and requests, by rejections,
//! by what another core holds.

use std::sync::{Arc, Mutex};

use crate::support::*;
use vortex_grid::policy::*;
use vortex_grid::*;
use vortex_units::{ActivityId, CoreId, Cycles, Share};

/// A request whose answer needs another request of its own affinity label at the same
/// resource must not be locked out by a rebinding.
#[test]
fn a_rebinding_does_not_deadlock_nested_requests() {
    let mut world = World::new(2, 4);
    let sharing: Sharing =
        Arc::new(|q| if q.now.get() < 60 { to(0, Some(60)) } else { to(1, None) });
    let r = world.probe(&[0, 1], Arc::new(First(sharing)));
    let s = world.probe(&[0, 1], First::anywhere());
    let a = world.activity(64);
    let l = Labels::affinity(7);
    let id = world
        .root(
            0,
            a,
            r,
            l,
            vec![Act::Ask(
                s,
                Labels::NONE,
                vec![
                    Act::Again,
                    Act::Again,
                    Act::Again,
                    Act::Again,
                    Act::Again,
                    Act::Again,
                    Act::Ask(r, l, vec![]),
                ],
            )],
        )
        .unwrap();
    world.settle();
    assert!(world.order(What::Finished).contains(&id), "never finished: {:?}", world.events());
    assert_eq!(world.grid.activities().nodes(a), 0);
}

#[test]
fn the_dead_are_bound_nowhere() {
    let mut world = World::new(2, 4);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let sharing: Sharing = Arc::new(move |q| {
        noted.lock().unwrap().push(q.loads[0].bound);
        to(0, None)
    });
    let r = world.probe(&[0, 1], Arc::new(First(sharing)));
    let a = world.activity(64);
    for label in 0..3 {
        world.root(0, a, r, Labels::affinity(label), vec![]).unwrap();
    }
    world.settle();
    world.grid.kill(a, Cycles::ZERO, |_| {});
    world.settle();
    assert!(world.grid.activities().is_gone(a));
    let b = world.activity(64);
    world.root(0, b, r, Labels::affinity(0), vec![]).unwrap();
    assert_eq!(*seen.lock().unwrap().last().unwrap(), 0, "threads of the dead are still counted");
}

#[test]
fn labels_that_have_ended_are_forgotten() {
    let mut world = World::new(2, 4);
    let seen = Arc::new(Mutex::new(0));
    let noted = seen.clone();
    let sharing: Sharing = Arc::new(move |q| {
        *noted.lock().unwrap() = q.loads[0].bound;
        to(0, Some(1))
    });
    let r = world.probe(&[0, 1], Arc::new(First(sharing)));
    let a = world.activity(64);
    for label in 0..20_000 {
        world.root(0, a, r, Labels::flow(label), vec![]).unwrap();
        while world.grid.activities().nodes(a) > 0 {
            world.step(0);
        }
    }
    // Those of the last periods of 10 ms are still there, and no more however many come.
    assert!(
        *seen.lock().unwrap() < 3000,
        "{} bindings of ended, expired labels",
        seen.lock().unwrap()
    );
}

#[test]
fn a_resource_of_one_core_keeps_no_labels() {
    let mut world = World::new(2, 4);
    let r = world.probe(&[0], First::anywhere());
    let a = world.activity(64);
    for label in 0..1_000 {
        // From its own core, and from another.
        for core in [0, 1] {
            world.root(core, a, r, Labels::flow(label), vec![]).unwrap();
        }
        world.settle();
    }
    assert_eq!(world.grid.labels_bound(), 0);
}

struct Batch;
struct BatchCore(FirstCore);
impl Scheduler for Batch {
    fn init(_: Params) -> Result<Self, InitError> {
        Ok(Self)
    }
    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(BatchCore(FirstCore::default()))
    }
    fn load_share(&self, q: &LoadShare<'_>) -> Binding {
        Binding { core: q.cores[0], ttl: None }
    }
}
impl SchedulerCore for BatchCore {
    fn add_client(&mut self, c: ClientId, p: &ClientParams) {
        self.0.add_client(c, p)
    }
    fn remove_client(&mut self, c: ClientId) {
        self.0.remove_client(c)
    }
    fn client_reweighed(&mut self, c: ClientId, p: &ClientParams, now: Cycles) {
        self.0.client_reweighed(c, p, now)
    }
    fn client_inherits(&mut self, c: ClientId, from: ClientId, now: Cycles) {
        self.0.client_inherits(c, from, now)
    }
    fn schedule(&mut self, now: Cycles, q: &mut dyn Queues) -> Option<Choice> {
        self.0.schedule(now, q).map(|c| Choice { batch: 4, ..c })
    }
    fn client_ready(&mut self, c: ClientId, now: Cycles) {
        self.0.client_ready(c, now)
    }
    fn client_suspended(&mut self, c: ClientId, now: Cycles) {
        self.0.client_suspended(c, now)
    }
    fn poll_ready(&mut self, now: Cycles) -> Readiness {
        self.0.poll_ready(now)
    }
    fn resource_record(&mut self, c: ClientId, r: &Record, now: Cycles) {
        self.0.resource_record(c, r, now)
    }
    fn client_statistics(&self, c: ClientId) -> ClientStatistics {
        self.0.client_statistics(c)
    }
}

#[test]
fn a_batch_ends_when_its_client_is_suspended() {
    let mut world = World::new(1, 4);
    let r = world.probe(&[0], Arc::new(Batch));
    let a = world.activity(64);
    let id = world.root(0, a, r, Labels::NONE, vec![Act::Reject(Scope::Client)]).unwrap();
    world.root(0, a, r, Labels::NONE, vec![]).unwrap();
    world.settle();
    assert_eq!(world.order(What::Finished), vec![], "served while suspended ({id})");
}

#[test]
fn a_request_to_a_dead_process_is_not_lost() {
    let mut world = World::new(1, 4);
    let a = world.activity(64);
    let me = Arc::new(Mutex::new(None));
    let (log, next, given) = (world.log.clone(), world.next.clone(), me.clone());
    let p = world.grid.add(
        InstanceSpec {
            name: "thread".into(),
            class: Class(9),
            scheduler: First::anywhere(),
            cores: vec![(CoreId::new(0), Parent::Activity)],
            owner: a,
            batch: 1,
            favours: None,
        },
        move |_| Probe {
            me: given.clone(),
            log: log.clone(),
            next: next.clone(),
            kept: vec![],
            rejected: Arc::default(),
            begun: vec![],
            clock: Arc::default(),
        },
    );
    *me.lock().unwrap() = Some(p);
    world.root(0, a, p, Labels::NONE, vec![]).unwrap();
    world.settle();
    world.grid.kill(a, Cycles::ZERO, |_| {});
    world.settle();
    assert!(world.grid.activities().is_gone(a));
    let b = world.activity(64);
    let sent = world.root(0, b, p, Labels::NONE, vec![]);
    for _ in 0..1000 {
        world.step(0);
    }
    assert_eq!(world.grid.activities().nodes(b), 0, "sent {sent:?}, neither served nor refused");
}

#[test]
fn a_new_activity_inherits_nothing_from_the_dead() {
    let mut world = World::new(2, 2);
    let r = world.probe(&[0], First::anywhere());
    let a = world.activity(64);
    world.grid.kill(a, Cycles::ZERO, |_| {});
    world.step(0); // closes its accounts; core 1 has not yet
    assert!(!world.grid.activities().is_gone(a));
    world.root(0, ActivityId::INFRASTRUCTURE, r, Labels::NONE, vec![Act::Bill(a)]).unwrap();
    world.step(0);
    world.step(1);
    assert!(world.grid.activities().is_gone(a));
    let b = world.activity(64);
    assert_eq!(world.cores[0].ledger().used(b), Cycles::ZERO, "born with the debt of the dead");
    let of_dead = world.cores[0].report().clients.iter().filter(|c| c.activity == a).count();
    assert_eq!(of_dead, 0, "a share-holder of the dead remains");
}

#[test]
fn the_limit_of_requests_is_a_limit() {
    let mut world = World::new(1, 4);
    let r = world.probe(&[0], First::anywhere());
    let a = world.activity(8);
    fn tree(r: Port<Probe>, depth: u32) -> Vec<Act> {
        if depth == 0 {
            return vec![];
        }
        vec![
            Act::Tell(r, Labels::NONE, tree(r, depth - 1)),
            Act::Tell(r, Labels::NONE, tree(r, depth - 1)),
        ]
    }
    world.root(0, a, r, Labels::NONE, tree(r, 10)).unwrap();
    let mut most = 0;
    for _ in 0..2_000_000 {
        world.step(0);
        most = most.max(world.grid.activities().nodes(a));
        if most > 300 || world.grid.activities().nodes(a) == 0 {
            break;
        }
    }
    // Four times its roots, and what two handlers may send: then requests are refused.
    assert!(
        most <= 4 * 8 + 2 * 16,
        "an activity with a limit of 8 has {most} requests outstanding"
    );
}

struct Demux(Vec<Unbilled>, ActivityId);
impl Resource<Msg> for Demux {
    type Request = Job;
    type Reply = Answer;
    const FAN_OUT: u32 = 1;
    fn handle(&mut self, job: &mut Job, cx: &mut Context<'_, Msg>) -> Outcome<Msg, Self> {
        if job.id == 0 {
            self.0.extend(cx.unbilled());
        } else if let Some(part) = self.0.pop() {
            cx.bill(part, self.1).unwrap();
        }
        Outcome::Done
    }
}

#[test]
fn a_causer_found_late_pays_all_the_same() {
    let mut world = World::new(1, 4);
    let a = world.activity(64);
    let p = world.grid.add(
        InstanceSpec {
            name: "demux".into(),
            class: Class(9),
            scheduler: First::anywhere(),
            cores: vec![(CoreId::new(0), Parent::Multiplexor(Share::ONE.into()))],
            owner: ActivityId::INFRASTRUCTURE,
            batch: 1,
            favours: None,
        },
        move |_| Demux(vec![], a),
    );
    for id in [0, 1] {
        for _ in 0..1500 {
            world.cores[0]
                .root(ActivityId::INFRASTRUCTURE, p, Labels::NONE, Job { id, acts: vec![] })
                .unwrap();
        }
        world.settle();
    }
    assert!(
        world.cores[0].ledger().used(a) >= Cycles::new(15_000),
        "only {:?} of 15000 cycles were billed back",
        world.cores[0].ledger().used(a)
    );
}

#[test]
fn rejected_requests_set_aside_keep_their_order() {
    let mut world = World::new(1, 4);
    let r = world.probe(&[0], First::anywhere());
    let a = world.activity(64);
    let ids: Vec<_> = (0..4)
        .map(|_| world.root(0, a, r, Labels::NONE, vec![Act::Reject(Scope::Label)]).unwrap())
        .collect();
    world.settle();
    world.resume(r, &[a]);
    world.settle();
    assert_eq!(world.order(What::Finished), ids);
}

type Shelf = Arc<Mutex<Vec<Kept<Msg>>>>;
struct Cross(Shelf);
impl Resource<Msg> for Cross {
    type Request = Job;
    type Reply = Answer;
    const FAN_OUT: u32 = 1;
    fn handle(&mut self, job: &mut Job, cx: &mut Context<'_, Msg>) -> Outcome<Msg, Self> {
        if job.id == 0 {
            self.0.lock().unwrap().push(cx.keep().unwrap());
            return Outcome::Kept;
        }
        let first = self.0.lock().unwrap().remove(0);
        // Given back: dropping it lets its own core answer, with an error.
        assert!(cx.answer(first, Some(Answer(1))).is_err());
        Outcome::Done
    }
}

#[test]
fn a_ticket_of_another_core_answers_its_own_request() {
    let mut world = World::new(2, 4);
    let (a, b) = (world.activity(8), world.activity(8));
    let shelf = Shelf::default();
    let p = world.grid.add(
        InstanceSpec {
            name: "cross".into(),
            class: Class(9),
            scheduler: First::anywhere(),
            cores: vec![
                (CoreId::new(0), Parent::Multiplexor(Share::ONE.into())),
                (CoreId::new(1), Parent::Multiplexor(Share::ONE.into())),
            ],
            owner: ActivityId::INFRASTRUCTURE,
            batch: 1,
            favours: None,
        },
        move |_| Cross(shelf.clone()),
    );
    world.cores[0].root(a, p, Labels::NONE, Job { id: 0, acts: vec![] }).unwrap();
    world.step(0);
    world.cores[1].root(b, p, Labels::NONE, Job { id: 0, acts: vec![] }).unwrap();
    world.step(1);
    world.cores[1]
        .root(ActivityId::INFRASTRUCTURE, p, Labels::NONE, Job { id: 1, acts: vec![] })
        .unwrap();
    world.settle();
    let nodes = world.grid.activities();
    assert_eq!((nodes.nodes(a), nodes.nodes(b)), (0, 1), "another's request was answered");
}
