//! Billing back in parts: a run of infrastructure that several activities have caused, each
//! found later and elsewhere (§3.3.2, law 2).

use std::sync::Arc;

use vortex_grid::{
    Carries, Class, Context, Core, CoreSpec, Entitlement, Frequency, Grid, GridSpec, InstanceSpec,
    Labels, Message, Outcome, Parent, Port, Resource, Step, Unbilled,
};
use vortex_units::{ActivityId, CoreId, Cycles, Share};

use super::support::{Clock, First, TestMachine};

/// What the interrupt brought, and, further up, one packet of it.
enum Mail {
    Interrupt(Vec<ActivityId>),
    Packet(Packet),
    Nothing,
}

struct Packet {
    part: Unbilled,
    causer: ActivityId,
}

impl Message for Mail {}

impl Carries<Vec<ActivityId>> for Mail {
    fn wrap(causers: Vec<ActivityId>) -> Self {
        Self::Interrupt(causers)
    }
    fn unwrap(self) -> Option<Vec<ActivityId>> {
        match self {
            Self::Interrupt(causers) => Some(causers),
            _ => None,
        }
    }
    fn get_mut(&mut self) -> Option<&mut Vec<ActivityId>> {
        match self {
            Self::Interrupt(causers) => Some(causers),
            _ => None,
        }
    }
}

impl Carries<Packet> for Mail {
    fn wrap(packet: Packet) -> Self {
        Self::Packet(packet)
    }
    fn unwrap(self) -> Option<Packet> {
        match self {
            Self::Packet(packet) => Some(packet),
            _ => None,
        }
    }
    fn get_mut(&mut self) -> Option<&mut Packet> {
        match self {
            Self::Packet(packet) => Some(packet),
            _ => None,
        }
    }
}

impl Carries<()> for Mail {
    fn wrap((): ()) -> Self {
        Self::Nothing
    }
    fn unwrap(self) -> Option<()> {
        matches!(self, Self::Nothing).then_some(())
    }
    fn get_mut(&mut self) -> Option<&mut ()> {
        None
    }
}

/// Takes the packets out: a part of its run for each.
struct Interrupts(Port<Demultiplexer>, Clock);

impl Resource<Mail> for Interrupts {
    type Request = Vec<ActivityId>;
    type Reply = ();
    const FAN_OUT: u32 = 4;

    fn handle(
        &mut self,
        causers: &mut Vec<ActivityId>,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        self.1.0.fetch_add(1_000, std::sync::atomic::Ordering::Relaxed);
        for causer in causers.drain(..) {
            let packet = Packet { part: cx.unbilled().unwrap(), causer };
            assert!(cx.labels().dependency_label().is_some(), "the root's labels are seen");
            let labels = cx.labels();
            cx.send(self.0, labels, packet).unwrap();
        }
        Outcome::Done
    }
}

/// Finds who caused a packet, and bills back both what the interrupt and what this cost.
struct Demultiplexer;

impl Resource<Mail> for Demultiplexer {
    type Request = Packet;
    type Reply = ();
    const FAN_OUT: u32 = 1;

    fn handle(&mut self, packet: &mut Packet, cx: &mut Context<'_, Mail>) -> Outcome<Mail, Self> {
        cx.bill(packet.part, packet.causer).unwrap();
        cx.bill_run(packet.causer);
        Outcome::Done
    }
}

#[test]
fn the_parts_of_a_run_are_billed_to_their_causers_to_the_cycle() {
    // The demultiplexer beside the interrupts, and on a core of its own.
    for there in [0, 1] {
        let grid = Grid::new(GridSpec {
            cores: 2,
            activities: 8,
            infrastructure: Entitlement::new(Share::ONE),
            frequency: Frequency::megahertz(1),
            buses: Vec::new(),
        });
        let clock = Clock::default();
        let spec = |name: &str, class, core| InstanceSpec {
            name: name.into(),
            class: Class(class),
            scheduler: First::anywhere(),
            cores: vec![(CoreId::new(core), Parent::Multiplexor(Share::ONE.into()))],
            owner: ActivityId::INFRASTRUCTURE,
            batch: 1,
            favours: None,
        };
        let above = grid.add(spec("demultiplexer", 1, there), |_| Demultiplexer);
        let given = clock.clone();
        let below = grid.add(spec("interrupts", 0, 0), move |_| Interrupts(above, given.clone()));
        let mut cores: Vec<_> = (0..2)
            .map(|core| {
                let machine = TestMachine { clock: clock.clone(), pokes: Arc::default() };
                let spec = CoreSpec::new(CoreId::new(core), First::anywhere());
                Core::new(&grid, machine, spec).unwrap()
            })
            .collect();
        let ids: Vec<_> = (0..3)
            .map(|_| grid.activities().create(Entitlement::new(Share::ONE)).unwrap())
            .collect();
        let causers = vec![ids[0], ids[1], ids[1], ids[2]];
        let infrastructure = ActivityId::INFRASTRUCTURE;
        cores[0].root(infrastructure, below, Labels::flow(5), causers).unwrap();
        for _ in 0..40 {
            for core in &mut cores {
                if !matches!(core.step(), Step::Ran) {
                    core.wake();
                }
            }
        }
        let report = cores[0].report();
        let at = |who| {
            let mut rows = report.clients.iter();
            rows.find(|c| c.instance == below.instance() && c.activity == who).unwrap()
        };
        let parts: Vec<u64> = ids.iter().map(|&id| at(id).usage.cycles.get()).collect();
        assert!(parts.iter().sum::<u64>() >= 1_000, "the whole run is billed: {parts:?}");
        assert!(parts[0] >= 250 && parts[0].abs_diff(parts[2]) <= 1, "{parts:?}");
        assert!(parts[1].abs_diff(2 * parts[0]) <= 2, "two packets, two parts: {parts:?}");
        assert_eq!(at(infrastructure).statistics.charged, 0, "credited in the metric");
        for (&id, &part) in ids.iter().zip(&parts) {
            assert_eq!(at(id).statistics.charged, i128::from(part));
        }
        for core in &cores {
            assert_eq!(core.ledger().used(infrastructure), Cycles::ZERO, "core {}", core.id());
            assert!(core.audit().is_ok());
        }
        assert_eq!(grid.activities().nodes(infrastructure), 0);
    }
}

/// A flood that infrastructure takes in for an activity: its debt reaches its cap, and its
/// work is refused until enough of it is worn off (law 2).
#[test]
fn a_debt_at_its_cap_refuses_early_and_wears_off() {
    use super::support::{Act, What, World};
    use vortex_grid::policy::{Metric, Params};

    let mut world = World::new(1, 8);
    let wfq = vortex_schedulers::make("propshare.wfq", Params::new(Metric::Cycles, 2_000));
    let probe = world.probe(&[0], wfq.unwrap());
    let small = Entitlement::new(Share::from_hundredths(10).unwrap());
    let a = world.grid.activities().create(small).unwrap();
    let b = world.activity(1_000);
    // b competes all the time: without a competitor nothing is owed.
    for _ in 0..900 {
        world.root(0, b, probe, Labels::NONE, vec![]).unwrap();
    }
    for _ in 0..100 {
        let infrastructure = ActivityId::INFRASTRUCTURE;
        world.root(0, infrastructure, probe, Labels::NONE, vec![Act::Bill(a)]).unwrap();
        world.clock.0.fetch_add(200, std::sync::atomic::Ordering::Relaxed);
        world.step(0);
    }
    assert_eq!(
        world.root(0, a, probe, Labels::NONE, vec![]),
        Err(vortex_grid::Refused::OverBudget)
    );
    assert_eq!(world.grid.activities().nodes(a), 0, "the refused root left no bill");
    // The others' work wears it off.
    let mut turns = 0;
    while world.root(0, a, probe, Labels::NONE, vec![]).is_err() {
        world.root(0, b, probe, Labels::NONE, vec![]).expect("nobody else is refused");
        world.clock.0.fetch_add(200, std::sync::atomic::Ordering::Relaxed);
        world.step(0);
        world.step(0);
        turns += 1;
        assert!(turns < 1_000, "refused for ever");
    }
    world.settle();
    assert!(!world.order(What::Finished).is_empty());
}

/// Who is in debt is refused what is sent for it, but for what is sent for a debtor: and that only
/// where its own client pays for it.
#[test]
fn what_is_sent_for_a_debtor_is_taken_where_its_own_client_pays() {
    use super::support::{Act, What, World};
    use vortex_grid::policy::{Metric, Params};

    for (mut world, through) in [(World::new(1, 8), true), (World::in_the_papers_form(1, 8), false)]
    {
        let wfq = vortex_schedulers::make("propshare.wfq", Params::new(Metric::Cycles, 2_000));
        let probe = world.probe(&[0], wfq.unwrap());
        let small = Entitlement::new(Share::from_hundredths(10).unwrap());
        let a = world.grid.activities().create(small).unwrap();
        let b = world.activity(1_000);
        for _ in 0..900 {
            world.root(0, b, probe, Labels::NONE, vec![]).unwrap();
        }
        let infrastructure = ActivityId::INFRASTRUCTURE;
        for _ in 0..100 {
            world.root(0, infrastructure, probe, Labels::NONE, vec![Act::Bill(a)]).unwrap();
            world.clock.0.fetch_add(200, std::sync::atomic::Ordering::Relaxed);
            world.step(0);
        }
        let told = vec![
            Act::TellFor(a, probe, false, false),
            Act::TellFor(a, probe, true, through),
            Act::TellFor(b, probe, true, true),
        ];
        let before = world.order(What::Finished).len();
        world.root(0, infrastructure, probe, Labels::NONE, told).unwrap();
        world.settle();
        assert!(world.order(What::Finished).len() > before, "it was told, and all are served");
        assert_eq!(world.grid.activities().nodes(a), 0, "nothing of it is left");
    }
}

/// Nobody else works there: what an activity owes wears off while the core has nothing to do, and
/// nothing of it sooner than its time.
#[test]
fn a_debt_wears_off_on_an_idle_core() {
    use super::support::{Act, World};
    use vortex_grid::Refused::OverBudget;
    use vortex_grid::policy::{Metric, Params};

    for policy in ["propshare.wfq", "propshare.round-robin", "order.scan", "reserve.mclock"] {
        let mut world = World::new(1, 8);
        let frequency = vortex_grid::Frequency::megahertz(1);
        let cap = frequency.cycles(vortex_units::Micros::new(100_000));
        let mut params = Params::new(Metric::Cycles, cap.get());
        params.frequency = Some(frequency);
        let probe = world.probe(&[0], vortex_schedulers::make(policy, params).unwrap());
        let small = Entitlement::new(Share::from_hundredths(10).unwrap());
        let a = world.grid.activities().create(small).unwrap();
        let clock = world.clock.clone();
        let pass = |cycles: u64| clock.0.fetch_add(cycles, std::sync::atomic::Ordering::Relaxed);
        let infrastructure = ActivityId::INFRASTRUCTURE;
        // One long run: of many short ones little would be owed where nobody competes.
        world.root(0, infrastructure, probe, Labels::NONE, vec![Act::Bill(a)]).unwrap();
        pass(cap.get());
        world.step(0);
        assert_eq!(world.root(0, a, probe, Labels::NONE, vec![]), Err(OverBudget), "{policy}");
        world.settle();
        pass(cap.get() / 100);
        world.settle();
        assert_eq!(world.root(0, a, probe, Labels::NONE, vec![]), Err(OverBudget), "{policy}");
        pass(cap.get());
        world.settle();
        world.root(0, a, probe, Labels::NONE, vec![]).expect(policy);
        world.settle();
        assert_eq!(world.grid.activities().nodes(a), 0);
    }
}

/// What an activity owes at a resource that nobody asks for anything wears off while others keep
/// the core busy elsewhere: or they would keep it out for ever.
#[test]
fn a_debt_wears_off_at_a_quiet_resource_of_a_busy_core() {
    use super::support::{Act, First, World};
    use vortex_grid::Refused::OverBudget;
    use vortex_grid::policy::{Metric, Params};

    for policy in ["propshare.wfq", "propshare.round-robin", "order.scan", "reserve.mclock"] {
        let mut world = World::new(1, 8);
        let frequency = vortex_grid::Frequency::megahertz(1);
        let cap = frequency.cycles(vortex_units::Micros::new(100_000));
        let mut params = Params::new(Metric::Cycles, cap.get());
        params.frequency = Some(frequency);
        let probe = world.probe(&[0], vortex_schedulers::make(policy, params).unwrap());
        let elsewhere = world.probe(&[0], First::anywhere());
        let small = Entitlement::new(Share::from_hundredths(10).unwrap());
        let a = world.grid.activities().create(small).unwrap();
        let b = world.activity(256);
        let clock = world.clock.clone();
        let pass = |cycles: u64| clock.0.fetch_add(cycles, std::sync::atomic::Ordering::Relaxed);
        let infrastructure = ActivityId::INFRASTRUCTURE;
        world.root(0, infrastructure, probe, Labels::NONE, vec![Act::Bill(a)]).unwrap();
        pass(cap.get());
        world.step(0);
        assert_eq!(world.root(0, a, probe, Labels::NONE, vec![]), Err(OverBudget), "{policy}");
        // The other has something to do there, or has it elsewhere: never is the core idle.
        let mut work = |at, turns: u32, each: u64| {
            for _ in 0..turns {
                world.root(0, b, at, Labels::NONE, vec![]).expect("nobody else is refused");
                pass(each);
                world.step(0);
                world.step(0);
            }
            world.root(0, a, probe, Labels::NONE, vec![])
        };
        let moments = work(elsewhere, 2, cap.get() / 100);
        assert_eq!(moments, Err(OverBudget), "{policy}: not sooner than its time");
        assert!(work(elsewhere, 40, cap.get() / 15).is_ok(), "{policy}: refused for ever");
    }
}

/// What infrastructure asks for on the bill of a causer is that activity's; the answer comes
/// back to infrastructure. What an activity asks for stays its own, whoever it names.
#[test]
fn what_is_asked_for_a_causer_is_the_causers() {
    use super::support::{Act, First, What, World};

    let mut world = World::new(2, 8);
    let (asks, asked) =
        (world.probe(&[0], First::anywhere()), world.probe(&[1], First::anywhere()));
    let (a, b) = (world.activity(100), world.activity(100));
    let own = ActivityId::INFRASTRUCTURE;
    for (of, pays) in [(own, a), (b, b)] {
        world.root(0, of, asks, Labels::NONE, vec![Act::AskFor(a, asked, vec![])]).unwrap();
        world.settle();
        let events = world.events();
        let served = events.iter().rfind(|e| e.instance == asked.instance()).unwrap();
        assert_eq!(served.activity, pays);
        let answered = events.iter().rfind(|e| matches!(e.what, What::Answered(_))).unwrap();
        assert!(matches!(answered.what, What::Answered(Ok(_))) && answered.activity == of);
    }
    for activity in [own, a, b] {
        assert_eq!(world.grid.activities().nodes(activity), 0);
    }
}
