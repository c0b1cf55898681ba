extern crate std;

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use vortex_grid::policy::{Metric, NoQueues, Params, Record, RecordKind};
use vortex_units::Share;

use super::*;

/// A client: per cent of the time, period in microseconds, share; a cycle is a microsecond.
type Wanted = (u64, u64, u32);

struct World {
    core: Box<dyn SchedulerCore>,
    now: u64,
    used: Vec<u64>,
}

impl World {
    fn new(clients: &[Wanted]) -> Self {
        let mut params = Params::new(Metric::Cycles, 100_000);
        params.frequency = Some(Frequency::megahertz(1));
        let core = Cbs::init(params).unwrap().init_core(CoreId::new(0));
        let mut world = Self { core, now: 0, used: vec![0; clients.len()] };
        for (id, &(part, period, share)) in (0..).zip(clients) {
            let reservation = (part > 0).then(|| Rate::new(part * 10_000));
            let share = Share::from_hundredths(share).unwrap();
            let period = Some(Micros::new(period));
            let params = ClientParams { reservation, period, share, ..ClientParams::default() };
            world.core.add_client(ClientId::new(id), &params);
        }
        world
    }

    fn ready(&mut self, id: usize) {
        self.core.client_ready(ClientId::new(id as u32), Cycles::new(self.now));
    }

    fn note(&mut self, id: usize, kind: RecordKind, cycles: u64) {
        let record = Record { cycles: Cycles::new(cycles), ..Record::new(kind) };
        self.core.resource_record(ClientId::new(id as u32), &record, Cycles::new(self.now));
    }

    /// Serves whoever is chosen for so long. Who it was.
    fn serve(&mut self, length: impl Fn(usize) -> u64) -> Option<usize> {
        let choice = self.core.schedule(Cycles::new(self.now), &mut NoQueues)?;
        let id = choice.client.index();
        self.now += length(id);
        self.used[id] += length(id);
        self.note(id, RecordKind::BASIC, length(id));
        Some(id)
    }

    /// Serves them until then, each ready again at once.
    fn run(&mut self, until: u64, length: impl Fn(usize) -> u64 + Copy) {
        while self.now < until {
            let id = self.serve(length).unwrap();
            self.ready(id);
        }
    }

    fn told(&self, id: u32) -> ClientStatistics {
        self.core.client_statistics(ClientId::new(id))
    }
}

#[test]
fn a_reservation_is_had_in_every_period_beside_any_number_of_others() {
    let mut clients = vec![(20, 10_000, 100)];
    clients.extend([(0, 1, 10_000); 30]);
    let mut world = World::new(&clients);
    (0..31).for_each(|id| world.ready(id));
    for period in 1..=50 {
        let before = world.used[0];
        world.run(period * 10_000, |_| 100);
        // A period of its own begins within one of these: at least Q − l of 2,000.
        assert!(world.used[0] - before >= 1_900, "{period}: {}", world.used[0] - before);
    }
}

#[test]
fn the_rest_is_divided_by_shares_and_comes_on_top() {
    let mut world = World::new(&[(40, 10_000, 100), (0, 1, 100), (0, 1, 400)]);
    (0..3).for_each(|id| world.ready(id));
    world.run(10_000_000, |_| 50);
    let parts: Vec<f64> = world.used.iter().map(|used| *used as f64 / 100_000.0).collect();
    for (part, wanted) in parts.iter().zip([40.0 + 10.0, 10.0, 40.0]) {
        assert!((part - wanted).abs() < 0.2, "{parts:?}");
    }
}

#[test]
fn a_spent_budget_takes_nothing_from_other_reservations() {
    // 0 wants all it can get; 1 wants 30 % in short requests, and is reserved that.
    let mut world = World::new(&[(50, 10_000, 100), (30, 10_000, 1)]);
    world.ready(0);
    world.ready(1);
    world.run(1_000_000, |id| if id == 0 { 900 } else { 30 });
    assert!(world.used[1] >= 299_000, "{:?}", world.used);
}

#[test]
fn coming_and_going_gives_no_more_than_the_bandwidth() {
    // 0 leaves when its budget is nearly spent, and comes back at once.
    let mut world = World::new(&[(20, 10_000, 1), (0, 1, 10_000)]);
    world.ready(1);
    for _ in 0..20_000 {
        world.ready(0);
        if world.serve(|_| 190) == Some(1) {
            world.ready(1);
        }
    }
    let part = world.used[0] as f64 / world.now as f64;
    assert!(part < 0.21, "{part}");
}

#[test]
fn what_is_billed_back_is_taken_off_the_budget_to_a_limit() {
    let mut world = World::new(&[(10, 10_000, 100), (0, 1, 100)]);
    world.note(0, RecordKind::BILLED_BACK, 500);
    assert_eq!(world.told(0).debt, 0, "of a budget of 1,000");
    world.note(0, RecordKind::BILLED_BACK, 1_000_000);
    let told = world.told(0);
    assert_eq!((told.debt, told.refuse), (10_000, true));
    assert_eq!(told.forgiven, 1_000_500 - 11_000);
    // Time wears it off, with nothing of its own to do and others at work.
    world.ready(1);
    world.run(60_000, |_| 100);
    assert!(world.told(0).debt <= 6_000 && !world.told(0).refuse, "{:?}", world.told(0));
    world.core.core_idle(Cycles::new(1), Cycles::new(100_000), Cycles::new(1_000_000));
    assert_eq!(world.told(0).debt, 0);
}

#[test]
fn a_part_has_spent_what_its_whole_has() {
    let mut world = World::new(&[(20, 10_000, 100)]);
    world.note(0, RecordKind::BILLED_BACK, 8_000);
    assert_eq!(world.told(0).debt, 6_000);
    let half = ClientParams {
        reservation: Some(Rate::new(100_000)),
        period: Some(Micros::new(10_000)),
        beside: Some(ClientId::new(0)),
        ..ClientParams::default()
    };
    world.core.add_client(ClientId::new(1), &half);
    let rest = ClientParams { beside: None, ..half };
    world.core.client_reweighed(ClientId::new(0), &rest, Cycles::ZERO);
    assert_eq!((world.told(0).debt, world.told(1).debt), (3_000, 3_000));
    world.core.client_inherits(ClientId::new(0), ClientId::new(1), Cycles::ZERO);
    assert_eq!((world.told(0).debt, world.told(1).debt), (6_000, 0));
}

proptest! {
    /// Bound 1: over any time, whatever the others do, by the periods that are whole in it.
    #[test]
    fn reservations_hold_whatever_the_lengths(
        clients in prop::collection::vec((1u64..30, 1u64..4), 2..4),
        others in 1usize..5,
        lengths in prop::collection::vec(1u64..100, 16),
    ) {
        let mut all: Vec<Wanted> = clients
            .iter()
            .map(|&(part, period)| (part, period * 10_000, 1))
            .collect();
        let reserved = all.len();
        all.extend(vec![(0, 1, 10_000); others]);
        let mut world = World::new(&all);
        (0..all.len()).for_each(|id| world.ready(id));
        let end = 600_000;
        let mut turn = 0;
        while world.now < end {
            let length = lengths[turn % lengths.len()];
            let id = world.serve(|_| length).unwrap();
            world.ready(id);
            turn += 1;
        }
        for (id, &(part, period, _)) in all.iter().enumerate().take(reserved) {
            let full = part * period / 100;
            let whole = end / period - 1;
            prop_assert!(
                world.used[id] + 100 >= whole * full,
                "{id}: {} of {}", world.used[id], whole * full
            );
        }
    }
}
