extern crate std;

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use vortex_grid::Frequency;
use vortex_grid::policy::{Metric, Params, RecordKind};
use vortex_units::Share;

use super::*;

/// Groups by what they are within, their policy and share; clients by group, share, priority.
struct World {
    core: Box<dyn SchedulerCore>,
    now: u64,
    used: Vec<u64>,
}

fn share(hundredths: u32) -> Share {
    Share::from_hundredths(hundredths).unwrap()
}

fn made(groups: &[(Option<u16>, &str, u32)], root: &str) -> Result<Hierarchy, InitError> {
    let mut params = Params::new(Metric::Cycles, 100_000);
    params.frequency = Some(Frequency::megahertz(1));
    params.insert("root", root);
    params.groups = groups
        .iter()
        .map(|&(within, policy, of)| Group {
            within,
            policy: policy.into(),
            share: share(of),
            priority: 0,
        })
        .collect();
    Hierarchy::init(params)
}

impl World {
    fn new(groups: &[(Option<u16>, &str, u32)], clients: &[(Option<u16>, u32, u32)]) -> Self {
        let core = made(groups, "propshare.wfq").unwrap().init_core(CoreId::new(0));
        let mut world = Self { core, now: 0, used: vec![0; clients.len()] };
        for (id, &(group, of, priority)) in (0..).zip(clients) {
            let params =
                ClientParams { group, share: share(of), priority, ..ClientParams::default() };
            world.core.add_client(ClientId::new(id), &params);
        }
        world
    }

    fn ready(&mut self, id: usize) {
        self.core.client_ready(ClientId::new(id as u32), Cycles::new(self.now));
    }

    fn suspend(&mut self, id: usize) {
        self.core.client_suspended(ClientId::new(id as u32), Cycles::new(self.now));
    }

    fn serve(&mut self, length: u64) -> Option<usize> {
        let choice = self.core.schedule(Cycles::new(self.now), &mut NoQueues)?;
        let id = choice.client.index();
        self.now += length;
        self.used[id] += length;
        let record = Record { cycles: Cycles::new(length), ..Record::new(RecordKind::BASIC) };
        self.core.resource_record(choice.client, &record, Cycles::new(self.now));
        Some(id)
    }

    fn run(&mut self, steps: usize, length: u64) {
        for _ in 0..steps {
            let id = self.serve(length).unwrap();
            self.ready(id);
        }
    }

    fn parts(&self) -> Vec<f64> {
        let all: u64 = self.used.iter().sum();
        self.used.iter().map(|used| *used as f64 * 100.0 / all as f64).collect()
    }
}

#[test]
fn shares_multiply_on_the_way_and_stay_in_the_group() {
    // Two groups of 60 and 40; in the first two of equal shares, in the second one of two parts
    // and a group within, of one, with two clients.
    let groups = [
        (None, "propshare.wfq", 6_000),
        (None, "propshare.stride", 4_000),
        (Some(1), "propshare.round-robin", 100),
    ];
    let clients = [
        (Some(0), 100, 0),
        (Some(0), 100, 0),
        (Some(1), 200, 0),
        (Some(2), 100, 0),
        (Some(2), 100, 0),
    ];
    let mut world = World::new(&groups, &clients);
    (0..5).for_each(|id| world.ready(id));
    world.run(60_000, 10);
    let wanted = [30.0, 30.0, 80.0 / 3.0, 20.0 / 3.0, 20.0 / 3.0];
    for (part, wanted) in world.parts().iter().zip(wanted) {
        assert!((part - wanted).abs() < 0.1, "{:?}", world.parts());
    }
    // What one leaves is its neighbour's in the group, and nobody else's.
    world.used.fill(0);
    world.suspend(0);
    world.run(60_000, 10);
    let wanted = [0.0, 60.0, 80.0 / 3.0, 20.0 / 3.0, 20.0 / 3.0];
    for (part, wanted) in world.parts().iter().zip(wanted) {
        assert!((part - wanted).abs() < 0.1, "{:?}", world.parts());
    }
}

#[test]
fn a_group_of_priorities_is_one_client_of_shares() {
    let groups = [(None, "priority.strict", 5_000)];
    let clients = [(Some(0), 100, 1), (Some(0), 100, 2), (None, 5_000, 0)];
    let mut world = World::new(&groups, &clients);
    (0..3).for_each(|id| world.ready(id));
    world.run(10_000, 10);
    assert_eq!(world.used[1], 0, "it is below 0 for ever");
    assert!((world.parts()[0] - 50.0).abs() < 0.1, "{:?}", world.parts());
}

/// What one of a group uses elsewhere, beyond its part, is not the others' loss: the group is
/// charged with what its own node has charged.
#[test]
fn a_member_that_uses_much_elsewhere_leaves_the_others_theirs() {
    for policy in
        ["propshare.wfq", "propshare.round-robin", "propshare.stride", "propshare.lottery"]
    {
        let mut world = World::new(
            &[(None, policy, 1_000)],
            &[(Some(0), 1_000, 0), (Some(0), 1_000, 0), (None, 1_000, 0)],
        );
        for id in 0..3 {
            world.ready(id);
        }
        for _ in 0..60_000 {
            let id = world.serve(100).unwrap();
            // Three times as much is done for the first in a resource.
            let record = Record { cycles: Cycles::new(300), ..Record::new(RecordKind::THROUGH) };
            world.core.resource_record(ClientId::new(0), &record, Cycles::new(world.now));
            world.ready(id);
        }
        // The group's part is half, and half of that the second's.
        let part = world.parts()[1];
        assert!(part >= 24.0, "{policy}: {:?}", world.parts());
    }
}

#[test]
fn a_group_whose_members_are_suspended_is_chosen_in_vain_and_no_more() {
    let groups = [(None, "fifo", 9_900), (Some(0), "fifo", 100)];
    let mut world = World::new(&groups, &[(Some(1), 100, 0), (None, 100, 0)]);
    world.ready(0);
    world.ready(1);
    world.suspend(0);
    assert_eq!(world.serve(10), Some(1));
    assert_eq!(world.serve(10), None);
    world.ready(0);
    assert_eq!(world.serve(10), Some(0));
    world.core.remove_client(ClientId::new(0));
    assert_eq!(world.serve(10), None);
}

#[test]
fn policies_that_nodes_cannot_have_are_refused() {
    for wrong in ["hierarchy", "order.scan", "deadline.cbs", "reserve.mclock", "cfs"] {
        assert!(made(&[(None, wrong, 100)], "fifo").is_err(), "{wrong}");
        assert!(made(&[], wrong).is_err(), "{wrong}");
    }
}

proptest! {
    /// However clients come and go, one that is ready is served in the end, and nobody who is
    /// not: the tree says the same as a set.
    #[test]
    fn who_is_ready_is_served_and_nobody_else(
        steps in prop::collection::vec((0u8..4, 0usize..6), 1..300),
    ) {
        let groups = [
            (None, "propshare.wfq", 300),
            (Some(0), "propshare.round-robin", 100),
            (None, "fifo", 100),
        ];
        let clients =
            [(None, 1, 0), (Some(0), 50, 0), (Some(0), 9, 0), (Some(1), 1, 0), (Some(2), 3, 0), (Some(1), 7, 0)];
        let mut world = World::new(&groups, &clients);
        let mut ready = [false; 6];
        for (what, id) in steps {
            match what {
                0 | 1 => {
                    world.ready(id);
                    ready[id] = true;
                }
                2 => {
                    world.suspend(id);
                    ready[id] = false;
                }
                _ => {
                    let chosen = world.serve(7);
                    prop_assert_eq!(chosen.is_some(), ready.contains(&true));
                    if let Some(chosen) = chosen {
                        prop_assert!(ready[chosen], "{chosen} is not ready");
                        ready[chosen] = false;
                    }
                }
            }
        }
        while ready.contains(&true) {
            let chosen = world.serve(7);
            prop_assert!(chosen.is_some_and(|chosen| ready[chosen]), "{chosen:?} of {ready:?}");
            ready[chosen.unwrap()] = false;
        }
        prop_assert_eq!(world.serve(7), None);
    }
}
