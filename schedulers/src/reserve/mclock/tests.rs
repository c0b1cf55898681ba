extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use vortex_grid::Frequency;
use vortex_grid::policy::{
    ClientId, ClientParams, Metric, NoQueues, Params, Readiness, Record, RecordKind, SchedulerCore,
};
use vortex_units::{Bytes, CoreId, Cycles, Rate, Share};

/// Bytes a second of the device: a byte a microsecond, and a clock of one megahertz.
const DEVICE: u64 = 1_000_000;

struct World {
    core: std::boxed::Box<dyn SchedulerCore>,
    now: u64,
}

fn client(share: u32, reservation: Option<u64>, limit: Option<u64>) -> ClientParams {
    let share = Share::from_hundredths(share).unwrap();
    let (reservation, limit) = (reservation.map(Rate::new), limit.map(Rate::new));
    ClientParams { share, reservation, limit, ..ClientParams::default() }
}

impl World {
    fn new(burst: &str, clients: &[ClientParams]) -> Self {
        let mut params = Params::new(Metric::Bytes, 1_000_000);
        params.frequency = Some(Frequency::megahertz(1));
        params.insert("burst", burst);
        let scheduler = crate::make("reserve.mclock", params).unwrap();
        let mut core = scheduler.init_core(CoreId::new(0));
        for (id, params) in (0..).zip(clients) {
            core.add_client(ClientId::new(id), params);
        }
        Self { core, now: 0 }
    }

    fn ready(&mut self, id: u32) {
        self.core.client_ready(ClientId::new(id), Cycles::new(self.now));
    }

    /// The next, or time goes on until there is one. `None` where nobody is ready.
    fn next(&mut self) -> Option<u32> {
        loop {
            match self.core.poll_ready(Cycles::new(self.now)) {
                Readiness::Idle => {
                    let choice = self.core.schedule(Cycles::new(self.now), &mut NoQueues);
                    assert!(choice.is_none(), "idle, and yet somebody");
                    return None;
                }
                Readiness::Now => {
                    let choice = self.core.schedule(Cycles::new(self.now), &mut NoQueues);
                    return Some(choice.expect("ready, and yet nobody").client.get());
                }
                Readiness::After(span) => {
                    assert!(span.get() > 0);
                    let choice = self.core.schedule(Cycles::new(self.now), &mut NoQueues);
                    assert!(choice.is_none(), "later, and yet now");
                    self.now += span.get();
                    let after = self.core.poll_ready(Cycles::new(self.now));
                    assert_eq!(after, Readiness::Now, "it said when");
                }
            }
        }
    }

    /// The device serves so many bytes of one.
    fn serve(&mut self, id: u32, bytes: u64) {
        let record = Record { bytes: Bytes::new(bytes), ..Record::new(RecordKind::BASIC) };
        // It is charged when it is sent; then the device is busy.
        self.core.resource_record(ClientId::new(id), &record, Cycles::new(self.now));
        self.now += bytes * 1_000_000 / DEVICE;
    }

    /// Who is always ready is served for so long: what each had.
    fn run(&mut self, clients: usize, until: u64, bytes: u64) -> Vec<u64> {
        let mut had = vec![0; clients];
        while self.now < until {
            let Some(id) = self.next() else { break };
            self.serve(id, bytes);
            had[id as usize] += bytes;
            self.ready(id);
        }
        had
    }
}

#[test]
fn a_reservation_goes_before_shares_and_a_limit_before_both() {
    // The paper's setting: one reserved, one limited, one large.
    let clients = [
        client(100, Some(300_000), None),
        client(200, None, Some(100_000)),
        client(900, None, None),
    ];
    let mut world = World::new("0", &clients);
    (0..3).for_each(|id| world.ready(id));
    let had = world.run(3, 10_000_000, 1_000);
    // Of 10 MB: 3 reserved; 1 is the limit; of the 7 beside the reservation the shares would
    // give the first 1/12, which it has already.
    let near = |had: u64, want: u64| had.abs_diff(want) <= 60_000;
    assert!(
        near(had[0], 3_000_000) && near(had[1], 1_000_000) && near(had[2], 6_000_000),
        "{had:?}"
    );
}

#[test]
fn what_is_reserved_is_had_from_the_beginning_to_the_end() {
    let clients = [client(1, Some(400_000), None), client(5_000, None, None)];
    let mut world = World::new("0", &clients);
    (0..2).for_each(|id| world.ready(id));
    for second in 1..=20 {
        let had = world.run(2, second * 100_000, 1_000);
        assert!(had[0] >= 39_000, "{had:?} in the {second}th");
    }
}

#[test]
fn a_limit_holds_on_an_idle_device() {
    let mut world = World::new("0", &[client(100, None, Some(50_000))]);
    world.ready(0);
    let had = world.run(1, 2_000_000, 500);
    assert!(had[0].abs_diff(100_000) <= 500, "{had:?}");
    // Nor is what was not used kept.
    let mut world = World::new("0", &[client(100, None, Some(50_000))]);
    world.now = 10_000_000;
    world.ready(0);
    let had = world.run(1, 11_000_000, 500);
    assert!(had[0].abs_diff(50_000) <= 500, "{had:?}");
}

#[test]
fn absence_earns_no_reservation() {
    let clients = [client(1, Some(500_000), None), client(100, None, None)];
    let mut world = World::new("0", &clients);
    world.ready(1);
    world.run(2, 1_000_000, 1_000);
    world.ready(0);
    let had = world.run(2, 1_100_000, 1_000);
    assert!(had[0].abs_diff(50_000) <= 3_000, "{had:?}");
}

#[test]
fn what_was_had_by_share_is_no_reservation_paid() {
    let clients = [client(100, Some(200_000), None), client(10_000, None, None)];
    let mut world = World::new("0", &clients);
    world.ready(0);
    world.run(2, 1_000_000, 1_000);
    world.ready(1);
    let had = world.run(2, 1_100_000, 1_000);
    assert!(had[0] >= 18_000, "{had:?}");
}

#[test]
fn without_a_clock_it_is_refused() {
    let made = crate::make("reserve.mclock", Params::new(Metric::Bytes, 1));
    assert!(made.is_err());
}

/// Shares, and for some a reservation or a limit; all reservations together within 0.9 of the
/// device.
fn some_clients() -> impl Strategy<Value = Vec<ClientParams>> {
    let one =
        (100..5_000_u32, prop::option::of(1_000..220_000_u64), prop::option::of(0..300_000_u64));
    prop::collection::vec(one, 2..5).prop_map(|all| {
        let with = |(share, reservation, above): (u32, Option<u64>, Option<u64>)| {
            let limit = above.map(|above| reservation.unwrap_or(2_000) + above);
            client(share, reservation, limit)
        };
        all.into_iter().map(with).collect()
    })
}

const LONGEST: u64 = 4_000;

proptest! {
    /// Bound 1, over every interval, whoever comes and goes.
    #[test]
    fn nobody_has_more_than_its_limit(
        clients in some_clients(),
        burst in 0_u64..20_000,
        steps in prop::collection::vec((1..LONGEST, any::<bool>(), 0_u32..5, 0_u64..5_000), 300),
    ) {
        let text = std::format!("{burst}");
        let mut world = World::new(&text, &clients);
        let count = clients.len() as u32;
        (0..count).for_each(|id| world.ready(id));
        let mut served: Vec<(u64, u32, u64)> = Vec::new();
        for (bytes, again, other, pause) in steps {
            if let Some(id) = world.next() {
                served.push((world.now, id, bytes));
                world.serve(id, bytes);
                if again {
                    world.ready(id);
                }
            } else {
                world.now += pause;
            }
            world.ready(other % count);
        }
        for (id, client) in (0..).zip(&clients) {
            let Some(limit) = client.limit else { continue };
            let of: Vec<_> = served.iter().filter(|(_, who, _)| *who == id).collect();
            for from in 0..of.len() {
                let mut had = 0;
                for (at, _, bytes) in of[from..].iter().copied() {
                    had += bytes;
                    let most = limit.get() * (at - of[from].0 + burst) / 1_000_000;
                    prop_assert!(had <= most + LONGEST + 1, "{id}: {had} of {most}");
                }
            }
        }
    }

    /// Bound 2, over every interval, whatever the others do; and who has neither reservation nor
    /// limit is not starved by those who have.
    #[test]
    fn everybody_has_what_is_reserved(
        clients in some_clients(),
        lengths in prop::collection::vec(1..LONGEST, 400),
    ) {
        let mut world = World::new("30000", &clients);
        let count = clients.len();
        (0..count as u32).for_each(|id| world.ready(id));
        let mut lengths = lengths.into_iter().cycle();
        let mut had = vec![0_u64; count];
        let mut most = vec![0; count];
        while world.now < 2_000_000 {
            let id = world.next().unwrap();
            let bytes = lengths.next().unwrap();
            world.serve(id, bytes);
            had[id as usize] += bytes;
            world.ready(id);
            for (id, client) in clients.iter().enumerate() {
                let Some(reserved) = client.reservation.map(Rate::get) else { continue };
                // By how much it is before its reservation, in millionths of a byte.
                let due = i128::from(reserved) * i128::from(world.now);
                let lead = i128::from(had[id]) * 1_000_000 - due;
                most[id] = lead.max(most[id]);
                let waits = reserved * (count as u64 + 1) * LONGEST;
                let bound = i128::from(waits + 2 * LONGEST * 1_000_000);
                prop_assert!(most[id] - lead <= bound, "{id}: {}", most[id] - lead);
            }
        }
        prop_assert!(had.iter().all(|had| *had > 0), "{had:?}");
    }

    /// Bound 3: without reservations and limits it is start-time fair queueing.
    #[test]
    fn shares_are_shares(
        shares in prop::array::uniform4(100..5_000_u32),
        lengths in prop::collection::vec(1..LONGEST, 400),
    ) {
        let clients = shares.map(|share| client(share, None, None));
        let mut world = World::new("0", &clients);
        (0..4).for_each(|id| world.ready(id));
        let mut had = [0_i128; 4];
        for bytes in lengths {
            let id = world.next().unwrap();
            world.serve(id, bytes);
            world.ready(id);
            had[id as usize] += i128::from(bytes);
            for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
                let (wi, wj) = (i128::from(shares[i]), i128::from(shares[j]));
                let apart = had[i] * wj - had[j] * wi;
                prop_assert!(apart <= i128::from(LONGEST) * wj + wi * wj, "{i} {j}");
            }
        }
    }
}
