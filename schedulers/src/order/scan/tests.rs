extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use vortex_grid::policy::{
    ClientId, ClientParams, Metric, Params, QueueRef, Queues, Record, RecordKind, Reordering,
    RequestView, SchedulerCore,
};
use vortex_units::{Bytes, CoreId, Cycles, InstanceId, Share};

use super::PATIENCE;

/// Clients with a queue each of (position, queued at, bytes).
struct World {
    core: std::boxed::Box<dyn SchedulerCore>,
    queues: Lines,
    now: u64,
    served: Vec<(u32, u64)>,
}

#[derive(Default)]
struct Lines(Vec<Vec<(u64, u64, u64)>>);

impl Queues for Lines {
    fn len(&self, client: ClientId) -> usize {
        self.0[client.index()].len()
    }

    fn queue(&self, client: ClientId, place: usize) -> Option<(QueueRef, InstanceId)> {
        let any = place == 0 && !self.0[client.index()].is_empty();
        any.then(|| (QueueRef(u64::from(client.get())), InstanceId::new(0)))
    }

    fn read(&self, queue: QueueRef, position: usize) -> Option<RequestView> {
        let &(at, since, bytes) = self.0[queue.0 as usize].get(position)?;
        Some(RequestView {
            sender: InstanceId::new(0),
            queued_at: Cycles::new(since),
            dependency: None,
            position: at,
            size: Bytes::new(bytes),
        })
    }

    fn reorder(&mut self, queue: QueueRef, position: usize) -> Result<(), Reordering> {
        let line = &mut self.0[queue.0 as usize];
        let moved = line.remove(position);
        line.insert(0, moved);
        Ok(())
    }

    fn merge(&mut self, _: QueueRef, _: usize) -> Result<(), Reordering> {
        Err(Reordering::NotMergeable)
    }
}

impl World {
    fn new(shares: &[u32], window: Option<&str>) -> Self {
        let mut params = Params::new(Metric::Bytes, 1_000_000);
        if let Some(window) = window {
            params.insert("window", window);
        }
        let mut core = crate::make("order.scan", params).unwrap().init_core(CoreId::new(0));
        for (id, share) in (0..).zip(shares) {
            let share = Share::from_hundredths(*share).unwrap();
            core.add_client(ClientId::new(id), &ClientParams { share, ..ClientParams::default() });
        }
        let queues = Lines(vec![Vec::new(); shares.len()]);
        Self { core, queues, now: 0, served: Vec::new() }
    }

    fn ask(&mut self, client: u32, position: u64, bytes: u64) {
        self.now += 1;
        self.queues.0[client as usize].push((position, self.now, bytes));
        self.core.client_ready(ClientId::new(client), Cycles::new(self.now));
    }

    /// Serves one: whose it was, its position and its bytes.
    fn serve(&mut self) -> Option<(u32, u64, u64)> {
        let now = Cycles::new(self.now);
        let choice = self.core.schedule(now, &mut self.queues)?;
        let line = &mut self.queues.0[choice.client.index()];
        let (position, _, bytes) = line.remove(0);
        let more = !line.is_empty();
        let record = Record { bytes: Bytes::new(bytes), ..Record::new(RecordKind::BASIC) };
        self.core.resource_record(choice.client, &record, now);
        if more {
            self.core.client_ready(choice.client, now);
        }
        self.served.push((choice.client.get(), position));
        Some((choice.client.get(), position, bytes))
    }
}

#[test]
fn one_sweep_upwards_and_around() {
    let mut world = World::new(&[100, 100], Some("100"));
    for (client, position) in [(0, 50), (1, 10), (0, 30), (1, 40), (0, 20), (1, 60)] {
        world.ask(client, position, 512);
    }
    let mut all = Vec::new();
    while let Some((_, position, _)) = world.serve() {
        all.push(position);
    }
    assert_eq!(all, [10, 20, 30, 40, 50, 60][..], "{all:?}");
    // Above the last there is nothing: it begins again below.
    world.ask(0, 70, 512);
    world.ask(1, 5, 512);
    assert_eq!(world.serve().map(|(_, position, _)| position), Some(70));
    assert_eq!(world.serve().map(|(_, position, _)| position), Some(5));
}

/// Seeks of scattered requests, in the order of `order.scan` and of plain fairness.
#[test]
fn the_way_is_shorter_than_by_fairness_alone() {
    let way = |window: &str| {
        let mut world = World::new(&[100, 50, 25], Some(window));
        let mut random = 1_u64;
        let mut number = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % 1_000_000
        };
        (0..3).for_each(|id| (0..16).for_each(|_| world.ask(id, number(), 4_096)));
        let (mut last, mut way) = (0_u64, 0);
        for _ in 0..3_000 {
            let (client, position, _) = world.serve().unwrap();
            world.ask(client, number(), 4_096);
            way += last.abs_diff(position);
            last = position;
        }
        way
    };
    let (near, fair) = (way("16"), way("0"));
    assert!(near * 3 < fair * 2, "{near} of {fair}");
}

#[test]
fn who_reads_near_the_last_position_for_ever_keeps_nobody_waiting() {
    let mut world = World::new(&[100, 100], None);
    world.ask(1, 1_000_000, 512);
    let mut turns = 0;
    // The first has always the position just behind, and the one behind that.
    world.ask(0, 1, 4_096);
    loop {
        world.ask(0, turns + 2, 4_096);
        turns += 1;
        if world.serve().unwrap().0 == 1 {
            break;
        }
        assert!(turns < 40, "kept waiting");
    }
}

#[test]
fn a_client_does_not_starve_its_own_far_request() {
    let mut world = World::new(&[100], None);
    world.ask(0, 1_000_000, 512);
    world.ask(0, 1, 512);
    for turn in 0..=u64::from(PATIENCE) {
        world.ask(0, turn + 2, 512);
        if world.serve().unwrap().1 == 1_000_000 {
            assert!(turn > 8, "and it did go upwards before");
            return;
        }
    }
    panic!("passed over {} times", world.served.len());
}

proptest! {
    /// Bound 1, whatever the positions and lengths: two clients that are always ready are never
    /// further apart than the window and their longest requests.
    #[test]
    fn shares_hold_within_the_window(
        shares in prop::array::uniform4(500..5_000_u32),
        window in 0_u64..40,
        asks in prop::collection::vec((0_u64..1_000, 1_u64..64), 1_200),
    ) {
        const LONGEST: i128 = 64 * 512;
        let text = std::format!("{window}");
        let mut world = World::new(&shares, Some(&text));
        let mut asks = asks.into_iter().cycle();
        for id in 0..4 {
            // Each likes another place; the first asks where the arm is.
            for _ in 0..9 {
                let (position, blocks) = asks.next().unwrap();
                world.ask(id, position * (1 + u64::from(id) * 999), blocks * 512);
            }
        }
        let weights: i128 = shares.iter().map(|share| i128::from(*share)).sum();
        let mut used = [0_i128; 4];
        let (mut highest, mut lowest) = ([i128::MIN; 16], [i128::MAX; 16]);
        for _ in 0..1_000 {
            let (client, at, bytes) = world.serve().unwrap();
            used[client as usize] += i128::from(bytes);
            let (position, blocks) = asks.next().unwrap();
            let near = if client == 0 { at + 1 } else { position * (1 + u64::from(client) * 999) };
            world.ask(client, near, blocks * 512);
            for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
                let (wi, wj) = (i128::from(shares[i]), i128::from(shares[j]));
                let apart = used[i] * wj - used[j] * wi;
                let place = i * 4 + j;
                highest[place] = highest[place].max(apart);
                lowest[place] = lowest[place].min(apart);
                // The window is of average charges, which are no longer than the longest. Each
                // may be ahead of the other by it.
                let ahead = i128::from(window) * LONGEST * wi * wj / weights;
                let bound = 2 * ahead + LONGEST * (wi + wj) + wi * wj;
                prop_assert!(highest[place] - lowest[place] <= bound, "{i} {j}");
            }
        }
    }

    /// Work conserving, and nothing is lost: whatever comes is served, each once.
    #[test]
    fn all_that_is_asked_is_served(
        asks in prop::collection::vec((0_u32..3, 0_u64..100, 1_u64..64, 0_usize..3), 1..200),
    ) {
        let mut world = World::new(&[100, 10, 1], None);
        let (mut asked, mut waiting) = (Vec::new(), 0_u32);
        for (client, position, blocks, serve) in asks {
            world.ask(client, position, blocks * 512);
            asked.push((client, position));
            waiting += 1;
            for _ in 0..serve {
                prop_assert_eq!(world.serve().is_some(), waiting > 0);
                waiting = waiting.saturating_sub(1);
            }
        }
        while world.serve().is_some() {}
        asked.sort_unstable();
        world.served.sort_unstable();
        prop_assert_eq!(asked, world.served);
    }
}
